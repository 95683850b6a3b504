"""The tools that agents call: search, look, explain and list_indexes. They only read."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import time
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Literal, ParamSpec, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import Field

from mmsearch import __version__
from mmsearch.errors import MediaError, MmsearchError, QueryError
from mmsearch.search.calibrate.cut import SPARE, fill
from mmsearch.search.view import view
from mmsearch.server.mcp.answers import explained, looked, search_hit, served_index
from mmsearch.server.mcp.models import (
    Answer,
    ExplainAnswer,
    IndexesAnswer,
    LookAnswer,
    Looked,
    SearchAnswer,
)
from mmsearch.server.mcp.shelf import Shelf

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmsearch.library import Index

MOST_HITS = 100
MOST_LOOKED = 8
LONGEST_QUERY = 4096  # characters
AROUND = 3
"""Texts before and after an item that `look` tells."""

_LONGEST_SIDE = 1568  # pixels; what models look at in one piece
_QUALITY = 80  # of JPEGs

INSTRUCTIONS = """\
Searches the user's own photos, captions, recordings and videos by meaning, on this machine. \
`search` finds files by what they show or say, `look` shows a hit (the picture, or the words \
around a moment), `explain` tells why a hit answers, `list_indexes` tells what there is to search. \
Hits carry item numbers, which the other tools and `more_like` take; numbers count within one \
index. Look at pictures before you say what they show: relevance is only a probability.
"""

QUERY = """\
What to look for: plain words work best ("a dog on a beach", "who left the gate open"). \
Operators: `-people` or `NOT people` excludes; `a + b` wants both, `dog^2 + snow` weighs them; \
`"golden gate"` must occur literally, `bridg*` is a beginning of a word; `like:#12` finds more \
like item 12. Filters, each also with a minus before it: type:image,frame,caption,transcript,ocr  \
has:caption  ext:jpg,png  in:FOLDER  before: after: on: (2023, 2023-05, 2023-05-06)  width:>1920  \
ratio:landscape  duration:>1m30s  camera:canon  lang:en  near:LATITUDE,LONGITUDE,KILOMETRES. \
Filters alone list what passes, the newest first. {words in braces} are taken as they stand.\
"""

Name = Annotated[
    str | None, Field(description="Which index, as list_indexes names it; the default if missing.")
]
Item = Annotated[int, Field(ge=1, description="Number of an item, as hits have it.")]
Items = Annotated[list[Item], Field(max_length=32)]

P = ParamSpec("P")
R = TypeVar("R")


def build_server(shelf: Shelf) -> MCPServer:
    """The MCP server of some indexes, for any transport.

    Args:
        shelf: the indexes, at least one.
    """
    server = _quietly_made()
    tools = Tools(shelf)
    only_reads = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    for function, title in (
        (tools.search, "Search photos, recordings and videos"),
        (tools.look, "Look at hits"),
        (tools.explain, "Explain a hit"),
        (tools.list_indexes, "List indexes"),
    ):
        server.add_tool(
            _with_tool_errors(function),
            title=title,
            description=inspect.getdoc(function),
            annotations=only_reads,
        )
    return server


class Tools:
    """The tools; their docstrings and annotations are what agents read."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def search(
        self,
        query: Annotated[str | None, Field(max_length=LONGEST_QUERY, description=QUERY)] = None,
        index: Name = None,
        k: Annotated[int, Field(ge=1, le=MOST_HITS, description="How many hits at most.")] = 10,
        modality: Annotated[
            Literal["image", "caption", "transcript", "frame", "ocr"] | None,
            Field(
                description="Only items of this kind: transcript for what was said, for instance."
            ),
        ] = None,
        folder: Annotated[
            str | None,
            Field(max_length=4096, description="Only files in this indexed folder and below."),
        ] = None,
        more_like: Annotated[
            Items, Field(description="Items to find more of; also without a query.")
        ] = [],  # noqa: B006 - the schema shows it, and nobody changes it
        less_like: Annotated[
            Items, Field(description="Items to find less of; they leave the hits.")
        ] = [],  # noqa: B006
        all: Annotated[
            bool, Field(description="Also list hits that hardly answer, the nearest all the same.")
        ] = False,
    ) -> Annotated[CallToolResult, SearchAnswer]:
        """Find photos, captions, moments in recordings and videos, and recognised text by meaning.

        Returns hits, best first, one a file: path, item number, kind, relevance, text, and start
        and end in recordings and videos. No hits means that nothing likely answers; `all` lists
        the nearest even so.
        """
        if query is None and not more_like:
            raise QueryError("Give a query, or items to find more of in more_like.")
        name, opened = self._shelf.get(index)
        started = time.perf_counter()
        hits = opened.search(
            query,
            k=k if all else k + SPARE,
            modality=modality,
            folder=folder or None,  # models fill in what they need not
            more_like=more_like,
            less_like=less_like,
        )
        shown, hidden = (hits, []) if all else fill(hits, k)
        return _result(
            SearchAnswer(
                index=name,
                query=query,
                encoder=opened.encoder_id,
                took_ms=round((time.perf_counter() - started) * 1000, 1),
                hits=[search_hit(hit) for hit in shown],
                hidden=len(hidden),
            )
        )

    def look(
        self,
        items: Annotated[
            list[Item],
            Field(min_length=1, max_length=MOST_LOOKED, description="Numbers of items of hits."),
        ],
        index: Name = None,
        max_side: Annotated[
            int, Field(ge=64, le=_LONGEST_SIDE, description="Longer side of pictures, in pixels.")
        ] = 768,
    ) -> Annotated[CallToolResult, LookAnswer]:
        """See what items show, and read what is written or said around them.

        Photos and frames of videos come as pictures, scaled down; a caption with the photo that it
        is about; a transcript with the sentences before and after it, and the video's picture at
        that moment.
        """
        name, opened = self._shelf.get(index)
        pictures: list[Image] = []
        seen = [_look_at(opened, item, max_side, pictures) for item in items]
        return _result(LookAnswer(index=name, items=seen), *pictures)

    def explain(
        self,
        item: Item,
        query: Annotated[
            str, Field(max_length=LONGEST_QUERY, description="The query, as `search` takes it.")
        ],
        index: Name = None,
    ) -> Annotated[CallToolResult, ExplainAnswer]:
        """Tell why an item answers a query as well as it does.

        Its rank and scores, what each word of the query and of its text does, and, where it is a
        picture, a heat map of where the query is seen.
        """
        name, opened = self._shelf.get(index)
        found = opened.explain(item, query)
        drawn = [] if found.regions is None else [found.regions.draw(found.query)]
        return _result(explained(name, found), *drawn)

    def list_indexes(self) -> Annotated[CallToolResult, IndexesAnswer]:
        """List the indexes that can be searched: what they hold, and which folders were indexed."""
        return _result(
            IndexesAnswer(
                indexes=[
                    served_index(name, opener, default=number == 0)
                    for number, (name, opener) in enumerate(self._shelf.openers.items())
                ]
            )
        )


