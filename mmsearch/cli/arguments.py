"""The arguments of a command, as they were given."""

from __future__ import annotations

from collections.abc import Collection

import typer


def given_arguments(context: typer.Context, *, leave_out: Collection[str]) -> list[str]:
    """What gives another process the options that this command was given.

    Args:
        context: of the command.
        leave_out: names of parameters.
    """
    arguments: list[str] = []
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in leave_out or source is None or source.name != "COMMANDLINE":
            continue
        flag, value = option.opts[0], context.params[option.name or ""]
        if value is True:
            arguments.append(flag)
        else:
            values = value if isinstance(value, list | tuple) else [value]
            arguments += [part for one in values for part in (flag, str(one))]
    return arguments
