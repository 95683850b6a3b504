from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmsearch.encoders.base import DualEncoder, Embeddings
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.encoder import WEIGHTS
from mmsearch.encoders.embedded.heads import (
    Floats,
    ImageHead,
    Normalisation,
    TextHead,
    load_image_head,
    load_text_head,
    save_heads,
    unit,
)
from mmsearch.encoders.embedded.manifest import HEADS, TEXT_TOWER, WEIGHT_FILES, content_hash
from mmsearch.errors import WeightsError

DEMO_PHOTOS = Path(__file__).resolve().parents[2] / "indexes" / "demo" / "media"

ODD_TEXTS = [
    "",
    " \n\t",
    "🐕🏖️",
    "\udcff broken name.jpg",
    "一只狗",
    "word " * 5000,
    "x" * 50_000,
    "a\0b",
]


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder(threads=2)


@pytest.fixture(scope="module")
def demo(encoder: EmbeddedEncoder) -> dict[str, Embeddings]:
    paths = sorted(DEMO_PHOTOS.rglob("*.jpg"))
    pixels = np.stack([encoder.transform(Image.open(path).convert("RGB")) for path in paths])
    names = [path.stem for path in paths]
    return dict(zip(names, encoder.encode_images(pixels), strict=True))


def test_is_a_dual_encoder(encoder: EmbeddedEncoder) -> None:
    assert isinstance(encoder, DualEncoder)
    assert encoder.identity.spec == "embedded"
    assert encoder.id == f"embedded-4@{encoder.identity.revision}"


def test_revision_is_the_hash_of_what_ships(encoder: EmbeddedEncoder) -> None:
    assert encoder.identity.revision == content_hash(WEIGHTS)


def test_weights_are_small_and_complete() -> None:
    files = [path for path in WEIGHTS.iterdir() if path.is_file()]
    assert {path.name for path in files} == {*WEIGHT_FILES, "manifest.json"}
    assert sum(path.stat().st_size for path in files) <= 40e6


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a cat", "chelsea"),
        ("paint brushes", "brushes"),
        ("a cup of coffee", "coffee"),
        ("a man with a camera", "photographer"),
        ("a mountain with snow", "picos-de-europa"),
        ("the night sky", "deep-field"),
    ],
)
def test_finds_demo_photos(
    query: str, expected: str, encoder: EmbeddedEncoder, demo: dict[str, Embeddings]
) -> None:
    text = encoder.encode_texts([query])[0]
    assert max(demo, key=lambda name: float(demo[name] @ text)) == expected


def test_rows_have_unit_length(encoder: EmbeddedEncoder, demo: dict[str, Embeddings]) -> None:
    images = np.stack(list(demo.values()))
    texts = encoder.encode_texts(["a dog", *ODD_TEXTS])
    for rows in (images, texts):
        assert rows.dtype == np.float32
        assert rows.shape[1] == encoder.dim
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_empty_batches(encoder: EmbeddedEncoder) -> None:
    side = encoder.transform.height
    nothing = encoder.encode_images(np.empty((0, side, side, 3), dtype=np.uint8))
    assert nothing.shape == (0, encoder.dim)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)


def test_a_text_does_not_depend_on_its_batch(encoder: EmbeddedEncoder) -> None:
    texts = ["a dog", "two women in red coats cross a busy street at night", *ODD_TEXTS] * 5
    together = encoder.encode_texts(texts)
    for text, row in zip(texts[:10], together, strict=False):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], row, atol=1e-4)


def test_a_photo_does_not_depend_on_its_batch(encoder: EmbeddedEncoder) -> None:
    generator = np.random.default_rng(0)
    side = encoder.transform.height
    pixels = generator.integers(0, 256, (11, side, side, 3), dtype=np.uint8)
    together = encoder.encode_images(pixels)
    for index in (0, 7, 8, 10):
        alone = encoder.encode_images(pixels[index : index + 1])[0]
        np.testing.assert_allclose(alone, together[index], atol=1e-4)


def test_texts_are_cut_not_refused(encoder: EmbeddedEncoder) -> None:
    long, longer = encoder.encode_texts(["dog " * 500, "dog " * 500 + "cat " * 500])
    np.testing.assert_array_equal(long, longer)


def test_what_fits_is_what_nothing_is_cut_from(encoder: EmbeddedEncoder) -> None:
    most = "dog " * 126  # two tokens are the tower's own
    assert encoder.fits(most)
    assert not encoder.fits(most + "cat")
    assert encoder.fits("")
    assert encoder.fits("photo \udcff")
    one, other = encoder.encode_texts([most, most + "cat"])
    np.testing.assert_array_equal(one, other)


