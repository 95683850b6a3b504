"""open_clip encoders give the embeddings that open_clip gives."""

from __future__ import annotations

import json
import logging
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from mmsearch.encoders import architecture, checkpoint, device, tokenizer
from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.device import place
from mmsearch.encoders.open_clip import OpenClipEncoder
from mmsearch.encoders.registry import load
from mmsearch.errors import DeviceUnavailableError, UnknownEncoderError, WeightsError

TEXTS = ["a cat", "Two dogs, on a beach!", "", "Ünïcode ✨", "word " * 200]


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    sizes = [(61, 80), (120, 47), (48, 48)]
    return [
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


def by_open_clip(name: str, path: Path, photos: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    model, preprocess = open_clip.create_model_from_pretrained(name, pretrained=str(path))
    tokens = open_clip.get_tokenizer(name)(TEXTS)
    with torch.inference_mode():
        images = model.encode_image(torch.stack([preprocess(photo) for photo in photos]))
        texts = model.encode_text(tokens)
    return tuple(torch.nn.functional.normalize(rows).numpy() for rows in (images, texts))


def embed(encoder: DualEncoder, photos: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.stack([encoder.transform(photo) for photo in photos])
    return encoder.encode_images(pixels), encoder.encode_texts(TEXTS)


@pytest.mark.usefixtures("float32")
def test_a_local_checkpoint_gives_open_clips_embeddings(
    tiny: str, tiny_file: Path, photos: list[Image.Image]
) -> None:
    encoder = load(f"{tiny}:{tiny_file}", device="cpu")
    images, texts = embed(encoder, photos)
    expected_images, expected_texts = by_open_clip(tiny, tiny_file, photos)

    assert isinstance(encoder, DualEncoder)
    np.testing.assert_allclose(images, expected_images, atol=2e-6)
    np.testing.assert_allclose(texts, expected_texts, atol=2e-6)
    # not all alike, so that the comparison means something
    assert (np.abs(texts[0] - texts[1]) > 0.05).any()
    assert (np.abs(images[0] - images[1]) > 0.05).any()


def test_the_fast_number_format_stays_close(
    tiny: str, tiny_file: Path, photos: list[Image.Image]
) -> None:
    encoder = load(f"{tiny}:{tiny_file}", device="cpu")
    for rows, expected in zip(
        embed(encoder, photos), by_open_clip(tiny, tiny_file, photos), strict=True
    ):
        assert rows.dtype == np.float32
        assert rows.shape == expected.shape == (len(rows), encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
        assert (np.sum(rows * expected, axis=1) > 0.995).all()


def test_pickled_and_safe_checkpoints_are_the_same_model(
    tiny: str, tiny_file: Path, tiny_model: Any, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": tiny_model.state_dict()}, path)
    one, other = load(f"{tiny}:{tiny_file}", device="cpu"), load(f"{tiny}:{path}", device="cpu")

    np.testing.assert_array_equal(one.encode_texts(TEXTS), other.encode_texts(TEXTS))


def test_old_checkpoints_load_into_a_separate_text_tower(
    tiny: str, tiny_file: Path, photos: list[Image.Image]
) -> None:
    plain = OpenClipEncoder.from_file(tiny, tiny_file, device="cpu")
    custom = OpenClipEncoder.from_file(f"{tiny}-custom", tiny_file, device="cpu")

    np.testing.assert_allclose(custom.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-6)


def test_the_identity_is_the_content(tiny: str, tiny_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.safetensors"
    copy.write_bytes(tiny_file.read_bytes())
    one, other = OpenClipEncoder.from_file(tiny, tiny_file), OpenClipEncoder.from_file(tiny, copy)

    assert one.id == other.id == f"{tiny}@{one.identity.revision}"
    assert len(one.identity.revision) == 16
    assert other.identity.spec == f"{tiny}:{copy}"


def test_nothing_to_embed(tiny: str, tiny_file: Path) -> None:
    encoder = OpenClipEncoder.from_file(tiny, tiny_file)

    assert encoder.encode_texts([]).shape == (0, encoder.dim)
    assert encoder.encode_images(np.empty((0, 48, 48, 3), np.uint8)).shape == (0, encoder.dim)


def test_a_batch_of_any_size(tiny: str, tiny_file: Path) -> None:
    encoder = OpenClipEncoder.from_file(tiny, tiny_file, device="cpu")
    count = encoder.batch_size + 3
    pixels = np.random.default_rng(1).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8)
    rows = encoder.encode_images(pixels)

    assert rows.shape == (count, encoder.dim)
    np.testing.assert_allclose(rows[-1], encoder.encode_images(pixels[-1:])[0], atol=2e-2)


def test_a_batch_size_that_changes_meanwhile(
    tiny: str, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = OpenClipEncoder.from_file(tiny, tiny_file, device="cpu")
    texts = [f"photo number {number}" for number in range(9)]
    expected = encoder.encode_texts(texts)
    sizes = cycle((4, 2, 3))
    monkeypatch.setattr(OpenClipEncoder, "batch_size", property(lambda _: next(sizes)))

    for _ in range(3):
        np.testing.assert_allclose(encoder.encode_texts(texts), expected, atol=2e-2)


def test_pixels_that_cannot_be_written_to_are_left_alone(tiny: str, tiny_file: Path) -> None:
    encoder = OpenClipEncoder.from_file(tiny, tiny_file, device="cpu")
    pixels = np.full((2, 48, 48, 3), 99, np.uint8)
    pixels.setflags(write=False)

    encoder.encode_images(pixels)
    assert (pixels == 99).all()


def test_weights_are_never_random(tiny: str, tiny_tag: str) -> None:
    with pytest.raises(UnknownEncoderError, match=rf"no pretrained tag 'random_v2'.*{tiny_tag}"):
        load(f"{tiny}/random_v2")
    with pytest.raises(UnknownEncoderError, match="has no pretrained tag ''"):
        load(f"{tiny}/")


def test_a_tag_decides_on_the_activation() -> None:
    described, _ = architecture.of_tag("ViT-B-32", "openai")
    other, _ = architecture.of_tag("ViT-B-32", "laion2b_s34b_b79k")

    assert described.config["quick_gelu"] is True
    assert not other.config.get("quick_gelu", False)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ViT-B-32-256", "datacomp_s34b_b86k"),
        ("ViT-B-16-SigLIP2-256", "webli"),
        ("PE-Core-L-14-336", "meta"),
        ("ViT-L-14-CLIPA-336", "datacomp1b"),
        ("MobileCLIP-S1", "datacompdr"),
        ("ViT-H-14-378-quickgelu", "dfn5b"),
    ],
)
def test_preprocessing_is_that_of_the_tag(name: str, tag: str) -> None:
    config = open_clip.get_pretrained_cfg(name, tag)
    described, source = architecture.of_tag(name, tag)
    side = open_clip.get_model_config(name)["vision_cfg"]["image_size"]

    assert (described.transform.height, described.transform.width) == (side, side)
    assert described.transform.resize_mode == config["resize_mode"]
    assert described.transform.interpolation == config["interpolation"]
    assert described.mean == tuple(config["mean"])
    assert described.std == tuple(config["std"])
    assert source.repo == config["hf_hub"].strip("/")


def test_a_local_siglip_checkpoint_is_preprocessed_as_siglip() -> None:
    assert architecture.of_name("ViT-B-16-SigLIP2-256").transform.resize_mode == "squash"
    assert architecture.of_name("ViT-B-16-SigLIP2-256").mean == (0.5, 0.5, 0.5)


def test_only_the_safe_form_of_a_named_pickle_is_asked_for() -> None:
    _, source = architecture.of_tag("ViTamin-S", "datacomp1b")

    assert source.repo == "jienengchen/ViTamin-S"
    assert source.names[0] == "pytorch_model.safetensors"
    assert all(name.endswith(".safetensors") for name in source.names)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there(tiny: str, tiny_file: Path) -> None:
    with pytest.raises(DeviceUnavailableError, match="CUDA"):
        load(f"{tiny}:{tiny_file}", device="cuda")
    assert place("auto").device.type == "cpu"


def test_a_device_that_does_not_compute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> tuple[int, int]:
        raise RuntimeError("CUDA error: no kernel image\nCompile with ...")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", fail)
    device._notice.cache_clear()
    with caplog.at_level(logging.WARNING, "mmsearch"):
        assert [place("auto").device.type for _ in range(2)] == ["cpu", "cpu"]
    assert [record.message for record in caplog.records] == [
        "torch cannot use the CUDA device (CUDA error: no kernel image); the CPU is used."
    ]
    with pytest.raises(DeviceUnavailableError, match=r"no kernel image\); leave --device out"):
        place("cuda")


@pytest.mark.parametrize("name", ["ViT-B-32", "PE-Core-L-14-336", "EVA02-B-16"])
def test_clips_tokenizer_is_configured_as_open_clip_does(name: str) -> None:
    config = architecture.of_name(name).text_config
    expected = open_clip.get_tokenizer(name)(TEXTS)
    assert torch.equal(tokenizer.load(config, None)(TEXTS), expected)


@pytest.mark.parametrize("name", ["ViT-B-32", "EVA02-B-16"])
def test_what_fits_is_what_clips_tokenizer_cuts_nothing_from(name: str) -> None:
    tokenize = tokenizer.load(architecture.of_name(name).text_config, None)
    most = "dog " * 75  # two of the 77 tokens are the tower's own
    assert tokenize.fits(most)
    assert not tokenize.fits(most + "cat")
    assert tokenize.fits("photo \udcff")
    assert tokenize(["photo \udcff"]).shape == (1, 77)


def test_what_fits_an_encoder(tiny: str, tiny_file: Path) -> None:
    encoder = OpenClipEncoder.from_file(tiny, tiny_file, device="cpu")
    assert encoder.fits("dog " * 14)
    assert not encoder.fits("dog " * 15)


@pytest.mark.parametrize(("mode", "room"), [(None, 16), ("clips", 13)])
def test_what_fits_is_what_a_tokenizer_of_the_hub_cuts_nothing_from(
    word_tokenizer: Path, mode: str | None, room: int
) -> None:
    config = {
        "context_length": 16,
        "tokenizer_mode": mode,
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    tokenize = tokenizer.load(config, word_tokenizer)
    assert tokenize.fits("a, " * room)
    assert not tokenize.fits("a, " * (room + 1))
    assert tokenize.fits("a \udcff")


@pytest.fixture
def word_tokenizer(tmp_path: Path) -> Path:
    """The files of a small tokenizer as they lie on the hub."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[PAD]": 0, "[UNK]": 1, "a": 2, "cat": 3, "dog": 4}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    words.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def tiny_with_tokenizer(tiny: str, tmp_path: Path) -> str:
    """The tiny architecture with a tokenizer of the hub, as SigLIP 2 has."""
    config = open_clip.get_model_config(tiny)
    config["text_cfg"] |= {
        "hf_tokenizer_name": "someone/words",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    name = f"{tiny}-words"
    (tmp_path / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    return name


def test_a_tokenizer_comes_through_the_hub(
    hub: Any, word_tokenizer: Path, tiny_with_tokenizer: str, tiny_file: Path
) -> None:
    for file in word_tokenizer.iterdir():
        hub.files["someone/words", file.name] = file.read_bytes()

    spec = f"{tiny_with_tokenizer}:{tiny_file}"
    a_cat, same, dog = load(spec, device="cpu").encode_texts(["a cat", "A... CAT!", "a dog"])
    np.testing.assert_array_equal(a_cat, same)
    assert (a_cat != dog).any()
    hub.requests.clear()
    load(spec, device="cpu")
    assert hub.requests == []


def test_a_tokenizer_beside_the_checkpoint_needs_no_hub(
    hub: Any, word_tokenizer: Path, tiny_with_tokenizer: str, tiny_file: Path
) -> None:
    path = word_tokenizer / "weights.safetensors"
    path.write_bytes(tiny_file.read_bytes())

    encoder = load(f"{tiny_with_tokenizer}:{path}", device="cpu")
    assert encoder.encode_texts(["a cat"]).shape == (1, encoder.dim)
    assert hub.requests == []


def test_a_repository_without_tokenizer(
    hub: Any, tiny_with_tokenizer: str, tiny_file: Path
) -> None:
    hub.files["someone/words", "README.md"] = b"# Words"

    with pytest.raises(WeightsError, match="holds no tokenizer"):
        load(f"{tiny_with_tokenizer}:{tiny_file}")


def test_a_damaged_tokenizer(
    word_tokenizer: Path, tiny_with_tokenizer: str, tiny_file: Path
) -> None:
    (word_tokenizer / "tokenizer.json").write_text("{}")
    path = word_tokenizer / "weights.safetensors"
    path.write_bytes(tiny_file.read_bytes())

    with pytest.raises(WeightsError, match="tokenizer"):
        load(f"{tiny_with_tokenizer}:{path}")


def test_a_text_tower_of_transformers(
    hub: Any, word_tokenizer: Path, tiny: str, tmp_path: Path
) -> None:
    """As the multilingual models on XLM-RoBERTa have one; its description comes from the hub."""
    from transformers import RobertaConfig

    tower = RobertaConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    tower.save_pretrained(tmp_path / "tower")
    config = open_clip.get_model_config(tiny)
    config["text_cfg"] = {
        "hf_model_name": str(tmp_path / "tower"),
        "hf_tokenizer_name": "someone/words",
        "context_length": 16,
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
    }
    name = f"{tiny}-roberta"
    (tmp_path / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    reference = open_clip.create_model(name, pretrained_text=False).eval()
    path = word_tokenizer / "weights.safetensors"
    save_file({name: t.contiguous() for name, t in reference.state_dict().items()}, path)

    hub.files["someone/roberta", "config.json"] = (tmp_path / "tower/config.json").read_bytes()
    config["text_cfg"]["hf_model_name"] = "someone/roberta"
    (tmp_path / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    encoder = load(f"{name}:{path}", device="cpu")

    tokens = tokenizer.load(config["text_cfg"], word_tokenizer)(["a cat", "a dog"])
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(reference.encode_text(tokens)).numpy()
    rows = encoder.encode_texts(["a cat", "a dog"])
    assert (np.sum(rows * expected, axis=1) > 0.995).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileCLIP-S1", "ViTamin-S"])
def test_every_parameter_and_buffer_is_restored(name: str, tmp_path: Path) -> None:
    """Models are built without storage, and some cannot be."""
    described = architecture.of_name(name)
    torch.manual_seed(0)
    reference = open_clip.create_model(name).eval()
    path = tmp_path / "weights.safetensors"
    save_file({name: t.contiguous() for name, t in reference.state_dict().items()}, path)
    model = architecture.build(described)
    checkpoint.restore(model, path, described)

    restored = dict([*model.named_parameters(), *model.named_buffers()])
    for key, tensor in [*reference.named_parameters(), *reference.named_buffers()]:
        assert torch.equal(restored[key], tensor), key


def test_unusual_names_of_weights(tiny: str, tiny_model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "späße: 100%"
    folder.mkdir()
    path = folder / "wei:ghts.safetensors"
    save_file({name: t.contiguous() for name, t in tiny_model.state_dict().items()}, path)

    assert load(f"{tiny}:{path}", device="cpu").identity.spec == f"{tiny}:{path}"
