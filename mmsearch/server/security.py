"""Who may call the server: names, origins, tokens, and how much they may send.

A page of another site must neither read photos nor start anything, so a request is refused that
comes under a name which is not this server's (an attacker's name may point to 127.0.0.1, "DNS
rebinding"), or that a browser says another site has caused. Requests without a browser carry
neither; for them there is the token.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from mmsearch.server.errors import error_answer, refusals
from mmsearch.server.options import ServerOptions, is_loopback
from mmsearch.server.state import API, State

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "mmsearch_session"
SESSION = f"{API}/session"

PUBLIC_PATHS = frozenset(("/", "/favicon.ico", "/healthz", "/readyz", SESSION))
"""What needs no token: the page without its data, and what tells whether the server is well."""

PUBLIC_FOLDER = "/page/"
"""Files of the page; likewise."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Nothing that a file or a caption smuggles into a page runs, and nothing goes elsewhere."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PORT = re.compile(r":\d*$")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)


class Guard:
    """ASGI middleware that lets through what may be answered, and bounds what it sends."""

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app = app
        self._options = options
        self._names = {"localhost", options.host.lower(), *map(str.lower, options.allowed_hosts)}
        self._origins = {origin.rstrip("/").lower() for origin in options.allowed_origins}
        self._inside = 0
        resources = "cross-origin" if self._origins else "same-origin"
        self._headers = _HEADERS | {"Cross-Origin-Resource-Policy": resources}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses to."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        origin = self._origin(headers)
        send = self._with_headers(send, _path_of(scope), origin)
        refusal = self._refusal(scope, headers, origin)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif _is_preflight(scope, headers):
            await self._preflight(headers)(scope, receive, send)
        else:
            self._inside += 1
            try:
                await self._app(scope, self._bounded(receive), send)
            finally:
                self._inside -= 1

    def _origin(self, headers: Headers) -> str | None:
        """Where a browser says that the request comes from, where that is one of ours."""
        origin = headers.get("origin")
        if origin is None and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            referrer = _ORIGIN.match(headers.get("referer", ""))  # of pictures that a page shows
            origin = referrer[0] if referrer is not None else None
        return origin.lower() if origin is not None and origin.lower() in self._origins else None

    def _refusal(self, scope: Scope, headers: Headers, origin: str | None) -> Response | None:
        if not self._is_own_name(headers.get("host", "")):
            return error_answer(
                403,
                "HostError",
                "This server is not known by this name; start it with --allow-host NAME.",
            )
        if origin is None and _is_foreign(scope, headers):
            return error_answer(
                403,
                "OriginError",
                "Pages of other sites may not call this server; start it with "
                "--allow-origin ORIGIN for those that may.",
            )
        if _is_preflight(scope, headers):
            return None
        path = _path_of(scope)
        is_public = path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDER)
        if self._options.token is not None and not is_public and not self._shows_token(headers):
            return error_answer(
                401,
                "TokenError",
                "Show the server's token: `Authorization: Bearer TOKEN`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._options.max_upload_bytes:
            return _too_large(self._options)
        if self._inside >= self._options.max_waiting and path not in PUBLIC_PATHS:
            return error_answer(
                503,
                "BusyError",
                "Too many requests wait for an answer; come back in a moment.",
                headers={"Retry-After": "1"},
            )
        return None

    def _is_own_name(self, host: str) -> bool:
        """Whether a Host header names this server.

        An address is one that the caller has connected to: only names can be made to point here.
        """
        name = _PORT.sub("", host).lower().rstrip(".")
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return is_loopback(name) or not is_loopback(self._options.host)

    def _shows_token(self, headers: Headers) -> bool:
        token = self._options.token
        assert token is not None
        shown = _token_in(headers.get("authorization", ""))
        if shown is not None and _equal(shown, token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and _equal(cookie.value, session_of(token))

    def _bounded(self, receive: Receive) -> Receive:
        """Receives no more, and for no longer, than is allowed."""
        received = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + self._options.timeout

        async def receive_bounded() -> Message:
            nonlocal received, complete
            if complete:  # only a disconnection can follow
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body did not arrive in time") from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._options.max_upload_bytes:
                raise HTTPException(413, _limit(self._options))
            return message

        return receive_bounded

    def _with_headers(self, send: Send, path: str, origin: str | None) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if path.startswith(API):  # photos are private: no cache keeps them unasked
                    headers.setdefault("Cache-Control", "no-store")
                if origin is not None:
                    headers["Access-Control-Allow-Origin"] = origin
                if self._origins:
                    headers.add_vary_header("Origin")
            await send(message)

        return send_with_headers

    def _preflight(self, headers: Headers) -> Response:
        """What a browser asks before a page of another origin sends more than a simple request."""
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, DELETE",
                "Access-Control-Allow-Headers": headers.get("access-control-request-headers", ""),
                "Access-Control-Max-Age": "600",
            },
        )


def session_of(token: str) -> str:
    """What the session's cookie holds: proves the token without being it."""
    return hmac.new(token.encode(), b"mmsearch session", hashlib.sha256).hexdigest()


def router() -> APIRouter:
    """The route that turns a token into a session."""
    routes = APIRouter(tags=["session"])
    routes.post(
        SESSION,
        operation_id="start_session",
        status_code=204,
        response_class=Response,
        responses=refusals(422),
    )(start_session)
    return routes


async def start_session(
    state: State,
    token: Annotated[str, Body(embed=True, max_length=1000, description="The server's token.")],
) -> Response:
    """Sets a cookie that stands for the token, so that a page's pictures load too.

    The cookie is `HttpOnly` and `SameSite=Strict` and ends with the browser's session.
    """
    demanded = state.options.token
    if demanded is None:
        return Response(status_code=204)
    if not _equal(token, demanded):
        return error_answer(401, "TokenError", "This is not the server's token.")
    answer = Response(status_code=204)
    answer.set_cookie(COOKIE, session_of(demanded), httponly=True, samesite="strict")
    return answer


def _token_in(authorization: str) -> str | None:
    """What an Authorization header shows: a bearer token, or the password of Basic (RFC 7617).

    Basic is for clients that take no header but a URL, ``http://any:TOKEN@host``. It is never asked
    for, so that no browser keeps the token and shows it unasked.
    """
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return shown.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(shown.strip(), validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def _path_of(scope: Scope) -> str:
    """The path that is asked for, without that of an app which this one is mounted in."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a browser says that a page of another origin has caused the request."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2].lower() != headers.get("host", "").lower()
    site = headers.get("sec-fetch-site", "none")
    # A link from elsewhere may lead to the page, but must not fetch anything for its own page.
    is_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
    return site not in ("none", "same-origin") and not is_link


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def _equal(shown: str, expected: str) -> bool:
    """Compares in a time that does not tell where they differ."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode())


def _too_large(options: ServerOptions) -> Response:
    return error_answer(413, "TooLargeError", f"{_limit(options)}.")


def _limit(options: ServerOptions) -> str:
    return f"The body is larger than {options.max_upload_bytes:,} bytes"
