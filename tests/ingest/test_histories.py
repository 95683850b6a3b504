"""Whatever happens to media and the files that speak of them, an update finds what is there."""

from __future__ import annotations

import os
import shutil
import tempfile
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import mmsearch
from mmsearch.ingest.speech import Speech
from mmsearch.items import Modality, Passage
from mmsearch.media.speech.models import SpeechModel
from mmsearch.media.speech.recognise import SpeechChunk
from mmsearch.testing import make_photo

WORDS = {"red": "crimson walls", "green": "a meadow", "blue": ""}
"""What is said in a recording of each colour; nothing in a blue one."""


class ColourRecogniser:
    """Hears the same in the same content, a second at a time."""

    model = SpeechModel("scripted", "1", Path("nowhere"), is_english_only=True)

    def __init__(self) -> None:
        self.patience: int | None = None  # chunks until somebody presses Ctrl-C

    def chunks(
        self, path: Path, *, fits: Callable[[str], bool], start: float = 0.0
    ) -> Iterator[SpeechChunk]:
        colour = list(WORDS)[path.read_bytes()[44]]
        for number, part in enumerate(("first", "second")):
            if number < start:
                continue
            if self.patience is not None:
                if self.patience == 0:
                    raise KeyboardInterrupt
                self.patience -= 1
            said = Passage(Modality.TRANSCRIPT, f"{part} {WORDS[colour]}", number, number + 0.5)
            yield SpeechChunk([said] if WORDS[colour] else [], number, number + 1, "en", 2.0)


def record(path: Path, colour: str) -> None:
    """Writes two seconds of sound; the first byte tells what is said."""
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(1000)
        file.writeframes(bytes([list(WORDS).index(colour)]) + bytes(3999))


MEDIA = [
    f"{folder}{name}" for folder in ("", "b/") for name in ("x.png", "x.gif", "y.png", "x.wav")
]
TEXTS = [
    f"{folder}{name}"
    for folder in ("", "b/")
    for name in ("x.txt", "x.png.txt", "x.json", "x.srt", "x.vtt", "y.txt", "z.txt", "notes.md")
]
SAID = [
    "A red wall.",
    "Some grass,\nand a tree.",
    '{"caption": "A red wall."}',
    "1\n00:00:01,000 --> 00:00:01,500\nIt was crimson.\n",
    '{"text": "I said it.", "segments": [{"start": 0, "end": 1, "text": "I said it."}]}',
    "{ broken",
    "",
]
COLLECTIONS = [
    "image\tcaption\nx.png\tfrom a list\ny.png\ta red wall.\n",
    "image\tcaption\nb/x.png\tfrom a list\nx.wav\ta sound\nx.png\tanother\n",
    "no table",
]
COLOURS = st.sampled_from(list(WORDS))
ANY_MEDIUM = st.sampled_from(MEDIA)
ANY_TEXT = st.sampled_from(TEXTS)


class AnyHistory(RuleBasedStateMachine):
    """After an update, an index holds what a fresh one would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self.media = root / "media"
        (self.media / "b").mkdir(parents=True)
        (self.media / "notes.doc").touch()  # an empty folder would look like an unplugged drive
        (self.media / "b" / "notes.doc").touch()
        self.collection = root / "captions.tsv"
        self.collection.write_text(COLLECTIONS[0])
        self.recogniser = ColourRecogniser()
        self.patched = mock.patch.object(Speech, "recogniser", return_value=self.recogniser)
        self.patched.start()
        self.index = mmsearch.create(root / "index", model="testing")
        self.clock = 0
        self.compared = 0

    @rule(name=ANY_MEDIUM, colour=COLOURS)
    def write_medium(self, name: str, colour: str) -> None:
        write = record if name.endswith(".wav") else make_photo
        write(self.media / name, colour)
        self.tick(self.media / name)

    @rule(name=ANY_TEXT, said=st.sampled_from(SAID))
    def write_text(self, name: str, said: str) -> None:
        (self.media / name).write_text(said)
        self.tick(self.media / name)

    @rule(said=st.sampled_from(COLLECTIONS))
    def write_collection(self, said: str) -> None:
        self.collection.write_text(said)

    @rule(name=ANY_MEDIUM)
    def break_medium(self, name: str) -> None:
        if (self.media / name).exists():
            (self.media / name).write_bytes(b"broken")
            self.tick(self.media / name)

    @rule(name=st.sampled_from(MEDIA + TEXTS))
    def delete(self, name: str) -> None:
        (self.media / name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(MEDIA + TEXTS))
    def touch(self, name: str) -> None:
        if (self.media / name).exists():
            self.tick(self.media / name)

    @rule(name=ANY_MEDIUM, to=ANY_MEDIUM)
    def move_medium(self, name: str, to: str) -> None:
        if (self.media / name).exists():
            (self.media / name).replace(self.media / to)

    @rule(name=ANY_MEDIUM, to=ANY_MEDIUM)
    def copy_medium(self, name: str, to: str) -> None:
        if (self.media / name).exists() and name != to:
            shutil.copy(self.media / name, self.media / to)
            self.tick(self.media / to)

    @rule(name=ANY_TEXT, to=ANY_TEXT)
    def move_text(self, name: str, to: str) -> None:
        if (self.media / name).exists():
            (self.media / name).replace(self.media / to)

    def tick(self, path: Path) -> None:
        """Gives each change a time of its own, as slow hands would."""
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    @rule()
    def update_a_part(self) -> None:
        self.index.add(self.media / "b")

    @rule(name=st.sampled_from(MEDIA + TEXTS))
    def update_one_file(self, name: str) -> None:
        is_medium = Path(name).suffix not in (".json", ".srt", ".vtt")
        if is_medium and (self.media / name).exists():
            self.index.add(self.media / name)

    @rule(patience=st.integers(0, 3))
    def update_until_interrupted(self, patience: int) -> None:
        if "no table" in self.collection.read_text():
            return
        self.recogniser.patience = patience
        try:
            self.index.add(self.media, captions=[self.collection])
        except KeyboardInterrupt:
            pass
        finally:
            self.recogniser.patience = None

    @rule()
    def update_without_collection(self) -> None:
        if not self.index.status().sources:
            return
        self.index.update()
        assert self.index.verify() == []

    @rule()
    def update_and_compare(self) -> None:
        if "no table" in self.collection.read_text():
            return
        self.index.add(self.media, captions=[self.collection])
        assert self.index.verify() == []
        self.compared += 1
        with mmsearch.create(Path(self.folder.name) / f"{self.compared}", model="testing") as fresh:
            fresh.add(self.media, captions=[self.collection])
            assert contents(self.index) == contents(fresh)
            assert failures(self.index) == failures(fresh)
        self.update_changes_nothing()

    def update_changes_nothing(self) -> None:
        report = self.index.update()
        assert (report.added, report.updated, report.removed) == (0, 0, 0)
        assert Counter(report.failed) == Counter(self.index.status().failed)

    def teardown(self) -> None:
        self.collection.write_text(COLLECTIONS[0])
        self.update_and_compare()
        self.index.close()
        self.patched.stop()
        self.folder.cleanup()


def contents(index: mmsearch.Index) -> Counter[tuple[object, ...]]:
    """Every item, with its likeness to a text."""
    hits = index.search("red", k=1000, grouped=False, fold=False)
    return Counter(
        (str(h.path), h.modality, h.text, h.start, h.end, round(h.similarity or 0, 2)) for h in hits
    )


def failures(index: mmsearch.Index) -> set[tuple[str, str]]:
    return {(str(failure.path), failure.reason) for failure in index.status().failed}


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
