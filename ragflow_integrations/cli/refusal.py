"""Why a command does not go on, in one line."""

from __future__ import annotations

__all__ = ["Refusal", "UsageError"]


class Refusal(Exception):
    """The command cannot do it: exit code 1."""


class UsageError(Exception):
    """It was called in a wrong way: exit code 2."""
