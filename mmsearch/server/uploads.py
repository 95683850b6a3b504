"""Files that a request brings: kept for as long as it is worked on."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from mmsearch.errors import MediaError, UnreadableFileError

LONGEST_QUESTION = 120.0
"""Seconds of a recording that asks something; recognising speech takes a share of its length."""

LARGEST_UNTIMED = 5_000_000
"""Bytes of a recording that does not say how long it is, as browsers make them."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@contextmanager
def stored(content: IO[bytes], name: str | None) -> Iterator[Path]:
    """Stores an upload as a file of its own until the end.

    Args:
        content: what was sent.
        name: what the sender calls it; only its suffix is kept, by which decoders are chosen.
    """
    suffix = PurePosixPath(name or "").suffix
    with tempfile.TemporaryDirectory(prefix="mmsearch-") as folder:
        path = Path(folder) / f"upload{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        yield path


def check_question(path: Path) -> None:
    """Tells whether a recording is short enough to be a question.

    Raises:
        UnreadableFileError: it is too long.
        MediaError: it cannot be read; the message says of what.
    """
    from mmsearch.media.audio import probe_audio

    try:
        duration = probe_audio(path).duration
    except MediaError as error:
        raise error.of("The recording") from error
    if duration is None:
        too_long = path.stat().st_size > LARGEST_UNTIMED
    else:
        too_long = duration > LONGEST_QUESTION
    if too_long:
        raise UnreadableFileError(
            f"The recording is longer than {LONGEST_QUESTION:.0f} seconds; ask shorter."
        )
