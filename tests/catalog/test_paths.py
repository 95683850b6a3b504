"""Paths survive the catalog, whatever bytes they are made of."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.catalog.paths import decode_path, encode_path, relative_to_index, resolve_source


@pytest.mark.skipif(sys.platform == "win32", reason="file names are not bytes there")
@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_name_survives(name: bytes) -> None:
    path = os.fsdecode(name)

    assert decode_path(encode_path(path)) == path


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_ordinary_names_are_stored_as_text(path: str) -> None:
    assert encode_path(path) == path


@pytest.mark.parametrize(
    ("source", "stored"),
    [
        ("/home/me/trip/photos", "../photos"),
        ("/home/me/trip/index/photos", "photos"),
        ("/mnt/photos", "/mnt/photos"),
        ("/home/me/other", "/home/me/other"),
    ],
)
def test_sources_beside_the_index_are_stored_relative(source: str, stored: str) -> None:
    index = Path("/home/me/trip/index")

    assert relative_to_index(Path(source), index) == stored
    assert resolve_source(stored, index) == Path(source)


def test_nothing_is_beside_an_index_at_the_root() -> None:
    assert relative_to_index(Path("/photos"), Path("/index")) == "/photos"
