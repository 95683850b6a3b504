from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.encoders.adapted import (
    AffineMap,
    HeadInput,
    Heads,
    ResidualHead,
    load_heads,
    save_heads,
)
from mmsearch.encoders.base import Encoded
from mmsearch.encoders.embedded.heads import unit
from mmsearch.errors import TrainingError
from mmsearch.training.adapt.choose import SHARES, EncodedPairs, choose
from mmsearch.training.adapt.closed_form import coral, procrustes, ridge, whitening
from mmsearch.training.adapt.dataset import LEAST_PHOTOS, split_by_photo
from mmsearch.training.heads import HeadSettings, fit_heads
from mmsearch.training.pairs import Pairs, Rows, some_of_each


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=200),
    st.floats(0.01, 0.99),
    st.integers(0, 1000),
)
def test_no_content_is_on_both_sides(contents: list[int], share: float, seed: int) -> None:
    hashes = [f"{content:x}" for content in contents]
    different = len(set(hashes))
    if different < LEAST_PHOTOS:
        with pytest.raises(TrainingError, match="too few"):
            split_by_photo(hashes, share, seed)
        return
    train, held_out = split_by_photo(hashes, share, seed)
    assert sorted([*train, *held_out]) == list(range(len(hashes)))
    sides = [{hashes[number] for number in part} for part in (train, held_out)]
    assert not sides[0] & sides[1]
    assert min(len(side) for side in sides) >= 1
    assert abs(len(sides[1]) - share * different) <= 1
    again = split_by_photo(hashes, share, seed)
    np.testing.assert_array_equal(again[1], held_out)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(1, 6), st.integers(0, 99))
def test_each_photo_gets_its_own_texts(counts: list[int], wanted: int, seed: int) -> None:
    photo_of_text = np.random.default_rng(seed).permutation(
        np.repeat(np.arange(len(counts)), counts)
    )
    drawn = some_of_each(photo_of_text, wanted, np.random.default_rng(seed))
    for photo, (texts, count) in enumerate(zip(drawn, counts, strict=True)):
        assert len(set(texts)) == len(texts) == min(wanted, count)
        assert set(photo_of_text[texts]) == {photo}


def rows(count: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def test_procrustes_finds_a_rotation() -> None:
    source = rows(50, 6, 0)
    rotation, _ = np.linalg.qr(rows(6, 6, 1).astype(np.float64))
    target = (source @ rotation + 0.5).astype(np.float32)
    moved = source + procrustes(source, target)(source)
    np.testing.assert_allclose(moved, target, atol=1e-4)


@pytest.mark.parametrize("count", [12, 80])
def test_ridge_finds_a_linear_map_and_shrinks_it(count: int) -> None:
    features, wanted = rows(count, 30, 0), rows(30, 4, 1)
    targets = features @ wanted + 2
    exact = ridge(features, targets, 1e-6)
    np.testing.assert_allclose(exact(features), targets, atol=1e-2)
    strong = ridge(features, targets, 1e6)
    np.testing.assert_allclose(
        strong(features), np.tile(targets.mean(axis=0), (count, 1)), atol=0.1
    )


def test_whitening_makes_the_covariance_even() -> None:
    given_rows = rows(500, 5, 0) * np.array([5, 2, 1, 1, 0.5], dtype=np.float32) + 3
    white = given_rows + whitening(given_rows, 0.0)(given_rows)
    covariance = np.cov(white.T, bias=True)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(5), atol=1e-2)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)
    only_centred = given_rows + whitening(given_rows, 1.0)(given_rows)
    np.testing.assert_allclose(only_centred, given_rows - given_rows.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 0.9, 1.0])
def test_whitening_keeps_the_spread(shrinkage: float) -> None:
    given_rows = rows(500, 5, 0) * np.array([5, 2, 1, 1, 0.5], dtype=np.float32) + 3
    white = given_rows + whitening(given_rows, shrinkage)(given_rows)
    assert white.var(axis=0).sum() == pytest.approx(given_rows.var(axis=0).sum(), rel=1e-4)


@pytest.mark.parametrize("count", [12, 80])
def test_ridge_is_the_least_squares_of_its_penalty(count: int) -> None:
    features, targets = rows(count, 30, 0) * 3 + 2, rows(count, 4, 1)
    centred = features - features.mean(axis=0, dtype=np.float64)
    penalty = 0.5 * count * np.mean(centred**2)
    design = np.vstack([centred, np.sqrt(penalty) * np.eye(30)])
    wanted = np.vstack([targets - targets.mean(axis=0), np.zeros((30, 4))])
    expected = np.linalg.lstsq(design, wanted)[0]
    np.testing.assert_allclose(ridge(features, targets, 0.5).weight, expected, atol=1e-6)


@pytest.mark.parametrize("count", [1, 20])
def test_photos_that_all_look_the_same_teach_nothing(count: int) -> None:
    same, texts = np.tile(unit(rows(1, 6, 0)), (count, 1)), unit(rows(count, 6, 1))
    for made in (
        ridge(same, texts - same, 0.1),
        procrustes(same, texts),
        whitening(same, 0.3),
        coral(same, texts, 0.3),
    ):
        assert np.isfinite(made(same)).all()


def test_coral_gives_the_other_covariance() -> None:
    source, target = rows(400, 4, 0) * 2 + 1, rows(300, 4, 1) @ rows(4, 4, 2)
    moved = source + coral(source, target, 0.0)(source)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), atol=0.1)
    np.testing.assert_allclose(moved.mean(axis=0), target.mean(axis=0), atol=1e-2)


