"""Looks up what people wrote about files."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mmsearch.catalog.reader import CatalogReader
from mmsearch.items import Modality


def first_captions(reader: CatalogReader, assets: Iterable[int]) -> dict[int, str]:
    """The first caption of each asset that has any, by the assets' ids."""
    rows = reader.select(
        """
        SELECT asset_id, text, min(id) FROM item WHERE modality = ?
        AND asset_id IN (SELECT value FROM json_each(?)) GROUP BY asset_id
        """,
        (Modality.CAPTION.value, json.dumps(sorted(set(assets)))),
    )
    return {asset: text for asset, text, _ in rows}
