"""The catalog through its public interface: real SQLite files."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

import mmsearch
from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.columns import Columns
from mmsearch.catalog.file import FORMAT_VERSION
from mmsearch.catalog.migrations import migrate
from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import FileState, NewItem, Source, StoredEncoder
from mmsearch.errors import (
    IndexDamagedError,
    IndexFormatError,
    IndexNotFoundError,
    StorageError,
)
from mmsearch.items import MediaInfo, Modality

FORMAT_1 = Path(__file__).parent / "data" / "format_1.sql"
ENCODER = StoredEncoder("tiny@1", "tiny", "tiny", "1", {"height": 2}, dim=3)
INFO = MediaInfo(640, 480, datetime(2024, 5, 6, 7, 8, 9), 48.2, -16.4, "Canon EOS 40D")


def add_source(catalog: Catalog, path: Path, exclude: Sequence[str] = ()) -> Source:
    with catalog.transaction() as change:
        return change.add_source(path, exclude)


def image(*values: float) -> NewItem:
    return NewItem(Modality.IMAGE, np.array(values, dtype=np.float32))


def inside(reader: CatalogReader, *folders: tuple[int, str]) -> list[int]:
    """Ids of the items in folders of sources."""
    columns = Columns(reader)
    found: list[int] = columns.items[columns.under(folders)].tolist()
    return found


@pytest.fixture
def catalog(tmp_path: Path):
    made = Catalog.create(tmp_path, ENCODER)
    yield made
    made.close()


@pytest.fixture
def reader(catalog: Catalog, tmp_path: Path):
    opened = CatalogReader(tmp_path)
    yield opened
    opened.close()


def test_what_is_written_is_read(catalog: Catalog, reader: CatalogReader, tmp_path: Path) -> None:
    source = add_source(catalog, tmp_path / "photos", ["*.tmp"])
    with catalog.transaction() as change:
        change.put_asset(source.id, FileState("a/b.jpg", 9, 8, "hash"), INFO, [image(1, 0, 0.5)])

    (item,) = reader.items(reader.embedded_ids().tolist()).values()
    assert item.path == tmp_path / "photos" / "a" / "b.jpg"
    assert item.info == INFO
    assert item.modality is Modality.IMAGE
    ((ids, vectors),) = reader.embeddings_after(0)
    assert ids.tolist() == [item.id]
    np.testing.assert_array_equal(vectors, [[1, 0, 0.5]])
    assert reader.encoder() == ENCODER
    assert catalog.sources() == [source]
    assert source.exclude == ("*.tmp",)
    assert reader.problems() == []


def test_embeddings_of_some_items_come_by_ascending_id(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    rows = [image(1, 0, 0), image(0, 1, 0), image(0, 0, 1)]
    with catalog.transaction() as change:
        change.put_asset(source.id, FileState("a.jpg", 1, 1), INFO, rows)
    first, second, third = reader.embedded_ids().tolist()

    ids, vectors = reader.embeddings([third, 999, first, third])
    assert ids.tolist() == [first, third]
    np.testing.assert_array_equal(vectors, [[1, 0, 0], [0, 0, 1]])
    assert reader.embeddings(np.array([second]))[1].tolist() == [[0, 1, 0]]
    assert [part.shape for part in reader.embeddings([])] == [(0,), (0, 3)]


def test_each_transaction_is_a_generation(catalog: Catalog, reader: CatalogReader) -> None:
    before = reader.generation()
    with catalog.transaction():
        pass
    assert reader.generation() == before + 1


def test_a_failing_transaction_changes_nothing(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    before = reader.generation()
    with pytest.raises(ZeroDivisionError), catalog.transaction() as change:
        change.put_asset(source.id, FileState("a.jpg", 1, 1), INFO, [image(1, 0, 0)])
        raise ZeroDivisionError

    assert reader.generation() == before
    assert reader.count_assets() == 0


def test_a_reader_sees_one_generation_while_another_is_written(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    with reader.snapshot():
        before = reader.generation()
        with catalog.transaction() as change:
            change.put_asset(source.id, FileState("a.jpg", 1, 1), INFO, [image(1, 0, 0)])
        assert reader.generation() == before
        assert reader.count_assets() == 0
    assert reader.count_assets() == 1


def test_item_ids_are_never_used_twice(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    seen: list[int] = []
    for _ in range(3):
        with catalog.transaction() as change:
            change.put_asset(source.id, FileState("a.jpg", 1, 1), INFO, [image(1, 0, 0)])
        seen.extend(reader.embedded_ids().tolist())
        with catalog.transaction() as change:
            change.remove_assets([catalog.known_assets(source.id)["a.jpg"].id])

    assert len(seen) == 3
    assert seen == sorted(set(seen))


def test_a_failure_replaces_items_and_content_replaces_a_failure(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    file = FileState("a.jpg", 1, 1, "hash")
    with catalog.transaction() as change:
        change.put_asset(source.id, file, INFO, [image(1, 0, 0)])
        change.fail_asset(source.id, file, "the data ends early", "UnreadableFileError")

    assert reader.count_items() == {}
    (failure,) = reader.failures()
    assert (failure.path, failure.reason) == (tmp_path / "a.jpg", "the data ends early")

    with catalog.transaction() as change:
        change.put_asset(source.id, file, INFO, [image(1, 0, 0)])
    assert reader.failures() == []
    assert reader.count_items() == {Modality.IMAGE: 1}


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_that_are_not_utf8_are_found_again(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    name = os.fsdecode(b"caf\xe9/\xff.jpg")
    with catalog.transaction() as change:
        change.put_asset(source.id, FileState(name, 1, 1), INFO, [image(1, 0, 0)])

    assert list(catalog.known_assets(source.id)) == [name]
    for folder in (os.fsdecode(b"caf\xe9"), ""):
        (item,) = inside(reader, (source.id, folder))
        assert reader.items([item])[item].path == tmp_path / name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_holds_files_of_any_name(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    with catalog.transaction() as change:
        for path in (b"x/caf\xe9", b"x/cafe", b"y/caf\xe9"):
            file = FileState(os.fsdecode(path), 1, 1)
            change.put_asset(source.id, file, INFO, [image(1, 0, 0)])

    assert len(inside(reader, (source.id, "x"))) == 2


def test_folders_match_whole_names_only(
    catalog: Catalog, reader: CatalogReader, tmp_path: Path
) -> None:
    source = add_source(catalog, tmp_path)
    with catalog.transaction() as change:
        for path in ("a/x.jpg", "ab/x.jpg", "a%/x.jpg", "a"):
            change.put_asset(source.id, FileState(path, 1, 1), INFO, [image(1, 0, 0)])

    found = reader.items(inside(reader, (source.id, "a")))
    assert {item.path for item in found.values()} == {tmp_path / "a/x.jpg", tmp_path / "a"}
    assert len(inside(reader)) == 0
    assert len(inside(reader, (source.id, ""))) == 4
    assert len(inside(reader, (source.id, "a"), (source.id, "ab"))) == 3


def test_a_missing_catalog_is_named(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="mmsearch index"):
        CatalogReader(tmp_path)


def test_another_database_is_refused(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / CATALOG_NAME).execute("CREATE TABLE notes (text)").connection.close()
    with pytest.raises(IndexFormatError, match="not a catalog"):
        CatalogReader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CATALOG_NAME).write_bytes(content)
    with pytest.raises(IndexFormatError):
        CatalogReader(tmp_path)


def test_damage_is_named(catalog: Catalog, tmp_path: Path) -> None:
    catalog.close()
    path = tmp_path / CATALOG_NAME
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="damaged"):
        CatalogReader(tmp_path).generation()


def test_a_newer_format_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    catalog.close()
    connection = sqlite3.connect(tmp_path / CATALOG_NAME)
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    connection.close()
    with pytest.raises(IndexFormatError, match="upgrade mmsearch"):
        CatalogReader(tmp_path)
    with pytest.raises(IndexFormatError, match="upgrade mmsearch"):
        Catalog(tmp_path)


@pytest.fixture
def old_index(tmp_path: Path) -> Path:
    """An index of format 1 over two photos and a broken one, and a single photo."""
    directory = tmp_path / "index"
    directory.mkdir()
    connection = sqlite3.connect(directory / CATALOG_NAME)
    connection.executescript(FORMAT_1.read_text())
    connection.close()
    return directory


def test_an_index_of_format_1_is_upgraded_when_it_is_opened(old_index: Path) -> None:
    with mmsearch.open(old_index) as index:
        (hit,) = index.search("red", k=1)
        status = index.status()

    assert hit.path == old_index.parent / "photos" / "rose.jpg"
    assert status.items == {Modality.IMAGE: 3}
    assert [failure.path.name for failure in status.failed] == ["broken.jpg"]


def test_an_old_index_that_cannot_be_written_to_says_why_it_must_be(old_index: Path) -> None:
    (old_index / "lock").mkdir()  # keeps root out too

    with pytest.raises(StorageError, match="upgraded once.*cannot be written to"):
        mmsearch.open(old_index)


def test_an_upgraded_catalog_is_laid_out_as_a_new_one(old_index: Path, tmp_path: Path) -> None:
    mmsearch.open(old_index).close()
    Catalog.create(tmp_path, ENCODER).close()

    assert layout(old_index) == layout(tmp_path)


def layout(directory: Path) -> tuple[dict[str, set[object]], set[tuple[str, str]]]:
    """The columns of each table, and all other things that are defined."""
    connection = sqlite3.connect(directory / CATALOG_NAME)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    columns = {
        name: {row[1:] for row in connection.execute(f"PRAGMA table_info('{name}')")}
        for (name,) in tables
    }
    defined = connection.execute("SELECT type, name FROM sqlite_master WHERE type != 'table'")
    found = set(defined.fetchall())
    connection.close()
    return columns, found


def test_the_words_of_an_upgraded_catalog_are_there(old_index: Path) -> None:
    mmsearch.open(old_index).close()
    connection = sqlite3.connect(old_index / CATALOG_NAME)
    found = connection.execute(
        "SELECT words FROM asset_words WHERE asset_words MATCH 'lake OR single' ORDER BY rowid"
    ).fetchall()
    connection.close()

    assert found == [("photos/trip 2019/lake.jpg",), ("single.png",)]


def test_migrations_run_in_order_and_each_is_all_or_nothing(catalog: Catalog) -> None:
    engine = catalog._engine

    def add_notes(connection) -> None:
        connection.execute(text("CREATE TABLE note (text)"))

    def fail(connection) -> None:
        connection.execute(text("CREATE TABLE half (text)"))
        raise ZeroDivisionError

    steps = {FORMAT_VERSION: add_notes, FORMAT_VERSION + 1: fail}
    with pytest.raises(ZeroDivisionError):
        migrate(engine, target=FORMAT_VERSION + 2, migrations=steps)

    with engine.connect() as connection:
        tables = set(connection.scalars(text("SELECT name FROM sqlite_master")))
        version = connection.scalar(text("PRAGMA user_version"))
    assert "note" in tables
    assert "half" not in tables
    assert version == FORMAT_VERSION + 1


def test_a_catalog_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    """Whatever size the disk allows, there is a whole catalog or none, and the error is ours."""
    resource = pytest.importorskip("resource", reason="POSIX only")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    outcomes = set()
    for limit in range(0, 200_000, 8192):
        directory = tmp_path / str(limit)
        directory.mkdir()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            Catalog.create(directory, ENCODER).close()
        except StorageError:
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        whole = (directory / CATALOG_NAME).exists()
        outcomes.add(whole)
        if whole:
            reader = CatalogReader(directory)
            assert reader.encoder() == ENCODER
            reader.close()
        assert not list(directory.glob("*.new*"))
    assert outcomes == {True, False}


def test_a_new_catalog_does_not_take_up_the_log_of_a_deleted_one(tmp_path: Path) -> None:
    with Path(tmp_path, f"{CATALOG_NAME}-wal").open("wb") as log:
        log.write(b"frames of a catalog that was deleted")
    Catalog.create(tmp_path, ENCODER).close()

    assert not (tmp_path / f"{CATALOG_NAME}-wal").exists()


def test_deleting_an_item_does_not_scan_all_embeddings(catalog: Catalog, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / CATALOG_NAME) as connection:
        (plan,) = connection.execute("EXPLAIN QUERY PLAN DELETE FROM embedding WHERE item_id = 1")
    connection.close()

    assert "SEARCH" in plan[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at open files in /proc")
def test_a_catalog_that_cannot_be_opened_is_let_go_of(tmp_path: Path) -> None:
    (tmp_path / CATALOG_NAME).write_bytes(b"no database" * 1000)
    raised = []
    for _ in range(3):
        with pytest.raises(IndexFormatError) as error:
            CatalogReader(tmp_path)
        raised.append(error)

    opened = [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]
    assert not [path for path in opened if path.startswith(str(tmp_path))]
