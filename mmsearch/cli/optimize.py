"""``mmsearch optimize``: arranges the vectors of a large index for a wish."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from mmsearch.cli.options import IndexOption, JsonOption, open_index, settings_with
from mmsearch.cli.output import byte_size, note, progress_bar, show, show_json
from mmsearch.items import VectorStoreStatus

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


def _recall(text: str) -> float:
    name, _, value = text.partition("=")
    try:
        if name.strip() == "recall":
            return float(value)
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no target; write recall=0.98, for instance.")


def _size(text: str) -> int:
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?B)?\s*", text.upper())
    if size is None:
        raise typer.BadParameter(f"{text!r} is no size; write 500MB, for instance.")
    return int(float(size[1]) * _UNITS[size[2] or ""])


def optimize(
    target: Annotated[
        float | None,
        typer.Option(
            parser=_recall,
            metavar="recall=SHARE",
            help="The share of the ten nearest items that queries are to find, on average; "
            "recall=1 compares all items, however many there are.  [default: recall=0.98]",
            show_default=False,
        ),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            parser=_size,
            metavar="SIZE",
            help="How much memory queries may take for that, for instance 500MB.  "
            "[default: what the target takes]",
            show_default=False,
        ),
    ] = None,
    index: IndexOption = None,
    json: JsonOption = False,
) -> None:
    """Arrange a large index for fast queries.

    It does so by itself when it has grown; here you say what for, and it is kept so from then on.
    Queries go on meanwhile. A small index compares all items, and needs no arranging.
    """
    from mmsearch.as_json import vectors_as_json
    from mmsearch.vectors.base import DEFAULT_RECALL

    settings = settings_with(index=index)
    with open_index(settings) as opened, progress_bar("Arranging", " vectors") as progress:
        recall = DEFAULT_RECALL if target is None else target
        found = opened.optimize(recall=recall, memory=memory, progress=progress)
    if json:
        show_json(vectors_as_json(found))
    else:
        show(f"vectors  {described(found)}")
    if found.recall < found.target:
        note(
            f"mmsearch: {found.recall:.3f} of the ten nearest are found, and {found.target:g} were "
            "wished for: allow more memory, or ask for recall=1, which compares all items."
        )
    if found.kind == "exact" and found.memory > (memory or found.memory):
        note(
            f"mmsearch: all items are compared, in {byte_size(found.memory)} of files that the "
            "system may drop from memory; the size counts in a large index and below recall=1."
        )


def described(vectors: VectorStoreStatus) -> str:
    """How vectors are arranged, in a line."""
    held = f"{byte_size(vectors.memory)} in memory"
    if vectors.kind == "exact":
        return f"{vectors.vectors}, all compared with each query  ({held})"
    later = f", {vectors.pending} more to come" if vectors.pending else ""
    return (
        f"{vectors.vectors} in {vectors.clusters} clusters (IVF, {vectors.code_bytes} bytes each), "
        f"recall@10 {vectors.recall:.3f}{later}  ({held})"
    )