def test_telling_what_fits_loads_no_tower() -> None:
    program = (
        "import sys\n"
        "from mmsearch.encoders.embedded import EmbeddedEncoder\n"
        "assert EmbeddedEncoder().fits('a dog')\n"
        "print('onnxruntime' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_query_imports_neither_torch_nor_transformers() -> None:
    program = (
        "import sys\n"
        "from mmsearch.encoders.embedded import EmbeddedEncoder\n"
        "EmbeddedEncoder().encode_texts(['a dog'])\n"
        "print([name for name in ('torch', 'transformers', 'open_clip', 'timm', 'PIL', 'onnx')"
        " if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_weights_elsewhere_are_another_encoder(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(WEIGHTS, copy)
    assert EmbeddedEncoder(weights=copy).identity.spec == f"embedded:{copy}"


@pytest.mark.parametrize("name", ["manifest.json", HEADS, TEXT_TOWER, "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_weights_are_an_error(name: str, damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage == "cut":
        (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="weights"):
        EmbeddedEncoder(weights=folder).encode_texts(["a dog"])


def test_manifest_of_something_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "other"}))
    with pytest.raises(WeightsError, match="holds no weights"):
        EmbeddedEncoder(weights=tmp_path)


# --- the heads alone ---

ALIGNED, NAMES, CLASSES, FEATURES = 6, 4, 20, 9


def random_heads(seed: int, *, bank: int = 15) -> tuple[ImageHead, TextHead]:
    generator = np.random.default_rng(seed)

    def normal(*shape: int) -> Floats:
        return generator.normal(size=shape).astype(np.float32)

    def normalisation() -> Normalisation:
        entries = 0.3 * unit(normal(bank, ALIGNED + NAMES)) if bank else normal(0, 0)
        return Normalisation(entries, neighbours=4, strength=0.75, centre=0.05)

    image = ImageHead(
        normal(FEATURES, ALIGNED), normal(ALIGNED), normal(CLASSES, NAMES), normalisation()
    )
    text = TextHead(
        normal(FEATURES, ALIGNED),
        normal(ALIGNED),
        normal(FEATURES, NAMES),
        normal(NAMES),
        normalisation(),
    )
    return image, text


@given(seed=st.integers(0, 1000))
def test_product_is_similarity_of_the_parts_less_both_biases(seed: int) -> None:
    image, text = random_heads(seed)
    generator = np.random.default_rng(seed + 1)
    features, captions = generator.normal(size=(2, 7, FEATURES)).astype(np.float32)
    logits = generator.normal(size=(7, CLASSES)).astype(np.float32)

    photo_parts, text_parts = image.parts(features, logits), text.parts(captions)
    wanted = (
        photo_parts @ text_parts.T
        - image.normalisation.bias(photo_parts)[:, None]
        - text.normalisation.bias(text_parts)
    )
    given_ = image.embeddings(features, logits) @ text.embeddings(captions).T
    # Equal up to one positive factor and one constant, so that every ranking is the same.
    slope, constant = np.polyfit(wanted.ravel(), given_.ravel(), 1)
    assert slope > 0
    np.testing.assert_allclose(given_, slope * wanted + constant, atol=1e-5)


def test_class_names_count_by_probability() -> None:
    image, _ = random_heads(0)
    logits = np.full((1, CLASSES), -50, dtype=np.float32)
    logits[0, 3], logits[0, 7] = np.log([0.75, 0.25])
    features = np.zeros((1, FEATURES), dtype=np.float32)
    names = image.parts(features, logits)[0, ALIGNED:]
    expected = 0.75 * image.class_names[3] + 0.25 * image.class_names[7]
    np.testing.assert_allclose(unit(names[None]), unit(expected[None]), atol=1e-5)


def test_without_a_bank_there_is_no_bias() -> None:
    image, text = random_heads(1, bank=0)
    none = replace(image.normalisation, centre=0.0)
    image = replace(image, normalisation=none)
    rows = image.embeddings(np.ones((2, FEATURES), np.float32), np.eye(2, CLASSES, dtype="f4"))
    assert np.all(rows[:, -4] == 0)
    assert len(text.embeddings(np.ones((2, FEATURES), np.float32))) == 2


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_heads_survive_storage(layout: Callable[[Floats], Floats], tmp_path: Path) -> None:
    image, text = random_heads(2)
    image = replace(image, weight=layout(image.weight), class_names=layout(image.class_names))
    text = replace(text, weight=layout(text.weight), projection=layout(text.projection))
    save_heads(tmp_path / HEADS, image, text)
    features = np.ones((3, FEATURES), dtype=np.float32)
    logits = np.eye(3, CLASSES, dtype=np.float32)
    np.testing.assert_allclose(
        load_image_head(tmp_path / HEADS).embeddings(features, logits),
        image.embeddings(features, logits),
        atol=5e-3,
    )
    np.testing.assert_allclose(
        load_text_head(tmp_path / HEADS).embeddings(features), text.embeddings(features), atol=5e-3
    )