def hidden_pairs(seed: int, photos: int = 120, texts: int = 3, *, base: bool) -> Pairs:
    """Photos and texts whose features show the same hidden thing in two ways."""
    ways = np.random.default_rng(99)
    to_image, to_text = (ways.normal(size=(8, 40)).astype(np.float32) for _ in range(2))
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(photos, 8)).astype(np.float32)
    photo_of_text = np.repeat(np.arange(photos), texts)
    noise = [generator.normal(size=(n, 40)).astype(np.float32) for n in (photos, photos * texts)]
    images = hidden @ to_image + 0.3 * noise[0]
    captions = hidden[photo_of_text] @ to_text + 0.3 * noise[1]
    bases = (unit(images), unit(captions)) if base else (None, None)
    return Pairs([Rows(images, bases[0])], Rows(captions, bases[1]), photo_of_text)


def found(pairs: Pairs, images: np.ndarray, texts: np.ndarray) -> float:
    """Share of the texts that find their photo first."""
    return float(np.mean(np.argmax(texts @ images.T, axis=1) == pairs.photo_of_text))


@pytest.mark.parametrize("base", [False, True])
def test_heads_learn_with_and_without_a_base(base: bool) -> None:
    chosen = HeadSettings(epochs=40, dropout=0.1, learning_rate=5e-3, captions=2, dim=16)
    trained = fit_heads(hidden_pairs(0, base=base), chosen, held_out=hidden_pairs(1, base=base))
    test = hidden_pairs(2, base=base)
    added = trained.image(test.views[0].features), trained.text(test.texts.features)
    if base:
        added = added[0] + test.views[0].base, added[1] + test.texts.base
        assert found(test, test.views[0].base, test.texts.base) < 0.1
    assert found(test, *(unit(row) for row in added)) > 0.5
    losses = [epoch.held_out_loss for epoch in trained.history]
    assert losses[trained.best - 1] == min(losses)


def test_training_stops_early_and_leaves_torch_alone() -> None:
    import torch

    noise = Pairs([Rows(rows(60, 10, 0))], Rows(rows(60, 10, 1)), np.arange(60))
    other = Pairs([Rows(rows(60, 10, 2))], Rows(rows(60, 10, 3)), np.arange(60))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    trained = fit_heads(noise, HeadSettings(epochs=60, patience=3, dropout=0.0), held_out=other)
    assert len(trained.history) == trained.best + 3 < 60
    assert torch.rand(1) == expected


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_a_share_of_the_way_is_between_base_and_heads(seed: int) -> None:
    encoded = Encoded(unit(rows(9, 4, seed)), rows(9, 7, seed + 1))
    head = ResidualHead(
        HeadInput.FEATURES, AffineMap(rows(7, 4, seed + 2), rows(1, 4, seed + 3)[0])
    )
    np.testing.assert_allclose(head.scaled(0.0)(encoded), encoded.embeddings, atol=1e-6)
    np.testing.assert_allclose(head.scaled(1.0)(encoded), head(encoded), atol=1e-6)
    half = unit(encoded.embeddings + 0.5 * head.map(encoded.features))
    np.testing.assert_allclose(head.scaled(0.5)(encoded), half, atol=1e-6)


def test_chooses_the_best_share() -> None:
    """Heads that turn the photos past their captions: the best is on the way."""
    angles = np.linspace(0, 3, 30)
    turned = lambda by: np.column_stack([np.cos(angles + by), np.sin(angles + by)])  # noqa: E731
    photos, texts = (turned(by).astype(np.float32) for by in (0.0, 0.5))
    pairs = EncodedPairs(Encoded(photos, photos), Encoded(texts, texts), np.arange(30))
    cos, sin = np.cos(1.0), np.sin(1.0)
    turn = np.array([[cos, sin], [-sin, cos]], dtype=np.float32) - np.eye(2, dtype=np.float32)
    head = ResidualHead(HeadInput.EMBEDDINGS, AffineMap(turn, np.zeros(2, dtype=np.float32)))
    choice = choose({"turn": Heads(head, None)}, pairs)
    assert choice.best.share == 0.5
    assert choice.best.retrieval.text_to_image.recall_at_1 == 100
    assert choice.before.text_to_image.recall_at_1 < 10
    assert len(choice.trials) == len(SHARES)


@pytest.mark.parametrize("text", [True, False])
def test_heads_come_back_from_disk(text: bool, tmp_path) -> None:
    image = ResidualHead(HeadInput.FEATURES, AffineMap(rows(7, 4, 0), rows(1, 4, 1)[0]))
    other = ResidualHead(HeadInput.EMBEDDINGS, AffineMap(rows(4, 4, 2), rows(1, 4, 3)[0]))
    heads = Heads(image, other if text else None)
    save_heads(tmp_path / "heads.safetensors", heads)
    loaded = load_heads(tmp_path / "heads.safetensors")
    assert loaded.revision("base@1") == heads.revision("base@1") != heads.revision("base@2")
    assert (loaded.text is None) is not text
    np.testing.assert_array_equal(loaded.image.map.weight, image.map.weight)


def test_heads_are_written_like_any_file(tmp_path) -> None:
    weight = np.asfortranarray(rows(4, 4, 0))
    heads = Heads(ResidualHead(HeadInput.EMBEDDINGS, AffineMap(weight, rows(1, 4, 1)[0])), None)
    path, other = tmp_path / "heads.safetensors", tmp_path / "other"
    save_heads(path, heads)
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode, "others may read it as well"
    np.testing.assert_array_equal(load_heads(path).image.map.weight, weight)
    with pytest.raises(OSError, match="No such file"):  # as a full disk is told
        save_heads(tmp_path / "gone" / "heads.safetensors", heads)
