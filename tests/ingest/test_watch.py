"""An index that follows its files: real folders, real events."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

import mmsearch
from mmsearch.errors import SourceNotFoundError
from mmsearch.ingest import events, watch
from mmsearch.ingest.watch import Pace
from mmsearch.items import IndexReport
from mmsearch.testing import make_photo

pytestmark = pytest.mark.slow

QUICK = Pace(settle=0.2, poll=0.3, check=3600)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LOOK", 0.2)
    monkeypatch.setattr(watch, "_LOCKED", 0.2)
    monkeypatch.setattr(watch, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(events, "_TICK_MS", 100)
    monkeypatch.setattr(events, "_GROUP_MS", 100)


@pytest.fixture
def photos(photos: Path) -> Path:
    """The folder of photos, which nobody has written to just now."""
    for path in photos.rglob("*.png"):
        os.utime(path, (1.7e9, 1.7e9))
    return photos


class Watcher:
    """Watches in a thread, as a program would."""

    def __init__(self, index: mmsearch.Index, *paths: Path, polling: bool, pace: Pace) -> None:
        self.index = index
        self.reports: list[IndexReport] = []
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._reports = index.watch(*paths, pace=pace, polling=polling, stop=self.stop)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for report in self._reports:
                self.reports.append(report)
        except BaseException as error:
            self.error = error

    def names(self) -> set[str]:
        """The files that are indexed, by their paths below the folder of photos."""
        with self.index.reading() as reader:
            (root, *_) = reader.sources().values()
            records = reader.items(reader.embedded_ids().tolist()).values()
            return {record.path.relative_to(root).as_posix() for record in records}

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert self.error is None, self.error
            assert time.monotonic() < deadline, (self.reports, self.names())
            time.sleep(0.05)

    def until_names(self, *names: str) -> None:
        self.until(lambda: self.names() == set(names))


@contextmanager
def watching(
    index: mmsearch.Index, *paths: Path, polling: bool = False, pace: Pace = QUICK
) -> Iterator[Watcher]:
    watcher = Watcher(index, *paths, polling=polling, pace=pace)
    try:
        watcher.until(lambda: bool(watcher.reports))
        yield watcher
    finally:
        watcher.stop.set()
        watcher.thread.join(60)
        assert not watcher.thread.is_alive()
        assert watcher.error is None, watcher.error


START = ("red.png", "green.png", "blue.png", "deep/yellow.png")


@pytest.mark.parametrize("polling", [False, True])
def test_files_that_come_change_move_and_go_are_followed(
    index: mmsearch.Index, photos: Path, polling: bool
) -> None:
    with watching(index, photos, polling=polling) as watcher:
        assert watcher.reports[0].added == 4
        make_photo(photos / "pink.png", "pink")
        watcher.until_names(*START, "pink.png")
        (item,) = [hit.item for hit in index.search("pink", k=1)]
        (photos / "pink.png").rename(photos / "deep" / "rose.png")
        watcher.until_names(*START, "deep/rose.png")
        assert [hit.item for hit in index.search("pink", k=1)] == [item]  # only its name is new
        make_photo(photos / "deep" / "rose.png", "black", (32, 32))
        watcher.until(lambda: index.search("black", k=1)[0].path.name == "rose.png")
        shutil.rmtree(photos / "deep")
        watcher.until_names(*START[:3])


def test_new_folders_are_followed_with_what_is_already_in_them(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    make_photo(tmp_path / "elsewhere" / "a" / "pink.png", "pink")
    with watching(index, photos) as watcher:
        (tmp_path / "elsewhere").rename(photos / "new")
        watcher.until_names(*START, "new/a/pink.png")
        make_photo(photos / "new" / "a" / "black.png", "black")
        watcher.until_names(*START, "new/a/pink.png", "new/a/black.png")
        (photos / "new").rename(photos / "newer")
        watcher.until_names(*START, "newer/a/pink.png", "newer/a/black.png")


def test_a_folder_whose_files_are_all_deleted_is_emptied(
    index: mmsearch.Index, photos: Path
) -> None:
    with watching(index, photos) as watcher:
        (photos / "deep" / "yellow.png").unlink()
        watcher.until_names(*START[:3])


def test_a_file_that_is_still_written_waits_and_keeps_no_other_waiting(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    data = make_photo(tmp_path / "large.png", "orange", (64, 64)).read_bytes()
    pace = Pace(settle=1.0)
    with watching(index, photos, pace=pace) as watcher, (photos / "large.png").open("wb") as file:
        make_photo(photos / "pink.png", "pink")
        began = last = time.monotonic()
        longest = 0.0

        def is_seen_while_writing() -> bool:
            nonlocal last, longest
            file.seek(0)
            file.write(data[:50])
            file.flush()
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            return "pink.png" in watcher.names() and last - began > 2 * pace.settle

        watcher.until(is_seen_while_writing)
        # Only if the writer was never kept waiting itself, the file was never quiet.
        assert longest > pace.settle or not any(report.failed for report in watcher.reports)
        file.write(data[50:])
        file.close()
        watcher.until_names(*START, "pink.png", "large.png")


def test_a_burst_of_files_arrives_whole(index: mmsearch.Index, photos: Path) -> None:
    with watching(index, photos) as watcher:
        for number in range(300):
            make_photo(photos / f"{number % 7}" / f"{number}.png", (number % 256, 7, 9), (8, 8))
        watcher.until(lambda: index.status().assets == 304)


def test_hidden_excluded_and_other_files_are_left_alone(
    index: mmsearch.Index, photos: Path
) -> None:
    index.add(photos, exclude=["private", "*.gif"])
    with watching(index) as watcher:
        make_photo(photos / ".thumbnails" / "hidden.png", "pink")
        make_photo(photos / "private" / "secret.png", "pink")
        make_photo(photos / "moving.gif", "pink")
        (photos / "program.exe").write_bytes(b"no photo")
        make_photo(photos / "last.png", "black")
        watcher.until(lambda: any(report.added for report in watcher.reports))
        assert watcher.names() == {*START, "last.png"}
        assert sum(report.added for report in watcher.reports) == 1


def test_captions_beside_a_photo_are_followed(index: mmsearch.Index, photos: Path) -> None:
    with watching(index, photos) as watcher:
        (photos / "red.txt").write_text("a zebra crossing")
        watcher.until(lambda: bool(index.search('"zebra crossing"')))
        (photos / "red.txt").unlink()
        watcher.until(lambda: not index.search('"zebra crossing"'))


def test_a_caption_file_elsewhere_is_followed(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    captions = tmp_path / "captions.tsv"
    captions.write_text("image\tcaption\nred.png\ta zebra crossing\n")
    index.add(photos, captions=[captions])
    with watching(index) as watcher:
        captions.write_text("image\tcaption\nred.png\ta busy harbour\n")
        watcher.until(lambda: bool(index.search('"busy harbour"')))
        assert not index.search('"zebra crossing"')


def test_a_single_file_is_followed_although_it_is_replaced(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    with watching(index, photos / "red.png") as watcher:
        new = make_photo(tmp_path / "new.png", "black", (32, 32))
        new.replace(photos / "red.png")
        watcher.until(lambda: any(report.updated for report in watcher.reports))
        make_photo(photos / "beside.png", "pink")
        assert index.status().assets == 1


def test_a_source_that_vanishes_keeps_what_is_indexed_until_it_is_back(
    index: mmsearch.Index, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mmsearch")
    other = make_photo(tmp_path / "other" / "pink.png", "pink").parent
    with watching(index, photos, other) as watcher:
        photos.rename(tmp_path / "away")
        watcher.until(lambda: "is not there" in caplog.text)
        make_photo(other / "black.png", "black")
        watcher.until(lambda: index.status().assets == 6)  # the others go on
        make_photo(tmp_path / "away" / "brown.png", "brown")
        (tmp_path / "away").rename(photos)
        watcher.until(lambda: index.status().assets == 7)
        make_photo(photos / "white.png", "white")  # and it is listened to again
        watcher.until(lambda: index.status().assets == 8)
        assert not any(report.removed for report in watcher.reports)


def test_an_empty_place_where_a_drive_was_removes_nothing(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    with watching(index, photos, polling=True) as watcher:
        photos.rename(tmp_path / "away")
        photos.mkdir()  # a mount point that is left
        watcher.until(lambda: any(report.failed for report in watcher.reports[1:]))
        assert index.status().assets == 4
        photos.rmdir()
        (tmp_path / "away").rename(photos)
        make_photo(photos / "pink.png", "pink")
        watcher.until(lambda: index.status().assets == 5)


def test_sources_that_are_added_later_are_watched_too(
    index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    index.add(photos)
    with watching(index) as watcher:
        later = make_photo(tmp_path / "later" / "pink.png", "pink").parent
        index.add(later)
        watcher.until(lambda: later in index.status().sources)
        time.sleep(0.1)
        make_photo(later / "black.png", "black")
        watcher.until(lambda: index.status().assets == 6)


def test_changes_wait_while_another_process_writes(
    index: mmsearch.Index, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mmsearch")
    with watching(index, photos) as watcher:
        with FileLock(index.path / "lock"):
            make_photo(photos / "pink.png", "pink")
            watcher.until(lambda: "Another process" in caplog.text)
        watcher.until_names(*START, "pink.png")


def test_an_index_inside_of_its_source_does_not_keep_itself_busy(photos: Path) -> None:
    with mmsearch.create(photos / "photos.mmsearch", model="testing") as index:
        runs = []

        def through(run: Callable[[None], IndexReport]) -> IndexReport:
            runs.append(run)
            return run(None)

        stop = threading.Event()
        for report in index.watch(photos, pace=QUICK, stop=stop, through=through):
            if report.added == 4:
                threading.Timer(1.5, stop.set).start()
        assert len(runs) <= 2


def test_what_failed_is_told_once(index: mmsearch.Index, photos: Path) -> None:
    with watching(index, photos) as watcher:
        (photos / "broken.png").write_bytes(b"no photo")
        watcher.until(lambda: any(report.failed for report in watcher.reports))
        make_photo(photos / "pink.png", "pink")
        watcher.until_names(*START, "pink.png")
        told = [failure.path.name for report in watcher.reports for failure in report.failed]
        assert told == ["broken.png"]


def test_a_folder_that_is_not_there_at_first_is_an_error(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    with pytest.raises(SourceNotFoundError):
        next(index.watch(tmp_path / "nothing"))


def test_closing_the_iterator_ends_it(index: mmsearch.Index, photos: Path) -> None:
    reports = index.watch(photos, pace=QUICK)
    assert next(reports).added == 4
    reports.close()  # type: ignore[attr-defined]
    index.add(photos)  # nobody holds the index
