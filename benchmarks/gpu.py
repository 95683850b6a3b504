"""What a GPU makes of indexing: the encoder alone, decoders alone, and from files to an index.

python benchmarks/gpu.py [--photos 20000] [--model MODEL] [--device cuda] [--out docs/benchmarks]
python benchmarks/gpu.py --device cpu --photos 200        a dry run

Without `--model`, ViT-B-32-256 with random weights: speed does not depend on them. Where
torchvision can decode JPEG on the GPU (nvJPEG), that is measured beside the worker processes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from measure import markdown
from photos import make_photos

import mmsearch
from mmsearch.cores import usable_cores
from mmsearch.encoders.base import DualEncoder, expect_images
from mmsearch.encoders.registry import load
from mmsearch.ingest.decoders import Decoders
from mmsearch.ingest.photo import PhotoWish

ARCHITECTURE = "ViT-B-32-256"


def random_weights(path: Path) -> str:
    """Writes weights of the architecture, and names them for `load`."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model(ARCHITECTURE, pretrained=None)
    torch.save(model.state_dict(), path)
    return f"{ARCHITECTURE}:{path}"


def seconds(work: Callable[[], object]) -> float:
    """Of the second of two runs."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def encoder_alone(encoder: DualEncoder, count: int) -> float:
    """Images a second on pixels in memory."""
    shape = (encoder.transform.height, encoder.transform.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return count / seconds(lambda: encoder.encode_images(pixels))


def decoders_alone(encoder: DualEncoder, files: list[Path]) -> float:
    """Photos a second by worker processes."""
    wish = PhotoWish(encoder.transform, 200.0, fingerprint=True)
    cores = usable_cores()
    with Decoders(cores) as decode, ThreadPoolExecutor(cores + 2) as threads:

        def read(path: Path) -> object:
            return decode(path.read_bytes(), path.suffix, wish)

        return len(files) / seconds(lambda: list(threads.map(read, files)))


def nvjpeg(files: list[Path], device: str) -> float | None:
    """Photos a second decoded on the GPU, at full size; None where torchvision cannot."""
    from torchvision.io import ImageReadMode, decode_jpeg

    data = [torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in files]

    def decode() -> None:
        decode_jpeg(data, mode=ImageReadMode.RGB, device=device)
        torch.cuda.synchronize()

    try:
        return len(files) / seconds(decode)
    except (RuntimeError, AssertionError):
        return None


def indexing(encoder: DualEncoder, photos: Path, scratch: Path) -> float:
    """Photos a second from files to a committed index."""
    with mmsearch.create(scratch / "index", model=encoder) as index:
        return index.add(photos).items_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--model")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--out", type=Path, help="folder to write gpu.json into")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device; --device cpu is a dry run")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photos = scratch / "photos"
        make_photos(photos, arguments.photos, width=640, height=480, quality=80)
        files = sorted(photos.iterdir())
        model = arguments.model or random_weights(scratch / "random.pt")
        encoder = load(model, device=arguments.device)
        expect_images(encoder, arguments.photos, usable_cores())
        on_gpu = arguments.device == "cuda"
        few = files[: min(len(files), 2000)]
        values = {
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "cores": usable_cores(),
            "photos": arguments.photos,
            "encoder_alone": encoder_alone(encoder, 4096 if on_gpu else 64),
            "decoders_alone": decoders_alone(encoder, few),
            "nvjpeg_alone": nvjpeg(few[:512], "cuda") if on_gpu else None,
            "indexing": indexing(encoder, photos, scratch),
        }
    rate = values["nvjpeg_alone"]
    print(
        markdown(
            [f"{values['device']}, {values['cores']} cores, {arguments.photos} photos", ""],
            [
                ["encoder alone, images a second", f"{values['encoder_alone']:.0f}"],
                ["worker processes alone, photos a second", f"{values['decoders_alone']:.0f}"],
                ["nvJPEG alone, photos a second", "-" if rate is None else f"{rate:.0f}"],
                ["from files to an index, photos a second", f"{values['indexing']:.0f}"],
                ["the same / encoder alone", f"{values['indexing'] / values['encoder_alone']:.2f}"],
            ],
        )
    )
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(values, indent=2)
        (arguments.out / "gpu.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
