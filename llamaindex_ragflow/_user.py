"""Whose memory it is: the user of a run, and how memories keep users apart."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable

from ragflow_integrations.adapting import agent_id_of, checked_user

from ._run import OfRun, this_run

__all__ = ["User"]


class User:
    """A user by id, or by a function of the run that returns it.

    Messages are kept and looked for under an ``agent_id`` that is derived from the user, and what comes back is
    checked for it by the client. The server's own ``user_id`` is no help: from v0.25.3 on it is the key's owner.
    """

    def __init__(self, user: str | OfRun[str]) -> None:
        self.given = user if callable(user) else checked_user(user)

    def agent_id(self) -> str:
        """What this run's user is called on the server; ``ConfigurationError`` if the function gives no text."""
        user = self.given(this_run()) if callable(self.given) else self.given
        if inspect.iscoroutine(user):
            user.close()  # a coroutine function serves coroutines only
        return agent_id_of(checked_user(user))

    async def aagent_id(self) -> str:
        """As ``agent_id``; the function may be a coroutine function."""
        user = self.given(this_run()) if callable(self.given) else self.given
        return agent_id_of(await user if isinstance(user, Awaitable) else user)
