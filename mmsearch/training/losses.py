"""The contrastive loss that both heads are trained with."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


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


def unit(rows: Tensor) -> Tensor:
    """Rows scaled to length 1."""
    return functional.normalize(rows, dim=1)
