from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import SettingsError
from mmsearch.media.exclude import Excluder


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.gif", "a.gif", True),
        ("*.gif", "deep/er/A.GIF", True),
        ("*.gif", "a.gift", False),
        ("drafts", "2019/drafts", True),
        ("drafts", "2019/drafts2", False),
        ("/scans", "scans", True),
        ("/scans", "2019/scans", False),
        ("2019/drafts", "2019/drafts", True),
        ("2019/drafts", "old/2019/drafts", False),
        ("2019/*", "2019/a", True),
        ("2019/*", "2019/a/b", False),
        ("**/raw", "raw", True),
        ("**/raw", "a/b/raw", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "ab/z", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("IMG_[0-4]?.jpg", "img_31.jpg", True),
        ("IMG_[0-4]?.jpg", "img_51.jpg", False),
        ("[!a]x", "bx", True),
        ("[!a]x", "ax", False),
        ("[]]", "]", True),
        ("a[", "a[", True),
        ("a+(b).jpg", "a+(b).jpg", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("bad\udcff*", "bad\udcffname", True),
    ],
)
def test_pattern(pattern: str, path: str, expected: bool) -> None:
    assert Excluder([pattern]).excludes(path, is_folder=False) is expected


def test_a_slash_at_the_end_means_folders_only() -> None:
    excluder = Excluder(["private/"])
    assert excluder.excludes("a/private", is_folder=True)
    assert not excluder.excludes("a/private", is_folder=False)


def test_blank_patterns_exclude_nothing() -> None:
    assert not Excluder(["", "  "]).excludes("a", is_folder=True)


def test_a_pattern_of_slashes_is_refused() -> None:
    with pytest.raises(SettingsError, match="names nothing"):
        Excluder(["//"])


def naive_match(pattern: list[str], path: list[str]) -> bool:
    """Parts against parts, by recursion."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(path)
        return any(naive_match(pattern[1:], path[i:]) for i in range(len(path) + 1))
    return bool(path) and naive_name(pattern[0], path[0]) and naive_match(pattern[1:], path[1:])


def naive_name(pattern: str, name: str) -> bool:
    """One part against one name, by recursion."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(naive_name(pattern[1:], name[i:]) for i in range(len(name) + 1))
    if not name:
        return False
    if found := re.match(r"\[(!?)([^]!]+)\]", pattern):
        return ((name[0] in found[2]) != bool(found[1])) and naive_name(
            pattern[found.end() :], name[1:]
        )
    return pattern[0] in ("?", name[0]) and naive_name(pattern[1:], name[1:])


names = st.text("abc.", min_size=1, max_size=4)
parts = st.one_of(
    st.just("**"),
    st.lists(
        st.one_of(st.sampled_from("abc.?*"), st.sampled_from(["[ab]", "[!c]", "[!ab]"])),
        min_size=1,
        max_size=4,
    )
    .map("".join)
    .filter(lambda part: part != "**"),
)


@given(st.lists(parts, min_size=2, max_size=4), st.lists(names, min_size=1, max_size=4))
def test_patterns_with_a_slash_agree_with_a_naive_matcher(
    pattern: list[str], path: list[str]
) -> None:
    actual = Excluder(["/".join(pattern)]).excludes("/".join(path), is_folder=False)
    assert actual == naive_match(pattern, path)


@given(parts.filter(lambda part: part != "**"), st.lists(names, min_size=1, max_size=4))
def test_patterns_without_a_slash_look_at_the_name(pattern: str, path: list[str]) -> None:
    actual = Excluder([pattern]).excludes("/".join(path), is_folder=False)
    assert actual == naive_name(pattern, path[-1])


@given(st.text(max_size=8).filter(lambda text: text.strip("/")), st.text(max_size=12))
def test_any_other_pattern_can_be_used(pattern: str, path: str) -> None:
    assert Excluder([pattern]).excludes(path, is_folder=True) in (True, False)
