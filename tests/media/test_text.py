from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import NothingToIndexError, UnreadableFileError
from mmsearch.media.markdown import plain_text
from mmsearch.media.text import MAX_TEXT_MEGABYTES, read_text_file


def everything(text: str) -> bool:
    return True


def test_plain_text_in_passages(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("# Not a heading.\n\n * * *\n\nIt rains.\nWe stay.\n")
    assert read_text_file(path, everything) == ["# Not a heading.", "It rains. We stay."]
    assert read_text_file(path, lambda text: len(text) < 12) == [
        "# Not a",
        "heading.",
        "It rains.",
        "We stay.",
    ]


def test_markdown_by_its_suffix(tmp_path: Path) -> None:
    for name in ("a.md", "a.Markdown"):
        (tmp_path / name).write_text("# Weather\n\nIt **rains**.\n")
        assert read_text_file(tmp_path / name, everything) == ["Weather: It rains."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Über Köln".encode(encoding))
    assert read_text_file(path, everything) == ["Über Köln"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", UnreadableFileError, "the file is empty"),
        (b" \n\t", NothingToIndexError, "it holds no words"),
        (b"--- *** ...", NothingToIndexError, "it holds no words"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", UnreadableFileError, "binary data, not text"),
        (bytes(range(1, 256)) * 9, UnreadableFileError, "binary data, not text"),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, content: bytes, error: type[Exception], message: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        read_text_file(path, everything)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log.txt"
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_MEGABYTES * 1_000_000 + 1)
    with pytest.raises(UnreadableFileError, match=r"20\.0 MB, more than the limit of 20 MB"):
        read_text_file(path, everything)


# --- Markdown ---


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("Plain text\nover lines.", "Plain text\nover lines."),
        ("# Setup #\n\nFirst.", "Setup: First."),
        ("# Guide\n## Why?\nBecause.", "Guide: Why? Because."),
        ("# C#\n\n#\n\n## #a ##\t\nText", "C#: #a: Text"),
        ("Setup\n=====\nFirst.\n\nMore\n---\nSecond.", "Setup: First.\n\nMore: Second."),
        ("One\n\n# Alone", "One\n\nAlone"),
        ("- milk\n- two\n  eggs\n\n1. Beat.\n2) [x] Bake", "milk;\ntwo\neggs;\n\nBeat.\nBake;"),
        ("> quoted\n> text", "quoted\ntext"),
        ("**bold** *it* _it_ ~~out~~ ***both*** snake_case", "bold it it out both snake_case"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("[Rome](https://a.b/c_(d) 'x') or [this][ref]", "Rome or this"),
        ("<https://a.b> <me@a.b>", "https://a.b me@a.b"),
        ("![a cat](cat.jpg) [![a dog](dog.jpg)](https://a.b)", "a cat a dog"),
        ("[ref]: https://a.b 'x'\ntext[^1]\n\n[^1]: A note", "text\n\nA note"),
        ("**two `code *x*` words**", "two code *x* words"),
        ("**over\nlines**", "over\nlines"),
        ("`a` and ``b`c``", "a and b`c"),
        ("```py\n# no heading\n\nx = *y*\n```\nafter", "# no heading\n\nx = *y*\n\nafter"),
        ("~~~\ncode\n```\nmore", "code\n```\nmore"),
        ("a<br/>b <b>c</b> <img src='x' alt='a cat' /> &amp; 1 < 2", "a b  c  a cat & 1 < 2"),
        ("<!-- hidden\n\n -->shown <script>x()</script>", "shown"),
        (r"\*no\* \# \[x\]", "*no* # [x]"),
        ("| Name | Age |\n|:--|--:|\n| Ann \\| Bo | 3 |", "Name, Age;\nAnn | Bo, 3;"),
        ("---\ntitle: 'My trip'\ntags: [a]\n---\nText", "My trip\n\nText"),
        ('+++\ntitle = "My trip"\n+++\nText', "My trip\n\nText"),
        ("---\n\nText", "Text"),
        ("One\n\n---\n\n* * *\n\nTwo", "One\n\nTwo"),
        ("", ""),
    ],
)
def test_markdown(markdown: str, text: str) -> None:
    assert plain_text(markdown) == text


marks = st.text(st.sampled_from("ab *_`~#[]()!<>|-=:\\&;\n\0\"'/1."), max_size=80)


@given(markdown=marks)
def test_any_text_is_markdown(markdown: str) -> None:
    text = plain_text(markdown)
    assert set(text) <= set(markdown) | set(":; ,\n")
    assert "\n\n\n" not in text


@given(words=st.lists(st.from_regex("[a-z]{1,8}", fullmatch=True), min_size=1, max_size=30))
def test_words_without_marks_stay(words: list[str]) -> None:
    assert plain_text(" ".join(words)) == " ".join(words)


@pytest.mark.parametrize(
    "mark", ["*", "_", "`", "[", "![", "<", "<!--", "<script", "|", "~~", "\\", "> ", "&"]
)
def test_long_runs_of_marks_take_no_long_time(mark: str) -> None:
    plain_text(mark * 20_000)
    plain_text(f"{mark}a" * 20_000)


@pytest.mark.parametrize("start", ["# a", "", "[a](", "[a](b", "|", "* ", "<img "])
@pytest.mark.parametrize("end", ["b", "x | y", "#"])
def test_long_runs_of_blanks_take_no_long_time(start: str, end: str) -> None:
    plain_text(start + " " * 45_000 + end)
    plain_text(start + " " * 300_000 + end)
