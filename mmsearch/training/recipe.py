"""The recipe of the embedded encoder: from captioned photos to a folder of weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmsearch.encoders.base import ImageTransform
from mmsearch.encoders.embedded import EmbeddedEncoder
from mmsearch.encoders.embedded.heads import Floats, Heads, HeadSettings, unit
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
from mmsearch.training.features import FeatureStore, ImageFeatures, Progress
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
class Recipe:
    """Everything that is chosen, with the values that the shipped weights were made with.

    Attributes:
        alignment: of the linear heads.
        heads: of the class name part and the normalisation.
        name_dim: dimensions of the class name part.
        bank_size: captions' centroids for nearest neighbour normalisation.
    """

    alignment: AlignmentSettings = field(default_factory=AlignmentSettings)
    heads: HeadSettings = field(
        default_factory=lambda: HeadSettings(
            class_weight=0.45,
            likeliest=10,
            bank_neighbours=16,
            bank_strength=0.75,
            bias_scale=1.0,
            bias_limit=0.3,
        )
    )
    name_dim: int = 126
    bank_size: int = 2048


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
    plain = store.of_photos(train.photos, TRANSFORM)
    mirrored = store.of_photos(train.photos, TRANSFORM, mirrored=True)
    texts = store.of_texts(train.captions)
    names = store.of_texts(class_names())

    heads = fit_heads([plain, mirrored], texts, names, train, recipe, progress)
    heads.save(out / HEADS)
    Manifest(NAME, content_hash(out), TRANSFORM).save(out)
    return EmbeddedEncoder(weights=out)


def fit_heads(
    views: Sequence[ImageFeatures],
    texts: Floats,
    names: Floats,
    train: CaptionedPhotos,
    recipe: Recipe,
    progress: Progress,
) -> Heads:
    """Trains all that comes after the towers.

    Args:
        views: the photos' features, seen in one or more ways; the first is the plain one.
        texts: the captions' features, float32, shape (captions, text features).
        names: the class names' features, float32, shape (classes, text features).
        train: the captioned photos that these are the features of.
        recipe: how to train.
        progress: told of each epoch.
    """
    image_head, text_head = align(
        [view.features for view in views],
        texts,
        train.photo_of_caption,
        recipe.alignment,
        progress,
    )
    sentences, titles = unit(texts[:, :SENTENCE]), unit(names[:, :SENTENCE])
    projection = principal_directions(sentences, titles, recipe.name_dim)
    heads = Heads(
        settings=recipe.heads,
        image_weight=image_head.weight,
        image_bias=image_head.bias,
        text_weight=text_head.weight,
        text_bias=text_head.bias,
        class_names=titles @ projection,
        sentence_projection=projection,
        bank=np.empty((0, recipe.alignment.dim + projection.shape[1]), dtype=np.float32),
        bias_centre=0.0,
    )
    heads = replace(heads, bank=centroids(heads.text_parts(texts), recipe.bank_size))
    parts = heads.image_parts(views[0].features, views[0].logits)
    return replace(heads, bias_centre=float(heads.bias(parts).mean()))


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
