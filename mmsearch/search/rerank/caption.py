"""``caption``: how likely a captioner says the text of the picture, beyond saying it anyway.

A CoCa model (Yu et al., arXiv:2205.01917) reads the text word by word while it looks at the
picture. Some texts are likely whatever is seen, so what it says of an empty picture, all of the
mean colour, is taken off: the score is

    log P(text | picture) - log P(text | empty picture)

in nats, a pointwise mutual information (Lin et al., Revisiting the Role of Language Priors in
Vision-Language Models, arXiv:2306.01879). For one text and many pictures the second term is a
constant; for one picture and many texts it decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders.base import DualEncoder, ImageTransform, Pixels
from mmsearch.errors import RerankerError
from mmsearch.search.rerank.base import Scores

if TYPE_CHECKING:
    import torch

    from mmsearch.encoders.open_clip import OpenClipEncoder


class CaptionLikelihood:
    """A `PairModel` of open_clip's CoCa.

    Args:
        encoder: of an architecture that writes captions.

    Raises:
        RerankerError: it writes none.
    """

    def __init__(self, encoder: DualEncoder) -> None:
        from open_clip import CoCa

        from mmsearch.encoders.open_clip import OpenClipEncoder
        from mmsearch.encoders.text_onnx.encoder import whole

        encoder = whole(encoder)
        if not isinstance(encoder, OpenClipEncoder) or not isinstance(encoder.model, CoCa):
            raise RerankerError(
                f"The reranker 'caption' needs a model that writes captions, and {encoder.id} does "
                "not: use `caption:coca_ViT-B-32/TAG`, `caption:coca_ViT-L-14:FILE` or the like."
            )
        self._encoder: OpenClipEncoder = encoder
        self._model: Any = encoder.model

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``see`` takes."""
        return self._encoder.transform

    def see(self, pixels: Pixels) -> torch.Tensor:
        """The image tower's tokens; see `PairModel`."""
        _, tokens = self._model.visual(self._encoder.prepare(pixels))
        seen: torch.Tensor = tokens
        return seen

    def match(self, seen: torch.Tensor, texts: Sequence[str]) -> Scores:
        """Log-likelihood beyond the prior, in nats; see `PairModel`."""
        return self._log_likelihood(seen, texts) - self._prior(texts)

    def _prior(self, texts: Sequence[str]) -> Scores:
        different = list(dict.fromkeys(texts))
        empty = self._empty.expand(len(different), -1, -1)
        known = dict(zip(different, self._log_likelihood(empty, different), strict=True))
        return np.array([known[text] for text in texts])

    def _log_likelihood(self, seen: torch.Tensor, texts: Sequence[str]) -> Scores:
        import torch

        tokens = self._encoder.tokenize(texts)
        # The first argument, a picture, is not looked at where its tokens are given.
        said = self._model(None, tokens, image_latent=seen, image_embs=seen)
        words = said["logits"].float().log_softmax(dim=-1)
        likelihoods = words.gather(2, said["labels"].unsqueeze(2)).squeeze(2)
        likelihoods = likelihoods.masked_fill(said["labels"] == self._model.pad_id, 0.0)
        scores: Scores = likelihoods.sum(dim=1, dtype=torch.float64).cpu().numpy()
        return scores

    @cached_property
    def _empty(self) -> torch.Tensor:
        mean = np.round(255 * np.array(self._encoder.mean)).astype(np.uint8)
        size = (1, self.transform.height, self.transform.width, 3)
        return self.see(np.broadcast_to(mean, size))
