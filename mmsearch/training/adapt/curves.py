"""Draws the curves of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.training.adapt.report import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (4.6, 3.4)  # of each drawing


def draw_curves(path: Path, outcome: Outcome) -> None:
    """Writes a PNG: the losses by epoch, and recall by how far from the base; what there is.

    Without pyplot, so that no window system is looked for and no global state is changed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawings = [_draw_recall] if not outcome.history else [_draw_losses, _draw_recall]
    if any(epoch.held_out_mrr is not None for epoch in outcome.history):
        drawings = [_draw_losses, _draw_mrr]
    figure = Figure(figsize=(_INCHES[0] * len(drawings), _INCHES[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for number, draw in enumerate(drawings, start=1):
        axes = figure.add_subplot(1, len(drawings), number)
        draw(axes, outcome)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


def _draw_losses(axes: Axes, outcome: Outcome) -> None:
    epochs = range(1, len(outcome.history) + 1)
    axes.plot(epochs, [epoch.train_loss for epoch in outcome.history], label="training")
    held_out = [
        (number, epoch.held_out_loss)
        for number, epoch in zip(epochs, outcome.history, strict=True)
        if epoch.held_out_loss is not None
    ]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), label="held out")
        axes.plot(*min(held_out, key=lambda point: point[1]), "o", color="C1", label="chosen")
    axes.set(xlabel="epoch", ylabel="contrastive loss", title="Loss")
    axes.legend(frameon=False)


def _draw_mrr(axes: Axes, outcome: Outcome) -> None:
    """Mean reciprocal rank on the held-out part, epoch by epoch."""
    reached = [
        (number, epoch.held_out_mrr)
        for number, epoch in enumerate(outcome.history, 1)
        if epoch.held_out_mrr is not None
    ]
    axes.plot(*zip(*reached, strict=True), ".-", label="held out")
    axes.plot(*max(reached, key=lambda point: point[1]), "o", color="C1", label="chosen")
    axes.set(xlabel="epoch", ylabel="MRR, percent", title="Held-out retrieval, aligned part")
    axes.legend(frameon=False)


def _draw_recall(axes: Axes, outcome: Outcome) -> None:
    """Recall at 1 in both directions, of the candidate that was chosen."""
    chosen = [t for t in outcome.trials if t.candidate == outcome.candidate]
    shares = [0.0, *(trial.share for trial in chosen)]
    if not chosen:
        shares, reached = [0.0, 1.0], [outcome.before, outcome.after]
    else:
        reached = [outcome.before, *(trial.retrieval for trial in chosen)]
    to_image = [retrieval.text_to_image.recall_at_1 for retrieval in reached]
    to_text = [retrieval.image_to_text.recall_at_1 for retrieval in reached]
    axes.plot(shares, to_image, ".-", color="C0", label="text to image")
    axes.plot(shares, to_text, ".-", color="C2", label="image to text")
    axes.axvline(1.0 if outcome.share is None else outcome.share, color="C1", label="chosen")
    axes.set(
        xlabel="share of the way from the base", ylabel="R@1, percent", title="Held-out recall"
    )
    axes.legend(frameon=False)
