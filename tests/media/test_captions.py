from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import UnreadableFileError
from mmsearch.media.captions import read_sidecar

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def xmp(inner: str, attributes: str = "") -> str:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
        ' xmlns:digiKam="http://www.digikam.org/ns/1.0/"'
        ' xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
        f" {attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    )


def captions(folder: Path, name: str, content: str | bytes | object) -> list[str]:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    else:
        path.write_text(json.dumps(content))
    return read_sidecar(path)


def test_plain_text_is_one_caption_a_line(tmp_path: Path) -> None:
    text = "A dog  runs.\r\n\r\n\t Two cats \nA DOG runs.\n"
    assert captions(tmp_path, "a.txt", text) == ["A dog runs.", "Two cats"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert captions(tmp_path, "a.TXT", "Ein Café in Köln".encode(encoding)) == ["Ein Café in Köln"]


def test_bytes_that_windows_1252_does_not_know(tmp_path: Path) -> None:
    assert captions(tmp_path, "a.txt", b"caf\xe9 \x81 au lait") == ["café au lait"]


@pytest.mark.parametrize("text", ["आज का दिन अच्छा है", "วันนี้อากาศดี", "2014年6月の旅行", "❤️😍🔥 wow"])
def test_every_script_is_read(tmp_path: Path, text: str) -> None:
    assert captions(tmp_path, "a.txt", text) == [text]


def test_google_takeout(tmp_path: Path) -> None:
    entry = {
        "title": "IMG_20190704_101112.jpg",
        "description": "Sunset at the pier",
        "imageViews": "3",
        "creationTime": {"timestamp": "1562227872", "formatted": "4 Jul 2019"},
        "people": [{"name": "Ann"}, {"name": "Bob Lee"}],
        "url": "https://example.com/p",
    }
    assert captions(tmp_path, "a.json", entry) == ["Sunset at the pier", "Ann, Bob Lee"]
    assert captions(tmp_path, "a.json", entry | {"description": "", "people": []}) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"caption": "a dog", "key": "000", "status": "success", "sha256": "a" * 64}, ["a dog"]),
        ({"captions": ["a dog", "two cats", 3, None]}, ["a dog", "two cats"]),
        ({"sentences": [{"raw": "a dog", "tokens": ["a", "dog"]}]}, ["a dog"]),
        ({"Text": "a dog", "Tags": "beach, sand"}, ["a dog", "beach, sand"]),
        ({"keywords": ["beach", "sand", "Beach"], "alt_text": "x y"}, ["x y", "beach, sand"]),
        (["a dog", {"caption": "two cats"}, 7], ["a dog", "two cats"]),
        ({"meta": {"caption": "nested"}, "width": 3}, []),
        ("a dog", ["a dog"]),
        (None, []),
    ],
)
def test_json(tmp_path: Path, content: object, expected: list[str]) -> None:
    assert captions(tmp_path, "a.json", json.dumps(content)) == expected


