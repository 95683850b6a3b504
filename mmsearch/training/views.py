"""Photos, seen in several ways, as the first stages of the image tower leave them.

Computed once for each photo and view and kept on disk, since these stages are not trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmsearch.encoders.base import ImageTransform, Pixels
from mmsearch.errors import MediaError, TrainingError
from mmsearch.evaluation.embedding import decode_photo
from mmsearch.training.features import Progress
from mmsearch.training.stages import FirstStages

if TYPE_CHECKING:
    from PIL.Image import Image

Halves = NDArray[np.float16]

_BATCH = 32
_SMALLEST = 0.5  # share of the photo's area that a random view shows at least
_STRETCH = 0.16  # of its aspect ratio, as the logarithm's bound


def photo_views(
    photos: Sequence[Path],
    stages: FirstStages,
    transform: ImageTransform,
    count: int,
    kept: Path,
    progress: Progress,
) -> list[Halves]:
    """What the first stages make of photos.

    The first view is the photo itself and the second its mirror image. The others are random:
    a part of the photo, every other one mirrored, with other brightness, contrast and colour.

    Args:
        photos: files.
        stages: the first stages, on the device where they run.
        transform: the image preprocessing.
        count: how many views, at least 1.
        kept: the folder where views are kept.
        progress: told of each batch.

    Returns:
        For each view float16, shape (photos, channels, positions), on disk.

    Raises:
        TrainingError: a photo cannot be read; the message names it.
    """
    kept.mkdir(parents=True, exist_ok=True)
    stamp = _stamp(photos, stages, transform)
    views = []
    for view in range(count):
        path = kept / f"view-{view}-{stamp}.npy"
        if not path.exists():
            _compute(photos, stages, transform, view, path, progress)
        views.append(np.load(path, mmap_mode="r"))
    return views


def _compute(
    photos: Sequence[Path],
    stages: FirstStages,
    transform: ImageTransform,
    view: int,
    path: Path,
    progress: Progress,
) -> None:
    """Writes one view of all photos; the file appears when it is whole."""
    device = next(stages.parameters()).device
    partial = path.with_suffix(".partial")
    starts = range(0, len(photos), _BATCH)
    out: np.memmap[Any, np.dtype[np.float16]] | None = None

    def load(start: int) -> Pixels:
        chosen = range(start, min(start + _BATCH, len(photos)))
        return np.stack([_pixels(photos[index], transform, view, index) for index in chosen])

    # One batch ahead: reading takes less time than the stages.
    with ThreadPoolExecutor(1) as ahead, torch.inference_mode():
        pending = ahead.submit(load, 0)
        for start in starts:
            pixels = torch.from_numpy(pending.result()).to(device)
            if start + _BATCH < len(photos):
                pending = ahead.submit(load, start + _BATCH)
            hidden = stages(pixels).half().cpu().numpy()
            if out is None:
                shape = (len(photos), *hidden.shape[1:])
                out = np.lib.format.open_memmap(partial, "w+", dtype=np.float16, shape=shape)
            out[start : start + len(hidden)] = hidden
            progress(f"view {view + 1}", start + len(hidden), len(photos))
    if out is not None:
        out.flush()
    partial.replace(path)


def _pixels(path: Path, transform: ImageTransform, view: int, index: int) -> Pixels:
    try:
        image = decode_photo(path, transform)
    except MediaError as error:
        raise TrainingError(f"The photo {path} cannot be read: {error}") from error
    if view > 1:
        image = _random_part(image, np.random.default_rng((view, index)))
    pixels = transform(image)
    return pixels[:, ::-1] if view % 2 else pixels


def _random_part(image: Image, generator: np.random.Generator) -> Image:
    """A part of a photo, in other light; colours as in SimCLR (Chen et al. 2020), but weaker."""
    from PIL import ImageEnhance

    side = float(np.sqrt(generator.uniform(_SMALLEST, 1)))
    stretch = float(np.exp(generator.uniform(-_STRETCH, _STRETCH) / 2))
    width = image.width * min(1.0, side * stretch)
    height = image.height * min(1.0, side / stretch)
    left = generator.uniform(0, image.width - width)
    top = generator.uniform(0, image.height - height)
    part = image.resize(image.size, box=(left, top, left + width, top + height))
    for enhance, least in (
        (ImageEnhance.Brightness, 0.8),
        (ImageEnhance.Contrast, 0.8),
        (ImageEnhance.Color, 0.7),
    ):
        part = enhance(part).enhance(generator.uniform(least, 2 - least))
    return part


def _stamp(photos: Sequence[Path], stages: FirstStages, transform: ImageTransform) -> str:
    """Changes with whatever the views depend on."""
    digest = hashlib.sha256(repr(transform).encode())
    for path in photos:
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\0".encode("utf-8", "replace"))
    for name, tensor in stages.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {float(tensor.double().sum())!r}\0".encode())
    return digest.hexdigest()[:16]
