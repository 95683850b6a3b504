"""One index, one directory: catalog and vector store stay in step."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

import mmsearch
from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import (
    DeviceUnavailableError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    SettingsError,
    SourceNotFoundError,
    StorageError,
)
from mmsearch.keeper import VectorKeeper
from mmsearch.testing import TinyEncoder, make_photo
from mmsearch.vectors.stamp import Stamp


def answers(index: mmsearch.Index) -> list[tuple[str, float]]:
    return [(hit.path.name, hit.score) for hit in index.search("a red and blue photo", k=50)]


def test_deleting_the_vectors_changes_no_answer(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    before = answers(index)
    shutil.rmtree(index.path / "vectors")

    with mmsearch.open(index.path) as again:
        assert answers(again) == before
    assert (index.path / "vectors" / "head").exists()


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\0" * 5000])
def test_damaged_vectors_change_no_answer(
    index: mmsearch.Index, photos: Path, damage: bytes
) -> None:
    index.add(photos)
    before = answers(index)
    (index.path / "vectors" / "head").write_bytes(damage)

    with mmsearch.open(index.path) as again:
        assert answers(again) == before


def test_vectors_of_an_earlier_generation_are_caught_up(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    index.add(photos)
    stale = shutil.copytree(index.path / "vectors", tmp_path / "stale")
    make_photo(photos / "purple.png", "purple")
    make_photo(photos / "red.png", "orange")
    (photos / "blue.png").unlink()
    index.add(photos)
    before = answers(index)
    shutil.rmtree(index.path / "vectors")
    shutil.copytree(stale, index.path / "vectors")

    with mmsearch.open(index.path) as again:
        assert answers(again) == before
        assert {name for name, _ in before} == {
            "red.png",
            "green.png",
            "yellow.png",
            "purple.png",
        }


def test_vectors_of_an_older_version_are_replaced(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    before = answers(index)
    shutil.rmtree(index.path / "vectors")
    (index.path / "vectors.faiss").write_bytes(b"of an older version")

    with mmsearch.open(index.path) as again:
        assert answers(again) == before
    assert not (index.path / "vectors.faiss").exists()
    assert (index.path / "vectors" / "head").exists()


def test_many_vectors_are_written_while_they_are_caught_up(
    index: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmsearch.keeper._SPILL", 1)
    monkeypatch.setattr(CatalogReader.embeddings_after, "__kwdefaults__", {"chunk": 1})
    index.add(photos)
    before = answers(index)
    (photos / "red.png").unlink()
    make_photo(photos / "purple.png", "purple")
    index.add(photos)
    after = answers(index)
    shutil.rmtree(index.path / "vectors")

    with mmsearch.open(index.path) as again:
        assert answers(again) == after != before
        assert again.verify() == []
    assert len(list((index.path / "vectors").iterdir())) == 3


def test_vectors_caught_up_beside_a_writer_are_those_it_saves(
    index: mmsearch.Index, photos: Path
) -> None:
    with mmsearch.open(index.path) as reader:
        index.add(photos)
        with FileLock(index.path / "lock"):  # a writer at work: nothing can be saved
            shutil.rmtree(index.path / "vectors")
            with mmsearch.open(index.path) as late:
                assert answers(late) == answers(reader)
            assert not (index.path / "vectors").exists()
        (photos / "red.png").unlink()
        index.update()
        assert len(answers(reader)) == 3
        assert answers(reader) == answers(index)


def test_an_open_index_sees_what_another_process_commits(
    index: mmsearch.Index, photos: Path
) -> None:
    with mmsearch.open(index.path) as other:
        assert answers(other) == []
        index.add(photos)
        assert answers(other) == answers(index)
        (photos / "red.png").unlink()
        index.update()
        assert answers(other) == answers(index)


def test_one_writer_at_a_time_and_readers_do_not_wait(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    with FileLock(index.path / "lock"):
        with pytest.raises(IndexLockedError, match="Another process"):
            index.add(photos)
        with pytest.raises(IndexLockedError):
            index.remove(photos)
        assert len(answers(index)) == 4
    assert index.add(photos).unchanged == 4


def test_an_index_that_cannot_be_written_to_is_searched_all_the_same(
    index: mmsearch.Index, photos: Path
) -> None:
    index.add(photos)
    before = answers(index)
    index.close()
    shutil.rmtree(index.path / "vectors")
    # A directory in the lock's place stops every writer, also one that runs as root.
    (index.path / "lock").unlink(missing_ok=True)
    (index.path / "lock").mkdir()

    with mmsearch.open(index.path) as again:
        assert answers(again) == before
        with pytest.raises(StorageError, match="cannot be written"):
            again.add(photos)


def test_index_and_photos_move_together(tmp_path: Path) -> None:
    old = tmp_path / "old"
    make_photo(old / "photos" / "red.png", "red")
    with mmsearch.create(old / "index", model="testing") as index:
        index.add(old / "photos")
    new = old.rename(tmp_path / "new")

    with mmsearch.open(new / "index") as index:
        (hit,) = index.search("red")
        assert hit.path == new / "photos" / "red.png"
        assert index.add(new / "photos").unchanged == 1


def test_an_index_is_made_once(index: mmsearch.Index) -> None:
    with pytest.raises(IndexExistsError):
        mmsearch.create(index.path, model="testing")


def test_an_empty_text_is_neither_an_index_nor_a_path(
    index: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(photos)
    monkeypatch.chdir(photos)
    for made in (lambda: mmsearch.create("", model="testing"), lambda: mmsearch.open("")):
        with pytest.raises(SettingsError, match="needs a name"):
            made()
    for use in (index.add, index.remove, index.transcribe):
        with pytest.raises(SourceNotFoundError, match="An empty text is no path"):
            use("")
    assert index.status().assets


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    for path, model in ((tmp_path / "a", "testing"), (tmp_path / "b", TinyEncoder())):
        with pytest.raises(DeviceUnavailableError, match="auto, cpu, cuda"):
            mmsearch.create(path, model=model, device="tpu")  # type: ignore[arg-type]
        assert not path.exists()


def test_opening_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        mmsearch.open(tmp_path / "nowhere")


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        mmsearch.create(tmp_path / "file" / "index", model="testing")


def test_verify_finds_vectors_that_disagree_and_repair_mends_them(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    index.add(photos)
    assert index.verify() == []
    index.close()
    shutil.copytree(index.path, tmp_path / "copy")
    with mmsearch.open(tmp_path / "copy") as copy:
        copy.remove(photos / "deep")
    shutil.rmtree(index.path / "vectors")
    shutil.copytree(tmp_path / "copy" / "vectors", index.path / "vectors")

    with mmsearch.open(index.path) as again:
        assert again.verify() == ["the vectors do not agree with the catalog"]
        again.repair()
        assert again.verify() == []
        assert len(answers(again)) == 4


def test_vectors_of_another_catalog_are_not_used(index: mmsearch.Index, tmp_path: Path) -> None:
    index.add(make_photo(tmp_path / "photos" / "red.png", "red"))
    index.close()
    expected = answers(index := mmsearch.open(index.path))
    with mmsearch.create(tmp_path / "other.mmsearch", model="testing") as other:
        other.add(make_photo(tmp_path / "other" / "blue.png", "blue"))
    shutil.rmtree(index.path / "vectors")
    shutil.copytree(other.path / "vectors", index.path / "vectors")

    with mmsearch.open(index.path) as again:
        assert answers(again) == expected
    index.close()


def test_a_catalog_made_anew_does_not_take_old_vectors_over(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    index.add(make_photo(tmp_path / "red.png", "red"))
    index.close()
    for file in index.path.glob("catalog.sqlite*"):
        file.unlink()

    with mmsearch.create(index.path, model="testing") as again:
        again.add(make_photo(tmp_path / "blue.png", "blue"))
        assert again.search("blue", k=1)[0].score > 0.5


def test_a_catalog_restored_from_a_backup_does_not_meet_vectors_from_its_future(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    index.add(make_photo(tmp_path / "green.png", "green"))
    index.close()
    backup = (index.path / "catalog.sqlite").read_bytes()
    with mmsearch.open(index.path) as again:
        again.add(make_photo(tmp_path / "red.png", "red"))
    (index.path / "catalog.sqlite").write_bytes(backup)

    with mmsearch.open(index.path) as again:
        again.add(make_photo(tmp_path / "blue.png", "blue"))
        assert answers(again)[0][0] != "red.png"
        assert again.search("blue", k=1)[0].path.name == "blue.png"


def test_a_late_reader_does_not_replace_what_a_writer_has_saved_since(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    index.add(make_photo(tmp_path / "green.png", "green"))
    with mmsearch.open(index.path) as late, closing(CatalogReader(index.path)) as reader:
        with reader.snapshot():
            encoder = reader.encoder()
            stamp = Stamp(f"{reader.created_at()} {encoder.id}", reader.generation())
            index.add(make_photo(tmp_path / "red.png", "red"))
            index.optimize(recall=0.9)
            saved = (index.path / "vectors" / "head").read_bytes()
            store = VectorKeeper(index.path).store(stamp, encoder.dim, reader)

            assert len(store.ids) == 1
        assert (index.path / "vectors" / "head").read_bytes() == saved
        assert len(answers(late)) == 2


def test_a_wish_is_kept_whatever_happens_to_the_vectors(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    assert index.optimize(recall=0.9, memory=10**6).target == 0.9  # while it is empty
    index.add(make_photo(tmp_path / "green.png", "green"))
    index.repair()
    (rows,) = (index.path / "vectors").glob("*.rows")
    rows.write_bytes(b"")

    with mmsearch.open(index.path) as again:
        assert len(answers(again)) == 1
        again.reencode(TinyEncoder(seed=1))
        vectors = again.status().vectors
    assert vectors is not None
    assert (vectors.target, vectors.memory_limit) == (0.9, 10**6)


def test_verify_finds_rows_that_are_damaged(index: mmsearch.Index, tmp_path: Path) -> None:
    index.add(make_photo(tmp_path / "green.png", "green"))
    assert index.verify() == []
    (rows,) = (index.path / "vectors").glob("*.rows")
    data = bytearray(rows.read_bytes())
    data[5] ^= 1
    rows.unlink()
    rows.write_bytes(data)

    assert index.verify() == ["the vectors do not agree with the catalog"]


def test_a_deleted_index_is_not_made_again_by_one_that_is_still_open(
    index: mmsearch.Index, photos: Path
) -> None:
    index.add(photos)
    shutil.rmtree(index.path)

    for use in (lambda: index.search("red"), index.status, lambda: index.add(photos)):
        with pytest.raises(IndexNotFoundError):
            use()
    assert not index.path.exists()

    index.path.mkdir()
    with pytest.raises(IndexNotFoundError):
        index.add(photos)
    assert not (index.path / "catalog.sqlite").exists()


def test_an_index_that_was_made_anew_is_read_by_one_that_is_still_open(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    index.add(photos)
    assert answers(index)
    with index.reading() as reader:  # what has begun ends with what it began with
        shutil.rmtree(index.path)
        with mmsearch.create(index.path, model="testing") as other:
            for colour in ("purple", "orange"):
                other.add(make_photo(tmp_path / "new" / f"{colour}.png", colour))
            expected = answers(other)
        assert reader.count_assets() == 4
    assert {name for name, _ in expected} == {"purple.png", "orange.png"}
    assert answers(index) == expected
    assert index.verify() == []
    index.add(photos)
    with mmsearch.open(index.path) as again:
        assert len(answers(again)) == len(answers(index)) == 6


def test_an_index_whose_path_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        mmsearch.open(tmp_path / ("x" * 300))


def test_a_closed_index_says_so(index: mmsearch.Index) -> None:
    index.close()
    with pytest.raises(StorageError, match="was closed"):
        index.status()


def test_searches_from_several_threads_agree(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    expected = answers(index)
    found: list[list[tuple[str, float]]] = []
    threads = [threading.Thread(target=lambda: found.append(answers(index))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [expected] * 8


def test_status_counts(index: mmsearch.Index, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no photo")
    index.add(photos)

    status = index.status()
    assert status.assets == 4
    assert status.items == {mmsearch.Modality.IMAGE: 4}
    assert [failure.path for failure in status.failed] == [photos / "broken.jpg"]
    assert status.encoder == TinyEncoder().id
    assert status.sources == (photos,)
    files = [path for name in ("catalog.sqlite*", "vectors/*") for path in index.path.glob(name)]
    files = [path for path in files if not path.name.endswith("-shm")]
    assert status.bytes == sum(path.stat().st_size for path in files)
