"""rclip, the closest peer, with the same architecture and weights as mmsearch beside it.

rclip stays out of mmsearch's own virtual environment. Once, by hand:

    python -m venv /tmp/rclip && /tmp/rclip/bin/pip install rclip

Then the benchmarks that compare with it take `--rclip /tmp/rclip`. The first of them draws random
weights for rclip's model, open_clip's ViT-B-32-256, and exports them for rclip (about a minute and
900 MB, in `--peer-data`); speed does not depend on weights. mmsearch loads the same weights.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ARCHITECTURE = "ViT-B-32-256"
_MODEL_FOLDER = "ViT-B-32-256-datacomp_s34b_b86k"
_NOTICES = ("LICENSE", "OPENAI-CLIP-MIT.txt", "README.md", "THIRD_PARTY_NOTICES.md")
_VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
_WEIGHTS = "random.safetensors"


@dataclass(frozen=True)
class Peer:
    """rclip, ready to run; made by `from_arguments`.

    Attributes:
        program: rclip's command.
        data: what was exported for it.
    """

    program: Path
    data: Path

    @property
    def model(self) -> str:
        """What makes mmsearch run the same weights: for its `--model`."""
        return f"{ARCHITECTURE}:{self.data / _WEIGHTS}"

    def command(self, query: str, *, index: bool) -> list[str]:
        """Answers a query; run it in the folder of photos, in an `environment`.

        Args:
            query: words.
            index: whether to bring rclip's index of the folder up to date first, as rclip does by
                default; there is no way to index without a query.
        """
        return [str(self.program), *([] if index else ["--no-indexing"]), "--", query]

    def environment(self, home: Path) -> Mapping[str, str]:
        """The environment to run rclip in.

        Args:
            home: a folder that holds one index of rclip; it is made where it is not there.
        """
        home.mkdir(parents=True, exist_ok=True)
        for part in (_MODEL_FOLDER, "tokenizer", *_NOTICES):
            if not (home / part).exists():
                (home / part).symlink_to(self.data / part)
        return {**os.environ, "RCLIP_DATADIR": str(home)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `from_arguments` needs."""
    parser.add_argument(
        "--rclip",
        type=Path,
        metavar="VENV",
        help="the virtual environment that rclip is installed in; without it, no comparison",
    )
    parser.add_argument(
        "--peer-data",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir()) / "mmsearch-peer",
        help="where the exported weights are kept (default: %(default)s)",
    )


def from_arguments(arguments: argparse.Namespace) -> Peer | None:
    """The peer that the command line names, its weights exported; None where it names none."""
    if arguments.rclip is None:
        return None
    program = shutil.which("rclip", path=arguments.rclip / "bin")
    program = program or shutil.which("rclip", path=arguments.rclip / "Scripts")
    if program is None:
        sys.exit(f"There is no rclip in {arguments.rclip}.{__doc__}")
    data = arguments.peer_data.absolute()
    if not (data / _WEIGHTS).is_file():
        _export(data)
    return Peer(Path(program), data)


def _export(data: Path) -> None:
    """Draws random weights, and writes them for mmsearch and for rclip."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    print("Exporting random weights for rclip...", file=sys.stderr)
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)  # ONNX has no such operator
    model = open_clip.create_model(ARCHITECTURE, pretrained=None).eval()
    side = model.visual.image_size
    height, width = side if isinstance(side, tuple) else (side, side)
    towers = data / _MODEL_FOLDER
    towers.mkdir(parents=True, exist_ok=True)
    # rclip's inputs: normalised pixels, float32; tokens, int64.
    _to_onnx(model, model.encode_image, torch.zeros(2, 3, height, width), towers / "visual.onnx")
    tokens = torch.ones((2, model.context_length), dtype=torch.int64)
    _to_onnx(model, model.encode_text, tokens, towers / "textual.onnx")

    (data / "tokenizer").mkdir(exist_ok=True)
    vocabulary = Path(open_clip.__file__).parent / _VOCABULARY
    shutil.copy(vocabulary, data / "tokenizer" / _VOCABULARY)
    for name in _NOTICES:
        (data / name).touch()
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, data / _WEIGHTS)  # the last: its presence says that all is there


def _to_onnx(
    model: torch.nn.Module,
    tower: Callable[[torch.Tensor], torch.Tensor],
    example: torch.Tensor,
    path: Path,
) -> None:
    """Exports one tower; a model whose `forward` is that tower is what the exporter wants."""
    import torch

    model.forward = tower  # type: ignore[method-assign]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # this exporter is deprecated for one that needs more
        torch.onnx.export(
            model,
            (example,),
            path,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
