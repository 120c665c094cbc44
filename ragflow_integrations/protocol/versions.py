"""What differs between server versions, in one table: which calls there are and how they are spelled.

``OPERATIONS`` has every public method that speaks to the server, by ``Class.method``, with its routes,
the newest first; ``Since`` names the changes of behaviour. The documentation's table of methods is
printed from here. (Read in the server's source, v0.13.0 to v0.27.0, and recorded on v0.24.0 and v0.27.0.)
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from ..errors import UnsupportedError
from .checks import check_id
from .wire import AskVersion, Call, FilePart, Flow, Reader, Request, T, ask

__all__ = [
    "COMPOSED",
    "NEWEST",
    "OLDEST",
    "OPERATIONS",
    "Route",
    "Since",
    "Version",
    "request",
    "route",
    "server_version",
    "supported",
    "to",
]


class Version(NamedTuple):
    """A server's version; compare with ``<``."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """From ``v0.24.0``, ``0.24``, ``v0.20.5 full`` or ``v0.24.0-12-gabc``; ``None`` for e.g. ``nightly``."""
        found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?![\d.])", text.strip())
        return cls(*(int(part or 0) for part in found.groups())) if found else None

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"


OLDEST = Version(0, 24)
NEWEST = Version(0, 27)


class Since:
    """From which version on servers behave as the name says."""

    DATASET_EXTRAS = Version(0, 25)  # auto_metadata_config, ext; include_parsing_status in the listing
    DATASET_IDS = Version(0, 27)  # ids in the listing of datasets
    DELETE_ALL = Version(0, 25)  # until then empty ids delete everything
    CHAT_SETTINGS = Version(0, 25)  # llm_id, llm_setting, prompt_config, icon for llm, prompt, avatar
    FILES = Version(0, 25)  # /files for /file/…; until then desc is always true
    MESSAGE_USERS = Version(0, 25)  # user_id in the search for messages: until then passed over
    CHAT_PAGES = Version(0, 25)  # {"chats", "total"} for a plain list; an unknown id or name is no error
    SINGLE_OBJECTS = Version(0, 25, 1)  # GET of one dataset, chat, agent, chunk, session
    SESSIONS_OF_OWNER = Version(0, 25)  # until then a session keeps the user_id it is made with
    CHAT_IN_BODY = Version(0, 25, 1)  # until then a question goes to a path with the chat's id
    HISTORY_WITH_QUESTION = Version(0, 25, 1)  # messages, pass_all_history_messages
    UNSTORED_QUESTIONS = Version(0, 27)  # store_history_messages; until then one without a session makes one
    LEGACY_STREAMS = Version(0, 26, 1)  # legacy: each frame has the whole answer; until then passed over
    AGENT_PAGES = Version(0, 25, 1)  # {"canvas", "total"} for a plain list; no dsl, no filters id and title
    AGENT_RELEASES = Version(0, 25, 1)  # published versions; an update resets canvas_type unless it is sent
    AGENT_SESSION_NAMES = Version(0, 25)  # until then passed over
    AGENT_IN_BODY = Version(0, 25, 2)  # the completions of agents have the agent's id in the body
    METADATA_OF_CHUNKS = Version(0, 26)  # reference_metadata in retrieval
    DOCUMENT_FILTERS = Version(0, 25)  # types, metadata, return_empty_metadata: until then passed over
    DOCUMENT_IDS = Version(0, 25, 1)  # ids in the listing of documents: until then passed over
    DOCUMENT_PIPELINES = Version(0, 25, 1)  # pipeline_id of a document: until then passed over
    CONTENT_HASH = Version(0, 25)  # XXH128 of a document's content, beside its chunks
    AVAILABLE_CHUNKS = Version(0, 25)  # available in the listing of chunks: until then passed over
    CHUNK_TAGS = Version(0, 25)  # tag_kwd, tag_feas: until then passed over
    CHUNK_IMAGES = Version(0, 26)  # image_base64: until then passed over


@dataclass(frozen=True, slots=True)
class Route:
    """One way to make a call, which servers have from ``since`` on; ``path`` has names where ids go.

    What is ``only_local`` no RAGFlow server has, but the local engine.
    """

    method: str
    path: str
    since: Version = OLDEST
    only_local: bool = False

    def filled(self, ids: dict[str, str]) -> str:
        """The whole path with these ids in it."""
        return self.path.format(**{name: check_id(name, value) for name, value in ids.items()})


