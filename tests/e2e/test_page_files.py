"""The files of the page: complete, public, revalidated, and nothing in them from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions
from mmsearch.server.page import FOLDER
from tests.server.live import serving

FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
LATE = {"theme.js", "types.js", "main.js"}  # a script, types alone, and what imports the others


@pytest.fixture
def address(index: mmsearch.Index) -> Iterator[str]:
    """Of a server that asks for a token, which the page itself does not need."""
    with serving(create_app({"one": index}, options=ServerOptions(token="secret"))) as served:
        yield served


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def get(address: str, path: str, method: str = "GET", **headers: str) -> Answer:
    with closing(HTTPConnection(urlsplit(address).netloc, timeout=30)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def test_every_file_that_the_page_names_is_there(address: str) -> None:
    page = get(address, "/").body.decode()
    named = re.findall(r'(?:href|src)="(page/[^"]+)"', page)
    assert named
    for name in named:
        answer = get(address, f"/{name}")
        assert answer.status == 200, name
        assert answer.body


def test_all_modules_are_fetched_at_once() -> None:
    page = (FOLDER / "index.html").read_text("utf-8")
    preloaded = set(re.findall(r'modulepreload" href="page/([^"]+)"', page))
    modules = {path.relative_to(FOLDER).as_posix() for path in FILES if path.suffix == ".js"}
    assert preloaded == modules - LATE


def test_nothing_comes_from_elsewhere() -> None:
    allowed = {"http://www.w3.org/2000/svg"}
    for path in FILES:
        found = set(re.findall(r"https?://[^\s\"'`<>)]+", path.read_text("utf-8")))
        assert found <= allowed, path


def test_nothing_in_the_page_needs_a_laxer_policy() -> None:
    page = (FOLDER / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    for path in FILES:
        if path.suffix == ".js":
            assert "innerHTML" not in path.read_text("utf-8"), path


def test_scripts_of_other_places_are_refused_by_the_policy(address: str) -> None:
    policy = get(address, "/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_what_the_browser_has_is_not_sent_again(address: str) -> None:
    first = get(address, "/page/main.js")
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert first.headers["Cache-Control"] == "no-cache"
    again = get(address, "/page/main.js", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    head = get(address, "/page/main.js", "HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("name", ["", "nothing.js", "../page.py", "..%2Fpage.py", "style"])
def test_only_the_page_s_files_are_served(address: str, name: str) -> None:
    assert get(address, f"/page/{name}").status == 404


def test_an_icon_is_where_browsers_look_for_it(address: str) -> None:
    assert get(address, "/favicon.ico").headers["Content-Type"].startswith("image/svg+xml")


def test_the_package_s_folder_holds_nothing_else() -> None:
    assert {path.suffix for path in FILES} == {".html", ".css", ".js", ".svg"}
    assert sum(path.stat().st_size for path in FILES) < 300_000
