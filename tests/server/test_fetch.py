"""Pictures are fetched from public addresses only, however they are named."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import ClassVar

import pytest

from mmsearch.server.fetch import fetched, is_public
from mmsearch.server.options import ServerOptions
from mmsearch.server.refusal import Refusal

ON = ServerOptions(fetch_urls=True, timeout=60, max_upload_bytes=10_000)


class Site(BaseHTTPRequestHandler):
    """A web site with a picture, redirects, and much."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.end_headers()
        elif self.path == "/much":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 20_000)
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"picture")
        elif self.path.startswith("/slow"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self.wfile.write(b"X-Head: " if self.path == "/slow-head" else b"\r\n")
            with suppress(ConnectionError):
                for _ in range(3000):
                    self.wfile.write(b"a")
                    time.sleep(0.01)
        elif self.path == "/photo.png":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"picture")
        else:
            self.send_error(404)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    Site.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(ip_address(address))


def test_loopback_is_never_asked(site: str) -> None:
    port = site.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        with pytest.raises(Refusal), fetched(f"http://{host}:{port}/photo.png", ON):
            pass
    assert Site.asked == []


def test_what_is_allowed_is_fetched(site: str) -> None:
    with fetched(f"{site}/photo.png", ON, may_reach=lambda address: True) as path:
        assert path.read_bytes() == b"picture"
        assert path.suffix == ".png"
    assert not path.exists()


def test_a_redirect_is_checked_anew(site: str) -> None:
    target = f"{site}/photo.png".replace("127.0.0.1", "127.0.0.2")

    def may_reach(address: object) -> bool:
        return str(address) == "127.0.0.1"

    with (
        pytest.raises(Refusal, match="public"),
        fetched(f"{site}/to/{target}", ON, may_reach=may_reach),
    ):
        pass
    assert Site.asked == [f"/to/{target}"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/round", 502),
        ("/nothing", 502),
        ("/much", 413),
        ("/cut", 502),
        ("/to/ftp://x/", 400),
        ("/to/http://[", 502),
    ],
)
def test_what_cannot_be_fetched_is_refused(site: str, path: str, status: int) -> None:
    with pytest.raises(Refusal) as refused, fetched(site + path, ON, may_reach=lambda _: True):
        pass
    assert refused.value.status == status


@pytest.mark.parametrize("path", ["/slow-head", "/slow-body"])
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(site: str, path: str) -> None:
    impatient = replace(ON, timeout=0.3)
    with (
        pytest.raises(Refusal, match="too long"),
        fetched(site + path, impatient, may_reach=lambda _: True),
    ):
        pass


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "nonsense", "http://", "http://a:x/"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused, fetched(url, ON):
        pass
    assert refused.value.status == 400


def test_fetching_is_off_unless_it_is_on(site: str) -> None:
    with pytest.raises(Refusal, match="--fetch-urls"), fetched(site, ServerOptions()):
        pass
