"""The API of RAGFlow v0.24, translated to the same engine: its paths, verbs, shapes, codes and messages.

A group of routes a file, as in the folder above; what v0.27 answers alike is taken from there.
"""

from __future__ import annotations

from ..dialect import Dialect, joined
from ..envelope import AUTHENTICATION, UNAUTHORIZED, Fail
from . import memories, system

__all__ = ["V024"]


def _unauthorized(path: str, given: str) -> Fail:
    """Most routes answer with HTTP 200, and to no key at all even with code 0; memories have the newer way."""
    if path.startswith(("/api/v1/memories", "/api/v1/messages")):
        return Fail("<Unauthorized '401: Unauthorized'>", UNAUTHORIZED, data=None, status=401)
    if not given:
        return Fail("`Authorization` can't be empty", 0, data=False)
    return Fail("Authentication error: API key is invalid!", AUTHENTICATION, data=False)


def _wrong_embed_key() -> Fail:
    return Fail('Authentication error: API key is invalid!"')


V024 = Dialect(
    version=system.VERSION,
    routes=joined(memories.ROUTES, system.ROUTES),
    open_routes=system.OPEN_ROUTES,
    unauthorized=_unauthorized,
    wrong_embed_key=_wrong_embed_key,
)
