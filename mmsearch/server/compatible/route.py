"""Routes that tell errors in the shape that another service's clients know."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from mmsearch.errors import MmsearchError
from mmsearch.server.errors import first_of, sentence, status_of
from mmsearch.server.refusal import Refusal


def route_with_errors(answer: Callable[[Exception, int, str], Response]) -> type[APIRoute]:
    """A class of routes for `fastapi.APIRouter`.

    Args:
        answer: makes an answer of an error, of the status that fits it, and of its message.
    """

    class CompatibleRoute(APIRoute):
        """A route whose errors have their own shape."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """The handler that answers requests."""
            handle = super().get_route_handler()

            async def handle_errors(request: Request) -> Response:
                try:
                    return await handle(request)
                except MmsearchError as error:
                    return answer(error, status_of(error), str(error).splitlines()[0])
                except Refusal as error:
                    return answer(error, error.status, error.message)
                except HTTPException as error:
                    return answer(error, error.status_code, sentence(error.detail))
                except RequestValidationError as error:
                    return answer(error, 400, first_of(error))

            return handle_errors

    return CompatibleRoute
