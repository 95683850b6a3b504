"""Hits as one page that needs nothing else: pictures are in it, nothing is ever requested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from mmsearch.errors import OutputError
from mmsearch.items import Hit
from mmsearch.results.cards import Card, cards_of, readable
from mmsearch.results.style import STYLE
from mmsearch.results.wording import moment, percent, shortened
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

_SIZE = 512  # pixels of the longer side, shown at about half of that and sharp on dense screens
_TEXT = 280  # characters
_OTHERS = 3

_OURS = b'<meta name="generator" content="mmsearch">'
_HEAD = 1000  # bytes in which a page of ours says so


@dataclass(frozen=True, slots=True)
class Heading:
    """What a page says above the hits.

    Attributes:
        query: what was looked for, as it was typed; None where only examples were given.
        encoder: id of the index's encoder.
        made_at: when the search was made.
        hidden: how many hits were left out for hardly answering.
    """

    query: str | None
    encoder: str
    made_at: datetime
    hidden: int = 0


def require_page_path(path: Path) -> None:
    """Tells, before anything is searched for it, whether a page can be written there.

    Raises:
        OutputError: its folder is not there, or something else is there already: a photo, for
            instance, must not be replaced by a slip.
    """
    from mmsearch.evaluation.files import require_folder_of

    require_folder_of(path)
    try:
        with path.open("rb") as file:
            beginning = file.read(_HEAD)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    if beginning and _OURS not in beginning:
        raise OutputError(f"{path} is there already, and no page of mmsearch: name another.")


def save_page(
    hits: Sequence[Hit],
    heading: Heading,
    path: Path,
    *,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> None:
    """Writes the page, or replaces an earlier one; it appears when it is complete.

    Args:
        hits: best first.
        heading: what stands above them.
        path: the file.
        max_megapixels: larger pictures are not opened.

    Raises:
        OutputError: something else is there already, or the file cannot be written.
    """
    from mmsearch.evaluation.files import write_file

    require_page_path(path)
    parts = as_page(hits, heading, max_megapixels=max_megapixels)
    write_file(path, (part.encode("utf-8", "replace") for part in parts))


def as_page(
    hits: Sequence[Hit], heading: Heading, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> Iterator[str]:
    """The page, piece by piece: with thousands of pictures it is too large to hold at once."""
    title = "Search results" if heading.query is None else readable(heading.query)
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{_OURS.decode()}
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(shortened(title, 80))} - mmsearch</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1 dir="auto">{escape(title)}</h1>
<p>{escape(_summary(len(hits), heading))}</p>
</header>
<main>
"""
    if hits:
        yield "<ol>\n"
        for card in cards_of(hits, _SIZE, max_megapixels=max_megapixels):
            yield _item(card)
        yield "</ol>\n"
    else:
        yield '<p class="none">Nothing here answers that.</p>\n'
    yield "</main>\n</body>\n</html>\n"


def _summary(count: int, heading: Heading) -> str:
    parts = ["1 hit" if count == 1 else f"{count:,} hits"]
    if heading.hidden:
        parts.append(f"{heading.hidden:,} less likely left out")
    parts += [f"{heading.made_at:%Y-%m-%d %H:%M}", f"encoder {readable(heading.encoder)}"]
    return " · ".join(parts)


def _item(card: Card) -> str:
    hit = card.hit
    lines = "".join(_lines(card))
    return f"""<li><article>
<a href="{escape(_address(hit))}">{_picture(card)}<span class="name">{escape(card.name)}</span></a>
<div class="about">{_relevance(hit)}{lines}
<p class="path">{escape(readable(str(hit.path.parent)))}</p></div>
</article></li>
"""


def _picture(card: Card) -> str:
    if card.picture is None:
        return f'<span class="instead">{escape(card.instead)}</span>'
    return f'<img src="{card.picture}" alt="{escape(card.alternative)}" loading="lazy">'


def _address(hit: Hit) -> str:
    """Of the file on this machine; players start at the moment."""
    start = "" if hit.start is None else f"#t={hit.start:g}"
    return hit.path.absolute().as_uri() + start


def _relevance(hit: Hit) -> str:
    if hit.relevance is None:
        return ""
    return (
        f'<p class="relevance"><meter min="0" max="1" value="{hit.relevance:.3f}" '
        f'aria-label="relevance"></meter> {escape(percent(hit.relevance))}</p>'
    )


def _lines(card: Card) -> Iterator[str]:
    hit = card.hit
    if facts := " · ".join(_facts(hit)):
        yield f'<p class="facts">{escape(facts)}</p>'
    if hit.text:
        yield f'<blockquote dir="auto">{escape(_quoted(hit.text))}</blockquote>'
    if others := "".join(f'<li dir="auto">{escape(other)}</li>' for other in _others(hit)):
        yield f"<ul>{others}</ul>"


def _facts(hit: Hit) -> Iterator[str]:
    if (when := moment(hit.start, hit.end)) is not None:
        yield f"at {when}"
    if hit.info.captured_at is not None:
        yield f"{hit.info.captured_at:%Y-%m-%d}"
    if hit.info.width and hit.info.height:
        yield f"{hit.info.width} × {hit.info.height}"
    if hit.info.camera:
        yield readable(hit.info.camera)


def _others(hit: Hit) -> Iterator[str]:
    """The file's other items that answer, and how many copies of it there are."""
    for other in hit.others[:_OTHERS]:
        words = [
            moment(other.start, other.end) or "",
            f"“{_quoted(other.text)}”" if other.text else "",
        ]
        yield " ".join(filter(None, words)) or "the photo itself"
    if len(hit.others) > _OTHERS:
        yield f"and {len(hit.others) - _OTHERS:,} more"
    if hit.copies:
        yield "and 1 copy" if len(hit.copies) == 1 else f"and {len(hit.copies):,} copies"


def _quoted(text: str) -> str:
    return shortened(readable(text), _TEXT)
