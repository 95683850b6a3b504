"""Starts `mmsearch serve` in the background, and ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mmsearch.background.client import stop
from mmsearch.background.presence import Presence, running
from mmsearch.errors import ServerError

_PATIENCE = 60.0  # seconds for a server to come up or to end
_TICK = 0.05

TOKEN_VARIABLE = "MMSEARCH_TOKEN"
"""Where a token is handed over, as other users can read the arguments of a process."""


def start(arguments: Sequence[str], *, log: Path, token: str | None) -> Presence:
    """Starts a server that outlives this process, and waits until it listens.

    Args:
        arguments: of `mmsearch serve`.
        log: where its notices go; begun anew where no other server in the background writes to it.
        token: what its callers must show.

    Raises:
        ServerError: it ended at once, or did not come up; the message says why.
        OSError: the log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mmsearch", "serve", "--detached", *arguments]
    environment = dict(os.environ) | ({} if token is None else {TOKEN_VARIABLE: token})
    if not any(server.background for server in running()):
        log.write_bytes(b"")
    with log.open("ab") as output:
        written = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # Ctrl-C and the end of this terminal do not reach it
            creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
        )
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for server in running():
            if server.pid == process.pid:
                process.returncode = 0  # it goes on: nobody waits for it
                return server
        if process.poll() is not None:
            raise ServerError(f"The server did not start: {_last_line(log, written)}")
        time.sleep(_TICK)
    process.terminate()
    process.wait()
    raise ServerError(f"The server did not start within {_PATIENCE:.0f} s; {log} may tell why.")


def stop_all() -> list[Presence]:
    """Ends the servers that run in the background.

    Returns:
        Those that ended; what a killed one left behind is cleared away.

    Raises:
        ServerError: one is there, and does not end.
    """
    stopped = []
    for server in running():
        if server.background and stop(server):
            deadline = time.monotonic() + _PATIENCE
            while any(one.pid == server.pid for one in running()):
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"The server at {server.url} does not end; end its process, {server.pid}."
                    )
                time.sleep(_TICK)
            stopped.append(server)
    return stopped


def _last_line(log: Path, start: int) -> str:
    """The last line that was written after so many bytes."""
    written = log.read_bytes()[start:].decode("utf-8", "replace")
    lines = written.strip().splitlines()
    return lines[-1].removeprefix("mmsearch: ") if lines else f"{log} is empty."
