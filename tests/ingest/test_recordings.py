"""Recordings and videos: transcripts, recognition, resuming, and everything that can be wrong."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import mmsearch
from mmsearch.items import Modality, Passage
from mmsearch.media.speech.models import SpeechModel
from mmsearch.media.speech.recognise import SpeechChunk
from mmsearch.testing import TinyEncoder
from tests.filmed import film

SECONDS = 20.0


class ScriptedRecogniser:
    """Recognises what a test says is there, ten seconds at a time, and counts its work."""

    model = SpeechModel("scripted", "1", Path("nowhere"), is_english_only=True)

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.chunks_read = 0
        self.dies_after: int | None = None

    def chunks(
        self, path: Path, *, fits: Callable[[str], bool], start: float = 0.0
    ) -> Iterator[SpeechChunk]:
        for number, line in enumerate(self.lines):
            begin, end = number * 10.0, number * 10.0 + 10
            if begin < start:
                continue
            if self.chunks_read == self.dies_after:
                raise KeyboardInterrupt
            self.chunks_read += 1
            said = Passage(Modality.TRANSCRIPT, line, begin + 1, begin + 3)
            yield SpeechChunk([said] if line else [], begin, end, "en", SECONDS)


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> ScriptedRecogniser:
    """Stands in for speech recognition, which has tests of its own."""
    from mmsearch.ingest.speech import Speech

    scripted = ScriptedRecogniser("we met in Lisbon", "and then it rained")
    monkeypatch.setattr(Speech, "recogniser", lambda self, spec: scripted)
    return scripted


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


def record(path: Path, seconds: float = SECONDS, seed: int = 0) -> Path:
    """Writes a wav file of faint noise."""
    samples = np.random.default_rng(seed).normal(0, 50, round(seconds * 8000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return path


def view(path: Path, colour: str) -> Path:
    """Paints a picture of mostly one colour, with enough in it to be worth an item."""
    picture = Image.new("RGB", (320, 240), colour)
    draw = ImageDraw.Draw(picture)
    for x in range(0, 320, 40):
        draw.rectangle((x, x // 2, x + 12, x // 2 + 60), "black")
    picture.save(path)
    return path


def similarities(index: mmsearch.Index) -> list[float]:
    """How much the frames look like a colour, in order of time."""
    hits = index.search("blue", modality="frame", k=100, grouped=False, fold=False)
    return [hit.similarity or 0.0 for hit in sorted(hits, key=lambda hit: hit.start or 0.0)]


def transcript(index: mmsearch.Index) -> list[tuple[str, float | None, float | None]]:
    hits = index.search("anything", modality="transcript", k=100, grouped=False, fold=False)
    found = [(hit.text or "", hit.start, hit.end) for hit in hits]
    return sorted(found, key=lambda part: (part[1] or 0, part[0]))


SPOKEN = [("we met in Lisbon", 1.0, 3.0), ("and then it rained", 11.0, 13.0)]


def test_what_is_said_is_found_with_its_time(index, media, recogniser) -> None:
    record(media / "talk.wav")
    report = index.add(media)

    assert (report.added, report.failed) == (1, ())
    assert transcript(index) == SPOKEN
    (hit,) = index.search("Lisbon")
    assert (hit.path.name, hit.start, hit.end) == ("talk.wav", 1.0, 3.0)
    assert hit.info.duration == pytest.approx(SECONDS, abs=0.1)
    assert hit.info.language == "en"


def test_a_second_run_recognises_nothing(index, media, recogniser) -> None:
    record(media / "talk.wav")
    index.add(media)
    report = index.add(media)

    assert (report.unchanged, recogniser.chunks_read) == (1, 2)


def test_a_copy_and_a_moved_recording_are_not_recognised_again(index, media, recogniser) -> None:
    record(media / "talk.wav")
    index.add(media)
    (media / "copy.wav").write_bytes((media / "talk.wav").read_bytes())
    (media / "talk.wav").rename(media / "moved.wav")
    report = index.add(media)

    assert recogniser.chunks_read == 2
    assert (report.added, report.updated, report.removed) == (1, 1, 0)
    assert transcript(index) == sorted(2 * SPOKEN, key=lambda part: part[1])


def test_a_run_that_was_cut_short_goes_on_after_the_last_chunk(index, media, recogniser) -> None:
    record(media / "talk.wav")
    recogniser.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        index.add(media)
    assert transcript(index) == SPOKEN[:1]

    recogniser.dies_after = None
    report = index.add(media)
    assert recogniser.chunks_read == 2
    assert (report.added, report.updated) == (1, 0)
    assert transcript(index) == SPOKEN
    assert index.add(media).unchanged == 1


def test_a_recording_that_changed_meanwhile_begins_anew(index, media, recogniser) -> None:
    record(media / "talk.wav")
    recogniser.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        index.add(media)
    recogniser.dies_after = None
    record(media / "talk.wav", seed=1)
    index.add(media)

    assert recogniser.chunks_read == 3
    assert transcript(index) == SPOKEN


def test_an_unfinished_recording_that_is_renamed_is_read_wholly(index, media, recogniser) -> None:
    record(media / "talk.wav")
    recogniser.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        index.add(media)
    recogniser.dies_after = None
    (media / "talk.wav").rename(media / "moved.wav")
    index.add(media)

    assert transcript(index) == SPOKEN


def test_two_equal_recordings_are_recognised_once(index, media, recogniser) -> None:
    record(media / "talk.wav")
    record(media / "again.wav")
    report = index.add(media)

    assert (report.added, recogniser.chunks_read) == (2, 2)
    assert transcript(index) == sorted(2 * SPOKEN, key=lambda part: part[1])


def test_a_copy_has_what_was_recognised_though_the_original_has_a_transcript_now(
    index, media, recogniser
) -> None:
    record(media / "a.wav")
    index.add(media)
    (media / "b.wav").write_bytes((media / "a.wav").read_bytes())
    (media / "a.srt").write_text("1\n00:00:02,000 --> 00:00:04,500\nIt was in Porto.\n")
    index.add(media)

    assert transcript(index) == [SPOKEN[0], ("It was in Porto.", 2.0, 4.5), SPOKEN[1]]


def test_a_recording_that_is_called_a_photo_is_none(index, media, recogniser) -> None:
    record(media / "talk.wav")
    (media / "talk.srt").write_text("1\n00:00:02,000 --> 00:00:04,500\nIt was in Porto.\n")
    index.add(media)
    (media / "talk.wav").rename(media / "talk.png")
    report = index.add(media)

    assert [failure.path.name for failure in report.failed] == ["talk.png"]
    assert index.status().items == {}


def test_a_description_counts_beside_a_transcript(index, media, recogniser) -> None:
    record(media / "talk.wav")
    (media / "talk.srt").write_text("1\n00:00:02,000 --> 00:00:04,500\nIt was in Porto.\n")
    (media / "talk.json").write_text('{"description": "At the harbour"}')
    index.add(media)

    assert index.status().items == {Modality.TRANSCRIPT: 1, Modality.CAPTION: 1}


def test_a_transcript_beside_the_file_wins(index, media, recogniser) -> None:
    record(media / "talk.wav")
    (media / "talk.srt").write_text("1\n00:00:02,000 --> 00:00:04,500\nIt was in Porto.\n")
    index.add(media)

    assert recogniser.chunks_read == 0
    assert transcript(index) == [("It was in Porto.", 2.0, 4.5)]


def test_a_transcript_that_comes_replaces_recognition_and_one_that_goes_brings_it_back(
    index, media, recogniser
) -> None:
    record(media / "talk.wav")
    index.add(media)
    (media / "talk.txt").write_text("It was in Porto.")
    assert index.add(media).updated == 1
    assert transcript(index) == [("It was in Porto.", None, None)]
    assert recogniser.chunks_read == 2

    (media / "talk.txt").unlink()
    assert index.add(media).updated == 1
    assert transcript(index) == SPOKEN
    assert index.verify() == []


def test_silence_is_a_recorded_outcome(index, media, recogniser) -> None:
    recogniser.lines = ("", "")
    record(media / "quiet.wav")
    report = index.add(media)

    assert [(f.path.name, f.reason) for f in report.failed] == [
        ("quiet.wav", "no speech was recognised in it")
    ]
    assert (report.added, index.status().assets) == (0, 0)
    again = index.add(media)
    assert (recogniser.chunks_read, len(again.failed)) == (2, 1)


def test_a_silent_recording_that_loses_its_only_caption_is_not_left_empty(
    index, media, recogniser
) -> None:
    recogniser.lines = ("", "")
    record(media / "quiet.wav")
    (media / "quiet.json").write_text('{"description": "Before the storm"}')
    assert index.add(media).failed == ()

    (media / "quiet.json").unlink()
    report = index.add(media)
    assert [failure.path.name for failure in report.failed] == ["quiet.wav"]
    assert recogniser.chunks_read == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"ID3" + bytes(300), b"no sound at all" * 99],
)
def test_a_broken_recording_costs_itself(index, media, recogniser, content) -> None:
    (media / "broken.wav").write_bytes(content)
    record(media / "talk.wav")
    report = index.add(media)

    assert [failure.path.name for failure in report.failed] == ["broken.wav"]
    assert report.failed[0].reason
    assert transcript(index) == SPOKEN


def test_without_a_speech_model_frames_are_found_and_speech_is_read_when_there_is_one(
    index, media, tmp_path, monkeypatch
) -> None:
    from mmsearch.errors import SpeechModelError
    from mmsearch.ingest import speech

    def none_at_hand(self: speech.Speech, spec: str) -> None:
        raise SpeechModelError("No speech model is at hand.")

    with monkeypatch.context() as without:
        without.setattr(speech, "available", lambda: False)
        without.setattr(speech.Speech, "recogniser", none_at_hand)
        scene = view(tmp_path / "scene.png", "red")
        film(media / "clip.mp4", [(scene, 4)], sound=record(tmp_path / "sound.wav", 4))
        record(media / "talk.wav")
        report = index.add(media)
        assert {f.path.name: f.reason for f in report.failed} == {
            "clip.mp4": "No speech model is at hand.",
            "talk.wav": "No speech model is at hand.",
        }
        assert index.status().items[Modality.FRAME] >= 1
        assert len(index.add(media).failed) == 2

    scripted = ScriptedRecogniser("we met in Lisbon")
    monkeypatch.setattr(speech, "available", lambda: True)
    monkeypatch.setattr(speech.Speech, "recogniser", lambda self, spec: scripted)
    report = index.add(media)
    assert report.failed == ()
    assert index.status().items[Modality.TRANSCRIPT] == 2
    assert index.status().items[Modality.FRAME] >= 1


def test_another_speech_model_is_used_only_when_it_is_asked_for(
    index, media, recogniser, monkeypatch
) -> None:
    from mmsearch.ingest import speech

    record(media / "talk.wav")
    index.add(media)
    other = ScriptedRecogniser("we met in Paris")
    other.model = SpeechModel("other", "1", Path("nowhere"), is_english_only=True)
    monkeypatch.setattr(speech.Speech, "recogniser", lambda self, spec: other)
    monkeypatch.setattr(speech, "resolve", lambda spec, *, device: other.model)
    assert index.add(media).unchanged == 1

    index.speech_model = "other"
    assert index.add(media).updated == 1
    assert [text for text, _, _ in transcript(index)] == ["we met in Paris"]


@pytest.fixture
def video(media: Path, tmp_path: Path) -> Path:
    """Ten seconds of red, then ten of blue, with a sound track."""
    scenes = [(view(tmp_path / f"{c}.png", c), 10.0) for c in ("red", "blue")]
    return film(media / "clip.mp4", scenes, sound=record(tmp_path / "sound.wav"))


def test_a_video_is_found_by_what_it_shows_and_says(index, video, recogniser) -> None:
    index.add(video.parent)

    (blue,) = index.search("blue", modality="frame", k=1)
    assert (blue.path, blue.modality) == (video, Modality.FRAME)
    assert blue.start == pytest.approx(10, abs=1)
    (said,) = index.search("Lisbon", modality="transcript", k=1)
    assert (said.start, said.end) == (1.0, 3.0)
    assert index.search("red")[0].info.width == 320


def test_a_video_that_was_cut_short_goes_on(index, video, recogniser) -> None:
    recogniser.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        index.add(video.parent)
    recogniser.dies_after = None
    index.add(video.parent)

    assert transcript(index) == SPOKEN
    frames = index.search("red", modality="frame", k=100, grouped=False)
    starts = sorted(hit.start or 0.0 for hit in frames)
    assert starts[0] == pytest.approx(0, abs=0.5)
    assert starts[-1] == pytest.approx(10, abs=1)


def test_another_encoder_embeds_frames_and_speech_anew(index, video, recogniser) -> None:
    index.add(video.parent)
    before = index.status().items
    looks = similarities(index)
    index.reencode(TinyEncoder(seed=4))
    assert similarities(index) == pytest.approx(looks, abs=0.02)

    assert index.status().items == before
    assert recogniser.chunks_read == 2
    (blue,) = index.search("blue", modality="frame", k=1)
    assert blue.start == pytest.approx(10, abs=1)
    assert index.verify() == []


def test_progress_counts_parts_of_a_long_file(index, media, recogniser) -> None:
    record(media / "talk.wav")
    seen: list[tuple[float, int]] = []
    index.add(media, progress=lambda done, total: seen.append((done, total)))

    assert seen[0] == (0, 1)
    assert (0.5, 1) in seen
    assert seen[-1] == (1, 1)


def test_a_spoken_question_is_a_query(index, media, recogniser, tmp_path) -> None:
    record(media / "talk.wav")
    index.add(media)
    recogniser.lines = ("where did we meet in Lisbon",)
    question = record(tmp_path / "question.wav")

    assert index.search(audio=question, k=1)[0].text == "we met in Lisbon"
    recogniser.lines = ("",)
    with pytest.raises(mmsearch.errors.QueryError, match="No speech"):
        index.search(audio=question)
    with pytest.raises(mmsearch.errors.SourceNotFoundError):
        index.search(audio=tmp_path / "none.wav")


def test_removing_a_video_removes_its_items(index, video, recogniser) -> None:
    index.add(video.parent)
    index.remove(video)

    assert index.status().items == {}
    assert index.search("Lisbon") == []
