"""Keeps in the index what its encoder makes of texts in general, for the relevance of hits."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mmsearch.catalog.catalog import Catalog
from mmsearch.encoders.background import background_id, encode_background
from mmsearch.encoders.base import DualEncoder
from mmsearch.errors import EncoderError

_log = logging.getLogger(__name__)


def ensure_background(catalog: Catalog, encoder: Callable[[], DualEncoder]) -> None:
    """Stores the embeddings of the background texts where they are not there, as in an old index.

    An index works without them; so nothing is raised where the encoder cannot be had.

    Args:
        catalog: of an index; nothing is done while it has no items.
        encoder: gives its encoder; called only where there is something to embed.
    """
    if not catalog.has_items() or catalog.background_id() == background_id():
        return
    try:
        vectors = encode_background(encoder())
    except EncoderError as error:
        _log.info("The relevance of hits stays rough: %s", error)
        return
    catalog.put_background(background_id(), vectors)
