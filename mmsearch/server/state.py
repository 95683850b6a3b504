"""What every route needs: the open indexes and the options, by dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi import Path as PathParameter

from mmsearch.errors import IndexNotFoundError
from mmsearch.library import Index
from mmsearch.server.jobqueue import JobQueue
from mmsearch.server.observe import Metrics
from mmsearch.server.options import ServerOptions
from mmsearch.server.slow import SlowLane

if TYPE_CHECKING:
    from mmsearch.server.workers import Workers

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
        slow: works on requests that take seconds.
        workers: answer searches; None where that is done in this process.
    """

    indexes: Mapping[str, Index]
    options: ServerOptions
    metrics: Metrics = field(default_factory=Metrics)
    ready: set[str] = field(default_factory=set)
    jobs: JobQueue = field(default_factory=JobQueue)
    slow: SlowLane = field(default_factory=SlowLane)
    workers: Workers | None = None

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
