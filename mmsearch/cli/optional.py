"""Options whose value may be left out, which typer does not know."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from typer.core import TyperCommand

_OPEN = "--open"


class QueryCommand(TyperCommand):
    """Takes ``--open`` for ``--open 1``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Puts the number in that was left out."""
        return super().parse_args(ctx, with_number(args))


def with_number(arguments: Sequence[str]) -> list[str]:
    """Gives ``--open`` the number 1 where none follows it; what follows ``--`` is left alone."""
    given: list[str] = []
    for at, argument in enumerate(arguments):
        if argument == "--":
            return [*given, *arguments[at:]]
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        given.append(f"{_OPEN}=1" if argument == _OPEN and not following.isdecimal() else argument)
    return given
