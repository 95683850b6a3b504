"""The model hub, against a stand-in on the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from mmsearch.encoders import hub as client
from mmsearch.encoders.open_clip import OpenClipEncoder
from mmsearch.encoders.registry import load
from mmsearch.errors import HubUnreachableError, WeightsError

from .conftest import COMMIT, TINY_REPO, Hub

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens at, and nobody else can meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_pretrained_tag_is_fetched_once(hub: Hub, tiny: str, tiny_tag: str) -> None:
    encoder = load(f"{tiny}/{tiny_tag}", device="cpu")

    assert encoder.identity.spec == encoder.identity.name == f"{tiny}/{tiny_tag}"
    assert encoder.identity.revision == COMMIT
    hub.requests.clear()
    again = load(f"{tiny}/{tiny_tag}", device="cpu")
    assert again.id == encoder.id
    assert hub.requests == []


def test_a_model_of_the_hub_brings_its_own_preprocessing(hub: Hub) -> None:
    encoder = load(f"hf-hub:{TINY_REPO}", device="cpu")

    assert encoder.id == f"hf-hub:{TINY_REPO}@{COMMIT}"
    assert encoder.transform.resize_mode == "squash"
    assert encoder.encode_texts(["a cat"]).shape == (1, encoder.dim)


@pytest.mark.slow
def test_the_environment_chooses_hub_and_cache(hub: Hub, tmp_path: Path) -> None:
    program = (
        "import logging; from mmsearch.encoders.registry import load;"
        f"print(load('hf-hub:{TINY_REPO}', device='cpu').encode_texts(['a cat']).tolist());"
        "assert not logging.getLogger().handlers"  # the library leaves logging to the program
    )
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    environment |= {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    environment.pop("HF_HUB_CACHE", None)
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    expected = load(f"hf-hub:{TINY_REPO}", device="cpu").encode_texts(["a cat"])
    np.testing.assert_allclose(eval(result.stdout), expected, atol=1e-6)
    assert list((tmp_path / "home" / "hub").glob("models--someone--tiny"))


def test_a_download_goes_on_after_a_short_break(hub: Hub) -> None:
    content = os.urandom(1_000_000) * 24  # larger than the pieces that huggingface_hub keeps
    hub.files[TINY_REPO, "large.safetensors"] = content
    hub.close_after = [15_000_000]

    assert client.fetch(TINY_REPO, "large.safetensors").path.read_bytes() == content
    assert [wanted for _, wanted in hub.requests if wanted]


def test_a_broken_download_can_be_repeated(hub: Hub, tiny_file: Path) -> None:
    hub.break_after = [100_000] * 20
    with pytest.raises(HubUnreachableError, match="Run the same command again"):
        client.fetch(TINY_REPO, WEIGHTS)
    assert client.cached(TINY_REPO, WEIGHTS) is None

    hub.break_after = []
    found = client.fetch(TINY_REPO, WEIGHTS)
    assert found.path.read_bytes() == tiny_file.read_bytes()
    assert found.revision == COMMIT


def test_a_hub_that_refuses_connections(use_hub: Callable[[str], Path], closed_port: int) -> None:
    use_hub(f"http://127.0.0.1:{closed_port}")

    with pytest.raises(HubUnreachableError) as caught:
        client.fetch(TINY_REPO, WEIGHTS)
    for way_out in ("--model embedded", "ARCH:FILE", "HF_ENDPOINT", "HTTPS_PROXY", "HF_HOME"):
        assert way_out in str(caught.value)


def test_a_hub_that_never_answers(use_hub: Callable[[str], Path], silent_url: str) -> None:
    use_hub(silent_url)
    start = time.monotonic()

    with pytest.raises(HubUnreachableError, match=r"cannot be reached"):
        client.fetch(TINY_REPO, WEIGHTS)
    assert time.monotonic() - start < 30  # a guard against hanging, not a measurement


def test_a_name_server_that_hangs(
    use_hub: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub("http://hub.invalid")
    start = time.monotonic()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(60))

    with pytest.raises(HubUnreachableError, match="did not answer within 3 seconds"):
        client.fetch(TINY_REPO, WEIGHTS)
    assert time.monotonic() - start < 30


def test_offline_mode_asks_nobody(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(HubUnreachableError, match="HF_HUB_OFFLINE is set"):
        client.fetch(TINY_REPO, WEIGHTS)
    assert hub.requests == []


def test_offline_mode_uses_the_cache(
    hub: Hub, tiny: str, tiny_tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(f"{tiny}/{tiny_tag}", device="cpu")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    assert load(f"{tiny}/{tiny_tag}", device="cpu").id == first.id


@pytest.mark.parametrize(
    ("status", "code", "error", "match"),
    [
        (401, "RepoNotFound", WeightsError, "check the name"),
        (403, "GatedRepo", WeightsError, "accept its terms"),
        (403, "", WeightsError, "does not give"),
        (404, "RevisionNotFound", WeightsError, "no repository"),
        (404, "RepoNotFound", WeightsError, "no repository"),
    ],
)
def test_refusals_are_told_apart(
    hub: Hub, status: int, code: str, error: type[Exception], match: str
) -> None:
    hub.status = (status, code)

    with pytest.raises(error, match=match):
        client.fetch(TINY_REPO, WEIGHTS)


def test_a_repository_without_safetensors_is_not_loaded(hub: Hub) -> None:
    hub.files["someone/pickled", "open_clip_config.json"] = hub.files[
        TINY_REPO, "open_clip_config.json"
    ]
    hub.files["someone/pickled", "open_clip_pytorch_model.bin"] = b"a pickle"

    with pytest.raises(WeightsError, match=r"safetensors.*ARCH:FILE"):
        load("hf-hub:someone/pickled")
    assert not [path for path, _ in hub.requests if path.endswith(".bin")]


def test_a_missing_file_is_named(hub: Hub) -> None:
    with pytest.raises(WeightsError, match=r"has no file nothing\.json"):
        client.fetch(TINY_REPO, "nothing.json")


def test_a_name_that_is_no_repository(hub: Hub) -> None:
    with pytest.raises(WeightsError, match="no name of a repository"):
        load("hf-hub:not/a/name")


def test_a_damaged_configuration(hub: Hub) -> None:
    hub.files[TINY_REPO, "open_clip_config.json"] = b'{"model": 1}'

    with pytest.raises(WeightsError, match="open_clip_config.json"):
        OpenClipEncoder.from_hub(TINY_REPO)
