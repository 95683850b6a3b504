"""What indexes are called on a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import SettingsError
from mmsearch.server.app import create_app
from mmsearch.server.names import served_names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/photos.mmsearch", "b/talks"], ["photos", "talks"]),
        (
            ["photos", "b/photos.mmsearch", "c/photos", "photos-2"],
            ["photos", "photos-2", "photos-3", "photos-2-2"],
        ),
        (["/albums/summer/x/.."], ["summer"]),
        (["/"], ["index"]),
        (["caf\udce9.mmsearch"], ["caf?"]),
    ],
)
def test_indexes_are_called_as_their_folders(paths: list[str], names: list[str]) -> None:
    served = served_names(map(Path, paths))
    assert list(served) == names
    assert list(served.values()) == list(map(Path, paths))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "caf\udce9", "a\nb"])
def test_a_name_that_no_url_can_hold_is_refused(index: mmsearch.Index, name: str) -> None:
    with pytest.raises(SettingsError, match="URL"):
        create_app({name: index})


def test_agents_that_start_a_server_load_none_of_the_http_service() -> None:
    pytest.importorskip("mcp")
    code = """
import sys
import mmsearch.cli.mcp, mmsearch.server.names, mmsearch.server.mcp.stdio, mmsearch.server.mcp.tools
print([name for name in ("fastapi", "prometheus_client") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
