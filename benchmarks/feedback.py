"""What one round of feedback is worth, on the photos of Flickr8k dev.

    python benchmarks/feedback.py FLICKR8K [--model MODEL]

The query is a photo's first caption, its other four are what is meant. Of the first ten hits
a simulated user marks the best one to three as liked, where their captions mean nearly the same,
and the worst ones as disliked. What counts comes after these ten: nDCG@10 and recall@10 of photos
that mean nearly the same, with the ten left out (the residual collection), before and after.
Meaning is that of the sentence encoder all-MiniLM-L6-v2, which has not seen the photos; the extra
``train`` brings it. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmsearch.encoders import registry
from mmsearch.encoders.base import DualEncoder
from mmsearch.search.feedback import LESS, MORE

SEEN = K = 10
ALIKE = 0.99  # quantile of pairs' similarity in meaning from which photos count as alike

Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--cache", type=Path, help="a folder to keep embeddings in")
    arguments = parser.parse_args()
    photos, queries, meanings = embeddings(arguments.flickr, arguments.model, arguments.cache)
    study = Study(photos, queries, meanings)
    print(f"{arguments.model}: {len(photos)} photos, {study.alike.sum(1).mean():.0f} alike each\n")

    print("| liked | disliked | weights | nDCG@10 | recall@10 | like a disliked one |")
    print("|---|---|---|---|---|---|")
    for liked, disliked, weights in (
        (1, 0, [(0, 0), (0.1, 0), (0.25, 0), (MORE, 0), (1, 0)]),
        (2, 0, [(0, 0), (0.25, 0), (MORE, 0), (1, 0)]),
        (3, 0, [(0, 0), (0.25, 0), (MORE, 0), (1, 0)]),
        (0, 1, [(0, 0), (0, LESS), (0, 0.15), (0, 0.25)]),
        (2, 2, [(0, 0), (MORE, 0), (MORE, LESS), (MORE, 0.25)]),
    ):
        for more, less in weights:
            ndcg, recall, like = study.after(liked, disliked, more, less)
            shown = "" if np.isnan(like) else f"{like:.1f}%"
            print(
                f"| {liked} | {disliked} | {more:g}, {less:g} | {ndcg:.1f} | {recall:.1f} "
                f"| {shown} |"
            )


class Study:
    """Queries, what is relevant to each, and a user who says so.

    Args:
        photos: embeddings, shape (n, dim).
        queries: embeddings of their first captions, shape (n, dim).
        meanings: of all captions, shape (n, 5, width), unit length.
    """

    def __init__(self, photos: Floats, queries: Floats, meanings: Floats) -> None:
        meant, shown = unit(meanings[:, 1:].mean(axis=1)), unit(meanings.mean(axis=1))
        self.relevance = meant @ shown.T
        different = ~np.eye(len(photos), dtype=bool)
        least = np.quantile(self.relevance[different], ALIKE)
        self.alike = self.relevance > least
        self.same = shown @ shown.T > least
        self.gain = np.clip((self.relevance - least) / (1 - least), 0, 1)
        self.photos, self.queries = photos, queries
        self.top = np.argsort(-(queries @ photos.T), axis=1)[:, :SEEN]

    def after(
        self, liked: int, disliked: int, more: float, less: float
    ) -> tuple[float, float, float]:
        """Gain (nDCG) and recall, and how much of the hits is like a disliked photo, in percent."""
        rows = []
        for number, top in enumerate(self.top):
            by_worth = top[np.argsort(-self.relevance[number, top])]
            good = [one for one in by_worth[:liked] if self.alike[number, one]]
            bad = [one for one in by_worth[::-1][:disliked] if not self.alike[number, one]]
            if bool(good) != bool(liked) or bool(bad) != bool(disliked):
                continue
            moved = self.queries[number]
            if good:
                moved = moved + more * self.photos[good].mean(axis=0)
            if bad:
                moved = moved - less * self.photos[bad].mean(axis=0)
            rows.append(self._judged(number, moved, bad))
        ndcg, recall, like = (
            np.nanmean(np.array(rows), axis=0)
            if disliked
            else (
                *np.nanmean(np.array(rows)[:, :2], axis=0),
                np.nan,
            )
        )
        return float(ndcg), float(recall), float(like)

    def _judged(self, number: int, query: Floats, bad: Sequence[int]) -> tuple[float, float, float]:
        scores = self.photos @ query
        gain, alike = self.gain[number].copy(), self.alike[number].copy()
        seen = self.top[number]
        scores[seen], gain[seen], alike[seen] = -np.inf, 0, False
        hits = np.argsort(-scores)[:K]
        discount = 1 / np.log2(np.arange(K) + 2)
        ideal = (np.sort(gain)[::-1][:K] * discount).sum()
        wanted = min(K, int(alike.sum()))
        like = self.same[bad][:, hits].any(axis=0).mean() if len(bad) else np.nan
        return (
            100 * (gain[hits] * discount).sum() / ideal if ideal else np.nan,
            100 * alike[hits].sum() / wanted if wanted else np.nan,
            100 * like,
        )


def embeddings(flickr: Path, model: str, cache: Path | None) -> tuple[Floats, Floats, Floats]:
    """Of the photos, of their first captions, and what all captions mean."""
    names = (flickr / "dev.txt").read_text().split()
    captions: dict[str, list[str]] = {}
    for line in (flickr / "captions.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        image, caption = line.split("\t", 1)
        captions.setdefault(image, []).append(caption)
    encoder = registry.load(model)
    key = encoder.id.replace("/", "-").replace("@", "-")
    photos = kept(
        cache,
        f"{key}-photos.npy",
        lambda: encoded(encoder, [flickr / "images" / name for name in names]),
    )
    queries = kept(
        cache,
        f"{key}-queries.npy",
        lambda: encoder.encode_texts([captions[name][0] for name in names]),
    )
    texts = [caption for name in names for caption in captions[name][:5]]
    meanings = kept(cache, "meanings.npy", lambda: meaning(texts))
    return photos, queries, meanings.reshape(len(names), 5, -1)


def kept(cache: Path | None, name: str, make: Callable[[], Floats]) -> Floats:
    if cache is None:
        return make()
    path = cache / name
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, make())
    return np.load(path)


def encoded(encoder: DualEncoder, paths: list[Path]) -> Floats:
    parts = []
    for start in range(0, len(paths), encoder.batch_size):
        photos = [
            encoder.transform(Image.open(path).convert("RGB"))
            for path in paths[start : start + encoder.batch_size]
        ]
        parts.append(encoder.encode_images(np.stack(photos)))
    return np.concatenate(parts)


def meaning(texts: list[str]) -> Floats:
    """What MiniLM as published makes of texts, less what it makes of all of them."""
    import torch

    from mmsearch.encoders.embedded.towers import Tokenizer
    from mmsearch.training.towers import load_text_tower, tokenizer_file

    tower, tokenizer = load_text_tower(), Tokenizer(tokenizer_file())
    rows = []
    with torch.inference_mode():
        for start in range(0, len(texts), 100):
            tokens = tokenizer.ids(texts[start : start + 100])
            longest = max(map(len, tokens))
            ids = torch.tensor([[*one, *[0] * (longest - len(one))] for one in tokens])
            mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in tokens])
            seen = tower(ids, mask)
            rows.append((seen[0] if isinstance(seen, tuple) else seen).numpy())
    found = np.concatenate(rows)
    return unit(found - found.mean(axis=0))


def unit(rows: Floats) -> Floats:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
