"""Fetches a picture by its URL, and never from this machine or its network.

A server that fetches what strangers name could be used to look at what only it can reach
(server-side request forgery). So a name is resolved once, every address it has must be public, and
the connection goes to the address that was checked; each redirect begins anew.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

from mmsearch import __version__
from mmsearch.server.options import ServerOptions
from mmsearch.server.refusal import Refusal
from mmsearch.server.uploads import stored

Address: TypeAlias = IPv4Address | IPv6Address

MOST_REDIRECTS = 3
_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443}

# Addresses in which another one hides that a gateway may pass on to.
_TRANSLATED = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id is not None or any(address in net for net in _TRANSLATED):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


@contextmanager
def fetched(
    url: str, options: ServerOptions, *, may_reach: Callable[[Address], bool] = is_public
) -> Iterator[Path]:
    """Fetches what is at a URL into a file that lasts until the end.

    Args:
        url: ``http`` or ``https``.
        options: how much, for how long, and whether at all.
        may_reach: which addresses may be connected to.

    Raises:
        Refusal: fetching is off, the URL cannot be fetched, or it is too large or too slow.
    """
    if not options.fetch_urls:
        raise Refusal(
            400,
            "FetchError",
            "This server fetches no URLs: send the picture itself, or start it with --fetch-urls.",
        )
    deadline = time.monotonic() + options.timeout
    for _ in range(MOST_REDIRECTS + 1):
        parts = _checked(url)
        content = _get(parts, deadline, options.max_upload_bytes, may_reach)
        if isinstance(content, bytes):
            with stored(BytesIO(content), parts.path) as path:
                yield path
            return
        url = _joined(url, content.target)
    raise _failed("it redirects too often")


class _Redirect:
    """An answer that names another URL."""

    def __init__(self, target: str) -> None:
        self.target = target


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the name resolves to by now."""

    def __init__(self, host: str, port: int, address: Address, timeout: float, *, tls: bool):
        super().__init__(host, port, timeout=timeout)
        self._address = address
        self._tls = tls
        self._reached: socket.socket | None = None

    def connect(self) -> None:
        """Connects to the address; the name counts for the certificate."""
        self.sock = self._reached = socket.create_connection(
            (str(self._address), self.port), self.timeout
        )
        if self._tls:
            context = ssl.create_default_context()
            self.sock = self._reached = context.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()  # now that `hang_up` finds the socket

    def hang_up(self) -> None:
        """Has whatever waits for the other side see the end, in any thread."""
        if self._reached is not None:  # `sock` is None while an answer without an end is read
            with suppress(OSError):  # it has ended
                socket.socket.shutdown(self._reached, socket.SHUT_RDWR)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise Refusal(400, "FetchError", "A picture's URL begins with https:// or http://.")
    return parts


def _get(
    parts: SplitResult, deadline: float, limit: int, may_reach: Callable[[Address], bool]
) -> bytes | _Redirect:
    """What is at a URL; at most ``limit`` bytes and until ``deadline``."""
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    address = _resolved(host, port, may_reach)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    headers = {"User-Agent": f"mmsearch/{__version__}", "Accept": "image/*"}
    is_tls = parts.scheme == "https"
    try:
        left = _left(deadline)
        with (
            closing(_Connection(host, port, address, left, tls=is_tls)) as connection,
            _hanging_up_after(left, connection),
        ):
            connection.request("GET", target, headers=headers)
            with connection.getresponse() as answer:
                return _answered(answer, deadline, limit)
    except TimeoutError as error:
        raise _failed("it takes too long") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        is_late = time.monotonic() >= deadline
        why = "it takes too long" if is_late else "it does not answer as a web server does"
        raise _failed(why) from error


@contextmanager
def _hanging_up_after(seconds: float, connection: _Connection) -> Iterator[None]:
    """Bounds all of an exchange: a socket's own limit begins anew with each byte that comes."""
    timer = threading.Timer(seconds, connection.hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _answered(answer: http.client.HTTPResponse, deadline: float, limit: int) -> bytes | _Redirect:
    if answer.status in (301, 302, 303, 307, 308):
        return _Redirect(answer.headers.get("Location", ""))
    if answer.status != 200:
        raise _failed(f"it answers with status {answer.status}")
    return _read(answer, deadline, limit)


def _read(answer: http.client.HTTPResponse, deadline: float, limit: int) -> bytes:
    content = bytearray()
    while True:
        chunk = answer.read1(_CHUNK)
        if not chunk:
            _left(deadline)  # else it is cut off here
            if answer.length:
                raise _failed("it breaks off")
            return bytes(content)
        content += chunk
        if len(content) > limit:
            raise Refusal(413, "FetchError", f"The picture is larger than {limit:,} bytes.")
        _left(deadline)


def _resolved(host: str, port: int, may_reach: Callable[[Address], bool]) -> Address:
    """The address of a name; all that it has must be allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _failed("its name is not known") from error
    addresses = [ip_address(entry[4][0]) for entry in found]
    if not addresses or not all(may_reach(address) for address in addresses):
        # Not what it resolves to: that would tell names of the server's network.
        raise Refusal(400, "FetchError", "Pictures are fetched from public addresses only.")
    return addresses[0]


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise _failed("it redirects to what is no URL") from error


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _failed(why: str) -> Refusal:
    return Refusal(502, "FetchError", f"The picture cannot be fetched: {why}.")
