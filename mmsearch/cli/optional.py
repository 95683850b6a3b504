"""What typer does not know of the arguments of ``mmsearch query``."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from typer.core import TyperCommand, TyperOption

from mmsearch.cli.output import printable

_OPEN = "--open"


class QueryCommand(TyperCommand):
    """Takes ``--open`` for ``--open 1``, and tells what to do about ``-people``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Puts the number in that was left out.

        Raises:
            typer.BadParameter: a query begins with a minus, as options do.
        """
        known = [option for option in self.params if isinstance(option, TyperOption)]
        given = with_number(args)
        query = _query_with_minus(given, known)
        if query is not None:
            raise typer.BadParameter(
                f"a query that begins with a minus comes after --: "
                f"mmsearch query -- '{printable(query)}'",
                ctx=ctx,
                param_hint="QUERY",
            )
        return super().parse_args(ctx, given)


def _query_with_minus(arguments: Sequence[str], known: Sequence[TyperOption]) -> str | None:
    """The first argument that looks like options of one letter, of which the first is none."""
    names = {name for option in known for name in option.opts} | {"-h"}
    with_value = {name for option in known if not option.is_flag for name in option.opts}
    before = ""
    for argument in arguments:
        if argument == "--":
            return None
        is_option = argument.startswith("--") or argument[:2] in names
        if argument[:1] == "-" and len(argument) > 2 and not is_option and before not in with_value:
            return argument
        before = argument
    return None


def with_number(arguments: Sequence[str]) -> list[str]:
    """Gives ``--open`` the number 1 where none follows it; what follows ``--`` is left alone."""
    given: list[str] = []
    for at, argument in enumerate(arguments):
        if argument == "--":
            return [*given, *arguments[at:]]
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        given.append(f"{_OPEN}=1" if argument == _OPEN and not following.isdecimal() else argument)
    return given
