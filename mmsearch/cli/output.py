"""How results, notices and progress are shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.items import Failure

if TYPE_CHECKING:
    from mmsearch.ingest.run import Progress

SHOWN_FAILURES = 10

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them


def show(text: str) -> None:
    """Writes a line of results to standard output."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Writes a notice to standard error."""
    sys.stderr.write(text + "\n")


def show_json(value: dict[str, Any]) -> None:
    """Writes one JSON object to standard output.

    Escaped to ASCII: a file name that is not UTF-8 keeps its bytes as lone surrogates.
    """
    show(json.dumps(value, indent=2))


def show_json_line(value: dict[str, Any]) -> None:
    """Writes one JSON object in a line, at once, for programs that read along."""
    show(json.dumps(value))
    sys.stdout.flush()


def write_paths(paths: Iterable[str | os.PathLike[str]], *, end: bytes) -> None:
    """Writes paths to standard output as the bytes that they are, whatever its encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(path) + end for path in paths))


def byte_size(count: float) -> str:
    """A size in bytes for people, for instance ``1.25 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def printable(text: str) -> str:
    """A text that cannot steer the terminal, whatever a file was called."""
    return "".join(
        c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode() for c in text
    )


def short_path(path: Path) -> str:
    """A path as a person in the working directory would write it."""
    here = Path.cwd()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) else path))


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Iterator[str]:
    """Lines of a table with aligned columns; the first row is the heading.

    Args:
        rows: cells as text.
        right: numbers of the columns to align to the right.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def note_failures(
    failed: Sequence[Failure], *, all_with: str = "`mmsearch status --failed`"
) -> None:
    """Tells of the first few failures, and where to see the others."""
    for failure in failed[:SHOWN_FAILURES]:
        note(f"  {short_path(failure.path)}: {printable(failure.reason)}")
    if len(failed) > SHOWN_FAILURES:
        more = len(failed) - SHOWN_FAILURES
        note(f"  and {more} more: see {all_with}")


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Progress]:
    """A progress bar with count, rate and time left; nothing where there is nothing to do.

    Long files show as parts of one.
    """
    from tqdm import tqdm

    bar: tqdm[Any] | None = None

    def progress(done: float, total: int) -> None:
        nonlocal bar
        if total and bar is None:
            bar = tqdm(total=total, desc=what, unit=unit, file=sys.stderr, dynamic_ncols=True)
        if bar is not None:
            # Set, not added to: sums of parts would show as 24.0 of 24.
            bar.total = total  # another one where fingerprints are taken first, then compared
            bar.n = int(done) if done == int(done) else round(done, 2)
            bar.update(0)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()
