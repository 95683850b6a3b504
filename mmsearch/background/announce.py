"""Lets the command line find a server while it runs."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mmsearch.background.presence import Presence, Served

_log = logging.getLogger("mmsearch.background")


def new_secret() -> str:
    """A secret that nobody guesses."""
    return secrets.token_urlsafe(24)


@contextmanager
def announced(
    indexes: Mapping[str, Path],
    *,
    secret: str,
    token: str | None,
    device: str,
    max_megapixels: float,
    background: bool,
) -> Iterator[Callable[[str], None]]:
    """Gives what writes the server's file, to be called with its URL once it listens.

    Where the file cannot be written, the server runs without: a notice says so.

    Args:
        indexes: directories of what it serves, by name.
        secret: what proves that a caller could read the file.
        token: what all callers must show.
        device: where it runs encoders.
        max_megapixels: larger images are refused.
        background: whether `mmsearch stop` may end it.
    """
    written: list[Presence] = []

    def announce(url: str) -> None:
        presence = Presence(
            url=url.rstrip("/"),
            secret=secret,
            token=token,
            pid=os.getpid(),
            background=background,
            device=device,
            max_megapixels=max_megapixels,
            indexes=tuple(Served.of(path, name) for name, path in indexes.items()),
        )
        try:
            presence.write()
            written.append(presence)
        except OSError as error:
            _log.warning("`mmsearch query` will not find this server: %s", error)

    try:
        yield announce
    finally:
        for presence in written:
            presence.remove()
