"""The encoder that users test with: deterministic, and it knows its colours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmsearch.encoders.base import DualEncoder
from mmsearch.testing import TinyEncoder, make_photo

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "cyan", "blue", "pink")


def pixels_of(encoder: TinyEncoder, *colours: str | tuple[int, int, int]) -> np.ndarray:
    photos = [encoder.transform(Image.new("RGB", (64, 48), colour)) for colour in colours]
    return np.stack(photos)


def test_is_a_dual_encoder() -> None:
    assert isinstance(TinyEncoder(), DualEncoder)


def test_a_colour_word_finds_its_photo_among_all_colours() -> None:
    encoder = TinyEncoder()
    images = encoder.encode_images(pixels_of(encoder, *COLOURS))
    texts = encoder.encode_texts([f"A {colour.upper()} photo!" for colour in COLOURS])

    assert (texts @ images.T).argmax(axis=1).tolist() == list(range(len(COLOURS)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a dark picture", 0), ("bright", 2), ("gray", 1), ("sunset", 3)],
)
def test_tones_and_other_names_are_understood(text: str, expected: int) -> None:
    encoder = TinyEncoder()
    images = encoder.encode_images(pixels_of(encoder, "black", "grey", "white", "orange"))

    assert int((encoder.encode_texts([text]) @ images.T).argmax()) == expected


def test_photos_of_one_palette_but_another_layout_differ() -> None:
    encoder = TinyEncoder()
    left = np.zeros((16, 16, 3), dtype=np.uint8)
    left[:, :8] = 255
    one, other = encoder.encode_images(np.stack([left, left[:, ::-1]]))

    assert 0.5 < one @ other < 0.95


@given(st.lists(st.text(), max_size=5))
def test_every_text_has_unit_length(texts: list[str]) -> None:
    embeddings = TinyEncoder().encode_texts(texts)

    assert embeddings.dtype == np.float32
    assert embeddings.shape == (len(texts), TinyEncoder().dim)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


@given(st.integers(0, 4), st.randoms(use_true_random=False))
def test_every_image_has_unit_length(count: int, random: object) -> None:
    generator = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    pixels = generator.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    embeddings = TinyEncoder().encode_images(pixels)

    assert embeddings.dtype == np.float32
    assert embeddings.shape == (count, TinyEncoder().dim)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


def test_other_words_tell_texts_apart() -> None:
    cat, dog = TinyEncoder().encode_texts(["a red cat", "a red dog"])

    assert 0.8 < cat @ dog < 0.999


def test_another_seed_is_another_encoder() -> None:
    first, second = TinyEncoder(), TinyEncoder(seed=1)
    text = ["a red photo"]

    assert first.id != second.id
    assert first.encode_texts(text)[0] @ second.encode_texts(text)[0] < 0.5
    # within its own space it works as well
    images = second.encode_images(pixels_of(second, "blue", "red"))
    assert int((second.encode_texts(text) @ images.T).argmax()) == 1


def test_embeddings_stay_what_they_are_while_the_id_does() -> None:
    """Indexes made by an earlier release stay valid: a change here needs another revision."""
    encoder = TinyEncoder()
    red = encoder.encode_images(pixels_of(encoder, "red"))[0]
    text = encoder.encode_texts(["a red cat"])[0]

    assert encoder.id == "testing@1"
    assert red.argmax() == text.argmax() == 3
    assert red @ text == pytest.approx(0.84608, abs=1e-4)


@pytest.mark.parametrize("name", ["a.jpg", "deep/er/b.png", "c.webp"])
def test_make_photo_writes_a_readable_photo(tmp_path, name: str) -> None:
    path = make_photo(tmp_path / name, "navy", size=(40, 30))

    with Image.open(path) as image:
        assert image.size == (40, 30)
        red, green, blue = image.convert("RGB").getpixel((20, 15))
    assert blue > 100 > max(red, green)


def test_needs_no_torch() -> None:
    program = (
        "import sys; from mmsearch.testing import TinyEncoder; TinyEncoder().encode_texts(['x']);"
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
