"""How the answer of each operation is read: the client's own builders, fed with a recorded exchange.

``READINGS`` has a line for every operation of ``versions.OPERATIONS`` that was recorded; the line builds the call
with the ids of the recorded path. What a flow asks for besides is answered from the same recordings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ragflow_integrations.errors import UnsupportedError
from ragflow_integrations.models import ChunkFields
from ragflow_integrations.protocol import (
    agents,
    chats,
    chunks,
    converse,
    datasets,
    documents,
    files,
    indexing,
    memories,
    metadata,
    openai,
    parsing,
    retrieval,
    searches,
    sessions,
    system,
)
from ragflow_integrations.protocol.versions import OPERATIONS, Route, Version, route
from ragflow_integrations.protocol.wire import AskVersion, Call, Request, Response, Streamed, Work
from ragflow_integrations.sources import gathered

from .recorded import VERSIONS, Exchange, exchanges

PAGE: Any = {"page": 1, "page_size": 30, "orderby": "create_time", "desc": True}
FIELDS = {"name": "n"}
MESSAGE = ("agent_id", "session_id", "user_input", "agent_response", "user_id")
ID = "an-id"
PICKING = {
    "RAGFlow.get_dataset",
    "RAGFlow.get_chat",
    "RAGFlow.get_agent",
    "Document.get_chunk",
    "Chat.get_session",
    "Agent.get_session",
}
"""Calls that pick what they return from what they read."""

_ID = re.compile(r"(?<=/)[0-9a-f]{16,32}|\ban-id\b")

_SPEAKS = {version: Version.parse(version) or Version(0, 0) for version in VERSIONS}


@dataclass(frozen=True)
class Recorded:
    """An exchange as one operation's: ``ids`` are those of its path."""

    operation: str
    exchange: Exchange
    ids: dict[str, str]

    def __getitem__(self, name: str) -> str:
        """An id of the path, or the only one that the query asks for."""
        return self.ids[name] if name in self.ids else str(self.exchange.query["id"])

    @property
    def body(self) -> Any:
        """The request's body; of a missing one, an empty object."""
        return self.exchange.request_body or {}

    @property
    def asks_for_one(self) -> bool:
        """Whether a list is asked for one object by its id."""
        return bool(self.exchange.query.get("id"))

    @property
    def streamed(self) -> bool:
        return self.exchange.content_type.startswith("text/event-stream")


