"""Server-sent events (WHATWG HTML, section 9.2): what happens in a job, as it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from fastapi import Response
from fastapi.responses import StreamingResponse

from mmsearch.server.job import Job, JobEvent

HEARTBEAT = 15.0
"""Seconds after which a line is sent although nothing happened, so that no proxy hangs up."""

_AGAIN_MS = 2000  # after which a browser that was cut off comes back


def events_answer(job: Job, last_event_id: str | None, is_ending: Callable[[], bool]) -> Response:
    """The events of a job until it is over.

    Args:
        job: what is followed.
        last_event_id: what the caller has had already, as it tells by ``Last-Event-ID``.
        is_ending: whether the server ends; the stream then does too.

    Returns:
        The stream, or 204 where nothing follows, which tells a browser not to come back.
    """
    last = _number(last_event_id)
    if job.is_over and not job.events_after(last):
        return Response(status_code=204)
    return StreamingResponse(
        _stream(job, last, is_ending),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(job: Job, last: int, is_ending: Callable[[], bool]) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    happened = asyncio.Event()
    with job.listening(lambda: loop.call_soon_threadsafe(happened.set)):
        yield f"retry: {_AGAIN_MS}\n\n"
        while not is_ending():
            happened.clear()
            is_over = job.is_over  # asked first: the last event comes with it
            for event in job.events_after(last):
                last = event.id
                yield _lines(event)
            if is_over:
                return
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await happened.wait()
            except TimeoutError:
                yield ": still here\n\n"


def _lines(event: JobEvent) -> str:
    data = json.dumps(event.data, separators=(",", ":"))  # ASCII, in one line
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"


def _number(last_event_id: str | None) -> int:
    """The id of an event; 0, for all of them, where it is none of ours."""
    known = last_event_id or ""
    return int(known) if known.isascii() and known.isdecimal() and len(known) < 10 else 0
