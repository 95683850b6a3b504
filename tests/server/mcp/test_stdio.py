"""``mmsearch mcp`` as agents start it: a program that speaks over standard input and output."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mmsearch
from tests.server.mcp.conftest import run_with

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def test_the_sdks_client_searches_and_looks(album: mmsearch.Index) -> None:
    from mcp import StdioServerParameters

    command = StdioServerParameters(
        command=sys.executable, args=["-m", "mmsearch", "mcp", "--index", str(album.path)]
    )

    async def talk(client: Any) -> None:
        found = await client.call_tool("search", {"query": "red", "modality": "image"})
        (hit, *_) = found.structured_content["hits"]
        assert Path(hit["path"]).name == "rose.jpg"
        looked = await client.call_tool("look", {"items": [hit["item"]]})
        assert [content.type for content in looked.content] == ["text", "image"]
        wrong = await client.call_tool("look", {"items": [10**12]})
        assert wrong.is_error
        again = await client.call_tool("list_indexes", {})
        assert again.structured_content["indexes"][0]["name"] == "album"

    run_with(command, talk)


@contextmanager
def _started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "mmsearch", "mcp", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _tell(process: subprocess.Popen[bytes], *messages: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in messages))
    process.stdin.flush()


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def test_standard_output_carries_the_protocol_alone_until_input_ends(
    album: mmsearch.Index,
) -> None:
    with _started("--index", str(album.path)) as process:
        _tell(process, HELLO)
        hello = _answer(process)
        assert hello["id"] == 1
        assert hello["result"]["serverInfo"]["name"] == "mmsearch"
        assert "look" in hello["result"]["instructions"]
        call = {"name": "search", "arguments": {"query": "red"}}
        _tell(process, INITIALIZED)
        assert process.stdin is not None
        process.stdin.write(b"this is no message\n")
        _tell(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
        answer = _answer(process)
        while answer.get("id") != 2:  # the SDK may answer what is no message
            assert answer["jsonrpc"] == "2.0"
            answer = _answer(process)
        assert not answer["result"]["isError"]
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent here")
def test_ctrl_c_ends_it_at_once(album: mmsearch.Index) -> None:
    with _started("--index", str(album.path)) as process:
        _tell(process, HELLO)
        _answer(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_an_index_that_is_not_there_is_told_to_the_agent(tmp_path: Path) -> None:
    from mcp import StdioServerParameters

    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mmsearch", "mcp", "--index", str(tmp_path / "missing")],
    )
    result = run_with(command, lambda client: client.call_tool("search", {"query": "red"}))
    assert result.is_error
    assert "mmsearch index" in result.content[0].text


def test_a_missing_extra_is_one_clear_line() -> None:
    code = (
        "import sys; sys.modules['mcp'] = None; "
        "from mmsearch.cli import main; main(['mcp', '--index', 'any'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert 'pip install --upgrade "mmsearch[mcp]"' in line
