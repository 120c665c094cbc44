"""One of everything that has an id, so that requests reach what lies behind the ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

from ragflow_integrations import RAGFlow
from tests.canvases import ECHO
from tests.local.server.process import Served

from .traffic import place

__all__ = ["Things"]

_TOKENS = {"0.27": "/api/v1/system/tokens", "0.24": "/v1/system/token_list"}
_OF_BOTS = re.compile(r"/(chat|agent|search)bots/")
_ALSO = {
    "dataset_id": ("kb_id", "knowledge_id", "dataset_ids", "kb_ids", "tag_kb_ids"),
    "document_id": ("doc_id", "document_ids", "doc_ids"),
    "chunk_id": ("chunk_ids",),
    "chat_id": ("dialog_id", "chat_ids"),
    "session_id": ("conversation_id", "session_ids"),
    "memory_id": ("memory_ids",),
    "file_id": ("file_ids", "src_file_ids"),
}


class Things:
    """One of each on a server: their ids by what paths and bodies call them, and the keys."""

    def __init__(self, server: Served, version: str) -> None:
        with RAGFlow(server.api_key, server.base_url) as client:
            self._ids, self._inner = _made(client, version)
        for name, others in _ALSO.items():
            self._ids |= dict.fromkeys(others, self._ids[name])
        headers = {"Authorization": f"Bearer {server.api_key}"}
        keys = httpx.get(server.base_url + _TOKENS[version], headers=headers).json()["data"]
        self._api_key, self._embed_key = server.api_key, str(keys[0]["beta"])

    def key_for(self, path: str) -> str:
        """The key that a route wants."""
        return self._embed_key if _OF_BOTS.search(path) else self._api_key

    def put_into(self, given: Any, path: str) -> Any:
        """What stands for the names in a path, a query or a body, with our ids where it has others."""
        if isinstance(given, list):
            return [self.put_into(each, path) for each in given]
        if not isinstance(given, dict):
            return given
        ids = self._of(path)
        return {
            name: self.put_into(each, path)
            if name not in ids
            else [ids[name]]
            if name.endswith("s")
            else ids[name]
            for name, each in given.items()
        }

    def _of(self, path: str) -> Mapping[str, str]:
        """The ids that go together on a route; ``ids`` are those of what its path ends with."""
        inner = next((ids for name, ids in self._inner.items() if f"/{name}" in path), {})
        ids = self._ids | inner
        ending = path.rpartition("/")[2].removesuffix("s").replace("memorie", "memory") + "_id"
        return ids | ({"ids": ids[ending]} if ending in ids else {})


def _made(client: RAGFlow, version: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The ids of things, and those that have the same names elsewhere: by how the paths there begin."""
    at = place(client)
    document = at.dataset.list_documents()[0]
    session = at.chat.create_session("s")
    client.create_agent("echo", ECHO)
    agent = client.list_agents()[0]
    client.add_message([at.memory.id], "a", "s", "Remember the lamps.", "I will.")
    [message] = at.memory.list_memory_messages()["messages"]["message_list"]
    ids = {
        "dataset_id": at.dataset.id,
        "document_id": document.id,
        "chunk_id": document.add_chunk("The lamps are green.").id,
        "chat_id": at.chat.id,
        "session_id": session.id,
        "message_id": str(session.ask("Who keeps the lamps?").id),
        "agent_id": agent.id,
        "component_id": "begin",
        "memory_id": at.memory.id,
        "file_id": client.upload_file(b"green", name="lamps.txt")[0].id,
    }
    if version != "0.24":  # which has no routes for searches
        ids["search_id"] = client.create_search("lamps").id
    return ids, {
        "agent": {"session_id": agent.create_session().id},
        "messages": {"message_id": str(message.message_id)},
    }
