"""mmsearch: photos, captions, recordings and videos, searchable by meaning on your own machine.

    import mmsearch

    index = mmsearch.create("photos.mmsearch", model="auto")
    index.add("./photos")
    hits = index.search("a dog on a beach", k=10)

The public names are imported when first used, so that ``import mmsearch`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsearch import errors
    from mmsearch.items import Duplicates, Hit, IndexReport, Match, Modality, Status
    from mmsearch.library import Index, create, open
    from mmsearch.results.hits import Hits
    from mmsearch.search.language.literal import literal
    from mmsearch.training.adapt.entry import train
    from mmsearch.training.adapt.report import TrainingReport

__version__ = "0.1.0"

__all__ = [
    "Duplicates",
    "Hit",
    "Hits",
    "Index",
    "IndexReport",
    "Match",
    "Modality",
    "Status",
    "TrainingReport",
    "create",
    "errors",
    "literal",
    "open",
    "train",
]

_HOMES = {
    "Duplicates": "mmsearch.items",
    "Hit": "mmsearch.items",
    "Hits": "mmsearch.results.hits",
    "Index": "mmsearch.library",
    "IndexReport": "mmsearch.items",
    "Match": "mmsearch.items",
    "Modality": "mmsearch.items",
    "Status": "mmsearch.items",
    "TrainingReport": "mmsearch.training.adapt.report",
    "create": "mmsearch.library",
    "literal": "mmsearch.search.language.literal",
    "open": "mmsearch.library",
    "train": "mmsearch.training.adapt.entry",
}


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("mmsearch.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mmsearch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
