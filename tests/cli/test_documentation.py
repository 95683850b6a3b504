"""A command that is not documented does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.main import get_command

from mmsearch.cli.app import app

COMMANDS_PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
GROUP = get_command(app)


@pytest.mark.parametrize("name", GROUP.list_commands(typer.Context(GROUP)))
def test_every_command_and_option_is_documented(name: str) -> None:
    page = COMMANDS_PAGE.read_text(encoding="utf-8")
    heading = f"## mmsearch {name}\n"
    assert heading in page
    section = page.partition(heading)[2].partition("\n## ")[0]
    command = GROUP.get_command(typer.Context(GROUP), name)
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue  # of use to mmsearch itself alone
        for option in parameter.opts:
            if option.startswith("-") and option not in ("--help", "-h"):
                assert f"`{option}" in section, f"{option} of {name} is not documented"