def test_xmp_in_all_languages_with_keywords(tmp_path: Path) -> None:
    inner = (
        "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>IMG_1.jpg</rdf:li></rdf:Alt></dc:title>"
        "<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>A pier &amp; a boat</rdf:li>"
        "<rdf:li xml:lang='de'>Ein Steg</rdf:li></rdf:Alt></dc:description>"
        "<dc:subject><rdf:Bag><rdf:li>pier</rdf:li><rdf:li>Rome</rdf:li></rdf:Bag></dc:subject>"
        "<lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|Rome</rdf:li></rdf:Bag>"
        "</lr:hierarchicalSubject>"
        "<digiKam:TagsList><rdf:Seq><rdf:li>People/Ann</rdf:li></rdf:Seq></digiKam:TagsList>"
        "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag>"
        "<rdf:li><rdf:Description mwg-rs:Name='Bob' mwg-rs:Type='Face'/></rdf:li>"
        "<rdf:li rdf:parseType='Resource'><mwg-rs:Name>Cleo</mwg-rs:Name></rdf:li>"
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    assert captions(tmp_path, "a.xmp", xmp(inner, 'photoshop:Headline="A headline"')) == [
        "A pier & a boat",
        "Ein Steg",
        "A headline",
        "pier, Rome, Places, People, Ann, Bob, Cleo",
    ]


def test_xmp_attributes_elements_and_encodings(tmp_path: Path) -> None:
    as_attribute = xmp("", 'dc:description="A pier" dc:subject="boat"')
    as_element = xmp("<dc:description>A pier</dc:description><dc:subject>boat</dc:subject>")
    for packet in (as_attribute, as_element):
        assert captions(tmp_path, "a.XMP", packet) == ["A pier", "boat"]
        utf16 = packet.replace("\ufeff", "").encode("utf-16")
        assert captions(tmp_path, "a.xmp", utf16 + b"\0\0") == ["A pier", "boat"]
        declared = '<?xml version="1.0" encoding="UTF-16"?>' + packet.replace("\ufeff", "")
        assert captions(tmp_path, "a.xmp", declared.encode("utf-16")) == ["A pier", "boat"]
    assert captions(tmp_path, "a.xmp", xmp("", 'photoshop:City="Rome"')) == []


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.xmp"])
def test_data_that_looks_like_captions_is_cut_short(tmp_path: Path, name: str) -> None:
    lines = [f"line number {number}" for number in range(3000)]
    contents = {
        "a.txt": "\n".join(lines),
        "a.json": json.dumps({"captions": lines}),
        "a.xmp": xmp("".join(f"<dc:title>{line}</dc:title>" for line in lines)),
    }
    assert captions(tmp_path, name, contents[name]) == lines[:1000]


def test_xmp_that_nests_deeply_takes_linear_time(tmp_path: Path) -> None:
    """In quadratic time this would not end."""
    opening, closing = (
        "<rdf:Description><dc:title><rdf:li>x",
        "</rdf:li></dc:title></rdf:Description>",
    )
    packet = xmp(opening * 40_000 + closing * 40_000)
    assert captions(tmp_path, "a.xmp", packet) == []


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<x xmlns:dc="http://purl.org/dc/elements/1.1/" dc:description="&b;"/>'
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'{\n"caption": \n]', r"it is not valid JSON \(line 3\)"),
        ("a.json", b"[" * 100_000, "its JSON nests too deeply"),
        ("a.json", b"9" * 5000, "number that is too large"),
        ("a.json", b"\0\1\2", "binary data"),
        ("a.txt", b"\xff\xd8\xff\xe0\x00\x10JFIF", "binary data"),
        ("a.txt", b"\xff\xfea\0b", "not valid UTF-16-LE"),
        ("a.txt", b"", "the file is empty"),
        ("a.txt", b"a" * 4_000_001, r"it has 4\.0 MB, more than the limit of 4 MB"),
        ("a.xmp", b"<x>\n<y></x>", r"it is not valid XML \(line 2\)"),
        ("a.xmp", b"no XML", "not valid XML"),
        ("a.xmp", BOMB.encode(), "entities"),
        ("a.xmp", b'<?xml version="1.0" encoding="martian"?><x/>', "XML"),
    ],
)
def test_damaged_sidecars_say_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read_sidecar(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_a_sidecar_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no longer there"):
        read_sidecar(tmp_path / "a.txt")


def check(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        found = read_sidecar(path)
    except UnreadableFileError as error:
        assert str(error)
        return
    assert all(caption == caption.strip() and caption for caption in found)
    assert len({" ".join(caption.casefold().split()) for caption in found}) == len(found)


@given(content=st.binary() | st.text().map(str.encode))
@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.xmp"])
def test_any_bytes_are_captions_or_a_reason(
    name: str, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(tmp_path_factory.mktemp("any") / name, content)


json_values = st.recursive(
    st.none() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["caption", "tags", "text", "name", "x"]), inner)
    ),
    max_leaves=10,
)


@given(value=json_values)
def test_any_json_is_captions(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(tmp_path_factory.mktemp("any") / "a.json", json.dumps(value).encode())


@given(text=st.text(st.sampled_from("ab <>&;\"'/\n:|"), max_size=60))
def test_any_xmp_is_captions_or_a_reason(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.xmp"
    check(
        path, xmp(f"<dc:subject><rdf:Bag><rdf:li>{text}</rdf:li></rdf:Bag></dc:subject>").encode()
    )
