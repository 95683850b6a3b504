"""Takes the marks out of Markdown (CommonMark with GitHub's tables), and leaves what is read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

# Repetitions that could be tried in many ways have a limit or give nothing back (``*+``), so that
# no file takes quadratic time.
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t](.*)|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_QUOTE = re.compile(r"(?: {0,3}>[ \t]?)+")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_DEFINITION = re.compile(r" {0,3}\[(?!\^)[^\]\n]{1,300}\]:[ \t]*\S")
_TABLE_RULE = re.compile(r"[ \t]*+\|?(?:[ \t]*:?-+:?[ \t]*\|)+(?:[ \t]*:?-+:?)?[ \t]*$")
_CELL_LIMIT = re.compile(r"(?<!\\)\|")

_INVISIBLE = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)(.{1,500}?)(?<!`)\1(?!`)", re.S)
_HTML_IMAGE = re.compile(r"<img\s([^<>]{1,1000})>", re.IGNORECASE)
_ALTERNATIVE = re.compile(r"\balt\s?=\s?(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_HTML_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]{0,30}(?:\s[^<>]{0,2000})?/?>")
_AUTO_LINK = re.compile(
    r"<([a-z][a-z0-9+.-]{1,30}:[^\s<>]{1,2000}|[^\s<>@]{1,100}@[^\s<>]{1,100})>"
)
_TARGET = r"\([ \t]*+(?:<[^<>\n]{0,2000}>|[^()\s]{0,2000}(?:\([^()\s]{0,500}\)[^()\s]{0,500})?)" \
          r"(?:\s++(?:\"[^\"]{0,300}\"|'[^']{0,300}'))?[ \t]*+\)"  # fmt: skip
_IMAGE = re.compile(rf"!\[([^\[\]]{{0,500}})\](?:{_TARGET}|\[[^\[\]]{{0,100}}\])")
_LINK = re.compile(rf"\[([^\[\]]{{0,500}})\](?:{_TARGET}|\[[^\[\]]{{0,100}}\])")
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]{1,100}\]:?")
_EMPHASIS = re.compile(  # marks that open (words follow) or close (words precede), not 2 * 3
    r"(?<![\w\\*~])(?:[*_]|~~){1,6}(?=[^\s*_~])|(?<=[^\s\\*_~])(?:[*_]|~~){1,6}(?![A-Za-z0-9_*~])"
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

_FRONT_MATTER_KEY = re.compile(
    r"(?:title|subtitle|description|summary|abstract|caption)[ \t]*[:=][ \t]*(.+)", re.IGNORECASE
)
_LONGEST_BLOCK = 50_000  # characters; what is longer is no prose, and takes long to search
_ENDS = ".!?:;,…。！？"

_Kind: TypeAlias = Literal["text", "item", "row", "code", "heading", "end"]


def plain_text(markdown: str) -> str:
    """Turns Markdown into text that reads well.

    Headings lead into the paragraph below them (``Setup: First, ...``), items of lists and rows of
    tables end in a semicolon. Links leave their text, images what is said of them, HTML what
    stands between its tags, code stays as it is. Of front matter title and description stay.

    Returns:
        Paragraphs parted by blank lines.
    """
    for opening, closing in _INVISIBLE:
        markdown = _without(markdown, opening, closing)
    lines = markdown.splitlines()
    body, paragraphs = _front_matter(lines)
    paragraphs += _paragraphs(lines[body:])
    return "\n\n".join(paragraphs)


def _without(text: str, opening: str, closing: str) -> str:
    """Takes out what stands between marks, with the marks; an open one hides nothing."""
    kept, at = list[str](), 0
    while (start := text.find(opening, at)) >= 0:
        if (end := text.find(closing, start)) < 0:
            break
        kept.append(text[at:start])
        at = end + len(closing)
    return "".join(kept) + text[at:]


def _front_matter(lines: list[str]) -> tuple[int, list[str]]:
    """Where the text begins, and what the block of settings before it says of it."""
    mark = lines[0].rstrip() if lines else ""
    if mark not in ("---", "+++"):
        return 0, []
    for end, line in enumerate(lines[1:200], 1):
        if line.rstrip() in (mark, "..." if mark == "---" else mark):
            values = (_FRONT_MATTER_KEY.match(setting) for setting in lines[1:end])
            said = [match[1].strip().strip("\"'") for match in values if match]
            return end + 1, [value for value in said if value not in ("", ">", "|", ">-", "|-")]
    return 0, []


def _paragraphs(lines: list[str]) -> Iterator[str]:
    heading, block = "", list[tuple[_Kind, str]]()
    for kind, text in _lines(lines):
        if kind in ("heading", "end"):
            if block:
                yield heading + "\n".join(_rendered(*part) for part in block)
                heading, block = "", []
            if kind == "heading" and (said := _inline(text)):
                heading += said + (" " if said[-1] in _ENDS else ": ")
        elif kind == "text" and block and block[-1][0] in ("text", "item"):
            block[-1] = (block[-1][0], f"{block[-1][1]}\n{text.strip()}")
        else:
            block.append((kind, text))
    if block:
        yield heading + "\n".join(_rendered(*part) for part in block)
    elif heading:
        yield heading.rstrip().removesuffix(":")


def _rendered(kind: _Kind, text: str) -> str:
    if kind == "code":
        return text
    if kind == "row":
        cells = (_inline(cell) for cell in _CELL_LIMIT.split(text.strip().strip("|")))
        text = ", ".join(cell for cell in cells if cell)
    else:
        text = _inline(text)
    return text if kind == "text" or not text or text[-1] in _ENDS else f"{text};"


def _lines(lines: list[str]) -> Iterator[tuple[_Kind, str]]:
    """Each line with what it is, without the marks at its start."""
    fence = ""
    for number, line in enumerate(lines):
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
                yield "end", ""
            else:
                yield ("code", line) if line.strip() else ("end", "")
            continue
        if quote := _QUOTE.match(line):
            line = line[quote.end() :]
        if opening := _FENCE.match(line):
            fence = opening[1]
            yield "end", ""
        elif match := _HEADING.match(line):
            yield "heading", _without_closing(match[1] or "")
        elif _UNDERLINE.match(line) and number and _is_plain(lines[number - 1]):
            continue  # the line above was a heading, and was told as one
        elif not line.strip() or _RULE.match(line) or _DEFINITION.match(line):
            yield "end", ""
        elif number + 1 < len(lines) and _UNDERLINE.match(lines[number + 1]) and _is_plain(line):
            yield "heading", line
        elif "|" in line and _TABLE_RULE.match(line):
            continue
        elif line.lstrip().startswith("|"):
            yield "row", line
        elif item := _LIST_ITEM.match(line):
            yield "item", line[item.end() :]
        else:
            yield "text", line


def _without_closing(heading: str) -> str:
    """A heading without the ``##`` that may follow it after a blank."""
    heading = heading.rstrip()
    said = heading.rstrip("#")
    return said if not said or said[-1] in " \t" else heading


