"""``mmsearch explain``: why an item answers a query as well as it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.as_json import explanation_as_json
from mmsearch.cli.options import (
    DeviceOption,
    IndexOption,
    JsonOption,
    RerankOption,
    open_index,
    settings_with,
)
from mmsearch.cli.output import note, printable, short_path, show, show_json, table
from mmsearch.results.wording import moment

if TYPE_CHECKING:
    from mmsearch.search.explain.explanation import (
        Explanation,
        RegionMap,
        TermEvidence,
        WordEffect,
    )

SHOWN_WORDS = 8
_ROWS = 12  # lines of a map in the terminal
_SHADES = " .:-=+*#%@"


def explain(
    item: Annotated[
        str,
        typer.Argument(
            metavar="ITEM", help="An indexed file, or an item by its number, for instance #12."
        ),
    ],
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What was searched for.")],
    png: Annotated[
        Path | None,
        typer.Option(
            "--png",
            metavar="FILE",
            help="Draw where the query is seen, as a heat map over the photo or frame.",
            show_default=False,
        ),
    ] = None,
    rerank: RerankOption = None,
    index: IndexOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Tell why an item answers a query: its scores, the words and the regions that matter.

    Of a file with several items, the best one is explained.
    """
    with open_index(settings_with(index=index, device=device)) as opened:
        found = opened.explain(item, query, rerank=rerank, files=True)
    if json:
        show_json(explanation_as_json(found))
    else:
        _show(found)
    if png is not None:
        _draw(found, png)


def _draw(found: Explanation, path: Path) -> None:
    from mmsearch.search.explain.draw import save_drawing

    if found.regions is None:
        note(f"There is no picture to draw on, so {printable(str(path))} is not written.")
        return
    save_drawing(found.regions.draw(found.query), path)


def _show(found: Explanation) -> None:
    when = moment(found.start, found.end)
    parts = (f"#{found.item}", short_path(found.path), found.modality, when)
    show(" ".join(filter(None, parts)))
    for line in _scores(found):
        show(line)
    for line in table(list(_term_rows(found.terms)), right=(0, 1, 2)):
        show(line)
    for term in found.terms:
        if term.words:
            show("")
            show(f"Words of {printable(term.text)!r}, each left out:")
            _show_words(term.words)
    if found.words:
        show("")
        show(f'In the text: "{printable(" ".join((found.text or "").split()))}"')
        _show_words(found.words)
    if found.unreadable is not None:
        note(f"The picture cannot be looked at: {printable(found.unreadable)}.")
    if found.regions is not None:
        show("")
        for line in _region_lines(found.regions):
            show(line)


def _scores(found: Explanation) -> Iterator[str]:
    if found.rank is None:
        yield f"not ranked: {found.unranked}"
    else:
        yield f"rank {found.rank} of {found.ranked} items, relevance {_share(found.relevance)}"
    parts = [
        f"similarity {found.similarity:.3f}",
        f"{found.standing:+.1f} deviations from the average item",
    ]
    if found.words_gain:
        parts.append(f"words {found.words_gain:+.1f} (they cover {found.coverage:.0%})")
    if found.score is not None:
        parts.append(f"score {found.score:.3f}")
    yield ", ".join(parts)
    if found.reranked is not None:
        yield f"reranked: rank {found.reranked_rank}, score {found.reranked:.3f}"
    yield ""


def _term_rows(terms: Sequence[TermEvidence]) -> Iterator[tuple[str, ...]]:
    yield ("rank", "relevance", "deviations", "term")
    for term in terms:
        weight = "" if term.weight == 1 else f" ^{term.weight:g}"
        yield (
            "-" if term.rank is None else str(term.rank),
            _share(term.relevance),
            f"{term.standing:+.1f}",
            f"{'' if term.wanted else 'not: '}{printable(term.text)}{weight}",
        )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


def _show_words(words: Sequence[WordEffect]) -> None:
    """The words that do most, either way, as bars."""
    most = sorted(words, key=lambda one: -abs(one.effect))[:SHOWN_WORDS]
    kept = [word for word in words if word in most]
    longest = max(len(printable(word.word)) for word in kept)
    unit = max(abs(word.effect) for word in kept) or 1.0
    for word in kept:
        bar = ("+" if word.effect > 0 else "-") * round(20 * abs(word.effect) / unit)
        matched = "  in the query" if word.matched else ""
        show(f"  {printable(word.word):<{longest}}  {word.effect:+5.1f}  {bar}{matched}".rstrip())
    if len(kept) < len(words):
        show(f"  and {len(words) - len(kept)} words that do less")


def _region_lines(regions: RegionMap) -> Iterator[str]:
    yield f"Seen most in the {_where(*regions.peak)}; {regions.share:.0%} of it stands out."
    rows, columns = regions.similarities.shape
    lines = min(_ROWS, rows)
    across = max(1, min(72, round(2 * lines * columns / rows)))  # a character is half as wide
    for row in range(lines):
        cells = [
            regions.heat[
                row * rows // lines : max((row + 1) * rows // lines, row * rows // lines + 1),
                at * columns // across : max(
                    (at + 1) * columns // across, at * columns // across + 1
                ),
            ].mean()
            for at in range(across)
        ]
        yield "  " + "".join(_SHADES[min(9, int(10 * cell))] for cell in cells)


def _where(x: float, y: float) -> str:
    row = ("upper", "", "lower")[min(2, int(3 * y))]
    column = ("left", "middle", "right")[min(2, int(3 * x))]
    return f"{row} {column}".strip()
