"""Files and thumbnails, from a real server."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image, ImageDraw

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.testing import make_photo
from tests.filmed import film
from tests.server.live import serving

ODD_NAME = 'we"ird; ø\nname.jpg'


def scene(colour: str) -> Image.Image:
    """A picture in one colour with something to see in it."""
    image = Image.new("RGB", (160, 120), colour)
    ImageDraw.Draw(image).ellipse((80, 20, 140, 100), "white")
    return image


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the folder of photos, its index and the caches of this module are."""
    folder = tmp_path_factory.mktemp("served")
    before = os.environ.get("MMSEARCH_CACHE")
    os.environ["MMSEARCH_CACHE"] = str(folder / "cache")
    yield folder
    os.environ.pop("MMSEARCH_CACHE")
    if before is not None:
        os.environ["MMSEARCH_CACHE"] = before


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    photos = home / "photos"
    make_photo(photos / "red.png", "red", (600, 400))
    make_photo(photos / "scan.tif", "blue", (600, 400))
    make_photo(photos / ODD_NAME, "green", (60, 40))
    make_photo(photos / "gone.png", "yellow", (600, 400))
    make_photo(photos / "bad.png", "orange", (600, 400))
    (photos / "note.txt").write_text("a dog on a beach")
    (photos / "broken.jpg").write_bytes(b"no photo at all")
    scenes = [(scene(colour), 2.0) for colour in ("red", "blue")]
    film(photos / "film.mp4", scenes, size=(160, 120))
    with mmsearch.create(home / "index", model="testing") as index:
        index.add(photos)
        with serving(create_app({"photos": index})) as address:
            base = f"{address}/api/v1/indexes/photos"
            with httpx.Client(base_url=base, timeout=60) as client:
                yield client


@pytest.fixture(scope="module")
def ids(home: Path, client: httpx.Client) -> dict[str, int]:
    """Ids of the assets by their names."""
    found = {}
    for number in range(1, 20):
        answer = client.get(f"/assets/{number}")
        if answer.status_code == 200:
            found[answer.json()["name"]] = number
    return found


def picture(answer: httpx.Response) -> Image.Image:
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["type"]
    assert error["message"]
    return error


def test_a_file_is_sent_as_it_is(client: httpx.Client, ids: dict[str, int], home: Path) -> None:
    answer = client.get(f"/assets/{ids['red.png']}/media")
    assert answer.status_code == 200
    assert answer.content == (home / "photos" / "red.png").read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_its_headers_alone_can_be_had(client: httpx.Client, ids: dict[str, int]) -> None:
    whole = client.get(f"/assets/{ids['red.png']}/media")
    head = client.head(f"/assets/{ids['red.png']}/media")
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("header", "part"), [("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, None)),
                         ("bytes=-7", slice(-7, None))],
)  # fmt: skip
def test_a_part_of_a_file_can_be_had(
    client: httpx.Client, ids: dict[str, int], header: str, part: slice
) -> None:
    url = f"/assets/{ids['film.mp4']}/media"
    whole = client.get(url)
    assert whole.headers["content-type"] == "video/mp4"
    answer = client.get(url, headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == whole.content[part]
    first, _, _ = part.indices(len(whole.content))
    last = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole.content)}"
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_range_outside_of_the_file_is_refused(client: httpx.Client, ids: dict[str, int]) -> None:
    url = f"/assets/{ids['red.png']}/media"
    size = client.head(url).headers["content-length"]
    answer = client.get(url, headers={"Range": f"bytes={size}-"})
    refused(answer, 416)
    assert answer.headers["content-range"] == f"bytes */{size}"


