"""Every engine gives the embeddings of the tower that it runs."""

from __future__ import annotations

import gc
import json
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch import nn

import mmsearch
from mmsearch.encoders.base import PreparedEncoder, expect_images
from mmsearch.encoders.engines import choose, exported, packed
from mmsearch.encoders.engines.base import Engine, Tower
from mmsearch.encoders.engines.streams import Streams
from mmsearch.encoders.registry import load
from mmsearch.errors import SettingsError
from mmsearch.testing import make_photo


@pytest.fixture
def tower(tiny_model: Any, tmp_path: Path) -> Tower:
    example = torch.zeros(1, 3, 48, 48)
    visual = tiny_model.visual.eval().requires_grad_(requires_grad=False)
    return Tower(visual, "tiny", "r/1:x", example, cores=2, cache=tmp_path)


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def assert_same(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found.float(), expected.float(), rtol=0, atol=tolerance)


@torch.inference_mode()
def test_the_rewritten_tower_is_the_tower(tower: Tower) -> None:
    expected = tower.visual(images(5))
    before = {name: tensor.clone() for name, tensor in tower.visual.state_dict().items()}
    assert_same(packed.start(tower)(images(5)), expected)
    assert_same(packed.rewrite(tower.visual, pack=False)(images(5)), expected)
    # The original is as it was.
    assert_same(tower.visual(images(5)), expected, 0)
    assert all(torch.equal(before[name], t) for name, t in tower.visual.state_dict().items())


@torch.inference_mode()
@pytest.mark.parametrize("activation", [nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU()])
def test_layers_of_timm_are_rewritten(activation: nn.Module) -> None:
    from timm.layers import Mlp

    layer = Mlp(64, 96).eval()
    layer.act = activation
    rows = torch.randn(7, 64)
    torch.testing.assert_close(packed.rewrite(layer, pack=True)(rows), layer(rows))


@torch.inference_mode()
def test_attention_that_is_no_self_attention_stays(tower: Tower) -> None:
    class Pooling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(64, 2, batch_first=True)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            mask = torch.ones(rows.shape[1], rows.shape[1]).triu(1).bool()
            masked = self.attn(rows, rows, rows, need_weights=False, attn_mask=mask)[0]
            return self.attn(rows[:, :1], rows, rows)[0] + masked

    pooling, rows = Pooling().eval(), torch.randn(3, 9, 64)
    torch.testing.assert_close(packed.rewrite(pooling, pack=True)(rows), pooling(rows))


def test_streams_give_what_the_engine_gives(tower: Tower) -> None:
    threads = torch.get_num_threads()
    used = set()

    def run(part: torch.Tensor) -> torch.Tensor:
        used.add(torch.get_num_threads())
        return tower.visual(part)

    streams = Streams(run, 2)
    with torch.inference_mode():
        expected = tower.visual(images(70))
        for _ in range(8):  # through all sizes that are tried
            assert_same(streams(images(70)), expected)
        assert_same(streams(images(1)), expected[:1])
    assert used == {1}
    assert torch.get_num_threads() == threads
    assert streams.batch_size == 4 * streams.size
    streams.close()


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1]), (5, [2, 3]), (20, [10, 10]), (70, [10, 12, 12, 12, 12, 12])]
)
def test_no_thread_is_left_without_images_at_the_end(count: int, expected: list[int]) -> None:
    parts = []

    def run(part: torch.Tensor) -> torch.Tensor:
        parts.append(len(part))
        return part

    streams = Streams(run, 2)
    assert torch.equal(streams(images(count)), images(count))
    assert sorted(parts) == expected
    streams.close()


@pytest.mark.skipif(not find_spec("onnx"), reason="the exporter needs onnx")
@pytest.mark.parametrize(
    "start",
    [
        exported.start_onnxruntime,
        pytest.param(
            exported.start_openvino,
            marks=pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed"),
        ),
    ],
)
def test_the_exported_tower_is_the_tower(tower: Tower, start: Any) -> None:
    with torch.inference_mode():
        for _ in range(2):  # exported, and as kept
            assert_same(start(tower)(images(5)), tower.visual(images(5)))


