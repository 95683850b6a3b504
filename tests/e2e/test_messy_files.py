"""Whatever people's folders hold: indexed, or listed with a reason."""

from __future__ import annotations

import pytest

import mmsearch
from mmsearch.media.formats import is_photo
from tests.conftest import SHARED_DATA

MESSY = SHARED_DATA / "messy"


@pytest.mark.skipif(not MESSY.is_dir(), reason="the messy files (../shared/data) are not here")
def test_every_photo_is_indexed_or_listed_with_a_reason(index: mmsearch.Index) -> None:
    photos = {path for path in MESSY.rglob("*") if path.is_file() and is_photo(path.name)}
    assert len(photos) > 100

    report = index.add(MESSY)

    indexed = {hit.path for hit in index.search("a photo", k=10_000)}
    failed = {failure.path: failure.reason for failure in report.failed}
    assert indexed | failed.keys() == photos
    assert not indexed & failed.keys()
    assert all(reason and "Error" not in reason for reason in failed.values())
