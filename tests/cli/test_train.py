from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmsearch.settings import load_settings
from mmsearch.training.features import Progress
from tests.training.adapt.conftest import write_photos

for module in ("onnx", "matplotlib"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")


def mmsearch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmsearch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_train_index_query(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    given = ("--images", photos, "--captions", photos / "captions.tsv", "--model", "testing")
    trained = mmsearch("train", "italian", *given, "--held-out", 0.3, "--json")
    assert trained.returncode == 0, trained.stderr
    report = json.loads(trained.stdout)
    assert report["after"]["text_to_image"]["MRR"] > report["before"]["text_to_image"]["MRR"]
    assert (report["photos"], report["held_out_photos"]) == (60, 60), "each once"
    assert "Cross-validation" in trained.stderr, "progress"

    assert "italian" in mmsearch("models").stdout
    index = tmp_path / "photos.mmsearch"
    assert mmsearch("index", photos, "--model", "italian", "--index", index).returncode == 0
    status = json.loads(mmsearch("status", "--index", index, "--json").stdout)
    assert status["encoder"] == report["encoder"]
    found = json.loads(
        mmsearch("query", "verde con rosa", "--index", index, "--all", "--json").stdout
    )
    assert found["encoder"] == report["encoder"]
    assert found["hits"]
    measured = mmsearch("eval", *given[:4], "--model", "italian", "--json")
    assert json.loads(measured.stdout)["encoder"] == report["encoder"]

    again = mmsearch("train", "italian", *given)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert again.stdout == ""
    forced = mmsearch("train", "italian", *given, "--method", "ridge", "--held-out", 0.3, "--force")
    assert forced.returncode == 0, forced.stderr
    assert "before" in forced.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_ctrl_c(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    command = [sys.executable, "-m", "mmsearch", "train", "half", "--model", "testing"]
    command += ["--images", str(photos), "--captions", str(photos / "captions.tsv")]
    command += ["--method", "heads"]  # takes long enough to be interrupted
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        seen = b""
        while b"Captions" not in seen and (more := running.stderr.read1()):
            seen += more
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.endswith(b"mmsearch: interrupted.\n")
    assert out == b""
    assert list(load_settings().encoders.iterdir()) == []
    assert {path.suffix for path in load_settings().cache.rglob("*.*")} <= {".npz"}


def test_a_step_that_comes_twice_has_two_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmsearch.cli import main
    from mmsearch.errors import TrainingError

    def trained(*_: object, progress: Progress, **__: object) -> None:
        progress("features of texts", 21, 21)
        progress("features of texts", 1024, 2000)
        raise TrainingError("enough")

    monkeypatch.setattr("mmsearch.training.adapt.entry.train", trained)
    with pytest.raises(SystemExit):
        main(["train", "x", "--images", ".", "--captions", "captions.tsv"])
    assert "1024/2000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("train",),
        ("train", "x"),
        ("train", "x", "--images", "."),
        ("train", "x", "--index", "a", "--images", "."),
        ("train", "x", "--index", "a", "--method", "magic"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert mmsearch(*arguments).returncode == 2