class Clock:
    """A clock that only engines move on: whatever else the machine does, rates are the same."""

    def __init__(self) -> None:
        self._now = 0.0
        self._moving = threading.Lock()

    def perf_counter(self) -> float:
        return self._now

    def engine(self, name: str, seconds: float, value: float) -> Engine:
        """An engine that takes so long for an image, and makes this of it."""

        def run(part: torch.Tensor) -> torch.Tensor:
            with self._moving:
                self._now += seconds * len(part)
            return torch.full((len(part), 24), value)

        return Engine(name, lambda _: True, lambda _: run, seconds=1, again=1)


def test_long_work_takes_the_fastest_engine_and_remembers_it(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_tower: Tower) -> Any:
        raise RuntimeError("cannot be exported")

    clock = Clock()
    engines = (
        clock.engine("torch", 0.1, 0),
        clock.engine("fast", 0.01, 1),
        Engine("broken", lambda _: True, broken, seconds=1, again=1),
        Engine("elsewhere", lambda _: False, broken, seconds=0, again=0),
    )
    monkeypatch.setattr(choose, "time", clock)
    monkeypatch.setattr(choose, "TORCH", engines[0])
    monkeypatch.setattr(choose, "ENGINES", engines)

    def is_fast(count: int) -> bool:
        streams = choose.choose(tower, count)
        with torch.inference_mode():
            found = streams(images(3))
        streams.close()
        return bool((found == 1).all())

    assert not is_fast(100)  # not worth a trial
    assert not (tower.cache / "engines.json").exists()
    assert is_fast(1_000_000)
    ((_, rates),) = json.loads((tower.cache / "engines.json").read_text()).items()
    assert rates == {"torch": 10, "fast": 100, "broken": 0}
    (tower.cache / "engines.json").write_text("{")  # damaged: measured again
    assert is_fast(1_000_000)


def test_the_engine_can_be_set(tiny: str, tiny_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(f"{tiny}:{tiny_file}", device="cpu")
    assert isinstance(encoder, PreparedEncoder)
    pixels = np.random.default_rng(0).integers(0, 256, (70, 48, 48, 3), dtype=np.uint8)
    expected = encoder.encode_images(pixels)
    expect_images(encoder, 70, 2)
    found = encoder.encode_images(pixels)
    assert (np.sum(found * expected, axis=1) > 0.999).all()
    monkeypatch.setenv("MMSEARCH_ENGINE", "steam")
    with pytest.raises(SettingsError, match="no engine 'steam'; known are auto, torch, onnx"):
        expect_images(encoder, 70, 2)


@torch.inference_mode()
def test_texts_need_no_padding(tiny: str, tiny_file: Path) -> None:
    from mmsearch.encoders.short_texts import encode_texts

    model = open_clip.create_model_from_pretrained(tiny, str(tiny_file), return_transform=False)
    tokens = open_clip.get_tokenizer(tiny)(["a cat", "", "two dogs on a beach", "word " * 90])
    for rows in (tokens[:1], tokens[:3], tokens):
        assert_same(encode_texts(model.eval(), rows), model.encode_text(rows))


def test_a_run_gives_back_what_was_prepared_for_it(
    tiny: str, tiny_file: Path, tmp_path: Path
) -> None:
    for number in range(70):
        make_photo(tmp_path / "photos" / f"{number}.png", (number, 9, 9), (8, 8))
    encoder = load(f"{tiny}:{tiny_file}", device="cpu")
    before = encoder.batch_size, threads_that_encode()
    sizes = set()
    with mmsearch.create(tmp_path / "index", model=encoder) as index:
        index.add(tmp_path / "photos", progress=lambda *_: sizes.add(encoder.batch_size))
    assert sizes != {before[0]}  # an engine was at work
    assert (encoder.batch_size, threads_that_encode()) == before


def threads_that_encode() -> int:
    gc.collect()
    threads = [t for t in threading.enumerate() if t.name.startswith("mmsearch-encode")]
    for thread in threads:
        thread.join(5)
    return sum(thread.is_alive() for thread in threads)
