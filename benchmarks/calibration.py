"""Fits what turns similarities into relevance, and measures what it is worth.

    python benchmarks/calibration.py FLICKR8K [--model NAME] [--write] [--diagram FILE.png]

Over the photos and captions of Flickr8k dev. The queries are captions, the short queries of
``calibration_queries.tsv``, and those of its queries that nothing in dev answers. Indexes of 1 to
1,000 items are drawn from dev, with and without an answer; to make larger ones, photos of train
that do not answer are added. Parameters are fitted on one half of the queries and measured on the
other, twenty times over; ``--write`` then fits them on all queries and puts them into the package.
Run it again when the weights of the embedded encoder change.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from calibration_judge import SAID_BY, CaptionJudge
from measure import markdown
from numpy.typing import NDArray

import mmsearch.search.calibrate
from mmsearch.encoders.background import encode_background
from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.registry import load
from mmsearch.evaluation.embedding import decode_photo
from mmsearch.search.calibrate.calibration import Calibration, Logistic
from mmsearch.search.calibrate.cut import RELEVANT
from mmsearch.search.calibrate.evidence import Chance, Evidence
from mmsearch.search.normalise import Background, Medium, scale_of, unrelated

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

HERE = Path(__file__).parent
PARAMETERS = Path(mmsearch.search.calibrate.__file__).with_name("parameters.json")
SIZES = (1, 3, 10, 30, 100, 300, 1000)  # of indexes that are drawn from dev
WHOLE = 1000
LARGER = (2000, 4000)  # with photos of train added
K = 10
NAMES = ("lead", "margin", "detail", "items")
REPEATS = {True: 20, False: 2}  # with texts asked and levels known, else
ALLOWED = 0.905
"""Share of the unanswerable that must get no answer, on the half that is fitted on. Halves have 84
or 85 of them: the threshold is midway between the eighth and the ninth highest."""
FLOORS = (0.0, RELEVANT)
THRESHOLD = "threshold of `answered`"
ANSWER_PUT = 0.85
"""So often a small index is given an answer of a query that has one: most people look for what
they believe to be there."""
UNANSWERABLE, SHORT, CAPTIONS = 100, 60, 140
"""What each kind of query weighs, in queries."""


@dataclass(frozen=True)
class Data:
    """Photos with five captions each, and their embeddings: those of dev, then others.

    Attributes:
        captions: of each photo, five.
        photos: shape (photos, dim).
        texts: of the captions, shape (photos, 5, dim).
        chance: texts in general.
    """

    captions: list[list[str]]
    photos: NDArray[np.float32]
    texts: NDArray[np.float32]
    chance: Chance


@dataclass(frozen=True)
class Task:
    """Queries of one medium over items of one medium.

    Attributes:
        queries, items: embeddings; from the item ``WHOLE`` on, they only enlarge an index.
        right: which items answer which queries, by the captions.
        own: which item was meant; the first stage may have others before it.
        weight: of each query.
    """

    asked: Medium
    found: Medium
    queries: NDArray[np.float32]
    items: NDArray[np.float32]
    right: Mask
    own: Mask
    weight: Floats

    @property
    def name(self) -> str:
        """What parameters are stored under."""
        return f"{self.asked.value} to {self.found.value}"


@dataclass(frozen=True)
class Seen:
    """What one query sees of one index: its best items and the evidence.

    ``index`` is the size that was wanted; a photo that is asked with is not in it.
    """

    query: int
    index: int
    size: int
    evidence: Evidence
    similarities: NDArray[np.float32]
    levels: Floats | None
    details: Floats | None
    right: Mask
    own: Mask
    answerable: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--cache", type=Path, help="keeps embeddings in this .npz file")
    parser.add_argument("--write", action="store_true", help="puts the parameters into the package")
    parser.add_argument("--diagram", type=Path, help="draws the reliability diagram")
    options = parser.parse_args()

    encoder = load(options.model)
    data = read(options.flickr8k, encoder, options.cache)
    kinds, written, patterns = read_queries()
    vectors = encoder.encode_texts(written)
    parameters: dict[str, Any] = {"answered": {}}
    for task in tasks(data, kinds, written, vectors, patterns):
        parameters[task.name] = {}
        for levels in (True, False):
            if levels and task.asked is task.found is Medium.PICTURE:
                continue
            seen = list(look(task, data.chance if levels else None))
            form = "levels" if levels else "plain"
            print(f"\n{task.name}, {form}")
            diagram = options.diagram if levels and task.name == "text to picture" else None
            threshold = report(task, seen, diagram)
            if is_main(task, seen):
                parameters["answered"][task.found.value] = round(threshold, 3)
            parameters[task.name][form] = as_json(fit(task, seen, np.ones(len(task.queries), bool)))
    if options.write:
        PARAMETERS.write_text(json.dumps(parameters, indent=1) + "\n", encoding="utf-8")


def is_main(task: Task, seen: Sequence[Seen]) -> bool:
    return task.asked is Medium.TEXT and seen[0].levels is not None


def read(folder: Path, encoder: DualEncoder, cache: Path | None) -> Data:
    names = (folder / "dev.txt").read_text().split()
    others = (folder / "train.txt").read_text().split()
    # In the order of their names, photos of one photographer would come together.
    np.random.default_rng(2).shuffle(others)
    names = [*names[:WHOLE], *others[: max(LARGER) - WHOLE]]
    captions: dict[str, list[str]] = {}
    with (folder / "captions.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            captions.setdefault(row["image"], []).append(row["caption"])
    said = [captions[name][:5] for name in names]
    if cache is not None and cache.is_file():
        stored = np.load(cache)
        photos, texts, chance = stored["photos"], stored["texts"], stored["chance"]
    else:
        photos = encode_photos(encoder, [folder / "images" / name for name in names])
        texts = encoder.encode_texts([caption for five in said for caption in five])
        chance = encode_background(encoder)
        if cache is not None:
            np.savez(cache, photos=photos, texts=texts, chance=chance)
    # As an index keeps them.
    photos, texts, chance = (
        v.astype(np.float16).astype(np.float32) for v in (photos, texts, chance)
    )
    return Data(said, photos, texts.reshape(len(names), 5, -1), Chance(chance))


def encode_photos(encoder: DualEncoder, paths: Sequence[Path]) -> NDArray[np.float32]:
    size = encoder.batch_size
    parts = []
    for start in range(0, len(paths), size):
        pixels = [
            encoder.transform(decode_photo(path, encoder.transform))
            for path in paths[start : start + size]
        ]
        parts.append(encoder.encode_images(np.stack(pixels)))
    return np.concatenate(parts)


def read_queries() -> tuple[list[str], list[str], list[str]]:
    with (HERE / "calibration_queries.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [r["kind"] for r in rows], [r["query"] for r in rows], [r["pattern"] or "" for r in rows]


def tasks(
    data: Data,
    kinds: Sequence[str],
    queries: Sequence[str],
    written: NDArray[np.float32],
    patterns: Sequence[str],
) -> Iterator[Task]:
    """Each medium asked for each medium."""
    judge = CaptionJudge(data.captions)
    count = len(data.captions)
    drawn = np.sort(np.random.default_rng(1).choice(WHOLE * 4, 600, replace=False))
    photo, which = drawn // 4, drawn % 4 + 1  # the first caption is an item of the texts
    vectors = np.concatenate([written, data.texts[photo, which]])
    saying = [judge.saying(data.captions[p][w]) for p, w in zip(photo, which, strict=True)]
    nothing = np.zeros(count, dtype=bool)
    dev = np.arange(count) < WHOLE
    by_pattern = [judge.matching(p) & dev if p else nothing for p in patterns]
    own = np.array([*by_pattern, *(np.arange(count) == p for p in photo)])
    weight = np.concatenate([kind_weights(kinds), np.full(len(drawn), CAPTIONS / len(drawn))])
    text, picture = Medium.TEXT, Medium.PICTURE

    # What would answer a query that nothing in dev answers, it must not see.
    mentioned = [
        judge.matching(p, said_by=1) if p else judge.touching(query) & ~dev
        for p, query in zip(patterns, queries, strict=True)
    ]
    right = np.array([*mentioned, *saying]) | own
    yield Task(text, picture, vectors, data.photos, right, own, weight)
    firsts = [five[0] for five in data.captions]
    in_first = [
        np.array([bool(re.search(p, c.lower())) for c in firsts]) if p else answering
        for p, answering in zip(patterns, mentioned, strict=True)
    ]
    right = np.array([*in_first, *saying]) | own
    yield Task(text, text, vectors, data.texts[:, 0], right, own, weight)

    asked = np.arange(0, WHOLE, 3)
    even = np.full(len(asked), (SHORT + CAPTIONS) / len(asked))
    same = np.eye(count, dtype=bool)[asked]
    vectors = data.photos[asked]
    says_of = np.array([judge.saying(first)[asked] for first in firsts]).T  # photo, caption
    yield Task(picture, text, vectors, data.texts[:, 0], says_of | same, same, even)
    alike = np.array(
        [np.sum([judge.saying(c) for c in data.captions[p]], axis=0) >= SAID_BY for p in asked]
    )
    # A photo that is asked with is not in the index.
    similar = np.array(alike & ~same)
    yield Task(picture, picture, vectors, data.photos, similar, similar, even)


def kind_weights(kinds: Sequence[str]) -> Floats:
    of_kind = {"nothing": UNANSWERABLE, "short": SHORT}
    return np.array([of_kind[kind] / kinds.count(kind) for kind in kinds])


@dataclass(frozen=True)
class Levels:
    """What texts in general are to each item, or to each query by photo.

    Attributes:
        level: what the nearest reach.
        mean, square: of the similarities and of their squares.
    """

    level: Floats
    mean: Floats
    square: Floats

    @classmethod
    def of(cls, chance: Chance, vectors: NDArray[np.float32]) -> Levels:
        """Compares texts in general with vectors."""
        similarities = vectors.astype(np.float64) @ chance.vectors.T
        return cls(chance.levels(vectors), similarities.mean(1), (similarities**2).mean(1))

    def unrelated(self, rows: NDArray[np.int64]) -> Background:
        """What texts in general have with some of the vectors."""
        mean = float(self.mean[rows].mean())
        return Background(mean, float(self.square[rows].mean() - mean**2) ** 0.5)


def look(task: Task, chance: Chance | None) -> Iterator[Seen]:
    """What each query sees of an index of each size; in most of them an answer is put."""
    random = np.random.default_rng(0)
    similarities = task.queries @ task.items.T
    judged_by = task.items if task.asked is Medium.TEXT else task.queries
    levels = None if chance is None else Levels.of(chance, judged_by)
    for size in (*SIZES, *LARGER):
        for query in range(len(task.queries)):
            chosen = index_of(task, query, size, random)
            if task.asked is task.found is Medium.PICTURE:
                chosen = chosen[similarities[query, chosen] < 0.999]  # itself
            if len(chosen):
                yield seen_of(task, query, size, similarities[query], chosen, levels, chance)


def index_of(task: Task, query: int, size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The items of one index that a query is asked of, ascending."""
    if size < WHOLE:
        chosen = random.choice(WHOLE, size, replace=False)
        answers = np.flatnonzero(task.own[query, :WHOLE])
        if len(answers) and random.random() < ANSWER_PUT:
            chosen[0] = random.choice(answers)
        return np.unique(chosen)
    added = WHOLE + np.flatnonzero(~task.right[query, WHOLE:])
    return np.concatenate([np.arange(WHOLE), added[: size - WHOLE]])


