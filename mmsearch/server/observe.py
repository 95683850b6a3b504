"""What a server tells of itself: metrics for Prometheus, and a log line for each request."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from starlette.datastructures import Headers, MutableHeaders

from mmsearch.server.errors import internal_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCESS_LOG = "mmsearch.server.access"

_log = logging.getLogger(__name__)
_access = logging.getLogger(ACCESS_LOG)
_request_id: ContextVar[str] = ContextVar("mmsearch_request_id", default="")
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    """A server's own counters; two servers in one process do not mix theirs.

    Attributes:
        registry: what ``/metrics`` shows.
        requests: by method, route and status.
        seconds: how long answers take, by route.
        in_flight: requests that are being answered.
        batches: how many texts were encoded at once.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "mmsearch_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mmsearch_request_seconds",
            "Seconds until an answer was complete.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "mmsearch_requests_in_flight",
            "Requests that are being answered.",
            registry=self.registry,
        )
        self.batches = Histogram(
            "mmsearch_encoder_batch_texts",
            "Texts of queries that were encoded at once.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )


class Observer:
    """ASGI middleware that gives each request an id, measures it and logs it.

    Paths are logged and queries are not: what people look for is theirs.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        identity = given if _GIVEN_ID.fullmatch(given) else uuid4().hex
        token = _request_id.set(identity)
        status = 500
        sent: int | None = None
        started = time.perf_counter()

        async def send_observed(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status, sent = message["status"], 0
                MutableHeaders(scope=message)["X-Request-ID"] = identity
            elif message["type"] == "http.response.body":
                sent = (sent or 0) + len(message.get("body", b""))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if sent is None:  # else it can only break off
                await internal_error()(scope, receive, send_observed)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.in_flight.dec()
            self._record(scope, status, seconds, sent or 0)
            _request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float, sent: int) -> None:
        # The route and not the path: a label for each item would never stop growing.
        route = getattr(scope.get("route"), "path", None) or "unknown"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if _access.isEnabledFor(logging.INFO):
            client = scope.get("client")
            request = {
                "method": method,
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 1),
                "bytes": sent,
                "client": None if client is None else client[0],
            }
            message = "%(method)s %(path)s %(status)s %(ms)s ms"
            _access.info(message, request, extra={"request": request})


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, and the request."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identity := _request_id.get():
            line["request_id"] = identity
        line |= getattr(record, "request", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Lines(logging.Formatter):
    """A line for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record; what cannot be printed is escaped."""
        shown = _printable(super().format(record), but="\n")  # of tracebacks alone
        identity = _request_id.get()
        return f"{shown} [{identity}]" if identity else shown

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Keeps a message in its line: a path that somebody asks for may hold line breaks."""
        return _printable(super().formatMessage(record))


def _printable(text: str, but: str = "") -> str:
    """A text with what cannot be printed escaped, but for some characters."""
    return "".join(c if c.isprintable() or c in but else repr(c)[1:-1] for c in text)


def log_to_stderr(formatter: logging.Formatter) -> None:
    """Logs what mmsearch and uvicorn say, in one form; for the process that is the server."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    for name in ("mmsearch", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
