"""Errors as the API tells them: one shape, and the status that fits."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from mmsearch import errors
from mmsearch.server.refusal import Refusal

_log = logging.getLogger(__name__)

# The first class that fits counts, so subclasses come before their bases.
_STATUSES: tuple[tuple[type[errors.MmsearchError], int], ...] = (
    (errors.NotIndexedError, 404),
    (errors.QueryError, 400),
    (errors.IndexNotFoundError, 404),
    (errors.IndexLockedError, 409),
    (errors.SourceNotFoundError, 404),
    (errors.UnsupportedFormatError, 415),
    (errors.ImageTooLargeError, 413),
    (errors.MediaError, 422),
    (errors.UnknownRerankerError, 400),
    (errors.RerankerError, 400),
    (errors.SpeechModelError, 503),
    (errors.EncoderError, 503),
    (errors.StorageError, 503),
)


class ErrorDetail(BaseModel):
    """What happened and what to do next."""

    type: str = Field(description="Name of the error's class.", examples=["QuerySyntaxError"])
    message: str = Field(description="What happened and what to do next.")
    position: int | None = Field(
        default=None, description="Of a syntax error: its first character in the query, from 0."
    )
    length: int | None = Field(
        default=None, description="Of a syntax error: how many characters it spans."
    )


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


_DESCRIPTIONS = {
    400: "The query cannot be understood or answered as asked.",
    401: "A token is demanded, and none or a wrong one was shown.",
    403: "The request comes from another site, or under a name that is not this server's.",
    404: "There is no such index, item or asset, or nothing at this path.",
    405: "The path takes other methods.",
    408: "The body did not arrive in time.",
    409: "Another process is writing to the index.",
    411: "The body's length cannot be told.",
    413: "The body or the image is too large.",
    415: "No decoder for this kind of file.",
    416: "The range lies outside the file.",
    422: "A parameter has a value that it cannot have, or a file cannot be read.",
    502: "The image could not be fetched.",
    503: "The index, its encoder or a model cannot be used now, or too many requests wait.",
}
_ALWAYS = (401, 403, 503)
_NO_OBJECT = ("model_attributes_type", "dict_type", "missing")  # what pydantic says of a body


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with these error statuses.

    Those that any route may answer with are added.
    """
    return {
        status: {"model": ErrorAnswer, "description": _DESCRIPTIONS[status]}
        for status in sorted({*statuses, *_ALWAYS})
    }


def error_answer(
    status: int,
    kind: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    where: Mapping[str, int] | None = None,
) -> Response:
    """An answer that is not a success.

    Args:
        status: of the answer.
        kind: the error's type.
        message: what happened and what to do next.
        headers: further ones.
        where: of a syntax error, its ``position`` and ``length``.
    """
    body = {"error": {"type": kind, "message": message, **(where or {})}}
    return Response(
        json.dumps(body), status_code=status, headers=headers, media_type="application/json"
    )


def internal_error() -> Response:
    """What a caller is told of an error that nobody has foreseen."""
    return error_answer(
        500, "InternalError", "This is a bug of mmsearch; the server's log says where."
    )


def status_of(error: errors.MmsearchError) -> int:
    """The status that fits an error of the library."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def answer_of(error: errors.MmsearchError) -> Response:
    """An error of the library as an answer."""
    status = status_of(error)
    if status >= 500:
        _log.error("%s: %s", type(error).__name__, error)
    message, where = str(error), None
    if isinstance(error, errors.QuerySyntaxError):
        where = {"position": error.position, "length": error.length}
        message = message.splitlines()[0]  # the others point at the spot in the terminal
    return error_answer(status, type(error).__name__, message, where=where)


def sentence(detail: str) -> str:
    """What an exception of the framework says; only some of them end with a period."""
    return f"{detail.rstrip('.')}."


def first_of(error: RequestValidationError) -> str:
    """What is wrong with a request, and where in it."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return f"The body is no JSON: {first['ctx']['error']}, at character {first['loc'][-1]}."
    if first["loc"] == ("body",) and first["type"] in _NO_OBJECT:
        return "Send a JSON object, with `Content-Type: application/json`."
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."


def add_error_handlers(app: FastAPI) -> None:
    """Makes an application answer errors in the API's shape."""

    async def library(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.MmsearchError)
        return answer_of(error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_answer(422, "ValidationError", first_of(error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return error_answer(
            error.status_code, "HTTPError", sentence(error.detail), headers=error.headers
        )

    async def refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return error_answer(error.status, error.kind, error.message)

    app.add_exception_handler(errors.MmsearchError, library)
    app.add_exception_handler(Refusal, refusal)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
