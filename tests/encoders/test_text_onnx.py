"""Texts are read without torch, by an exported tower that gives what torch gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

import mmsearch
from mmsearch.encoders.adapted import (
    AdaptedEncoder,
    AffineMap,
    HeadInput,
    Heads,
    ResidualHead,
)
from mmsearch.encoders.open_clip import OpenClipEncoder
from mmsearch.encoders.registry import load
from mmsearch.encoders.text_onnx import bpe, clean
from mmsearch.encoders.text_onnx.encoder import TextFirstEncoder, open_for_queries, whole
from mmsearch.encoders.text_onnx.kept import TowerPlaces, keep_text_tower
from mmsearch.encoders.text_onnx.tokens import ClipTokens
from mmsearch.encoders.text_onnx.tower import Description, TextTower
from mmsearch.errors import EncoderError, WeightsError
from mmsearch.testing import TinyEncoder, make_photo

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

    @pytest.fixture
    def siglip(self, tiny: str, tmp_path: Path, float32: None) -> OpenClipEncoder:
        """A tower that sees all tokens, with a tokenizer of the library tokenizers."""
        import torch
        from safetensors.torch import save_file
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace
        from tokenizers.processors import TemplateProcessing
        from transformers import PreTrainedTokenizerFast

        folder = tmp_path / "siglip"
        words = [
            "<pad>",
            "<eos>",
            "<unk>",
            *["a", "an", "the", "cat", "dogs", "on", "beach", "two", "of", "photo"],
        ]
        tokenizer = Tokenizer(
            WordLevel({word: code for code, word in enumerate(words)}, unk_token="<unk>")
        )
        tokenizer.pre_tokenizer = Whitespace()
        tokenizer.post_processor = TemplateProcessing(
            single="$A <eos>", special_tokens=[("<eos>", 1)]
        )
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
        ).save_pretrained(folder)
        name = "mmsearch-tiny-siglip"
        config = {
            "embed_dim": 24,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 48, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16
            },
            "text_cfg": {
                "context_length": 12, "vocab_size": 32, "width": 32, "heads": 2, "layers": 2,
                "no_causal_mask": True, "pool_type": "last", "proj_bias": True,
                "hf_tokenizer_name": "someone/siglip",
                "tokenizer_kwargs": {"clean": "canonicalize"},
            },
        }  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
        open_clip.add_model_config(tmp_path / f"{name}.json")
        torch.manual_seed(0)
        model = open_clip.create_model(name, load_weights=False).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.3)
        path = folder / "weights.safetensors"
        save_file({key: t.contiguous() for key, t in model.state_dict().items()}, path)
        loaded = load(f"{name}:{path}", device="cpu")
        assert isinstance(loaded, OpenClipEncoder)
        return loaded

    def test_towers_with_tokenizers_from_the_hub(
        self, siglip: OpenClipEncoder, tmp_path: Path
    ) -> None:
        tower = export(siglip, tmp_path / "tower")
        asked = ["a cat", "Two_dogs, on the beach!", "", "the photo of a cat " * 9]

        assert near(tower(asked), siglip.encode_texts(asked))
        assert [tower.tokens.fits(text) for text in asked] == [True, True, True, False]

    def test_what_cannot_be_exported_says_why(
        self, siglip: OpenClipEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrapper: Any = siglip.tokenizer.cut
        assert isinstance(wrapper, HFTokenizer)
        monkeypatch.setattr(wrapper, "tokenizer_mode", "clips")
        (tmp_path / "tower").mkdir()

        with pytest.raises(EncoderError, match="mode clips"):
            siglip.export_texts(tmp_path / "tower")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("red", "blue", "green"):
        make_photo(tmp_path / "photos" / f"{name}.png", name)
    return tmp_path / "photos"


@pytest.fixture
def index(tiny: str, tiny_file: Path, photos: Path, tmp_path: Path) -> Path:
    weights = tmp_path / "weights.safetensors"
    shutil.copy(tiny_file, weights)
    with mmsearch.create(tmp_path / "index", model=f"{tiny}:{weights}", device="cpu") as made:
        made.add(photos)
    return tmp_path / "index"


def towers(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("text-*") if (path / "tower.json").is_file())


def search(index: Path) -> list[tuple[str, float]]:
    with mmsearch.open(index, device="cpu") as opened:
        assert isinstance(opened.encoder, TextFirstEncoder)
        return [(hit.path.name, hit.score) for hit in opened.search("something red")]


class TestIndex:
    def test_indexing_keeps_a_tower_and_queries_take_it(self, index: Path, own_cache: Path) -> None:
        assert len(towers(index)) == len(towers(own_cache / "text-towers")) == 1
        assert len(search(index)) == 3

    def test_a_moved_index_answers_without_its_weights(
        self, index: Path, tmp_path: Path, own_cache: Path
    ) -> None:
        before = search(index)
        (tmp_path / "weights.safetensors").unlink()
        shutil.rmtree(own_cache)
        moved = tmp_path / "elsewhere" / "moved"
        shutil.copytree(index, moved)

        assert search(moved) == before

    def test_text_queries_import_neither_torch_nor_open_clip(self, index: Path) -> None:
        code = (
            "import sys, mmsearch\n"
            "with mmsearch.open(sys.argv[1]) as index:\n"
            "    assert index.search('a red photo -blue')\n"
            "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(index)], capture_output=True, text=True, check=True
        )
        modules = set(done.stdout.split())

        assert "onnxruntime" in modules
        assert not {"torch", "open_clip", "transformers", "onnx", "faiss"} & modules

    def test_images_are_encoded_by_the_encoder_itself(self, index: Path, photos: Path) -> None:
        with mmsearch.open(index, device="cpu") as opened:
            assert opened.search(image=photos / "red.png", k=1)[0].path.name == "red.png"
            assert isinstance(whole(opened.encoder), OpenClipEncoder)
            assert opened.encoder.batch_size == whole(opened.encoder).batch_size

    @pytest.mark.parametrize("missing", ["tower.json", "tower.onnx", "merges.txt", "tower.bin"])
    def test_a_damaged_tower_is_made_again(
        self,
        index: Path,
        own_cache: Path,
        missing: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        before = search(index)
        shutil.rmtree(own_cache)
        (towers(index)[0] / missing).unlink()
        with mmsearch.open(index, device="cpu") as opened:
            assert len(opened.search("something red")) == 3
        assert sum("exported once" in message for message in caplog.messages) == 1

        caplog.clear()
        assert search(index) == before
        assert caplog.messages == []

    def test_an_index_that_cannot_be_written_to_uses_the_cache(
        self, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(source: Path, folder: Path) -> None:
            raise PermissionError(13, "Permission denied")

        shutil.rmtree(towers(index)[0])
        monkeypatch.setattr("mmsearch.encoders.text_onnx.kept._share", refuse)
        assert len(search(index)) == 3

    def test_a_tower_that_cannot_be_exported_is_told_of_once(
        self,
        index: Path,
        own_cache: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(encoder: OpenClipEncoder, folder: Path) -> None:
            raise EncoderError("its layers are of another kind")

        shutil.rmtree(towers(index)[0])
        shutil.rmtree(own_cache)
        monkeypatch.setattr(OpenClipEncoder, "export_texts", fail)
        for _ in range(2):
            with mmsearch.open(index, device="cpu") as opened:
                assert len(opened.search("something red")) == 3
        assert sum("of another kind" in message for message in caplog.messages) == 1

    def test_reencoding_replaces_the_tower(
        self, index: Path, tiny: str, tiny_file: Path, tmp_path: Path
    ) -> None:
        from safetensors.torch import load_file, save_file

        state = {name: tensor * 1.5 for name, tensor in load_file(tiny_file).items()}
        save_file(state, tmp_path / "other.safetensors")
        (before,) = towers(index)
        with mmsearch.open(index, device="cpu") as opened:
            opened.reencode(f"{tiny}:{tmp_path / 'other.safetensors'}")

        (after,) = towers(index)
        assert after != before
        assert len(search(index)) == 3

    def test_encoders_without_torch_need_none(self, tmp_path: Path) -> None:
        keep_text_tower(TinyEncoder(), tmp_path)
        encoder = TinyEncoder()

        assert list(tmp_path.iterdir()) == []
        assert TowerPlaces.of(encoder.id, tmp_path).open() is None
        opened = open_for_queries(encoder.identity, tmp_path, dim=encoder.dim)
        assert isinstance(opened, TinyEncoder)


class TestAdapted:
    @pytest.fixture
    def adapted(self, tiny: str, tiny_file: Path, photos: Path, tmp_path: Path) -> Any:
        """An index of an encoder with heads on top of an open_clip model."""
        base = load(f"{tiny}:{tiny_file}", device="cpu")
        random = np.random.default_rng(1)

        def head() -> ResidualHead:
            shape = (base.dim, base.dim)
            weight = random.normal(size=shape).astype(np.float32) * np.float32(0.1)
            return ResidualHead(
                HeadInput.EMBEDDINGS, AffineMap(weight, np.zeros(base.dim, np.float32))
            )

        heads = Heads(head(), head())
        encoder = AdaptedEncoder(
            base, heads, spec="mine", name="mine", revision=heads.revision(base.id)
        )
        with mmsearch.create(tmp_path / "adapted", model=encoder) as index:
            index.add(photos)
        return encoder

    def test_its_queries_do_without_the_base(self, adapted: AdaptedEncoder, tmp_path: Path) -> None:
        with mmsearch.open(tmp_path / "adapted") as index:  # "mine" cannot be loaded
            found = index.encoder.encode_texts(TEXTS)
            assert isinstance(index.encoder, TextFirstEncoder)
            assert len(index.search("something red")) == 3
        assert near(found, adapted.encode_texts(TEXTS))
        assert not near(found, adapted.base.encode_texts(TEXTS))
        assert TowerPlaces.of(adapted.id, tmp_path / "adapted").is_complete()
        assert not TowerPlaces.of(adapted.base.id, tmp_path / "adapted").is_complete()


def test_another_encoder_takes_the_tower_of_the_one_before_away(
    index: Path, tmp_path: Path
) -> None:
    with mmsearch.open(index, device="cpu") as opened:
        opened.reencode(TinyEncoder())
        assert len(opened.search("red")) == 3

    assert towers(index) == []


def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".text-old", tmp_path / ".text-new"
    old.mkdir()
    (old / "tower.bin").write_bytes(b"0")
    os.utime(old, (0, 0))
    new.mkdir()
    keep_text_tower(TinyEncoder(), tmp_path)

    assert list(tmp_path.iterdir()) == [new]  # another process is at work on it
