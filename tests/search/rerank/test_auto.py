"""Names of rerankers, the choice among them, and the time they may take."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch.encoders import presets
from mmsearch.encoders.base import EncoderIdentity, ImageTransform
from mmsearch.errors import RerankerError, UnknownRerankerError
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank import registry
from mmsearch.search.rerank.auto import Auto, choices
from mmsearch.search.rerank.base import Candidate, Deadline
from mmsearch.search.rerank.neighbours import Expansion
from mmsearch.search.rerank.reorder import rerank
from mmsearch.testing import TinyEncoder, make_photo
from tests.search.rerank.conftest import COCA, caption, photo


class Slow:
    """Judges one photo at a time, backwards, and uses up the time after a few."""

    name = "slow"
    depth = 50

    def __init__(self, in_time: int | None = None) -> None:
        self.in_time, self.judged = in_time, 0

    def takes(self, asked: Medium, modality: Modality) -> bool:
        return modality is Modality.IMAGE

    def scores(self, query, candidates, *, deadline=None):
        from mmsearch.search.rerank.base import score_in_batches

        def judge(batch):
            self.judged += 1
            if self.judged == self.in_time:
                deadline.cancel()
            return np.array([float(self.judged)])

        return score_in_batches(candidates, judge, size=1, deadline=deadline)


def encoder_of(spec: str) -> TinyEncoder:
    encoder = TinyEncoder()
    transform = ImageTransform(16, 16, "squash", "bilinear")
    encoder._identity = EncoderIdentity(spec, spec, "1", transform)
    return encoder


@pytest.fixture
def nothing_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "is_cached", lambda preset: False)


@pytest.fixture
def photos(tmp_path: Path) -> list[Candidate]:
    colours = ("red", "green", "blue", "white", "black", "pink")
    return [photo(make_photo(tmp_path / "p" / f"{name}.png", name)) for name in colours]


def auto(rerankers: dict[str, object], **more: object) -> Auto:
    def other(name):
        found = rerankers[name]
        if isinstance(found, Exception):
            raise found
        return found

    return Auto(TinyEncoder(), other, choose=lambda *_: tuple(rerankers), **more)


def test_the_first_choice_that_fits_is_taken(photos: list[Candidate], tmp_path: Path) -> None:
    paces = tmp_path / "cache" / "paces.json"
    paces.parent.mkdir()
    paces.write_text(
        '{"big": {"load": 0, "each": 100}, "cold": {"load": 100, "each": 0}, '
        '"quick": {"load": 0, "each": 0}}'
    )
    rerankers = {"big": Slow(), "cold": Slow(), "quick": Slow(), "next": Slow()}
    result = rerank("red", photos, auto(rerankers, paces=paces), deadline=Deadline(50))
    assert [one.judged for one in rerankers.values()] == [0, 0, 6, 0]
    assert result.order.tolist() == [5, 4, 3, 2, 1, 0]
    learnt = json.loads(paces.read_text())
    assert learnt["big"]["each"] == pytest.approx(90), "one busy moment is not held for ever"
    assert learnt["cold"]["load"] == 100
    assert learnt["quick"]["each"] >= 0


def test_what_is_loaded_needs_no_time_for_it(photos: list[Candidate], tmp_path: Path) -> None:
    paces = tmp_path / "paces.json"
    rerankers = {"cold": Slow()}
    chosen = auto(rerankers, paces=paces)
    rerank("red", photos, chosen, deadline=Deadline(60))
    chosen._paces.learn("cold", 100.0, 0.0)
    rerank("red", photos, chosen, deadline=Deadline(50))
    assert rerankers["cold"].judged == 12
    rerank("red", photos, auto(rerankers, paces=paces), deadline=Deadline(50))
    assert rerankers["cold"].judged == 12, "not in a process where it is not loaded"


def test_time_is_up_in_the_middle(photos: list[Candidate]) -> None:
    slow = Slow(in_time=4)
    deadline = Deadline(1000)
    result = rerank("red", photos, auto({"slow": slow}), deadline=deadline)
    assert slow.judged == 4
    assert result.order.tolist() == [3, 2, 1, 0, 4, 5]


def test_one_that_cannot_be_had_is_passed_over(
    photos: list[Candidate], caplog: pytest.LogCaptureFixture
) -> None:
    rerankers = {"gone": RerankerError("The weights are gone."), "quick": Slow()}
    with caplog.at_level(logging.INFO, "mmsearch"):
        result = rerank("red", photos, auto(rerankers), deadline=Deadline(1000))
    assert result.order.tolist() == [5, 4, 3, 2, 1, 0]
    assert "gone cannot be used: The weights are gone." in caplog.text


def test_where_nothing_fits_the_first_stages_order_is_left(photos: list[Candidate]) -> None:
    slow = Slow()
    for rerankers in ({"slow": slow}, {}):
        result = rerank("red", photos, auto(rerankers), deadline=Deadline(0))
        assert result.order.tolist() == [*range(6)]
    assert slow.judged == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"a": 3}',
        '{"a": {"fast": 1}}',
        "{",
        '{"regions": {"load": "x", "each": 1}}',
        '{"regions": {"load": 0, "each": null}}',
    ],
)
def test_a_damaged_file_of_paces_is_forgotten(
    photos: list[Candidate], tmp_path: Path, content: str
) -> None:
    (tmp_path / "paces.json").write_text(content)
    chosen = auto({"regions": Slow()}, paces=tmp_path / "paces.json")
    assert rerank("red", photos, chosen, deadline=Deadline(1000)).order[0] == 5
    assert "regions" in json.loads((tmp_path / "paces.json").read_text())


@pytest.mark.usefixtures("nothing_cached")
def test_only_what_helps_is_chosen() -> None:
    text, picture = Medium.TEXT, Medium.PICTURE
    assert choices(encoder_of("embedded"), text, picture) == ("regions",)
    assert choices(encoder_of("embedded:weights"), picture, text) == ("regions",)
    assert choices(encoder_of("embedded"), picture, picture) == ("expansion",)
    assert choices(encoder_of("embedded"), text, text) == ()
    assert choices(encoder_of("ViT-B-32/openai"), text, picture) == ()


def test_bigger_models_that_are_here_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "is_cached", lambda preset: preset.name != "balanced")
    text, picture = Medium.TEXT, Medium.PICTURE
    every = choices(encoder_of("embedded"), text, picture)
    assert every == ("cascade:best", "cascade:fast", "regions")
    fast = presets.PRESETS["fast"].spec
    assert choices(encoder_of(fast), text, picture) == ("cascade:best",)
    assert choices(encoder_of(presets.PRESETS["best"].spec), text, picture) == ()
    assert choices(encoder_of("ViT-B-32/openai"), text, picture) == ()


def test_expansion_brings_up_what_the_best_hits_look_like() -> None:
    def unit(*values: float) -> np.ndarray:
        return (np.array(values) / np.linalg.norm(values)).astype(np.float16)

    query = unit(1, 0, 0)
    vectors = [unit(1, 0.5, 0), unit(1, 0.55, 0), unit(0.8, 0, -0.6), unit(0.8, 0.62, 0)]
    candidates = [
        photo(Path(str(number)), similarity=float(query @ vector), vector=vector)
        for number, vector in enumerate(vectors)
    ]
    assert rerank(Image.new("RGB", (4, 4)), candidates, Expansion()).order.tolist() == [0, 1, 3, 2]
    assert rerank("a text", candidates, Expansion()).order.tolist() == [0, 1, 2, 3]
    without = [photo(Path("x")), *candidates]
    result = rerank(Image.new("RGB", (4, 4)), without, Expansion())
    assert result.order[0] == 0, "what has no vector keeps its place"
    assert np.isnan(result.scores[0])


def test_auto_judges_pictures_and_texts_of_one_query() -> None:
    class Texts(Slow):
        def takes(self, asked, modality):
            return modality is Modality.CAPTION

    chosen = Auto(
        TinyEncoder(),
        {"a": Slow(), "b": Texts()}.__getitem__,
        choose=lambda encoder, asked, found: ("a",) if found is Medium.PICTURE else ("b",),
    )
    found = [photo(Path("1")), caption("one"), photo(Path("2")), caption("two")]
    result = rerank(Image.new("RGB", (4, 4)), found, chosen, deadline=Deadline(1000))
    assert result.order.tolist() == [2, 3, 0, 1]


def test_a_search_keeps_to_its_budget(tmp_path: Path) -> None:
    for colour in ("red", "green", "blue", "white"):
        make_photo(tmp_path / "photos" / f"{colour}.png", colour)
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        index.add(tmp_path / "photos")
        first = index.search("red")
        slow = Slow(in_time=2)
        hits = index.search("red", rerank=slow, budget=1000)
        assert slow.judged == 2
        assert [hit.item for hit in hits] == [first[at].item for at in (1, 0, 2, 3)]
        assert [hit.reranked for hit in hits] == [2.0, 1.0, None, None]
        none = Slow()
        assert [hit.item for hit in index.search("red", rerank=none, budget=1e-9)] == [
            hit.item for hit in first
        ]
        assert none.judged == 0
        assert index.search("red", rerank="none") == first
        assert index.search("red", rerank="auto") == first, "nothing is known to help this encoder"


def test_models_are_named_after_a_colon(
    tiny: str, tiny_file: Path, coca_file: Path, matcher: Path, photos: list[Candidate]
) -> None:
    loaded = registry.LoadedRerankers("cpu")
    encoder = TinyEncoder()
    names = [
        f"cascade:{tiny}:{tiny_file}",
        "cascade:testing",
        f"caption:{COCA}:{coca_file}",
        f"itm:{matcher}",
    ]
    for name in names:
        reranker = loaded.get(name, encoder)
        assert reranker.name == name
        assert sorted(rerank("a dog", photos, reranker).order) == [*range(6)]
        assert loaded.get(name, encoder) is reranker
    with pytest.raises(UnknownRerankerError, match="'regions' takes no model"):
        registry.get("regions:best")
    with pytest.raises(UnknownRerankerError, match="Did you mean cascade"):
        registry.get("cascde:best")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cascade:nonsense", "cannot load its model.*No encoder is named 'nonsense'"),
        ("caption:testing", "writes captions"),
        ("itm:no/folder", "There is no folder"),
        ("cascade:ViT-B-32:none.pt", r"none\.pt cannot be read"),
    ],
)
def test_a_model_that_is_no_good_is_an_error(name: str, message: str) -> None:
    with pytest.raises(RerankerError, match=message):
        registry.LoadedRerankers().get(name, TinyEncoder())


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("cascade", "--rerank cascade:ARCH:FILE"),
        ("cascade:hf-hub:some/one", "--rerank cascade:ARCH:FILE"),
        ("caption", "--rerank caption:coca_ARCH:FILE"),
        ("itm", "--rerank itm:FOLDER"),
    ],
)
def test_a_hub_that_does_not_answer_is_told_with_a_remedy(name: str, local: str, use_hub) -> None:
    use_hub("http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(RerankerError) as caught:
        registry.LoadedRerankers().get(name, TinyEncoder())
    message = str(caught.value)
    assert f"The reranker {name!r} needs a model that is not here" in message
    assert "cannot be reached" in message
    assert local in message
    assert "--model" not in message


def test_models_come_from_the_hub(matcher: Path, serve_hub, use_hub, photos) -> None:
    stand_in = serve_hub()
    use_hub(stand_in.url)
    repo = "someone/matcher"
    stand_in.files = {(repo, path.name): path.read_bytes() for path in matcher.iterdir()}
    reranker = registry.LoadedRerankers().get(f"itm:hf-hub:{repo}", TinyEncoder())
    scores = reranker.scores("a dog", photos)
    stand_in.requests.clear()
    again = registry.LoadedRerankers().get(f"itm:hf-hub:{repo}", TinyEncoder())
    np.testing.assert_array_equal(again.scores("a dog", photos), scores)
    assert stand_in.requests == [], "what is cached is used without asking"
    pickled = {
        ("someone/pickled", name): content
        for (_, name), content in stand_in.files.items()
        if name != "model.safetensors"
    }
    stand_in.files = pickled | {("someone/pickled", "pytorch_model.bin"): b"a program"}
    with pytest.raises(RerankerError, match="holds no weights as safetensors"):
        registry.LoadedRerankers().get("itm:hf-hub:someone/pickled", TinyEncoder())