def _one(method: str, path: str, since: Version = OLDEST) -> tuple[Route, ...]:
    return (Route(method, path, since),)


_0_25 = Version(0, 25)
_0_25_1 = Version(0, 25, 1)
_DOCUMENT = "/api/v1/datasets/{dataset_id}/documents/{document_id}"
_SESSION = "/api/v1/chats/{chat_id}/sessions"

OPERATIONS: dict[str, tuple[Route, ...]] = {
    # datasets
    "RAGFlow.create_dataset": _one("POST", "/api/v1/datasets"),
    "RAGFlow.get_dataset": (
        Route("GET", "/api/v1/datasets/{dataset_id}", _0_25_1),
        Route("GET", "/api/v1/datasets"),
    ),
    "RAGFlow.list_datasets": _one("GET", "/api/v1/datasets"),
    "RAGFlow.delete_datasets": _one("DELETE", "/api/v1/datasets"),
    "RAGFlow.retrieve": _one("POST", "/api/v1/retrieval"),
    "DataSet.update": _one("PUT", "/api/v1/datasets/{dataset_id}"),
    "DataSet.metadata_summary": _one("GET", "/api/v1/datasets/{dataset_id}/metadata/summary"),
    "DataSet.update_metadata": _one("POST", "/api/v1/datasets/{dataset_id}/metadata/update"),
    "DataSet.get_auto_metadata": _one("GET", "/api/v1/datasets/{dataset_id}/metadata/config", _0_25_1),
    "DataSet.update_auto_metadata": _one("PUT", "/api/v1/datasets/{dataset_id}/metadata/config", _0_25_1),
    "DataSet.tags": _one("GET", "/api/v1/datasets/{dataset_id}/tags", _0_25_1),
    "DataSet.rename_tag": _one("PUT", "/api/v1/datasets/{dataset_id}/tags", _0_25_1),
    "DataSet.delete_tags": _one("DELETE", "/api/v1/datasets/{dataset_id}/tags", _0_25_1),
    "DataSet.knowledge_graph": (
        Route("GET", "/api/v1/datasets/{dataset_id}/graph", _0_25_1),
        Route("GET", "/api/v1/datasets/{dataset_id}/knowledge_graph"),
    ),
    "DataSet.delete_knowledge_graph": (
        Route("DELETE", "/api/v1/datasets/{dataset_id}/graph", _0_25_1),
        Route("DELETE", "/api/v1/datasets/{dataset_id}/knowledge_graph"),
    ),
    "DataSet.run_graphrag": (
        Route("POST", "/api/v1/datasets/{dataset_id}/index", _0_25_1),
        Route("POST", "/api/v1/datasets/{dataset_id}/run_graphrag"),
    ),
    "DataSet.trace_graphrag": (
        Route("GET", "/api/v1/datasets/{dataset_id}/index", _0_25_1),
        Route("GET", "/api/v1/datasets/{dataset_id}/trace_graphrag"),
    ),
    "DataSet.run_raptor": (
        Route("POST", "/api/v1/datasets/{dataset_id}/index", _0_25_1),
        Route("POST", "/api/v1/datasets/{dataset_id}/run_raptor"),
    ),
    "DataSet.trace_raptor": (
        Route("GET", "/api/v1/datasets/{dataset_id}/index", _0_25_1),
        Route("GET", "/api/v1/datasets/{dataset_id}/trace_raptor"),
    ),
    "DataSet.delete_raptor": _one("DELETE", "/api/v1/datasets/{dataset_id}/index", Version(0, 25, 3)),
    "DataSet.item_operations": (Route("POST", "/api/v1/datasets/{dataset_id}/items", only_local=True),),
    # documents
    "DataSet.upload_documents": _one("POST", "/api/v1/datasets/{dataset_id}/documents"),
    "DataSet.upload_url": _one("POST", "/api/v1/datasets/{dataset_id}/documents", _0_25_1),
    "DataSet.list_documents": _one("GET", "/api/v1/datasets/{dataset_id}/documents"),
    "DataSet.delete_documents": _one("DELETE", "/api/v1/datasets/{dataset_id}/documents"),
    "DataSet.async_parse_documents": _one("POST", "/api/v1/datasets/{dataset_id}/chunks"),
    "DataSet.async_cancel_parse_documents": _one("DELETE", "/api/v1/datasets/{dataset_id}/chunks"),
    "Document.update": (Route("PATCH", _DOCUMENT, _0_25), Route("PUT", _DOCUMENT)),
    "Document.download": _one("GET", _DOCUMENT),
    "Document.preview": _one("GET", "/api/v1/documents/{document_id}/preview", Version(0, 25, 2)),
    "Document.thumbnail": (
        Route("GET", "/api/v1/documents/images/{image_id}", _0_25_1),
        Route("GET", "/v1/document/image/{image_id}"),
    ),
    # chunks
    "Document.add_chunk": _one("POST", f"{_DOCUMENT}/chunks"),
    "Document.list_chunks": _one("GET", f"{_DOCUMENT}/chunks"),
    "Document.get_chunk": _one("GET", f"{_DOCUMENT}/chunks"),  # …/chunks/{chunk_id} gives the index's raw row
    "Document.delete_chunks": _one("DELETE", f"{_DOCUMENT}/chunks"),
    "Document.switch_chunks": _one("PATCH", f"{_DOCUMENT}/chunks", _0_25_1),
    "Chunk.update": (
        Route("PATCH", f"{_DOCUMENT}/chunks/{{chunk_id}}", _0_25_1),
        Route("PUT", f"{_DOCUMENT}/chunks/{{chunk_id}}"),
    ),
    "Chunk.image": (
        Route("GET", "/api/v1/documents/images/{image_id}", _0_25_1),
        Route("GET", "/v1/document/image/{image_id}"),
    ),
    # chats
    "RAGFlow.create_chat": _one("POST", "/api/v1/chats"),
    "RAGFlow.get_chat": (Route("GET", "/api/v1/chats/{chat_id}", _0_25), Route("GET", "/api/v1/chats")),
    "RAGFlow.list_chats": _one("GET", "/api/v1/chats"),
    "RAGFlow.delete_chats": _one("DELETE", "/api/v1/chats"),
    "Chat.update": (
        Route("PATCH", "/api/v1/chats/{chat_id}", _0_25),
        Route("PUT", "/api/v1/chats/{chat_id}"),
    ),
    "Chat.ask": (
        Route("POST", "/api/v1/chat/completions", _0_25_1),
        Route("POST", "/api/v1/chats/{chat_id}/completions"),
    ),
    "Chat.create_session": _one("POST", _SESSION),
    "Chat.get_session": (Route("GET", f"{_SESSION}/{{session_id}}", _0_25_1), Route("GET", _SESSION)),
    "Chat.list_sessions": _one("GET", _SESSION),
    "Chat.delete_sessions": _one("DELETE", _SESSION),
    "Session.update": (
        Route("PATCH", f"{_SESSION}/{{session_id}}", _0_25_1),
        Route("PUT", f"{_SESSION}/{{session_id}}"),
    ),
    "Session.ask": (
        Route("POST", "/api/v1/chat/completions", _0_25_1),
        Route("POST", "/api/v1/chats/{chat_id}/completions"),
    ),
    "RAGFlow.chat_completions": (
        Route("POST", "/api/v1/openai/{chat_id}/chat/completions", _0_25_1),
        Route("POST", "/api/v1/chats_openai/{chat_id}/chat/completions"),
    ),
    "RAGFlow.related_questions": (
        Route("POST", "/api/v1/chat/recommendation", _0_25_1),
        Route("POST", "/api/v1/sessions/related_questions"),
    ),
    # agents
    "RAGFlow.list_agents": _one("GET", "/api/v1/agents"),
    "RAGFlow.get_agent": (Route("GET", "/api/v1/agents/{agent_id}", _0_25_1), Route("GET", "/api/v1/agents")),
    "RAGFlow.create_agent": _one("POST", "/api/v1/agents"),
    "RAGFlow.update_agent": _one("PUT", "/api/v1/agents/{agent_id}"),
    "RAGFlow.delete_agent": _one("DELETE", "/api/v1/agents/{agent_id}"),
    "Agent.create_session": _one("POST", "/api/v1/agents/{agent_id}/sessions"),
    "Agent.get_session": (
        Route("GET", "/api/v1/agents/{agent_id}/sessions/{session_id}", _0_25_1),
        Route("GET", "/api/v1/agents/{agent_id}/sessions"),
    ),
    "Agent.list_sessions": _one("GET", "/api/v1/agents/{agent_id}/sessions"),
    "Agent.delete_sessions": _one("DELETE", "/api/v1/agents/{agent_id}/sessions"),
    "Agent.ask": (
        Route("POST", "/api/v1/agents/chat/completions", Version(0, 25, 2)),
        Route("POST", "/api/v1/agents/{agent_id}/completions"),
    ),
    "AgentSession.ask": (
        Route("POST", "/api/v1/agents/chat/completions", Version(0, 25, 2)),
        Route("POST", "/api/v1/agents/{agent_id}/completions"),
    ),
    "RAGFlow.agent_completions": (
        Route("POST", "/api/v1/agents/chat/completions", Version(0, 25, 2)),
        Route("POST", "/api/v1/agents_openai/{agent_id}/chat/completions"),
    ),
    # memories
    "RAGFlow.create_memory": _one("POST", "/api/v1/memories"),
    "RAGFlow.list_memory": _one("GET", "/api/v1/memories"),
    "RAGFlow.delete_memory": _one("DELETE", "/api/v1/memories/{memory_id}"),
    "RAGFlow.add_message": _one("POST", "/api/v1/messages"),
    "RAGFlow.search_message": _one("GET", "/api/v1/messages/search"),
    "RAGFlow.get_recent_messages": _one("GET", "/api/v1/messages"),
    "Memory.update": _one("PUT", "/api/v1/memories/{memory_id}"),
    "Memory.get_config": _one("GET", "/api/v1/memories/{memory_id}/config"),
    "Memory.list_memory_messages": _one("GET", "/api/v1/memories/{memory_id}"),
    "Memory.forget_message": _one("DELETE", "/api/v1/messages/{memory_id}:{message_id}"),
    "Memory.update_message_status": _one("PUT", "/api/v1/messages/{memory_id}:{message_id}"),
    "Memory.get_message_content": _one("GET", "/api/v1/messages/{memory_id}:{message_id}/content"),
    # files
    "RAGFlow.list_files": (Route("GET", "/api/v1/files", _0_25), Route("GET", "/api/v1/file/list")),
    "RAGFlow.upload_file": (Route("POST", "/api/v1/files", _0_25), Route("POST", "/api/v1/file/upload")),
    "RAGFlow.create_folder": (Route("POST", "/api/v1/files", _0_25), Route("POST", "/api/v1/file/create")),
    "RAGFlow.download_file": (
        Route("GET", "/api/v1/files/{file_id}", _0_25),
        Route("GET", "/api/v1/file/get/{file_id}"),
    ),
    "RAGFlow.move_files": (Route("POST", "/api/v1/files/move", _0_25), Route("POST", "/api/v1/file/mv")),
    "RAGFlow.rename_file": (Route("POST", "/api/v1/files/move", _0_25), Route("POST", "/api/v1/file/rename")),
    "RAGFlow.delete_files": (Route("DELETE", "/api/v1/files", _0_25), Route("POST", "/api/v1/file/rm")),
    "RAGFlow.link_files": (
        Route("POST", "/api/v1/files/link-to-datasets", _0_25_1),
        Route("POST", "/api/v1/file/convert"),
    ),
    # searches
    "RAGFlow.create_search": _one("POST", "/api/v1/searches", _0_25_1),
    "RAGFlow.get_search": _one("GET", "/api/v1/searches/{search_id}", _0_25_1),
    "RAGFlow.list_searches": _one("GET", "/api/v1/searches", _0_25_1),
    "RAGFlow.delete_search": _one("DELETE", "/api/v1/searches/{search_id}", _0_25_1),
    "Search.update": _one("PUT", "/api/v1/searches/{search_id}", _0_25_1),
    "Search.ask": (
        Route("POST", "/api/v1/searches/{search_id}/completions", Version(0, 25, 2)),
        Route("POST", "/api/v1/searches/{search_id}/completion", _0_25_1),
    ),
    # system
    "RAGFlow.server_info": (
        Route("GET", "/api/v1/system/version", _0_25),
        Route("GET", "/v1/system/version"),
    ),
    "RAGFlow.health": (Route("GET", "/api/v1/system/healthz", _0_25), Route("GET", "/v1/system/healthz")),
}


