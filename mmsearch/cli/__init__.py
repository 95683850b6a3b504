"""The command line: one module a command, none with logic of its own.

Results go to standard output, progress and notices to standard error. Exit codes: 0 success,
1 failure with one clear line, 2 wrong usage, 130 interrupted. Heavy imports wait until a command
runs, so that ``--help`` and shell completion answer at once.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence

from mmsearch.cli.output import printable
from mmsearch.errors import MmsearchError, QuerySyntaxError

INTERRUPTED = 130

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What stands behind "--" is no option: a query may be called so.
    options = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in options
    _prepare_output(debug=debug)
    try:
        _run([*(one for one in options if one != "--debug"), *given[len(options) :]])
    except MmsearchError as error:
        if debug:
            raise
        # Only an error that points at the spot of a query has more than one line.
        lines = str(error).splitlines() if isinstance(error, QuerySyntaxError) else [str(error)]
        print("mmsearch:", "\n".join(map(printable, lines)), file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        if debug:
            raise
        print("\nmmsearch: interrupted.", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has seen enough (`mmsearch query ... | head -1`).
        _discard_output()
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in _FULL:
            _discard_output()
            where = printable(str(error.filename or "the output"))
            print(f"mmsearch: {where} cannot be written: {error.strerror}.", file=sys.stderr)  # noqa: T201
            sys.exit(1)
        what = printable(f"{type(error).__name__}: {error}")
        print(f"mmsearch: unexpected {what} (a bug: --debug shows where)", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _run(arguments: list[str]) -> None:
    """Runs the command line; what cannot be written is told here, and not by the interpreter."""
    from mmsearch.cli.app import app

    try:
        app(arguments, prog_name="mmsearch")
    finally:
        sys.stdout.flush()


def _discard_output() -> None:
    """Lets the interpreter end without trying once more to write what is left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_output(*, debug: bool) -> None:
    """Lets file names of any bytes through, and shows the library's notices as ours.

    A stream that is closed, as cron and services may leave it, takes everything in silence.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("mmsearch: %(message)s"))
    logger = logging.getLogger("mmsearch")
    logger.addHandler(handler)
    logger.propagate = False
    if debug:
        logger.setLevel(logging.INFO)
