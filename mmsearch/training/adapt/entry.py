"""The front door of training: `mmsearch.train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import TrainingError
from mmsearch.evaluation.datasets import CaptionedPhotos, read_captioned_photos
from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import known_identity
from mmsearch.paths import StrPath
from mmsearch.settings import load_settings
from mmsearch.training.adapt import train as training
from mmsearch.training.adapt.dataset import captioned_photos_of_index
from mmsearch.training.adapt.methods import Method
from mmsearch.training.adapt.report import TrainingReport
from mmsearch.training.features import Progress

if TYPE_CHECKING:
    from mmsearch.encoders.base import Device, DualEncoder, EncoderIdentity


def train(
    name: str,
    *,
    images: StrPath | None = None,
    captions: StrPath | None = None,
    split: StrPath | None = None,
    index: StrPath | None = None,
    model: str | DualEncoder | None = None,
    method: Method | str = Method.AUTO,
    depth: int = 0,
    seed: int = 0,
    held_out: float = training.HELD_OUT,
    device: Device = "auto",
    replace: bool = False,
    progress: Progress | None = None,
) -> TrainingReport:
    """Adapts an encoder to captioned photos, and stores it as ``name`` for ``model=name``.

    The photos come from a folder and a caption file, or from an index that holds captions. A part
    of them is held out, by photo; recall on it is measured before and after.

    Args:
        name: of the new encoder: letters, digits, ``-`` and ``_``.
        images: the folder of photos.
        captions: their captions, in any form that ``mmsearch eval`` reads.
        split: restricts to some of the photos: a file with one image name a line, or the name of
            a split in a Karpathy JSON.
        index: an index, by name or path, instead of ``images`` and ``captions``.
        model: the encoder to start from: what ``--model`` takes, or an encoder that ``--model``
            can load again; by default the index's own, else as the settings say.
        method: ``heads`` (trained by contrast), ``ridge``, ``procrustes`` or ``whitening``;
            ``auto`` is ``ridge`` for less than 1,000 photos, and ``heads`` for more.
        depth: 0 trains heads; 1 to 3 fine-tunes the towers as well, the more of them the higher,
            which only the embedded encoder can; ``method`` counts for nothing then.
        seed: of the split and of training; the same gives the same on the same machine.
        held_out: share of the photos to hold out; methods other than ``heads`` hold out one such
            part after the other, and learn from all photos in the end.
        device: where the encoder runs.
        replace: whether an encoder of this name may be replaced.
        progress: called with the name of a step, how much of it is done, and of how much.

    Raises:
        TrainingError: the name is taken, there are too few photos, the extra ``train`` is not
            installed, or the result is no better; nothing is stored then.
        DatasetError: photos or captions cannot be read as they are described.
        IndexNotFoundError: there is no such index.
        EncoderError: the name is no valid one, or the encoder cannot be loaded (again).
    """
    settings = load_settings()
    show = progress or _silent
    if index is not None and images is None and captions is None:
        path = settings.index_path(index if isinstance(index, str) else Path(index))
        dataset, source, own = _of_index(path)
    elif index is None and images is not None and captions is not None:
        dataset, own = _of_files(images, captions, split), None
        source = f"`{captions}`" if split is None else f"`{captions}`, `{split}` of it"
    else:
        raise TrainingError(
            "Name the folder of photos and the file of their captions, or an index that has both."
        )
    task = training.Task(
        name, source, _method(method), seed=seed, held_out=held_out, replace=replace
    )
    if model is None and own is None:
        model = settings.model
    training.check(task, _spec(model, own))
    encoder = _encoder(model, own, device)
    cache = settings.cache / "encoded"
    if depth:
        from mmsearch.training.adapt.deep import train_towers

        return train_towers(task, depth, dataset, encoder, cache, device, show)
    return training.train(task, dataset, encoder, cache, show)


def _of_files(images: StrPath, captions: StrPath, split: StrPath | None) -> CaptionedPhotos:
    which = split if split is None else os.fspath(split)
    return read_captioned_photos(Path(images), Path(captions), split=which)


def _of_index(path: Path) -> tuple[CaptionedPhotos, str, EncoderIdentity]:
    """Photos and captions of an index, where it is in words, and its encoder."""
    directory = IndexDirectory(path)
    try:
        dataset = captioned_photos_of_index(directory)
        with directory.reading() as reader:
            own = known_identity(reader.encoder())
    finally:
        directory.close()
    return dataset, f"the index `{path}`", own


def _spec(model: str | DualEncoder | None, own: EncoderIdentity | None) -> str:
    if model is None:
        return own.spec if own is not None else "auto"
    return model if isinstance(model, str) else model.identity.spec


def _encoder(
    model: str | DualEncoder | None, own: EncoderIdentity | None, device: Device
) -> DualEncoder:
    from mmsearch.encoders import registry

    if model is None and own is not None:
        return registry.reopen(own, device=device)
    if model is None or isinstance(model, str):
        return registry.load(model or "auto", device=device)
    # What is stored names its base; one that cannot be loaded again would make it worthless.
    registry.reopen(model.identity, device=device)
    return model


def _method(name: Method | str) -> Method:
    try:
        return Method(name)
    except ValueError:
        known = ", ".join(Method)
        raise TrainingError(f"There is no method {name!r}; known are {known}.") from None


def _silent(_step: str, _done: int, _total: int) -> None:
    pass
