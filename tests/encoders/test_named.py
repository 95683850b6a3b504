from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.encoders import named
from mmsearch.encoders.base import FeatureEncoder, images_with_features, texts_with_features
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.encoder import WEIGHTS
from mmsearch.encoders.registry import available, load, reopen
from mmsearch.errors import DeviceUnavailableError, EncoderError, UnknownEncoderError
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