def _is_plain(line: str) -> bool:
    """Whether a line is text, so that a line of dashes below it makes it a heading."""
    return bool(line.strip()) and not any(
        mark.match(line) for mark in (_HEADING, _RULE, _LIST_ITEM, _FENCE, _UNDERLINE, _QUOTE)
    )


def _inline(text: str) -> str:
    """Takes the marks within a block out, but for those in code."""
    if len(text) > _LONGEST_BLOCK:
        return text
    codes: list[str] = []

    def keep(code: re.Match[str]) -> str:
        codes.append(code[2].strip())
        return f"\0{len(codes) - 1}\0"

    text = _without_marks(_CODE.sub(keep, text.replace("\0", "")))
    return re.sub("\0(\\d+)\0", lambda match: codes[int(match[1])], text).strip()


def _without_marks(text: str) -> str:
    text = _HTML_IMAGE.sub(_alternative, text)
    text = _AUTO_LINK.sub(_first, text)
    text = _HTML_TAG.sub(" ", text)
    for pattern in (_IMAGE, _LINK):  # an image may be the text of a link
        text = pattern.sub(_first, text)
    text = _FOOTNOTE.sub("", text)
    text = _EMPHASIS.sub("", text)
    return html.unescape(_ESCAPE.sub(_first, text))


def _first(match: re.Match[str]) -> str:
    return match[1]


def _alternative(image: re.Match[str]) -> str:
    said = _ALTERNATIVE.search(image[1])
    return (said[1] or said[2] or "") if said else ""
