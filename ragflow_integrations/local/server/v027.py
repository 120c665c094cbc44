"""The API of RAGFlow v0.27, with the older paths that it still answers."""

from __future__ import annotations

from . import (
    agent_completions,
    agent_sessions,
    agents,
    bots,
    chats,
    chunks,
    completions,
    dataset_search,
    datasets,
    dify,
    documents,
    files,
    indexes,
    items,
    memories,
    messages,
    metadata,
    openai,
    parsing,
    retrieval,
    searchbots,
    searches,
    sessions,
    system,
    tags,
    uploads,
)
from .dialect import Dialect, joined
from .elsewhere import ELSEWHERE
from .envelope import UNAUTHORIZED, Fail

__all__ = ["V027"]


def _key_in(header: str | None, path: str) -> str:
    """The key comes after ``Bearer``, or alone."""
    header = header or ""
    key = header[7:].strip() if header[:7].lower() == "bearer " else header
    if not key:
        raise _wrong_key(path)
    return key


def _wrong_key(path: str) -> Fail:
    return Fail("<Unauthorized '401: Unauthorized'>", UNAUTHORIZED, data=None, status=401)


def _embed_key_in(header: str | None) -> str:
    try:
        return _key_in(header, "")
    except Fail:
        raise Fail("Authorization is not valid!", data=None) from None


def _wrong_embed_key() -> Fail:
    return Fail("Authentication error: API key is invalid! ", data=None)


V027 = Dialect(
    version=system.VERSION,
    routes=joined(
        agent_completions.ROUTES,
        agent_sessions.ROUTES,
        agents.ROUTES,
        chats.ROUTES,
        chunks.ROUTES,
        completions.ROUTES,
        dataset_search.ROUTES,
        datasets.ROUTES,
        dify.ROUTES,
        documents.ROUTES,
        files.ROUTES,
        memories.ROUTES,
        messages.ROUTES,
        indexes.ROUTES,
        items.ROUTES,
        metadata.ROUTES,
        openai.ROUTES,
        parsing.ROUTES,
        retrieval.ROUTES,
        searches.ROUTES,
        sessions.ROUTES,
        system.ROUTES,
        tags.ROUTES,
        uploads.ROUTES,
    ),
    open_routes=joined(dify.OPEN_ROUTES, system.OPEN_ROUTES),
    key_in=_key_in,
    wrong_key=_wrong_key,
    embed_key_in=_embed_key_in,
    wrong_embed_key=_wrong_embed_key,
    bot_routes=joined(agent_completions.BOT_ROUTES, bots.BOT_ROUTES, searchbots.BOT_ROUTES),
    refusing=agents.REFUSING | indexes.REFUSING,
    elsewhere=ELSEWHERE,
)
