"""Whose memory it is: the user of a run, and how memories keep users apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field, SkipValidation

from ragflow_integrations.adapting import agent_id_of, checked_user

from ._client import STRICT, Connected
from ._run import RunContext, this_run

__all__ = ["OfOneUser", "User", "agent_id"]

User = str | Callable[[RunContext], str]


def agent_id(user: User) -> str:
    """What this run's user is called on the server."""
    return agent_id_of(user(this_run()) if callable(user) else user)


class OfOneUser(Connected):
    """What works on memories for one user at a time; without ``user`` it cannot be made.

    Messages are kept and looked for under an ``agent_id`` that is derived from the user, and what comes back is
    checked for it by the client. The server's own ``user_id`` is no help: from v0.25.3 on it is the key's owner.
    """

    model_config = STRICT

    memory_ids: list[str] = Field(min_length=1)
    """The memories, which may be shared by many users."""

    user: SkipValidation[User]
    """Whose memory it is: a text, or a function of the run: ``lambda run: run.context.user_id``."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        if not callable(self.user):
            checked_user(self.user)

    def _agent_id(self) -> str:
        return agent_id(self.user)
