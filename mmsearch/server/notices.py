"""Collects what the library remarks on one request, to answer it with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Collector(logging.Handler):
    """Keeps the warnings of one thread; requests are worked on in a thread each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.notices: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.notices.append(record.getMessage())


@contextmanager
def collected() -> Iterator[list[str]]:
    """Fills a list with the notices of the search that runs inside."""
    collector = _Collector()
    logger = logging.getLogger("mmsearch.search")
    logger.addHandler(collector)
    try:
        yield collector.notices
    finally:
        logger.removeHandler(collector)
