"""Fine-tunes the embedded encoder's towers on somebody's own captioned photos.

The recipe of the shipped weights starts from the published towers; this starts from weights that
are aligned already, and holds on to what they know: what is distilled is their own say.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmsearch.encoders.adapted import AffineMap
from mmsearch.encoders.embedded.heads import (
    Floats,
    ImageHead,
    TextHead,
    load_image_head,
    load_text_head,
    save_heads,
)
from mmsearch.encoders.embedded.manifest import (
    HEADS,
    IMAGE_TOWER,
    TEXT_TOWER,
    TOKENIZER,
    Manifest,
    content_hash,
)
from mmsearch.encoders.embedded.towers import Tokenizer
from mmsearch.errors import TrainingError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.metrics import image_to_text_ranks, text_to_image_ranks
from mmsearch.training.features import Progress
from mmsearch.training.finetune import Towers, TuningEpoch, fine_tune
from mmsearch.training.image_export import export_image_tower, sample
from mmsearch.training.material import Gatherer, Material, Tokens
from mmsearch.training.reload import reload_towers
from mmsearch.training.stages import DEEPEST, SHALLOWEST, LastStages
from mmsearch.training.standardise import Standardisation
from mmsearch.training.text_export import export_text_tower
from mmsearch.training.tower_heads import TowerHeads
from mmsearch.training.towers import class_names, other_things
from mmsearch.training.tuning import FineTuning
from mmsearch.training.views import Halves

_THINGS = 2000  # other texts that must go on meaning what they mean
_LAYERS = 2  # of the text tower, for each step of depth


def settings_of(depth: int, seed: int) -> FineTuning:
    """How deep to train, and gently: the towers are aligned already.

    Args:
        depth: 1 to 3. Each step takes two more layers of the text tower, and the third a third
            stage of the image tower, of which two are always trained.
        seed: of order, dropout and choice.

    Raises:
        TrainingError: there is no such depth.
    """
    if not 1 <= depth <= DEEPEST:
        raise TrainingError(f"The depth must be 1 to {DEEPEST}, not {depth}.")
    return FineTuning(
        stages=max(SHALLOWEST, depth),
        layers=_LAYERS * depth,
        epochs=12,
        views=3,
        batch=256,
        image_rate=1e-4,
        text_rate=5e-5,
        head_rate=2e-4,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Photos and captions that nothing is trained on, as the last stages take them."""

    view: Halves
    captions: Tokens
    photo_of_caption: NDArray[np.int64]

    def quality(self, gatherer: Gatherer, heads: TowerHeads) -> float:
        """The mean of both reciprocal ranks, in percent, of the aligned parts."""
        with torch.inference_mode():
            device = heads.image.weight.device
            (features,), _ = gatherer.seen([self.view])
            images = heads.of_images(torch.from_numpy(features).to(device)).cpu().numpy()
            read = torch.from_numpy(gatherer.read(self.captions)).to(device)
            texts = heads.of_texts(read).cpu().numpy()
        ranks = (
            text_to_image_ranks(images, texts, self.photo_of_caption),
            image_to_text_ranks(images, texts, self.photo_of_caption),
        )
        return 50 * float(sum((1 / some).mean() for some in ranks))


