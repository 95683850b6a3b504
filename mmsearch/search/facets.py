"""Counts of files by type, folder and year: what there is to filter by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.columns import Columns
from mmsearch.items import Modality
from mmsearch.search.filters import passing_items
from mmsearch.search.language.tree import Question


@dataclass(frozen=True, slots=True)
class FolderFacet:
    """Files that lie directly in a folder.

    Attributes:
        path: absolute.
        name: within its source; the source's own name for the source itself.
        assets: how many files.
    """

    path: Path
    name: str
    assets: int


@dataclass(frozen=True, slots=True)
class Facets:
    """How many files have which values.

    Attributes:
        assets: all of them.
        types: by modality; a file with items of two counts in both.
        folders: those with the most files first.
        years: by year taken, the newest first.
        undated: files that do not say when they were taken.
    """

    assets: int
    types: dict[Modality, int]
    folders: tuple[FolderFacet, ...]
    years: dict[int, int]
    undated: int


def facets(columns: Columns, question: Question) -> Facets:
    """Counts the files that pass a question's filters and hold what its words require.

    Args:
        columns: of the index, inside a snapshot.
        question: what is looked for in it does not count.

    Raises:
        QueryError: no indexed folder matches.
    """
    passing = passing_items(columns, question)
    at = np.flatnonzero(np.ones(len(columns.items), bool) if passing is None else passing)
    assets, first = np.unique(columns.asset_of_item[at], return_index=True)
    one_of_each = at[first]
    types = {
        modality: len(np.unique(columns.asset_of_item[at[columns.of_modality(modality)[at]]]))
        for modality in Modality
    }
    taken = columns.captured_at[one_of_each]
    dated = taken[~np.isnat(taken)].astype("datetime64[Y]").astype(int) + 1970
    years, of_year = np.unique(dated, return_counts=True)
    return Facets(
        assets=len(assets),
        types={modality: count for modality, count in types.items() if count},
        folders=_folders(columns, one_of_each),
        years=dict(sorted(zip(years.tolist(), of_year.tolist(), strict=True), reverse=True)),
        undated=len(taken) - len(dated),
    )


def _folders(columns: Columns, at: NDArray[np.int64]) -> tuple[FolderFacet, ...]:
    codes, folders = columns.folders
    counts = np.bincount(codes[at], minlength=len(folders)).tolist()
    sources = columns.reader.sources()
    found = []
    for (source, inside), count in zip(folders, counts, strict=True):
        if count:
            path = Path(os.path.normpath(sources[source] / inside))
            name = inside if inside not in ("", "..") else path.name
            found.append(FolderFacet(path, name, count))
    return tuple(sorted(found, key=lambda one: (-one.assets, one.path)))
