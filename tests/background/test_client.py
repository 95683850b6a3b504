"""Which servers a command finds, and which it leaves alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import mmsearch
from mmsearch.background.asked import Answer, Asked
from mmsearch.background.client import SECRET, ask_server
from mmsearch.background.presence import Presence, Served, running, runtime_folder
from mmsearch.items import Hit, Modality

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of files mean little here")
HIT = Hit(1, 0.5, 0.9, Path("/photos/rose.jpg"), Modality.IMAGE, 7, 3)
ANSWER = Answer([HIT], 2, "testing@1", 0.01)


class Answering(BaseHTTPRequestHandler):
    """Answers as a server does, and keeps what it was asked."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        content = self.server.content
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(autouse=True)
def own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    if sys.platform in ("darwin", "win32"):
        pytest.skip("the runtime folder is the user's own here, and not to be tried with")


@pytest.fixture
def server() -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Answering) as served:
        served.asked, served.status = [], 200
        served.content = json.dumps(ANSWER.as_json() | {"notices": ["Look out."]}).encode()
        threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        yield served
        served.shutdown()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    mmsearch.create(tmp_path / "index", model="testing").close()
    return tmp_path / "index"


@pytest.fixture
def presence(server: Any, index: Path) -> Presence:
    found = Presence(
        url=f"http://127.0.0.1:{server.server_port}",
        secret="s3cret",
        token=None,
        pid=os.getpid(),
        background=True,
        device="auto",
        max_megapixels=200.0,
        indexes=(Served(os.path.realpath(index), "index"),),
    )
    found.write()
    return found


def ask(index: Path, text: str | None = "a rose", **more: Any) -> Answer | None:
    asked = Asked(text=text, k=5, **more)
    return ask_server(index, asked, device="auto", max_megapixels=200.0)


def test_a_server_answers(
    presence: Presence, server: Any, index: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(index) == ANSWER

    ((path, headers, body),) = server.asked
    assert path == "/local/search"
    assert headers[SECRET] == "s3cret"
    assert "Authorization" not in headers
    assert body["asked"]["text"] == "a rose"
    assert body["path"] == os.path.realpath(index)
    catalog = (index / "catalog.sqlite").stat()
    assert body["catalog"] == [catalog.st_dev, catalog.st_ino]
    assert caplog.messages == ["Look out."]


def test_it_is_found_by_a_link_too(presence: Presence, index: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(index)
    assert ask(tmp_path / "link") == ANSWER


def test_a_token_is_shown_where_all_must_show_one(
    presence: Presence, server: Any, index: Path
) -> None:
    replace(presence, token="t0ken").write()
    assert ask(index) == ANSWER
    assert server.asked[0][1]["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    "text",
    ["rose.jpg + red", "in:summer rose", "-like:a", "./rose", "~me", "a\\b", "rosé.jpg", "IN:x"],
)
def test_what_may_name_a_file_is_not_asked(
    presence: Presence, server: Any, index: Path, text: str
) -> None:
    assert ask(index, text) is None
    assert server.asked == []


@pytest.mark.parametrize("more", [{"folder": "summer"}, {"more_like": ("rose",)}])
def test_nor_what_does_name_one(
    presence: Presence, server: Any, index: Path, more: dict[str, Any]
) -> None:
    assert ask(index, **more) is None
    assert server.asked == []


def test_numbers_of_items_are_the_same_everywhere(presence: Presence, index: Path) -> None:
    assert ask(index, None, more_like=("#7",)) == ANSWER


@pytest.mark.parametrize(
    "other", [{"version": "0.0.0"}, {"device": "cuda"}, {"max_megapixels": 1.0}, {"indexes": ()}]
)
def test_a_server_that_would_answer_otherwise_is_not_asked(
    presence: Presence, server: Any, index: Path, other: dict[str, Any]
) -> None:
    replace(presence, **other).write()
    assert ask(index) is None
    assert server.asked == []


def test_nor_is_anybody_asked_about_an_index_that_is_gone(
    presence: Presence, server: Any, index: Path
) -> None:
    (index / "catalog.sqlite").unlink()
    assert ask(index) is None
    assert server.asked == []


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_server_that_declines_is_done_without(
    presence: Presence, server: Any, index: Path, status: int
) -> None:
    server.status = status
    assert ask(index) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"shown": [{}], "notices": []}', b"\xff"])
def test_so_is_one_that_answers_nonsense(
    presence: Presence, server: Any, index: Path, content: bytes
) -> None:
    server.content = content
    assert ask(index) is None


def test_what_a_killed_server_left_behind_is_cleared_away(presence: Presence, index: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        replace(presence, url=f"http://127.0.0.1:{nobody.getsockname()[1]}").write()
        assert ask(index) is None
    assert list(running()) == []


@posix
def test_so_is_one_whose_process_is_gone_before_anything_is_sent(
    presence: Presence, server: Any, index: Path
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    presence.remove()
    left = replace(presence, pid=ended.pid)
    left.write()

    assert ask(index) is None
    assert server.asked == []  # the port may be another program's by now
    assert not left.file.exists()


def test_no_index_is_no_answer(presence: Presence, tmp_path: Path) -> None:
    assert ask(tmp_path / "none") is None


class TestFile:
    def test_comes_back_as_it_was(self, presence: Presence) -> None:
        assert list(running()) == [presence]

    @posix
    def test_is_for_its_user_alone(self, presence: Presence) -> None:
        assert presence.file.stat().st_mode & 0o777 == 0o600
        assert runtime_folder().stat().st_mode & 0o777 == 0o700

    @posix
    def test_one_that_others_could_read_is_not_trusted(self, presence: Presence) -> None:
        presence.file.chmod(0o644)
        assert list(running()) == []

    @posix
    def test_nor_is_a_folder_that_others_could_write_to(self, presence: Presence) -> None:
        runtime_folder().chmod(0o777)
        assert list(running()) == []
        with pytest.raises(PermissionError, match="open to others"):
            presence.write()

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": 1, "indexes": []}', "\0"])
    def test_one_of_another_version_is_left_out(self, presence: Presence, content: str) -> None:
        presence.file.write_text(content)
        assert list(running()) == []

    def test_is_gone_when_it_is_removed(self, presence: Presence) -> None:
        presence.remove()
        presence.remove()
        assert list(running()) == []
