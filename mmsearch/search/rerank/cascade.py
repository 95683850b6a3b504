"""``cascade``: a bigger dual encoder compares the query with the best candidates' pictures.

The first stage searches everything with a quick encoder; a slower and better one then ranks only
what that found (a cascade as in Viola and Jones 2001; for retrieval Miech et al., Thinking Fast
and Slow, arXiv:2103.16553). Its image embeddings are kept on disk, so a photo is encoded once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmsearch.encoders.base import DualEncoder
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Asked, Candidate, Deadline, Scores, score_in_batches
from mmsearch.search.rerank.cache import EmbeddingCache
from mmsearch.search.rerank.pictures import PictureEmbedder, Views, whole

_BATCH = 8
_WHOLE = Views("whole", whole)


class Cascade:
    """Ranks pictures by their similarity under another encoder than the index's.

    A score is that encoder's inner product. For a query by image it judges texts as well.

    Args:
        encoder: the bigger one.
        name: what ``--rerank`` took.
        cache: keeps image embeddings.
    """

    depth = 50

    def __init__(
        self, encoder: DualEncoder, *, name: str = "cascade", cache: EmbeddingCache | None = None
    ) -> None:
        self.name = name
        self._embed = PictureEmbedder(encoder, _WHOLE, cache)

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """Pictures for any query, and texts for a picture."""
        return asked is Medium.PICTURE or modality in Medium.PICTURE.modalities

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates; see `mmsearch.search.rerank.base.Reranker`."""
        if isinstance(query, str):
            asked = self._embed.texts([query])[0]
        else:
            asked = self._embed.image(query)[0]

        known = self._embed.known([one for one in candidates if one.text is None])

        def judge(batch: Sequence[Candidate]) -> Scores:
            scores = np.full(len(batch), np.nan)
            texts = [at for at, one in enumerate(batch) if one.text is not None]
            if texts:
                scores[texts] = self._embed.texts([batch[at].text or "" for at in texts]) @ asked
            new = [one for one in batch if one.text is None and one.key not in known]
            pictures = known | self._embed(new)
            for at, one in enumerate(batch):
                if one.key in pictures:
                    scores[at] = pictures[one.key][0] @ asked
            return scores

        return score_in_batches(candidates, judge, size=_BATCH, deadline=deadline)
