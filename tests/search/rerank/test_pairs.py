"""Models that look at a text and a picture together: CoCa, BLIP, BLIP-2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mmsearch.encoders.base import ImageTransform
from mmsearch.encoders.registry import load
from mmsearch.errors import RerankerError, UnknownEncoderError, WeightsError
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Deadline, Reranker
from mmsearch.search.rerank.caption import CaptionLikelihood
from mmsearch.search.rerank.itm import ImageTextMatching
from mmsearch.search.rerank.pairs import PairReranker
from mmsearch.search.rerank.reorder import rerank
from tests.search.rerank.conftest import COCA, caption, noise, photo

TEXTS = ("a dog runs", "red", "the cat on the beach", "word " * 100)


class Fake:
    """Counts: a text goes with a picture by the picture's first pixel and the text's length."""

    transform = ImageTransform(4, 4, "squash", "bilinear")

    def __init__(self) -> None:
        self.looked, self.matched = 0, 0
        self.deadline: Deadline | None = None

    def see(self, pixels):
        self.looked += len(pixels)
        return torch.from_numpy(pixels[:, :1, 0, :].astype(np.float32))

    def match(self, seen, texts):
        self.matched += len(texts)
        if self.deadline is not None:
            self.deadline.cancel()
        return seen[:, 0, 0].double().numpy() + [len(text) for text in texts]


@pytest.fixture
def greys(tmp_path: Path) -> list[Path]:
    """Ten photos, each lighter than the one before."""
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (20 * number,) * 3).save(path)
    return paths


def test_pictures_for_a_text_are_seen_once(greys: list[Path]) -> None:
    model = Fake()
    reranker = PairReranker(model, name="fake")
    assert isinstance(reranker, Reranker)
    candidates = [photo(path) for path in greys]
    result = rerank("light", candidates, reranker)
    assert result.order.tolist() == [*reversed(range(10))]
    rerank("again", candidates, reranker)
    assert (model.looked, model.matched) == (10, 20)
    assert {one.open.opened for one in candidates} == {1}


def test_texts_for_a_picture(greys: list[Path]) -> None:
    model = Fake()
    candidates = [caption("a" * length) for length in (3, 1, 2)]
    result = rerank(Image.open(greys[3]), candidates, PairReranker(model, name="fake"))
    assert result.order.tolist() == [0, 2, 1]
    assert model.looked == 1


def test_what_it_takes() -> None:
    reranker = PairReranker(Fake(), name="fake")
    assert reranker.takes(Medium.TEXT, Modality.FRAME)
    assert reranker.takes(Medium.PICTURE, Modality.TRANSCRIPT)
    assert not reranker.takes(Medium.TEXT, Modality.CAPTION)
    assert not reranker.takes(Medium.PICTURE, Modality.IMAGE)


def test_what_cannot_be_read_keeps_its_place(greys: list[Path]) -> None:
    greys[1].unlink()
    candidates = [photo(path) for path in greys[:3]]
    result = rerank("light", candidates, PairReranker(Fake(), name="fake"))
    assert result.order.tolist() == [2, 1, 0]


def test_cancelled_between_batches(greys: list[Path]) -> None:
    model = Fake()
    model.deadline = Deadline(float("inf"))
    reranker = PairReranker(model, name="fake")
    scores = reranker.scores("light", [*map(photo, greys)], deadline=model.deadline)
    assert model.matched == 8
    assert np.isnan(scores[8:]).all()


def test_caption_likelihoods_are_open_clips(coca_file: Path, tmp_path: Path) -> None:
    encoder = load(f"{COCA}:{coca_file}", device="cpu")
    model = CaptionLikelihood(encoder)
    pixels = np.stack([encoder.transform(Image.open(noise(tmp_path / "a.png", 1)))])
    empty = np.broadcast_to(np.round(255 * np.array(encoder.mean)).astype(np.uint8), pixels.shape)

    def log_likelihood(shown: np.ndarray, text: str) -> float:
        tokens = encoder.tokenize([text])
        said = encoder.model(encoder.prepare(shown), tokens)
        words = said["logits"].float().log_softmax(-1)[0]
        length = int((tokens[0] != 0).sum())
        return sum(float(words[at, tokens[0, at + 1]]) for at in range(length - 1))

    with torch.inference_mode():
        seen = model.see(pixels)
        found = model.match(seen.expand(len(TEXTS), -1, -1), TEXTS)
        expected = [log_likelihood(pixels, text) - log_likelihood(empty, text) for text in TEXTS]
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert np.ptp(found) > 0.05


def test_texts_are_judged_beyond_their_prior(coca_file: Path, tmp_path: Path) -> None:
    reranker = PairReranker(
        CaptionLikelihood(load(f"{COCA}:{coca_file}", device="cpu")), name="caption"
    )
    encoder_mean = Image.new("RGB", (48, 48), (123, 117, 104))
    scores = reranker.scores(encoder_mean, [caption(text) for text in TEXTS])
    np.testing.assert_allclose(scores, 0, atol=0.05, err_msg="an empty picture says nothing")
    pictures = [photo(noise(tmp_path / f"{seed}.png", seed)) for seed in range(9)]
    together = reranker.scores("a dog runs", pictures)
    alone = [reranker.scores("a dog runs", [one])[0] for one in pictures]
    np.testing.assert_allclose(together, alone, atol=0.05)


def test_an_encoder_that_writes_no_captions(tiny: str, tiny_file: Path) -> None:
    with pytest.raises(RerankerError, match="writes captions.*caption:coca_ViT-B-32/TAG"):
        CaptionLikelihood(load(f"{tiny}:{tiny_file}", device="cpu"))


def test_matching_gives_transformers_log_odds(matcher: Path, tmp_path: Path) -> None:
    import transformers

    model = ImageTextMatching.load(str(matcher), device="cpu")
    pixels = np.stack(
        [
            model.transform(Image.open(noise(tmp_path / f"{seed}.png", seed)))
            for seed in range(len(TEXTS))
        ]
    )
    described = json.loads((matcher / "config.json").read_text())
    family = getattr(transformers, described["architectures"][0])
    plain = family.from_pretrained(matcher).eval()
    mean, std = (torch.tensor(c).view(3, 1, 1) for c in ([0.48, 0.46, 0.41], [0.27, 0.26, 0.28]))
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    words = transformers.AutoTokenizer.from_pretrained(matcher)(
        list(TEXTS), padding=True, truncation=True, max_length=20, return_tensors="pt"
    )
    with torch.inference_mode():
        found = model.match(model.see(pixels), TEXTS)
        inputs = {"input_ids": words["input_ids"], "attention_mask": words["attention_mask"]}
        if described["model_type"] == "blip":
            logits = plain(pixel_values=images, **inputs).itm_score
        else:
            logits = plain(
                pixel_values=images, use_image_text_matching_head=True, **inputs
            ).logits_per_image
    np.testing.assert_allclose(found, (logits[:, 1] - logits[:, 0]).numpy(), atol=0.15)
    assert np.ptp(found) > 0.01


def test_weights_that_are_not_all_there(matcher: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in matcher.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    weights = load_file(copy / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("itm_head")},
        copy / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(WeightsError, match=r"itm_head\.bias and 1 more are missing"):
        ImageTextMatching.load(str(copy))
    (copy / "config.json").write_text('{"model_type": "vit", "vision_config": {}}')
    with pytest.raises(WeightsError, match="is vit, not BLIP"):
        ImageTextMatching.load(str(copy))
    (copy / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"must hold config\.json"):
        ImageTextMatching.load(str(copy))
    with pytest.raises(UnknownEncoderError, match="itm:hf-hub:OWNER/NAME"):
        ImageTextMatching.load(str(tmp_path / "nowhere"))
