"""Every form that --model takes, and what happens when it stands for nothing."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
from huggingface_hub import constants

from mmsearch.encoders.base import EncoderIdentity
from mmsearch.encoders.embedded.encoder import WEIGHTS
from mmsearch.encoders.presets import PRESETS
from mmsearch.encoders.registry import available, load, reopen
from mmsearch.errors import (
    DeviceUnavailableError,
    EncoderMismatchError,
    UnknownEncoderError,
    WeightsError,
)
from mmsearch.testing import TinyEncoder

from .conftest import COMMIT, TINY_REPO, Hub


@pytest.fixture
def small_balanced(tiny: str, tiny_tag: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets the preset `balanced` stand for the tiny model."""
    spec = f"{tiny}/{tiny_tag}"
    small = replace(PRESETS["balanced"], spec=spec, repo=TINY_REPO, tokenizer=False)
    monkeypatch.setitem(PRESETS, "balanced", small)
    return spec


def test_the_testing_encoder() -> None:
    assert load("testing").id == TinyEncoder().id


def test_the_embedded_encoder() -> None:
    assert load("embedded").identity.spec == "embedded"


def test_the_embedded_encoder_with_weights_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    identity = load(f"embedded:{folder}").identity

    assert identity.spec == f"embedded:{folder}"
    assert reopen(identity).id == load("embedded").id


@pytest.mark.parametrize("spec", ["testing", "embedded"])
def test_some_encoders_run_on_the_cpu_only(spec: str) -> None:
    with pytest.raises(DeviceUnavailableError, match="CPU only"):
        load(spec, device="cuda")


def test_a_preset_is_known_by_what_it_stands_for(hub: Hub, small_balanced: str) -> None:
    assert load("balanced", device="cpu").identity.spec == small_balanced


