"""The command line: one module a command, none with logic of its own.

Results go to standard output, progress and notices to standard error. Exit codes: 0 success,
1 failure with one clear line, 2 wrong usage, 130 interrupted. Heavy imports wait until a command
runs, so that ``--help`` and shell completion answer at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from mmsearch.cli.output import printable
from mmsearch.errors import MmsearchError, QuerySyntaxError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    _prepare_output(debug=debug)
    try:
        from mmsearch.cli.app import app

        app([argument for argument in given if argument != "--debug"], prog_name="mmsearch")
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        what = printable(f"{type(error).__name__}: {error}")
        print(f"mmsearch: unexpected {what} (a bug: --debug shows where)", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _prepare_output(*, debug: bool) -> None:
    """Lets file names of any bytes through, and shows the library's notices as ours."""
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
