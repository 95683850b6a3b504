from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import DatasetError
from mmsearch.media.caption_files import (
    CaptionRow,
    iter_caption_rows,
    match_captions,
    read_caption_rows,
)

ROWS = [CaptionRow("a.jpg", "a red ball"), CaptionRow("a.jpg", "a ball"), CaptionRow("b.jpg", "x")]


def write_tar(path: Path, mode: str, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_tables_without_empty_rows(tmp_path: Path) -> None:
    path = tmp_path / "captions.tsv"
    path.write_text("Image\tCaption\na.jpg\ta red ball\na.jpg\t \n\t x\na.jpg\ta ball\nb.jpg\tx\n")
    assert read_caption_rows(path) == ROWS
    assert [row.line for row in iter_caption_rows(path)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["captions.jsonl", "captions.NDJSON"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(
        '\ufeff{"url": 1, "file_name": "a.jpg", "Captions": ["a red ball", {"raw": "a ball"}]}\r\n'
        '\n{"image": "b.jpg", "path": "c.jpg", "text": " x\\n", "caption_id": 2}\n'
        '{"image": "d.jpg", "caption": null}\n{"image": "e.jpg", "caption": []}\n'
    )
    assert read_caption_rows(path) == ROWS


def test_a_list_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text(
        json.dumps(
            [{"image": "a.jpg", "caption": ["a red ball", "a ball"]}, {"img": "b.jpg", "text": "x"}]
        )
    )
    assert read_caption_rows(path) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "c.jsonl",
            '{"image": "a.jpg", "caption": "x"}\n{\n',
            r"c\.jsonl, line 2 is not valid JSON",
        ),
        ("c.jsonl", "[1]\n", r"line 1: not an object"),
        ("c.jsonl", '{"image": "a.jpg"}\n', r"line 1: no key 'caption'; its keys are 'image'"),
        ("c.jsonl", '{"caption": "x"}\n', r"line 1: no key 'image'"),
        ("c.jsonl", '{"image": "a.jpg", "caption": " "}\n', "holds no caption"),
        ("c.json", "[3]", r"entry 1: not an object"),
        ("c.json", "9" * 5000, "not valid JSON"),
        ("c.tar", "no tar at all", "damaged or no tar"),
        ("c.tar.gz", "no tar at all", "damaged or no tar"),
        ("c.parquet", "no Parquet at all", "cannot be read as Parquet"),
    ],
)
def test_what_is_wrong_with_a_caption_file(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_caption_rows(tmp_path / name)


@pytest.mark.parametrize("name", ["c.jsonl", "c.tsv", "c.json", "c.tar", "c.tgz", "c.parquet"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    with pytest.raises(DatasetError, match=f"There is no file .*{name}"):
        read_caption_rows(tmp_path / name)


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "captions.parquet"
    plain = {
        "url": ["", "", ""],
        "filename": ["a.jpg", "a.jpg", "b.jpg"],
        "Caption": [r.caption for r in ROWS],
    }
    parquet.write_table(pa.table(plain), path)
    assert read_caption_rows(path) == ROWS

    lists = {"image": ["a.jpg", "b.jpg", None], "captions": [["a red ball", "a ball"], ["x"], None]}
    parquet.write_table(pa.table(lists), path)
    assert read_caption_rows(path) == ROWS

    stored = {
        "image": [{"bytes": b"1", "path": "a.jpg"}, {"bytes": b"2", "path": "b.jpg"}],
        "text": ["a red ball", "x"],
    }
    parquet.write_table(pa.table(stored), path)
    assert read_caption_rows(path) == [ROWS[0], ROWS[2]]

    parquet.write_table(pa.table({"image": ["a.jpg"]}), path)
    with pytest.raises(DatasetError, match="no column 'caption'; its columns are 'image'"):
        read_caption_rows(path)


def test_parquet_with_text_that_is_no_utf8(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    broken = pa.array([b"a \xff dog"]).view(pa.string())
    path = tmp_path / "captions.parquet"
    parquet.write_table(pa.table({"image": ["a.jpg"], "caption": broken}), path)
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        read_caption_rows(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.jsonl", r'{"image": "a.jpg", "caption": "A \ud83d dog"}'),
        (
            "c.json",
            r'{"images": [{"id": 1, "file_name": "a.jpg"}],'
            r' "annotations": [{"image_id": 1, "caption": "A \ud83d dog"}]}',
        ),
    ],
)
def test_halves_of_characters_are_replaced(tmp_path: Path, name: str, content: str) -> None:
    """JSON can say them, and no database can store them."""
    (tmp_path / name).write_text(content)
    assert [row.caption for row in read_caption_rows(tmp_path / name)] == ["A ? dog"]


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match=r"pip install 'mmsearch\[parquet\]'"):
        read_caption_rows(tmp_path / "captions.parquet")


@pytest.mark.parametrize(
    ("name", "mode"), [("c.tar", "w"), ("c.tar.gz", "w:gz"), ("c.TGZ", "w:gz")]
)
def test_webdataset(tmp_path: Path, name: str, mode: str) -> None:
    members = {
        "000/a.jpg": b"\xff\xd8",
        "000/a.txt": b"a red ball",
        "000/a.json": b'{"caption": "A red  ball", "text": "a ball", "id": 1, "tags": ["x", "y"]}',
        "000/b.caption": "größe".encode(),
        "000/b.seg.json": b"not read",
        "000/b.PNG": b"",
        "c.cls": b"3",
        "d.txt": b"nobody's",
    }
    rows = read_caption_rows(write_tar(tmp_path / name, mode, members))
    assert rows == [
        CaptionRow("000/a.jpg", "a red ball"),
        CaptionRow("000/a.jpg", "a ball"),
        CaptionRow("000/a.jpg", "x, y"),
        CaptionRow("000/b.PNG", "größe"),
        CaptionRow("d", "nobody's"),
    ]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_whose_header_would_fill_the_memory(tmp_path: Path, kind: bytes) -> None:
    """A few kilobytes of gzip hold as many gigabytes of zeros as one likes."""
    header = tarfile.TarInfo("a.txt")
    header.type, header.size = kind, 30_000_000
    path = tmp_path / "captions.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(30_000_000))
    with pytest.raises(DatasetError, match="a header claims 30,000,000 bytes"):
        read_caption_rows(path)


def test_a_tar_that_ends_early(tmp_path: Path) -> None:
    members = {f"{i}.txt": b"a caption of a photo " * 50 for i in range(50)}
    for name, mode in (("c.tar", "w"), ("c.tar.gz", "w:gz"), ("c.tar.bz2", "w:bz2")):
        path = write_tar(tmp_path / name, mode, members)
        assert len(read_caption_rows(path)) == 50
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DatasetError, match="damaged"):
            read_caption_rows(path)


@given(content=st.binary())
@pytest.mark.parametrize("name", ["c.jsonl", "c.tar", "c.tar.gz"])
def test_any_bytes_are_rows_or_a_dataset_error(
    content: bytes, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        rows = read_caption_rows(path)
    except DatasetError as error:
        assert name in str(error)
    else:
        assert all(row.image and row.caption for row in rows)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["image", "path", "caption", "text", "raw"]), inner)
    ),
    max_leaves=8,
)


