"""What training makes small: the contrastive loss, and what towers forget of what they knew."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NEARNESS = 0.1  # of captions: what their cosines are divided by


def contrastive_loss(
    images: Tensor,
    texts: Tensor,
    photo_of_text: Tensor,
    temperature: Tensor,
    likeness: Tensor | None = None,
) -> Tensor:
    """Symmetric InfoNCE where a photo may have several texts.

    A text has one right photo, so that its half is a cross-entropy (Radford et al. 2021). A
    photo's half is the mean over its texts of the cross-entropy with each as the right one, as in
    supervised contrastive learning (Khosla et al. 2020, the sum outside of the logarithm).

    Args:
        images: unit rows, shape (photos, dim).
        texts: unit rows, shape (texts, dim).
        photo_of_text: int64, shape (texts,); each photo has at least one text.
        temperature: what similarities are divided by, shape ().
        likeness: what share of a photo's say goes to each photo, shape (photos, photos), rows of
            sum 1, where some show the like and so are not all wrong; None for all to itself.

    Returns:
        The loss, shape ().
    """
    logits = texts @ images.T / temperature
    own = functional.one_hot(photo_of_text, len(images)).to(logits.dtype)
    shares = (own / own.sum(dim=0)).T
    if likeness is None:
        text_half = functional.cross_entropy(logits, photo_of_text)
    else:
        text_half = functional.cross_entropy(logits, likeness[photo_of_text])
        shares = likeness @ shares
    image_half = -(logits.T.log_softmax(dim=1) * shares).sum(dim=1).mean()
    result: Tensor = (text_half + image_half) / 2
    return result


def likeness_of(meaning: Tensor, share: float) -> Tensor:
    """What share of each photo's say goes to each photo, as `contrastive_loss` takes it.

    Args:
        meaning: what the photos' captions say, unit rows, shape (photos, dim).
        share: goes to other photos, the more the closer their captions are.

    Returns:
        Shape (photos, photos), rows of sum 1.
    """
    itself = torch.eye(len(meaning), device=meaning.device)
    near = (meaning @ meaning.T / _NEARNESS).masked_fill(itself > 0, -torch.inf)
    return (1 - share) * itself + share * near.softmax(dim=1)


def forgotten_classes(logits: Tensor, teacher: Tensor) -> Tensor:
    """How far classes are from what a teacher names (distillation; Hinton et al. 2015).

    Args:
        logits: shape (photos, classes).
        teacher: likewise.

    Returns:
        The mean Kullback-Leibler divergence, shape ().
    """
    return functional.kl_div(
        logits.log_softmax(dim=1),
        teacher.log_softmax(dim=1),
        log_target=True,
        reduction="batchmean",
    )


def forgotten_sentences(said: Tensor, teacher: Tensor) -> Tensor:
    """How far sentence embeddings are from a teacher's.

    Args:
        said: shape (texts, dim).
        teacher: likewise.

    Returns:
        The mean cosine distance, shape ().
    """
    return (1 - functional.cosine_similarity(said, teacher)).mean()


def unit(rows: Tensor) -> Tensor:
    """Rows scaled to length 1."""
    return functional.normalize(rows, dim=1)
