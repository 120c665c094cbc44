"""RAGFlow's tools for an agent. Where they look, and for whom, the developer says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.base.response.schema import Response
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from pydantic import SecretStr

from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    DataSet,
    InvalidRequestError,
    RAGFlow,
    Scope,
)
from ragflow_integrations.adapting import (
    Flow,
    Passage,
    Turn,
    answer_as_text,
    answered,
    ask,
    dataset,
    dataset_ids,
    datasets_as_dicts,
    document_page,
    documents_as_dicts,
    memories_as_dicts,
    memories_as_text,
    passages_as_text,
    recalled,
    remembered,
    rows_as_text,
    uploaded,
)

from ._client import Connected, Connection
from ._run import OfRun
from ._tool import TOLD, RAGFlowTool, TextOrFile, metadata
from ._user import User
from .nodes import to_node, to_nodes
from .retriever import RAGFlowRetriever

__all__ = ["RAGFlowToolSpec"]

_SESSION = "remember"  # what a model remembers by the tool is of no conversation
_LISTED = 50  # documents on a page
_READ = 20  # chunks on a page


class RAGFlowToolSpec(Connected, BaseToolSpec):
    """RAGFlow's tools for an agent.

        tools = RAGFlowToolSpec(dataset_names=["handbook"], chat_name="helpdesk").to_tool_list()
        agent = FunctionAgent(tools=tools, llm=llm)

    There are: with datasets (or a ``scope`` of some) ``search``, ``list_datasets``, ``list_documents`` and
    ``read_document``; with ``chat_id``, ``chat_name`` or ``agent_id`` ``ask``; with ``memory_ids`` and ``user``
    ``recall``. ``read_only=False`` adds ``remember``, and with ``upload_dataset_id`` ``upload``, which with ``root``
    takes files of that folder too, of at most ``max_bytes``, and waits ``parse_timeout`` seconds until it can be found.

    A model writes a question, an id that it was told, or a text; all else is the developer's: the arguments of
    ``RAGFlowRetriever`` (``similarity_top_k``, ``filters`` …) are the search's.

    Each tool is a method, and a coroutine (``asearch``), and returns a ``Response``: its text, in which everything that
    came from RAGFlow is quoted, is what the model is told; ``source_nodes`` and ``metadata`` are in the tool's
    ``raw_output``. The methods raise; of a tool, what RAGFlow refuses is an output with ``is_error``.

    Which server, and ``scope``: as ``RAGFlowRetriever``. ``user`` says whose memory it is, a text or a function of the
    ``RunContext``; a ``scope`` has to name the memories too. Raises ``ConfigurationError`` for
    arguments that make no sense.
    """

    def __init__(
        self,
        dataset_ids: Sequence[str] | None = None,
        *,
        dataset_names: Sequence[str] | None = None,
        chat_id: str | None = None,
        chat_name: str | None = None,
        agent_id: str | None = None,
        memory_ids: Sequence[str] | None = None,
        user: str | OfRun[str] | None = None,
        read_only: bool = True,
        upload_dataset_id: str | None = None,
        root: Path | str | None = None,
        max_bytes: int = 10 * 2**20,
        parse_timeout: float | None = 300.0,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        **search: Any,
    ) -> None:
        _check(chat_id, chat_name, agent_id, memory_ids, user, read_only, upload_dataset_id, root, max_bytes)
        self._connection: Connection = Connection(
            client, async_client, base_url, api_key, timeout, max_retries, scope
        )
        self._dataset_ids, self._dataset_names = dataset_ids, dataset_names
        self._known: dict[str, str] = {}
        self._retriever = self._searching(search)
        self._whom = {"chat_id": chat_id, "chat_name": chat_name, "agent_id": agent_id}
        self._memory_ids = list(memory_ids or ())
        self._user = None if user is None else User(user)
        self._upload_dataset_id = upload_dataset_id
        self._root = None if root is None else Path(root)
        self._max_bytes, self._parse_timeout = max_bytes, parse_timeout
        self._pairs = [(name, f"a{name}") for name in self._names(read_only)]
        self.spec_functions = [*self._pairs]

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools, made anew; all, or those of ``spec_functions``, named by either of their methods.

        ``func_to_metadata_mapping`` gives a tool another name or description, which two specs in one agent need:
        ``{"search": ToolMetadata("Searches the staff rules.", "search_rules")}``.
        """
        wanted = self.spec_functions if spec_functions is None else spec_functions
        return [self._tool(one, func_to_metadata_mapping or {}) for one in wanted]

    def _tool(self, named: SPEC_FUNCTION_TYPE, given: dict[str, ToolMetadata]) -> FunctionTool:
        pairs = {either: pair for pair in self._pairs for either in (pair, *pair)}
        if named not in pairs:
            there = ", ".join(name for name, _ in self._pairs) or "none"
            raise ConfigurationError(f"spec_functions: {named!r} is not among the tools here ({there})")
        name, aname = pairs[named]
        told = TOLD[name]
        if name == "upload" and self._root is not None:
            told = told._replace(arguments=TextOrFile)
        return RAGFlowTool(
            fn=getattr(self, name),
            async_fn=getattr(self, aname),
            metadata=metadata(name, told, given.get(name) or given.get(aname)),
        )

    def _names(self, read_only: bool) -> list[str]:
        """The tools that there are with what was given."""
        names = ["search", "list_datasets", "list_documents", "read_document"] if self._retriever else []
        names += ["ask"] if any(self._whom.values()) else []
        names += ["recall"] if self._user else []
        names += ["remember"] if self._user and not read_only else []
        return names + (["upload"] if self._upload_dataset_id else [])

    def _searching(self, search: dict[str, Any]) -> RAGFlowRetriever | None:
        datasets_named = self._dataset_ids is not None or self._dataset_names is not None
        if not (datasets_named or search or self._connection.names_datasets):
            return None
        return RAGFlowRetriever(
            self._dataset_ids,
            dataset_names=self._dataset_names,
            client=self._connection.client,
            async_client=self._connection.async_client,
            scope=self._connection.scope,
            **search,
        )

    # --- datasets ------------------------------------------------------------------------------------

    def search(self, question: str) -> Response:
        """The passages that fit best, numbered from 1; ``source_nodes`` has them in the same order."""
        return _found(self._needed_retriever().retrieve(question))

    async def asearch(self, question: str) -> Response:
        """As ``search``."""
        return _found(await self._needed_retriever().aretrieve(question))

    def list_datasets(self) -> Response:
        """The datasets; ``metadata["datasets"]`` has their ids as well."""
        return self._connection.run(self._listed_datasets())

    async def alist_datasets(self) -> Response:
        """As ``list_datasets``."""
        return await self._connection.arun(self._listed_datasets())

    def list_documents(self, dataset: str | None = None, page: int = 1) -> Response:
        """The documents of a dataset, by its name, fifty a page; ``metadata["documents"]`` has them."""
        return self._connection.run(self._listed_documents(dataset, page))

    async def alist_documents(self, dataset: str | None = None, page: int = 1) -> Response:
        """As ``list_documents``."""
        return await self._connection.arun(self._listed_documents(dataset, page))

    def read_document(self, document_id: str, page: int = 1) -> Response:
        """A document of these datasets, twenty chunks a page; ``source_nodes`` are they."""
        return self._connection.run(self._read(document_id, page))

    async def aread_document(self, document_id: str, page: int = 1) -> Response:
        """As ``read_document``."""
        return await self._connection.arun(self._read(document_id, page))

    def _needed_retriever(self) -> RAGFlowRetriever:
        if self._retriever is None:
            raise ConfigurationError("search: give dataset_ids=, dataset_names= or a scope= of datasets")
        return self._retriever

    def _datasets(self) -> Flow[list[DataSet]]:
        known = {} if self._connection.scope_varies else self._known
        found = []
        for id in (yield from dataset_ids(self._dataset_ids, self._dataset_names, known)):
            found.append((yield from dataset(id)))
        return found

    def _listed_datasets(self) -> Flow[Response]:
        rows = datasets_as_dicts((yield from self._datasets()))
        shown = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        return Response(rows_as_text(f"{len(rows)} datasets.", shown), metadata={"datasets": rows})

    def _listed_documents(self, name: str | None, page: int) -> Flow[Response]:
        held = _chosen((yield from self._datasets()), name)
        found = yield from ask(lambda _: held.list_documents(page=page, page_size=_LISTED))
        total = found.total or len(found)
        pages = max(1, -(-total // _LISTED))
        if page > pages:
            raise InvalidRequestError(f"page={page}: the list has {pages}")
        rows = documents_as_dicts(found)
        head = f"{total} documents, page {page} of {pages}."
        return Response(rows_as_text(head, rows), metadata={"documents": rows})

    def _read(self, document_id: str, page: int) -> Flow[Response]:
        read = yield from document_page((yield from self._datasets()), document_id, page, _READ)
        return Response(read.text, to_nodes(read.chunks), {"document_id": read.document.id})

    # --- assistants ----------------------------------------------------------------------------------

    def ask(self, question: str) -> Response:
        """The answer of the assistant or agent, with the sources that it cites.

        ``source_nodes`` are all that it was given; ``metadata`` has its plain ``answer``, and ``citations``,
        ``{"index", "start", "end", "node_id"}`` of the markers in it.
        """
        return self._connection.run(self._asked(question))

    async def aask(self, question: str) -> Response:
        """As ``ask``."""
        return await self._connection.arun(self._asked(question))

    def _asked(self, question: str) -> Flow[Response]:
        if not any(self._whom.values()):
            raise ConfigurationError("ask: give chat_id=, chat_name= or agent_id=")
        message = yield from answered(question, **self._whom)
        nodes = [to_node(chunk) for chunk in message.reference]
        ids = {id(chunk): node.node_id for chunk, node in zip(message.reference, nodes, strict=True)}
        citations = [
            {"index": one.index, "start": one.start, "end": one.end, "node_id": ids[id(one.chunk)]}
            for one in message.citations()
            if one.chunk
        ]
        return Response(answer_as_text(message), nodes, {"answer": message.content, "citations": citations})

    # --- memories ------------------------------------------------------------------------------------

    def recall(self, question: str) -> Response:
        """What is remembered of the run's user, and of nobody else, best first; ``metadata["memories"]`` has it."""
        return self._connection.run(self._recalled(question, self._needed_user().agent_id()))

    async def arecall(self, question: str) -> Response:
        """As ``recall``."""
        agent_id = await self._needed_user().aagent_id()
        return await self._connection.arun(self._recalled(question, agent_id))

    def remember(self, text: str) -> Response:
        """Keep a sentence under the run's user. Servers take it into a queue: it is found a moment later."""
        return self._connection.run(self._remembered(text, self._needed_user().agent_id()))

    async def aremember(self, text: str) -> Response:
        """As ``remember``."""
        agent_id = await self._needed_user().aagent_id()
        return await self._connection.arun(self._remembered(text, agent_id))

    def _needed_user(self) -> User:
        if self._user is None:
            raise ConfigurationError("recall, remember: give memory_ids= and user=")
        return self._user

    def _recalled(self, question: str, agent_id: str) -> Flow[Response]:
        found = yield from recalled(question, self._memory_ids, agent_id, k=5, similarity_threshold=0.2)
        text = memories_as_text(found) if found else "Nothing is remembered of that."
        return Response(text, metadata={"memories": memories_as_dicts(found)})

    def _remembered(self, text: str, agent_id: str) -> Flow[Response]:
        if not text.strip():
            raise InvalidRequestError(f"text={text!r}: give a text that is not empty")
        yield from remembered(self._memory_ids, agent_id, _SESSION, [Turn(text, "")])
        return Response("It will be remembered.", metadata={"text": text})

    # --- writing -------------------------------------------------------------------------------------

    def upload(
        self, name: str | None = None, content: str | None = None, path: str | None = None
    ) -> Response:
        """Store a text, or a file below ``root``, as a document that can be found when this returns.

        ``metadata`` is ``{"document_id", "name", "chunk_count"}``. Nothing is overwritten: a name that is taken gets a
        number. A path is looked at after links are resolved; what is then outside of ``root``, hidden, no plain file or
        larger than ``max_bytes`` is refused.
        """
        return self._connection.run(self._uploaded(name, content, path))

    async def aupload(
        self, name: str | None = None, content: str | None = None, path: str | None = None
    ) -> Response:
        """As ``upload``; a file is read in a thread."""
        return await self._connection.arun(self._uploaded(name, content, path))

    def _uploaded(self, name: str | None, content: str | None, path: str | None) -> Flow[Response]:
        if self._upload_dataset_id is None:
            raise ConfigurationError("upload: give read_only=False and upload_dataset_id=")
        stored = yield from uploaded(
            self._upload_dataset_id,
            name=name,
            content=content,
            path=path,
            root=self._root,
            max_bytes=self._max_bytes,
            timeout=self._parse_timeout,
        )
        facts = {"document_id": stored.id, "name": stored.name, "chunk_count": stored.chunk_count}
        quoted = json.dumps(stored.name, ensure_ascii=False)
        return Response(f"{quoted} is stored as document_id {stored.id}.", metadata=facts)


def _found(nodes: list[NodeWithScore]) -> Response:
    return Response(passages_as_text([_passage(node) for node in nodes]), nodes, {})


def _passage(node: NodeWithScore) -> Passage:
    facts = node.metadata
    page = facts.get("page_label")
    return Passage(node.text, facts.get("document_name", ""), facts.get("document_id"), page)


def _chosen(datasets: Sequence[DataSet], name: str | None) -> DataSet:
    """The one of that name; without a name the only one."""
    there = {held.name: held for held in datasets}
    if name is None and len(datasets) == 1:
        return datasets[0]
    if name not in there:
        raise InvalidRequestError(f"dataset={name!r}: give one of {', '.join(map(repr, there))}")
    return there[name]


def _check(
    chat_id: str | None,
    chat_name: str | None,
    agent_id: str | None,
    memory_ids: Sequence[str] | None,
    user: object,
    read_only: bool,
    upload_dataset_id: str | None,
    root: Path | str | None,
    max_bytes: int,
) -> None:
    if [chat_id, chat_name, agent_id].count(None) < 2:
        raise ConfigurationError("chat_id, chat_name, agent_id: give one of them at most")
    if (memory_ids is None) != (user is None):
        raise ConfigurationError(
            "memory_ids, user: give both or neither; a memory is kept for each user apart"
        )
    if isinstance(memory_ids, str) or (memory_ids is not None and not memory_ids):
        raise ConfigurationError(f"memory_ids={memory_ids!r}: give a list with at least one entry")
    if read_only and (upload_dataset_id or root):
        raise ConfigurationError("upload_dataset_id, root: they are for read_only=False")
    if root is not None and not upload_dataset_id:
        raise ConfigurationError("root: give upload_dataset_id, where its files shall be stored")
    if root is not None and not Path(root).is_dir():
        raise ConfigurationError(f"root={str(root)!r}: give a folder")
    if max_bytes < 1:
        raise ConfigurationError(f"max_bytes={max_bytes!r}: give a number from 1")