def seen_of(
    task: Task,
    query: int,
    index: int,
    similarities: NDArray[np.float32],
    chosen: NDArray[np.int64],
    known: Levels | None,
    chance: Chance | None,
) -> Seen:
    """The best items of an index as the search itself sees them."""
    values = similarities[chosen]
    order = np.argsort(-values, kind="stable")[:50]
    best, ids = values[order], chosen[order]
    expected, levels, details = unrelated(task.asked, task.found), None, None
    sample = chosen[:: -(-len(chosen) // 50)]
    by_item = task.asked is Medium.TEXT
    if known is not None:
        expected = known.unrelated(sample if by_item else np.array([query]))
        levels = known.level[ids] if by_item else np.repeat(known.level[query], len(ids))
    if chance is not None and by_item:
        apart = task.items[ids] - task.items[sample].mean(axis=0)
        details = (apart @ chance.detail(task.queries[query])).astype(np.float64)
    scale = scale_of(values, best, expected)
    unit = scale.deviation if levels is None else expected.deviation
    evidence = Evidence.of(best, levels, details, mean=scale.mean, unit=unit, items=len(chosen))
    return Seen(
        query,
        index,
        len(chosen),
        evidence,
        best[:K],
        None if levels is None else levels[:K],
        None if details is None else details[:K],
        task.right[query, ids[:K]],
        task.own[query, ids[:K]],
        bool(task.right[query, chosen].any()),
    )


def fit(task: Task, seen: Sequence[Seen], of: Mask) -> Calibration:
    """Fits both logistic functions on some of the queries.

    Args:
        task: whose queries.
        seen: by them.
        of: bool, shape (queries,), which to fit on.
    """
    seen = [one for one in seen if of[one.query]]
    weight = np.array([task.weight[one.query] for one in seen])
    stand = np.array([standing(one.evidence) for one in seen])
    used = [at for at, name in enumerate(NAMES) if stand[:, at].any()]
    answerable = np.array([one.answerable for one in seen], dtype=float)
    anything = weights_of(logistic_regression(stand[:, used], answerable, weight), used)

    carried = stand @ anything[:-1] + anything[-1]
    rows = [
        np.column_stack([differences(one), np.full(len(one.right), odds)])
        for one, odds in zip(seen, carried, strict=True)
    ]
    counts = np.array([len(one.right) for one in seen])
    item = weights_of(
        logistic_regression(
            np.concatenate(rows)[:, [*used, len(NAMES)]],
            np.concatenate([one.right for one in seen]).astype(float),
            np.repeat(weight / counts, counts),
        ),
        [*used, len(NAMES)],
    )
    return Calibration(logistic(anything), logistic(np.delete(item, -2)), float(item[-2]))


def standing(evidence: Evidence) -> tuple[float, ...]:
    """What tells whether anything answers, in the order of ``NAMES``."""
    return evidence.lead, evidence.margin, evidence.detail, evidence.items_to_best


def weights_of(found: Floats, used: Sequence[int]) -> Floats:
    """The same with a weight of 0 for each column that was not used; the bias stays last."""
    weights = np.zeros(max(len(NAMES), *(at + 1 for at in used)) + 1)
    weights[[*used, -1]] = found
    return weights


def logistic(weights: Floats) -> Logistic:
    *parts, bias = map(float, weights)
    return Logistic(bias=bias, **dict(zip(NAMES, parts, strict=True)))


def differences(one: Seen) -> Floats:
    """How the items stand to the best, in the order of ``NAMES``, shape (items, names)."""
    values, evidence = one.similarities.astype(np.float64), one.evidence
    found = {
        "lead": (values - evidence.mean) / evidence.unit - evidence.lead,
        "items": np.full(len(values), evidence.items),
    }
    if one.levels is not None:
        found["margin"] = (values - one.levels) / evidence.unit - evidence.margin
    if one.details is not None:
        found["detail"] = one.details / evidence.unit - evidence.detail
    return np.column_stack([found.get(name, np.zeros(len(values))) for name in NAMES])


def logistic_regression(rows: Floats, labels: Floats, weights: Floats) -> Floats:
    """Weights of the columns and, last, the bias: Newton's method with a slight ridge."""
    rows = np.column_stack([rows, np.ones(len(rows))])
    ridge = np.diag([1e-2] * (rows.shape[1] - 1) + [0.0])
    found = np.zeros(rows.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        curvature = (weights * p * (1 - p) + 1e-12)[:, None] * rows
        step = np.linalg.solve(
            rows.T @ curvature + ridge, rows.T @ (weights * (p - labels)) + ridge @ found
        )
        found = found - step
    return found


def report(task: Task, seen: Sequence[Seen], diagram: Path | None) -> float:
    """Measures on halves of the queries that were not fitted on; returns the threshold."""
    random = np.random.default_rng(0)
    kinds = np.round(task.weight, 9)
    rows: dict[str, list[float]] = {}
    drawn: list[tuple[Floats, Mask, Floats]] = []
    for _ in range(REPEATS[is_main(task, seen)]):
        first = np.zeros(len(task.queries), dtype=bool)
        for kind in np.unique(kinds):
            of_kind = random.permutation(np.flatnonzero(kinds == kind))
            first[of_kind[: len(of_kind) // 2]] = True
        calibration = fit(task, seen, first)
        judged = [judge(calibration, one) for one in seen]
        for name, value in measures(task, seen, judged, first).items():
            rows.setdefault(name, []).append(value)
        drawn.append(reliability(task, seen, judged, ~first))
    print(
        markdown(
            ("measure", "mean", "worst half"),
            [
                (name, f"{np.mean(values):.3f}", f"{(min if 'keep' in name else max)(values):.3f}")
                for name, values in rows.items()
            ],
        )
    )
    if diagram is not None:
        draw(diagram, drawn)
    return float(np.mean(rows.get(THRESHOLD, [np.nan])))


def judge(calibration: Calibration, one: Seen) -> tuple[float, Floats]:
    relevance = calibration.relevance(one.similarities, one.levels, one.details, one.evidence)
    return calibration.answered(one.evidence), relevance


def measures(
    task: Task, seen: Sequence[Seen], judged: Sequence[tuple[float, Floats]], first: Mask
) -> dict[str, float]:
    """Expected calibration errors, and what thresholds keep and let through."""
    found: dict[str, float] = {}
    judged_at = {
        size: [(one, a, p) for one, (a, p) in zip(seen, judged, strict=True) if one.index == size]
        for size in (*SIZES, *LARGER)
    }
    for size, whole in judged_at.items():
        others = [(one, p) for one, _, p in whole if not first[one.query]]
        p, right, own, weight = columns(task, others)
        found[f"calibration error, {size} items"] = calibration_error(p, right, weight)
        if size == WHOLE:
            found[f"the same, own photo alone, {size} items"] = calibration_error(p, own, weight)
    fitted = [
        a for one, a, _ in judged_at[WHOLE] if first[one.query] and not task.own[one.query].any()
    ]
    if fitted:
        threshold = float(np.quantile(fitted, ALLOWED, method="midpoint"))
        found[THRESHOLD] = threshold
        for size in (100, 300, WHOLE, *LARGER):
            found |= gated(task, judged_at[size], first, threshold, f"{size} items")
    return found


def gated(
    task: Task,
    whole: Sequence[tuple[Seen, float, Floats]],
    first: Mask,
    threshold: float,
    where: str,
) -> dict[str, float]:
    """What a threshold lets through and keeps of the queries that it was not chosen on."""
    others = [judged for judged in whole if not first[judged[0].query]]
    unanswerable = [a > threshold for one, a, _ in others if not task.own[one.query].any()]
    found = {f"unanswerable that get an answer, {where}": float(np.mean(unanswerable))}
    asked = [
        judged for judged in others if judged[0].answerable and task.own[judged[0].query].any()
    ]
    weights = np.array([task.weight[one.query] for one, _, _ in asked])
    reached = np.array([bool(one.own.any()) for one, _, _ in asked])
    for floor in FLOORS:
        visible = [(p >= floor) & (a > threshold) for _, a, p in asked]
        kept = np.array(
            [bool((one.own & v).any()) for (one, _, _), v in zip(asked, visible, strict=True)]
        )
        of = f"{where}, relevance from {floor:.2f}"
        found[f"keep the right one of the first ten, {of}"] = float(
            np.average(kept[reached], weights=weights[reached])
        )
        found[f"keep the right one, of all, {of}"] = float(np.average(kept, weights=weights))
        found[f"shown of ten, {of}"] = float(
            np.average([v.sum() for v in visible], weights=weights)
        )
    return found


def columns(task: Task, pairs: Sequence[tuple[Seen, Floats]]) -> tuple[Floats, Mask, Mask, Floats]:
    return (
        np.concatenate([p for _, p in pairs]),
        np.concatenate([one.right for one, _ in pairs]),
        np.concatenate([one.own for one, _ in pairs]),
        np.concatenate([np.full(len(p), task.weight[one.query] / len(p)) for one, p in pairs]),
    )


def calibration_error(p: Floats, right: Mask, weight: Floats, *, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017)."""
    at = np.minimum((p * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(at, weight * p, bins) - np.bincount(at, weight * right, bins))
    return float(gaps.sum() / weight.sum())


def reliability(
    task: Task, seen: Sequence[Seen], judged: Sequence[tuple[float, Floats]], of: Mask
) -> tuple[Floats, Mask, Floats]:
    pairs = [
        (one, p)
        for one, (_, p) in zip(seen, judged, strict=True)
        if of[one.query] and one.index == WHOLE
    ]
    p, right, _, weight = columns(task, pairs)
    return p, right, weight


def draw(path: Path, drawn: Sequence[tuple[Floats, Mask, Floats]]) -> None:
    """The reliability diagram: how often hits of a relevance are right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    p, right, weight = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    bins = np.minimum((p * 10).astype(int), 9)
    mass = np.bincount(bins, weight, 10)
    some = mass > 0
    mean = np.bincount(bins, weight * p, 10)[some] / mass[some]
    rate = np.bincount(bins, weight * right, 10)[some] / mass[some]
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(4.2, 5), height_ratios=(3, 1), sharex=True, layout="constrained"
    )
    above.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    above.plot(mean, rate, "o-", color="tab:blue")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    below.bar(np.arange(10)[some] / 10 + 0.05, mass[some] / mass.sum(), width=0.09)
    below.set(xlabel="relevance", ylabel="share of hits")
    figure.savefig(path, dpi=100)


def as_json(calibration: Calibration) -> dict[str, Any]:
    rounded = {
        name: {key: round(getattr(part, key), 4) for key in ("bias", *NAMES)}
        for name, part in (("anything", calibration.anything), ("item", calibration.item))
    }
    return {**rounded, "carried": round(calibration.carried, 4)}


if __name__ == "__main__":
    main()
