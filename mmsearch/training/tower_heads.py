"""The linear heads that are trained together with their towers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmsearch.encoders.adapted import AffineMap
from mmsearch.training.losses import unit
from mmsearch.training.standardise import Standardisation


class TowerHeads(nn.Module):
    """The linear heads of both towers, and the map from a text's features to its sentence.

    Features are standardised first, so that one learning rate suits them all.

    Args:
        image: the image head to start from.
        text: the text head to start from.
        sentence: the map to start from.
        image_scale: of the image features.
        text_scale: of the text features.
    """

    def __init__(
        self,
        image: AffineMap,
        text: AffineMap,
        sentence: AffineMap,
        image_scale: Standardisation,
        text_scale: Standardisation,
    ) -> None:
        super().__init__()
        self.image = image_scale.unfold_from(image)
        self.text = text_scale.unfold_from(text)
        self.sentence = text_scale.unfold_from(sentence)
        self._scales = (image_scale, text_scale)
        self._image_scale = _Standardise(image_scale)
        self._text_scale = _Standardise(text_scale)

    def of_images(self, features: Tensor, dropout: float = 0.0) -> Tensor:
        """Aligned unit rows, shape (n, dim), from features, shape (n, image features)."""
        return unit(self.image(functional.dropout(self._image_scale(features), dropout)))

    def of_texts(self, features: Tensor, dropout: float = 0.0) -> Tensor:
        """Aligned unit rows, shape (n, dim), from features, shape (n, text features)."""
        return unit(self.text(functional.dropout(self._text_scale(features), dropout)))

    def sentences(self, features: Tensor) -> Tensor:
        """Sentence embeddings, shape (n, sentence), from features, shape (n, text features)."""
        said: Tensor = self.sentence(self._text_scale(features))
        return said

    def linear(self) -> tuple[AffineMap, AffineMap, AffineMap]:
        """Image head, text head and sentence map, for features as they come from the towers."""
        image_scale, text_scale = self._scales
        return (
            image_scale.fold_into(self.image),
            text_scale.fold_into(self.text),
            text_scale.fold_into(self.sentence),
        )


class _Standardise(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, scale: Standardisation) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(scale.mean))
        self.register_buffer("deviation", torch.from_numpy(scale.deviation))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation
