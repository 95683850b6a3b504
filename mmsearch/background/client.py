"""Asks a running server what `mmsearch query` would find out by itself, in milliseconds.

Whenever anything is not as it should be, the answer is None and the command does without: a server
that is gone or hangs, another version, another index at the same path, as a container may have, a
question that depends on the folder it is asked in, or one that is an error, which then is told as
ever.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from mmsearch.background.asked import Answer, Asked
from mmsearch.background.presence import Presence, running
from mmsearch.catalog.place import identity_of

SEARCH = "/local/search"
STOP = "/local/stop"
SECRET = "X-Mmsearch-Secret"

_PATIENCE = 60.0  # seconds; the first query of a server loads its encoder

_log = logging.getLogger("mmsearch.background")
_library = logging.getLogger("mmsearch")

_OF_A_PLACE = re.compile(r"[/\\~]|\.[^\W\d]|\b(?:in|like):", re.IGNORECASE)
"""What may name a file or folder, which a server would look for in its own working directory."""


def ask_server(path: Path, asked: Asked, *, device: str, max_megapixels: float) -> Answer | None:
    """Asks the server of an index, if one runs.

    Args:
        path: the index directory.
        asked: what is searched for.
        device: where the caller would run the encoder; a server that does otherwise is not asked.
        max_megapixels: likewise.
    """
    if _depends_on_place(asked):
        return None
    for server in running():
        resolved = os.path.realpath(path)
        catalog = identity_of(path)
        alike = (server.device, server.max_megapixels) == (device, max_megapixels)
        if catalog is None or not (alike and server.serves(resolved)):
            continue
        body = {"path": resolved, "catalog": catalog, "asked": asked.as_json()}
        found = _post(server, SEARCH, body)
        try:
            if found is not None:
                answer = Answer.from_json(found)
                for notice in found["notices"]:
                    _library.warning("%s", notice)
                _log.info("Answered by the server at %s.", server.url)
                return answer
        except (TypeError, ValueError, KeyError) as error:
            _log.debug("The server at %s gives no answer", server.url, exc_info=error)
    return None


def stop(server: Presence) -> bool:
    """Tells a server to end, and waits for it; whether one was there."""
    return _post(server, STOP, {}) is not None


def _depends_on_place(asked: Asked) -> bool:
    """Whether an answer may depend on the folder in which the question is asked."""
    names = (*asked.more_like, *asked.less_like)
    return (
        asked.folder is not None
        or any(not re.fullmatch(r"#\d+", name) for name in names)
        or _OF_A_PLACE.search(asked.text or "") is not None
    )


def _post(server: Presence, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    headers = {"Content-Type": "application/json", SECRET: server.secret}
    if server.token is not None:
        headers["Authorization"] = f"Bearer {server.token}"
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=_PATIENCE)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            _log.debug("The server at %s declines: %s", server.url, response.status)
            return None
        found = json.loads(content)
        return found if isinstance(found, dict) else None
    except ConnectionRefusedError:
        server.remove()  # it was killed before it could do so
    except (OSError, HTTPException, ValueError) as error:
        _log.debug("The server at %s does not answer: %s", server.url, error)
    finally:
        connection.close()
    return None
