from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import (
    MediaError,
    NothingToIndexError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from mmsearch.items import Modality, Passage
from mmsearch.media.transcripts import TRANSCRIPT_SUFFIXES, read_transcript

Read = Callable[..., list[tuple[Any, Any, str]]]


def fits(text: str) -> bool:
    return len(text.split()) <= 25


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a file and returns start, end and text of its passages."""

    def written(name: str, content: str | bytes | Any, encoding: str = "utf-8"):
        path = tmp_path / name
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return [(p.start, p.end, p.text) for p in read_transcript(path, fits)]

    return written


SUBRIP = """1
00:00:01,000 --> 00:00:04,000
<i>The tide</i> was low that
morning, and

2
00:00:04,000 --> 00:00:06,000
{\\an8}we walked on the beach.

3
00:01:10,500 --> 00:01:13,000
- Did you see the lighthouse?
- Of course I did &amp; the boats.
"""


def test_cues_become_sentences(read: Read):
    first, second, third = read("talk.srt", SUBRIP)

    assert first == (1.0, 6.0, "The tide was low that morning, and we walked on the beach.")
    assert second[0] == 70.5
    assert second[2] == "Did you see the lighthouse?"
    assert third[1:] == (73.0, "Of course I did & the boats.")
    assert second[1] == third[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(read: Read, encoding: str, newline: str):
    content = "1\n00:00:01,000 --> 00:00:02,000\nGrüße aus der schönen Stadt.\n".replace(
        "\n", newline
    )

    assert read("x.srt", content, encoding) == [(1.0, 2.0, "Grüße aus der schönen Stadt.")]


def test_webvtt_comments_styles_names_and_settings_are_no_speech(read: Read):
    content = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE not spoken

intro
00:01.000 --> 00:03.000 align:start position:0%
Welcome to the harbour tour.

NOTE
nor is this

1:00:00.000 --> 1:00:02.500
<c.yellow>We end our tour here.</c>
"""

    assert read("x.vtt", content) == [
        (1.0, 3.0, "Welcome to the harbour tour."),
        (3600.0, 3602.5, "We end our tour here."),
    ]


def test_a_speaker_is_named_when_the_speaker_changes(read: Read):
    content = """WEBVTT

00:01.000 --> 00:03.000
<v Anna>The storm took the roof away.

00:03.000 --> 00:05.000
<v.loud Anna>It landed in the river.</v>

00:05.000 --> 00:07.000
<v Bob Ray>Nobody was hurt, I hope.
"""

    assert [text for _, _, text in read("x.vtt", content)] == [
        "Anna: The storm took the roof away.",
        "It landed in the river.",
        "Bob Ray: Nobody was hurt, I hope.",
    ]


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
 
so<00:00:00.500><c> today</c><00:00:00.900><c> we</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
so today we
 

00:00:02.010 --> 00:00:04.000 align:start position:0%
so today we
bake<00:00:02.500><c> bread</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
bake bread
 

00:00:04.010 --> 00:00:06.000 align:start position:0%
bake bread
without<00:00:05.000><c> yeast</c>
"""  # noqa: W293


def test_captions_that_roll_up_are_said_once(read: Read):
    assert read("x.vtt", ROLLING) == [(0.0, 6.0, "so today we bake bread without yeast")]


def test_captions_that_grow_are_said_once(read: Read):
    content = "".join(
        f"{i}\n00:00:0{i},000 --> 00:00:0{i + 1},000\n{text}\n\n"
        for i, text in enumerate(
            ["we", "we bake", "we bake bread", "we bake bread today."], start=1
        )
    )

    assert read("x.srt", content) == [(1.0, 5.0, "we bake bread today.")]


def test_what_is_said_twice_stays_twice(read: Read):
    content = (
        "1\n00:00:01,000 --> 00:00:02,000\nRow the boat ashore.\n\n"
        "2\n00:00:04,000 --> 00:00:05,000\nRow the boat ashore.\n"
    )

    assert [text for _, _, text in read("x.srt", content)] == ["Row the boat ashore."] * 2


def test_times_that_overlap_or_go_backwards_are_repaired(read: Read):
    content = """1
00:00:09,000 --> 00:00:12,000
This is said at the end.

2
00:00:01,000 --> 00:00:05,000
This is said at the beginning.

3
00:00:04,000 --> 00:00:03,000
This is said in the middle.
"""
    passages = read("x.srt", content)

    assert [text.split()[-1] for _, _, text in passages] == ["beginning.", "middle.", "end."]
    assert passages[0][1] <= passages[1][0] <= passages[1][1] <= passages[2][0]


SEGMENTS = [
    {"id": 0, "start": 0.0, "end": 2.5, "text": " The tide was low that day."},
    {"id": 1, "start": 2.5, "end": 5.0, "text": " We walked on the beach."},
]
HEARD = [(0.0, 2.5, "The tide was low that day."), (2.5, 5.0, "We walked on the beach.")]


@pytest.mark.parametrize(
    "content",
    [
        {"text": "…", "segments": SEGMENTS, "language": "en"},
        SEGMENTS,
        {
            "result": {"language": "en"},
            "transcription": [
                {
                    "timestamps": {"from": "00:00:00,000", "to": "00:00:02,500"},
                    "offsets": {"from": int(s["start"] * 1000), "to": int(s["end"] * 1000)},
                    "text": s["text"],
                }
                for s in SEGMENTS
            ],
        },
        {
            "text": "…",
            "chunks": [{"timestamp": [s["start"], s["end"]], "text": s["text"]} for s in SEGMENTS],
        },
    ],
    ids=["openai-whisper", "list of segments", "whisper.cpp", "transformers"],
)
def test_json_of_whisper_programs(read: Read, content: Any):
    assert read("x.json", content) == HEARD


@pytest.mark.parametrize("space", [" ", ""], ids=["openai-whisper", "WhisperX"])
def test_times_of_words_are_used(read: Read, space: str):
    said = ["We", "sing", "a", "song.", "Then", "we", "go", "home."]
    starts = [0, 1, 2, 3, 7, 8, 8.5, 9]
    words = [
        {"word": space + word, "start": start, "end": start + 0.4}
        for word, start in zip(said, starts, strict=True)
    ]
    content = {"segments": [{"start": 0, "end": 10, "text": " ".join(said), "words": words}]}

    assert read("x.json", content) == [
        (0.0, 3.4, "We sing a song."),
        (7.0, 9.4, "Then we go home."),
    ]


def test_words_without_times_share_their_segment(read: Read):
    words = [{"word": "Then"}, {"word": "we"}, {"word": "go"}, {"word": "home."}]
    content = {"segments": [{"start": 1, "end": 3, "text": "Then we go home.", "words": words}]}

    assert read("x.json", content) == [(1.0, 3.0, "Then we go home.")]


def test_halves_of_characters_are_replaced(read: Read):
    """JSON can say them, and no database can store them."""
    words = [{"word": "Hello \ud83d", "start": 0, "end": 1}]
    segment = {"start": 0, "end": 1, "text": "Hello \ud83d"}
    for content in ([segment], [{**segment, "words": words}]):
        assert read("x.json", content) == [(0.0, 1.0, "Hello ?")]


def test_plain_text_has_no_times(read: Read):
    assert read("x.txt", "The tide was low.\n\nWe walked on the beach.") == [
        (None, None, "The tide was low."),
        (None, None, "We walked on the beach."),
    ]


def test_passages_are_transcripts(tmp_path: Path):
    for name, content in (("x.srt", SUBRIP), ("x.txt", "Hello to you.")):
        (tmp_path / name).write_text(content)
        for passage in read_transcript(tmp_path / name, fits):
            assert isinstance(passage, Passage)
            assert passage.modality is Modality.TRANSCRIPT


@pytest.mark.parametrize(
    "content",
    [{"caption": "a dog"}, [], ["a", "b"], "a dog", 3, {"segments": 3}, {"segments": [{"id": 1}]}],
)
def test_json_that_is_no_transcript_may_be_something_else(read: Read, content: Any):
    with pytest.raises(UnsupportedFormatError, match="no transcript"):
        read("x.json", json.dumps(content))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.srt", "", "empty"),
        ("x.txt", "", "empty"),
        ("x.srt", "no times here", "no subtitles"),
        ("x.json", "{", r"it is not valid JSON \(line 1\)"),
        ("x.json", "[" * 100_000, "its JSON nests too deeply"),
        ("x.srt", b"\0\1\2\3" * 100, "binary"),
    ],
)
def test_broken_files_say_why(read: Read, name: str, content: str | bytes, reason: str):
    with pytest.raises(UnreadableFileError, match=reason):
        read(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.vtt", "WEBVTT\n"),
        ("x.srt", "1\n00:00:01,000 --> 00:00:02,000\n♪ ♪\n"),
        ("x.json", '{"text": "", "segments": []}'),
        ("x.txt", "  \n"),
    ],
)
def test_files_without_words_say_so(read: Read, name: str, content: str):
    with pytest.raises(NothingToIndexError, match="words"):
        read(name, content)


_CUE = "1\n00:00:01,000 --> 00:00:05,000\n"
HOSTILE = {
    "music": _CUE + "♪ la la ♪\n" * 10_000,
    "voices": _CUE + "<v " * 50_000 + "<v" + " " * 100_000,
    "marks": _CUE + "." * 300_000 + "x",
    "initials": _CUE + "a." * 300_000 + "a!",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_long_subtitles_take_linear_time(read: Read, content: str):
    """In quadratic time none of these would end."""
    assert read("a.srt", content)


def test_a_file_that_vanished_is_unreadable(tmp_path: Path):
    with pytest.raises(UnreadableFileError, match="no longer there"):
        read_transcript(tmp_path / "gone.srt", fits)


moments = st.integers(0, 359_999_999)
lines = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def stamp(moment: int) -> str:
    seconds, fraction = divmod(moment, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{fraction:03}"


@given(st.lists(st.tuples(moments, moments, lines), max_size=12), st.sampled_from(["srt", "vtt"]))
def test_any_subtitles_give_sentences_in_order(cues: list[tuple[int, int, str]], kind: str):
    content = "WEBVTT\n\n" if kind == "vtt" else ""
    for number, (start, end, text) in enumerate(cues, start=1):
        content += f"{number}\n{stamp(start)} --> {stamp(end)}\n{text}\n\n"

    passages = read_anything(f"x.{kind}", content.encode())

    assert all(passage.start is not None for passage in passages)


numbers = st.one_of(st.integers(), st.floats(), st.none(), st.booleans())
json_segments = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "start": numbers,
            "end": numbers,
            "text": lines,
            "timestamp": st.lists(numbers, max_size=3),
            "offsets": st.dictionaries(st.sampled_from(["from", "to"]), numbers),
            "words": st.lists(
                st.fixed_dictionaries(
                    {}, optional={"word": lines, "start": numbers, "end": numbers}
                ),
                max_size=3,
            ),
        },
    ),
    max_size=6,
)


@given(json_segments, st.sampled_from(["segments", "transcription", "chunks"]))
def test_any_json_gives_sentences_in_order(segments: list[Any], key: str):
    read_anything("x.json", json.dumps({key: segments}).encode())


@given(st.binary(max_size=300), st.sampled_from(sorted(TRANSCRIPT_SUFFIXES)))
def test_any_bytes_are_read_or_refused(content: bytes, suffix: str):
    read_anything(f"x{suffix}", content)


def read_anything(name: str, content: bytes) -> list[Passage]:
    """Reads a file that may be refused, and checks what every transcript keeps to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            passages = read_transcript(path, lambda text: len(text) <= 40)
        except MediaError as error:
            assert str(error)
            return []
    assert passages
    assert all(0 < len(passage.text) <= 40 for passage in passages)
    timed = [p for p in passages if p.start is not None and p.end is not None]
    assert all(p.start <= p.end for p in timed if p.start is not None and p.end is not None)
    for before, after in itertools.pairwise(timed):
        assert before.end is not None
        assert after.start is not None
        assert before.end <= after.start
    return passages
