"""Who may call a server, and what it refuses."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import mmsearch
from mmsearch.errors import SettingsError
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions
from tests.server.calls import BASE, HOME, calling

TOKEN = {"Authorization": "Bearer secret"}


def kind(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["type"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "photos.local"])
def test_an_address_that_others_reach_demands_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="token"):
        ServerOptions(host=host)
    assert ServerOptions(host=host, token="secret").token == "secret"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    assert ServerOptions(host=host).token is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", ""]
)
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    assert kind(client.get(f"{BASE}/status", headers={"Host": host})) == (403, "HostError")
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8642", "photos.localhost"])
def test_own_names_are_not(client: TestClient, host: str) -> None:
    assert client.get(f"{BASE}/status", headers={"Host": host}).status_code == 200


def test_a_name_may_be_allowed(photo_index: mmsearch.Index) -> None:
    with calling(photo_index, allowed_hosts=("Photos.example",)) as client:
        headers = {"Host": "photos.example:8642"}
        assert client.get(f"{BASE}/status", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Referer": "http://["},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_pages_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert kind(client.get(f"{BASE}/status", headers=headers)) == (403, "OriginError")
    assert kind(client.post(f"{BASE}/search", json={"q": "x"}, headers=headers))[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": HOME},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_its_own_page_and_links_to_it_are_not(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get(f"{BASE}/status", headers=headers).status_code == 200


def test_an_origin_may_be_allowed(photo_index: mmsearch.Index) -> None:
    origin = "https://photos.example"
    with calling(photo_index, allowed_origins=(origin,)) as client:
        answer = client.get(f"{BASE}/status", headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert client.options(f"{BASE}/search", headers=asked).status_code == 204
        other = client.get(f"{BASE}/status", headers={"Origin": "https://evil.example"})
        assert kind(other) == (403, "OriginError")


def test_a_token_is_demanded_of_all_that_tells_something(photo_index: mmsearch.Index) -> None:
    with calling(photo_index, token="secret") as client:
        paths = list(client.get("/api/v1/openapi.json", headers=TOKEN).json()["paths"])
        open_paths = {"/healthz", "/readyz", "/api/v1/session"}
        for path in {*paths, "/api/v1/openapi.json"} - open_paths:
            filled = path.replace("{index}", "photos").replace("{", "1").replace("}", "")
            for shown in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "mmsearch_session=x"}):
                assert kind(client.get(filled, headers=shown)) == (401, "TokenError"), path
        assert client.get(f"{BASE}/status", headers=TOKEN).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_in_another_app_the_same_needs_no_token_and_the_same_is_not_kept(
    photo_index: mmsearch.Index,
) -> None:
    outer = FastAPI()
    inner = create_app({"photos": photo_index}, options=ServerOptions(token="secret"))
    outer.mount("/library", inner)
    client = TestClient(outer, base_url=HOME)
    for path in ("/library/", "/library/healthz", "/library/page/main.js"):
        assert client.get(path).status_code == 200
    assert kind(client.get(f"/library{BASE}/status")) == (401, "TokenError")
    kept = client.get(f"/library{BASE}/status", headers=TOKEN).headers["cache-control"]
    assert kept == "no-store"


@pytest.mark.parametrize("token", ["", " ", " secret", "secret ", "geheimnisträger", "a\n"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(SettingsError, match="token"):
        ServerOptions(token=token)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def test_a_client_that_takes_a_url_alone_shows_the_token_in_it(
    photo_index: mmsearch.Index,
) -> None:
    with calling(photo_index, token="sec:ret") as client:
        for shown in (basic("anybody:sec:ret"), basic(":sec:ret")):
            assert client.get(f"{BASE}/status", headers=shown).status_code == 200
        wrong = {"Authorization": "Basic ?"}
        for shown in (basic("sec:ret"), basic("sec:ret:"), basic("a:guess"), wrong):
            refused = client.get(f"{BASE}/status", headers=shown)
            assert kind(refused) == (401, "TokenError")
            # A browser that is asked for Basic would keep it and show it unasked.
            assert refused.headers["www-authenticate"] == "Bearer"


def test_a_session_stands_for_the_token(photo_index: mmsearch.Index) -> None:
    with calling(photo_index, token="secret") as client:
        wrong = client.post("/api/v1/session", json={"token": "guess"})
        assert kind(wrong) == (401, "TokenError")
        right = client.post("/api/v1/session", json={"token": "secret"})
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "secret" not in cookie
        assert client.get(f"{BASE}/status").status_code == 200  # the client keeps cookies


def test_large_bodies_are_refused(photo_index: mmsearch.Index) -> None:
    with calling(photo_index, max_upload_bytes=1000) as client:
        large = b"x" * 2000
        told = client.post(f"{BASE}/search/upload", files={"image": ("a.jpg", large)})
        assert kind(told)[0] == 413
        untold = client.post(
            f"{BASE}/search",
            content=iter([large[:900], large]),
            headers={"Content-Type": "application/json"},
        )
        assert kind(untold)[0] == 413


def test_large_pictures_are_refused(photo_index: mmsearch.Index, tmp_path: Path) -> None:
    from mmsearch.testing import make_photo

    photo_index.max_megapixels = 0.01
    photo = make_photo(tmp_path / "large.png", "red", (200, 200))
    with calling(photo_index) as client:
        answer = client.post(f"{BASE}/search/upload", files={"image": photo.read_bytes()})
    assert kind(answer) == (413, "ImageTooLargeError")


def test_urls_are_not_fetched_unless_allowed(client: TestClient) -> None:
    answer = client.post(f"{BASE}/search", json={"image_url": "https://example.com/a.jpg"})
    assert kind(answer) == (400, "FetchError")


def test_every_answer_forbids_what_pages_do_not_need(client: TestClient) -> None:
    for path in ("/", "/healthz", f"{BASE}/status", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]


def test_a_query_names_no_file_of_the_server(client: TestClient, tmp_path: Path) -> None:
    from mmsearch.testing import make_photo

    secret = make_photo(tmp_path / "secret.png", "red")
    told = client.get(f"{BASE}/understand", params={"q": str(secret)}).json()
    assert [one["kind"] for one in told["terms"]] == ["text"]
