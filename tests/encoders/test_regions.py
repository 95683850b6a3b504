"""What encoders see in the regions of an image."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmsearch.encoders.adapted import AdaptedEncoder, AffineMap, HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import RegionEncoder, encode_regions
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.encoder import WEIGHTS
from mmsearch.encoders.embedded.manifest import IMAGE_REGIONS, IMAGE_TOWER
from mmsearch.encoders.embedded.regions import RegionTower
from mmsearch.encoders.embedded.towers import ImageTower
from mmsearch.encoders.patches import patch_embeddings
from mmsearch.testing import TinyEncoder

DEMO_PHOTOS = Path(__file__).resolve().parents[2] / "indexes" / "demo" / "media"


@pytest.fixture(scope="module")
def beside() -> Image.Image:
    """A raccoon on the left, a cup of coffee on the right."""
    picture = Image.new("RGB", (448, 224))
    for x, name in ((0, "animals/raccoon.jpg"), (224, "coffee.jpg")):
        photo = Image.open(DEMO_PHOTOS / name).convert("RGB").resize((224, 224))
        picture.paste(photo, (x, 0))
    return picture


def test_the_embedded_encoder_tells_what_is_left_and_right(beside: Image.Image) -> None:
    encoder = EmbeddedEncoder(threads=1)
    regions = encode_regions(encoder, encoder.transform(beside)[np.newaxis])
    assert regions is not None
    raccoon, coffee = regions.similarities(encoder.encode_texts(["a raccoon", "a cup of coffee"]))
    half = regions.columns // 2
    assert raccoon.shape == (regions.rows, regions.columns)
    assert raccoon[:, :half].mean() > raccoon[:, -half:].mean()
    assert coffee[:, -half:].mean() > coffee[:, :half].mean()


def test_regions_add_up_to_what_the_tower_sees(beside: Image.Image) -> None:
    pixels = EmbeddedEncoder().transform(beside)[np.newaxis]
    _, logits = ImageTower(WEIGHTS / IMAGE_TOWER, 1)(pixels)
    seen = RegionTower(WEIGHTS / IMAGE_TOWER, WEIGHTS / IMAGE_REGIONS)(pixels)
    assert len(seen.logits) == len(seen.features) == seen.rows * seen.columns
    np.testing.assert_allclose(seen.logits.mean(axis=0), logits[0], atol=1e-4)


def test_the_fragment_is_that_of_the_tower_that_ships() -> None:
    onnx = pytest.importorskip("onnx", reason="the extra 'train' is not installed")
    from mmsearch.training.regions import fragment

    made = fragment(onnx.load(WEIGHTS / IMAGE_TOWER))
    assert made is not None
    assert made.SerializeToString(deterministic=True) == (WEIGHTS / IMAGE_REGIONS).read_bytes()


def test_weights_without_a_fragment_show_no_regions(tmp_path: Path, beside: Image.Image) -> None:
    weights = shutil.copytree(WEIGHTS, tmp_path / "weights")
    (weights / IMAGE_REGIONS).unlink()
    encoder = EmbeddedEncoder(weights=weights)
    assert encoder.encode_regions(encoder.transform(beside)[np.newaxis]) is None


def test_an_adapted_encoder_adapts_regions_too(beside: Image.Image) -> None:
    base = EmbeddedEncoder(threads=1)
    swap = AffineMap(np.zeros((base.dim, base.dim), np.float32), -10 * np.eye(base.dim)[0])
    head = ResidualHead(HeadInput.EMBEDDINGS, AffineMap(swap.weight, swap.bias.astype(np.float32)))
    adapted = AdaptedEncoder(base, Heads(head, None), spec="a", name="a", revision="1")
    regions = adapted.encode_regions(adapted.transform(beside)[np.newaxis])
    assert isinstance(adapted, RegionEncoder)
    assert regions is not None
    assert np.all(regions.encoded.embeddings[:, 0] < -0.9)


def test_other_encoders_show_no_regions(beside: Image.Image) -> None:
    tiny = TinyEncoder()
    assert encode_regions(tiny, tiny.transform(beside)[np.newaxis]) is None


def test_patches_of_a_transformer_attend_to_those_with_like_queries() -> None:
    from open_clip.transformer import VisionTransformer

    torch.manual_seed(0)
    visual = VisionTransformer(32, 16, width=64, layers=2, heads=2, mlp_ratio=2, output_dim=24)
    images = torch.randn(1, 3, 32, 32)
    seen = {}
    last = visual.eval().transformer.resblocks[-1]
    last.register_forward_pre_hook(lambda _, inputs: seen.update(tokens=inputs[0]))
    with torch.inference_mode():
        visual(images)
        found = patch_embeddings(visual, images)
        patches = last.ln_1(seen["tokens"][0, 1:])
        query, _, value = (patches @ last.attn.in_proj_weight.T).split(64, dim=1)
        gained = torch.cat(
            [
                torch.softmax(query[:, h] @ query[:, h].T / 32**0.5, dim=1) @ value[:, h]
                for h in (slice(0, 32), slice(32, 64))
            ],
            dim=1,
        )
        expected = visual.ln_post(gained @ last.attn.out_proj.weight.T) @ visual.proj
    assert found is not None
    assert found.shape == (2, 2, 24)
    torch.testing.assert_close(found.flatten(0, 1), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kind", "side"), [("convolutions", 32), ("attention", 16)])
def test_the_only_patch_of_an_image_is_the_image(kind: str, side: int) -> None:
    import timm
    from open_clip.timm_model import TimmModel

    torch.manual_seed(0)
    visual = TimmModel("convnext_atto", 24, image_size=side)
    if kind == "attention":
        visual.trunk = timm.create_model(
            "vit_tiny_patch16_224",
            img_size=16,
            depth=1,
            num_classes=0,
            global_pool="map",
            class_token=False,
        )
        visual.head = torch.nn.Sequential(torch.nn.Linear(192, 24))
    images = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        found = patch_embeddings(visual.eval(), images)
        whole = visual(images)
    assert found is not None
    assert found.shape == (1, 1, 24)
    torch.testing.assert_close(found[0], whole)


def test_a_resnet_has_no_patches() -> None:
    from open_clip.modified_resnet import ModifiedResNet

    torch.manual_seed(0)
    visual = ModifiedResNet([1, 1, 1, 1], 24, heads=2, image_size=32, width=8).eval()
    assert patch_embeddings(visual, torch.zeros(1, 3, 32, 32)) is None
