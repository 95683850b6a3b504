"""``mmsearch models``: the encoders to choose from."""

from __future__ import annotations

from dataclasses import asdict

from mmsearch.cli.options import JsonOption
from mmsearch.cli.output import byte_size, show, show_json, table


def models(json: JsonOption = False) -> None:
    """List the encoders to choose from, and which are already on this machine."""
    from mmsearch.encoders.registry import available

    listings = available()
    if json:
        show_json({"models": [asdict(listing) for listing in listings]})
        return
    rows = [("model", "encoder", "licence", "download", "COCO R@1", "cached")]
    for listing in listings:
        rows.append(
            (
                listing.name,
                listing.spec,
                listing.licence or "-",
                byte_size(listing.download_bytes) if listing.download_bytes else "-",
                f"{listing.recall:.1f}" if listing.recall is not None else "-",
                "yes" if listing.cached else "no",
            )
        )
    for line in table(rows, right=[3, 4]):
        show(line)
    show(
        "\nCOCO R@1: published text-to-image recall, zero-shot, in percent.\n"
        "Any open_clip model works too: ARCH/TAG, ARCH:FILE for a local checkpoint, or\n"
        "hf-hub:NAME. `mmsearch train` adapts one to your photos."
    )
