from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.media.companions import COMPANION_SUFFIXES, match_companions
from mmsearch.media.formats import MediaKind, kind_of, suffix_of


def match(media: str, *candidates: str) -> list[str]:
    kind = kind_of(media)
    assert kind is not None
    return match_companions([(media, kind)], candidates).get(media, [])


def test_a_photos_companions_in_order() -> None:
    names = ["a.xmp", "a.jpg.xmp", "a.json", "a.jpg.json", "a.txt", "a.jpg.txt", "a.srt", "b.txt"]
    assert match("a.jpg", *names) == [
        "a.jpg.txt",
        "a.txt",
        "a.jpg.json",
        "a.json",
        "a.jpg.xmp",
        "a.xmp",
    ]


def test_a_recordings_companions_in_order() -> None:
    names = ["a.txt", "a.json", "a.de.srt", "a.mp3.en-GB.srt", "a.vtt", "a.srt", "a.mp3.srt"]
    assert match("a.mp3", *names) == [
        "a.mp3.srt",
        "a.srt",
        "a.de.srt",
        "a.mp3.en-GB.srt",
        "a.vtt",
        "a.json",
        "a.txt",
    ]
    assert match("a.mp3", "a.part2.srt", "a.1.srt", "ab.srt") == []


def test_texts_have_no_companions() -> None:
    assert match("notes.md", "notes.txt", "notes.md.json") == []


def test_one_companion_of_several_media() -> None:
    media = [("IMG_1.jpg", MediaKind.PHOTO), ("IMG_1.cr2", MediaKind.PHOTO)]
    found = match_companions(media, ["IMG_1.xmp", "IMG_1.jpg.xmp"])
    assert found == {"IMG_1.jpg": ["IMG_1.jpg.xmp", "IMG_1.xmp"], "IMG_1.cr2": ["IMG_1.xmp"]}


def test_suffixes_without_case_and_stems_with_case() -> None:
    assert match("IMG_1.JPG", "IMG_1.jpg.TXT", "IMG_1.Txt", "img_1.txt") == [
        "IMG_1.jpg.TXT",
        "IMG_1.Txt",
    ]


def test_accents_in_either_encoding() -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert match(f"{composed}.jpg", f"{apart}.txt") == [f"{apart}.txt"]
    assert match(f"{apart}.jpg", f"{composed}.jpg.json") == [f"{composed}.jpg.json"]


LONG = "a_photo_of_the_long_way_to_the_northern_lighthouse"


@pytest.mark.parametrize(
    ("media", "companion"),
    [
        ("beach.jpg", "beach.jpg.supplemental-metadata.json"),
        ("beach.jpg", "beach.jpg.supplemental-me.json"),
        ("beach.jpg", "beach.jpg.s.json"),
        ("beach(1).jpg", "beach.jpg(1).json"),
        ("beach(12).jpg", "beach.jpg.supplemental-metadata(12).json"),
        (f"{LONG}.jpg", f"{LONG[:46]}.json"),
        (f"{LONG[:40]}.jpg", f"{LONG[:40]}.jpg.s.json"),
        (f"{LONG[:43]}.jpg", f"{LONG[:43]}.jp.json"),
    ],
)
def test_names_of_google_takeout(media: str, companion: str) -> None:
    assert match(media, companion) == [companion]


@pytest.mark.parametrize(
    ("media", "other"),
    [
        ("beach.jpg", "beach.jpg.settings.json"),
        ("beach.jpg", "bea.json"),
        ("beach.jpg", "beach.jpg(1).json"),
        ("beach(1).jpg", "beach.jpg.json"),
        ("beach.jpg", "beach.jpg.supplemental-metadata.txt"),
        (f"{LONG}.jpg", f"{LONG[:30]}.json"),
    ],
)
def test_names_of_other_files(media: str, other: str) -> None:
    assert match(media, other) == []


names = st.text(st.sampled_from("ab.()1é"), min_size=1, max_size=8)


@given(
    stems=st.lists(names, max_size=5),
    candidates=st.lists(
        st.builds("{}{}".format, names, st.sampled_from(sorted(COMPANION_SUFFIXES))),
        unique=True,
        max_size=8,
    ),
)
def test_companions_belong_to_media_and_are_named_once(
    stems: list[str], candidates: list[str]
) -> None:
    media = [(f"{stem}.jpg", MediaKind.PHOTO) for stem in dict.fromkeys(stems)]
    found = match_companions(media, candidates)
    assert set(found) <= {name for name, _ in media}
    for own in found.values():
        assert set(own) <= set(candidates)
        assert len(set(own)) == len(own) > 0
        assert not {".srt", ".vtt"} & {suffix_of(name) for name in own}


def test_long_names_take_no_quadratic_time() -> None:
    """As img2dataset and hydrus name photos, by hash; in quadratic time this would not end."""
    stems = [f"{number:064x}" for number in range(20_000)]
    found = match_companions(
        ((f"{stem}.jpg", MediaKind.PHOTO) for stem in stems), (f"{stem}.json" for stem in stems)
    )
    assert found == {f"{stem}.jpg": [f"{stem}.json"] for stem in stems}
