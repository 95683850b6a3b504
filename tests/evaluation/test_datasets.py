from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import DatasetError
from mmsearch.evaluation.captions import read_complete_rows
from mmsearch.evaluation.datasets import read_captioned_photos
from mmsearch.media.caption_files import CaptionRow

TSV = "image\tcaption\na.jpg\ta red ball\na.jpg\ta ball\nb.jpg\ttwo dogs\n"

KARPATHY = {
    "dataset": "toy",
    "images": [
        {
            "filepath": "val2014",
            "filename": "a.jpg",
            "split": "test",
            "sentences": [{"raw": "a red ball"}, {"raw": "a ball"}],
        },
        {"filename": "b.jpg", "split": "train", "sentences": [{"raw": "two dogs"}]},
    ],
}

COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}],
    "annotations": [
        {"image_id": 9, "caption": "two dogs"},
        {"image_id": 7, "caption": "a red ball\n"},
        {"image_id": 7, "caption": "a ball"},
    ],
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"")
    return folder


def write(path: Path, content: str | dict[str, object]) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode())
    return path


def test_tsv(photos: Path, tmp_path: Path) -> None:
    dataset = read_captioned_photos(photos, write(tmp_path / "captions.tsv", TSV))
    assert dataset.photos == (photos / "a.jpg", photos / "b.jpg")
    assert dataset.captions == ("a red ball", "a ball", "two dogs")
    assert dataset.photo_of_caption.tolist() == [0, 0, 1]


def test_byte_order_mark_crlf_and_further_columns(photos: Path, tmp_path: Path) -> None:
    text = "\ufeffid\tCaption\timage\r\n1\ta red ball\ta.jpg\r\n\r\n2\ttwo dogs\tb.jpg\r\n"
    dataset = read_captioned_photos(photos, write(tmp_path / "captions.txt", text))
    assert dataset.captions == ("a red ball", "two dogs")


def test_tsv_quotes_are_syntax_only_around_a_whole_field(tmp_path: Path) -> None:
    text = (
        "image\tcaption\n"
        'a.jpg\t"Stop" says the sign\n'
        'a.jpg\t"a ""red"" ball"\n'
        'a.jpg\t"yes" and "no"\n'
        'a.jpg\t"\n'
    )
    rows = read_complete_rows(write(tmp_path / "captions.tsv", text))
    assert [row.caption for row in rows] == [
        '"Stop" says the sign',
        'a "red" ball',
        '"yes" and "no"',
        '"',
    ]


def test_csv_keeps_commas_and_line_ends_in_quotes(tmp_path: Path) -> None:
    text = 'image,caption\na.jpg,"a red, round\nball"\n'
    rows = read_complete_rows(write(tmp_path / "captions.csv", text))
    assert rows == [CaptionRow("a.jpg", "a red, round\nball")]


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
sentences = st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(str.strip).filter(bool)


@given(rows=st.lists(st.tuples(names, sentences), min_size=1))
def test_csv_round_trip(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / "captions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *rows])
    assert [(row.image, row.caption) for row in read_complete_rows(path)] == rows


@given(content=st.binary())
@pytest.mark.parametrize("name", ["captions.tsv", "captions.json"])
def test_any_bytes_are_rows_or_a_dataset_error(
    content: bytes, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        rows = read_complete_rows(path)
    except DatasetError as error:
        assert name in str(error)
    else:
        assert all(row.image and row.caption for row in rows)


JSON_KEYS = (
    *("images", "annotations", "id", "file_name", "image_id", "caption"),
    *("filename", "split", "sentences", "raw"),
)
json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(JSON_KEYS),
            inner,
            max_size=4,
        )
    ),
)


