"""What encoders see in the regions of an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmsearch.encoders.adapted import AdaptedEncoder, AffineMap, HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import Encoded, Pixels, RegionEncoder, Regions, encode_regions
from mmsearch.encoders.patches import patch_embeddings
from mmsearch.testing import TinyEncoder


class Halves(TinyEncoder):
    """Takes the left and the right half for regions."""

    def encode_regions(self, pixels: Pixels) -> Regions:
        left, right = np.split(pixels, 2, axis=2)
        halves = np.concatenate([np.tile(half, (1, 1, 2, 1)) for half in (left, right)])
        embeddings = self.encode_images(halves)
        return Regions(1, 2, Encoded(embeddings, embeddings))


@pytest.fixture
def beside() -> Pixels:
    """Red on the left, blue on the right."""
    pixels = np.zeros((1, 16, 16, 3), np.uint8)
    pixels[:, :, :8, 0] = pixels[:, :, 8:, 2] = 255
    return pixels


def test_similarities_lie_as_the_regions_do(beside: Pixels) -> None:
    encoder = Halves()
    regions = encode_regions(encoder, beside)
    assert isinstance(encoder, RegionEncoder)
    assert regions is not None
    red, blue = regions.similarities(encoder.encode_texts(["red", "blue"]))
    assert red.shape == (1, 2)
    assert red[0, 0] > 0.5 > red[0, 1]
    assert blue[0, 1] > 0.5 > blue[0, 0]


def test_an_adapted_encoder_adapts_regions_too(beside: Pixels) -> None:
    base = Halves()
    weight = np.zeros((base.dim, base.dim), np.float32)
    bias = -10 * np.eye(base.dim, dtype=np.float32)[0]
    head = ResidualHead(HeadInput.EMBEDDINGS, AffineMap(weight, bias))
    adapted = AdaptedEncoder(base, Heads(head, None), spec="a", name="a", revision="1")
    regions = adapted.encode_regions(beside)
    assert regions is not None
    assert np.all(regions.encoded.embeddings[:, 0] < -0.9)


def test_other_encoders_show_no_regions(beside: Pixels) -> None:
    assert encode_regions(TinyEncoder(), beside) is None


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
