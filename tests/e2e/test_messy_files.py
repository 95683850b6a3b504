"""Whatever people's folders hold: indexed, or listed with a reason, or named as left alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import mmsearch
from mmsearch.media.formats import kind_of
from tests.conftest import SHARED_DATA

MESSY = SHARED_DATA / "messy"

pytestmark = pytest.mark.skipif(
    not MESSY.is_dir(), reason="the messy files (../shared/data) are not here"
)


@pytest.fixture(scope="module")
def files() -> set[Path]:
    found = {path for path in MESSY.rglob("*") if path.is_file()}
    return {path for path in found if not path.name.startswith(".")}


def test_every_file_is_accounted_for(index: mmsearch.Index, files: set[Path]) -> None:
    media = {path for path in files if kind_of(path.name)}
    others = Counter(path.suffix.lower() for path in files - media)
    assert len(media) > 110

    report = index.add(MESSY)

    indexed = {hit.path for hit in index.search("a photo", k=10_000, fold=False)}
    failed = {failure.path: failure.reason for failure in report.failed}
    assert indexed | failed.keys() == media
    assert not indexed & failed.keys()
    assert report.other_kinds == others
    assert all(reason and "Error" not in reason for reason in failed.values())


def test_every_broken_recording_says_why(index: mmsearch.Index) -> None:
    recordings = {path.name for path in (MESSY / "broken-audio").glob("*.wav")}
    report = index.add(MESSY / "broken-audio")

    assert {failure.path.name for failure in report.failed} == recordings
    assert len(recordings) == 4
    assert report.added == 0
    assert len(index.update().failed) == 4


def test_captions_inside_photos_are_found(index: mmsearch.Index) -> None:
    index.add(MESSY / "exif-samples")
    captions = [hit.text for hit in index.search("x", modality="caption", k=500, grouped=False)]

    assert len(captions) > 10
    (hit,) = index.search("pumpkin Frank", modality="caption", k=1)
    assert hit.path.name == "sony-powershota5.jpg"
