"""A request that is refused for a reason of the server's own, not of the library's."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - what it is called in `mmsearch.server.errors`
    """Becomes an answer of the API's error shape.

    Attributes:
        status: of the answer.
        kind: the error's type.
        message: what happened and what to do next.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
