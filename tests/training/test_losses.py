from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.training.losses import contrastive_loss, unit

TEMPERATURE = torch.tensor(0.1)


def rows(count: int, seed: int) -> torch.Tensor:
    return unit(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)))


@given(st.permutations([0, 1, 2, 0, 2, 2]), st.integers(0, 100))
def test_equals_its_definition_written_with_loops(owners: list[int], seed: int) -> None:
    images, texts = rows(3, seed), rows(6, seed + 1)
    similarity = (texts @ images.T / TEMPERATURE).double()
    text_half = 0.0
    for text, owner in enumerate(owners):
        text_half -= (similarity[text, owner] - similarity[text].logsumexp(0)).item() / 6
    image_half = 0.0
    for photo in range(3):
        own = [text for text, owner in enumerate(owners) if owner == photo]
        for text in own:
            log_probability = similarity[text, photo] - similarity[:, photo].logsumexp(0)
            image_half -= log_probability.item() / len(own) / 3
    loss = contrastive_loss(images, texts, torch.tensor(owners), TEMPERATURE)
    assert loss.item() == pytest.approx((text_half + image_half) / 2, rel=1e-4)


def test_is_clip_loss_where_each_photo_has_one_text() -> None:
    images, texts = rows(4, 0), rows(4, 1)
    logits = images @ texts.T / TEMPERATURE
    own = torch.arange(4)
    clip = (
        torch.nn.functional.cross_entropy(logits, own)
        + torch.nn.functional.cross_entropy(logits.T, own)
    ) / 2
    torch.testing.assert_close(contrastive_loss(images, texts, own, TEMPERATURE), clip)


@given(st.integers(0, 100))
def test_likeness_to_oneself_alone_changes_nothing(seed: int) -> None:
    images, texts, owners = rows(3, seed), rows(6, seed + 1), torch.tensor([0, 1, 2, 0, 2, 2])
    torch.testing.assert_close(
        contrastive_loss(images, texts, owners, TEMPERATURE, torch.eye(3)),
        contrastive_loss(images, texts, owners, TEMPERATURE),
    )


def test_texts_of_a_photo_that_is_alike_are_less_wrong() -> None:
    photos = unit(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [0.0, 0.0, 1.0]]))
    swapped, owners = photos[[1, 0, 2]], torch.arange(3)
    alike = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    strict = contrastive_loss(photos, swapped, owners, TEMPERATURE)
    lenient = contrastive_loss(photos, swapped, owners, TEMPERATURE, alike)
    assert lenient < strict


def test_is_least_where_photos_and_texts_meet() -> None:
    photos = torch.eye(4)
    owners = torch.tensor([0, 0, 1, 2, 3, 3])
    meeting = contrastive_loss(photos, photos[owners], owners, TEMPERATURE)
    missing = contrastive_loss(photos, photos[(owners + 1) % 4], owners, TEMPERATURE)
    assert meeting < 1 < missing
