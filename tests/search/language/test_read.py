"""What a query's text is read as; no text but a bad operator is an error."""

from __future__ import annotations

import string
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsearch.errors import QuerySyntaxError
from mmsearch.items import Modality
from mmsearch.search.language.conditions import (
    Condition,
    Has,
    InFolder,
    Measure,
    Named,
    Near,
    Not,
    OfModality,
    Taken,
)
from mmsearch.search.language.grammar import KEYS
from mmsearch.search.language.literal import literal
from mmsearch.search.language.read import MAX_LENGTH, read_question
from mmsearch.search.language.tree import Like, Term
from mmsearch.search.words import Words, parse_words
from mmsearch.testing import make_photo


def said(terms: tuple[Term, ...]) -> list[object]:
    """What terms are about, with weights other than 1."""
    subjects = [
        term.subject.plain if isinstance(term.subject, Words) else term.subject for term in terms
    ]
    return [
        subject if term.weight == 1 else (subject, term.weight)
        for subject, term in zip(subjects, terms, strict=True)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a dog - on grass",
        "black-and-white photo of the well-known co-op",
        "Re: the 3:1 ratio",
        "on: Monday, in: the box, like: this",
        "mail me@example.org or see https://example.org/a-b?in=x&c=-d#e",
        r"C:\photos\-new\beach.jpg",
        "it's a dog, isn't it? don't",
        "- milk - eggs - bread",
        "-5 degrees, -- or --flag",
        "C++ and A+ and 2+2",
        "a 5 \" disk",
        "f(x)^2 (Paris, France)",
        "E=mc^2",
        "DO NOT ENTER",
        "I DO NOT KNOW",
        "you must not enter",
        ":-) :-( ^_^",
        "dog -",
        "a / b | c & d ~ e",
        "Vor- und Nachteile",
        "東京-夜",
    ],
)  # fmt: skip
def test_ordinary_text_is_text(text: str) -> None:
    question = read_question(text)

    (term,) = question.wanted
    assert term.subject == parse_words(text)
    assert not question.unwanted
    assert not question.filters


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("beach -people", ["beach"], ["people"]),
        ("-people beach sunset", ["beach sunset"], ["people"]),
        ("beach -people -dogs at dusk", ["beach at dusk"], ["people", "dogs"]),
        ("city -(traffic jam) night", ["city night"], ["traffic jam"]),
        ("beach NOT people", ["beach"], ["people"]),
        ("a dog NOT on the grass", ["a dog"], ["on the grass"]),
        ("NOT people", [], ["people"]),
        ("狗 NOT 草 -雪", ["狗"], ["草", "雪"]),
        ("dog + night", ["dog", "night"], []),
        ("dog + at night - many people", ["dog", "at night"], ["many people"]),
        ("dog^2 + cat^0.5 - snow^3", [("dog", 2), ("cat", 0.5)], [("snow", 3)]),
        ("a red car + (blue sky)^2", ["a red car", ("blue sky", 2)], []),
        ("dog -cat^0.5", ["dog"], [("cat", 0.5)]),
        ('dog + "at night" - "a crowd"', ["dog", "at night"], ["a crowd"]),
        ("dog +  + cat +", ["dog", "cat"], []),
        ("like:#12 + at night", [Like("#12"), "at night"], []),
        ('like:"my photos/a.jpg" - people', [Like("my photos/a.jpg")], ["people"]),
        ("dog -like:b.jpg", ["dog"], [Like("b.jpg")]),
        ("x^2 + y^2 = 1", [("x", 2), "y^2 = 1"], []),
    ],
)
def test_terms(text: str, wanted: list[object], unwanted: list[object]) -> None:
    question = read_question(text)

    assert (said(question.wanted), said(question.unwanted)) == (wanted, unwanted)
    for term in (*question.wanted, *question.unwanted):
        assert text[term.span.start : term.span.end].strip()


