from __future__ import annotations

import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch.errors import MediaError, NothingToIndexError, UnreadableFileError
from mmsearch.media.audio import SAMPLE_RATE, Sound, decode_audio, probe_audio
from tests.conftest import SHARED_DATA

BROKEN = SHARED_DATA / "messy" / "broken-audio"
SECONDS = 6


def sweep(rate: int, seconds: float = SECONDS) -> Sound:
    """A tone that rises from 100 Hz, so that each moment sounds different."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (100 * t + 40 * t * t))).astype(np.float32)


def encode(path: Path, container: str, codec: str, rate: int, channels: str = "mono") -> Path:
    """Encodes the sweep with PyAV."""
    import av

    count = len(av.AudioLayout(channels).channels)
    sound = np.ascontiguousarray(np.tile(sweep(rate), (count, 1)))
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=channels)
        for start in range(0, sound.shape[1], 1024):
            block = np.ascontiguousarray(sound[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=channels)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def write_wav(path: Path, samples: bytes, *, rate: int = SAMPLE_RATE, width: int = 2, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


def decode(path: Path, start: float = 0.0) -> Sound:
    return np.concatenate([np.zeros(0, np.float32), *decode_audio(path, start=start)])


def delay(sound: Sound, truth: Sound) -> float:
    """Milliseconds by which a sound lags behind another."""
    middle, window, reach = SAMPLE_RATE * 3, 4000, 1600
    part = truth[middle : middle + window]
    shifts = range(-reach, reach)
    scores = [part @ sound[middle + k : middle + k + window] for k in shifts]
    return shifts[int(np.argmax(scores))] * 1000 / SAMPLE_RATE


FORMATS = [
    ("x.wav", "wav", "pcm_s16le", 44100),
    ("x.mp3", "mp3", "libmp3lame", 44100),
    ("x.flac", "flac", "flac", 22050),
    ("x.opus", "ogg", "libopus", 48000),
    ("x.m4a", "mp4", "aac", 44100),
    ("x.aac", "adts", "aac", 44100),
    ("x.mka", "matroska", "aac", 48000),
    ("x.webm", "webm", "libopus", 48000),
    ("x.aiff", "aiff", "pcm_s16be", 11025),
    ("x.caf", "caf", "pcm_s16le", 32000),
    ("x.mp4", "mp4", "libmp3lame", 48000),
]


@pytest.mark.parametrize(("name", "container", "codec", "rate"), FORMATS)
def test_containers_and_codecs(tmp_path: Path, name: str, container: str, codec: str, rate: int):
    path = encode(tmp_path / name, container, codec, rate)

    info = probe_audio(path)
    sound = decode(path)

    assert info.has_sound
    assert info.duration == pytest.approx(SECONDS, abs=0.15)
    assert sound.dtype == np.float32
    assert len(sound) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.1)
    assert abs(delay(sound, sweep(SAMPLE_RATE))) < 40  # what encoders put before the sound


@pytest.mark.parametrize(("name", "container", "codec", "rate"), FORMATS)
def test_decoding_from_a_moment_goes_on_exactly_there(
    tmp_path: Path, name: str, container: str, codec: str, rate: int
):
    path = encode(tmp_path / name, container, codec, rate)
    whole = decode(path)

    for start in (0.5, 2.34567):
        rest = whole[round(start * SAMPLE_RATE) :]
        again = decode(path, start)
        assert abs(len(again) - len(rest)) <= 32  # 2 ms
        shared = min(len(again), len(rest)) - SAMPLE_RATE // 10
        shift = [np.abs(again[k : k + shared - 32] - rest[: shared - 32]).mean() for k in range(32)]
        back = [np.abs(rest[k : k + shared - 32] - again[: shared - 32]).mean() for k in range(32)]
        assert min(*shift, *back) < 0.05
    assert len(decode(path, SECONDS + 10)) == 0


@pytest.mark.parametrize("channels", ["stereo", "5.1"])
def test_channels_are_mixed_to_one(tmp_path: Path, channels: str):
    sound = decode(encode(tmp_path / "x.flac", "flac", "flac", 48000, channels))

    assert len(sound) == SECONDS * SAMPLE_RATE
    assert abs(delay(sound, sweep(SAMPLE_RATE))) < 1


@pytest.mark.parametrize(("width", "rate"), [(1, 8000), (2, 7350), (3, 96000), (4, 44100)])
def test_widths_and_rates(tmp_path: Path, width: int, rate: int):
    whole = (sweep(rate).astype(np.float64) * 0x7FFFFFFF).astype("<i4").tobytes()
    samples = b"".join(whole[i + 4 - width : i + 4] for i in range(0, len(whole), 4))
    if width == 1:  # without a sign
        samples = bytes(value ^ 0x80 for value in samples)

    sound = decode(write_wav(tmp_path / "x.wav", samples, rate=rate, width=width))

    assert len(sound) == pytest.approx(SECONDS * SAMPLE_RATE, abs=4)
    assert np.abs(sound - sweep(SAMPLE_RATE)[: len(sound)]).mean() < 0.02


def test_the_content_decides_not_the_suffix(tmp_path: Path):
    path = encode(tmp_path / "x.flac", "flac", "flac", 22050).rename(tmp_path / "x.mp3")

    assert len(decode(path)) == SECONDS * SAMPLE_RATE


def test_silence_is_sound(tmp_path: Path):
    sound = decode(write_wav(tmp_path / "x.wav", bytes(2 * SAMPLE_RATE)))

    assert len(sound) == SAMPLE_RATE
    assert not sound.any()


def test_cover_art_is_no_obstacle(tmp_path: Path):
    import av

    plain, path = encode(tmp_path / "plain.mp3", "mp3", "libmp3lame", 44100), tmp_path / "x.mp3"
    with av.open(str(plain)) as source, av.open(str(path), "w", format="mp3") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        cover = target.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in (*cover.encode(picture), *cover.encode(None)):
            target.mux(packet)
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                target.mux(packet)

    with av.open(str(path)) as made:
        assert made.streams.video
    assert probe_audio(path).has_sound
    assert len(decode(path)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.1)


def test_a_picture_without_sound_holds_none(tmp_path: Path):
    import av

    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))

    assert not probe_audio(path).has_sound
    with pytest.raises(NothingToIndexError, match="no sound"):
        decode(path)


@pytest.mark.parametrize(("name", "container", "codec", "rate"), FORMATS[:8])
def test_damage_in_the_middle_costs_what_is_damaged(
    tmp_path: Path, name: str, container: str, codec: str, rate: int
):
    path = encode(tmp_path / name, container, codec, rate)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 20] = np.random.default_rng(1).bytes(len(data) // 20)
    path.write_bytes(data)

    sound = decode(path)

    assert len(sound) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.6)


@pytest.mark.parametrize(("name", "container", "codec", "rate"), FORMATS[:4])
def test_what_there_is_of_a_file_that_ends_early(
    tmp_path: Path, name: str, container: str, codec: str, rate: int
):
    path = encode(tmp_path / name, container, codec, rate)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert len(decode(path)) / SAMPLE_RATE == pytest.approx(SECONDS / 2, abs=1)


def test_missing_packets_are_silence(tmp_path: Path):
    """Times after a hole must stay right."""
    import av

    whole, path = encode(tmp_path / "whole.mka", "matroska", "aac", 48000), tmp_path / "x.mka"
    with av.open(str(whole)) as source, av.open(str(path), "w", format="matroska") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None and not 1.0 < packet.pts * packet.time_base < 2.5:
                packet.stream = sound
                target.mux(packet)

    sound = decode(path)

    assert len(sound) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.1)
    assert not sound[round(1.2 * SAMPLE_RATE) : round(2.3 * SAMPLE_RATE)].any()
    assert abs(delay(sound, sweep(SAMPLE_RATE))) < 40


def wav_header(*, rate: int = SAMPLE_RATE, kind: int = 1, bits: int = 16, size: int = 0) -> bytes:
    frame = bits // 8
    return (
        b"RIFF" + struct.pack("<I", min(size + 36, 2**32 - 1)) + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, kind, 1, rate, rate * frame & 0xFFFFFFFF, frame, bits)
        + b"data" + struct.pack("<I", size)
    )  # fmt: skip


def test_numbers_that_are_no_sound_are_silent(tmp_path: Path):
    samples = np.full(SAMPLE_RATE, np.nan, "<f4")
    samples[1000:2000], samples[2000:3000] = np.inf, 7.0
    data = wav_header(kind=3, bits=32, size=samples.nbytes) + samples.tobytes()
    (tmp_path / "x.wav").write_bytes(data)

    sound = decode(tmp_path / "x.wav")

    assert len(sound) == SAMPLE_RATE
    assert np.isfinite(sound).all()
    assert sound.max() == 1.0


def test_a_header_that_claims_gigabytes_costs_none(tmp_path: Path):
    (tmp_path / "x.wav").write_bytes(wav_header(size=2**32 - 16) + bytes(3200))

    assert len(decode(tmp_path / "x.wav")) == 1600


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "damaged|no known"),
        (np.random.default_rng(2).bytes(100_000), "damaged|no known"),
        (wav_header(), "ends early"),
        (wav_header(rate=1_092_676, size=882) + bytes(882), "1,092,676 samples a second"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/etc/passwd\n", "damaged|no known"),
    ],
    ids=["empty", "text", "noise", "no samples", "rate", "playlist"],
)
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".m4a"])
def test_what_is_no_sound_says_why(tmp_path: Path, content: bytes, reason: str, suffix: str):
    (tmp_path / f"x{suffix}").write_bytes(content)

    with pytest.raises(UnreadableFileError, match=reason):
        decode(tmp_path / f"x{suffix}")


def test_a_file_that_vanished_or_is_a_folder(tmp_path: Path):
    with pytest.raises(UnreadableFileError, match="no longer there"):
        probe_audio(tmp_path / "gone.mp3")
    with pytest.raises(UnreadableFileError, match="folder"):
        decode(tmp_path)


@pytest.mark.skipif(not BROKEN.is_dir(), reason="the shared test data is not here")
@pytest.mark.parametrize("name", ["awful.wav", "bad.wav", "evil.wav", "null.wav"])
def test_broken_recordings_say_why(name: str):
    with pytest.raises(UnreadableFileError, match="damaged|ends early"):
        decode(BROKEN / name)


def test_damage_makes_no_noise_on_standard_error(tmp_path: Path):
    path = encode(tmp_path / "x.mp3", "mp3", "libmp3lame", 44100)
    data = bytearray(path.read_bytes())
    data[5000:9000] = np.random.default_rng(3).bytes(4000)
    path.write_bytes(data)
    program = (
        "import sys; from pathlib import Path; from mmsearch.media.audio import decode_audio\n"
        "print(sum(map(len, decode_audio(Path(sys.argv[1])))))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) > SAMPLE_RATE
    assert done.stderr == ""


def test_decoding_can_be_left_early(tmp_path: Path):
    path = encode(tmp_path / "x.flac", "flac", "flac", 22050)

    pieces = decode_audio(path)
    next(pieces)
    pieces.close()

    path.unlink()  # which Windows refuses while a file is open


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    return {
        name: encode(folder / name, container, codec, rate).read_bytes()
        for name, container, codec, rate in FORMATS[:8]
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_skipped_or_refused(
    tmp_path: Path, originals: dict[str, bytes], data: st.DataObject
):
    name = data.draw(st.sampled_from(sorted(originals)))
    content = bytearray(originals[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 200))
        damage = data.draw(st.binary(min_size=1, max_size=40))
        content[at : at + len(damage)] = damage
    path = tmp_path / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])

    try:
        sound = decode(path)
    except MediaError as error:
        assert str(error)
    else:
        assert np.isfinite(sound).all()
        assert np.abs(sound).max(initial=0) <= 1
        assert len(sound) < 100 * SECONDS * SAMPLE_RATE
