"""From captioned photos to a named encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from mmsearch.encoders import adapted, named
from mmsearch.encoders.base import DualEncoder, Encoded
from mmsearch.errors import TrainingError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.adapt.card import CURVES, card
from mmsearch.training.adapt.choose import Choice, EncodedPairs, Retrieval, choose
from mmsearch.training.adapt.cross_validate import cross_validate, folds_by_photo
from mmsearch.training.adapt.curves import draw_curves
from mmsearch.training.adapt.dataset import (
    Contents,
    check_enough,
    read_contents,
    split_by_photo,
)
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.adapt.methods import Method, closed_forms, train_heads
from mmsearch.training.adapt.onnx_heads import write_onnx_heads
from mmsearch.training.adapt.report import Outcome, Sizes, TrainingReport
from mmsearch.training.adapt.store import check_free, check_writable, new_encoder
from mmsearch.training.features import Progress

HELD_OUT = 0.15


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for.

    Attributes:
        name: to store the encoder under.
        data: where photos and captions come from, in words for the card.
        method: how to adapt.
        seed: of the split and of training.
        held_out: share of the photos to hold out.
        replace: whether an encoder of this name may be replaced.
    """

    name: str
    data: str
    method: Method = Method.AUTO
    seed: int = 0
    held_out: float = HELD_OUT
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A new encoder that is not yet stored.

    Attributes:
        outcome: what it reached.
        id: its identity's id.
        write: writes everything that loading it needs into a folder.
        files: what that is, in Markdown for the card.
    """

    outcome: Outcome
    id: str
    write: Callable[[Path], None]
    files: str


def check(task: Task, base: str) -> None:
    """Tells at once what would only be found out after minutes.

    Args:
        task: what is asked for.
        base: the spec of the encoder to start from.

    Raises:
        EncoderError: the name cannot be used.
        TrainingError: the name is taken, a setting cannot be used, encoders cannot be stored, or a
            library is missing.
    """
    check_free(task.name, replace=task.replace)
    below = {base, *(reference.spec for reference in named.bases(base))}
    # the names of folders, which differ by more than case on some systems
    if task.name.casefold() in {spec.casefold() for spec in below}:
        raise TrainingError(
            f"{task.name!r} cannot replace an encoder that it would be made from; choose another "
            "name."
        )
    if not 0 < task.held_out < 1:
        raise TrainingError(f"The share to hold out must be between 0 and 1, not {task.held_out}.")
    check_writable(task.name)
    _require("onnx")
    _require("matplotlib")


def train(
    task: Task, dataset: CaptionedPhotos, encoder: DualEncoder, cache: Path, progress: Progress
) -> TrainingReport:
    """Adapts an encoder by heads and stores the result.

    Args:
        task: what is asked for.
        dataset: captioned photos.
        encoder: the encoder to start from.
        cache: the folder in which what the encoder makes of the data is kept.
        progress: told of each step.

    Raises:
        TrainingError: there are too few photos, or the result is no better on the held-out part;
            nothing is stored then.
        EncoderError: the name cannot be used, or the encoder cannot be loaded.
    """
    started = time.perf_counter()
    check(task, encoder.identity.spec)
    method = task.method.chosen(len(dataset.photos))
    views = (View.PLAIN, View.MIRRORED) if method is Method.HEADS else (View.PLAIN,)
    contents, photos, texts = _encode(dataset, encoder, views, cache, progress)
    pairs = EncodedPairs(photos[0], texts, contents.dataset.photo_of_caption)
    if method is Method.HEADS:
        choice, outcome, sizes = _by_training(task, contents.hashes, pairs, photos[1], progress)
    else:
        choice, outcome, sizes = _by_closed_form(task, method, contents.hashes, pairs, progress)
    made = _with_heads(task.name, encoder, choice.heads, outcome, pairs)
    report = TrainingReport(
        name=task.name,
        encoder=made.id,
        base=encoder.id,
        path=named.folder_of(task.name),
        outcome=outcome,
        sizes=sizes,
        skipped=tuple(contents.skipped),
        seconds=time.perf_counter() - started,
    )
    return keep(report, made, task)


def _by_training(
    task: Task, hashes: Sequence[str], pairs: EncodedPairs, mirrored: Encoded, progress: Progress
) -> tuple[Choice, Outcome, Sizes]:
    """Trains heads on most of the photos, and chooses on the others how far to go."""
    learnt, out = split_by_photo(hashes, task.held_out, task.seed)
    held_out = pairs.part(out)
    trained = train_heads(
        pairs.part(learnt), mirrored.rows(learnt), held_out, seed=task.seed, progress=progress
    )
    choice = choose(trained.candidates, held_out)
    outcome = Outcome(
        method=Method.HEADS,
        seed=task.seed,
        before=choice.before,
        after=choice.best.retrieval,
        settings=trained.settings,
        share=choice.best.share,
        candidate=choice.best.candidate,
        history=trained.history,
        trials=choice.trials,
    )
    sizes = Sizes(len(hashes), len(pairs.photo_of_text), len(out), len(held_out.photo_of_text))
    return choice, outcome, sizes


def _by_closed_form(
    task: Task, method: Method, hashes: Sequence[str], pairs: EncodedPairs, progress: Progress
) -> tuple[Choice, Outcome, Sizes]:
    """Cross-validates a closed form, and learns from all photos."""
    check_enough(hashes)
    folds = folds_by_photo(hashes, task.held_out, task.seed)
    choice = cross_validate(lambda some: closed_forms(method, some), pairs, folds, progress)
    outcome = Outcome(
        method=method,
        seed=task.seed,
        before=choice.before,
        after=choice.best.retrieval,
        share=choice.best.share,
        candidate=choice.best.candidate,
        trials=choice.trials,
    )
    texts = len(pairs.photo_of_text)
    return choice, outcome, Sizes(len(hashes), texts, len(hashes), texts, folds=len(folds))


def keep(report: TrainingReport, made: Made, task: Task) -> TrainingReport:
    """Stores a new encoder with its card and curves, if it is better than its base.

    The seam for other ways of training: whoever makes a `Made` and a report of it (as
    ``finetune`` of the embedded encoder's towers does) stores it by this.

    Raises:
        TrainingError: it is no better on the held-out part, or cannot be stored.
    """
    if not made.outcome.is_better:
        figures = _figures(made.outcome.before, made.outcome.after)
        raise TrainingError(
            f"Nothing was stored: on {report.sizes.held_out_photos} held-out photos the new "
            f"encoder is no better than {report.base} ({figures}). More captioned "
            "photos or another --method may help."
        )
    with new_encoder(task.name, replace=task.replace) as folder:
        made.write(folder)
        draw_curves(folder / CURVES, made.outcome)
        text = card(report, task.data, date.today(), made.files)
        (folder / named.CARD).write_text(text, encoding="utf-8", errors="replace")
    return report


def _figures(before: Retrieval, after: Retrieval) -> str:
    pairs = (
        ("text to image R@1", before.text_to_image.recall_at_1, after.text_to_image.recall_at_1),
        ("image to text R@1", before.image_to_text.recall_at_1, after.image_to_text.recall_at_1),
        ("mean MRR", before.score, after.score),
    )
    return ", ".join(f"{name} {old:.1f} before and {new:.1f} after" for name, old, new in pairs)


def _encode(
    dataset: CaptionedPhotos,
    encoder: DualEncoder,
    views: tuple[View, ...],
    cache: Path,
    progress: Progress,
) -> tuple[Contents, list[Encoded], Encoded]:
    """The photos that can be read, in each view, and their captions."""
    kept = EncodedCache(encoder, cache, progress)
    contents = read_contents(dataset, progress)
    plain, unreadable = kept.photos(contents, View.PLAIN)
    contents = contents.without(unreadable)
    if not contents.hashes:
        raise TrainingError(f"None of the {len(dataset.photos)} photos can be read.")
    others = [_again(kept, contents, view) for view in views if view is not View.PLAIN]
    texts = kept.texts(contents.dataset.captions)
    kept.tidy()
    return contents, [plain, *others], texts


def _again(kept: EncodedCache, contents: Contents, view: View) -> Encoded:
    """The photos in another view; a row for each, as in the first."""
    encoded, gone = kept.photos(contents, view)
    if gone:
        raise TrainingError(
            f"{gone[0].path} could be read a moment ago, but not any more: {gone[0].reason}. Run "
            "the same command again."
        )
    return encoded


def _with_heads(
    name: str, encoder: DualEncoder, heads: adapted.Heads, outcome: Outcome, pairs: EncodedPairs
) -> Made:
    """An encoder with residual heads, ready to be stored."""
    identity = encoder.identity
    manifest = named.HeadsManifest(
        name=name,
        revision=heads.revision(encoder.id),
        dim=encoder.dim + heads.added_dim,
        base=named.BaseReference(identity.spec, identity.id, identity.revision),
    )

    def write(folder: Path) -> None:
        adapted.save_heads(folder / adapted.HEADS, heads)
        one = np.zeros(1, dtype=np.int64)
        write_onnx_heads(folder, heads, pairs.photos.rows(one), pairs.texts.rows(one))
        manifest.save(folder)

    adapts = (("image", heads.image), ("text", heads.text))
    models = ", ".join(f"`{kind}_head.onnx`" for kind, head in adapts if head or heads.banks)
    files = (
        f"- `{adapted.HEADS}`: a linear map for each tower that was adapted; an embedding is "
        "`unit(base + input @ weight + bias)`, the input being the base's pooled features or its "
        "embedding. Where it is normalised, also banks of embeddings of photos and captions.\n"
        f"- {models}: the same, for ONNX Runtime; inputs `embeddings` "
        "and, where the head needs them, `features`; output `adapted`.\n"
        f"- `{named.ENCODER}`: identity, and the encoder that it needs below it."
    )
    return Made(outcome, f"{name}@{manifest.revision}", write, files)


def _require(module: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise TrainingError(
            f'Training needs {module}, which is not installed. Run: pip install "mmsearch[train]"'
        )
