"""The tools, called by the official SDK's client in one process."""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmsearch
from mmsearch.server.mcp.shelf import OpenedOnce, Shelf
from mmsearch.server.mcp.tools import build_server
from mmsearch.testing import make_photo
from tests.server.mcp.conftest import Ask, run_with


def _told(result: Any) -> str:
    """What a failed call tells the agent."""
    assert result.is_error, result
    assert result.structured_content is None
    (content,) = result.content
    return str(content.text)


def _given(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    found: dict[str, Any] = result.structured_content
    return found


def _pictures(result: Any) -> list[Image.Image]:
    pictures = []
    for content in result.content[1:]:
        assert (content.type, content.mime_type) == ("image", "image/jpeg")
        pictures.append(Image.open(BytesIO(base64.b64decode(content.data))))
    return pictures


def _colour(picture: Image.Image) -> str:
    red, green, blue = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return max(((red, "red"), (green, "green"), (blue, "blue")))[1]


def test_tools_say_what_they_do_and_only_read(album: mmsearch.Index) -> None:
    server = build_server(Shelf.of({"album": album}))
    tools = run_with(server, lambda client: client.list_tools()).tools
    assert [tool.name for tool in tools] == ["search", "look", "explain", "list_indexes"]
    for tool in tools:
        assert len(tool.description) > 50
        assert "\n    " not in tool.description
        assert tool.annotations.read_only_hint
        assert tool.output_schema["type"] == "object"
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}: {name}"


def test_search_finds_files_with_what_the_other_tools_take(ask: Ask) -> None:
    found = _given(ask("search", query="red", modality="image", k=1))
    assert found["index"] == "album"
    (hit,) = found["hits"]
    assert Path(hit["path"]).name == "rose.jpg"
    assert (hit["rank"], hit["modality"], hit["width"]) == (1, "image", 1200)
    assert 0 < hit["relevance"] <= 1
    assert "text" not in hit  # what is not known takes no room


def test_search_takes_the_query_language_and_likes(ask: Ask, items: dict[str, list[int]]) -> None:
    photos = _given(ask("search", query="type:image", all=True))["hits"]
    assert {Path(hit["path"]).name for hit in photos} == {"rose.jpg", "lake.png"}
    (rose,) = [hit["item"] for hit in photos if hit["path"].endswith("rose.jpg")]
    like = _given(ask("search", query=f"like:#{rose} type:image", all=True))["hits"]
    assert [Path(hit["path"]).name for hit in like] == ["lake.png"]
    more = _given(ask("search", more_like=[rose], modality="image", all=True))["hits"]
    assert more[0]["item"] == rose
    less = _given(ask("search", query="red", less_like=[rose], modality="image", all=True))["hits"]
    assert rose not in [hit["item"] for hit in less]


def test_search_hides_what_hardly_answers_unless_all_is_asked(ask: Ask) -> None:
    some = _given(ask("search", query="purple", k=5))
    every = _given(ask("search", query="purple", k=5, all=True))
    assert len(every["hits"]) == len(some["hits"]) + some["hidden"] > 0


def test_moments_have_their_times(ask: Ask) -> None:
    (hit, *_) = _given(ask("search", query="green", modality="frame"))["hits"]
    assert Path(hit["path"]).name == "walk.mp4"
    assert 0 <= hit["start"] < hit["end"] <= 3.5


def test_look_shows_photos_scaled_down_without_their_metadata(
    ask: Ask, items: dict[str, list[int]]
) -> None:
    result = ask("look", items=[items["rose.jpg"][0], items["lake.png"][0]], max_side=300)
    looked = _given(result)["items"]
    assert [one["picture"] for one in looked] == [1, 2]
    rose, lake = _pictures(result)
    assert rose.size == (300, 225)
    assert lake.size == (64, 48)  # never enlarged
    assert (_colour(rose), _colour(lake)) == ("red", "blue")
    assert not rose.getexif()


def test_look_shows_a_caption_with_its_photo_and_a_photo_with_its_captions(
    ask: Ask, items: dict[str, list[int]]
) -> None:
    assert len(items["rose.jpg"]) == 2
    result = ask("look", items=items["rose.jpg"])
    first, second = _given(result)["items"]
    assert {first["modality"], second["modality"]} == {"image", "caption"}
    for one in (first, second):
        assert [text["text"] for text in one["texts"]] == ["a rose on the table"]
    assert [_colour(picture) for picture in _pictures(result)] == ["red", "red"]


def test_look_shows_a_moment_of_a_video(ask: Ask, items: dict[str, list[int]]) -> None:
    result = ask("look", items=items["walk.mp4"][:1])
    (one,) = _given(result)["items"]
    assert one["modality"] == "frame"
    assert _colour(_pictures(result)[0]) == "green"


def test_look_tells_what_is_written_before_and_after_a_passage(
    ask: Ask, items: dict[str, list[int]]
) -> None:
    passages = items["notes.md"]
    assert len(passages) >= 5
    result = ask("look", items=[passages[2]])
    (one,) = _given(result)["items"]
    around = [text["item"] for text in one["texts"]]
    assert around == passages[:6]
    assert one["text"] in [text["text"] for text in one["texts"]]
    assert not _pictures(result)