def test_phrases_must_occur_where_they_hold_no_term_together() -> None:
    def required(text: str) -> list[tuple[str, ...]]:
        question = read_question(text)
        terms = (*question.wanted, *question.unwanted)
        return [term.subject.required for term in terms if isinstance(term.subject, Words)]

    assert required('"red kite" hill*') == [('"red kite"', '"hill"*')]
    assert required('"red kite" -snow') == [('"red kite"',), ()]
    assert required('hill -"red kite"') == [(), ('"red kite"',)]
    assert required('"red kite" + hill') == [(), ()]
    assert required('a "red kite" + hill') == [('"red kite"',), ()]
    assert required('{"red kite" hill*}') == [()]


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("type:image", OfModality(frozenset({Modality.IMAGE}))),
        ("Type:image,FRAME", OfModality(frozenset({Modality.IMAGE, Modality.FRAME}))),
        ("-type:caption", Not(OfModality(frozenset({Modality.CAPTION})))),
        ("NOT type:caption", Not(OfModality(frozenset({Modality.CAPTION})))),
        ("in:2019/beach", InFolder(Path("2019/beach"))),
        ('in:"my photos"', InFolder(Path("my photos"))),
        ("in:“my photos”", InFolder(Path("my photos"))),
        ("before:2023", Taken(end=datetime(2023, 1, 1))),
        ("after:2023-05", Taken(start=datetime(2023, 5, 1))),
        ("on:2023", Taken(datetime(2023, 1, 1), datetime(2024, 1, 1))),
        ("on:2023-12", Taken(datetime(2023, 12, 1), datetime(2024, 1, 1))),
        ("on:2024/2/29", Taken(datetime(2024, 2, 29), datetime(2024, 3, 1))),
        ("on:2024-02-29T23:59", Taken(datetime(2024, 2, 29, 23, 59), datetime(2024, 3, 1))),
        ("on:9999", Taken(datetime(9999, 1, 1), None)),
        ("width:1920", Measure("width", 1920, 1920)),
        ("width:>=1920", Measure("width", low=1920)),
        ("height:..1080", Measure("height", high=1080)),
        ("height:720..1080", Measure("height", 720, 1080)),
        ("ratio:<=16:9", Measure("ratio", high=16 / 9)),
        ("ratio:square", Measure("ratio", 1, 1)),
        ("duration:>=1m30s", Measure("duration", low=90)),
        ("duration:1:00:00..2h", Measure("duration", 3600, 7200)),
        ("duration:..90:00.5", Measure("duration", high=5400.5)),
        ("camera:Canon", Named("camera", frozenset({"canon"}), part=True)),
        ("near:48.2,-16.4,5km", Near(48.2, -16.4, 5)),
        ("lang:EN,de", Named("language", frozenset({"en", "de"}))),
        ("ext:.JPG,png", Named("suffix", frozenset({"jpg", "png"}))),
        ("has:caption", Has(frozenset({Modality.CAPTION}))),
    ],
)
def test_filters(text: str, condition: Condition) -> None:
    for query in (text, f"dogs {text}", f"{text} dogs", f"dogs + cats {text}"):
        question = read_question(query)
        assert [one.condition for one in question.filters] == [condition]
        assert said(question.wanted)[:1] == (["dogs"] if "dogs" in query else [])
        assert not question.unwanted


def test_bounds_leave_their_number_out() -> None:
    (above,) = read_question("width:>100").filters
    (below,) = read_question("width:<100").filters
    assert isinstance(above.condition, Measure)
    assert isinstance(below.condition, Measure)
    assert below.condition.high < 100 < above.condition.low


@pytest.mark.parametrize(
    ("text", "spot", "says"),
    [
        ("beach on:monday", "on:monday", "2023-05-06"),
        ("on:2023-02-30", "on:2023-02-30", "2023-05-06"),
        ("a type:photo b", "type:photo", "image, caption"),
        ("type:", None, ""),
        ('x type:""', 'type:""', "takes"),
        ("has:gps", "has:gps", "caption"),
        ("width:big", "width:big", ">1920"),
        ("width:-5", "width:-5", ">1920"),
        ("width:..", "width:..", ">1920"),
        ("width:9..5", "width:9..5", ">1920"),
        ("height:inf", "height:inf", ">1080"),
        ("ratio:3:0", "ratio:3:0", "3:2"),
        ("duration:x", "duration:x", "1m30s"),
        ("duration:1:99", "duration:1:99", "1m30s"),
        ("duration:1:-5", "duration:1:-5", "1m30s"),
        ("ratio:wide", "ratio:wide", "landscape, portrait or square"),
        ("near:vienna", "near:vienna", "48.2,16.4,10"),
        ("near:91,0,1", "near:91,0,1", "48.2,16.4,10"),
        ("near:1,2,-3", "near:1,2,-3", "48.2,16.4,10"),
        ("lang:english", "lang:english", "such as en"),
        ("ext:,", "ext:,", "such as jpg"),
        ('in:"my photos', 'in:"my', "not closed"),
        ('dog -"at night', '-"', "not closed"),
        ("dog -(at night", "-(at", "not closed"),
        ('dog -"?"', '-"?"', "no word"),
        ("dog + cat^0", "^0", "above 0"),
        ("dog -cat^-2", "^-2", "above 0"),
        ("dog + cat^1000", "^1000", "at most 100"),
        (" + ".join("abcdefghijklmnopqrstuvwxyzabcdefg"), "g", "more than 32"),
    ],
)
def test_errors_point_at_the_spot_and_say_what_to_write(
    text: str, spot: str | None, says: str
) -> None:
    if spot is None:
        assert said(read_question(text).wanted) == [text]
        return
    with pytest.raises(QuerySyntaxError, match=says) as raised:
        read_question(text)
    error = raised.value
    assert text[error.position :][: error.length] == spot
    message, line, carets = str(error).splitlines()
    assert f"character {error.position + 1} " in message
    assert line[carets.index("^") :].startswith(spot)
    assert carets.count("^") == len(spot)


def test_the_spot_is_found_in_long_queries_and_wide_letters() -> None:
    with pytest.raises(QuerySyntaxError) as raised:
        read_question("東京 の\n夜 on:x " + "dog " * 1000)
    _, line, carets = str(raised.value).splitlines()
    assert line.startswith("  東京 の 夜 on:x dog")
    assert line.endswith("…")
    assert carets == " " * (2 + 4 + 1 + 2 + 1 + 2 + 1) + "^^^^"


