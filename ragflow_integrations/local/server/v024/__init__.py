"""The API of RAGFlow v0.24, translated to the same engine: its paths, verbs, shapes, codes and messages.

A group of routes a file, as in the folder above; what v0.27 answers alike is taken from there.
"""

from __future__ import annotations

from ..call import Body
from ..dialect import Dialect, Look, joined
from ..elsewhere import V024_ELSEWHERE
from ..envelope import AUTHENTICATION, UNAUTHORIZED, Fail, failed
from ..items import ROUTES as ITEMS
from . import (
    agents,
    bots,
    chats,
    chunks,
    completions,
    datasets,
    documents,
    files,
    indexes,
    memories,
    openai,
    parsing,
    retrieval,
    sessions,
    system,
)

__all__ = ["V024"]

_DIFY = "/api/v1/dify/"
_NO_HEADER = AttributeError("'NoneType' object has no attribute 'split'")


def _key_in(header: str | None, path: str) -> str:
    """The second word is the key, whatever the first is; most routes answer no key with code 0 and ``false``."""
    words = (header or "").split()
    if len(words) == 2 or (len(words) > 2 and not _is_newer(path)):
        return words[1]
    if _is_newer(path):
        raise _wrong_key(path)
    if path.startswith(_DIFY):
        raise failed(_NO_HEADER if header is None else IndexError("list index out of range"))
    said = "Please check your authorization format." if words else "`Authorization` can't be empty"
    raise Fail(said, 0, data=False)


def _wrong_key(path: str) -> Fail:
    if _is_newer(path):
        return Fail("<Unauthorized '401: Unauthorized'>", UNAUTHORIZED, data=None, status=401)
    if path.startswith(_DIFY):
        return Fail("API-KEY is invalid!", 403, status=403)
    return Fail("Authentication error: API key is invalid!", AUTHENTICATION, data=False)


def _is_newer(path: str) -> bool:
    """Memories and the web application's own routes answer as all routes of later versions do."""
    return path.startswith(("/api/v1/memories", "/api/v1/messages", "/v1/"))


def _embed_key_in(header: str | None) -> str:
    if header is None:
        raise failed(_NO_HEADER)
    words = header.split()
    if len(words) != 2:
        raise Fail('Authorization is not valid!"')
    return words[1]


def _wrong_embed_key() -> Fail:
    return Fail('Authentication error: API key is invalid!"')


def _needing(*names: str) -> Look:
    return lambda body: body.required(*names)


V024 = Dialect(
    version=system.VERSION,
    routes=joined(
        agents.ROUTES,
        chats.ROUTES,
        completions.ROUTES,
        chunks.ROUTES,
        datasets.ROUTES,
        documents.ROUTES,
        files.ROUTES,
        indexes.ROUTES,
        ITEMS,
        memories.ROUTES,
        openai.ROUTES,
        parsing.ROUTES,
        sessions.ROUTES,
        retrieval.ROUTES,
        system.ROUTES,
    ),
    open_routes=system.OPEN_ROUTES,
    bot_routes=joined(agents.BOT_ROUTES, bots.BOT_ROUTES, documents.BOT_ROUTES),
    refusing=indexes.REFUSING,
    elsewhere=V024_ELSEWHERE,
    key_in=_key_in,
    wrong_key=_wrong_key,
    embed_key_in=_embed_key_in,
    wrong_embed_key=_wrong_embed_key,
    before_key={
        "/chats_openai/{chat_id}/chat/completions": _needing("model", "messages"),
        "/agents_openai/{agent_id}/chat/completions": _needing("model", "messages"),
        "/searchbots/ask": _needing("question", "kb_ids"),
        "/searchbots/mindmap": _needing("question", "kb_ids"),
        "/searchbots/related_questions": _needing("question"),
        "/searchbots/retrieval_test": _needing("kb_id", "question"),
        "/agentbots/{agent_id}/completions": Body.json,
        "/chatbots/{chat_id}/completions": Body.json,
    },
)
