"""The API of RAGFlow v0.27, with the older paths that it still answers."""

from __future__ import annotations

from . import (
    chats,
    chunks,
    completions,
    datasets,
    documents,
    memories,
    messages,
    metadata,
    openai,
    parsing,
    retrieval,
    sessions,
    system,
)
from .dialect import Dialect, joined
from .envelope import UNAUTHORIZED, Fail

__all__ = ["V027"]


def _unauthorized(path: str, given: str) -> Fail:
    return Fail("<Unauthorized '401: Unauthorized'>", UNAUTHORIZED, data=None, status=401)


def _wrong_embed_key() -> Fail:
    return Fail("Authentication error: API key is invalid! ")


V027 = Dialect(
    version=system.VERSION,
    routes=joined(
        chats.ROUTES,
        chunks.ROUTES,
        completions.ROUTES,
        datasets.ROUTES,
        documents.ROUTES,
        memories.ROUTES,
        messages.ROUTES,
        metadata.ROUTES,
        openai.ROUTES,
        parsing.ROUTES,
        retrieval.ROUTES,
        sessions.ROUTES,
        system.ROUTES,
    ),
    open_routes=system.OPEN_ROUTES,
    unauthorized=_unauthorized,
    wrong_embed_key=_wrong_embed_key,
    refusing=frozenset({completions.related_questions}),
)
