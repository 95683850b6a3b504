"""``mmsearch query``: finds photos by a text or by another photo."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsearch.cli.options import DeviceOption, IndexOption, JsonOption, settings_with
from mmsearch.cli.output import note, printable, short_path, show, show_json, table
from mmsearch.items import Modality

if TYPE_CHECKING:
    from mmsearch.items import Hit


def query(
    text: Annotated[
        str,
        typer.Argument(metavar="QUERY", help="What to look for: words, or the path of an image."),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits at most.")] = 10,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--in",
            metavar="FOLDER",
            help="Only files in this folder and below.",
            show_default=False,
        ),
    ] = None,
    modality: Annotated[
        Modality | None,
        typer.Option("--type", help="Only items of this kind.", show_default=False),
    ] = None,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print the paths alone, one a line, for pipes.")
    ] = False,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Like --paths, each ended by a NUL byte.")
    ] = False,
    index: IndexOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Find photos by what they show: words, or the path of an image to find similar ones."""
    import mmsearch

    settings = settings_with(index=index, device=device)
    is_image = _names_an_image(text)
    with mmsearch.open(settings.index_path(), device=settings.device) as opened:
        opened.max_megapixels = settings.max_megapixels
        started = time.perf_counter()
        hits = opened.search(
            None if is_image else text,
            image=text if is_image else None,
            modality=modality,
            folder=folder,
            k=k,
        )
        took_ms = (time.perf_counter() - started) * 1000
        encoder = opened.encoder.id
    if json:
        show_json(
            {
                "query": text,
                "encoder": encoder,
                "took_ms": round(took_ms, 1),
                "hits": [_as_json(hit) for hit in hits],
            }
        )
    elif paths or null:
        _write_paths(hits, end=b"\0" if null else b"\n")
    else:
        _show(hits)


def _names_an_image(text: str) -> bool:
    """Whether a query is the path of an image rather than words."""
    from mmsearch.media.formats import is_photo

    try:
        path = Path(text).expanduser()
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, or no such user's home
        return False
    looks_like_one = is_photo(path.name) and " " not in text
    if looks_like_one and not exists:
        note(f"There is no file {printable(text)} here, so these words are searched for.")
    # A file without a photo's suffix is meant only where it is clearly a path.
    return exists and (is_photo(path.name) or Path(text).name != text)


def _show(hits: list[Hit]) -> None:
    if not hits:
        note("No hits.")
        return
    rows = [("score", "taken", "path")]
    for hit in hits:
        taken = hit.info.captured_at
        rows.append(
            (
                f"{hit.score:.3f}",
                f"{taken:%Y-%m-%d}" if taken else "-",
                short_path(hit.path),
            )
        )
    for line in table(rows, right=[0]):
        show(line)


def _write_paths(hits: list[Hit], *, end: bytes) -> None:
    """Paths as the bytes that they are, whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(hit.path) + end for hit in hits))


def _as_json(hit: Hit) -> dict[str, Any]:
    taken = hit.info.captured_at
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "relevance": hit.relevance,
        "path": str(hit.path),
        "modality": hit.modality.value,
        "item": hit.item,
        "asset": hit.asset,
        "text": hit.text,
        "start": hit.start,
        "end": hit.end,
        "captured_at": None if taken is None else taken.isoformat(),
        "width": hit.info.width,
        "height": hit.info.height,
        "latitude": hit.info.latitude,
        "longitude": hit.info.longitude,
        "camera": hit.info.camera,
    }
