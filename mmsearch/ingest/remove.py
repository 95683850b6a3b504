"""Takes files and folders out of an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.records import KnownAsset, Source
from mmsearch.errors import SourceNotFoundError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.collection import CaptionCollection
from mmsearch.ingest.sources import Scope
from mmsearch.media.caption_files import read_caption_rows


def remove_paths(directory: IndexDirectory, paths: Sequence[Path]) -> int:
    """Removes all assets at or below the given absolute paths, which need not exist on disk.

    The path of a caption file takes the captions that it brought out of the index.

    Returns:
        How many assets were removed, failed ones included.

    Raises:
        SourceNotFoundError: nothing is indexed at one of the paths; nothing was removed.
        IndexLockedError: another process is writing to the index.
    """
    sources: dict[int, Source] = {}
    assets: dict[int, KnownAsset] = {}
    caption_files: list[tuple[Source, Path]] = []
    with directory.writing() as catalog:
        for path in paths:
            whole, part = _indexed_at(catalog, path)
            told = [(s, path) for s in catalog.sources() if path in s.caption_files]
            caption_files += told
            if not whole and not part and not told:
                known = ", ".join(str(s.path) for s in catalog.sources()) or "none"
                raise SourceNotFoundError(
                    f"Nothing is indexed at {path}; the indexed sources are: {known}."
                )
            sources.update((source.id, source) for source in whole)
            assets.update((asset.id, asset) for asset in part)
        gone = [item for source, path in caption_files for item in _told_by(catalog, source, path)]
        with catalog.transaction() as change:
            change.remove_assets(assets)
            for source, path in caption_files:
                change.remove_caption_file(source.id, path)
            change.remove_items(gone)
            for source_id in sources:
                change.remove_source(source_id)
    return len(assets)


def _indexed_at(catalog: Catalog, path: Path) -> tuple[list[Source], list[KnownAsset]]:
    """The sources that lie at or below a path, and the assets that do."""
    whole: list[Source] = []
    part: list[KnownAsset] = []
    for source in catalog.sources():
        if source.path.is_relative_to(path):
            whole.append(source)
            part.extend(catalog.known_assets(source.id).values())
        elif path.is_relative_to(source.path):
            scope = Scope(source, path.relative_to(source.path).as_posix())
            known = catalog.known_assets(source.id).items()
            part.extend(asset for name, asset in known if scope.holds(name))
    return whole, part


def _told_by(catalog: Catalog, source: Source, path: Path) -> list[int]:
    """Ids of the captions that no caption file of a source but this one brings.

    None where another one cannot be read now: the next run that can decides.
    """
    others = [file for file in source.caption_files if file != path]
    remaining = CaptionCollection.of(others, read_caption_rows)
    if remaining.failed:
        return []
    said, _ = remaining.by_path(catalog.known_assets(source.id))
    return [
        item
        for item, asset, text in catalog.collection_items(source.id)
        # A long caption is stored in passages.
        if not any(_plain(text) in _plain(caption) for caption in said.get(asset, ()))
    ]


def _plain(text: str) -> str:
    return " ".join(text.split())
