"""Thumbnails: upright, small, without metadata, kept once."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmsearch.errors import ImageTooLargeError, MediaError, UnreadableFileError
from mmsearch.media.thumbnail import SIZES, Encoding, encode, size_for, thumbnail
from mmsearch.media.thumbnail_cache import ThumbnailCache, ThumbnailKey
from tests.filmed import film

RED, BLUE = (220, 30, 30), (30, 30, 220)


def halves(width: int = 600, height: int = 400) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def is_near(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(pixel, colour, strict=False))


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".gif", ".bmp", ".avif"])
def test_a_photo_of_any_format_becomes_a_small_picture_of_the_encoding(
    tmp_path: Path, suffix: str, encoding: Encoding
) -> None:
    path = tmp_path / f"photo{suffix}"
    halves().save(path)
    small = opened(thumbnail(path, size=128, encoding=encoding))
    assert small.size == (128, 85)
    assert small.format == encoding.value.upper()
    assert encoding.content_type == f"image/{encoding.value}"
    assert is_near(small.convert("RGB").getpixel((10, 40)), RED)
    assert is_near(small.convert("RGB").getpixel((118, 40)), BLUE)


def test_a_photo_is_turned_as_its_exif_says_and_loses_its_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif[0x010E] = "a secret"
    path = tmp_path / "turned.jpg"
    halves().save(path, exif=exif, comment=b"a secret")
    for encoding in Encoding:
        data = thumbnail(path, size=128, encoding=encoding)
        small = opened(data)
        assert small.size == (85, 128)
        assert is_near(small.convert("RGB").getpixel((40, 10)), RED)
        assert b"secret" not in data
        assert not small.getexif()


def test_transparent_pixels_lie_over_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(path)
    assert is_near(opened(thumbnail(path, size=128)).getpixel((64, 64)), (255, 255, 255))


def test_a_small_photo_is_not_enlarged_and_a_long_one_keeps_a_pixel(tmp_path: Path) -> None:
    small, long = tmp_path / "small.png", tmp_path / "long.png"
    halves(40, 20).save(small)
    Image.new("RGB", (5000, 2), RED).save(long)
    assert opened(thumbnail(small, size=256)).size == (40, 20)
    assert opened(thumbnail(long, size=256)).size == (256, 1)


def test_a_photo_that_cannot_be_shown_says_why(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    halves().save(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UnreadableFileError, match="ends early|damaged"):
        thumbnail(path)
    with pytest.raises(UnreadableFileError, match="no longer there"):
        thumbnail(tmp_path / "gone.jpg")
    with pytest.raises(MediaError):
        thumbnail(tmp_path / "gone.mp4", time=1.0)
    halves().save(path)
    with pytest.raises(ImageTooLargeError):
        thumbnail(path, max_megapixels=0.1)


def test_encoding_leaves_the_picture_as_it_is() -> None:
    picture = halves(60, 40)
    picture.info["comment"] = b"mine"
    encode(picture, 128, Encoding.JPEG)
    assert picture.info == {"comment": b"mine"}


@given(st.integers(min_value=-5, max_value=10_000))
def test_a_size_is_the_next_one_that_there_is(pixels: int) -> None:
    size = size_for(pixels)
    assert size in SIZES
    assert size >= min(pixels, SIZES[-1])
    assert not any(pixels <= other < size for other in SIZES)


def key(number: int, **changed: object) -> ThumbnailKey:
    return ThumbnailKey(
        **{"content": f"{number:040x}", "size": 256, "encoding": Encoding.JPEG} | changed
    )  # type: ignore[arg-type]


def test_what_is_kept_is_found_again_by_content_moment_size_and_encoding(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path)
    kinds = [key(1), key(2), key(1, size=512), key(1, encoding=Encoding.WEBP), key(1, time=1.5)]
    for number, one in enumerate(kinds):
        assert cache.get(one) is None
        cache.put(one, bytes([number]) * 9)
    again = ThumbnailCache(tmp_path)
    assert [again.get(one) for one in kinds] == [bytes([n]) * 9 for n in range(len(kinds))]


def test_those_that_were_not_used_for_longest_go_first(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path, limit=10_000)
    for number in range(8):
        cache.put(key(number), bytes(1000))
    old = time.time() - 3 * 24 * 3600
    for path in tmp_path.rglob("*.jpeg"):
        os.utime(path, (old, old))
    assert cache.get(key(3)) is not None  # used just now
    for number in range(8, 13):
        cache.put(key(number), bytes(1000))
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.jpeg")]
    assert sum(sizes) <= 10_000
    assert cache.get(key(3)) is not None
    assert cache.get(key(12)) is not None
    assert cache.get(key(0)) is None


def test_a_file_that_was_never_finished_goes_when_it_is_old(tmp_path: Path) -> None:
    folder = tmp_path / "thumbnails" / "00"
    folder.mkdir(parents=True)
    old, new = folder / "a.jpeg.1-1.part", folder / "b.jpeg.1-2.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    ThumbnailCache(tmp_path).put(key(1), b"whole")
    assert not old.exists()
    assert new.exists()


def test_many_threads_share_a_cache_that_is_too_small(tmp_path: Path) -> None:
    wrong = []

    def work(seed: int) -> None:
        cache = ThumbnailCache(tmp_path, limit=20_000)
        for step in range(60):
            number = (seed * 7 + step) % 40
            found = cache.get(key(number))
            if found is not None and found != bytes([number]) * 1000:
                wrong.append(number)
            cache.put(key(number), bytes([number]) * 1000)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not list(tmp_path.rglob("*.part"))


def test_a_cache_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "thumbnails").write_text("a file where the folder should be")
    cache = ThumbnailCache(tmp_path)
    cache.put(key(1), b"picture")
    assert cache.get(key(1)) is None


def test_a_moment_of_a_video_becomes_a_picture(tmp_path: Path) -> None:
    scenes = [(Image.new("RGB", (320, 240), colour), 2.0) for colour in (RED, BLUE)]
    path = film(tmp_path / "two.mp4", scenes)
    for moment, colour in ((0.5, RED), (3.0, BLUE), (99.0, BLUE)):
        small = opened(thumbnail(path, time=moment, size=128))
        assert small.size == (128, 96)
        assert is_near(small.getpixel((64, 48)), colour)


def test_colours_with_a_profile_are_those_that_a_viewer_shows(tmp_path: Path) -> None:
    from PIL import ImageCms

    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    path = tmp_path / "lab.tif"
    to_lab.apply(halves(200, 100)).save(path)
    assert is_near(opened(thumbnail(path, size=128)).getpixel((10, 30)), RED)