class History:
    """The epochs of a run and what each reached, kept for a run that goes on.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._epochs: list[tuple[TuningEpoch, float]] = []
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._epochs = [(TuningEpoch(**epoch), quality) for epoch, quality in kept]
        except (OSError, TypeError, ValueError):
            pass  # the first epochs are not drawn

    @property
    def epochs(self) -> Sequence[tuple[TuningEpoch, float]]:
        """Each epoch, with the quality that it reached."""
        return self._epochs

    def add(self, epoch: TuningEpoch, quality: float) -> None:
        """Adds the next epoch; those of its number and above were of a run that is over."""
        earlier = [entry for entry in self._epochs if entry[0].number < epoch.number]
        self._epochs = [*earlier, (epoch, quality)]
        text = json.dumps([(asdict(epoch), quality) for epoch, quality in self._epochs])
        partial = self._path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._path)


def refine(
    base: Path,
    train: CaptionedPhotos,
    held_out: CaptionedPhotos,
    out: Path,
    settings: FineTuning,
    *,
    kept: Path,
    device: str = "cpu",
    progress: Progress = lambda _step, _done, _total: None,
) -> Sequence[tuple[TuningEpoch, float]]:
    """Writes weights that were fine-tuned from others.

    Args:
        base: the folder of the weights to start from.
        train: captioned photos to train on.
        held_out: captioned photos that choose the epoch to keep, and when to stop.
        out: the folder to write the new weights into.
        settings: how to train.
        kept: the folder for views, checkpoints and history: an interrupted run goes on from there.
        device: where torch trains, ``cpu`` or ``cuda``.
        progress: told of each step.

    Returns:
        Each epoch, those before an interruption too, with the quality that it reached on the
        held-out photos.

    Raises:
        TrainingError: the extra ``train`` is not installed, or a photo cannot be read.
        WeightsError: ``base`` does not hold the embedded encoder's weights.
    """
    manifest = Manifest.load(base)
    image_head, text_head = load_image_head(base / HEADS), load_text_head(base / HEADS)
    image, text = reload_towers(base)
    last = LastStages(image, settings.stages, manifest.transform.height, settings.drop_path)
    towers = Towers(last.to(device).eval(), text.to(device).eval())
    tokenizer = Tokenizer(base / TOKENIZER)
    gatherer = Gatherer(image, *towers, tokenizer, manifest.transform, kept, progress)

    material, heads = _material(gatherer, train, image_head, text_head, settings)
    heads = heads.to(device)
    unseen = HeldOut(
        gatherer.views(held_out.photos, 1)[0],
        gatherer.tokens(held_out.captions),
        held_out.photo_of_caption,
    )
    history = History(kept / "history.json")
    quiet = gatherer.quietly()

    def watch(epoch: TuningEpoch) -> float:
        quality = unseen.quality(quiet, heads)
        history.add(epoch, quality)
        return quality

    fine_tune(towers, heads, material, settings, kept, progress, watch)
    last.write_to(image)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base / TOKENIZER, out / TOKENIZER)
    export_image_tower(image, sample(train.photos, manifest.transform), out / IMAGE_TOWER)
    export_text_tower(text.cpu(), out / TEXT_TOWER)
    _save_heads(out / HEADS, heads, image_head, text_head)
    Manifest(manifest.name, content_hash(out), manifest.dim, manifest.transform).save(out)
    return history.epochs


def _material(
    gatherer: Gatherer,
    train: CaptionedPhotos,
    image_head: ImageHead,
    text_head: TextHead,
    settings: FineTuning,
) -> tuple[Material, TowerHeads]:
    """What is trained on, and the base's heads to start from."""
    views = gatherer.views(train.photos, settings.views)
    features, logits = gatherer.seen(views)
    shorts, photo_of_short = gatherer.shorts(train, class_names(), logits[0], settings)
    captions = gatherer.tokens([*train.captions, *shorts])
    others = gatherer.tokens(other_things(_THINGS))
    read, read_others = gatherer.read(captions), gatherer.read(others)

    def said(features: Floats) -> Floats:
        return features @ text_head.projection + text_head.offset

    material = Material(
        views=views,
        logits=logits,
        captions=captions,
        photo_of_caption=train.photo_of_caption,
        photo_of_short=photo_of_short,
        sentences=said(read),
        others=others,
        other_sentences=said(read_others),
    )
    heads = TowerHeads(
        AffineMap(image_head.weight, image_head.bias),
        AffineMap(text_head.weight, text_head.bias),
        AffineMap(text_head.projection, text_head.offset),
        Standardisation.of(np.concatenate(features)),
        Standardisation.of(np.concatenate([read, read_others])),
    )
    return material, heads


def _save_heads(path: Path, heads: TowerHeads, image: ImageHead, text: TextHead) -> None:
    """Writes heads that were trained, with the banks of those that they were trained from.

    Few captions would make poor banks, and the space has moved little.
    """
    aligned_image, aligned_text, named = heads.linear()
    save_heads(
        path,
        replace(image, weight=aligned_image.weight, bias=aligned_image.bias),
        replace(
            text,
            weight=aligned_text.weight,
            bias=aligned_text.bias,
            projection=named.weight,
            offset=named.bias,
        ),
    )