COMPOSED: dict[str, tuple[str, ...]] = {  # methods that are made of others
    "RAGFlow.iter_datasets": ("RAGFlow.list_datasets",),
    "RAGFlow.iter_chats": ("RAGFlow.list_chats",),
    "Chat.iter_sessions": ("Chat.list_sessions",),
    "StoredMessage.rehydrate": ("Document.list_chunks",),
    "DataSet.iter_documents": ("DataSet.list_documents",),
    "DataSet.parse_documents": (
        "DataSet.async_parse_documents",
        "DataSet.list_documents",
        "DataSet.async_cancel_parse_documents",
    ),
    "StoredAgentMessage.rehydrate": ("Document.list_chunks",),
    "RAGFlow.iter_agents": ("RAGFlow.list_agents",),
    "Agent.iter_sessions": ("Agent.list_sessions",),
    "RAGFlow.iter_memories": ("RAGFlow.list_memory",),
    "Memory.iter_messages": ("Memory.list_memory_messages",),
    "RAGFlow.iter_files": ("RAGFlow.list_files",),
    "RAGFlow.iter_searches": ("RAGFlow.list_searches",),
    "DataSet.upload": (
        "DataSet.list_documents",
        "Document.list_chunks",
        "Document.download",
        "DataSet.upload_documents",
        "Document.update",
        "DataSet.async_parse_documents",
    ),
    "DataSet.replace": (
        "DataSet.list_documents",
        "Document.list_chunks",
        "Document.download",
        "DataSet.upload_documents",
        "Document.update",
        "DataSet.async_parse_documents",
        "DataSet.delete_documents",
    ),
    "Document.iter_chunks": ("Document.list_chunks",),
}


