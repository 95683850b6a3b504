"""Reads transcripts that already exist: subtitles, what Whisper programs write, plain text."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmsearch.errors import NothingToIndexError, UnreadableFileError, UnsupportedFormatError
from mmsearch.items import Modality, Passage
from mmsearch.media.formats import suffix_of
from mmsearch.media.speech.segments import Word, cut_sentences, spread
from mmsearch.media.text import (
    decode_text,
    parse_json,
    read_small,
    read_text_file,
    without_surrogates,
)

TRANSCRIPT_SUFFIXES = frozenset((".srt", ".vtt", ".json", ".txt"))
"""Files beside a recording or a video that may be its transcript; lower case, with the dot."""

_MAX_MEGABYTES = 50  # a transcript with times of every word has about 5 MB an hour
_TOUCHING = 0.05  # seconds between cues of which the second repeats the first


@dataclass(frozen=True, slots=True)
class _Cue:
    """What is shown or said from one time to another.

    Attributes:
        lines: as shown, without markup; at least one.
        start: seconds.
        end: seconds, not before ``start``.
        words: with times of their own, where the file gives them; the same text as ``lines``.
    """

    lines: tuple[str, ...]
    start: float
    end: float
    words: tuple[Word, ...] = ()


def read_transcript(path: Path, fits: Callable[[str], bool]) -> list[Passage]:
    """Reads the transcript of a recording or a video.

    Args:
        path: SubRip (``.srt``) or WebVTT (``.vtt``) subtitles, JSON (``.json``) of openai-whisper,
            faster-whisper, WhisperX, whisper.cpp or transformers, or else plain text. In UTF-8,
            in UTF-16 with a byte order mark, or in Windows-1252.
        fits: whether the text tower takes a text whole.

    Returns:
        Sentences in order; never empty. All but those of plain text have times, which overlap
        nowhere.

    Raises:
        UnreadableFileError: it may not be read, is damaged, or is not what its name says.
        UnsupportedFormatError: JSON that is no transcript.
        NothingToIndexError: no word is in it.
    """
    suffix = suffix_of(path.name)
    if suffix not in (".srt", ".vtt", ".json"):
        return [Passage(Modality.TRANSCRIPT, text) for text in read_text_file(path, fits)]
    text = decode_text(read_small(path, _MAX_MEGABYTES))
    cues = _parse_json(text) if suffix == ".json" else _without_repeats(_parse_subtitles(text))
    passages = cut_sentences(_words(cues), fits)
    passages = [passage for passage in passages if any(map(str.isalnum, passage.text))]
    if not passages:
        raise NothingToIndexError("it holds no words")
    return passages


def _words(cues: Sequence[_Cue]) -> Iterator[Word]:
    """The words of cues in order; a cue gives way to the next one that begins before its end."""
    ordered = sorted(cues, key=lambda cue: cue.start)
    for i, cue in enumerate(ordered):
        if cue.words:
            yield from cue.words
            continue
        end = cue.end
        if i + 1 < len(ordered) and cue.start < ordered[i + 1].start < end:
            end = ordered[i + 1].start
        yield from spread(" ".join(cue.lines), cue.start, end)


# Subtitles: SubRip, and WebVTT (https://www.w3.org/TR/webvtt1/)

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_WORD_TIME = re.compile(rf"<{_TIME}>")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{1,100})?\s([^<>]{1,200})>", re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_LINE_START = re.compile(r"^\s*(?:>>+|[-–—])\s*")  # another speaker


def _parse_subtitles(text: str) -> list[_Cue]:
    lines = text.splitlines()
    timings = [(i, match) for i, line in enumerate(lines) if (match := _TIMING.match(line))]
    is_webvtt = text.lstrip("\ufeff \r\n").startswith("WEBVTT")
    if not timings and not is_webvtt:
        raise UnreadableFileError("there are no subtitles in it: no line holds times")
    cues = []
    speaker = ""
    for count, (i, match) in enumerate(timings, start=1):
        until = timings[count][0] if count < len(timings) else len(lines)
        payload = lines[i + 1 : until]
        if is_webvtt:
            payload = _up_to_blank(payload)
        elif count < len(timings):
            payload = _without_number(payload)
        start = _seconds(match.groups()[:4])
        end = max(start, _seconds(match.groups()[4:]))
        voice = _VOICE.search("\n".join(payload))
        if voice and voice[1].strip() != speaker:
            speaker = voice[1].strip()
            payload[0] = f"{speaker}: {payload[0]}"
        if cue := _cue(payload, start, end):
            cues.append(cue)
    return cues


def _up_to_blank(lines: list[str]) -> list[str]:
    """In WebVTT an empty line ends a cue; what follows is a comment, or the next one's name."""
    return lines[: lines.index("")] if "" in lines else lines


def _without_number(lines: list[str]) -> list[str]:
    """In SubRip the line before the next times numbers that cue; text may hold blank lines."""
    if lines and lines[-1].strip().isdecimal():
        return lines[:-1]
    return lines


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = groups
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000