READINGS: dict[str, Callable[[Recorded], Any]] = {
    # datasets
    "RAGFlow.create_dataset": lambda _: datasets.create(FIELDS),
    "RAGFlow.get_dataset": lambda it: datasets.get(it["dataset_id"]),
    "RAGFlow.list_datasets": lambda _: datasets.listing(**PAGE),
    "RAGFlow.delete_datasets": lambda _: datasets.delete([ID]),
    "RAGFlow.retrieve": lambda _: retrieval.retrieve("q", dataset_ids=[ID]),
    "DataSet.update": lambda it: datasets.update(it["dataset_id"], FIELDS),
    "DataSet.metadata_summary": lambda it: metadata.summary(it["dataset_id"], None),
    "DataSet.update_metadata": lambda it: metadata.change_documents(
        it["dataset_id"], [{"key": "k", "value": "v"}], [], [ID], None
    ),
    "DataSet.get_auto_metadata": lambda it: metadata.get_auto_metadata(it["dataset_id"]),
    "DataSet.tags": lambda it: indexing.tags(it["dataset_id"]),
    "DataSet.knowledge_graph": lambda it: indexing.graph(it["dataset_id"]),
    "DataSet.delete_knowledge_graph": lambda it: indexing.delete_graph(it["dataset_id"]),
    "DataSet.run_graphrag": lambda it: indexing.run(it["dataset_id"], "graph"),
    "DataSet.trace_graphrag": lambda it: indexing.trace(it["dataset_id"], "graph"),
    "DataSet.run_raptor": lambda it: indexing.run(it["dataset_id"], "raptor"),
    "DataSet.trace_raptor": lambda it: indexing.trace(it["dataset_id"], "raptor"),
    # documents and chunks
    "DataSet.upload_documents": lambda it: documents.upload(
        it["dataset_id"], [{"display_name": "n", "blob": b""}]
    ),
    "DataSet.upload_url": lambda it: documents.upload_url(it["dataset_id"], "https://example.com/a", "n"),
    "DataSet.list_documents": lambda it: documents.listing(it["dataset_id"], **PAGE),
    "DataSet.delete_documents": lambda it: documents.delete(it["dataset_id"], [ID]),
    "DataSet.async_parse_documents": lambda it: parsing.parse(it["dataset_id"], [ID]),
    "DataSet.async_cancel_parse_documents": lambda it: parsing.cancel(it["dataset_id"], [ID]),
    "Document.update": lambda it: documents.update(it["dataset_id"], it["document_id"], FIELDS),
    "Document.download": lambda it: documents.download(it["dataset_id"], it["document_id"]),
    "Document.preview": lambda it: documents.preview(it["document_id"]),
    "Document.add_chunk": lambda it: chunks.add(it["dataset_id"], it["document_id"], content="c"),
    "Document.list_chunks": lambda it: chunks.listing(
        it["dataset_id"], it["document_id"], page=1, page_size=30
    ),
    "Document.get_chunk": lambda it: chunks.get(it["dataset_id"], it["document_id"], it["chunk_id"]),
    "Document.switch_chunks": lambda it: chunks.switch(it["dataset_id"], it["document_id"], [ID], True),
    "Document.delete_chunks": lambda it: chunks.delete(it["dataset_id"], it["document_id"], [ID]),
    "Chunk.update": lambda it: chunks.update(_chunk(it), {"content": "c"}),
    # chats
    "RAGFlow.create_chat": lambda _: chats.create(FIELDS),
    "RAGFlow.get_chat": lambda it: chats.get(it["chat_id"]),
    "RAGFlow.list_chats": lambda _: chats.listing(**PAGE),
    "RAGFlow.delete_chats": lambda _: chats.delete([ID]),
    "RAGFlow.chat_completions": lambda it: _completed(it, openai.chat, openai.chat_stream),
    "Chat.update": lambda it: chats.update(it["chat_id"], {**FIELDS, "dataset_ids": [ID]}),
    "Chat.ask": lambda it: _asked(it, None),
    "Chat.create_session": lambda it: sessions.create(it["chat_id"], "n"),
    "Chat.get_session": lambda it: sessions.get(it["chat_id"], it["session_id"]),
    "Chat.list_sessions": lambda it: sessions.listing(it["chat_id"], **PAGE),
    "Chat.delete_sessions": lambda it: sessions.delete(it["chat_id"], [ID]),
    "Session.update": lambda it: sessions.update(it["chat_id"], it["session_id"], FIELDS),
    "Session.ask": lambda it: _asked(it, ID),
    # agents
    "RAGFlow.create_agent": lambda _: agents.create(
        "t", {}, description=None, canvas_type=None, release=False
    ),
    "RAGFlow.get_agent": lambda it: agents.get(it["agent_id"]),
    "RAGFlow.list_agents": lambda _: agents.listing(**PAGE, id=None, title=None),
    "RAGFlow.update_agent": lambda it: agents.update(
        it["agent_id"], title="t", description=None, dsl=None, canvas_type="c", release=False
    ),
    "RAGFlow.delete_agent": lambda it: agents.delete(it["agent_id"]),
    "RAGFlow.agent_completions": lambda it: _completed(it, openai.agent, openai.agent_stream),
    "Agent.create_session": lambda it: agents.create_session(it["agent_id"], {}),
    "Agent.get_session": lambda it: agents.get_session(it["agent_id"], it["session_id"]),
    "Agent.list_sessions": lambda it: agents.sessions(it["agent_id"]),
    "Agent.delete_sessions": lambda it: agents.delete_sessions(it["agent_id"], [ID]),
    "Agent.ask": lambda it: _agent_asked(it, None),
    "AgentSession.ask": lambda it: _agent_asked(it, ID),
    # memories
    "RAGFlow.create_memory": lambda _: memories.create("n", ["raw"], "e", "l"),
    "RAGFlow.list_memory": lambda _: memories.listing(page=1, page_size=50),
    "RAGFlow.delete_memory": lambda it: memories.delete(it["memory_id"]),
    "RAGFlow.add_message": lambda _: memories.add_message(ID, **dict.fromkeys(MESSAGE, "t")),
    "RAGFlow.search_message": lambda _: memories.search(
        "q", ID, similarity_threshold=0.2, keywords_similarity_weight=0.7, top_n=5
    ),
    "RAGFlow.get_recent_messages": lambda _: memories.recent(ID, limit=10),
    "Memory.update": lambda it: memories.update(it["memory_id"], FIELDS),
    "Memory.get_config": lambda it: memories.config(it["memory_id"]),
    "Memory.list_memory_messages": lambda it: memories.messages(
        it["memory_id"], agent_id=None, keywords=None, page=1, page_size=50
    ),
    "Memory.forget_message": lambda it: memories.forget(it["memory_id"], it["message_id"]),
    "Memory.update_message_status": lambda it: memories.set_status(it["memory_id"], it["message_id"], True),
    "Memory.get_message_content": lambda it: memories.content(it["memory_id"], it["message_id"]),
    # files and searches
    "RAGFlow.list_files": lambda _: files.listing(**PAGE, parent_id=None, keywords=None),
    "RAGFlow.upload_file": lambda _: files.upload(lambda: gathered(b"c", name="n"), None),
    "RAGFlow.create_folder": lambda _: files.create_folder("n", None),
    "RAGFlow.download_file": lambda it: files.download(it["file_id"]),
    "RAGFlow.rename_file": lambda _: files.rename(ID, "n"),
    "RAGFlow.delete_files": lambda _: files.delete([ID]),
    "RAGFlow.create_search": lambda _: searches.create("n", None),
    "RAGFlow.list_searches": lambda _: searches.listing(**PAGE, keywords=None),
    "RAGFlow.related_questions": lambda _: searches.related_questions("q"),
    # the server
    "RAGFlow.server_info": lambda _: system.server_info(),
    "RAGFlow.health": lambda _: system.health(),
}

