"""What ``mmsearch query`` does for looking at hits: ``--pictures``, ``--open``, ``--html``.

What each needs is imported when it is asked for: most queries are plain.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.cli.hits import show_hits
from mmsearch.cli.output import note, short_path
from mmsearch.errors import ViewerError

if TYPE_CHECKING:
    from mmsearch.items import Hit
    from mmsearch.settings import Settings


def show_hits_with_pictures(hits: Sequence[Hit], settings: Settings, query: str) -> None:
    """Prints hits with their pictures; without them, and a notice, where none can be shown."""
    from mmsearch.cli.pictures.choose import choose
    from mmsearch.cli.pictures.rows import show_with_pictures

    drawing = choose(sys.stdout, settings.pictures)
    if drawing is None:
        note("No pictures: standard output is no terminal that could show them.")
        show_hits(hits, query)
    else:
        show_with_pictures(hits, query, drawing, max_megapixels=settings.max_megapixels)


def open_numbered(hits: Sequence[Hit], number: int) -> None:
    """Opens a hit, counted from 1, with the system's viewer.

    Raises:
        ViewerError: there is no such hit, or it cannot be opened.
    """
    from mmsearch.cli.viewer import open_hit
    from mmsearch.results.wording import clock

    if not hits:
        return  # that there are none is said already
    if number > len(hits):
        count = "is only 1 hit" if len(hits) == 1 else f"are only {len(hits)} hits"
        raise ViewerError(f"There {count}, so hit {number} cannot be opened.")
    hit = hits[number - 1]
    at_moment = open_hit(hit)
    note(f"Opening {short_path(hit.path)}.")
    if not at_moment and hit.start is not None:
        note(f"The hit is at {clock(hit.start)}; with mpv or VLC installed it would begin there.")


def require_page(path: Path) -> None:
    """Tells, before anything is searched for it, whether a page can be written."""
    from mmsearch.results.page import require_page_path

    require_page_path(path)


def write_page(
    hits: Sequence[Hit],
    path: Path,
    settings: Settings,
    *,
    query: str | None,
    encoder: str,
    hidden: int,
) -> None:
    """Writes hits as a page; see `mmsearch.results.page.save_page`."""
    from datetime import datetime

    from mmsearch.results.page import Heading, save_page

    heading = Heading(query, encoder, datetime.now(), hidden)
    save_page(hits, heading, path, max_megapixels=settings.max_megapixels)
    note(f"The page is {short_path(path.absolute())}.")