def test_auto_takes_the_preset_that_can_be_fetched(
    hub: Hub, small_balanced: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert load("auto", device="cpu").identity.spec == small_balanced
    assert not [record for record in caplog.records if record.name.startswith("mmsearch")]


def test_auto_takes_the_preset_that_is_cached(
    hub: Hub, small_balanced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("balanced", device="cpu")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    assert load("auto", device="cpu").identity.spec == small_balanced


def test_auto_without_a_hub_is_embedded_with_one_notice(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with caplog.at_level(logging.WARNING):
        encoder = load("auto")

    assert encoder.identity.spec == "embedded"
    (notice,) = (record for record in caplog.records if record.name.startswith("mmsearch"))
    assert notice.levelno == logging.WARNING
    assert "HF_HUB_OFFLINE is set" in notice.message
    assert "--model embedded" in notice.message


def test_a_preset_without_a_hub_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.environ.update(HF_HUB_OFFLINE='1', HF_HOME=sys.argv[1])\n"
        "from mmsearch.encoders.registry import load\n"
        "from mmsearch.errors import HubUnreachableError\n"
        "try: load('best')\n"
        "except HubUnreachableError: sys.exit('torch' in sys.modules)\n"
        "sys.exit(2)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    assert result.returncode == 0


def test_architectures_may_be_written_with_a_slash() -> None:
    with pytest.raises(UnknownEncoderError, match="The architecture ViT-B-32 has no pretrained"):
        load("ViT-B/32/nothing")


def test_auto_without_a_hub_imports_no_torch(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.environ.update(HF_HUB_OFFLINE='1', HF_HOME=sys.argv[1]);"
        "from mmsearch.encoders.registry import load; load('auto').encode_texts(['a cat']);"
        "sys.exit('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    assert result.returncode == 0


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("balancd", "Did you mean balanced"),
        ("embeded", "Did you mean embedded"),
        ("ViT-B-32", "Did you mean ViT-B-32/"),
        ("ViT-B-32-265/datacomp_s34b_b86k", "did you mean ViT-B-32-256"),
        ("ViT-B-32-256/datacomp_s34b_b86", "did you mean datacomp_s34b_b86k"),
        ("ViT-B-23:weights.pt", "did you mean ViT-B-32"),
        ("no such thing at all", "mmsearch models"),
        ("", "mmsearch models"),
        ("/", "mmsearch models"),
        ("C:\\weights.pt", "mmsearch models"),
    ],
)
def test_an_unknown_name_brings_near_ones(spec: str, match: str) -> None:
    with pytest.raises(UnknownEncoderError, match=match):
        load(spec)


def test_a_checkpoint_without_its_architecture(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.touch()

    with pytest.raises(UnknownEncoderError, match=f"--model ViT-B-32-256:{path}"):
        load(str(path))


@pytest.mark.parametrize("path", [r"C:\photos\weights.pt", "sub/dir/weights.pt", "a:b/weights.pt"])
def test_a_path_may_hold_colons_and_slashes(tiny: str, path: str) -> None:
    """None of these files is there, so the path that was understood is in the message."""
    with pytest.raises(WeightsError) as caught:
        load(f"{tiny}:{path}")
    assert str(Path.cwd() / path) in str(caught.value)


def test_reopening_gives_the_same_encoder() -> None:
    assert reopen(TinyEncoder().identity).id == TinyEncoder().id


def test_an_index_of_another_encoder_is_not_reopened() -> None:
    other = TinyEncoder(seed=1)

    with pytest.raises(EncoderMismatchError) as caught:
        reopen(other.identity)
    for part in (other.id, TinyEncoder().id, "mmsearch index --model"):
        assert part in str(caught.value)


def test_a_checkpoint_that_changed_is_not_reopened(
    tiny: str, tiny_model: Any, tiny_file: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    shutil.copy(tiny_file, path)
    identity = load(f"{tiny}:{path}", device="cpu").identity
    assert reopen(identity, device="cpu").identity == identity

    save_file({name: tensor + 1 for name, tensor in tiny_model.state_dict().items()}, path)
    with pytest.raises(EncoderMismatchError):
        reopen(identity, device="cpu")


def test_weights_are_reopened_at_the_revision_of_the_index(
    hub: Hub, tiny: str, tiny_tag: str
) -> None:
    encoder = load(f"{tiny}/{tiny_tag}", device="cpu")
    identity = EncoderIdentity(
        encoder.identity.spec, encoder.identity.name, COMMIT, encoder.transform
    )
    shutil.rmtree(constants.HF_HUB_CACHE)
    hub.requests.clear()

    assert reopen(identity, device="cpu").id == encoder.id
    assert hub.requests
    assert all(f"/resolve/{COMMIT}/" in path for path, _ in hub.requests)


def test_the_listing_says_what_is_cached(hub: Hub, small_balanced: str) -> None:
    def cached() -> dict[str, bool]:
        return {listing.name: listing.cached for listing in available()}

    assert cached() == {"embedded": True, "fast": False, "balanced": False, "best": False}
    load("balanced", device="cpu")
    assert cached()["balanced"]


def test_the_listing_finds_other_models_of_the_cache(hub: Hub) -> None:
    load(f"hf-hub:{TINY_REPO}", device="cpu")
    (Path(constants.HF_HUB_CACHE) / "models--a--b--c").mkdir()

    names = [listing.name for listing in available()]
    assert names[0] == "embedded"
    assert names[-1] == f"hf-hub:{TINY_REPO}"
    assert load(names[-1], device="cpu").identity.spec == names[-1]


def test_listing_imports_no_torch(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.environ['HF_HOME'] = sys.argv[1];"
        "from mmsearch.encoders.registry import available; available();"
        "sys.exit('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    assert result.returncode == 0


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_what_open_clip_knows(preset: Any) -> None:
    pretrained = open_clip.get_pretrained_cfg(preset.architecture, preset.tag)
    config = open_clip.get_model_config(preset.architecture)
    tokenizer = config["text_cfg"].get("hf_tokenizer_name")

    assert pretrained["hf_hub"] == f"{preset.repo}/"
    assert config["embed_dim"] == preset.dim
    assert tokenizer == (preset.repo if preset.tokenizer else None)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_documentation_says_the_same(preset: Any) -> None:
    documentation = Path(__file__).parents[2] / "docs" / "models.md"
    (row,) = (
        line
        for line in documentation.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{preset.name}`")
    )
    facts = (preset.spec, preset.licence, str(preset.recall), str(preset.dim))
    for fact in (*facts, f"{preset.download_bytes / 1e9:.2f} GB"):
        assert fact in row
