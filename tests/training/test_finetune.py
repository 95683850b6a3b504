"""Fine-tuning: what is frozen stays, an interrupted run goes on, the average is what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("timm", reason="the extra 'train' is not installed")

from mmsearch.encoders.adapted import AffineMap
from mmsearch.training.averaging import Average
from mmsearch.training.checkpoint import Checkpoint
from mmsearch.training.finetune import FineTuning, TowerHeads, Towers, TuningEpoch, fine_tune
from mmsearch.training.material import Material
from mmsearch.training.minilm import MiniLM
from mmsearch.training.stages import LastStages
from mmsearch.training.standardise import Standardisation
from mmsearch.training.towers import ImageTower

PHOTOS, DIM, SENTENCE = 6, 8, 5
IMAGE_FEATURES, TEXT_FEATURES = 3240, 1536
SETTINGS = FineTuning(epochs=4, layers=1, batch=6, other_texts=2, average=0.5, patience=2)


@pytest.fixture(scope="module")
def material() -> Material:
    random = np.random.default_rng(0)
    return Material(
        views=[random.random((PHOTOS, 120, 196)).astype(np.float16) for _ in range(2)],
        logits=[random.standard_normal((PHOTOS, 1000)).astype(np.float16) for _ in range(2)],
        captions=[
            random.integers(1000, 9000, size=4 + n % 3).tolist() for n in range(2 * PHOTOS + 3)
        ],
        photo_of_caption=np.arange(2 * PHOTOS) // 2,
        photo_of_short=np.array([0, 0, 3]),
        sentences=random.standard_normal((2 * PHOTOS + 3, SENTENCE)).astype(np.float32),
        others=[[101, 2000 + n, 102] for n in range(4)],
        other_sentences=random.standard_normal((4, SENTENCE)).astype(np.float32),
    )


def start() -> tuple[Towers, TowerHeads]:
    """The same towers and heads each time."""
    torch.manual_seed(1)
    towers = Towers(LastStages(ImageTower().eval(), 2, 224, 0.1).eval(), MiniLM().eval())
    random = np.random.default_rng(1)

    def head(features: int, dim: int) -> AffineMap:
        weight = random.standard_normal((features, dim)).astype(np.float32) / features**0.5
        return AffineMap(weight, np.zeros(dim, np.float32))

    def scale(features: int) -> Standardisation:
        return Standardisation(np.zeros(features, np.float32), np.ones(features, np.float32))

    heads = TowerHeads(
        head(IMAGE_FEATURES, DIM),
        head(TEXT_FEATURES, DIM),
        head(TEXT_FEATURES, SENTENCE),
        scale(IMAGE_FEATURES),
        scale(TEXT_FEATURES),
    )
    return towers, heads


def weights(towers: Towers, heads: TowerHeads) -> dict[str, torch.Tensor]:
    modules = {"image": towers.image, "text": towers.text, "heads": heads}
    return {
        f"{kind}.{name}": value.clone()
        for kind, module in modules.items()
        for name, value in module.state_dict().items()
    }


def silent(_step: str, _done: int, _total: int) -> None:
    pass


def test_trains_what_it_should_and_nothing_else(material: Material, tmp_path: Path) -> None:
    towers, heads = start()
    before = weights(towers, heads)
    losses: list[float] = []
    settings = FineTuning(epochs=3, layers=1, batch=6, other_texts=2, average=0.5, dropout=0.0)
    fine_tune(towers, heads, material, settings, tmp_path, silent, lambda e: losses.append(e.loss))
    after = weights(towers, heads)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("image.stages.0.0.expand") for name in changed)
    assert {"heads.image.weight", "heads.text.weight", "heads.sentence.weight"} <= changed
    assert {name for name in changed if name.startswith("text.")}
    assert all("layers.5." in name for name in changed if name.startswith("text."))
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(material: Material, tmp_path: Path) -> None:
    whole = start()
    fine_tune(*whole, material, SETTINGS, tmp_path / "whole", silent)

    def interrupt(epoch: TuningEpoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    broken = start()
    with pytest.raises(KeyboardInterrupt):
        fine_tune(*broken, material, SETTINGS, tmp_path / "broken", silent, interrupt)
    seen: list[int] = []
    again = start()
    fine_tune(
        *again, material, SETTINGS, tmp_path / "broken", silent, lambda e: seen.append(e.number)
    )
    assert seen == [3, 4]
    expected = weights(*whole)
    for name, value in weights(*again).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_other_settings_begin_anew(material: Material, tmp_path: Path) -> None:
    fine_tune(*start(), material, SETTINGS, tmp_path, silent)
    seen: list[int] = []
    other = FineTuning(epochs=1, layers=1, batch=6, other_texts=2)
    fine_tune(*start(), material, other, tmp_path, silent, lambda e: seen.append(e.number))
    assert seen == [1]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_checkpoint_begins_anew(
    content: bytes, material: Material, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Untouched:
        def state(self) -> dict[str, object]:
            return {}

        def resume(self, state: dict[str, object]) -> None:
            raise AssertionError(state)

    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    Checkpoint(path, "settings", material).load(Untouched())
    assert "begins anew" in caplog.text


def test_the_best_epoch_is_kept_and_patience_ends_it(material: Material, tmp_path: Path) -> None:
    towers, heads = start()
    qualities = {1: 5.0, 2: 4.0, 3: 3.0}
    at_best: dict[str, torch.Tensor] = {}

    def watch(epoch: TuningEpoch) -> float:
        if epoch.number == 1:
            at_best.update(weights(towers, heads))
        return qualities[epoch.number]  # there is no fourth

    fine_tune(towers, heads, material, SETTINGS, tmp_path, silent, watch)
    for name, value in weights(towers, heads).items():
        torch.testing.assert_close(value, at_best[name])


def test_average_follows_and_gives_the_weights_back() -> None:
    module = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    average = Average([module], kept=0.75)
    with torch.no_grad():
        module.weight.fill_(1.0)
    for _ in range(100):
        average.update()
    with torch.no_grad():
        module.weight.fill_(3.0)
    with average.in_place():
        torch.testing.assert_close(module.weight, torch.ones(1, 2), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(module.weight, torch.full((1, 2), 3.0))
