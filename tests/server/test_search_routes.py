"""Searches and what is around them, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import mmsearch
from mmsearch.testing import make_photo
from tests.server.calls import BASE, calling


def names(answer: dict) -> list[str]:
    return [hit["name"] for hit in answer["hits"]]


def test_a_search_says_the_same_as_the_library(
    client: TestClient, photo_index: mmsearch.Index
) -> None:
    answer = client.get(f"{BASE}/search", params={"q": "a red photo", "k": 2, "all": True}).json()
    hits = photo_index.search("a red photo", k=2)
    assert [hit["item"] for hit in answer["hits"]] == [hit.item for hit in hits]
    assert [hit["path"] for hit in answer["hits"]] == [str(hit.path) for hit in hits]
    assert answer["encoder"] == photo_index.encoder_id
    assert answer["query"] == "a red photo"


def test_a_body_and_parameters_ask_the_same(client: TestClient) -> None:
    asked = {"q": "blue", "k": 3, "type": "image", "all": True}
    by_body = client.post(f"{BASE}/search", json=asked).json()
    by_parameters = client.get(f"{BASE}/search", params=asked).json()
    assert by_body["hits"] == by_parameters["hits"]


def test_pages_of_hits_follow_each_other(client: TestClient) -> None:
    def page(offset: int) -> list[str]:
        asked = {"q": "red", "k": 2, "offset": offset, "all": True, "type": "image"}
        return names(client.get(f"{BASE}/search", params=asked).json())

    whole = client.get(f"{BASE}/search", params={"q": "red", "all": True, "type": "image"}).json()
    assert page(0) + page(2) == names(whole)
    assert page(4) == []


def test_a_picture_is_searched_by(client: TestClient, tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "asked.jpg", "blue")
    with photo.open("rb") as file:
        answer = client.post(
            f"{BASE}/search/upload",
            files={"image": ("my photo.jpg", file, "image/jpeg")},
            data={"k": "1", "type": "image"},
        )
    assert names(answer.json()) == ["blue.png"]


def test_an_upload_that_is_no_picture_is_refused(client: TestClient) -> None:
    answer = client.post(f"{BASE}/search/upload", files={"image": ("a.jpg", b"no photo")})
    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "UnreadableFileError"


def test_a_recording_that_is_none_is_refused(client: TestClient) -> None:
    answer = client.post(f"{BASE}/search/upload", files={"audio": ("a.mp3", b"no recording")})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("The recording cannot be read: ")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"q": "red"}', "application/x-www-form-urlencoded"),  # as curl sends it
        (b'["red"]', "application/json"),
        (b"", "application/json"),
    ],
)
def test_a_body_that_is_no_object_is_told_what_to_send(
    client: TestClient, content: bytes, kind: str
) -> None:
    answer = client.post(f"{BASE}/search", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert "Content-Type: application/json" in answer.json()["error"]["message"]


def test_feedback_takes_ids_and_paths(client: TestClient) -> None:
    first = client.get(f"{BASE}/search", params={"q": "red", "type": "image"}).json()["hits"][0]
    for example in (str(first["item"]), first["path"]):
        asked = {"q": "red", "less_like": [example], "all": True}
        answer = client.get(f"{BASE}/search", params=asked).json()
        assert first["asset"] not in [hit["asset"] for hit in answer["hits"]]


def test_an_error_of_syntax_says_where(client: TestClient) -> None:
    for path in ("search", "understand", "facets"):
        answer = client.get(f"{BASE}/{path}", params={"q": "dog before:soon"})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["type"], error["position"], error["length"]) == ("QuerySyntaxError", 4, 11)
        assert "\n" not in error["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/indexes/other/search?q=x", 404),
        (f"{BASE}/search?q=%20", 400),
        (f"{BASE}/search", 400),
        (f"{BASE}/search?q=x&k=0", 422),
        (f"{BASE}/search?q=x&k=10001", 422),
        (f"{BASE}/search?q=x&colour=red", 422),
        (f"{BASE}/search?q=x&rerank=cascade:/etc/passwd", 422),
        (f"{BASE}/search?q=x&rerank=nothing", 400),
        (f"{BASE}/search?q=x&folder=/nowhere", 400),
        (f"{BASE}/items/999", 404),
        (f"{BASE}/items/999/similar", 404),
        (f"{BASE}/items/999/explain?q=x", 404),
        (f"{BASE}/items/9223372036854775808", 422),
        (f"{BASE}/assets/999", 404),
        ("/nowhere", 404),
    ],
)
def test_errors_have_one_shape(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) >= {"type", "message"}
    assert answer.json()["error"]["message"].endswith(".")


def test_a_query_is_told_apart(client: TestClient) -> None:
    asked = 'red wall -people "in Lisbon" -type:ocr'
    told = client.get(f"{BASE}/understand", params={"q": asked}).json()
    assert [(one["text"], one["wanted"]) for one in told["terms"]] == [
        ("red wall in Lisbon", True),
        ("people", False),
    ]
    assert told["phrases"] == ["in lisbon"]
    (found,) = told["filters"]
    assert (found["key"], found["value"], found["negated"]) == ("type", "ocr", True)
    assert asked[found["position"] :][: found["length"]] == found["text"] == "type:ocr"


def test_what_was_nearly_a_filter_is_remarked(client: TestClient) -> None:
    for path in ("understand", "search"):
        told = client.get(f"{BASE}/{path}", params={"q": "dog camra:canon"}).json()
        told = told.get("understood", told)
        assert any("camera:" in notice for notice in told["notices"])


def test_facets_count_what_filters_leave(client: TestClient) -> None:
    whole = client.get(f"{BASE}/facets").json()
    assert whole["assets"] == 4
    assert {one["value"]: one["assets"] for one in whole["types"]} == {"image": 4, "caption": 1}
    assert {one["name"]: one["assets"] for one in whole["folders"]} == {"photos": 3, "deep": 1}
    assert whole["undated"] == 4
    some = client.get(f"{BASE}/facets", params={"q": "in:deep"}).json()
    assert some["assets"] == 1


def test_an_item_and_its_asset_tell_of_each_other(client: TestClient) -> None:
    hit = client.get(f"{BASE}/search", params={"q": '"in Lisbon"'}).json()["hits"][0]
    asset = client.get(f"{BASE}/assets/{hit['asset']}").json()
    assert {one["modality"] for one in asset["items"]} == {"image", "caption"}
    assert (asset["name"], asset["width"]) == ("red.png", 64)
    item = client.get(f"{BASE}/items/{hit['item']}").json()
    assert item["path"] == asset["path"] == hit["path"]


def test_similar_items_leave_the_item_out(client: TestClient) -> None:
    hit = client.get(f"{BASE}/search", params={"q": "red", "type": "image"}).json()["hits"][0]
    similar = client.get(f"{BASE}/items/{hit['item']}/similar").json()
    assert similar["hits"]
    assert hit["item"] not in [one["item"] for one in similar["hits"]]


def test_an_explanation_is_told(client: TestClient) -> None:
    hit = client.get(f"{BASE}/search", params={"q": "red", "type": "image"}).json()["hits"][0]
    told = client.get(f"{BASE}/items/{hit['item']}/explain", params={"q": "red wall"}).json()
    assert told["item"] == hit["item"]
    assert [term["text"] for term in told["terms"]] == ["red wall"]


def test_a_thumbnails_url_changes_with_what_it_shows(
    client: TestClient, photo_index: mmsearch.Index, photos: Path
) -> None:
    def shown() -> str:
        asked = {"q": "blue", "type": "image", "k": 1}
        (hit,) = client.get(f"{BASE}/search", params=asked).json()["hits"]
        assert client.get(f"{BASE}/assets/{hit['asset']}").json()["thumbnail"] == hit["thumbnail"]
        return hit["thumbnail"]

    first = shown()
    assert "immutable" in client.get(first).headers["cache-control"]
    make_photo(photos / "blue.png", "blue", (80, 60))
    assert "immutable" not in client.get(first).headers["cache-control"]  # of another content
    photo_index.update()
    assert shown() != first
    assert "immutable" in client.get(shown()).headers["cache-control"]


def test_copies_are_listed(client: TestClient, photo_index: mmsearch.Index, photos: Path) -> None:
    (photos / "again.png").write_bytes((photos / "blue.png").read_bytes())
    photo_index.update()
    (group,) = client.get(f"{BASE}/duplicates", params={"match": "exact"}).json()["groups"]
    assert {group["best"]["name"], group["copies"][0]["name"]} == {"again.png", "blue.png"}
    assert group["best"]["thumbnail"].startswith(f"{BASE}/assets/")


def test_an_empty_index_answers(index: mmsearch.Index) -> None:
    with calling(index) as client:
        assert client.get(f"{BASE}/search", params={"q": "red"}).json()["hits"] == []
        assert client.get(f"{BASE}/facets").json()["assets"] == 0
        assert client.get(f"{BASE}/status").json()["assets"] == 0
        assert client.get(f"{BASE}/duplicates").json()["groups"] == []


def test_file_names_of_any_bytes_are_told(index: mmsearch.Index, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    make_photo(folder / "ok.png", "red")
    try:
        (folder / "ok.png").rename(folder / "caf\udce9.png")
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    index.add(folder)
    with calling(index) as client:
        answer = client.get(f"{BASE}/search", params={"q": "red", "all": True}).json()
    assert names(answer) == ["caf\udce9.png"]


def test_what_another_process_commits_is_found_at_once(
    photo_index: mmsearch.Index, photos: Path
) -> None:
    with calling(photo_index) as client, mmsearch.open(photo_index.path) as other:
        before = client.get(f"{BASE}/search", params={"q": "purple", "all": True}).json()
        make_photo(photos / "plum.png", "purple")
        other.update()
        after = client.get(f"{BASE}/search", params={"q": "purple", "k": 1}).json()
    assert after["generation"] > before["generation"]
    assert names(after) == ["plum.png"]


def test_a_body_that_the_framework_refuses_is_told_in_a_sentence(client: TestClient) -> None:
    upload = f"{BASE}/search/upload"
    answer = client.post(upload, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Missing boundary in multipart."
    answer = client.post(
        f"{BASE}/search", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert "no JSON" in answer.json()["error"]["message"]