@given(images=json_values, annotations=json_values)
def test_any_json_is_rows_or_a_dataset_error(
    images: object, annotations: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "captions.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    try:
        rows = read_complete_rows(path)
    except DatasetError:
        return
    assert all(row.image and row.caption for row in rows)


def test_coco(photos: Path, tmp_path: Path) -> None:
    dataset = read_captioned_photos(photos, write(tmp_path / "captions.json", COCO))
    assert [path.name for path in dataset.photos] == ["b.jpg", "a.jpg"]
    assert dataset.captions == ("two dogs", "a red ball", "a ball")
    assert dataset.photo_of_caption.tolist() == [0, 1, 1]


def test_karpathy_takes_its_test_split(photos: Path, tmp_path: Path) -> None:
    dataset = read_captioned_photos(photos, write(tmp_path / "dataset.json", KARPATHY))
    assert dataset.captions == ("a red ball", "a ball")
    assert dataset.photos == (photos / "a.jpg",), "found without its COCO folder"


def test_karpathy_split_by_name_and_by_file(photos: Path, tmp_path: Path) -> None:
    captions = write(tmp_path / "dataset.json", KARPATHY)
    assert read_captioned_photos(photos, captions, split="train").captions == ("two dogs",)
    split = write(tmp_path / "mine.txt", "b.jpg\na.jpg\n")
    dataset = read_captioned_photos(photos, captions, split=split)
    assert [path.name for path in dataset.photos] == ["b.jpg", "a.jpg"]


def test_split_file_selects_and_orders(photos: Path, tmp_path: Path) -> None:
    captions = write(tmp_path / "captions.tsv", TSV)
    split = write(tmp_path / "split.txt", "\ufeffb.jpg\r\n\r\na.jpg\r\n")
    dataset = read_captioned_photos(photos, captions, split=split)
    assert [path.name for path in dataset.photos] == ["b.jpg", "a.jpg"]
    assert dataset.captions == ("a red ball", "a ball", "two dogs")
    assert dataset.photo_of_caption.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.tsv", "", "is empty"),
        ("c.tsv", "image\ttext\na.jpg\thi\n", "no column 'caption'"),
        ("c.csv", "photo,caption\na.jpg,hi\n", "no column 'image'"),
        ("c.tsv", "image\tcaption\n", "holds no caption"),
        ("c.tsv", "image\tcaption\na.jpg\ta\tb\n", "line 2: 3 columns"),
        ("c.tsv", "image\tcaption\na.jpg\t \n", "line 2: the caption of a.jpg is empty"),
        ("c.csv", 'image,caption\na.jpg,"open\n', "not valid CSV"),
        ("c.json", "{", "not valid JSON"),
        ("c.json", "[" * 100_000, "nests too deeply"),
        ("c.json", "[]", "neither COCO"),
        ("c.json", '{"images": [{"id": 1}], "annotations": []}', "KeyError 'file_name'"),
        (
            "c.json",
            '{"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}',
            "belongs to image 1",
        ),
        (
            "c.json",
            '{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}],'
            ' "annotations": []}',
            "two images with the id 1",
        ),
        ("c.json", json.dumps({"images": KARPATHY["images"] * 2}), "val2014/a.jpg twice"),
    ],
)
def test_what_is_wrong_with_a_caption_file(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message):
        read_complete_rows(write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("", "is empty"),
        ("a.jpg\nb.jpg\na.jpg\n", "lists the image a.jpg twice"),
        ("a.jpg\nx.jpg\ny.jpg\n", "2 of the 3 photos .* first is x.jpg"),
    ],
)
def test_what_is_wrong_with_a_split(split: str, message: str, photos: Path, tmp_path: Path) -> None:
    captions = write(tmp_path / "captions.tsv", TSV)
    with pytest.raises(DatasetError, match=message):
        read_captioned_photos(photos, captions, split=write(tmp_path / "split.txt", split))


def test_a_split_that_leaves_open_which_photo_it_means(photos: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (photos / folder).mkdir()
        (photos / folder / "x.jpg").write_bytes(b"")
    captions = write(tmp_path / "c.tsv", TSV + "one/x.jpg\ta cat\ntwo/x.jpg\ta dog\n")
    split = write(tmp_path / "split.txt", "x.jpg\n")
    with pytest.raises(DatasetError, match=r"x\.jpg, which may be one/x\.jpg or two/x\.jpg"):
        read_captioned_photos(photos, captions, split=split)
    split = write(tmp_path / "split.txt", "two/x.jpg\n")
    assert read_captioned_photos(photos, captions, split=split).captions == ("a dog",)


def test_what_is_missing_is_named(photos: Path, tmp_path: Path) -> None:
    captions = write(tmp_path / "captions.tsv", TSV + "c.jpg\ta cat\nd.jpg\ta dog\n")
    with pytest.raises(DatasetError, match=r"2 of 4 photos are not in .*; the first is c\.jpg"):
        read_captioned_photos(photos, captions)
    two_names = write(tmp_path / "two.tsv", TSV + "./a.jpg\ta round ball\n")
    with pytest.raises(DatasetError, match=r"stand for the photo .*a\.jpg"):
        read_captioned_photos(photos, two_names)
    inline = write(tmp_path / "inline.tsv", "image\tcaption\n" + "QUJD" * 1000 + "\ta cat\n")
    with pytest.raises(DatasetError, match="1 of 1 photos are not in"):
        read_captioned_photos(photos, inline)
    with pytest.raises(DatasetError, match="no folder"):
        read_captioned_photos(tmp_path / "nowhere", captions)
    with pytest.raises(DatasetError, match="no file"):
        read_captioned_photos(photos, tmp_path / "nowhere.tsv")
    karpathy = write(tmp_path / "dataset.json", KARPATHY)
    with pytest.raises(DatasetError, match="no split 'val'; it has test, train"):
        read_captioned_photos(photos, karpathy, split="val")
