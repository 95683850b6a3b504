"""What every route needs: the open indexes and the options, by dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi import Path as PathParameter

from mmsearch.errors import IndexNotFoundError
from mmsearch.library import Index
from mmsearch.server.jobqueue import JobQueue
from mmsearch.server.observe import Metrics
from mmsearch.server.options import ServerOptions

API = "/api/v1"
"""Where the versioned API begins."""

INDEX = f"{API}/indexes/{{index}}"
"""Where an index's routes begin."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server serves.

    Attributes:
        indexes: open indexes by the names that they are served under; the first is the default.
        options: how the server runs.
        metrics: what it counts.
        ready: names of the indexes that can be searched without loading anything.
        jobs: what is being indexed, and waits for it.
    """

    indexes: Mapping[str, Index]
    options: ServerOptions
    metrics: Metrics = field(default_factory=Metrics)
    ready: set[str] = field(default_factory=set)
    jobs: JobQueue = field(default_factory=JobQueue)

    @property
    def default(self) -> str:
        """Name of the default index."""
        return next(iter(self.indexes))

    def index(self, name: str) -> Index:
        """The index of a name.

        Raises:
            IndexNotFoundError: none is served under it.
        """
        try:
            return self.indexes[name]
        except KeyError:
            known = ", ".join(self.indexes)
            raise IndexNotFoundError(f"No index {name!r} is served here; known: {known}.") from None


def served_names(paths: Iterable[Path]) -> dict[str, Path]:
    """Names for indexes at some paths: those of their folders, numbered where two are the same."""
    named: dict[str, Path] = {}
    for path in paths:
        name, number = path.stem, 2
        while name in named:
            name, number = f"{path.stem}-{number}", number + 1
        named[name] = path
    return named


# Dependencies are coroutines although they await nothing: others would each take a thread.
async def get_state(request: Request) -> ServerState:
    """Dependency: the server's state."""
    state: ServerState = request.app.state.server
    return state


async def get_index(
    request: Request,
    index: Annotated[
        str, PathParameter(description="Name of an index, as `/api/v1/indexes` lists it.")
    ],
) -> Index:
    """Dependency: the index that the path names."""
    return (await get_state(request)).index(index)


State = Annotated[ServerState, Depends(get_state)]
ServedIndex = Annotated[Index, Depends(get_index)]
