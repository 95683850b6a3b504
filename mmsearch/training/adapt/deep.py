"""Fine-tunes the towers of the embedded encoder, and stores the result as a named encoder."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.encoders import named
from mmsearch.encoders.base import DualEncoder, Encoded
from mmsearch.encoders.device import place
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.errors import TrainingError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.adapt.choose import Retrieval
from mmsearch.training.adapt.dataset import (
    Contents,
    read_contents,
    some_photos,
    split_by_photo,
)
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.adapt.report import Outcome, Sizes, TrainingReport
from mmsearch.training.adapt.train import Made, Task, check, keep
from mmsearch.training.features import Progress
from mmsearch.training.finetune import TuningEpoch
from mmsearch.training.heads import Epoch
from mmsearch.training.refine import refine, settings_of

if TYPE_CHECKING:
    from mmsearch.encoders.base import Device
    from mmsearch.training.tuning import FineTuning

METHOD = "towers"

_FILES = (
    "- `image_tower.onnx`, `text_tower.onnx`, `heads.safetensors`, `tokenizer.json`, "
    "`manifest.json`: the whole encoder; it needs no other one."
)


def train_towers(
    task: Task,
    depth: int,
    dataset: CaptionedPhotos,
    encoder: DualEncoder,
    cache: Path,
    device: Device,
    progress: Progress,
) -> TrainingReport:
    """Fine-tunes both towers together with their heads.

    An interrupted run of the same name goes on where it was.

    Args:
        task: what is asked for; its method counts for nothing.
        depth: how much of the towers is trained, 1 to 3.
        dataset: captioned photos.
        encoder: the embedded encoder, or one that was fine-tuned from it.
        cache: the folder in which views and checkpoints are kept until the result is stored, or
            is no better.
        device: where torch trains.
        progress: told of each step.

    Raises:
        TrainingError: the encoder is another one, there are too few photos, or the result is no
            better on the held-out part; nothing is stored then.
        EncoderError: the name cannot be used, or the encoder cannot be loaded.
        DeviceUnavailableError: the device is not there.
    """
    started = time.perf_counter()
    settings = settings_of(depth, task.seed)
    if not isinstance(encoder, EmbeddedEncoder):
        raise TrainingError(
            f"Only towers of the embedded encoder can be trained, not those of {encoder.id}. Leave "
            "--depth out to train heads on it."
        )
    check(task, encoder.identity.spec)
    where = place(device).device
    contents = read_contents(dataset, progress)
    encoded = EncodedCache(encoder, cache, progress)
    photos, unreadable = encoded.photos(contents, View.PLAIN)
    contents = contents.without(unreadable)
    chosen = split_by_photo(contents.hashes, task.held_out, task.seed)
    train, held_out = (some_photos(contents.dataset, part) for part in chosen)
    before = _retrieval(photos.rows(chosen[1]), encoded, held_out)

    kept = cache / "towers" / task.name
    # Windows keeps files that are in use, and ONNX Runtime may map those of the new encoder.
    with tempfile.TemporaryDirectory(prefix="mmsearch-", ignore_cleanup_errors=True) as scratch:
        out = Path(scratch)
        tuning = refine(
            encoder.weights,
            train,
            held_out,
            out,
            settings,
            kept=kept,
            device=str(where),
            progress=progress,
        )
        tuned = EmbeddedEncoder(weights=out)
        own = Contents(held_out, contents.hashes_of(held_out.photos), ())
        encoded = EncodedCache(tuned, cache, progress)
        photos, _ = encoded.photos(own, View.PLAIN)
        after = _retrieval(photos, encoded, held_out)
        encoded.tidy()
        report = TrainingReport(
            name=task.name,
            encoder=tuned.id,
            base=encoder.id,
            path=named.folder_of(task.name),
            outcome=_outcome(settings, depth, before, after, tuning),
            sizes=_sizes(contents.dataset, held_out),
            skipped=tuple(contents.skipped),
            seconds=time.perf_counter() - started,
        )
        if not report.outcome.is_better:  # nor will it be, from there
            shutil.rmtree(kept, ignore_errors=True)
        report = keep(report, Made(report.outcome, tuned.id, partial(_copy, out), _FILES), task)
    shutil.rmtree(kept, ignore_errors=True)
    return report


def _outcome(
    settings: FineTuning,
    depth: int,
    before: Retrieval,
    after: Retrieval,
    tuning: Sequence[tuple[TuningEpoch, float]],
) -> Outcome:
    return Outcome(
        method=METHOD,
        seed=settings.seed,
        before=before,
        after=after,
        settings={"depth": depth, **asdict(settings)},
        history=[
            Epoch(epoch.loss, held_out_loss=None, held_out_mrr=quality) for epoch, quality in tuning
        ],
    )


def _sizes(dataset: CaptionedPhotos, held_out: CaptionedPhotos) -> Sizes:
    return Sizes(
        photos=len(dataset.photos),
        captions=len(dataset.captions),
        held_out_photos=len(held_out.photos),
        held_out_captions=len(held_out.captions),
    )


def _retrieval(photos: Encoded, encoded: EncodedCache, held_out: CaptionedPhotos) -> Retrieval:
    """What an encoder reaches on the held-out photos, which it has encoded already."""
    texts = encoded.texts(held_out.captions)
    return Retrieval.of(photos.embeddings, texts.embeddings, held_out.photo_of_caption)


def _copy(source: Path, target: Path) -> None:
    for path in source.iterdir():
        shutil.copyfile(path, target / path.name)
