"""The tools over streamable HTTP, at ``/mcp`` of a server.

Each request stands for itself: there are no sessions to keep, so a client may come and go. Who may
call is decided before, by `mmsearch.server.security`, as for every other route.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from mmsearch.server.errors import add_error_handlers, error_answer
from mmsearch.server.mcp.extra import MISSING, has_sdk
from mmsearch.server.options import ServerOptions
from mmsearch.server.security import Guard

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import Receive, Scope, Send

    from mmsearch.server.mcp.shelf import Shelf

PATH = "/mcp"


def router(shelf: Shelf) -> APIRouter:
    """The route; the SDK is imported when it is first called.

    Args:
        shelf: the indexes.
    """
    endpoint = McpEndpoint(shelf)

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await endpoint.stop()

    routes = APIRouter(lifespan=lifespan)
    # No GET: this server has nothing to say unasked.
    routes.add_route(PATH, endpoint, methods=["POST"], include_in_schema=False)  # type: ignore[arg-type]
    return routes


def create_mcp_app(shelf: Shelf, *, options: ServerOptions) -> FastAPI:
    """A server of these tools alone.

    Args:
        shelf: the indexes.
        options: how it runs, and for whom.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_error_handlers(app)
    app.add_middleware(Guard, options=options)
    app.include_router(router(shelf))
    return app


class McpEndpoint:
    """An ASGI application that hands requests to the SDK."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._running: asyncio.Task[None] | None = None
        self._started: asyncio.Future[StreamableHTTPSessionManager] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if not has_sdk():
            await error_answer(501, "SettingsError", MISSING)(scope, receive, send)
            return
        if self._started is None:
            self._started = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._started))
        manager = await asyncio.shield(self._started)
        await manager.handle_request(scope, receive, send)

    async def stop(self) -> None:
        """Ends what the first request has started."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = self._started = None

    async def _run(self, started: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        """Keeps the SDK's tasks alive, in a task of their own as they must be ended in it."""
        try:
            server = await asyncio.to_thread(self._build)  # it takes seconds to import
            async with server.session_manager.run():
                started.set_result(server.session_manager)
                await asyncio.Event().wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    def _build(self) -> MCPServer:
        from mcp.server.transport_security import TransportSecuritySettings

        from mmsearch.server.mcp.tools import build_server

        server = build_server(self._shelf)
        server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            # Names and origins have been checked already.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        return server
