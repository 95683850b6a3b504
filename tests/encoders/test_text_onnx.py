"""Texts are read without torch, by an exported tower that gives what torch gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from mmsearch.encoders.open_clip import OpenClipEncoder
from mmsearch.encoders.registry import load
from mmsearch.encoders.text_onnx import bpe, clean
from mmsearch.encoders.text_onnx.tokens import ClipTokens
from mmsearch.encoders.text_onnx.tower import Description, TextTower
from mmsearch.errors import WeightsError

TEXTS = ["a cat", "Two dogs, on a beach!", "", "Ünïcode ✨ &amp; more", "word " * 200]

# What people type, and what breaks tokenizers: apostrophes, HTML, mojibake, controls, scripts.
SIGNS = "aAzé'’ſtsremvdl &;<>_-#\t\n\r\x0b\x1c\x85\u00a0ÃÂ©09½٣ßİ"
PIECES = ("a photo of", "don't", "WE'LL", "<end_of_text>", "&amp;lt;", "cafÃ©", "東京", "x" * 30)
texts = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.sampled_from(SIGNS), max_size=30),
    st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join),
)


@pytest.fixture(scope="module")
def merges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "merges.txt"
    bpe.write_merges(Path(open_clip.tokenizer.default_bpe()), path)
    return path


@pytest.fixture(scope="module")
def theirs() -> SimpleTokenizer:
    return SimpleTokenizer()


class TestTokenizer:
    @given(text=texts)
    @example(text="'ſ")
    @example(text="İ'LL")
    @example(text="!<start_of_text>")
    def test_gives_open_clips_tokens(
        self, merges: Path, theirs: SimpleTokenizer, text: str
    ) -> None:
        text = text.encode("utf-8", "replace").decode()
        expected = theirs([text], context_length=24).numpy()

        np.testing.assert_array_equal(ClipTokens(merges, 24, short=False)([text]), expected)

    @given(text=texts)
    def test_short_rows_lack_only_what_fills_up(self, merges: Path, text: str) -> None:
        filled = ClipTokens(merges, 24, short=False)([text, "a"])
        short = ClipTokens(merges, 24, short=True)([text, "a"])

        np.testing.assert_array_equal(short, filled[:, : short.shape[1]])
        assert not filled[:, short.shape[1] :].any()

    @given(text=texts)
    @pytest.mark.parametrize("way", clean.WAYS)
    def test_cleans_as_open_clip_does(self, way: str, text: str) -> None:
        text = text.encode("utf-8", "replace").decode()
        assert clean.WAYS[way](text) == open_clip.tokenizer.get_clean_fn(way)(text)

    def test_knows_what_fits(self, merges: Path) -> None:
        tokens = ClipTokens(merges, 5, short=True)

        assert tokens.fits("one two three")
        assert not tokens.fits("one two three four")

    def test_reads_names_of_files_with_bytes_that_are_no_text(self, merges: Path) -> None:
        tokens = ClipTokens(merges, 16, short=True)
        np.testing.assert_array_equal(tokens(["a\udc80"]), tokens(["a?"]))

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a b\nc d"])
    def test_refuses_a_damaged_file(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "merges.txt").write_bytes(content)
        with pytest.raises(WeightsError, match="merges.txt"):
            bpe.ClipTokenizer(tmp_path / "merges.txt")


@pytest.fixture
def encoder(tiny: str, tiny_file: Path, float32: None) -> OpenClipEncoder:
    loaded = load(f"{tiny}:{tiny_file}", device="cpu")
    assert isinstance(loaded, OpenClipEncoder)
    return loaded


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def export(encoder: OpenClipEncoder, folder: Path) -> TextTower:
    folder.mkdir()
    encoder.export_texts(folder)
    description = Description.load(folder)
    assert description is not None
    return TextTower(folder, description)


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool((np.sum(found * expected, axis=1) > 0.99).all())


class TestExport:
    def test_gives_what_torch_gives(self, encoder: OpenClipEncoder, tmp_path: Path) -> None:
        tower = export(encoder, tmp_path / "tower")
        found, expected = tower(TEXTS), encoder.encode_texts(TEXTS)

        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
        assert near(found, expected)
        # not all alike, so that the comparison means something
        assert not near(found[:1], expected[1:2])
        assert tower([]).shape == (0, encoder.dim)

    def test_an_embedding_does_not_depend_on_its_batch(
        self, encoder: OpenClipEncoder, tmp_path: Path
    ) -> None:
        tower = export(encoder, tmp_path / "tower")
        alone = np.concatenate([tower([text]) for text in TEXTS])

        np.testing.assert_allclose(tower(TEXTS), alone, atol=1e-5)

    def test_the_description_says_how_near_it_comes(
        self, encoder: OpenClipEncoder, tmp_path: Path
    ) -> None:
        export(encoder, tmp_path / "tower")
        description = Description.load(tmp_path / "tower")

        assert description is not None
        assert description.encoder == encoder.id
        assert description.parity.texts > 50
        assert 0.99 <= description.parity.least <= description.parity.mean

    def test_towers_of_their_own_classes(
        self, tiny: str, tiny_model: Any, tmp_path: Path, float32: None
    ) -> None:
        import torch
        from safetensors.torch import save_file

        torch.manual_seed(1)
        model = open_clip.create_model(f"{tiny}-custom").eval()
        path = tmp_path / "custom.safetensors"
        save_file({name: t.contiguous() for name, t in model.state_dict().items()}, path)
        encoder = load(f"{tiny}-custom:{path}", device="cpu")
        assert isinstance(encoder, OpenClipEncoder)

        assert near(export(encoder, tmp_path / "tower")(TEXTS), encoder.encode_texts(TEXTS))
