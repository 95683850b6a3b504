"""Ranges and conditions of RFC 9110."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.server.ranges import Part, UnsatisfiableRangeError, Version, matches_tag, part_of


@pytest.mark.parametrize(
    ("header", "start", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 100),
        ("bytes=90-", 90, 10),
        ("bytes=-10", 90, 10),
        ("bytes=-1000", 0, 100),
        ("Bytes = 3 - 5", 3, 3),
    ],
)
def test_a_range_is_a_part_of_the_file(header: str, start: int, length: int) -> None:
    assert part_of(header, 100) == Part(start, length)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=", "bytes=-", "bytes=5-3", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"],
)
def test_what_is_no_range_asks_for_the_whole_file(header: str | None) -> None:
    assert part_of(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        part_of(header, 100)


def test_no_part_of_an_empty_file_can_be_had() -> None:
    for header in ("bytes=0-", "bytes=-5"):
        with pytest.raises(UnsatisfiableRangeError):
            part_of(header, 0)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=20), st.integers(0, 50))
def test_a_part_always_lies_within_the_file(tail: str, size: int) -> None:
    for header in (tail, f"bytes={tail}"):
        try:
            part = part_of(header, size)
        except UnsatisfiableRangeError:
            continue
        if part is not None:
            assert part.length >= 1
            assert part.start >= 0
            assert part.start + part.length <= size


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50))
def test_parts_are_what_slicing_gives(first: int, last: int, size: int) -> None:
    data = bytes(range(size))
    try:
        part = part_of(f"bytes={first}-{last}", size)
    except UnsatisfiableRangeError:
        assert first >= size
        return
    if part is None:
        assert last < first
    else:
        assert data[part.start : part.start + part.length] == data[first : last + 1]


def test_conditions_tell_states_of_a_file_apart() -> None:
    version = Version.of(100, 1_700_000_000_500_000_000)
    later = "Wed, 15 Nov 2023 22:13:20 GMT"
    assert version.modified == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert version.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert version.is_known({"if-none-match": f'"other", W/{version.tag}'})
    assert version.is_known({"if-none-match": "*"})
    assert version.is_known({"if-modified-since": later})
    assert not version.is_known({"if-none-match": '"other"', "if-modified-since": later})
    assert not version.is_known({"if-modified-since": "Tue, 14 Nov 2023 22:13:19 GMT"})
    assert not version.is_known({"if-modified-since": "no date"})
    assert version.allows_range({})
    assert version.allows_range({"if-range": version.tag})
    assert version.allows_range({"if-range": version.headers["Last-Modified"]})
    for other in ('"other"', f"W/{version.tag}", later, "no date"):
        assert not version.allows_range({"if-range": other})


@given(st.integers(0, 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_any_file_has_a_version(size: int, modified: int) -> None:
    version = Version.of(size, modified)
    assert version.is_known({"if-none-match": version.tag})
    assert version.headers["Last-Modified"].endswith("GMT")


@given(st.text(max_size=40))
def test_no_header_is_too_odd(text: str) -> None:
    version = Version.of(5, 5)
    assert matches_tag(text, '"never"') in (text.strip() == "*", '"never"' in text)
    version.is_known({"if-none-match": text})
    version.is_known({"if-modified-since": text})
    version.allows_range({"if-range": text})
