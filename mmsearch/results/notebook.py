"""Hits as a piece of HTML for notebooks.

Styles stand in the elements, in the notebook's own colours: viewers that take out style sheets (an
untrusted notebook, GitHub) and dark themes show it well all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from mmsearch.items import Hit
from mmsearch.results.cards import Card, cards_of, readable
from mmsearch.results.wording import moment, percent, shortened
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

SHOWN = 60  # hits; more would make a notebook's file large
_SIZE = 320  # pixels of the longer side, shown at 160 x 120 and sharp on dense screens
_TEXT = 90  # characters

_LIST = "display:flex;flex-wrap:wrap;gap:14px;margin:4px 0;padding:0;list-style:none"
_ITEM = "width:160px;margin:0;font:12px/1.45 system-ui,sans-serif;text-align:left"
_PICTURE = "display:block;width:160px;height:120px;object-fit:cover;border-radius:6px;margin:0"
_INSTEAD = (
    "display:flex;align-items:center;justify-content:center;width:160px;height:120px;"
    "box-sizing:border-box;border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:8px;"
    "overflow:hidden;text-align:center;opacity:.75"
)
_LINE = "margin:4px 0 0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_WORDS = "margin:2px 0 0;overflow-wrap:anywhere;opacity:.85"


def as_fragment(hits: Sequence[Hit]) -> str:
    """The first `SHOWN` hits as a list of pictures with relevance, file name, moment and text."""
    if not hits:
        return "<p>No hits.</p>"
    cards = cards_of(hits[:SHOWN], _SIZE, max_megapixels=DEFAULT_MAX_MEGAPIXELS)
    items = "\n".join(map(_item, cards))
    more = f"<p>and {len(hits) - SHOWN:,} more</p>" if len(hits) > SHOWN else ""
    return f'<ol style="{_LIST}">\n{items}\n</ol>{more}'


def _item(card: Card) -> str:
    path = escape(readable(str(card.hit.path)))
    return (
        f'<li style="{_ITEM}" title="{path}">{_picture(card)}'
        f'<div style="{_LINE}"><b>{escape(percent(card.hit.relevance))}</b> '
        f"{escape(card.name)}</div>{''.join(_words(card.hit))}</li>"
    )


def _picture(card: Card) -> str:
    if card.picture is None:
        return f'<div style="{_INSTEAD}">{escape(card.instead)}</div>'
    return f'<img style="{_PICTURE}" src="{card.picture}" alt="{escape(card.alternative)}">'


def _words(hit: Hit) -> Iterator[str]:
    """When, and what is written or said there."""
    parts = []
    if (when := moment(hit.start, hit.end)) is not None:
        parts.append(escape(when))
    if hit.text:
        parts.append(f"“{escape(shortened(readable(hit.text), _TEXT))}”")
    if parts:
        yield f'<div style="{_WORDS}" dir="auto">{" ".join(parts)}</div>'
    if hit.copies:
        copies = "1 copy" if len(hit.copies) == 1 else f"{len(hit.copies)} copies"
        yield f'<div style="{_WORDS}">and {copies}</div>'
