"""Runs the command line, as the tests of its own do."""

from tests.cli.conftest import mmsearch

__all__ = ["mmsearch"]