def _cue(payload: Iterable[str], start: float, end: float) -> _Cue | None:
    lines = tuple(plain for line in payload if (plain := _plain(line)))
    return _Cue(lines, start, end) if lines else None


def _plain(line: str) -> str:
    """Takes the markup out, karaoke's times of words too, and the dash of a new speaker."""
    text = _MARKUP.sub("", _WORD_TIME.sub("", line))
    text = html.unescape(text).replace("\\N", " ").replace("\\h", " ")
    return " ".join(_LINE_START.sub("", text).split())


def _without_repeats(cues: Iterable[_Cue]) -> list[_Cue]:
    """Takes out what a cue shows again of the one before, as captions that roll up or grow do."""
    kept: list[_Cue] = []
    before: _Cue | None = None
    for cue in cues:
        if before is None or cue.start - before.end > _TOUCHING:
            new = cue.lines
        else:
            new = _new_lines(before.lines, cue.lines)
        if new:
            kept.append(replace(cue, lines=new))
        before = cue
    return kept


def _new_lines(before: tuple[str, ...], lines: tuple[str, ...]) -> tuple[str, ...]:
    for count in range(min(len(before), len(lines)), 0, -1):
        if before[-count:] == lines[:count]:
            return lines[count:]
    shown, text = " ".join(before), " ".join(lines)
    return (text[len(shown) :].strip(),) if text.startswith(f"{shown} ") else lines


# JSON


def _parse_json(text: str) -> list[_Cue]:
    segments, to_cue = _segments(parse_json(text))
    return [cue for segment in segments if (cue := to_cue(segment)) is not None]


def _segments(content: object) -> tuple[list[object], Callable[[object], _Cue | None]]:
    """Finds the segments of a transcript, and how to read each of them."""
    if isinstance(content, list):
        content = {"segments": content}
    if isinstance(content, Mapping):
        for key, to_cue in _READERS.items():
            segments = content.get(key)
            if isinstance(segments, list) and (
                any(to_cue(segment) for segment in segments) or (not segments and "text" in content)
            ):
                return segments, to_cue
    raise UnsupportedFormatError("it is JSON, but no transcript of a Whisper program")


def _whisper_cue(segment: object) -> _Cue | None:
    """Reads ``{"start": 0.0, "end": 2.5, "text": " …", "words": […]}`` (times in seconds)."""
    if not isinstance(segment, Mapping):
        return None
    cue = _timed_cue(segment.get("text"), segment.get("start"), segment.get("end"))
    return replace(cue, words=_timed_words(segment.get("words"), cue)) if cue else None


def _whisper_cpp_cue(segment: object) -> _Cue | None:
    """Reads ``{"offsets": {"from": 0, "to": 2500}, "text": " …"}`` (times in milliseconds)."""
    offsets = segment.get("offsets") if isinstance(segment, Mapping) else None
    if not isinstance(segment, Mapping) or not isinstance(offsets, Mapping):
        return None
    return _timed_cue(segment.get("text"), offsets.get("from"), offsets.get("to"), scale=1000)


def _transformers_cue(chunk: object) -> _Cue | None:
    """Reads ``{"timestamp": [0.0, 2.5], "text": " …"}``; the last chunk's end may be null."""
    times = chunk.get("timestamp") if isinstance(chunk, Mapping) else None
    if not isinstance(chunk, Mapping) or not isinstance(times, list) or len(times) != 2:
        return None
    end = times[0] if times[1] is None else times[1]
    return _timed_cue(chunk.get("text"), times[0], end)


_READERS: Mapping[str, Callable[[object], _Cue | None]] = {
    "segments": _whisper_cue,
    "transcription": _whisper_cpp_cue,
    "chunks": _transformers_cue,
}


def _timed_cue(text: object, start: object, end: object, *, scale: float = 1) -> _Cue | None:
    start, end = _number(start), _number(end)
    if not isinstance(text, str) or start is None or end is None:
        return None
    plain = " ".join(without_surrogates(text).split())
    return _Cue((plain,), start / scale, max(start, end) / scale) if plain else None


def _timed_words(listed: object, cue: _Cue) -> tuple[Word, ...]:
    """The words of a segment where each has its own time, else none."""
    if not isinstance(listed, list) or not listed:
        return ()
    words: list[Word] = []
    for entry in listed:
        if not isinstance(entry, Mapping):
            return ()
        text, start, end = entry.get("word"), _number(entry.get("start")), _number(entry.get("end"))
        if not isinstance(text, str) or start is None or end is None:
            return ()
        words.append(Word(without_surrogates(text), start, max(start, end)))
    if not words[0].text[:1].isspace():  # WhisperX writes words without the space before them
        gap = " " if " " in cue.lines[0] else ""
        words = [replace(word, text=f"{gap}{word.text}") for word in words]
        words[0] = replace(words[0], text=f" {words[0].text.strip()}")
    said = "".join(word.text for word in words)
    return tuple(words) if said.split() == cue.lines[0].split() else ()


def _number(value: object) -> float | None:
    """A time that can be one: finite, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
