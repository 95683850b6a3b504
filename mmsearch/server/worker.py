"""What a worker process runs: it answers searches of the indexes that a server serves.

Questions and answers are pickles on the standard input and output, an answer with its length
before it. It ends when its input does, so it cannot outlive the server.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from threadpoolctl import threadpool_limits

import mmsearch
from mmsearch.errors import MmsearchError
from mmsearch.library import Index
from mmsearch.server.errors import answer_of, internal_error
from mmsearch.server.health import warm
from mmsearch.server.observe import log_to_stderr
from mmsearch.server.results import json_answer
from mmsearch.server.search import SearchParameters, find

if TYPE_CHECKING:
    from mmsearch.encoders.base import Device

LENGTH_BYTES = 8
"""What an answer's length takes, big-endian."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker is told first.

    Attributes:
        indexes: paths of the indexes by the names that they are served under.
        device: where their encoders run.
        max_megapixels: as of `mmsearch.Index`.
        formatter: of what is logged.
    """

    indexes: Mapping[str, Path]
    device: Device
    max_megapixels: float
    formatter: logging.Formatter


@dataclass(frozen=True, slots=True)
class Question:
    """A search.

    Attributes:
        index: name of the index.
        asked: what is asked of it.
    """

    index: str
    asked: SearchParameters


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search came to, an error too.

    Attributes:
        status: of the HTTP answer.
        body: JSON.
        batches: how many texts its process has encoded at once, each time since the answer before.
    """

    status: int
    body: bytes
    batches: tuple[int, ...] = ()


def serve() -> None:
    """Answers until the input ends; the first answer, to the setup, says that all is loaded."""
    with (
        suppress(EOFError, BrokenPipeError),
        open(os.dup(1), "wb") as answers,  # noqa: PTH123
        ExitStack() as stack,
    ):
        os.dup2(2, 1)  # what a library prints must not be taken for an answer
        setup: Setup = pickle.load(sys.stdin.buffer)
        batches: list[int] = []
        log_to_stderr(setup.formatter)
        try:
            indexes = {name: _opened(path, setup, stack) for name, path in setup.indexes.items()}
        except MmsearchError as error:
            _log.error("A worker process cannot load an index: %s", error)
            raise SystemExit(1) from error
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        for index in indexes.values():
            index.together.seen = batches.append
        _send(Answer(200, b""), answers)
        while True:
            question: Question = pickle.load(sys.stdin.buffer)
            found = _answer(indexes[question.index], question)
            _send(replace(found, batches=tuple(batches)), answers)
            batches.clear()


def _opened(path: Path, setup: Setup, stack: ExitStack) -> Index:
    index = stack.enter_context(mmsearch.open(path, device=setup.device))
    index.max_megapixels = setup.max_megapixels
    warm(index)
    return index


def _send(answer: Answer, answers: BinaryIO) -> None:
    pickled = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    answers.write(len(pickled).to_bytes(LENGTH_BYTES, "big") + pickled)
    answers.flush()


def _answer(index: Index, question: Question) -> Answer:
    try:
        found = json_answer(find(index, question.index, question.asked))
    except MmsearchError as error:
        found = answer_of(error)
    except Exception:
        _log.exception("A search failed")
        found = internal_error()
    return Answer(found.status_code, bytes(found.body))
