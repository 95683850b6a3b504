"""Videos: what they tell, and which of their frames are kept."""

from __future__ import annotations

import itertools
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from mmsearch.errors import ImageTooLargeError, MediaError, NothingToIndexError, UnreadableFileError
from mmsearch.media.frames import FrameSelector
from mmsearch.media.tags import parse_place, read_tags
from mmsearch.media.video import frames_at, probe_video, read_pictures
from tests.filmed import film, moving, write_video

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
SIZE = (160, 120)


def scenery(seed: int) -> Image.Image:
    """A picture that looks like no other seed's: soft shapes in random colours."""
    rng = random.Random(seed)
    image = Image.new("RGB", (320, 240), tuple(rng.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        x, y, r = rng.randrange(320), rng.randrange(240), rng.randrange(10, 60)
        draw.ellipse((x - r, y - r, x + r, y + r), tuple(rng.randrange(256) for _ in range(3)))
    return image.filter(ImageFilter.GaussianBlur(1))


def alike(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two pictures in grey levels."""
    first, second = (np.asarray(i.resize((32, 24)).convert("RGB"), float) for i in (a, b))
    return float(np.abs(first - second).mean())


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of 3, 4 and 3 seconds."""
    path = tmp_path_factory.mktemp("three") / "three.mp4"
    return film(path, [(scenery(1), 3), (scenery(2), 4), (scenery(3), 3)], size=SIZE)


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of a wav."""
    import wave

    path = tmp_path_factory.mktemp("tone") / "tone.wav"
    samples = (8000 * np.sin(np.arange(16_000) / 16_000 * 880 * np.pi)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_finds_each_scene_in_every_format(tmp_path: Path, tone: Path, suffix: str) -> None:
    scenes = [(scenery(1), 3), (scenery(2), 2), (scenery(3), 3)]
    path = film(tmp_path / f"a{suffix}", scenes, sound=tone, size=SIZE)
    info = probe_video(path)
    assert (info.info.width, info.info.height) == SIZE
    assert info.info.duration == pytest.approx(8, abs=0.2)
    assert info.has_picture
    assert info.has_sound
    frames = list(FrameSelector(path).frames())
    assert [frame.start for frame in frames] == pytest.approx([0, 3, 5], abs=0.2)
    assert [frame.end for frame in frames] == pytest.approx([3, 5, 8], abs=0.25)
    for frame, (picture, _) in zip(frames, scenes, strict=True):
        assert frame.start <= frame.time < frame.end
        assert alike(frame.image, picture) < min(
            alike(frame.image, other) for other, _ in scenes if other is not picture
        )


def test_windows_find_what_one_pass_finds(three: Path) -> None:
    whole = [frame.start for frame in FrameSelector(three).frames()]
    selector = FrameSelector(three)
    parts = [
        frame.start
        for start in (0.0, 2.0, 4.0, 6.0, 8.0)
        for frame in selector.frames(start=start, end=start + 2.0)
    ]
    assert parts == pytest.approx(whole, abs=0.2)


def test_a_window_can_be_read_alone(three: Path) -> None:
    frames = list(FrameSelector(three).frames(start=5.0, end=10.0))
    assert [frame.start for frame in frames] == pytest.approx([5, 7], abs=0.2)
    assert list(FrameSelector(three).frames(start=60.0)) == []


def test_a_scene_that_comes_back_is_kept_once(tmp_path: Path) -> None:
    a, b = scenery(1), scenery(2)
    path = film(tmp_path / "a.mp4", [(a, 2), (b, 2), (a, 2), (b, 2)], size=SIZE)
    assert len(list(FrameSelector(path).frames())) == 2


def test_a_long_still_scene_is_one_frame_with_its_whole_span(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [(scenery(1), 40)], size=SIZE, fps=6)
    (frame,) = FrameSelector(path).frames()
    assert (frame.start, frame.end) == pytest.approx((0, 40), abs=0.3)


def test_slow_change_without_a_cut_is_seen(tmp_path: Path) -> None:
    wide = Image.new("RGB", (1280, 120))
    for i in range(8):
        wide.paste(scenery(i).resize((160, 120)), (160 * i, 0))
    pixels = np.asarray(wide)
    frames = ((pixels[:, i * 4 : i * 4 + 160], i / 12) for i in range(280))
    path = write_video(tmp_path / "a.mp4", frames)
    kept = list(FrameSelector(path).frames())
    assert 3 <= len(kept) <= 8


def test_montages_are_thinned_out(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [(scenery(i), 0.5) for i in range(24)], size=SIZE)
    kept = list(FrameSelector(path).frames())
    assert 3 <= len(kept) <= 12  # of 24


@pytest.mark.parametrize("colour", ["black", "white", "navy"])
def test_empty_pictures_are_left_out(tmp_path: Path, colour: str) -> None:
    empty = Image.new("RGB", SIZE, colour)
    path = film(tmp_path / "a.mp4", [(empty, 2), (scenery(1), 2), (empty, 2)], size=SIZE)
    (frame,) = FrameSelector(path).frames()
    assert (frame.start, frame.end) == pytest.approx((2, 4), abs=0.2)


def test_flashes_and_fades_cut_nothing(tmp_path: Path) -> None:
    shot = list(moving(scenery(1), 96, SIZE))
    shot[30] = np.full_like(shot[30], 255)
    shot[31] = np.clip(shot[31] * 1.5 + 100, 0, 255).astype(np.uint8)
    for i in range(24):
        shot[i] = (shot[i] * (i / 24)).astype(np.uint8)
    path = write_video(tmp_path / "a.mp4", ((f, i / 12) for i, f in enumerate(shot)))
    (frame,) = FrameSelector(path).frames()
    assert frame.start < 1
    assert alike(frame.image, scenery(1)) < 20


def test_the_sharp_picture_of_a_scene_is_taken(tmp_path: Path) -> None:
    shot = list(moving(scenery(1), 36, SIZE, noise=0))
    for i in (*range(15), *range(21, 36)):
        soft = Image.fromarray(shot[i]).filter(ImageFilter.GaussianBlur(2))
        shot[i] = np.asarray(soft)
    path = write_video(tmp_path / "a.mp4", ((f, i / 12) for i, f in enumerate(shot)))
    (frame,) = FrameSelector(path).frames()
    assert 15 / 12 <= frame.time < 21 / 12


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_phone_videos_are_upright(tmp_path: Path, degrees: int) -> None:
    """The rotation is written into the track header, as phones do."""
    picture = scenery(1).resize(SIZE)
    path = film(tmp_path / "a.mp4", [(picture, 1)], size=SIZE)
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    matrix = struct.pack(">9i", cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = matrix
    path.write_bytes(data)
    (frame,) = FrameSelector(path).frames()
    upright = picture.rotate(-degrees, expand=True)
    assert frame.image.size == upright.size
    assert alike(frame.image, upright) < 20
    info = probe_video(path).info
    assert (info.width, info.height) == upright.size


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    frames = [(f, i / 12) for i, f in enumerate(moving(scenery(1), 12, (120, 120)))]
    path = write_video(tmp_path / "a.mkv", frames, aspect=Fraction(4, 3))
    info = probe_video(path).info
    assert (info.width, info.height) == (160, 120)
    (frame,) = FrameSelector(path).frames()
    assert frame.image.size == (160, 120)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [(".mkv", "libx265", "yuv420p10le"), (".mkv", "libx264", "yuvj420p"), (".avi", "ffv1", "bgr0")],
)
def test_colours_survive_every_pixel_format(
    tmp_path: Path, suffix: str, codec: str, pixel_format: str
) -> None:
    picture = scenery(4)
    frames = [(f, i / 12) for i, f in enumerate(moving(picture, 12, SIZE, drift=(0, 0), noise=0))]
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_video(
        tmp_path / f"a{suffix}", frames, codec=codec, pixel_format=pixel_format, options=options
    )
    (full,) = FrameSelector(path).frames()
    (small,) = FrameSelector(path, min_size=(60, 60)).frames()
    assert small.image.size == (80, 60)
    assert alike(full.image, picture) < 4
    assert alike(small.image, picture) < 4


def test_odd_sizes(tmp_path: Path) -> None:
    frames = [(f, i / 12) for i, f in enumerate(moving(scenery(1), 6, (121, 91)))]
    path = write_video(tmp_path / "a.avi", frames, codec="ffv1", pixel_format="bgr0")
    (frame,) = FrameSelector(path).frames()
    assert frame.image.size == (121, 91)
    (frame,) = FrameSelector(path, min_size=(50, 31)).frames()
    assert min(frame.image.size) >= 50


def test_a_video_of_one_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [(np.asarray(scenery(1)), 0.0)])
    (frame,) = FrameSelector(path).frames()
    assert frame.start == 0
    assert frame.end > 0
    assert alike(frame.image, scenery(1)) < 10


def test_frames_that_come_irregularly(tmp_path: Path) -> None:
    rng = random.Random(0)
    shots = [*moving(scenery(1), 30, SIZE), *moving(scenery(2), 30, SIZE)]
    times = np.cumsum([0.0, *(rng.choice([0.02, 0.1, 0.3]) for _ in shots[1:])])
    path = write_video(tmp_path / "a.mkv", zip(shots, times, strict=True))
    kept = list(FrameSelector(path).frames())
    assert [frame.start for frame in kept] == pytest.approx([0, times[30]], abs=0.35)


@pytest.mark.parametrize("offset", [-0.5, 5000.0])
def test_times_count_from_where_players_show_zero(tmp_path: Path, offset: float) -> None:
    shots = [*moving(scenery(1), 36, SIZE), *moving(scenery(2), 36, SIZE)]
    frames = [(f, i / 12) for i, f in enumerate(shots)]
    path = write_video(tmp_path / "a.mkv", frames, offset=offset)
    kept = list(FrameSelector(path).frames())
    # Matroska has no negative times: FFmpeg's muxer moves them to 0.
    assert [frame.start for frame in kept] == pytest.approx([0, 3], abs=0.2)
    late = list(FrameSelector(path).frames(start=2.5, end=4.0))
    assert [frame.start for frame in late][-1] == pytest.approx(3, abs=0.2)


def test_frames_at_moments_in_any_order(three: Path) -> None:
    images = list(frames_at(three, [8.0, 1.0, 5.0, 99.0]))
    for image, seed in zip(images, (3, 1, 2, 3), strict=True):
        distances = {s: alike(image, scenery(s)) for s in (1, 2, 3)}
        assert min(distances, key=distances.__getitem__) == seed


def test_a_frame_can_be_read_again(three: Path) -> None:
    kept = list(FrameSelector(three).frames())
    again = frames_at(three, [frame.time for frame in kept])
    for frame, image in zip(kept, again, strict=True):
        assert alike(frame.image, image) < 1


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + random.Random(0).randbytes(3000) + data[middle + 3000 :]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
def test_damage_in_the_middle_costs_only_the_middle(tmp_path: Path, suffix: str) -> None:
    scenes = [(scenery(i), 3.0) for i in range(6)]
    path = film(tmp_path / f"a{suffix}", scenes, size=SIZE)
    path.write_bytes(damaged(path.read_bytes()))
    starts = [frame.start for frame in FrameSelector(path).frames()]
    assert starts[0] == pytest.approx(0, abs=0.2)
    assert len(starts) >= 5
    if suffix != ".avi":  # which stores no times, so that lost frames are lost time
        assert any(start == pytest.approx(15, abs=0.6) for start in starts)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b"\0" * 5000,
        lambda data: random.Random(1).randbytes(5000),
        lambda data: data[: len(data) // 2],  # the index of an mp4 is at its end
        lambda data: b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    ],
    ids=["empty", "zeros", "noise", "cut off", "playlist"],
)
def test_files_that_are_no_videos(three: Path, tmp_path: Path, spoil: Callable) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(spoil(three.read_bytes()))
    with pytest.raises(UnreadableFileError):
        probe_video(path)
    with pytest.raises(UnreadableFileError):
        list(FrameSelector(path).frames())


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.mp4", Path("a\0b.mp4")):
        with pytest.raises(UnreadableFileError):
            probe_video(path)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=64))
def test_no_damage_escapes_as_another_error(three: Path, at: int, junk: bytes) -> None:
    data = bytearray(three.read_bytes())
    at %= len(data)
    data[at : at + len(junk)] = junk
    path = three.with_name("damaged.mp4")
    path.write_bytes(data)
    try:
        probe_video(path)
        next(FrameSelector(path).frames(end=1.0), None)
    except MediaError as error:
        assert str(error)


def test_a_header_that_claims_centuries_is_not_believed(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", [(scenery(1), 2.0)])
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Duration: eight bytes, in milliseconds
    path.write_bytes(data[:at] + struct.pack(">d", 1e13) + data[at + 8 :])
    assert probe_video(path).info.duration == pytest.approx(2, abs=0.2)


def test_sound_alone_has_no_picture(tmp_path: Path, tone: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as target, av.open(str(tone)) as source:
        stream = target.add_stream("aac", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    info = probe_video(path)
    assert not info.has_picture
    assert info.has_sound
    with pytest.raises(NothingToIndexError, match="no pictures"):
        list(FrameSelector(path).frames())


def test_too_large_pictures_are_refused(three: Path) -> None:
    with pytest.raises(ImageTooLargeError, match="--max-megapixels 1"):
        probe_video(three, max_megapixels=0.01)
    with pytest.raises(ImageTooLargeError):
        list(FrameSelector(three, max_megapixels=0.01).frames())


def test_a_video_without_a_duration(tmp_path: Path) -> None:
    """Browsers record like this: the muxer cannot go back to write the header's fields."""

    class Pipe:
        def __init__(self) -> None:
            self.data = bytearray()

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    with av.open(pipe, "w", format="matroska", options={"live": "1"}) as target:
        stream = target.add_stream("libx264", rate=12, options={"preset": "ultrafast"})
        stream.width, stream.height = SIZE
        for pixels in moving(scenery(1), 36, SIZE):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        target.mux(stream.encode())
    path = tmp_path / "a.webm"
    path.write_bytes(pipe.data)
    assert probe_video(path).info.duration == pytest.approx(3, abs=0.2)
    assert len(list(FrameSelector(path).frames())) == 1


def test_tags_become_facts(tmp_path: Path) -> None:
    path = film(
        tmp_path / "a.mov",
        [(scenery(1), 1)],
        size=SIZE,
        metadata={
            "title": "Grüße vom Strand",
            "comment": "Grüße vom Strand",
            "description": "Two dogs\nrunning",
            "creation_time": "2024-05-06T07:08:09Z",
            "com.apple.quicktime.creationdate": "2024-05-06T09:08:09+0200",
            "com.apple.quicktime.location.ISO6709": "+48.8584-002.2945+035.1/",
            "com.apple.quicktime.make": "Apple",
            "com.apple.quicktime.model": "iPhone 15",
        },
    )
    info = probe_video(path)
    assert info.captions == ("Grüße vom Strand", "Two dogs running")
    assert info.info.captured_at == datetime(2024, 5, 6, 9, 8, 9)
    assert (info.info.latitude, info.info.longitude) == (48.8584, -2.2945)
    assert info.info.camera == "Apple iPhone 15"


def test_unset_clocks_tell_no_time() -> None:
    assert read_tags([{"creation_time": "1904-01-01T00:00:00Z"}]).captured_at is None
    assert read_tags([{"CREATION_TIME": "2001-02-03T04:05:06Z"}]).captured_at == datetime(
        2001, 2, 3, 4, 5, 6
    )


@given(
    st.floats(-90, 90).filter(lambda x: abs(x) > 1e-3),
    st.floats(-180, 180).filter(lambda x: abs(x) > 1e-3),
)
def test_places_are_read_in_all_three_notations(latitude: float, longitude: float) -> None:
    def written(value: float, digits: int, parts: int) -> str:
        sign, rest, text = "-" if value < 0 else "+", abs(value), ""
        for part in range(parts - 1):
            text += f"{int(rest):0{digits if part == 0 else 2}d}"
            rest = (rest - int(rest)) * 60
        width = (digits if parts == 1 else 2) + 9
        return sign + text + f"{int(rest * 1e8) / 1e8:0{width}.8f}"

    for parts in (1, 2, 3):
        text = written(latitude, 2, parts) + written(longitude, 3, parts) + "/"
        place = parse_place(text)
        assert place is not None, text
        assert place == pytest.approx((latitude, longitude), abs=1e-6), text


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_none(text: str) -> None:
    place = parse_place(text)
    assert place is None or (abs(place[0]) <= 90 and abs(place[1]) <= 180)


@pytest.mark.parametrize("text", ["+00.0000+000.0000/", "+91.0+010.0/", "48.85,2.29", "+4+2/"])
def test_no_places(text: str) -> None:
    assert parse_place(text) is None


def test_nothing_is_printed(three: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(damaged(three.read_bytes()))
    code = (
        "import sys; from pathlib import Path; from mmsearch.media.frames import FrameSelector\n"
        "list(FrameSelector(Path(sys.argv[1])).frames())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == done.stderr == ""


def test_pictures_come_in_order_and_not_too_often(three: Path) -> None:
    times = [picture.time for picture in read_pictures(three, start=1.0, end=9.0, every=0.5)]
    assert times[0] == pytest.approx(1.0, abs=0.1)
    assert all(0.4 <= b - a <= 0.7 for a, b in itertools.pairwise(times))
    assert times[-1] < 9.0
