"""How hits are listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mmsearch.cli.output import printable, short_path, show, table
from mmsearch.results.wording import excerpt, moment, percent

if TYPE_CHECKING:
    from mmsearch.items import Hit

SHOWN_OTHERS = 3
SHOWN_TEXT = 100  # characters of what was written or said


def show_hits(hits: Sequence[Hit], query: str) -> None:
    """Prints a table, a file with its other items under it.

    Args:
        hits: best first.
        query: as it was typed; of long texts, what has its words is shown.
    """
    reranked = any(hit.reranked is not None for hit in hits)
    rows = [("relevance", *(["reranked"] if reranked else []), "taken", "hit")]
    for hit in hits:
        rows.append(
            (
                percent(hit.relevance),
                *([score(hit.reranked)] if reranked else []),
                taken(hit) or "-",
                " ".join([short_path(hit.path), *place_in_asset(hit, query)]),
            )
        )
        rows.extend((*[""] * (len(rows[0]) - 1), f"  {line}") for line in others(hit, query))
    for line in table(rows, right=range(len(rows[0]) - 2)):
        show(line)


def taken(hit: Hit) -> str | None:
    """The day a photo or video was taken; None where it is not known."""
    return f"{hit.info.captured_at:%Y-%m-%d}" if hit.info.captured_at else None


def score(value: float | None) -> str:
    """A reranker's score."""
    return "-" if value is None else f"{round(value, 3) + 0.0:.3f}"


def others(hit: Hit, query: str) -> Iterator[str]:
    """The other items of the asset, a line each, and how many copies there are of it."""
    for other in hit.others[:SHOWN_OTHERS]:
        yield " ".join([*place_in_asset(other, query)] or [other.modality.value])
    if len(hit.others) > SHOWN_OTHERS:
        yield f"and {len(hit.others) - SHOWN_OTHERS} more"
    if hit.copies:
        yield f"and {len(hit.copies)} {'copy' if len(hit.copies) == 1 else 'copies'}"


def place_in_asset(hit: Hit, query: str) -> Iterator[str]:
    """When, and in which words."""
    if (when := moment(hit.start, hit.end)) is not None:
        yield when
    if hit.text is not None:
        yield f'"{excerpt(printable(" ".join(hit.text.split())), SHOWN_TEXT, query)}"'
