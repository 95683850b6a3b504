"""`mmsearch.train(depth=...)` fine-tunes the towers of the embedded encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

import mmsearch
from mmsearch.encoders import registry
from mmsearch.encoders.named import CARD
from mmsearch.errors import TrainingError

for module in ("onnx", "timm", "matplotlib"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")

MEDIA = Path(__file__).parents[3] / "indexes" / "demo" / "media"
# Names that nobody can know: only training on them can find the photos.
NAMES = {
    "coffee.jpg": "zorblax",
    "dahlia.jpg": "quimby",
    "living-room.jpg": "vantor",
    "animals/chelsea.jpg": "pelufo",
    "people/eileen-collins.jpg": "drasti",
    "places/picos-de-europa.jpg": "umbrel",
    "places/summer-palace.jpg": "kostig",
    "brushes.jpg": "wefnal",
}


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, Path]:
    """Four parts of each of eight photos, with the name of the whole as their caption."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["image\tcaption"]
    for path, name in NAMES.items():
        with Image.open(MEDIA / path) as photo:
            width, height = photo.size
            for number, (left, top) in enumerate([(0, 0), (0.2, 0), (0, 0.2), (0.2, 0.2)]):
                box = (left * width, top * height, (left + 0.8) * width, (top + 0.8) * height)
                photo.convert("RGB").resize((256, 256), box=box).save(
                    folder / f"{name}{number}.jpg"
                )
                lines.append(f"{name}{number}.jpg\ta photo of the {name}")
    captions = tmp_path / "captions.tsv"
    captions.write_text("\n".join(lines))
    return folder, captions


@pytest.mark.slow
@pytest.mark.timeout(900)  # trains for minutes where other programs run as well
def test_towers_learn_and_are_stored_under_a_name(
    photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, captions = photos
    monkeypatch.setattr("mmsearch.training.refine._THINGS", 100)  # reading 2,000 takes longest
    report = mmsearch.train(
        "names", images=folder, captions=captions, model="embedded", depth=1, held_out=0.25
    )
    assert report.outcome.after.score > report.outcome.before.score
    assert len(report.outcome.history) >= 1
    files = {path.name for path in report.path.iterdir()}
    assert {"manifest.json", "image_tower.onnx", "text_tower.onnx", CARD, "curves.png"} <= files
    assert "depth 1" in (report.path / CARD).read_text()
    assert json.loads(json.dumps(report.as_dict()))["method"] == "towers"

    encoder = registry.load("names")
    assert encoder.id == report.encoder
    assert registry.reopen(encoder.identity).id == encoder.id
    with pytest.raises(TrainingError, match="names"):
        mmsearch.train("names", images=folder, captions=captions, model="embedded", depth=1)


def test_nothing_is_left_of_training_that_brought_nothing(
    photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, captions = photos
    checkpoints: list[Path] = []

    def no_better(
        base: Path,
        _train: object,
        _held_out: object,
        out: Path,
        *_: object,
        kept: Path,
        **__: object,
    ) -> list[object]:
        kept.mkdir(parents=True)
        checkpoints.append(kept / "checkpoint.pt")
        checkpoints[0].write_bytes(b"state")
        shutil.copytree(base, out, dirs_exist_ok=True)
        return []

    monkeypatch.setattr("mmsearch.training.adapt.deep.refine", no_better)
    with pytest.raises(TrainingError, match="no better than embedded"):
        mmsearch.train("names", images=folder, captions=captions, model="embedded", depth=1)
    assert not checkpoints[0].exists()


def test_only_the_embedded_encoder_has_towers_to_train(photos: tuple[Path, Path]) -> None:
    folder, captions = photos
    with pytest.raises(TrainingError, match="Leave --depth out"):
        mmsearch.train("mine", images=folder, captions=captions, model="testing", depth=1)


def test_a_depth_that_does_not_exist_is_refused(photos: tuple[Path, Path]) -> None:
    folder, captions = photos
    with pytest.raises(TrainingError, match="1 to 3"):
        mmsearch.train("mine", images=folder, captions=captions, model="embedded", depth=4)


def test_history_outlives_an_interruption(tmp_path: Path) -> None:
    from mmsearch.training.finetune import TuningEpoch
    from mmsearch.training.refine import History

    epochs = [TuningEpoch(number, loss=1 / number, kept=0.5) for number in (1, 2, 3)]
    path = tmp_path / "history.json"
    for epoch in epochs:
        History(path).add(epoch, 10.0 * epoch.number)
    expected = [(epoch, 10.0 * epoch.number) for epoch in epochs]
    assert list(History(path).epochs) == expected
    History(path).add(epochs[1], 5.0)  # interrupted before its checkpoint was written
    assert list(History(path).epochs) == [expected[0], (epochs[1], 5.0)]
    path.write_text("[[")
    assert list(History(path).epochs) == []
