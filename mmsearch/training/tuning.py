"""The settings of fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How the towers are fine-tuned.

    Attributes:
        stages: of the image tower that are trained.
        layers: of the text tower that are trained.
        epochs: how often each photo is seen.
        views: in how many ways a photo is seen; see `views.photo_views`.
        batch: photos per step; each is a negative for the others' captions.
        captions: of each photo in a step, at most.
        short: share of the photos for which a short text takes the place of one of them.
        image_rate: learning rate of the image tower; all rates fall to 0 on a cosine.
        text_rate: learning rate of the text tower.
        head_rate: learning rate of the heads.
        weight_decay: of AdamW.
        dropout: share of the features that are dropped before the heads.
        word_dropout: share of a caption's tokens that are left out each time it is read.
        text_dropout: share of what a layer of the text tower adds that is dropped.
        drop_path: share of the image tower's residual blocks that are left out.
        temperature: what similarities are divided by.
        likeness: share of a photo's say that goes to other photos in the step, the more the
            closer their captions are in meaning.
        keep_classes: weight of the distillation of ImageNet's classes.
        keep_sentences: weight of the distillation of sentence embeddings.
        other_texts: per step, besides captions, for the distillation of sentence embeddings.
        average: how much of the running average stays at each step.
        patience: epochs without anything better on held-out photos, where there are any, after
            which training stops.
        seed: of order, dropout and choice.
    """

    stages: int = 2
    layers: int = 3
    epochs: int = 30
    views: int = 4
    batch: int = 512
    captions: int = 2
    short: float = 0.0
    image_rate: float = 3e-4
    text_rate: float = 2e-4
    head_rate: float = 1e-3
    weight_decay: float = 2e-2
    dropout: float = 0.5
    word_dropout: float = 0.0
    text_dropout: float = 0.1
    drop_path: float = 0.1
    temperature: float = 1 / 30
    likeness: float = 0.0
    keep_classes: float = 0.5
    keep_sentences: float = 2.0
    other_texts: int = 128
    average: float = 0.98
    patience: int = 6
    seed: int = 0
