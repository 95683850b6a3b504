"""Every engine gives the embeddings of the tower that it runs."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch import nn

from mmsearch.encoders.base import PreparedEncoder, expect_images
from mmsearch.encoders.engines import choose, compiled, exported, packed
from mmsearch.encoders.engines.base import Engine, Tower
from mmsearch.encoders.engines.streams import Streams
from mmsearch.encoders.registry import load
from mmsearch.errors import SettingsError


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


def test_streams_fill_up_what_an_engine_wants_whole(tower: Tower) -> None:
    def run(part: torch.Tensor) -> torch.Tensor:
        assert len(part) == 16
        return tower.visual(part)

    streams = Streams(run, 1, size=16)
    with torch.inference_mode():
        assert_same(streams(images(21)), tower.visual(images(21)))
    streams.close()


@pytest.mark.slow
@pytest.mark.skipif(
    not compiled.fits(None),  # type: ignore[arg-type]
    reason="there is no C++ compiler",
)
def test_the_compiled_tower_is_the_tower(tower: Tower) -> None:
    run = compiled.start(tower)
    with torch.inference_mode():
        streams = Streams(run, 2, compiled.BATCH)
        assert_same(streams(images(40)), tower.visual(images(40)))
        streams.close()
    assert any((tower.cache / "compiled").iterdir())


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


def slow_and_fast(tower: Tower) -> tuple[Engine, ...]:
    def fast(_tower: Tower) -> Any:
        return lambda part: torch.ones(len(part), 24)

    def broken(_tower: Tower) -> Any:
        raise RuntimeError("no compiler")

    return (
        choose.TORCH,
        Engine("fast", lambda _: True, fast, seconds=1, again=1),
        Engine("broken", lambda _: True, broken, seconds=1, again=1),
        Engine("elsewhere", lambda _: False, broken, seconds=0, again=0),
    )


def test_long_work_takes_the_fastest_engine_and_remembers_it(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "ENGINES", slow_and_fast(tower))

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
    assert rates["fast"] > rates["torch"] > rates["broken"] == 0
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
