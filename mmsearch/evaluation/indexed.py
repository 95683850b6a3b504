"""Measures an index as it is: its photos by their captions, with the embeddings that it stores.

The gallery of photos is all photos of the index, captioned or not, and nothing else: that captions
are items of the index as well does not make it easier to find a photo.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import ItemRecord, StoredEncoder
from mmsearch.encoders.base import Device, Embeddings
from mmsearch.errors import DatasetError
from mmsearch.evaluation.captions import read_complete_rows
from mmsearch.evaluation.datasets import CaptionedPhotos, select_photos
from mmsearch.evaluation.embedding import Counter, Progress, embed_captions
from mmsearch.evaluation.evaluate import evaluate_embeddings, queries_to_rerank, rerankers_for
from mmsearch.evaluation.report import EvaluationReport
from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import known_identity
from mmsearch.items import Modality
from mmsearch.media.caption_files import CaptionRow
from mmsearch.media.caption_files.match import match_captions
from mmsearch.search.rerank.base import Reranker
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

_log = logging.getLogger(__name__)


def evaluate_index(
    path: Path,
    *,
    captions: Path | None = None,
    split: str | Path | None = None,
    rerankers: Sequence[str | Reranker] = (),
    device: Device = "auto",
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Measures how well an index's photos are found by caption, and captions by photo.

    Its encoder is loaded only to embed the captions of a file, or for rerankers.

    Args:
        path: the index directory.
        captions: a caption file whose names are matched to the index's photos as
            ``mmsearch index --captions`` does it; None for the captions that the index knows.
        split: restricts a caption file as `read_captioned_photos` does.
        rerankers: what ``--rerank`` takes, or rerankers.
        device: where the encoder and rerankers' models run.
        max_megapixels: rerankers do not open larger photos.
        progress: told after each batch of captions, and of each query that is reranked.

    Raises:
        StorageError: there is no index, or it cannot be read.
        DatasetError: the caption file cannot be read, or no photo of the index has a caption.
        EncoderError: the index's encoder is needed and cannot be loaded.
        RerankerError: there is no such reranker, or it does not go with the encoder.
    """
    rows = None if captions is None else _read_rows(captions, split)
    photos, own, stored = _read_index(path)
    if rows is None and not own.texts:
        raise DatasetError(
            f"The index {path} knows no captions of its photos; name a file with --captions."
        )
    known = own if rows is None else _matched(rows, photos)
    if not known.texts:
        raise DatasetError(f"No caption in {captions} names a photo of the index {path}.")
    dataset = CaptionedPhotos(
        tuple(photo.path for photo in photos.items), known.texts, np.array(known.photos)
    )
    counter = Counter(progress, 0)
    if known.embeddings is not None and not rerankers:
        return evaluate_embeddings(
            stored.id, dataset, photos.embeddings, known.embeddings, [], counter
        )

    from mmsearch.encoders.registry import reopen

    encoder = reopen(known_identity(stored), device=device)
    second = rerankers_for(rerankers, encoder, device=device)
    counter.total = queries_to_rerank(second, dataset)
    texts = known.embeddings
    if texts is None:
        counter.total += len(dataset.captions)
        texts = embed_captions(encoder, dataset.captions, counter)
    return evaluate_embeddings(
        stored.id,
        dataset,
        photos.embeddings,
        texts,
        second,
        counter,
        max_megapixels=max_megapixels,
    )


@dataclass(frozen=True, slots=True)
class _Photos:
    """An index's photos.

    Attributes:
        items: ascending by id.
        embeddings: float32, shape (photos, dim).
        sources: the folders that they lie in.
    """

    items: tuple[ItemRecord, ...]
    embeddings: Embeddings
    sources: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Captions:
    """Captions of an index's photos.

    Attributes:
        texts: the captions.
        photos: the number of the photo that each describes.
        embeddings: float32, shape (captions, dim), where they are known.
    """

    texts: tuple[str, ...]
    photos: tuple[int, ...]
    embeddings: Embeddings | None = None


def _read_rows(captions: Path, split: str | Path | None) -> list[CaptionRow]:
    rows = read_complete_rows(captions)
    wanted = set(select_photos(rows, split, captions))
    return [row for row in rows if row.image in wanted]


def _read_index(path: Path) -> tuple[_Photos, _Captions, StoredEncoder]:
    """The photos, what is known to be written about them, and the encoder."""
    directory = IndexDirectory(path)
    try:
        with directory.reading() as reader:
            by_modality = reader.items_by_modality()
            ids = {
                modality: by_modality.get(modality, np.empty(0, np.int64)).tolist()
                for modality in (Modality.IMAGE, Modality.CAPTION)
            }
            items = reader.items([*ids[Modality.IMAGE], *ids[Modality.CAPTION]])
            photos = tuple(items[number] for number in ids[Modality.IMAGE])
            if not photos:
                raise DatasetError(f"The index {path} holds no photos to measure it on.")
            photo_of_asset = {photo.asset_id: at for at, photo in enumerate(photos)}
            written = [  # about a photo: a text file is an asset of its own
                item
                for number in ids[Modality.CAPTION]
                if (item := items[number]).asset_id in photo_of_asset
            ]
            vectors = _embeddings(reader, [item.id for item in (*photos, *written)])
            sources = tuple(reader.sources().values())
            stored = reader.encoder()
    finally:
        directory.close()
    captions = _Captions(
        tuple(item.text or "" for item in written),
        tuple(photo_of_asset[item.asset_id] for item in written),
        vectors[len(photos) :],
    )
    return _Photos(photos, vectors[: len(photos)], sources), captions, stored


def _embeddings(reader: CatalogReader, wanted: Sequence[int]) -> Embeddings:
    """The stored embeddings of items, in their order: float32, shape (items, dim)."""
    places = np.argsort(wanted)
    ascending = np.asarray(wanted)[places]
    found = np.full((len(wanted), reader.encoder().dim), np.nan, dtype=np.float32)
    for ids, vectors in reader.embeddings_after(0):
        at = np.searchsorted(ascending, ids).clip(max=len(ascending) - 1)
        asked = ascending[at] == ids
        found[places[at[asked]]] = vectors[asked]
    return found


def _matched(rows: Sequence[CaptionRow], photos: _Photos) -> _Captions:
    """The captions of a file, found by the photos' paths in their sources."""
    captions: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        captions[row.image].append(row.caption)
    number_of = {photo.path: at for at, photo in enumerate(photos.items)}
    by_source: dict[Path, dict[str, int]] = defaultdict(dict)
    for path, at in number_of.items():
        source = max(
            (source for source in photos.sources if path.is_relative_to(source)),
            key=lambda source: len(source.parts),
        )
        name = path.name if path == source else path.relative_to(source).as_posix()
        by_source[source][name] = at
    texts: list[str] = []
    numbers: list[int] = []
    matched_names: set[str] = set()
    for inside in by_source.values():
        matched, _ = match_captions([CaptionRow(name, name) for name in captions], inside)
        for path_inside, names in matched.items():
            written = [caption for name in names for caption in captions[name]]
            texts.extend(written)
            numbers.extend([inside[path_inside]] * len(written))
            matched_names.update(names)
    if left_out := sum(row.image not in matched_names for row in rows):
        _log.warning(
            "%d of %d captions name no photo of the index and are left out.", left_out, len(rows)
        )
    return _Captions(tuple(texts), tuple(numbers))
