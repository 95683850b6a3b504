"""Lets the command line find a server while it runs."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmsearch.background.presence import Presence, Served

if TYPE_CHECKING:
    from mmsearch.library import Index
    from mmsearch.server.options import ServerOptions

_log = logging.getLogger("mmsearch.background")


def new_secret() -> str:
    """A secret that nobody guesses."""
    return secrets.token_urlsafe(24)


@contextmanager
def announced(
    indexes: Mapping[str, Index], options: ServerOptions, *, device: str, background: bool
) -> Iterator[Callable[[str], None]]:
    """Gives what writes the server's file, to be called with its URL once it listens.

    Where the file cannot be written, the server runs without: a notice says so.

    Args:
        indexes: what it serves, by name.
        options: how it runs.
        device: where it runs encoders.
        background: whether `mmsearch stop` may end it.
    """
    written: list[Presence] = []

    def announce(url: str) -> None:
        assert options.secret is not None
        try:
            presence = Presence(
                url=url.rstrip("/"),
                secret=options.secret,
                token=options.token,
                pid=os.getpid(),
                background=background,
                device=device,
                max_megapixels=options.max_megapixels,
                indexes=tuple(
                    Served(os.path.realpath(index.path), name) for name, index in indexes.items()
                ),
            )
            presence.write()
            written.append(presence)
        except OSError as error:
            _log.warning("`mmsearch query` will not find this server: %s", error)

    try:
        yield announce
    finally:
        for presence in written:
            presence.remove()
