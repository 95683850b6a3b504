"""clip-retrieval's client and front end, against a real server."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest

import mmsearch

# What `ClipClient("…/knn-service", "colours").query(text="red")` of its 2.45.0 sends, byte
# for byte, under no content type; and what its front end sends for the same.
CLIENT_BODY = (
    '{"text": "red", "image": null, "image_url": null, "embedding_input": null, '
    '"deduplicate": true, "use_safety_model": true, "use_violence_detector": true, '
    '"indice_name": "colours", "use_mclip": false, "aesthetic_score": 9, "aesthetic_weight": 0.5, '
    '"modality": "image", "num_images": 40, "num_result_ids": 40}'
)
FRONT_END_BODY = (
    '{"text":"red","image":null,"image_url":null,"embedding_input":null,"modality":"image",'
    '"num_images":100,"indice_name":"colours","num_result_ids":3000,"use_mclip":false,'
    '"deduplicate":true,"use_safety_model":true,"use_violence_detector":true,'
    '"aesthetic_score":"9","aesthetic_weight":"0.5"}'
)


@pytest.fixture(scope="module")
def client_module() -> ModuleType:
    """The client's own module, without the torch of years ago that its package asks for.

    To have it: ``pip install --no-deps clip-retrieval``.
    """
    package = importlib.util.find_spec("clip_retrieval")
    if package is None or package.submodule_search_locations is None:
        pytest.skip("clip-retrieval is not installed; the recorded wire format is tested")
    pytest.importorskip("requests")
    path = Path(package.submodule_search_locations[0]) / "clip_client.py"
    spec = importlib.util.spec_from_file_location("clip_client", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(client_module: ModuleType, url: str) -> Callable[..., Any]:
    """Makes clients of the real package."""

    def make(**options: Any) -> Any:
        return client_module.ClipClient(url=f"{url}/knn-service", indice_name="colours", **options)

    return make


def _name(result: dict[str, Any]) -> str:
    return Path(result["image_path"]).name


def test_the_real_client_finds_photos_by_a_text(client: Callable[..., Any]) -> None:
    results = client().query(text="red")
    assert _name(results[0]) == "red.png"
    assert results[0]["caption"] == "a red wall in the sun"
    assert [one["similarity"] for one in results] == sorted(
        (one["similarity"] for one in results), reverse=True
    )
    photo = httpx.get(results[0]["url"])
    assert photo.headers["content-type"] == "image/png"
    assert photo.content == Path(results[0]["image_path"]).read_bytes()


def test_the_real_client_finds_photos_by_a_photo_and_by_an_embedding(
    client: Callable[..., Any], red: Path, colours: mmsearch.Index
) -> None:
    assert _name(client().query(image=str(red))[0]) == "red.png"
    embedding = colours.encoder.encode_texts(["green"])[0]
    assert _name(client().query(embedding_input=(3 * embedding).tolist())[0]) == "green.png"


def test_the_real_client_finds_texts(client: Callable[..., Any], client_module: ModuleType) -> None:
    results = client(modality=client_module.Modality.TEXT).query(text="red")
    assert [one["caption"] for one in results] == ["a red wall in the sun"]
    assert results[0]["url"].endswith("/media")


def test_the_real_client_is_told_errors(client_module: ModuleType, url: str) -> None:
    unknown = client_module.ClipClient(url=f"{url}/knn-service", indice_name="laion5B")
    assert "laion5B" in unknown.query(text="red")["message"]
    known = client_module.ClipClient(url=f"{url}/knn-service", indice_name="colours")
    assert "fetch" in known.query(image="http://192.0.2.1/a.jpg")["message"]
    assert "numbers" in known.query(embedding_input=[1.0, 2.0])["message"]


@pytest.mark.parametrize("body", [CLIENT_BODY, FRONT_END_BODY])
def test_the_recorded_requests_are_answered(url: str, body: str) -> None:
    answer = httpx.post(f"{url}/knn-service", content=body)
    assert answer.status_code == 200
    assert _name(answer.json()[0]) == "red.png"


def test_copies_are_left_out_where_that_is_asked(client: Callable[..., Any]) -> None:
    every = [_name(one) for one in client(deduplicate=False).query(text="blue")]
    assert every[:2] == ["blue.png", "blue copy.png"] or every[:2] == ["blue copy.png", "blue.png"]
    distinct = [_name(one) for one in client(deduplicate=True).query(text="blue")]
    assert len(distinct) == len(every) - 1
    assert len({name[:4] for name in distinct}) == len(distinct)


def _ask(url: str, **asked: Any) -> httpx.Response:
    body = {"text": "red", "modality": "image", "num_images": 10, "indice_name": "colours"}
    return httpx.post(f"{url}/knn-service", content=json.dumps(body | asked))


def test_results_after_the_first_images_have_ids_alone(url: str) -> None:
    results = _ask(url, num_images=2, num_result_ids=4).json()
    assert len(results) == 4
    assert all("url" in one for one in results[:2])
    assert all(set(one) == {"id", "similarity"} for one in results[2:])
    rest = httpx.post(
        f"{url}/metadata",
        content=json.dumps(
            {"ids": [results[3]["id"], 10**12, results[2]["id"]], "indice_name": "colours"}
        ),
    ).json()
    assert [one["id"] for one in rest] == [results[3]["id"], results[2]["id"]]
    assert all(one["metadata"]["url"].startswith(url) for one in rest)


def test_indices_are_listed_and_the_first_is_the_default(url: str) -> None:
    assert httpx.get(f"{url}/indices-list").json() == ["colours", "second"]
    assert "/indexes/colours/" in _ask(url, indice_name=None).json()[0]["url"]
    assert "/indexes/second/" in _ask(url, indice_name="second").json()[0]["url"]


def test_a_picture_of_this_server_is_not_fetched_to_search_by_it(url: str) -> None:
    green = _ask(url, text="green").json()[0]
    found = _ask(url, text=None, image_url=green["url"]).json()
    assert found[0]["id"] == green["id"]
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-3)
    gone = _ask(url, text=None, image_url=green["url"].replace("assets/", "assets/99"))
    assert gone.status_code == 400


def test_a_photo_that_browsers_do_not_show_is_linked_as_a_jpeg(url: str) -> None:
    yellow = _ask(url, text="yellow").json()[0]
    assert yellow["url"].endswith("/media?as=jpeg")
    assert httpx.get(yellow["url"]).headers["content-type"] == "image/jpeg"


def test_words_are_no_query_language_here(url: str) -> None:
    assert _ask(url, text="red type:nonsense -wall").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "JSON"),
        (b"[]", 400, "object"),
        (b'{"modality": "video", "num_images": 1, "text": "red"}', 400, "modality"),
        (b'{"num_images": -1, "text": "red"}', 400, "num_images"),
        (b'{"modality": "image", "num_images": 1}', 400, "embedding_input"),
        (b'{"image": "%%%"}', 400, "Base64"),
        (b'{"image_url": "http://["}', 400, "URL"),
        (b'{"image": "bm8gcGhvdG8="}', 422, ""),
        (b'{"embedding_input": [0, 0, 0]}', 400, "numbers"),
    ],
)
def test_what_cannot_be_answered_is_told(url: str, body: bytes, status: int, told: str) -> None:
    answer = httpx.post(f"{url}/knn-service", content=body)
    assert answer.status_code == status
    message = answer.json()["message"]
    assert told in message
    assert answer.json()["error"]["message"] == message


def test_an_embedding_of_zeros_has_no_neighbours(url: str, colours: mmsearch.Index) -> None:
    answer = _ask(url, text=None, embedding_input=np.zeros(colours.encoder.dim).tolist())
    assert answer.status_code == 400
    assert "zeros" in answer.json()["message"]


def test_an_empty_list_of_ids_has_no_metadata(url: str) -> None:
    assert httpx.post(f"{url}/metadata", content='{"ids": []}').json() == []


def test_data_urls_are_taken_for_pictures(url: str, red: Path) -> None:
    encoded = base64.b64encode(red.read_bytes()).decode()
    found = _ask(url, text=None, image=f"data:image/jpeg;base64,{encoded}").json()
    assert _name(found[0]) == "red.png"
