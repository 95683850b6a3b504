from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.encoders import named
from mmsearch.encoders.adapted import HEADS, AffineMap, HeadInput, Heads, ResidualHead, save_heads
from mmsearch.encoders.base import FeatureEncoder, images_with_features, texts_with_features
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.encoder import WEIGHTS
from mmsearch.encoders.registry import available, load, reopen
from mmsearch.errors import (
    DeviceUnavailableError,
    EncoderError,
    UnknownEncoderError,
    WeightsError,
)
from mmsearch.settings import load_settings
from mmsearch.testing import TinyEncoder


@pytest.fixture
def weights() -> Path:
    """Whole weights of the embedded encoder, stored under a name."""
    folder = load_settings().encoders / "finetuned"
    shutil.copytree(WEIGHTS, folder)
    return folder


def test_whole_weights_have_a_name_too(weights: Path) -> None:
    encoder = load("finetuned")
    assert encoder.identity.spec == "finetuned"
    assert encoder.id == load("embedded").id, "the same weights"
    assert reopen(encoder.identity).id == encoder.id
    listing = {entry.name: entry for entry in available()}["finetuned"]
    assert (listing.spec, listing.dim) == ("embedded", encoder.dim)
    assert named.bases("finetuned") == []
    with pytest.raises(DeviceUnavailableError):
        load("finetuned", device="cuda")


def test_a_stored_name_never_shadows_a_built_in(weights: Path) -> None:
    for name in ("testing", "fast"):
        weights.rename(weights.with_name(name))
        weights = weights.with_name(name)
        assert named.find(name) is None
        assert named.names() == []
    assert load("testing").id == TinyEncoder().id


def store_heads(name: str, base: named.BaseReference) -> Path:
    """Stores an encoder that adds nothing to its base."""
    folder = named.folder_of(name)
    folder.mkdir(parents=True)
    dim = TinyEncoder().dim
    nothing = AffineMap(np.zeros((dim, dim), np.float32), np.zeros(dim, np.float32))
    heads = Heads(ResidualHead(HeadInput.EMBEDDINGS, nothing), None)
    save_heads(folder / HEADS, heads)
    named.HeadsManifest(name, heads.revision(base.id), dim, base).save(folder)
    return folder


TESTING = named.BaseReference("testing", TinyEncoder().id, TinyEncoder().identity.revision)


def test_an_encoder_that_is_gone_is_named_with_what_needs_it() -> None:
    store_heads("below", TESTING)
    below = load("below")
    store_heads("above", named.BaseReference("below", below.id, below.identity.revision))
    above = load("above")
    assert [base.spec for base in named.bases("above")] == ["below", "testing"]

    shutil.rmtree(named.folder_of("below"))
    with pytest.raises(UnknownEncoderError, match=r"'above' was trained on below@.* no longer"):
        load("above")
    shutil.rmtree(named.folder_of("above"))
    with pytest.raises(UnknownEncoderError, match=r"index was made with .* above@.* re-encode"):
        reopen(above.identity)


def test_heads_of_another_training_are_told() -> None:
    folder = store_heads("mine", TESTING)
    load("mine")
    dim = TinyEncoder().dim
    other = AffineMap(np.eye(dim, dtype=np.float32), np.zeros(dim, np.float32))
    save_heads(folder / HEADS, Heads(ResidualHead(HeadInput.EMBEDDINGS, other), None))
    with pytest.raises(WeightsError, match="does not hold the heads"):
        load("mine")


def test_an_encoder_that_is_its_own_base_is_told() -> None:
    """As a folder is after it was renamed to what its base had been."""
    store_heads("one", named.BaseReference("other", "other@0", "0"))
    store_heads("other", named.BaseReference("one", "one@0", "0"))
    with pytest.raises(WeightsError, match="its own base"):
        load("one")
    assert {"one", "other"}.isdisjoint(entry.name for entry in available())


def test_the_list_says_whether_the_base_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit, other = "0" * 40, "1" * 40
    snapshot = tmp_path / "models--someone--tiny" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").touch()
    checkpoint = snapshot / "open_clip_model.safetensors"
    expected = {
        "own": (TESTING.spec, TESTING.revision, True),
        "on_own": ("own", "0", True),
        "cached": ("ViT-B-32/tag", commit, True),
        "remote": ("ViT-B-32/tag", other, False),
        "on_remote": ("remote", "0", False),
        "hub": ("hf-hub:someone/tiny", other, False),
        "file": (f"ViT-B-32:{checkpoint}", "0", True),
        "moved": (f"ViT-B-32:{tmp_path / 'gone.pt'}", "0", False),
    }
    for name, (spec, revision, _) in expected.items():
        store_heads(name, named.BaseReference(spec, f"{spec}@{revision}", revision))
    listed = {entry.name: entry for entry in available()}
    for name, (_, _, is_here) in expected.items():
        assert (listed[name].cached, listed[name].download_bytes) == (
            is_here,
            0 if is_here else None,
        )


def test_near_names_are_suggested(weights: Path) -> None:
    with pytest.raises(UnknownEncoderError, match="Did you mean finetuned"):
        load("finetune")


def test_other_folders_are_no_encoders() -> None:
    home = load_settings().encoders
    assert named.names() == []
    (home / "empty").mkdir(parents=True)
    (home / ".partial").mkdir()
    (home / "file").write_text("")
    assert named.names() == []


@given(st.text(max_size=70))
def test_no_name_leaves_the_folder_of_encoders(name: str) -> None:
    try:
        named.check_name(name)
    except EncoderError:
        assert named.find(name) is None
    else:
        folder = named.folder_of(name)
        assert folder.parent == load_settings().encoders
        assert folder.name == name


def test_features_come_with_the_embeddings() -> None:
    encoder = EmbeddedEncoder()
    assert isinstance(encoder, FeatureEncoder)
    generator = np.random.default_rng(0)
    side = encoder.transform.height
    pixels = generator.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    photos = images_with_features(encoder, pixels)
    np.testing.assert_array_equal(photos.embeddings, encoder.encode_images(pixels))
    assert len(photos.features) == 2
    texts = texts_with_features(encoder, ["a dog", "a cat"])
    np.testing.assert_array_equal(texts.embeddings, encoder.encode_texts(["a dog", "a cat"]))
    assert texts.features.shape[1] != encoder.dim


def test_without_features_the_embeddings_stand_for_them() -> None:
    encoder = TinyEncoder()
    assert not isinstance(encoder, FeatureEncoder)
    texts = texts_with_features(encoder, ["red"])
    np.testing.assert_array_equal(texts.features, texts.embeddings)
