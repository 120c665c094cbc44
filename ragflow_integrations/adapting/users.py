"""How memories that many users share keep them apart."""

from __future__ import annotations

import hashlib

from .. import ConfigurationError

__all__ = ["agent_id_of", "checked_user"]


def agent_id_of(user: str) -> str:
    """What a user's messages are kept and looked for under: an ``agent_id`` made of the user's id.

    The server's own ``user_id`` is no help: from v0.25.3 on it is the key's owner.
    """
    return "user-" + hashlib.sha256(checked_user(user).encode()).hexdigest()[:32]


def checked_user(user: object) -> str:
    """The user's id; ``ConfigurationError`` if it is no text, or an empty one."""
    if not isinstance(user, str) or not user.strip():
        raise ConfigurationError(
            f"user={user!r}: give the user's id as text, or a function of the run that returns it"
        )
    return user
