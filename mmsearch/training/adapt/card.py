"""The card of a named encoder, in Markdown."""

from __future__ import annotations

from datetime import date

from mmsearch.training.adapt.report import TrainingReport

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
    rows = [
        f"| {direction} | {when} | " + " | ".join(f"{value:.1f}" for value in found.values()) + " |"
        for direction, before, after in (
            ("text to image", outcome.before.text_to_image, outcome.after.text_to_image),
            ("image to text", outcome.before.image_to_text, outcome.after.image_to_text),
        )
        for when, found in (("before", before.as_dict()), ("after", after.as_dict()))
    ]
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
            f"Chosen on the held-out part: {outcome.candidate}, {outcome.share:.0%} of the way "
            "from the base."
        )
    learnt_photos = sizes.photos - sizes.held_out_photos
    learnt_captions = sizes.captions - sizes.held_out_captions
    skipped = f" {len(report.skipped)} photos could not be read." if report.skipped else ""
    return f"""# {report.name}

An encoder of mmsearch, made by `mmsearch train` on {made_on.isoformat()}. Use it with
`mmsearch index FOLDER --model {report.name}`.

| | |
|---|---|
| id | `{report.encoder}` |
| made from | `{report.base}` |
| data | {data.replace("|", "&#124;")} |
| trained on | {learnt_photos} photos, {learnt_captions} captions |
| held out | {sizes.held_out_photos} photos, {sizes.held_out_captions} captions |

{" ".join(how)}{skipped}

## Results on the held-out part, in percent

| | | {" | ".join(metrics)} |
|---|---|{"---|" * len(metrics)}
{chr(10).join(rows)}

Nothing was trained on these photos, but they chose when to stop and how far to go, so the figures
flatter a little. `mmsearch eval --model {report.name}` measures it on others.

![Loss and recall]({CURVES})

## Files

{files}
"""
