"""docs/cli.md shows the help that the commands have."""

from __future__ import annotations

from tools import commands


def test_the_page_is_what_the_commands_say() -> None:
    """Each command has its section with its present help; ``python tools/commands.py`` writes it."""
    assert commands.PAGE.read_text("utf-8") == commands.page()
