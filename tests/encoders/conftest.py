"""A tiny architecture with random weights, and a stand-in for the model hub."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TINY = "mmsearch-tiny"
TINY_TAG = "random_v1"
TINY_REPO = "someone/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def tiny_config(**vision: Any) -> dict[str, Any]:
    """The smallest CLIP that makes sense, with CLIP's own vocabulary."""
    return {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 48,
            "layers": 1,
            "width": 64,
            "head_width": 32,
            "patch_size": 16,
        }
        | vision,
        "text_cfg": {"context_length": 16, "width": 16, "heads": 2, "layers": 1},
    }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a tiny architecture (and of two like it) that open_clip knows."""
    import open_clip

    folder = tmp_path_factory.mktemp("architectures")
    (folder / f"{TINY}.json").write_text(json.dumps(tiny_config()))
    (folder / f"{TINY}-64.json").write_text(json.dumps(tiny_config(image_size=64)))
    (folder / f"{TINY}-custom.json").write_text(
        json.dumps(tiny_config() | {"custom_text": True, "init_logit_bias": -10})
    )
    open_clip.add_model_config(folder)
    return TINY


@pytest.fixture(scope="session")
def tiny_model(tiny: str) -> Any:
    """The tiny architecture with random weights, as open_clip itself builds it."""
    import open_clip
    import torch

    torch.manual_seed(0)
    model = open_clip.create_model(tiny)
    with torch.no_grad():  # away from open_clip's near-zero initial values
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    return model.eval()


@pytest.fixture(scope="session")
def tiny_file(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's weights as safetensors."""
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file({name: t.contiguous() for name, t in tiny_model.state_dict().items()}, path)
    return path


@pytest.fixture
def tiny_tag(tiny: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pretrained tag of the tiny architecture, whose weights are on the hub."""
    import open_clip.pretrained

    tag = {"hf_hub": f"{TINY_REPO}/", "mean": (0.5,) * 3, "std": (0.5,) * 3}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny, {TINY_TAG: tag})
    return TINY_TAG


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computes in float32 on any processor, to compare exactly."""
    import torch

    from mmsearch.encoders.device import Placement

    exact = Placement(torch.device("cpu"), torch.float32)
    monkeypatch.setattr("mmsearch.encoders.open_clip.place", lambda device: exact)


@dataclass
class Hub:
    """What the stand-in serves, and how it behaves.

    Attributes:
        url: for HF_ENDPOINT.
        files: content by ``(repository, file name)``.
        break_after: resets the connection after so many bytes of a file, once for each entry.
        close_after: the same, but the connection ends in order.
        status: answered to every request for a file, with the hub's error code.
        requests: ``METHOD /path`` and the range that was asked for, in order.
    """

    url: str = ""
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    close_after: list[int] = field(default_factory=list)
    status: tuple[int, str] | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            hub.requests.append((f"{self.command} {self.path}", self.headers["Range"]))
            owner, _, rest = self.path.lstrip("/").partition("/")
            name, _, rest = rest.partition("/resolve/")
            filename = rest.partition("/")[2]
            repo = f"{owner}/{name}"
            if not filename:
                self._plain(200, "")
            elif hub.status is not None:
                self._plain(*hub.status)
            elif repo not in {known for known, _ in hub.files}:
                self._plain(401, "RepoNotFound")
            elif (repo, filename) not in hub.files:
                self._plain(404, "EntryNotFound")
            else:
                self._file(hub.files[repo, filename], with_body=with_body)

        def _plain(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
                self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _file(self, content: bytes, *, with_body: bool) -> None:
            start = 0
            if wanted := self.headers["Range"]:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            if not with_body:
                return
            if hub.break_after or hub.close_after:
                length = (hub.break_after or hub.close_after)[0]
                self.wfile.write(content[start : start + length])
                self.wfile.flush()
                self.close_connection = True
                if hub.break_after:
                    # zero linger time: the connection is reset, as when a network goes away
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                (hub.break_after or hub.close_after).pop(0)
                return
            self.wfile.write(content[start:])

    return Handler


@pytest.fixture
def serve_hub() -> Iterator[Callable[[], Hub]]:
    """Starts a stand-in for the hub on the loopback interface."""
    servers = []

    def start() -> Hub:
        hub = Hub()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        hub.url = f"http://127.0.0.1:{server.server_port}"
        return hub

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def use_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Points huggingface_hub to an address and an empty cache, whose folder it returns.

    huggingface_hub reads its environment when it is imported, so its constants are set here;
    one test sets the environment of a fresh process.
    """
    from huggingface_hub import constants

    def use(url: str) -> Path:
        cache = tmp_path / "hub"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        return cache

    return use


@pytest.fixture
def hub(serve_hub: Callable[[], Hub], use_hub: Callable[[str], Path], tiny_file: Path) -> Hub:
    """A hub that holds the tiny model, with an empty cache."""
    stand_in = serve_hub()
    use_hub(stand_in.url)
    config = {"model_cfg": tiny_config(), "preprocess_cfg": {"resize_mode": "squash"}}
    stand_in.files = {
        (TINY_REPO, "open_clip_model.safetensors"): tiny_file.read_bytes(),
        (TINY_REPO, "open_clip_config.json"): json.dumps(config).encode(),
    }
    return stand_in
