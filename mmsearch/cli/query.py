"""``mmsearch query``: finds what answers a text, a photo or a spoken question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.as_json import hit_as_json
from mmsearch.cli.hits import show_hits
from mmsearch.cli.looking import (
    open_numbered,
    require_page,
    show_hits_with_pictures,
    write_page,
)
from mmsearch.cli.options import (
    BudgetOption,
    DeviceOption,
    FolderOption,
    IndexOption,
    JsonOption,
    MegapixelsOption,
    RerankOption,
    SpeechModelOption,
    open_index,
    settings_with,
)
from mmsearch.cli.output import note, printable, show_json, write_paths
from mmsearch.items import Modality
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.search.language.grammar import KEYS

if TYPE_CHECKING:
    from mmsearch.background.asked import Answer, Asked
    from mmsearch.settings import Settings

EXAMPLES = """\b
In QUERY:
  beach -people                   not people; also -(traffic jam), or NOT and what follows
  beach.jpg + at night - people   several things together; dog^2 + snow weighs them
  "golden gate" bridge            this phrase must occur; so must a word that begins bridg*
  dog type:image after:2023       only what passes; filters alone list it, the newest first
  like:beach.jpg in:2019          more like an indexed file, or an item: like:#12
  {dog -cat}                      words in braces are taken as they stand

\b
Filters, each also with a minus before it:
  type:image,frame,caption,transcript,ocr   has:caption   ext:jpg,png   in:FOLDER
  before: after: on:                        2023, 2023-05 or 2023-05-06
  width: height: ratio: duration:           1920, >1080, 720..1080; 3:2, landscape; 1m30s
  camera:canon   lang:en   near:LATITUDE,LONGITUDE,KILOMETRES

Put -- before a QUERY that begins with a minus.
"""


def query(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUERY]",
            help="What to look for: words, or the path of an image or recording.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many hits at most.")] = 10,
    folder: FolderOption = None,
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
    items: Annotated[
        bool,
        typer.Option("--items", help="List every item on its own, not grouped by file."),
    ] = False,
    diverse: Annotated[
        bool,
        typer.Option("--diverse", help="Hits that differ, rather than the very best ones."),
    ] = False,
    no_fold: Annotated[
        bool,
        typer.Option("--no-fold", help="List copies of a photo as hits of their own."),
    ] = False,
    more_like: Annotated[
        list[str] | None,
        typer.Option(
            "--more-like",
            metavar="ITEM",
            help="Find more like this file or item (#12); may be repeated, and stand alone.",
            show_default=False,
        ),
    ] = None,
    less_like: Annotated[
        list[str] | None,
        typer.Option(
            "--less-like",
            metavar="ITEM",
            help="Find less like this file or item, and leave it out; may be repeated.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also list hits that hardly answer, the nearest all the same."),
    ] = False,
    pictures: Annotated[
        bool,
        typer.Option("--pictures", help="Show the hits' pictures too, where the terminal can."),
    ] = False,
    number: Annotated[
        int | None,
        typer.Option(
            "--open",
            min=1,
            metavar="[N]",
            help="Open the first hit, or the Nth, with the system's viewer, at its moment.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write the hits with their pictures as a page that needs no other file.",
            show_default=False,
        ),
    ] = None,
    rerank: RerankOption = None,
    budget: BudgetOption = None,
    speech_model: SpeechModelOption = None,
    max_megapixels: MegapixelsOption = None,
    index: IndexOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Find photos, captions, recordings and videos by what they show or say.

    QUERY is words, the path of an image to find similar ones and what describes it, or the path
    of a recording that asks the question. Words may hold operators and filters, see below.
    """
    from mmsearch.background.asked import Asked

    text = _one(words or [])
    if text is None and not more_like:
        raise typer.BadParameter("say what to look for.", param_hint="QUERY")
    if json + (paths or null) + pictures > 1:
        raise typer.BadParameter("give only one of --json, --paths and --pictures.")
    settings = settings_with(
        index=index,
        device=device,
        speech_model=speech_model,
        max_megapixels=max_megapixels,
        rerank=rerank,
        budget=budget,
    )
    if html is not None:
        require_page(html)
    asked = Asked(
        text=text,
        k=k,
        everything=everything,
        modality=None if modality is None else modality.value,
        folder=None if folder is None else str(folder),
        grouped=not items,
        rerank=settings.rerank,
        budget=settings.budget,
        fold=not no_fold,
        diverse=diverse,
        more_like=tuple(more_like or ()),
        less_like=tuple(less_like or ()),
    )
    found = _answered(asked, settings)
    shown = found.shown
    if html is not None:  # first: who reads the list may leave before its end
        write_page(shown, html, settings, query=text, encoder=found.encoder, hidden=found.hidden)
    if json:
        show_json(
            {
                "query": text,
                "encoder": found.encoder,
                "took_ms": round(found.seconds * 1000, 1),
                "hits": [hit_as_json(hit) for hit in shown],
                "hidden": found.hidden,
            }
        )
    elif paths or null:
        write_paths([hit.path for hit in shown], end=b"\0" if null else b"\n")
    elif shown:
        if pictures:
            show_hits_with_pictures(shown, settings, text or "")
        else:
            show_hits(shown, text or "")
    if not json:
        _tell_ending(len(shown), found.hidden)
    if number is not None:
        open_numbered(shown, number)


def _one(words: list[str]) -> str | None:
    """The query; the shell has cut it up where it was given without quotation marks."""
    if len(words) > 1:
        whole = printable(" ".join(words))
        raise typer.BadParameter(
            f'put several words in quotation marks: "{whole}"', param_hint="QUERY"
        )
    return words[0] if words else None


def _answered(asked: Asked, settings: Settings) -> Answer:
    """Searches the index, or has a server do so that runs; a recording is heard first."""
    from mmsearch.background.asked import answer
    from mmsearch.background.client import ask_server

    path = settings.index_path()
    medium = None if asked.text is None else _medium_of(asked.text)
    if medium is None:
        found = ask_server(
            path, asked, device=settings.device, max_megapixels=settings.max_megapixels
        )
        if found is not None:
            return found
    with open_index(settings, path) as opened:
        if asked.text is not None and medium in (MediaKind.RECORDING, MediaKind.VIDEO):
            from mmsearch.search.language.literal import literal

            heard = opened.transcribe(asked.text)
            note(f"Heard: {printable(heard)}")
            asked = replace(asked, text=literal(heard))
        return answer(opened, asked, files=True)


def _medium_of(text: str) -> MediaKind | None:
    """What kind of file a query is the path of; None for words."""
    try:
        path = Path(text).expanduser()
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, or no such user's home
        return None
    kind = kind_of(path.name)
    if kind is MediaKind.TEXT:  # its name can be looked for; what is in it is no question
        return None
    is_operator = text.startswith("-") or text.partition(":")[0].lower() in KEYS
    if kind is not None and not exists and " " not in text and not is_operator:
        note(f"There is no file {printable(text)} here, so these words are searched for.")
    if not exists:
        return None
    # A file without a known suffix is meant only where it is clearly a path; it may be an image.
    return kind or (MediaKind.PHOTO if Path(text).name != text else None)


def _tell_ending(shown: int, hidden: int) -> None:
    """Where the list ends, and why."""
    if shown and hidden:
        note(f"{shown} {'hit' if shown == 1 else 'hits'}; {hidden} less likely with --all.")
    elif hidden:
        note("Nothing here answers that; --all shows the nearest.")
    elif not shown:
        note("No hits.")