# Of operations that share a route, which of its exchanges are theirs.
THEIRS: dict[str, Callable[[Recorded], bool]] = {
    **dict.fromkeys(
        ("RAGFlow.get_dataset", "RAGFlow.get_chat", "RAGFlow.get_agent"),
        lambda it: bool(it.ids or it.asks_for_one),
    ),
    "Document.get_chunk": lambda it: it.asks_for_one,
    "Chat.get_session": lambda it: "session_id" in it.ids or it.asks_for_one,
    "Agent.get_session": lambda it: "session_id" in it.ids or it.asks_for_one,
    "Chat.ask": lambda it: "session_id" not in it.body,
    "Session.ask": lambda it: "session_id" in it.body,
    "Agent.ask": lambda it: "session_id" not in it.body and not it.body.get("openai-compatible"),
    "AgentSession.ask": lambda it: "session_id" in it.body and not it.body.get("openai-compatible"),
    "DataSet.upload_url": lambda it: it.exchange.query.get("type") == "web",
    "RAGFlow.upload_file": lambda it: "multipart" in it.body,
    "RAGFlow.create_folder": lambda it: "multipart" not in it.body,
    "RAGFlow.agent_completions": lambda it: (
        "openai" in it.exchange.path or it.body.get("openai-compatible") is True
    ),
}


def _chunk(it: Recorded) -> ChunkFields:
    return ChunkFields(id=it["chunk_id"], dataset_id=it["dataset_id"], document_id=it["document_id"])


def _asked(it: Recorded, session_id: str | None) -> Any:
    ask = converse.ask_stream if it.streamed else converse.ask
    return ask(it.ids.get("chat_id", ID), "q", session_id=session_id, options={})


def _agent_asked(it: Recorded, session_id: str | None) -> Any:
    ask = agents.ask_stream if it.streamed else agents.ask
    return ask(it.ids.get("agent_id", ID), "q", session_id=session_id, options={})


def _completed(it: Recorded, whole: Callable[..., Any], streamed: Callable[..., Any]) -> Any:
    ask, id = (streamed if it.streamed else whole), it.ids.get("chat_id") or it.ids.get("agent_id", ID)
    options: Any = {"session_id": None, "inputs": None, "options": {}}
    if whole is openai.chat:
        options = {"reference": False, "reference_metadata": None, "metadata_condition": None, "sampling": {}}
    return ask(id, [{"role": "user", "content": "q"}], model="m", **options)


@cache
def recorded_of(version: str) -> tuple[Recorded, ...]:
    """Every exchange that this library's calls have with a server of this version, once per operation."""
    return tuple(_recorded_of(version))


