"""Cross-validation by photo, and the normalisation that is chosen by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.encoders.adapted import (
    AdaptedEncoder,
    AffineMap,
    HeadInput,
    Heads,
    ResidualHead,
    load_heads,
    save_heads,
)
from mmsearch.encoders.base import Encoded
from mmsearch.encoders.embedded.heads import ADDED, unit
from mmsearch.testing import TinyEncoder
from mmsearch.training.adapt.choose import EncodedPairs
from mmsearch.training.adapt.cross_validate import banks_of, cross_validate, folds_by_photo
from mmsearch.training.adapt.methods import FEW, Method, closed_forms


def rows(count: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def pairs(photos: int, seed: int, *, turned: bool) -> EncodedPairs:
    """Captions near their photos; where they are turned, in another order of dimensions."""
    images = unit(rows(photos, 16, seed))
    photo_of_text = np.repeat(np.arange(photos), 2)
    texts = unit(images[photo_of_text] + 0.1 * rows(2 * photos, 16, seed + 1))
    if turned:
        texts = np.roll(texts, 1, axis=1)
    return EncodedPairs(Encoded(images, images), Encoded(texts, texts), photo_of_text)


@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=120).filter(lambda some: len(set(some)) > 1),
    st.floats(0.01, 0.99),
    st.integers(0, 99),
)
def test_each_photo_is_held_out_once(contents: list[int], share: float, seed: int) -> None:
    hashes = [f"{content:x}" for content in contents]
    folds = folds_by_photo(hashes, share, seed)
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == list(range(len(hashes)))
    for fold in folds:
        assert sorted([*fold.learnt, *fold.held_out]) == list(range(len(hashes)))
        assert not {hashes[n] for n in fold.learnt} & {hashes[n] for n in fold.held_out}
        assert len(fold.learnt) > 0 < len(fold.held_out)


def test_what_is_chosen_holds_on_other_photos() -> None:
    known, others = pairs(200, 0, turned=True), pairs(60, 7, turned=True)
    folds = folds_by_photo([str(number) for number in range(200)], 0.2, 0)
    seen = []
    choice = cross_validate(
        lambda some: closed_forms(Method.RIDGE, some),
        known,
        folds,
        lambda step, done, total: seen.append((step, done, total)),
    )
    assert seen[-1] == ("cross-validation", 5, 5)
    base = others.retrieval(Heads(None, None))
    assert choice.best.retrieval.score > choice.before.score + 20
    assert others.retrieval(choice.heads).score > base.score + 20


def test_of_equals_the_base_is_chosen() -> None:
    """Where the base finds everything, nothing is better."""
    known = pairs(40, 0, turned=False)
    folds = folds_by_photo([str(number) for number in range(40)], 0.25, 0)
    choice = cross_validate(lambda some: {"none": Heads(None, None)}, known, folds, lambda *_: None)
    assert choice.before.score == choice.best.retrieval.score == 100
    assert choice.heads == Heads(None, None)


def test_photos_that_resemble_any_caption_give_way_and_captions_half_as_much() -> None:
    common = unit(np.ones((1, 16), dtype=np.float32))
    images = rows(60, 16, 0)
    photo_of_text = np.repeat(np.arange(60), 2)
    texts = unit(images[photo_of_text] + 2 * rows(120, 16, 1) + 8 * common)
    hubs = unit(images + np.linspace(0, 8, 60, dtype=np.float32)[:, None] * common)
    known = EncodedPairs(Encoded(hubs, hubs), Encoded(texts, texts), photo_of_text)
    folds = folds_by_photo([str(number) for number in range(60)], 0.25, 0)
    choice = cross_validate(lambda some: {"none": Heads(None, None)}, known, folds, lambda *_: None)
    assert choice.best.retrieval.score > choice.before.score
    assert choice.heads.banks is not None
    assert choice.heads.banks.images.strength > 0
    assert choice.heads.banks.texts.strength == choice.heads.banks.images.strength / 2


def test_each_caption_teaches_for_itself() -> None:
    """Two captions of a photo teach as much as one each of two photos that look the same."""
    images, said = unit(rows(30, 16, 0)), rows(60, 16, 1)
    photo_of_text = np.repeat(np.arange(30), 2)
    texts = Encoded(unit(rows(30, 16, 2))[photo_of_text], said)
    twice = Encoded(images[photo_of_text], images[photo_of_text])
    learnt = [
        closed_forms(Method.RIDGE, EncodedPairs(photos, texts, owners))
        for photos, owners in (
            (Encoded(images, images), photo_of_text),
            (twice, np.arange(60)),
        )
    ]
    for name, heads in learnt[0].items():
        np.testing.assert_allclose(
            heads.text.added(texts), learnt[1][name].text.added(texts), atol=1e-4
        )


def test_normalised_similarity_is_less_by_both_biases() -> None:
    known, others = pairs(50, 0, turned=False), pairs(20, 3, turned=False)
    banks = banks_of(known.photos.embeddings, known.texts.embeddings)
    heads = Heads(None, None, banks)
    found = heads.texts(others.texts) @ heads.images(others.photos).T
    images, texts = others.photos.embeddings, others.texts.embeddings
    biases = (
        np.clip(one.bias(some) - one.centre, -0.3, 0.3)
        for one, some in ((banks.texts, texts), (banks.images, images))
    )
    of_texts, of_images = biases
    wanted = texts @ images.T - of_texts[:, None] - of_images
    scale = wanted.std() / found.std()
    np.testing.assert_allclose(found * scale, wanted, atol=1e-4)


@pytest.mark.parametrize("moved", [True, False])
def test_normalisation_comes_back_from_disk_and_in_onnx(moved: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra 'train' is not installed")
    import onnxruntime

    from mmsearch.training.adapt.onnx_heads import write_onnx_heads

    known = pairs(30, 0, turned=False)
    banks = banks_of(known.photos.embeddings, known.texts.embeddings)
    image = ResidualHead(HeadInput.FEATURES, AffineMap(rows(16, 16, 5), rows(1, 16, 6)[0]))
    heads = Heads(image if moved else None, None, banks)
    save_heads(tmp_path / "heads.safetensors", heads)
    loaded = load_heads(tmp_path / "heads.safetensors")
    assert loaded.revision("base@1") == heads.revision("base@1")
    assert loaded.revision("base@1") != Heads(heads.image, None).revision("base@1")
    np.testing.assert_array_equal(loaded.images(known.photos), heads.images(known.photos))

    write_onnx_heads(tmp_path, heads, known.photos, known.texts)
    for kind, some, made in (
        ("image", known.photos, heads.images(known.photos)),
        ("text", known.texts, heads.texts(known.texts)),
    ):
        session = onnxruntime.InferenceSession(tmp_path / f"{kind}_head.onnx")
        given_rows = {"embeddings": some.embeddings, "features": some.features}
        wanted = {entry.name: given_rows[entry.name] for entry in session.get_inputs()}
        (found,) = session.run(None, wanted)
        np.testing.assert_allclose(found, made, atol=1e-5)
        assert found.shape[1] == 16 + ADDED


def test_only_the_heads_there_are_become_models(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra 'train' is not installed")
    from mmsearch.training.adapt.onnx_heads import write_onnx_heads

    known = pairs(30, 0, turned=False)
    image = ResidualHead(HeadInput.EMBEDDINGS, AffineMap(rows(16, 16, 5), rows(1, 16, 6)[0]))
    write_onnx_heads(tmp_path, Heads(image, None), known.photos, known.texts)
    assert [path.name for path in tmp_path.iterdir()] == ["image_head.onnx"]


def test_a_normalised_encoder_has_four_dimensions_more() -> None:
    base = TinyEncoder()
    photos = base.encode_images(np.zeros((1, 16, 16, 3), dtype=np.uint8))
    texts = base.encode_texts(["red", "blue"])
    encoder = AdaptedEncoder(
        base, Heads(None, None, banks_of(photos, texts)), spec="x", name="x", revision="1"
    )
    assert encoder.dim == base.dim + ADDED
    assert encoder.encode_texts(["green"]).shape == (1, encoder.dim)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)


def test_what_auto_means() -> None:
    assert Method.AUTO.chosen(FEW - 1) is Method.RIDGE
    assert Method.AUTO.chosen(FEW) is Method.HEADS
    assert Method.WHITENING.chosen(FEW) is Method.WHITENING
