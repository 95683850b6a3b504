"""``mmsearch duplicates``: lists what there is several times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.as_json import duplicates_as_json
from mmsearch.cli.options import FolderOption, IndexOption, JsonOption, open_index, settings_with
from mmsearch.cli.output import (
    byte_size,
    note,
    note_failures,
    progress_bar,
    short_path,
    show,
    show_json,
    table,
    write_paths,
)
from mmsearch.items import Match

if TYPE_CHECKING:
    from mmsearch.items import DuplicateGroup, Duplicates


def duplicates(
    match: Annotated[
        Match,
        typer.Option(
            help="How closely: the same content; or also the same photo, resized, recompressed or "
            "slightly cropped; or also shots within two seconds."
        ),
    ] = Match.NEAR,
    folder: FolderOption = None,
    paths: Annotated[
        bool,
        typer.Option(
            "--paths", help="Print the paths alone, the best of each group first, a line between."
        ),
    ] = False,
    copies: Annotated[
        bool,
        typer.Option("--copies", help="Print the paths of the copies alone, without the best."),
    ] = False,
    null: Annotated[
        bool,
        typer.Option("-0", "--null", help="Like --paths or --copies, each ended by a NUL byte."),
    ] = False,
    index: IndexOption = None,
    json: JsonOption = False,
) -> None:
    """List files that are the same, in groups; nothing is ever deleted.

    The best of each group comes first: the one with the most pixels, and of those the oldest.
    Each copy was compared with the best itself.
    """
    if json and (paths or copies or null):
        raise typer.BadParameter("give --json, or --paths or --copies, not both.")
    settings = settings_with(index=index)
    with open_index(settings) as opened, progress_bar("Comparing", " photos") as progress:
        found = opened.duplicates(match=match, folder=folder, progress=progress)
    if json:
        show_json(duplicates_as_json(found))
    elif paths or copies or null:
        write_paths(_copies(found) if copies else _members(found), end=b"\0" if null else b"\n")
    else:
        _show(found)
    if found.left_out and not json:
        count = len(found.left_out)
        note(f"Left out: {_counted(count, 'file')}; `mmsearch index` brings the index up to date.")
        note_failures(found.left_out, all_with="--json")


def _copies(found: Duplicates) -> Iterator[Path]:
    """All but the best of each group."""
    for group in found.groups:
        yield from (copy.path for copy in group.copies)


def _members(found: Duplicates) -> Iterator[Path | str]:
    """The best of each group and its copies; an empty path between groups."""
    for number, group in enumerate(found.groups):
        if number:
            yield ""
        yield group.best.path
        yield from (copy.path for copy in group.copies)


def _show(found: Duplicates) -> None:
    if not found.groups:
        note("No duplicates.")
        return
    rows = [("match", "pixels", "size", "file")]
    ends = set()
    for group in found.groups:
        rows.extend(_rows(group))
        ends.add(len(rows))
    for number, line in enumerate(table(rows, right=(1, 2)), 1):
        show(line)
        if number in ends and number < len(rows):
            show("")
    copies = [copy for group in found.groups for copy in group.copies]
    size = byte_size(sum(copy.bytes for copy in copies))
    counts = f"{_counted(len(copies), 'copy', 'copies')} of {_counted(len(found.groups), 'file')}"
    note(f"{counts}, {size}")


def _counted(count: int, one: str, many: str = "files") -> str:
    return f"{count} {one if count == 1 else many}"


def _rows(group: DuplicateGroup) -> Iterator[tuple[str, str, str, str]]:
    for file in (group.best, *group.copies):
        reason = f"  ({group.reason})" if file is group.best else ""
        yield (
            "best" if file.match is None else file.match.value,
            f"{file.width}x{file.height}" if file.width and file.height else "-",
            byte_size(file.bytes),
            short_path(file.path) + reason,
        )