def route(operation: str, version: Version) -> Route:
    """How a server of this version takes the call; ``UnsupportedError`` naming the versions that have it."""
    routes = OPERATIONS[operation]
    for one in routes:
        if one.since <= version:
            return one
    raise UnsupportedError(f"{operation} needs RAGFlow {routes[-1].since} or later; this server is {version}")


def request(
    operation: str,
    version: Version = OLDEST,
    *,
    query: tuple[tuple[str, str], ...] = (),
    body: Any = None,
    files: tuple[FilePart, ...] = (),
    idempotent: bool = False,
    **ids: str,
) -> Request:
    """The request of a call, its path filled with ``ids``; without ``version`` for calls that never changed."""
    chosen = route(operation, version)
    path = chosen.filled(ids)
    return Request(chosen.method, path, query, body, files, idempotent, operation, chosen.path)


_NO_IDS = {"query", "body", "files", "idempotent"}


def to(operation: str, read: Reader[T], **rest: Any) -> Flow[T]:
    """The flow of a call whose route depends on the server's version and whose answer does not."""
    for name in rest.keys() - _NO_IDS:  # before the server is asked for its version
        check_id(name, rest[name])
    version = yield from server_version()
    return (yield from ask(Call(request(operation, version, **rest), read)))


def server_version() -> Generator[AskVersion, Any, Version]:
    """``version = yield from server_version()`` inside a flow; asked of a server once."""
    return cast("Version", (yield AskVersion()))


def supported(method: str, given: Mapping[str, Any], since: Mapping[str, Version]) -> Flow[None]:
    """``UnsupportedError`` for an option that this server would pass over in silence.

    ``since`` has the first version of each option that not all servers know; what is ``None`` is not used.
    """
    used = {name: first for name, first in since.items() if given.get(name) is not None}
    if not used:
        return
    version = yield from server_version()
    for name, first in used.items():
        if version < first:
            raise UnsupportedError(
                f"{method}({name}=…) needs RAGFlow {first} or later; this server is {version}"
            )