def test_explain_draws_where_a_query_is_seen(ask: Ask, items: dict[str, list[int]]) -> None:
    result = ask("explain", item=items["rose.jpg"][0], query="a red rose")
    told = _given(result)
    assert told["query"] == "a red rose"
    assert [term["text"] for term in told["terms"]] == ["a red rose"]
    assert {word["word"] for word in told["terms"][0]["words"]} == {"a", "red", "rose"}
    assert 0 <= min(told["seen_at"]) <= max(told["seen_at"]) <= 1
    assert len(_pictures(result)) == 1


def test_indexes_are_listed_with_what_they_hold(ask: Ask) -> None:
    first, second = _given(ask("list_indexes"))["indexes"]
    assert (first["name"], first["default"], second["name"]) == ("album", True, "twin")
    assert first["assets"] == 4
    assert first["items"]["image"] == 2
    assert first["sources"][0].endswith("media")
    assert _given(ask("search", query="red", index="twin"))["index"] == "twin"


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("search", {"query": "type:nonsense"}, "type: takes image"),
        ("search", {"query": "red", "index": "holidays"}, "known are album, twin"),
        ("search", {"query": "red", "k": 0}, "greater than or equal to 1"),
        ("search", {"query": "red", "k": 10_000}, "less than or equal to 100"),
        ("search", {"query": "red", "modality": "smell"}, "modality"),
        ("search", {"query": " "}, "empty"),
        ("search", {"query": "red " * 2000}, "at most 4096"),
        ("search", {}, "more_like"),
        ("search", {"query": "red", "folder": "nowhere"}, "nowhere"),
        ("search", {"query": "red", "more_like": [10**12]}, str(10**12)),
        ("look", {"items": [10**12]}, "no item"),
        ("look", {"items": []}, "at least 1"),
        ("look", {"items": list(range(1, 20))}, "at most 8"),
        ("look", {"items": [2**70]}, ""),
        ("look", {"items": [1], "max_side": 100_000}, "max_side"),
        ("explain", {"item": 1, "query": "type:image"}, "only filters"),
        ("explain", {"item": 10**12, "query": "red"}, "no item"),
        ("explain", {"item": 1}, "query"),
        ("open_file", {"path": "/etc/passwd"}, "open_file"),
    ],
)
def test_what_cannot_be_done_is_told_as_a_tools_error(
    ask: Ask, tool: str, arguments: dict[str, Any], told: str
) -> None:
    assert told in _told(ask(tool, **arguments))


def test_a_name_of_a_file_in_a_query_opens_no_file(ask: Ask, tmp_path: Path) -> None:
    secret = make_photo(tmp_path / "secret.png", "red")
    found = _given(ask("search", query=f"{{{secret}}}", all=True))
    assert str(secret) not in json.dumps(found["hits"])
    assert "indexed" in _told(ask("search", query=f"like:{secret}"))


def test_files_that_are_gone_are_told_with_what_is_known(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "photos" / "rose.png", "red")
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        index.add(photo.parent)
        server = build_server(Shelf.of({"index": index}))
        photo.unlink()
        result = run_with(server, lambda client: client.call_tool("look", {"items": [1]}))
        (one,) = _given(result)["items"]
        assert one["path"].endswith("rose.png")
        assert one["unreadable"]
        assert len(result.content) == 1

        shutil.rmtree(tmp_path / "index")
        result = run_with(server, lambda client: client.call_tool("list_indexes", {}))
        assert not result.is_error or "index" in result.content[0].text


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode here")
def test_names_that_are_no_utf8_can_be_found_and_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    made = make_photo(folder / "plain.png", "red")
    made.rename(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png"))
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        index.add(folder)
        server = build_server(Shelf.of({"index": index}))
        result = run_with(server, lambda client: client.call_tool("search", {"query": "red"}))
        (hit,) = _given(result)["hits"]
        assert hit["path"].endswith("bad?.png")
        result = run_with(server, lambda client: client.call_tool("look", {"items": [hit["item"]]}))
        assert _colour(_pictures(result)[0]) == "red"


def test_an_index_that_is_made_later_is_found_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "later"
    opener = OpenedOnce(lambda: mmsearch.open(path))
    server = build_server(Shelf({"later": opener}))
    listed = run_with(server, lambda client: client.call_tool("list_indexes", {}))
    (one,) = _given(listed)["indexes"]
    assert "mmsearch index" in one["problem"]
    result = run_with(server, lambda client: client.call_tool("search", {"query": "red"}))
    assert "no index" in _told(result)

    photo = make_photo(tmp_path / "photos" / "rose.png", "red")
    with mmsearch.create(path, model="testing") as index:
        index.add(photo.parent)
    result = run_with(server, lambda client: client.call_tool("search", {"query": "red"}))
    assert len(_given(result)["hits"]) == 1
    opener.close()


def test_building_a_server_leaves_the_processes_logging_alone(album: mmsearch.Index) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    build_server(Shelf.of({"album": album}))
    assert (root.handlers, root.level) == before