def test_a_range_of_another_state_of_the_file_gives_the_whole(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    url = f"/assets/{ids['red.png']}/media"
    tag = client.head(url).headers["etag"]
    same = client.get(url, headers={"Range": "bytes=0-3", "If-Range": tag})
    other = client.get(url, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (same.status_code, len(same.content)) == (206, 4)
    assert other.status_code == 200


def test_what_the_caller_has_is_not_sent_again(client: httpx.Client, ids: dict[str, int]) -> None:
    for url in (
        f"/assets/{ids['red.png']}/media",
        f"/assets/{ids['red.png']}/media?as=jpeg",
        f"/assets/{ids['red.png']}/thumbnail",
    ):
        tag = client.get(url).headers["etag"]
        again = client.get(url, headers={"If-None-Match": tag})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
        assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_no_name_breaks_out_of_its_header(client: httpx.Client, ids: dict[str, int]) -> None:
    url = f"/assets/{ids[ODD_NAME]}/media"
    shown = client.get(url).headers["content-disposition"]
    assert shown.startswith("inline; ")
    assert '"we_ird; __name.jpg"' in shown
    assert unquote(shown.partition("filename*=UTF-8''")[2]) == ODD_NAME
    stored = client.get(url, params={"download": "true"}).headers["content-disposition"]
    assert stored.startswith("attachment; ")


def test_what_browsers_do_not_show_is_converted(client: httpx.Client, ids: dict[str, int]) -> None:
    url = f"/assets/{ids['scan.tif']}/media"
    assert client.get(url).headers["content-type"] == "image/tiff"
    converted = client.get(url, params={"as": "jpeg"})
    assert converted.headers["content-type"] == "image/jpeg"
    assert 'filename="scan.jpg"' in converted.headers["content-disposition"]
    assert picture(converted).size == (600, 400)
    refused(client.get(f"/assets/{ids['film.mp4']}/media", params={"as": "jpeg"}), 415)
    refused(client.get(url, params={"as": "exe"}), 422)


def test_texts_are_never_more_than_text(client: httpx.Client, ids: dict[str, int]) -> None:
    answer = client.get(f"/assets/{ids['note.txt']}/media")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "a dog on a beach"
    refused(client.get(f"/assets/{ids['note.txt']}/thumbnail"), 404)


def test_only_what_is_catalogued_and_could_be_read_is_sent(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    assert "broken.jpg" in ids
    for path in ("media", "media?as=jpeg", "thumbnail"):
        refused(client.get(f"/assets/{ids['broken.jpg']}/{path}"), 404)
        refused(client.get(f"/assets/9999/{path}"), 404)
        refused(client.get(f"/assets/{2**70}/{path}"), 422)
    refused(client.get("/items/9999/thumbnail"), 404)


def test_a_thumbnail_has_the_next_size_and_the_encoding_that_is_taken(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    url = f"/assets/{ids['red.png']}/thumbnail"
    jpeg = client.get(url, params={"size": 200})
    webp = client.get(url, params={"size": 200}, headers={"Accept": "image/avif,image/webp,*/*"})
    for answer, kind in ((jpeg, "jpeg"), (webp, "webp")):
        assert answer.headers["content-type"] == f"image/{kind}"
        assert answer.headers["vary"] == "Accept"
        assert picture(answer).size == (256, 171)
        assert picture(answer).format == kind.upper()
    assert jpeg.headers["etag"] != webp.headers["etag"]
    for size in (0, 5000, "large"):
        refused(client.get(url, params={"size": size}), 422)


def test_a_thumbnail_may_be_kept_for_ever_only_where_its_url_changes_with_it(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    url = f"/assets/{ids['red.png']}/thumbnail"
    assert "immutable" in client.get(url, params={"v": "1"}).headers["cache-control"]
    assert "immutable" not in client.get(url).headers["cache-control"]


def test_a_video_is_seen_at_a_moment_and_its_items_at_theirs(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    asset = ids["film.mp4"]
    for at, colour in ((0.5, "red"), (3.5, "blue"), (1000, "blue")):
        seen = picture(client.get(f"/assets/{asset}/thumbnail", params={"at": at}))
        red, _, blue = seen.getpixel((20, 20))
        assert (red > blue) is (colour == "red")
    refused(client.get(f"/assets/{asset}/thumbnail", params={"at": "nan"}), 422)
    assert client.get(f"/assets/{asset}/thumbnail").status_code == 200
    for item in client.get(f"/assets/{asset}").json()["items"]:
        assert client.get(f"/items/{item['item']}/thumbnail").status_code == 200


def test_moments_that_callers_name_do_not_fill_the_disk(
    client: httpx.Client, ids: dict[str, int], home: Path
) -> None:
    def kept() -> int:
        return sum(path.is_file() for path in (home / "cache" / "thumbnails").rglob("*"))

    url = f"/assets/{ids['film.mp4']}/thumbnail"
    before = kept()
    for at in (0.123, 0.124, 1.7):
        assert client.get(url, params={"at": at, "size": 128}).status_code == 200
    assert kept() == before
    assert client.get(url, params={"size": 128}).status_code == 200
    assert kept() == before + 1


def test_the_thumbnail_of_a_file_that_is_gone_is_shown_while_it_is_kept(
    client: httpx.Client, ids: dict[str, int], home: Path
) -> None:
    url = f"/assets/{ids['gone.png']}"
    kept = client.get(f"{url}/thumbnail", params={"size": 128})
    (home / "photos" / "gone.png").unlink()
    assert client.get(f"{url}/thumbnail", params={"size": 128}).content == kept.content
    for path in ("thumbnail?size=512", "media", "media?as=jpeg"):
        error = refused(client.get(f"{url}/{path}"), 404)
        assert error["type"] == "FileGoneError"
        assert "gone.png" in error["message"]


def test_a_file_that_changed_shows_what_it_is_now_or_says_what_is_wrong(
    client: httpx.Client, ids: dict[str, int], home: Path
) -> None:
    url = f"/assets/{ids['bad.png']}"
    before = client.get(f"{url}/thumbnail")
    time.sleep(0.01)
    make_photo(home / "photos" / "bad.png", "blue", (601, 400))
    after = client.get(f"{url}/thumbnail", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    (home / "photos" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for path in ("thumbnail", "media?as=jpeg"):
        assert "bad.png" in refused(client.get(f"{url}/{path}"), 422)["message"]
    (home / "photos" / "bad.png").write_bytes(b"root:x:0:0")
    refused(client.get(f"{url}/media"), 422)  # it might be anything now


def test_an_explanation_is_drawn_on_a_picture_alone(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    def drawn(name: str) -> httpx.Response:
        (item, *_) = client.get(f"/assets/{ids[name]}").json()["items"]
        return client.get(f"/items/{item['item']}/explain.png", params={"q": "a dog"})

    assert picture(drawn("red.png")).size[0] >= 60
    error = refused(drawn("note.txt"), 404)
    assert error["message"].endswith("to draw on.")


def test_a_name_that_became_a_pipe_keeps_nobody_waiting(
    client: httpx.Client, ids: dict[str, int], home: Path
) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    path = home / "photos" / "scan.tif"
    path.unlink()
    os.mkfifo(path)
    refused(client.get(f"/assets/{ids['scan.tif']}/media"), 404)
