"""The recipe of the embedded encoder: from captioned photos to a folder of weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.align import AlignmentSettings, align
from mmsearch.training.bank import centroids
from mmsearch.training.export import export_image_tower, export_text_tower
from mmsearch.training.features import FeatureStore, ImageFeatures, Progress, View
from mmsearch.training.minilm import WIDTH as SENTENCE
from mmsearch.training.towers import (
    class_names,
    load_image_tower,
    load_text_tower,
    tokenizer_file,
)

NAME = "embedded-1"
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


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that is chosen, with the values that the shipped weights were made with.

    Attributes:
        alignment: of the linear heads.
        name_dim: dimensions of the class name part.
        captions: the bank that photos are normalised with.
        photos: the bank that captions are normalised with.
    """

    alignment: AlignmentSettings = field(default_factory=AlignmentSettings)
    name_dim: int = 124
    captions: BankSettings = BankSettings(entries=2048, neighbours=16, strength=0.75)
    photos: BankSettings = BankSettings(entries=1024, neighbours=8, strength=0.6)


def train_embedded(
    train: CaptionedPhotos,
    out: Path,
    *,
    recipe: Recipe | None = None,
    progress: Progress = lambda _step, _done, _total: None,
) -> EmbeddedEncoder:
    """Makes the weights of an embedded encoder.

    Args:
        train: captioned photos to train on.
        out: the folder to write the weights into. The towers' features are kept in its
            subfolder ``features``, so that training again with another recipe is quick.
        recipe: how to train; by default as the shipped weights were made.
        progress: told of each batch and epoch.

    Returns:
        The encoder, loaded from ``out``.

    Raises:
        TrainingError: the extra ``train`` is not installed, or a photo cannot be read.
    """
    recipe = recipe or Recipe()
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tokenizer_file(), out / TOKENIZER)
    export_image_tower(load_image_tower(), TRANSFORM.height, out / IMAGE_TOWER)
    export_text_tower(load_text_tower(), out / TEXT_TOWER)

    store = FeatureStore(out, out / "features", progress)
    seen = Seen(
        views=[store.of_photos(train.photos, TRANSFORM, view) for view in View],
        captions=store.of_texts(train.captions),
        photo_of_caption=train.photo_of_caption,
        names=store.of_texts(class_names()),
    )
    image, text = fit_heads(seen, recipe, progress)
    save_heads(out / HEADS, image, text)
    dim = embedding_dim(recipe.alignment.dim, recipe.name_dim)
    Manifest(NAME, content_hash(out), dim, TRANSFORM).save(out)
    return EmbeddedEncoder(weights=out)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the towers see of a captioned data set.

    Attributes:
        views: the photos, seen in one or more ways; the first is the plain one.
        captions: float32, shape (captions, text features).
        photo_of_caption: int64, shape (captions,).
        names: the ImageNet classes' names, float32, shape (classes, text features).
    """

    views: Sequence[ImageFeatures]
    captions: Floats
    photo_of_caption: NDArray[np.int64]
    names: Floats


def fit_heads(seen: Seen, recipe: Recipe, progress: Progress) -> tuple[ImageHead, TextHead]:
    """Trains all that comes after the towers.

    Args:
        seen: features to train on.
        recipe: how to train.
        progress: told of each epoch.
    """
    aligned_image, aligned_text = align(
        [view.features for view in seen.views],
        seen.captions,
        seen.photo_of_caption,
        recipe.alignment,
        progress,
    )
    names = unit(seen.names[:, :SENTENCE])
    projection = principal_directions(unit(seen.captions[:, :SENTENCE]), names, recipe.name_dim)
    none = Normalisation(np.empty((0, 0), dtype=np.float32), 0, 0.0, 0.0)
    image = ImageHead(aligned_image.weight, aligned_image.bias, names @ projection, none)
    text = TextHead(aligned_text.weight, aligned_text.bias, projection, none)

    photos = image.parts(seen.views[0].features, seen.views[0].logits)
    captions = text.parts(seen.captions)
    return (
        replace(image, normalisation=_normalise(photos, captions, recipe.captions)),
        replace(text, normalisation=_normalise(captions, photos, recipe.photos)),
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
