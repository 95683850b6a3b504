"""The tools over streamable HTTP: at /mcp of the server, and alone."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.server.mcp.http import create_mcp_app
from mmsearch.server.mcp.shelf import Shelf
from mmsearch.server.options import ServerOptions
from tests.server.live import serving
from tests.server.mcp.conftest import run_with

TOKEN = "open-sesame"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_indexes", "arguments": {}},
}


@pytest.fixture(scope="module", params=["serve", "alone"])
def url(request: pytest.FixtureRequest, album: mmsearch.Index) -> Iterator[str]:
    options = ServerOptions()
    if request.param == "serve":
        app = create_app({"album": album}, options=options)
    else:
        app = create_mcp_app(Shelf.of({"album": album}), options=options)
    with serving(app) as address:
        yield f"{address}/mcp"


def test_the_sdks_client_searches_and_looks(url: str) -> None:
    async def talk(client: Any) -> None:
        found = await client.call_tool("search", {"query": "red", "modality": "image"})
        (hit, *_) = found.structured_content["hits"]
        assert Path(hit["path"]).name == "rose.jpg"
        looked = await client.call_tool("look", {"items": [hit["item"]]})
        assert [content.type for content in looked.content] == ["text", "image"]
        wrong = await client.call_tool("look", {"items": [10**12]})
        assert wrong.is_error

    run_with(url, talk)
    run_with(url, talk)  # nothing is left of the first client


def test_calls_side_by_side_are_all_answered(url: str) -> None:
    async def talk(client: Any) -> list[Any]:
        queries = ["red", "green", "blue", "a rose on the table"] * 4
        calls = [client.call_tool("search", {"query": query, "all": True}) for query in queries]
        return list(await asyncio.gather(*calls))

    for answer in run_with(url, talk):
        assert not answer.is_error
        assert answer.structured_content["hits"]


def test_a_client_of_an_older_protocol_is_served(url: str) -> None:
    body = {"protocolVersion": "2025-03-26", "capabilities": {}}
    hello = body | {"clientInfo": {"name": "test", "version": "1"}}
    answer = httpx.post(
        url,
        json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        headers=HEADERS,
    )
    assert answer.json()["result"]["serverInfo"]["name"] == "mmsearch"


def test_nothing_is_said_unasked(url: str) -> None:
    assert httpx.get(url, headers={"Accept": "text/event-stream"}).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_names_and_origins_are_refused(url: str, headers: dict[str, str]) -> None:
    answer = httpx.post(url, json=CALL, headers=HEADERS | headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"jsonrpc": "2.0"}', b"\xff"])
def test_what_is_no_message_is_refused(url: str, body: bytes) -> None:
    assert 400 <= httpx.post(url, content=body, headers=HEADERS).status_code < 500


def test_a_token_is_demanded_where_the_server_has_one(album: mmsearch.Index) -> None:
    app = create_app({"album": album}, options=ServerOptions(token=TOKEN))
    with serving(app) as address:
        assert httpx.post(f"{address}/mcp", json=CALL, headers=HEADERS).status_code == 401
        shown = HEADERS | {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{address}/mcp", json=CALL, headers=shown)
        assert answer.status_code == 200
        assert not answer.json()["result"]["isError"]


def test_a_missing_extra_is_told(album: mmsearch.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with serving(create_app({"album": album})) as address:
        answer = httpx.post(f"{address}/mcp", json=CALL, headers=HEADERS)
    assert answer.status_code == 501
    assert "mmsearch[mcp]" in answer.json()["error"]["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent here")
def test_the_command_serves_alone_until_ctrl_c(album: mmsearch.Index) -> None:
    command = [sys.executable, "-m", "mmsearch", "mcp", "--http", "--port", "0"]
    with subprocess.Popen(
        [*command, "--index", str(album.path)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/mcp", process.stderr.readline())
            assert found is not None
            listed = run_with(found[0], lambda client: client.call_tool("list_indexes", {}))
            assert listed.structured_content["indexes"][0]["name"] == "album"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()
