"""ImageTransform makes the pixels that open_clip's own transform makes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from mmsearch.encoders.base import ImageTransform


def noise(width: int, height: int) -> Image.Image:
    """A photo in which every displaced pixel shows."""
    generator = np.random.default_rng(width * 10_007 + height)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_open_clip(image: Image.Image, transform: ImageTransform) -> np.ndarray:
    reference = image_transform_v2(
        PreprocessCfg(
            size=(transform.height, transform.width),
            mean=(0, 0, 0),
            std=(1, 1, 1),
            interpolation=transform.interpolation,
            resize_mode=transform.resize_mode,
            fill_color=transform.fill,
        ),
        is_train=False,
    )
    return (reference(image).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "size", [(640, 480), (481, 641), (500, 375), (224, 224), (333, 334), (9, 7)]
)
def test_is_what_open_clip_does(mode: str, interpolation: str, size: tuple[int, int]) -> None:
    transform = ImageTransform(224, 224, mode, interpolation, fill=127)  # type: ignore[arg-type]
    image = noise(*size)

    np.testing.assert_array_equal(transform(image), by_open_clip(image, transform))


@given(
    mode=st.sampled_from(["squash", "shortest", "longest"]),
    frame=st.sampled_from([(32, 32), (33, 33), (32, 48), (47, 31)]),
    width=st.integers(8, 90),
    height=st.integers(8, 90),
)
def test_is_what_open_clip_does_at_any_size(
    mode: str, frame: tuple[int, int], width: int, height: int
) -> None:
    transform = ImageTransform(*frame, mode, "bicubic")  # type: ignore[arg-type]
    image = noise(width, height)

    np.testing.assert_array_equal(transform(image), by_open_clip(image, transform))


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("size", [(1, 1), (30_000, 1), (1, 30_000), (9000, 3)])
def test_strips_cost_no_gigabytes(mode: str, size: tuple[int, int]) -> None:
    transform = ImageTransform(224, 224, mode, "bicubic")  # type: ignore[arg-type]

    pixels = transform(Image.new("RGB", size, "red"))
    assert pixels.shape == (224, 224, 3)
    assert (pixels == [255, 0, 0]).all(axis=2).any()


def test_travels_to_other_processes() -> None:
    transform = ImageTransform(224, 224, "shortest", "bicubic")

    assert pickle.loads(pickle.dumps(transform)) == transform
