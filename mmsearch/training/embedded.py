r"""Makes the weights of the embedded encoder from a folder of captioned photos.

    python -m mmsearch.training.embedded --images photos --captions captions.tsv \
        --train train.txt --dev dev.txt --out weights

The towers stay as they are; ``docs/models/embedded.md`` says what is trained and why. Prints the
retrieval metrics on the dev photos as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from mmsearch.errors import MmsearchError
from mmsearch.evaluation.datasets import read_captioned_photos
from mmsearch.evaluation.evaluate import evaluate


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program.

    Args:
        arguments: of the command line; None takes those of the process.

    Returns:
        The exit status: 0, or 1 after an error.
    """
    options = _parser().parse_args(arguments)
    try:
        train = read_captioned_photos(options.images, options.captions, split=options.train)
        dev = read_captioned_photos(options.images, options.captions, split=options.dev)
        # Late, because it imports torch: what is wrong with the captions is told at once.
        from mmsearch.training.recipe import train_embedded

        with _Bars() as bars:
            encoder = train_embedded(train, options.out, progress=bars.show)
            report = evaluate(
                encoder, dev, progress=lambda done, total: bars.show("evaluation", done, total)
            )
    except MmsearchError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(report.as_dict(), indent=2))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mmsearch.training.embedded",
        description="Make the weights of the embedded encoder from captioned photos.",
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of photos")
    parser.add_argument(
        "--captions",
        type=Path,
        required=True,
        help="TSV or CSV with the columns image and caption, COCO captions or Karpathy JSON",
    )
    parser.add_argument("--train", required=True, help="file with the image names to train on")
    parser.add_argument("--dev", required=True, help="file with the image names to evaluate on")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the weights to")
    return parser


class _Bars:
    """One progress bar after the other on standard error, one for each step."""

    def __init__(self) -> None:
        self._step = ""
        self._bar: tqdm[NoReturn] | None = None

    def show(self, step: str, done: int, total: int) -> None:
        """Brings the bar of a step up to date; a new step begins a new bar."""
        bar = self._bar
        if bar is None or step != self._step:
            self._close()
            bar = tqdm(total=total, desc=step)
            self._step, self._bar = step, bar
        bar.update(done - bar.n)

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()


if __name__ == "__main__":
    sys.exit(main())