MARKS = ['"', "“", "”", "-", "+", "NOT", "(", ")", "{", "}", "^2", "^", " ", "  ", ":", "*", "\n"]
QUERIES = st.lists(
    st.sampled_from([*MARKS, *(f"{key}:" for key in KEYS), "dog", "2023", "image", "x", "1..2"])
    | st.text(max_size=3)
).map("".join)


@given(QUERIES | st.text(max_size=40))
@example("{}}")
@example("-{a")
@example("a + -")
@example("in:\0")
def test_any_text_is_read_or_refused_with_its_spot(text: str) -> None:
    try:
        question = read_question(text)
    except QuerySyntaxError as error:
        assert 0 <= error.position < error.position + error.length <= len(text)
        assert "^" in str(error).splitlines()[2]
        assert text[error.position : error.position + error.length].strip()
    else:
        assert question.wanted or question.unwanted or question.filters
        for term in (*question.wanted, *question.unwanted):
            assert term.weight > 0


@given(st.text(alphabet=string.ascii_letters + "äß東 .,;'?!/\\@#&=_1234567890", min_size=1))
def test_text_without_marks_is_text(text: str) -> None:
    if "NOT" not in text:
        (term,) = read_question(text).wanted
        assert term.subject == parse_words(text)


@given(QUERIES | st.text(max_size=40), st.sampled_from(["", " type:image", " -cat", " + cat"]))
def test_literal_text_is_taken_as_it_stands(text: str, rest: str) -> None:
    question = read_question(literal(text) + rest)

    first, *others = question.wanted or (None,)
    words = first.subject if first else None
    plain = " ".join(text.encode("utf-8", "replace").decode().split())
    if plain.strip() and words is not None:
        assert isinstance(words, Words)
        assert not words.required
        assert len(others) == (rest == " + cat" and bool(plain))
    assert len(question.filters) == (rest == " type:image")
    assert len(question.unwanted) == (rest == " -cat")


def test_a_pasted_page_has_no_operators() -> None:
    page = "dog -cat type:image {x} " * (MAX_LENGTH // 20)
    question = read_question(page)
    assert not question.unwanted
    assert not question.filters


def test_nothing_must_occur_that_a_pasted_page_quotes() -> None:
    page = 'He said "never again" and left*. ' * (MAX_LENGTH // 20)
    assert not read_question(page).words.required


@pytest.mark.parametrize("mark", ['"', "{", "}", "-(", "^", "a ", "-a ", "NOT ", "+ ", "^2", "-{"])
def test_long_queries_are_read_in_no_time(mark: str) -> None:
    """In quadratic time none of these would end."""
    text = (mark * MAX_LENGTH)[: MAX_LENGTH - 12] + " dog -cat"
    with suppress(QuerySyntaxError):
        read_question(text)


def test_names_of_pictures_stand_for_them_only_where_files_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("beach.jpg", "my beach.jpg", "a - b.jpg", "sub/plain"):
        make_photo(tmp_path / "x.png", "red").rename(_made(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    beach, spaced = tmp_path / "beach.jpg", tmp_path / "my beach.jpg"

    def wanted(text: str) -> list[object]:
        return said(read_question(text, files=True).wanted)

    assert wanted("beach.jpg") == [beach]
    assert wanted("a - b.jpg") == [tmp_path / "a - b.jpg"]
    assert wanted("beach.jpg + at night") == [beach, "at night"]
    assert wanted('"my beach.jpg" + night^2') == [spaced, ("night", 2)]
    assert wanted("my beach.jpg + night") == [spaced, "night"]
    assert wanted("beach.jpg -people type:image") == [beach]
    assert wanted("beach.jpg^0.5 + ./sub/plain") == [(beach, 0.5), tmp_path / "sub/plain"]
    assert wanted("sub + plain") == ["sub", "plain"]
    assert wanted("nobeach.jpg + night") == ["nobeach.jpg", "night"]
    minus = read_question("beach.jpg - people -(my beach.jpg)", files=True)
    assert said(minus.unwanted) == ["people", spaced]
    assert said(read_question('dog -"my beach.jpg"', files=True).unwanted) == [spaced]
    assert said(read_question("dog + cat - my beach.jpg", files=True).unwanted) == [spaced]
    assert wanted("x\0y.jpg + night")
    assert said(read_question("beach.jpg + night").wanted) == ["beach.jpg", "night"]


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    ("text", "meant"),
    [("tpye:image", "type"), ("dog -widht:5", "width"), ("Befor:2020", "before")],
)
def test_what_is_nearly_a_filter_is_text_with_a_notice(
    text: str, meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    question = read_question(text)
    assert not question.filters
    assert f"{meant}: is one" in caplog.text


@pytest.mark.parametrize(
    "text", ["https://a.b/c", "time:12", "note:x a:b C:\\x", "type:image", "{tipe:x}"]
)
def test_other_colons_bring_no_notice(text: str, caplog: pytest.LogCaptureFixture) -> None:
    read_question(text)
    assert not caplog.text
