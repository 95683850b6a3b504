"""Takes the fingerprints of photos that an older mmsearch has indexed without."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from mmsearch.catalog.looks import photos_without_fingerprint
from mmsearch.cores import usable_cores
from mmsearch.errors import MediaError, StorageError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.decoders import Decoders
from mmsearch.ingest.ledger import COMMIT_CHANGES
from mmsearch.ingest.overlap import map_ahead
from mmsearch.ingest.photo import PhotoWish
from mmsearch.ingest.run import Progress
from mmsearch.media.files import content_hash, read_bytes

_Photo: TypeAlias = tuple[int, Path, str]


_log = logging.getLogger(__name__)


def complete_fingerprints(
    directory: IndexDirectory, *, max_megapixels: float, progress: Progress
) -> None:
    """The same as `add_fingerprints`; where the index cannot be written to, a notice says so."""
    try:
        add_fingerprints(directory, max_megapixels=max_megapixels, progress=progress)
    except StorageError as error:
        _log.warning("%s Photos that an older mmsearch has indexed have no near copies now.", error)


def add_fingerprints(
    directory: IndexDirectory, *, max_megapixels: float, progress: Progress
) -> None:
    """Reads photos again that have no fingerprint, and stores what they look like.

    Those that are gone or have changed are left as they are: the next run of indexing sees to
    them. What was committed stays when the run is cut short.

    Args:
        directory: the index.
        max_megapixels: larger images are left as they are.
        progress: told how many of these photos are done.

    Raises:
        IndexLockedError: another process is writing to the index.
        StorageError: the index cannot be written to.
    """
    with directory.reading() as reader:
        if not photos_without_fingerprint(reader):
            return

    cores = usable_cores()
    wish = PhotoWish(None, max_megapixels, fingerprint=True)

    def read(photo: _Photo) -> bytes | None:
        _, path, content = photo
        try:
            data = read_bytes(path)
            if content_hash(data) != content:
                return None
            return decode(data, path.suffix, wish).fingerprint
        except MediaError:
            return None

    decode = Decoders(cores)
    with directory.writing() as catalog:
        with directory.reading() as reader:  # once more: nobody else writes from here on
            photos = photos_without_fingerprint(reader)
        progress(0, len(photos))
        done = 0
        ahead = map_ahead(read, photos, batch=COMMIT_CHANGES, workers=cores)
        with ahead as results, decode:
            while group := list(islice(results, COMMIT_CHANGES)):
                found = {asset: data for (asset, _, _), data in group if data is not None}
                if found:
                    with catalog.transaction() as change:
                        change.put_fingerprints(found)
                done += len(group)
                progress(done, len(photos))
