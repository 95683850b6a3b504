"""Photos are decoded in processes: what happens to one of them happens to one photo."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import mmsearch
from mmsearch.encoders.base import ImageTransform
from mmsearch.errors import ImageTooLargeError, UnreadableFileError
from mmsearch.ingest.decoder_worker import DecoderWorker
from mmsearch.ingest.decoders import Decoders
from mmsearch.ingest.photo import PhotoWish, decode_photo
from mmsearch.ingest.spare_workers import SPARE, SpareWorkers
from mmsearch.testing import make_photo
from tests.ingest.misbehaving import Crashing, Failing, Hanging, MisbehavingEncoder, Printing

TRANSFORM = ImageTransform(24, 32, "shortest", "bicubic")
WISH = PhotoWish(TRANSFORM, 200.0, fingerprint=True, picture_size=(100, 100))


@pytest.fixture(autouse=True)
def _no_workers_before() -> None:
    SPARE.end()


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def transform(kind: type[ImageTransform], **more: str) -> ImageTransform:
    return kind(**TRANSFORM.describe(), **more)  # type: ignore[arg-type]


def photo_of(folder: Path, colour: str) -> bytes:
    return make_photo(folder / f"{colour}.png", colour, size=(160, 120)).read_bytes()


def workers() -> set[int]:
    """Processes that decode for this one; other tests may have left other children."""
    return {
        child.pid
        for child in psutil.Process().children()
        if "decoder_process" in " ".join(child.as_dict(["cmdline"])["cmdline"] or ())
    }


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("*mmsearch*")}


def test_a_worker_gives_what_decoding_here_gives(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")  # more than the memory begins with
    files = [(tmp_path / "noise.png").read_bytes(), photo_of(tmp_path, "red")]
    wishes = [WISH, PhotoWish(None, 200.0, fingerprint=True), PhotoWish(TRANSFORM, 200.0)]
    with Decoders(2) as decode, ThreadPoolExecutor(4) as threads:
        for wish in wishes:
            several = threads.map(lambda data, w=wish: decode(data, ".png", w), files * 4)
            for data, found in zip(files * 4, several, strict=True):
                expected = decode_photo(data, ".png", wish)
                assert (found.pixels is None) == (expected.pixels is None)
                if found.pixels is not None and expected.pixels is not None:
                    np.testing.assert_array_equal(found.pixels, expected.pixels)
                pictures = [
                    photo.picture and photo.picture.tobytes() for photo in (found, expected)
                ]
                assert pictures[0] == pictures[1]
                plain = [replace(p, pixels=None, picture=None) for p in (found, expected)]
                assert plain[0] == plain[1]


def test_errors_come_back_as_they_are(tmp_path: Path) -> None:
    with Decoders(1) as decode:
        with pytest.raises(UnreadableFileError, match="not that of a known photo format"):
            decode(b"broken", ".jpg", WISH)
        with pytest.raises(ImageTooLargeError, match="160 x 120 pixels"):
            decode(photo_of(tmp_path, "red"), ".png", replace(WISH, max_megapixels=0.01))
        assert decode(photo_of(tmp_path, "blue"), ".png", WISH).info.width == 160


def test_what_a_codec_prints_is_no_reply(tmp_path: Path) -> None:
    wish = PhotoWish(transform(Printing), 200.0)
    with Decoders(1) as decode:
        assert decode(photo_of(tmp_path, "red"), ".png", wish).pixels is not None


@posix_only
def test_a_codec_that_crashes_costs_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number in range(40):
        make_photo(folder / f"{number:02}.png", (number, 100, 100))
    make_photo(folder / "17b.png", "red")
    encoder = MisbehavingEncoder(Crashing)
    with mmsearch.create(tmp_path / "index", model=encoder) as index:
        report = index.add(folder)
        assert report.added == 40
        ((path, reason),) = [(failure.path.name, failure.reason) for failure in report.failed]
        assert (path, reason) == ("17b.png", "decoding it crashed (SIGABRT)")
        # It is not tried again before it changes.
        again = index.add(folder)
        assert (again.unchanged, len(again.failed)) == (40, 1)
    SPARE.end()
    assert not workers()


def test_a_codec_that_hangs_costs_one_file(tmp_path: Path) -> None:
    wish = PhotoWish(transform(Hanging, note=str(tmp_path / "pid")), 200.0)
    with Decoders(1, time_limit=1.0) as decode:
        with pytest.raises(UnreadableFileError, match="took longer than 1 s and was given up"):
            decode(photo_of(tmp_path, "red"), ".png", wish)
        assert not is_running(int((tmp_path / "pid").read_text()))
        assert decode(photo_of(tmp_path, "blue"), ".png", wish).pixels is not None


@posix_only
def test_who_leaves_does_not_wait_for_a_codec_that_hangs(tmp_path: Path) -> None:
    wish = PhotoWish(transform(Hanging, note=str(tmp_path / "pid")), 200.0)
    data = photo_of(tmp_path, "red")
    with ThreadPoolExecutor(3) as threads:
        with Decoders(1) as decode:
            waiting = [threads.submit(decode, data, ".png", wish) for _ in range(3)]
            wait_until((tmp_path / "pid").exists)
        assert not workers()
        for photo in waiting:
            assert isinstance(photo.exception(timeout=60), UnreadableFileError)
    assert not workers()


def test_what_is_no_error_of_media_says_what_it_is(tmp_path: Path) -> None:
    wish = PhotoWish(transform(Failing), 200.0)
    with Decoders(1) as decode:
        with pytest.raises(UnreadableFileError, match=r"failed \(MemoryError: 3 GB\)"):
            decode(photo_of(tmp_path, "red"), ".png", wish)
        assert decode(photo_of(tmp_path, "blue"), ".png", wish).pixels is not None


def test_a_worker_that_was_ended_from_outside_is_replaced(tmp_path: Path) -> None:
    data = photo_of(tmp_path, "blue")
    with Decoders(1) as decode:
        decode(data, ".png", WISH)
        for pid in workers():
            psutil.Process(pid).kill()
        assert decode(data, ".png", WISH).pixels is not None
    SPARE.end()
    assert not workers()


def test_the_next_run_begins_with_the_same_worker(tmp_path: Path) -> None:
    data = photo_of(tmp_path, "blue")
    with Decoders(4) as decode:
        decode(data, ".png", WISH)
    (worker,) = workers()
    with Decoders(1) as decode:
        assert decode(data, ".png", WISH).pixels is not None
        assert workers() == {worker}


def test_a_few_workers_wait_for_the_next_run_and_not_for_long() -> None:
    spare = SpareWorkers(seconds=0.1)
    for worker in [DecoderWorker() for _ in range(4)]:
        spare.put(worker)
    wait_until(lambda: not workers())
    assert spare.take() is None


def test_a_worker_that_would_import_other_code_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Decoders(1) as decode:
        decode(photo_of(tmp_path, "blue"), ".png", WISH)
    assert workers()
    monkeypatch.syspath_prepend(tmp_path)
    assert SPARE.take() is None
    assert not workers()


def test_a_worker_that_ended_meanwhile_is_not_taken(tmp_path: Path) -> None:
    with Decoders(1) as decode:
        decode(photo_of(tmp_path, "blue"), ".png", WISH)
    (worker,) = map(psutil.Process, workers())
    worker.kill()
    worker.wait(60)  # until all of its threads have ended: its first one ends before the others
    assert SPARE.take() is None


def test_an_interrupted_run_leaves_no_worker(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Decoders(1) as decode:
        decode(photo_of(tmp_path, "blue"), ".png", WISH)
        raise KeyboardInterrupt
    assert not workers()


@posix_only
def test_a_forked_process_leaves_the_workers_to_its_parent(tmp_path: Path) -> None:
    with Decoders(1) as decode:
        decode(photo_of(tmp_path, "blue"), ".png", WISH)
    before = workers()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if SPARE.take() is None else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    with Decoders(1) as decode:
        assert decode(photo_of(tmp_path, "red"), ".png", WISH).pixels is not None
        assert workers() == before


def test_without_processes_photos_are_decoded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with caplog.at_level(logging.WARNING, "mmsearch"), Decoders(2) as decode:
        for colour in ("red", "blue"):
            assert decode(photo_of(tmp_path, colour), ".png", WISH).pixels is not None
    assert [record.message for record in caplog.records] == [
        f"Photos are decoded without worker processes, as none can be started: "
        f"[Errno 2] No such file or directory: '{tmp_path / 'nothing'}'"
    ]


_RUN = """
import sys
from pathlib import Path
import mmsearch
from tests.ingest.misbehaving import Hanging, MisbehavingEncoder

class Encoder(MisbehavingEncoder):
    def __init__(self):
        super().__init__(lambda **fields: Hanging(**fields, note=sys.argv[3]))

with mmsearch.create(sys.argv[1], model=Encoder()) as index:
    index.add(sys.argv[2])
"""


@posix_only
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    before = shared_memory()
    for number in range(60):
        make_photo(tmp_path / "photos" / f"{number:02}.png", (number, 100, 100))
    make_photo(tmp_path / "photos" / "59b.png", "red")
    note = tmp_path / "pid"
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(tmp_path / "i"), str(tmp_path / "photos"), str(note)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: note.exists() and bool(note.read_text()))
    workers = [child.pid for child in psutil.Process(process.pid).children()]
    assert int(note.read_text()) in workers
    process.send_signal(how)
    process.wait(timeout=40)  # below the time that a photo may take
    wait_until(lambda: not any(map(is_running, workers)))
    assert shared_memory() <= before