def _look_at(opened: Index, item: int, max_side: int, pictures: list[Image]) -> Looked:
    """An item; its picture is added to those of the answer."""
    with opened.reading() as reader:
        found = view(reader, item, around=AROUND)
    try:
        picture = found.picture(max_side=max_side, max_megapixels=opened.max_megapixels)
    except MediaError as error:
        return looked(found, picture=None, unreadable=str(error))
    if picture is None:
        return looked(found, picture=None, unreadable=None)
    pictures.append(picture)
    return looked(found, picture=len(pictures), unreadable=None)


def _result(answer: Answer, *pictures: Image) -> CallToolResult:
    """An answer as structured content, as JSON for clients that know only text, and pictures."""
    structured = answer.as_json()
    content: list[ContentBlock] = [TextContent(text=json.dumps(structured, ensure_ascii=False))]
    content += [ImageContent(data=_jpeg(one), mime_type="image/jpeg") for one in pictures]
    return CallToolResult(content=content, structured_content=structured)


def _jpeg(picture: Image) -> str:
    written = BytesIO()
    picture.save(written, format="JPEG", quality=_QUALITY)
    return b64encode(written.getvalue()).decode("ascii")


def _with_tool_errors(tool: Callable[P, R]) -> Callable[P, R]:
    """Tells agents what went wrong and what to do, as the library says it."""

    @functools.wraps(tool)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return tool(*args, **kwargs)
        except MmsearchError as error:
            message = str(error).encode("utf-8", "replace").decode("utf-8")
            raise ToolError(message) from error

    return called


def _quietly_made() -> MCPServer:
    """The SDK's server. It sets up logging for the whole process, which is left as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    server = MCPServer("mmsearch", title="mmsearch", instructions=INSTRUCTIONS, version=__version__)
    root.handlers[:] = handlers
    root.setLevel(level)
    return server
