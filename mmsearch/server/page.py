"""The web page at `/`: its files as they lie in the package, made by hand and built by nobody."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from mmsearch.server.security import PUBLIC_FOLDER

FOLDER = Path(__file__).with_name("page")

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page, and a tag that changes with its content."""

    content: bytes
    media_type: str
    tag: str


def router() -> APIRouter:
    """The routes. They are public: there is nothing of anybody's photos in the page itself."""
    routes = APIRouter(include_in_schema=False)
    files = _read_files()

    async def get_page(request: Request) -> Response:
        return _answer(request, files["index.html"])

    async def get_icon(request: Request) -> Response:
        return _answer(request, files["icon.svg"])

    async def get_file(request: Request, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, f"The page has no file {name!r}")
        return _answer(request, files[name])

    for path, route in (
        ("/", get_page),
        ("/favicon.ico", get_icon),
        (f"{PUBLIC_FOLDER}{{name:path}}", get_file),
    ):
        routes.add_api_route(path, route, methods=["GET", "HEAD"])
    return routes


def _read_files() -> dict[str, _File]:
    """All files of the page, by their names in its folder."""
    files = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            files[path.relative_to(FOLDER).as_posix()] = _File(content, _TYPES[path.suffix], tag)
    return files


def _answer(request: Request, file: _File) -> Response:
    # Asked for every time, answered without its content where the browser has it: so a page
    # never mixes files of two versions.
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
