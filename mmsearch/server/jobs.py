"""Routes about indexing: start it, follow it, end it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, FastAPI, Header, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field, field_validator

from mmsearch.library import Index
from mmsearch.server.errors import refusals
from mmsearch.server.events import events_answer
from mmsearch.server.job import Job, JobState, Trigger
from mmsearch.server.jobqueue import JobQueue
from mmsearch.server.refusal import Refusal
from mmsearch.server.results import json_answer
from mmsearch.server.schemas import FailedFile, answers
from mmsearch.server.search import Name
from mmsearch.server.state import INDEX, ServedIndex, ServerState, State
from mmsearch.server.watching import watch_in_background

_PATIENCE = 10.0  # seconds that the job which runs has to end when the server does

JobId = Annotated[str, PathParameter(max_length=64, description="Id of a job.")]


class JobRequest(BaseModel):
    """What to index."""

    paths: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(
        default=[],
        max_length=1000,
        description="Absolute paths of folders and files on the server's machine: sources of the "
        "index or in them, or below a folder that the server was started with `--allow-index` for. "
        "Empty: all sources are brought up to date.",
    )

    @field_validator("paths")
    @classmethod
    def _can_be_paths(cls, paths: list[str]) -> list[str]:
        for path in paths:
            if "\0" in path or not Path(path).is_absolute():
                raise ValueError("each must be an absolute path")
        return paths


class RunReport(BaseModel):
    """What an indexing run did, counted in files."""

    added: int
    updated: int
    removed: int
    unchanged: int
    failed: list[FailedFile]
    seconds: float
    items_per_second: float


class JobError(BaseModel):
    """Why a job failed."""

    type: str
    message: str


class JobAnswer(BaseModel):
    """An indexing job."""

    id: str
    index: str
    state: JobState
    trigger: Trigger = Field(description="Whether a request asked for it, or a changed file did.")
    paths: list[str]
    done: float = Field(description="Files done; of long recordings the part that is done counts.")
    total: int | None = Field(description="Files to do, once that is known.")
    waits_for: str | None = Field(description="What it waits for, beside its turn.")
    created_at: str
    started_at: str | None
    ended_at: str | None
    report: RunReport | None
    error: JobError | None


class JobList(BaseModel):
    """Indexing jobs, the newest first."""

    jobs: list[JobAnswer]


def router() -> APIRouter:
    """The routes; the queue and what watches files live as long as the server runs."""
    routes = APIRouter(tags=["jobs"], lifespan=_lifespan)
    jobs, job = f"{INDEX}/jobs", f"{INDEX}/jobs/{{job}}"
    routes.post(
        jobs,
        operation_id="start_job",
        status_code=202,
        responses=refusals(403, 404, 408, 413, 422)
        | {202: {"model": JobAnswer, "description": "The job, which waits for its turn."}},
    )(start_job)
    routes.get(
        jobs,
        operation_id="list_jobs",
        responses=answers(JobList, "The jobs.") | refusals(404),
    )(list_jobs)
    routes.get(
        job,
        operation_id="get_job",
        responses=answers(JobAnswer, "The job.") | refusals(404, 422),
    )(get_job)
    routes.delete(
        job,
        operation_id="cancel_job",
        responses=answers(JobAnswer, "The job, which ends before its next file.")
        | refusals(404, 422),
    )(cancel_job)
    routes.get(
        f"{job}/events",
        operation_id="follow_job",
        response_class=Response,
        responses=refusals(404, 422)
        | {
            200: {"description": "The events.", "content": {"text/event-stream": {}}},
            204: {"description": "The job is over, and the caller has had all of them."},
        },
    )(follow_job)
    return routes


def start_job(index: ServedIndex, name: Name, state: State, request: JobRequest) -> Response:
    """Makes folders searchable, or brings all sources up to date, when its turn comes.

    Jobs run one at a time. What is committed stays, however a job ends.
    """
    paths = [Path(os.path.abspath(path)) for path in request.paths]  # noqa: PTH100 - of the request
    with index.reading() as reader:
        sources = tuple(reader.sources().values())
    _require_allowed(paths, sources, state.options.allow_index)
    for path in paths:
        if not path.exists():
            raise Refusal(404, "SourceNotFoundError", f"There is no file or folder at {path}.")
    if not paths and not sources:
        raise Refusal(422, "NoSourceError", "This index has no sources yet; name a folder.")
    work = partial(_add, index, paths) if paths else partial(_update, index)
    job = state.jobs.put(Job(name, work, [str(path) for path in paths]))
    answer = json_answer(job.as_json(), status=202)
    answer.headers["Location"] = f"{INDEX.format(index=name)}/jobs/{job.id}"
    return answer


async def list_jobs(index: ServedIndex, name: Name, state: State) -> Response:
    """Jobs that wait, run, or have ended not long ago, the newest first."""
    return json_answer({"jobs": [job.as_json() for job in state.jobs.jobs(name)]})


async def get_job(index: ServedIndex, name: Name, state: State, job: JobId) -> Response:
    """A job."""
    return json_answer(state.jobs.job(name, job).as_json())


async def cancel_job(index: ServedIndex, name: Name, state: State, job: JobId) -> Response:
    """Ends a job: at once where it waits, else before its next file; what is done is kept."""
    found = state.jobs.job(name, job)
    found.cancel()
    return json_answer(found.as_json())


async def follow_job(
    index: ServedIndex,
    name: Name,
    state: State,
    job: JobId,
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="The last event that arrived.")
    ] = None,
) -> Response:
    """What happens in a job, as server-sent events.

    The data of each is the job as `GET` gives it. `state` tells that it begins or waits,
    `progress` how far it is, and the last event is called `done`, `failed` or `cancelled`.
    """
    found = state.jobs.job(name, job)
    return events_answer(found, last_event_id, lambda: state.jobs.is_ending)


def _require_allowed(
    paths: Sequence[Path], sources: Sequence[Path], allowed: Sequence[Path]
) -> None:
    """Refuses paths that the operator has not let callers have indexed."""
    roots = [root.resolve() for root in allowed]
    for path in paths:
        is_source = any(path.is_relative_to(source) for source in sources)
        # Resolved, so that no link leads out of the folder.
        if not is_source and not any(path.resolve().is_relative_to(root) for root in roots):
            raise Refusal(
                403,
                "PathNotAllowedError",
                f"{path} is in no source of the index; start the server with "
                "`--allow-index DIR` to let callers add what is below DIR.",
            )


def _add(index: Index, paths: Sequence[Path], progress: Any) -> Any:
    return index.add(*paths, progress=progress)


def _update(index: Index, progress: Any) -> Any:
    return index.update(progress=progress)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ServerState = app.state.server
    queue: JobQueue = state.jobs
    queue.start()
    watched = state.indexes if state.options.watch else {}
    watches = [watch_in_background(name, index, queue) for name, index in watched.items()]
    try:
        yield
    finally:
        for watch in watches:
            watch.stop.set()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(queue.close, _PATIENCE)
            for watch in watches:
                await anyio.to_thread.run_sync(watch.thread.join, _PATIENCE)
