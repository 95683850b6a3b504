"""Whether the official SDK is here, which is an extra."""

from __future__ import annotations

from importlib.util import find_spec

from mmsearch.errors import SettingsError

MISSING = (
    "The Model Context Protocol needs an extra: install it with "
    '`pip install --upgrade "mmsearch[mcp]"`.'
)


def has_sdk() -> bool:
    """Whether the SDK is installed, in a version that we know; it is not imported."""
    return find_spec("mcp") is not None and find_spec("mcp_types") is not None


def require_sdk() -> None:
    """Makes sure that the SDK is installed.

    Raises:
        SettingsError: it is not, or is older than we know.
    """
    if not has_sdk():
        raise SettingsError(MISSING)
