"""The recipe of the embedded encoder: from captioned photos to a folder of weights."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.adapted import AffineMap
from mmsearch.encoders.base import ImageTransform
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.heads import (
    Floats,
    ImageHead,
    Normalisation,
    TextHead,
    embedding_dim,
    save_heads,
    unit,
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
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.bank import centroids
from mmsearch.training.features import FeatureStore, ImageFeatures, Progress
from mmsearch.training.finetune import Towers
from mmsearch.training.heads import HeadSettings, fit_heads
from mmsearch.training.image_export import export_image_tower, sample
from mmsearch.training.material import Gatherer, Untrained, gather
from mmsearch.training.minilm import WIDTH as SENTENCE
from mmsearch.training.pairs import Pairs, Rows
from mmsearch.training.soup import fine_tune_and_average
from mmsearch.training.stages import LastStages
from mmsearch.training.standardise import Standardisation
from mmsearch.training.text_export import export_text_tower
from mmsearch.training.tower_heads import TowerHeads
from mmsearch.training.towers import (
    class_names,
    load_image_tower,
    load_text_tower,
    other_things,
    tokenizer_file,
)
from mmsearch.training.tuning import FineTuning

NAME = "embedded-4"
KEPT = "kept"
TRANSFORM = ImageTransform(224, 224, "squash", "bicubic")


@dataclass(frozen=True, slots=True)
class BankSettings:
    """Of the nearest neighbour normalisation of one kind of vectors.

    Attributes:
        entries: centroids in the bank.
        neighbours: how many of them are the nearest.
        strength: how much of the mean similarity to them is subtracted.
    """

    entries: int
    neighbours: int
    strength: float


LONGER = FineTuning(
    epochs=24,
    views=6,
    batch=384,
    likeness=0.1,
    keep_classes=0.25,
    keep_sentences=0.5,
    seed=1,
)
"""Photos in more ways, and less held on to what the towers knew."""

SHORTER = FineTuning(
    epochs=11,
    short=0.3,
    image_rate=1.5e-4,
    text_rate=1e-4,
    head_rate=5e-4,
    keep_classes=1.0,
)
"""Short texts too, as queries are, and more held on to ImageNet's classes."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that is chosen, with the values that the shipped weights were made with.

    Attributes:
        alignment: of the linear heads that fine-tuning starts with.
        tuning: of towers and heads together.
        further: more of it, each from where ``tuning`` ends; the result is the mean of all.
        things: how many things that no caption names must go on meaning what they mean.
        name_dim: dimensions of the class name part.
        captions: the bank that photos are normalised with.
        photos: the bank that captions are normalised with.
    """

    alignment: HeadSettings = field(default_factory=HeadSettings)
    tuning: FineTuning = field(default_factory=FineTuning)
    further: tuple[FineTuning, ...] = (LONGER, SHORTER)
    things: int = 7280
    name_dim: int = 124
    captions: BankSettings = BankSettings(entries=2048, neighbours=16, strength=0.75)
    photos: BankSettings = BankSettings(entries=1024, neighbours=16, strength=0.6)

    @property
    def sizes(self) -> FineTuning:
        """How much material is needed for all that is tuned."""
        runs = (self.tuning, *self.further)
        return replace(
            self.tuning,
            views=max(run.views for run in runs),
            short=max(run.short for run in runs),
        )


def train_embedded(
    train: CaptionedPhotos,
    out: Path,
    *,
    recipe: Recipe | None = None,
    device: str = "cpu",
    progress: Progress = lambda _step, _done, _total: None,
) -> EmbeddedEncoder:
    """Makes the weights of an embedded encoder.

    Args:
        train: captioned photos to train on.
        out: the folder to write the weights into. What takes long is kept in its subfolder
            ``kept``, so that an interrupted run goes on where it was.
        recipe: how to train; by default as the shipped weights were made.
        device: where torch trains, ``cpu`` or ``cuda``.
        progress: told of each batch and epoch.

    Returns:
        The encoder, loaded from ``out``.

    Raises:
        TrainingError: the extra ``train`` is not installed, or a photo cannot be read.
    """
    recipe = recipe or Recipe()
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tokenizer_file(), out / TOKENIZER)
    image, text = load_image_tower(), load_text_tower()
    names = class_names()

    last = LastStages(image, recipe.tuning.stages, TRANSFORM.height, recipe.tuning.drop_path)
    towers = Towers(last.to(device).eval(), text.to(device).eval())
    gatherer = Gatherer(image, *towers, Tokenizer(out / TOKENIZER), TRANSFORM, out / KEPT, progress)
    material, untrained = gather(gatherer, train, names, other_things(recipe.things), recipe.sizes)
    heads = starting_heads(untrained, train.photo_of_caption, recipe, progress).to(device)
    fine_tune_and_average(
        towers, heads, material, recipe.tuning, recipe.further, out / KEPT, progress
    )
    last.write_to(image)
    export_image_tower(image, sample(train.photos, TRANSFORM), out / IMAGE_TOWER)
    export_text_tower(text.cpu(), out / TEXT_TOWER)

    sentences, said = unit(material.captions_said), unit(material.other_sentences[: len(names)])
    projection = principal_directions(sentences, said, recipe.name_dim)
    aligned_image, aligned_text, sentence = heads.linear()
    named = AffineMap(sentence.weight @ projection, sentence.bias @ projection)
    store = FeatureStore(out, out / KEPT, progress)
    image_head, text_head = normalised_heads(
        *plain_heads(aligned_image, aligned_text, named, said @ projection),
        store.of_photos(train.photos, TRANSFORM),
        store.of_texts(train.captions),
        recipe,
    )
    save_heads(out / HEADS, image_head, text_head)
    dim = embedding_dim(recipe.alignment.dim, recipe.name_dim)
    Manifest(NAME, content_hash(out), dim, TRANSFORM).save(out)
    return EmbeddedEncoder(weights=out)


def starting_heads(
    untrained: Untrained,
    photo_of_caption: NDArray[np.int64],
    recipe: Recipe,
    progress: Progress,
) -> TowerHeads:
    """Heads for the towers as they were published, to start fine-tuning with.

    Args:
        untrained: what the published towers see.
        photo_of_caption: int64, shape (captions,).
        recipe: how to train.
        progress: told of each epoch.
    """
    views = [Rows(view) for view in untrained.views]
    pairs = Pairs(views, Rows(untrained.captions), photo_of_caption)
    trained = fit_heads(pairs, recipe.alignment, progress=progress)
    # The first features are the sentence embedding itself.
    width = untrained.captions.shape[1]
    said = AffineMap(np.eye(width, SENTENCE, dtype=np.float32), np.zeros(SENTENCE, np.float32))
    return TowerHeads(
        trained.image,
        trained.text,
        said,
        Standardisation.of(np.concatenate(untrained.views)),
        Standardisation.of(untrained.captions),
    )


def plain_heads(
    image: AffineMap, text: AffineMap, named: AffineMap, names: Floats
) -> tuple[ImageHead, TextHead]:
    """Heads without normalisation.

    Args:
        image: from features to the aligned part of photos.
        text: from features to the aligned part of texts.
        named: from features to the class name part of texts.
        names: the class name parts of ImageNet's classes, float32, shape (classes, names).
    """
    none = Normalisation(np.empty((0, 0), dtype=np.float32), 0, 0.0, 0.0)
    return (
        ImageHead(image.weight, image.bias, names, none),
        TextHead(text.weight, text.bias, named.weight, named.bias, none),
    )


def normalised_heads(
    image: ImageHead, text: TextHead, photos: ImageFeatures, captions: Floats, recipe: Recipe
) -> tuple[ImageHead, TextHead]:
    """The same heads with nearest neighbour normalisation.

    Args:
        image: the image head.
        text: the text head.
        photos: features and logits of the photos that the banks are made of.
        captions: likewise features of captions, float32, shape (captions, text features).
        recipe: the banks.
    """
    seen = image.parts(photos.features, photos.logits)
    read = text.parts(captions)
    return (
        replace(image, normalisation=_normalise(seen, read, recipe.captions)),
        replace(text, normalisation=_normalise(read, seen, recipe.photos)),
    )


def _normalise(rows: Floats, others: Floats, settings: BankSettings) -> Normalisation:
    """The normalisation of rows by a bank of others, centred on these rows."""
    bank = centroids(others, settings.entries)
    normalisation = Normalisation(bank, settings.neighbours, settings.strength, centre=0.0)
    return replace(normalisation, centre=float(normalisation.bias(rows).mean()))


def principal_directions(captions: Floats, names: Floats, dim: int) -> Floats:
    """The directions that keep most of what captions and class names say.

    Args:
        captions: unit rows, float32, shape (captions, sentence).
        names: unit rows, float32, shape (classes, sentence); they count as much as all captions.
        dim: how many directions.

    Returns:
        float32, shape (sentence, dim), orthonormal columns.
    """
    moment = captions.T @ captions / len(captions) + names.T @ names / len(names)
    _, vectors = np.linalg.eigh(moment)
    return np.ascontiguousarray(vectors[:, ::-1][:, :dim], dtype=np.float32)