@given(lines=st.lists(json_values, min_size=1, max_size=4))
def test_any_json_lines_are_rows_or_a_dataset_error(
    lines: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "c.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    try:
        rows = read_caption_rows(path)
    except DatasetError:
        return
    assert all(row.image and row.caption for row in rows)


# --- which photo a row speaks of ---


def test_photos_are_matched_by_path_then_by_name() -> None:
    paths = ["a.jpg", "x/b.jpg", "x/c.jpg", "y/c.jpg", "y/a.jpg", "z/train/d.jpg", "q/d.jpg"]
    rows = [
        CaptionRow(image, image)
        for image in (
            *("a.jpg", "./y/a.jpg", "b.jpg", "val2014/b.jpg", "x\\c.jpg", "train/d.jpg"),
            *("c.jpg", "B.jpg", "n.jpg", ""),
        )
    ]
    captions, unmatched = match_captions(rows, paths)
    assert captions == {
        "a.jpg": ["a.jpg"],
        "y/a.jpg": ["./y/a.jpg"],
        "x/b.jpg": ["b.jpg", "val2014/b.jpg"],
        "x/c.jpg": ["x\\c.jpg"],
        "z/train/d.jpg": ["train/d.jpg"],
    }
    assert unmatched == 4


def test_five_captions_of_one_photo_stay_five() -> None:
    rows = [CaptionRow("a.jpg", "the same")] * 5
    assert match_captions(rows, ["a.jpg"]) == ({"a.jpg": ["the same"] * 5}, 0)


def test_accents_are_matched_in_either_encoding() -> None:
    captions, _ = match_captions([CaptionRow("cafe\u0301.jpg", "x")], ["caf\u00e9.jpg"])
    assert captions == {"caf\u00e9.jpg": ["x"]}


@given(
    paths=st.sets(st.from_regex(r"([ab]/){0,2}[ab]\.jpg", fullmatch=True), max_size=6),
    images=st.lists(st.from_regex(r"([abc]/){0,2}[abc]\.jpg", fullmatch=True), max_size=6),
)
def test_every_row_is_matched_or_counted(paths: set[str], images: list[str]) -> None:
    captions, unmatched = match_captions([CaptionRow(image, image) for image in images], paths)
    assert unmatched + sum(map(len, captions.values())) == len(images)
    assert set(captions) <= paths
    for path, own in captions.items():
        assert all(image.rpartition("/")[2] == path.rpartition("/")[2] for image in own)
        assert all(path == image for image in own if image in paths)