def _recorded_of(version: str) -> Iterator[Recorded]:
    spoken = [(operation, one) for operation in OPERATIONS if (one := _route(operation, _SPEAKS[version]))]
    routes = [(operation, one.method, _pattern(one)) for operation, one in spoken]
    for exchange in exchanges(version):
        for operation, method, pattern in routes:
            if exchange.method == method and (found := pattern.fullmatch(exchange.path)):
                it = Recorded(operation, exchange, found.groupdict())
                if operation not in THEIRS or THEIRS[operation](it):
                    yield it


class Reading:
    """What the client makes of an answer: ``result``, or the ``error`` that its reader raised.

    The result is that of the whole call, if the answer was the last it needed, else what the reader itself gave.
    """

    def __init__(self, it: Recorded) -> None:
        self._exchange = it.exchange
        self._own = self._read_own = False
        self.result: Any = None
        self.error: Exception | None = None
        try:
            whole = self._taken(READINGS[it.operation](it))
        except Exception:
            if not self._read_own:
                raise
        else:
            if self._own and it.operation not in PICKING:
                self.result = whole
        if not self._read_own:
            raise LookupError(f"{it.operation} does not ask {it.exchange.method} {it.exchange.path}")

    def _taken(self, step: Any) -> Any:
        if isinstance(step, Generator):
            return self._taken(self._driven(step))
        if isinstance(step, AskVersion):
            return _SPEAKS[self._exchange.version]
        if isinstance(step, Work):
            return step.run()
        if isinstance(step, Call):
            response, self._own = self._answer(step.request)
            return self._read(lambda: step.read(step.request, response))
        if isinstance(step, Streamed):
            decoder, self._own = step.decoder(step.request), True
            return self._read(lambda: [*decoder.feed(self._exchange.sent), *decoder.end()])
        return step

    def _driven(self, flow: Generator[Any, Any, Any]) -> Any:
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._taken(step)
                except Exception as error:  # noqa: BLE001 - the flow raises it again
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            return end.value

    def _read(self, read: Callable[[], Any]) -> Any:
        own = self._own
        self._read_own |= own
        try:
            result = read()
        except Exception as error:
            if own:
                self.error = error
            raise
        if own:
            self.result = result
        return result

    def _answer(self, request: Request) -> tuple[Response, bool]:
        """The exchange's own; to another question, the recorded answer to the most similar one."""
        if (request.method, request.path) == (self._exchange.method, self._exchange.path):
            return self._exchange.response, True
        return _similar(self._exchange.version, request).response, False


def _similar(version: str, request: Request) -> Exchange:
    shape = _ID.sub("", request.path)
    asked = {name: str(value) for name, value in request.query}

    def fit(exchange: Exchange) -> tuple[bool, bool, int]:
        told = {name: str(value) for name, value in exchange.query.items()}
        return succeeded(exchange), exchange.path == request.path, len(asked.items() & told.items())

    fitting = [
        each
        for each in exchanges(version)
        if request.method == each.method and shape == _ID.sub("", each.path)
    ]
    if not fitting:
        raise LookupError(f"{request.method} {request.path} was not recorded of {version}")
    return max(fitting, key=fit)


def succeeded(exchange: Exchange) -> bool:
    """Whether the server did all that it was asked: not if code, status, ``errors`` or the text tell of a failure."""
    if exchange.broken_off or exchange.status != 200 or not exchange.sent:
        return False
    bodies = frames(exchange) if exchange.content_type.startswith("text/event-stream") else [exchange.body]
    return not any(isinstance(body, dict) and _tells_of_failure(body) for body in bodies)


def frames(exchange: Exchange) -> list[Any]:
    """The JSON of each event of a stream."""
    events = re.findall(r"^data: ?(.*)$", exchange.sent.decode(), re.MULTILINE)
    return [json.loads(event) for event in events if event != "[DONE]"]


def _tells_of_failure(body: dict[str, Any]) -> bool:
    data = body.get("data")
    # a whole run that ends with a component is one that failed there
    if isinstance(data, dict) and (data.get("errors") or data.get("event") == "node_finished"):
        return True
    return body.get("code", 0) != 0 or data is False or "**ERROR**" in str(body)


def _route(operation: str, version: Version) -> Route | None:
    try:
        return route(operation, version)
    except UnsupportedError:
        return None


@cache
def _pattern(one: Route) -> re.Pattern[str]:
    whole = one.filled(dict.fromkeys(re.findall(r"{(\w+)}", one.path), "x"))
    start = whole.removesuffix(re.sub(r"{\w+}", "x", one.path))
    return re.compile(re.escape(start) + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", one.path))
