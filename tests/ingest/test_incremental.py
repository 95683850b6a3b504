"""A run touches what changed, and nothing else."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import mmsearch
from mmsearch.encoders.base import Embeddings, EncoderIdentity, Pixels
from mmsearch.errors import (
    EncoderMismatchError,
    QueryError,
    SettingsError,
    SourceNotFoundError,
    UnknownEncoderError,
    UnsupportedFormatError,
)
from mmsearch.testing import TinyEncoder, make_photo
from tests.ingest.counting import CountingEncoder


def counts(report: mmsearch.IndexReport) -> tuple[int, int, int, int, int]:
    """added, updated, removed, unchanged, failed"""
    return (
        report.added,
        report.updated,
        report.removed,
        report.unchanged,
        len(report.failed),
    )


def names(index: mmsearch.Index, text: str = "red") -> list[str]:
    return [hit.path.name for hit in index.search(text, k=100, fold=False)]


def test_a_second_run_reads_nothing(index, photos, encoder) -> None:
    assert counts(index.add(photos)) == (4, 0, 0, 0, 0)
    assert counts(index.add(photos)) == (0, 0, 0, 4, 0)
    assert encoder.images == 4


def test_a_changed_photo_is_encoded_again(index, photos, encoder) -> None:
    index.add(photos)
    make_photo(photos / "green.png", "red", size=(30, 30))

    assert counts(index.add(photos)) == (0, 1, 0, 3, 0)
    assert encoder.images == 5
    assert set(names(index)[:2]) == {"red.png", "green.png"}


def test_a_touched_photo_is_not_encoded_again(index, photos, encoder) -> None:
    index.add(photos)
    os.utime(photos / "red.png", (1, 1))

    assert counts(index.add(photos)) == (0, 0, 0, 4, 0)
    assert encoder.images == 4
    # ... and its new time is remembered: the content is not even read the next time.
    (photos / "red.png").chmod(0)
    assert counts(index.add(photos)) == (0, 0, 0, 4, 0)


def test_one_pattern_alone_is_not_taken_for_its_letters(index, photos) -> None:
    index.add(photos)
    assert counts(index.add(photos, exclude="*.gif")) == (0, 0, 0, 4, 0)
    assert counts(index.add(photos, exclude="deep")) == (0, 0, 1, 3, 0)
    (photos.parent / "c.tsv").write_text("image\tcaption\nred.png\tRhubarb")
    index.add(photos, captions=photos.parent / "c.tsv")
    assert index.search("rhubarb", k=1, modality="caption")[0].path == photos / "red.png"
    liked = str(photos / "blue.png")
    assert index.search(more_like=liked) == index.search(more_like=[liked])


def test_a_folder_that_may_not_be_listed_any_more_keeps_what_it_has(
    index, photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(photos)

    def refuse(path: object, *_: object) -> None:  # to chmod(0), root would be no one else
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        patch.setattr(os, "listdir", refuse)  # by which pathlib lists
        reports = [index.update(), index.add(photos)]
    assert [counts(report) for report in reports] == [(0, 0, 0, 0, 1)] * 2
    assert reports[0].failed[0].reason == "no permission to read it"
    assert len(names(index)) == 4


def test_a_photo_from_the_far_future_is_indexed_once(index, photos) -> None:
    year_2286 = 10**10  # in nanoseconds more than SQLite's largest integer
    os.utime(photos / "red.png", (1, year_2286))
    if (photos / "red.png").stat().st_mtime != year_2286:
        pytest.skip("this file system keeps no such dates")

    assert counts(index.add(photos)) == (4, 0, 0, 0, 0)
    assert counts(index.add(photos)) == (0, 0, 0, 4, 0)
    assert not index.duplicates().left_out


def test_a_renamed_photo_keeps_its_item(index, photos, encoder) -> None:
    index.add(photos)
    before = index.search("red", k=1)[0]
    (photos / "red.png").rename(photos / "deep" / "rose.png")

    assert counts(index.add(photos)) == (0, 1, 0, 3, 0)
    after = index.search("red", k=1)[0]
    assert after.path == photos / "deep" / "rose.png"
    assert (after.item, after.asset) == (before.item, before.asset)
    assert after.similarity == before.similarity
    assert encoder.images == 4


def test_a_copied_photo_reuses_the_embedding(index, photos, encoder) -> None:
    index.add(photos)
    shutil.copy(photos / "red.png", photos / "copy.png")

    assert counts(index.add(photos)) == (1, 0, 0, 4, 0)
    assert set(names(index)[:2]) == {"red.png", "copy.png"}
    assert encoder.images == 4


def test_photos_that_swap_names_keep_their_answers_right(index, photos, encoder) -> None:
    index.add(photos)
    (photos / "red.png").rename(photos / "swap.png")
    (photos / "blue.png").rename(photos / "red.png")
    (photos / "swap.png").rename(photos / "blue.png")
    for name in ("red.png", "blue.png"):
        os.utime(photos / name, (99, 99))

    index.add(photos)
    assert names(index, "red")[0] == "blue.png"
    assert names(index, "blue")[0] == "red.png"
    assert len(names(index)) == 4


def test_a_removed_photo_leaves_the_results(index, photos) -> None:
    index.add(photos)
    (photos / "red.png").unlink()
    shutil.rmtree(photos / "deep")

    assert counts(index.add(photos)) == (0, 0, 2, 2, 0)
    assert sorted(names(index)) == ["blue.png", "green.png"]


def test_updating_a_part_leaves_the_rest_alone(index, photos) -> None:
    index.add(photos)
    (photos / "red.png").unlink()
    make_photo(photos / "deep" / "black.png", "black")

    assert counts(index.add(photos / "deep")) == (1, 0, 0, 1, 0)
    assert "red.png" in names(index)
    assert counts(index.update()) == (0, 0, 1, 4, 0)
    assert index.status().sources == (photos,)


def test_an_outer_folder_takes_the_inner_one_over(index, photos, encoder) -> None:
    index.add(photos / "deep")
    index.add(photos / "red.png")
    assert counts(index.add(photos)) == (2, 0, 0, 2, 0)
    assert index.status().sources == (photos,)
    assert len(names(index)) == 4
    assert encoder.images == 4


def test_a_single_file_is_a_source(index, photos) -> None:
    index.add(photos / "red.png")
    assert index.search("red")[0].path == photos / "red.png"
    assert counts(index.update()) == (0, 0, 0, 1, 0)


def test_broken_photos_are_recorded_and_tried_again_when_they_change(index, photos) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    report = index.add(photos)
    assert counts(report) == (4, 0, 0, 0, 1)
    assert report.failed[0].path == photos / "broken.jpg"
    assert report.failed[0].reason

    assert counts(index.add(photos)) == (0, 0, 0, 4, 1)
    make_photo(photos / "broken.jpg", "purple")
    assert counts(index.add(photos)) == (1, 0, 0, 4, 0)
    assert index.status().failed == ()


def test_a_photo_that_breaks_leaves_the_results(index, photos) -> None:
    index.add(photos)
    (photos / "red.png").write_bytes(b"overwritten")
    assert counts(index.add(photos)) == (0, 0, 0, 3, 1)
    assert "red.png" not in names(index)


def test_a_raised_limit_lets_refused_photos_in(index, photos) -> None:
    make_photo(photos / "large.png", "purple", size=(2000, 1000))
    index.max_megapixels = 1
    assert counts(index.add(photos)) == (4, 0, 0, 0, 1)
    index.max_megapixels = 3
    assert counts(index.add(photos)) == (1, 0, 0, 4, 0)


def test_a_missing_source_removes_nothing(index, photos) -> None:
    index.add(photos)
    photos.rename(photos.with_name("unplugged"))
    with pytest.raises(SourceNotFoundError):
        index.add(photos)
    photos.mkdir()  # where a drive would be mounted
    with pytest.raises(SourceNotFoundError, match="is its drive plugged in"):
        index.add(photos)
    assert len(names(index)) == 4
    assert index.remove(photos) == 4


def test_a_missing_source_does_not_keep_others_from_being_updated(index, photos, tmp_path) -> None:
    make_photo(tmp_path / "other" / "black.png", "black")
    index.add(photos, tmp_path / "other")
    photos.rename(photos.with_name("unplugged"))
    make_photo(tmp_path / "other" / "white.png", "white")

    report = index.update()

    assert counts(report) == (1, 0, 0, 1, 1)
    assert report.failed[0].path == photos
    assert len(names(index)) == 6


def test_exclusions_are_remembered_and_can_be_changed(index, photos) -> None:
    assert counts(index.add(photos, exclude=["deep"])) == (3, 0, 0, 0, 0)
    assert counts(index.add(photos)) == (0, 0, 0, 3, 0)
    assert counts(index.add(photos, exclude=["red.*"])) == (1, 0, 1, 2, 0)


def test_exclusions_hold_in_a_part_of_the_source(index, photos) -> None:
    make_photo(photos / "deep" / "raw" / "black.png", "black")
    index.add(photos, exclude=["deep/raw"])
    assert counts(index.add(photos / "deep")) == (0, 0, 0, 1, 0)


def test_remove_takes_parts_and_whole_sources_out(index, photos) -> None:
    index.add(photos)
    assert index.remove(photos / "deep", photos / "red.png") == 2
    assert sorted(names(index)) == ["blue.png", "green.png"]
    shutil.rmtree(photos)
    assert index.remove(photos.parent) == 2
    assert index.status().sources == ()
    with pytest.raises(SourceNotFoundError, match="indexed sources are: none"):
        index.remove(photos)


def test_adding_nothing_is_an_error(index) -> None:
    with pytest.raises(QueryError):
        index.add()


def test_an_empty_folder_is_fine(index, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    assert counts(index.add(tmp_path / "empty")) == (0, 0, 0, 0, 0)
    assert names(index) == []


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_name_that_is_not_utf8_is_indexed(index, photos) -> None:
    os.rename(os.fsencode(photos / "red.png"), os.fsencode(photos) + b"/r\xe9d.png")
    index.add(photos)
    hit = index.search("red", k=1)[0]
    assert os.fsencode(hit.path).endswith(b"r\xe9d.png")
    assert hit.path.exists()


def test_progress_counts_to_the_end(index, photos) -> None:
    seen: list[tuple[int, int]] = []
    index.add(photos, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 4) for done in range(5)]


def test_what_was_committed_survives_an_interruption(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(300):
        make_photo(photos / f"{number:03}.png", (number % 256, 200, 0), size=(4, 4))

    def interrupt(done: int, total: int) -> None:
        if done == 250:
            raise KeyboardInterrupt

    encoder = CountingEncoder()
    with mmsearch.create(tmp_path / "index", model=encoder) as index:
        with pytest.raises(KeyboardInterrupt):
            index.add(photos, progress=interrupt)
        kept = index.status().assets
        assert kept >= 250 - 2 * 64
        assert len(index.search("green", k=300)) == kept
        report = index.add(photos)
        assert (report.added, report.unchanged) == (300 - kept, kept)
        assert index.verify() == []


def test_reencoding_answers_with_the_old_encoder_until_it_is_complete(index, photos) -> None:
    index.add(photos)
    old_id = index.encoder.id
    new = TinyEncoder(seed=1)
    answers_meanwhile: list[tuple[str, list[str]]] = []

    def look(done: int, total: int) -> None:
        with mmsearch.open(index.path) as other:
            answers_meanwhile.append((other.status().encoder, names(other)))

    before = names(index)
    index.reencode(new, progress=look)

    assert answers_meanwhile == [(old_id, before)] * len(answers_meanwhile)
    assert answers_meanwhile
    assert index.status().encoder == new.id
    assert names(index)[0] == "red.png"
    assert index.verify() == []
    assert counts(index.add(photos)) == (0, 0, 0, 4, 0)


def test_reencoding_goes_on_where_it_stopped(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(150):
        make_photo(photos / f"{number:03}.png", (number, 0, 200), size=(4, 4))

    class Stopping(CountingEncoder):
        def __init__(self, seed: int, limit: int) -> None:
            super().__init__(seed)
            self.limit = limit

        def encode_images(self, pixels: Pixels) -> Embeddings:
            if self.images + len(pixels) > self.limit:
                raise KeyboardInterrupt
            return super().encode_images(pixels)

    with mmsearch.create(tmp_path / "index", model=TinyEncoder()) as index:
        index.add(photos)
        with pytest.raises(KeyboardInterrupt):
            index.reencode(Stopping(1, limit=130))
        assert index.status().encoder == TinyEncoder().id
        assert len(index.search("blue", k=200)) == 150
        rest = Stopping(1, limit=1000)
        index.reencode(rest)
        assert rest.images == 150 - 128
        assert len(index.search("blue", k=200)) == 150


def test_reencoding_drops_what_can_no_longer_be_read(index, photos) -> None:
    index.add(photos)
    (photos / "red.png").write_bytes(b"overwritten")
    (photos / "blue.png").unlink()
    index.reencode(TinyEncoder(seed=1))

    assert sorted(names(index)) == ["green.png", "yellow.png"]
    assert {failure.path.name for failure in index.status().failed} == {"red.png", "blue.png"}
    assert index.verify() == []


def test_an_unchanged_tree_is_checked_without_its_encoder(index, photos) -> None:
    index.reencode(TinyEncoder(seed=5))  # which no name stands for, so it cannot be loaded again
    index.add(photos)
    (photos / "red.png").unlink()
    with mmsearch.open(index.path) as again:
        assert counts(again.add(photos)) == (0, 0, 1, 3, 0)
        make_photo(photos / "new.png", "red")
        with pytest.raises(EncoderMismatchError):
            again.add(photos)


@pytest.mark.parametrize(
    ("name", "exclude", "error"),
    [
        ("nowhere", None, SourceNotFoundError),
        ("notes.doc", None, UnsupportedFormatError),
        ("photos", ["/"], SettingsError),
    ],
)
def test_a_mistake_is_not_remembered_as_a_source(
    index, photos, name: str, exclude: list[str] | None, error: type[Exception]
) -> None:
    (photos.parent / "notes.doc").write_text("no photo")
    with pytest.raises(error):
        index.add(photos, photos.parent / name, exclude=exclude)

    assert index.status().sources == ()
    index.update()


def test_paths_given_twice_or_inside_each_other_are_indexed_once(index, photos) -> None:
    assert counts(index.add(photos / "deep", photos, photos)) == (4, 0, 0, 0, 0)
    assert counts(index.add(photos / "deep", photos)) == (0, 0, 0, 4, 0)
    (photos / "deep" / "yellow.png").rename(photos / "a.png")
    shutil.copy(photos / "a.png", photos / "b.png")

    assert counts(index.add(photos, photos / "deep")) == (1, 1, 0, 3, 0)
    assert set(names(index, "yellow")[:2]) == {"a.png", "b.png"}


def test_new_exclusions_of_a_moved_index_make_no_second_source(tmp_path: Path) -> None:
    photos = make_photo(tmp_path / "there" / "photos" / "red.png", "red").parent
    with mmsearch.create(tmp_path / "here" / "index", model="testing") as index:
        index.add(photos)
    shutil.move(tmp_path / "here" / "index", tmp_path / "there" / "index")

    with mmsearch.open(tmp_path / "there" / "index") as index:
        assert counts(index.add(photos, exclude=["*.gif"])) == (0, 0, 0, 1, 0)
        assert index.status().sources == (photos,)


@pytest.mark.skipif(os.name == "nt", reason="homes are found in another way")
def test_a_name_that_looks_like_a_home_is_a_name(index, tmp_path, monkeypatch) -> None:
    make_photo(tmp_path / "~draft.png", "red")
    monkeypatch.chdir(tmp_path)

    assert counts(index.add("~draft.png")) == (1, 0, 0, 0, 0)


def test_what_could_not_be_read_for_another_encoder_is_tried_again(index, photos) -> None:
    index.add(photos)
    photos.rename(photos.with_name("unplugged"))
    index.reencode(TinyEncoder(seed=1))
    assert index.status().assets == 0
    photos.with_name("unplugged").rename(photos)

    assert counts(index.update()) == (4, 0, 0, 0, 0)
    assert names(index)[0] == "red.png"


def test_content_that_changed_before_reencoding_is_not_taken_for_the_old(index, photos) -> None:
    index.add(photos)
    shutil.copy2(photos / "red.png", photos.parent / "old.png")
    make_photo(photos / "red.png", "blue")
    index.reencode(TinyEncoder(seed=1))
    shutil.copy2(photos.parent / "old.png", photos / "a.png")

    index.update()

    assert names(index)[0] == "a.png"


def test_an_open_index_follows_when_another_process_changes_the_encoder(tmp_path: Path) -> None:
    photos = make_photo(tmp_path / "photos" / "red.png", "red").parent
    make_photo(photos / "blue.png", "blue")
    with (
        mmsearch.create(tmp_path / "index", model=TinyEncoder(seed=1)) as index,
        mmsearch.open(tmp_path / "index") as other,
    ):
        index.add(photos)
        other.reencode("testing")
        make_photo(photos / "rose.png", "red", size=(32, 32))
        index.add(photos)

        assert found(index, "red") == found(other, "red")
        assert index.search("red", k=1)[0].score > 0.5


def test_the_same_weights_under_another_name_are_no_other_encoder(index, photos, encoder) -> None:
    class Moved(CountingEncoder):
        @property
        def identity(self) -> EncoderIdentity:
            return replace(super().identity, spec="elsewhere")

    index.add(photos)
    moved = Moved()
    index.reencode(moved)
    assert moved.images == 0
    with mmsearch.open(index.path) as again, pytest.raises(UnknownEncoderError, match="elsewhere"):
        again.search("red")


COLOURS = ["red", "green", "blue", "yellow", "purple", "orange"]
FILES = [f"{folder}{name}.png" for folder in ("", "a/", "b/") for name in "xyz"]


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens to the files, an updated index answers as a fresh one would."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self.photos = root / "photos"
        self.photos.mkdir()
        (self.photos / "notes.doc").touch()  # an empty folder would look like an unplugged drive
        self.index = mmsearch.create(root / "index", model="testing")
        self.clock = 0
        self.compared = 0

    @rule(file=st.sampled_from(FILES), colour=st.sampled_from(COLOURS))
    def write(self, file: str, colour: str) -> None:
        make_photo(self.photos / file, colour, size=(8, 8))
        self.tick(file)

    @rule(file=st.sampled_from(FILES))
    def break_it(self, file: str) -> None:
        if (self.photos / file).exists():
            (self.photos / file).write_bytes(b"broken")
            self.tick(file)

    @rule(file=st.sampled_from(FILES), to=st.sampled_from(FILES))
    def move(self, file: str, to: str) -> None:
        if (self.photos / file).exists():
            (self.photos / to).parent.mkdir(exist_ok=True)
            (self.photos / file).replace(self.photos / to)

    @rule(file=st.sampled_from(FILES), to=st.sampled_from(FILES))
    def copy(self, file: str, to: str) -> None:
        if (self.photos / file).exists() and file != to:
            (self.photos / to).parent.mkdir(exist_ok=True)
            shutil.copy(self.photos / file, self.photos / to)
            self.tick(to)

    @rule(file=st.sampled_from(FILES))
    def delete(self, file: str) -> None:
        (self.photos / file).unlink(missing_ok=True)

    def tick(self, file: str) -> None:
        """Gives each change a time of its own, as slow hands would."""
        self.clock += 1
        os.utime(self.photos / file, (self.clock, self.clock))

    @rule()
    def update_and_compare(self) -> None:
        self.index.add(self.photos)
        self.compared += 1
        fresh_path = Path(self.folder.name) / f"fresh{self.compared}"
        with mmsearch.create(fresh_path, model="testing") as fresh:
            fresh.add(self.photos)
            for colour in COLOURS[:2]:
                assert found(self.index, colour) == found(fresh, colour)
            assert failed(self.index) == failed(fresh)
        assert self.index.verify() == []

    def teardown(self) -> None:
        self.update_and_compare()
        self.index.close()
        self.folder.cleanup()


def found(index: mmsearch.Index, text: str) -> Sequence[tuple[float, str]]:
    hits = index.search(text, k=100)
    return sorted((float(np.float32(hit.score)), str(hit.path)) for hit in hits)


def failed(index: mmsearch.Index) -> set[str]:
    return {str(failure.path) for failure in index.status().failed}


TestAnyHistory = pytest.mark.slow(AnyHistory.TestCase)
TestAnyHistory.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
