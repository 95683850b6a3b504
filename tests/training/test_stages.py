"""The last stages of the image tower compute what the tower computes."""

from __future__ import annotations

import pytest
import torch

from mmsearch.training.stages import DEEPEST, SHALLOWEST, FirstStages, LastStages
from mmsearch.training.towers import ImageTower

SIDE = 224


@pytest.fixture(scope="module")
def tower() -> ImageTower:
    """A tower with random weights and random statistics."""
    torch.manual_seed(0)
    tower = ImageTower()
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.normal_(0, 0.3)
    return tower.eval()


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)


@pytest.mark.parametrize("depth", range(SHALLOWEST, DEEPEST + 1))
@torch.inference_mode()
def test_first_and_last_stages_are_the_tower(tower, pixels, depth):
    last = LastStages(tower, depth, SIDE, drop_path=0.5).eval()
    features, logits = last(FirstStages(tower, depth)(pixels).transpose(0, 1).contiguous())
    expected_features, expected_logits = tower(pixels)
    torch.testing.assert_close(features, expected_features, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(logits, expected_logits, rtol=1e-3, atol=1e-4)


def test_written_back_they_are_the_tower_again(tower, pixels):
    last = LastStages(tower, 2, SIDE, drop_path=0.0)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
        hidden = FirstStages(tower, 2)(pixels).transpose(0, 1).contiguous()
        trained, _ = last.eval()(hidden)
        before, _ = tower(pixels)
        other = ImageTower().eval()
        other.load_state_dict(tower.state_dict())
        last.write_to(other)
        after, _ = other(pixels)
    assert not torch.allclose(trained, before, rtol=1e-2)
    torch.testing.assert_close(after, trained, rtol=1e-3, atol=1e-4)
