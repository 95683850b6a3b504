"""The card of a named encoder, in Markdown."""

from __future__ import annotations

from datetime import date

from mmsearch.training.adapt.report import Outcome, TrainingReport

CURVES = "curves.png"


def card(report: TrainingReport, data: str, made_on: date, files: str) -> str:
    """Says what an encoder was made from, how, and what it reached.

    Args:
        report: of the training.
        data: where photos and captions came from, in words.
        made_on: the day.
        files: what lies in the folder, in Markdown.
    """
    outcome, sizes = report.outcome, report.sizes
    metrics = list(outcome.before.text_to_image.as_dict())
    held_out = f"{sizes.held_out_photos} photos, {sizes.held_out_captions} captions"
    caution = "Nothing was trained on these photos, but they chose when to stop and how far to go"
    if sizes.folds:
        held_out = f"each photo once, in {sizes.folds} folds; the figures are means over folds"
        caution = "No fold was trained on when it was measured, but they chose how far to go"
    skipped = f" {len(report.skipped)} photos could not be read." if report.skipped else ""
    return f"""# {report.name}

An encoder of mmsearch, made by `mmsearch train` on {made_on.isoformat()}. Use it with
`mmsearch index FOLDER --model {report.name}`.

| | |
|---|---|
| id | `{report.encoder}` |
| made from | `{report.base}` |
| data | {data.replace("|", "&#124;")} |
| trained on | {sizes.learnt_photos} photos, {sizes.learnt_captions} captions |
| held out | {held_out} |

{_how(outcome)}{skipped}

## Results on held-out photos, in percent

| | | {" | ".join(metrics)} |
|---|---|{"---|" * len(metrics)}
{_results(outcome)}

{caution}, so the figures flatter a little.
`mmsearch eval --model {report.name}` measures it on others.

![Loss and recall]({CURVES})

## Files

{files}
"""


def _how(outcome: Outcome) -> str:
    """How it was made, in sentences."""
    settings = ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in outcome.settings.items()
        if value is not None and name != "seed"
    )
    how = [f"Method `{outcome.method}`, seed {outcome.seed}."]
    if settings:
        how.append(f"Settings: {settings}.")
    if outcome.history:
        how.append(f"{len(outcome.history)} epochs were run.")
    if outcome.candidate is not None and outcome.share is not None:
        how.append(
            f"Chosen on held-out photos: {outcome.candidate}, {outcome.share:.0%} of the way "
            "from the base."
        )
    return " ".join(how)


def _results(outcome: Outcome) -> str:
    """The rows of the table of results."""
    return "\n".join(
        f"| {direction} | {when} | " + " | ".join(f"{value:.1f}" for value in found.values()) + " |"
        for direction, before, after in (
            ("text to image", outcome.before.text_to_image, outcome.after.text_to_image),
            ("image to text", outcome.before.image_to_text, outcome.after.image_to_text),
        )
        for when, found in (("before", before.as_dict()), ("after", after.as_dict()))
    )
