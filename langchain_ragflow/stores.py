"""RAGFlow as a store of LangGraph: what is kept exactly, and found by its meaning."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field, SkipValidation

from ragflow_integrations import (
    AsyncRAGFlow,
    ChunkFields,
    DataSet,
    Document,
    InvalidRequestError,
    NotFoundError,
    RequestTimeoutError,
)
from ragflow_integrations.adapting import (
    Flow,
    arun,
    ask,
    check_json,
    checked_user,
    mark,
    named,
    removed,
    run,
    versions,
)

from ._client import STRICT
from ._datasets import OnOneDataset
from ._indexed import digest, found_in, id_of, of_item, of_namespace, record_of, stored, texts_of
from ._kept import Kept, kept_by
from ._langgraph import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)
from ._memory import User, agent_id
from ._search import with_metadata
from ._selecting import check_filter, check_page, fits, namespaces_for

__all__ = ["RAGFlowStore"]

_POOL = 1024  # candidates that a server ranks
_ALL = 2**31 - 1
_PAUSE = 0.2  # seconds between two looks


class RAGFlowStore(OnOneDataset, BaseStore):
    """A store for LangGraph: items are kept exactly and, with a ``query``, found by what they mean.

        store = RAGFlowStore(dataset_name="memories")
        store.setup()
        graph = builder.compile(store=store)

    ``get``, ``put``, ``delete``, ``list_namespaces`` and a ``search`` without a query are exact. The items are kept by
    the local engine, beside the dataset, or with a RAGFlow server, which has no such table, by another store: ``kv=``.
    What an item says is indexed in the dataset: a ``search`` with a ``query`` ranks by RAGFlow's similarity and hands
    out the items as they are kept now.

    An item is found by a query when ``put`` returns, as far as the server's index is at once up to date; one on
    Elasticsearch shows it about a second later, and ``wait_until_searchable`` waits for that. Until then, and with
    ``index=False``, it stands behind the others, without a score.

    Differs from LangGraph's ``InMemoryStore`` where that forgets ``created_at`` when an item is put again, lists
    namespaces that hold nothing, and on later pages repeats items without a score; and values must be JSON, since
    they are kept. TTLs are not supported by either.

    Raises what the client raises, and ``InvalidRequestError`` for a value that is no JSON or a filter that nobody can
    evaluate, before anything is written.
    """

    model_config = STRICT

    # what LangGraph declares as attributes, pydantic would make fields of
    supports_ttl: ClassVar[bool] = False  # type: ignore[misc]
    ttl_config: ClassVar[Any] = None  # type: ignore[misc]

    kv: SkipValidation[BaseStore | None] = Field(default=None, exclude=True)
    """What keeps the items if the server is no local engine: a ``PostgresStore``, a ``SqliteStore`` …"""

    user: SkipValidation[User | None] = None
    """Whose items they are: a text, or a function of the run, ``lambda run: run.context.user_id``.

    Every namespace is then below one that is derived from the user, and nobody sees another's. Without it, namespaces
    keep users apart only as far as the code that names them does.
    """

    fields: list[str] = Field(default_factory=lambda: ["$"])
    """What of a value is searched for, where ``put`` says nothing else: paths as in ``index=``; ``$`` is all of it."""

    vector_similarity_weight: float | None = Field(default=None, ge=0, le=1)
    """Weight of the vector similarity (server's default: 0.3); that of the terms gets the rest."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        if self.user is not None and not callable(self.user):
            checked_user(self.user)
        if self.kv is not None and not isinstance(self.kv, BaseStore):
            raise InvalidRequestError(f"kv=<{type(self.kv).__name__}>: give a store of LangGraph")

    def setup(self) -> None:
        """Make the dataset if it is named and not there."""
        run(self._found_or_made(), self._sync())

    async def asetup(self) -> None:
        """As ``setup``."""
        await arun(self._found_or_made(), self._async())

    def batch(self, ops: Iterable[Op]) -> list[Any]:
        """What each operation finds; all read before any writes, and of writes to one key the last counts."""
        return run(self._done(list(ops)), self._sync())

    async def abatch(self, ops: Iterable[Op]) -> list[Any]:
        """As ``batch``."""
        return await arun(self._done(list(ops)), self._async())

    def wait_until_searchable(self, namespace: tuple[str, ...], key: str, *, timeout: float = 30.0) -> None:
        """Wait until a query finds an item as it is now; at once if it is not indexed.

        ``NotFoundError`` if there is none, ``RequestTimeoutError`` after ``timeout`` seconds.
        """
        run(self._awaited(namespace, key, timeout), self._sync())

    async def await_until_searchable(
        self, namespace: tuple[str, ...], key: str, *, timeout: float = 30.0
    ) -> None:
        """As ``wait_until_searchable``."""
        await arun(self._awaited(namespace, key, timeout), self._async())

    # --- how ------------------------------------------------------------------------------------------

    def _done(self, ops: Sequence[Op]) -> Flow[list[Any]]:
        for op in ops:
            _check(op)
        above = () if self.user is None else (agent_id(self.user),)
        results = yield from self._did([_below(above, op) for op in ops])
        return [_without(above, *pair) for pair in zip(ops, results, strict=True)]

    def _did(self, ops: Sequence[Op]) -> Flow[list[Any]]:
        dataset = yield from self._dataset()
        kept = kept_by(self.kv, dataset)
        results: dict[int, Any] = dict.fromkeys(range(len(ops)))
        exact = [n for n, op in enumerate(ops) if not isinstance(op, PutOp) and not _is_query(op)]
        if exact:
            results.update(zip(exact, (yield from kept.done([ops[n] for n in exact])), strict=True))
        for number, op in enumerate(ops):
            if isinstance(op, SearchOp) and _is_query(op):
                results[number] = yield from self._ranked(dataset, kept, op)
        puts = {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        if puts:
            yield from self._put(dataset, kept, [*puts.values()])
        return [results[number] for number in range(len(ops))]

    def _put(self, dataset: DataSet, kept: Kept, puts: Sequence[PutOp]) -> Flow[None]:
        """Index what is new, keep the items, forget the old index; what fails before that leaves all as it was."""
        old = yield from versions(dataset, [mark(id_of(op.namespace, op.key)) for op in puts])
        new = [
            (record_of(op.namespace, op.key, op.value, texts), texts)
            for op in puts
            if op.value is not None and (texts := self._texts(op))
        ]
        documents = (yield from stored(dataset, new)) if new else []
        try:
            yield from kept.done(puts)
        except Exception:
            yield from _forgotten(dataset, documents)
            raise
        yield from _forgotten(dataset, [document for each in old.values() for document in each])

    def _texts(self, op: PutOp) -> list[str]:
        if op.value is None or op.index is False:
            return []
        return texts_of(op.value, self.fields if op.index is None else op.index)

    def _ranked(self, dataset: DataSet, kept: Kept, op: SearchOp) -> Flow[list[SearchItem]]:
        """The best first, then what has no score; of an index that is behind, what fits the items as they are."""
        wanted = op.offset + op.limit
        if not wanted:
            return []
        ranked: list[SearchItem] = []
        candidates = min(max(wanted, 32), _POOL)
        while True:
            chunks = yield from self._chunks(dataset, op, candidates)
            ranked = yield from _current(kept, op, chunks)
            if len(ranked) >= wanted or len(chunks) < candidates or candidates >= _POOL:
                break
            candidates = min(4 * candidates, _POOL)
        if len(ranked) < wanted:
            ranked += yield from _others(kept, op, ranked, wanted)
        return ranked[op.offset : wanted]

    def _chunks(self, dataset: DataSet, op: SearchOp, candidates: int) -> Flow[list[ChunkFields]]:
        search = {
            "k": candidates,
            "similarity_threshold": 0.0,
            "vector_similarity_weight": self.vector_similarity_weight,
            "filter": of_namespace(op.namespace_prefix),
        }
        return (yield from with_metadata(self, dataset, str(op.query), search))

    def _awaited(self, namespace: tuple[str, ...], key: str, timeout: float) -> Flow[None]:
        above = () if self.user is None else (agent_id(self.user),)
        namespace = (*above, *namespace)
        dataset = yield from self._dataset()
        (item,) = yield from kept_by(self.kv, dataset).done([GetOp(namespace, key)])
        if item is None:
            raise NotFoundError(f"there is no item {key!r} in {namespace[len(above) :]!r}")
        if not (yield from named(dataset, mark(id_of(namespace, key)))):
            return  # it is not indexed
        end = time.monotonic() + timeout
        while not (yield from self._is_found(dataset, item)):
            if time.monotonic() >= end:
                raise RequestTimeoutError(f"item {key!r} is not found by a search after {timeout} seconds")
            yield from _pause()

    def _is_found(self, dataset: DataSet, item: Item) -> Flow[bool]:
        only = {"k": 1, "similarity_threshold": 0.0, "filter": of_item(item.namespace, item.key)}
        chunks = yield from with_metadata(self, dataset, id_of(item.namespace, item.key), only)
        return digest(item.value) in {found.version for found in found_in(chunks)}


def _check(op: Any) -> None:
    match op:
        case PutOp():
            if op.ttl is not None:
                raise NotImplementedError(
                    "RAGFlowStore keeps items until they are deleted: ttl is not supported"
                )
            if op.value is not None:
                check_json("value", op.value)
        case SearchOp():
            check_page(op.limit, op.offset)
            check_filter(op.filter)
        case GetOp() | ListNamespacesOp():
            pass
        case _:
            raise InvalidRequestError(f"{op!r} is no operation of a store")


def _is_query(op: Op) -> bool:
    """A blank query asks for nothing in particular."""
    return isinstance(op, SearchOp) and bool(op.query and op.query.strip())


def _current(kept: Kept, op: SearchOp, chunks: Sequence[ChunkFields]) -> Flow[list[SearchItem]]:
    """The items that were found, as they are kept now; what was indexed of an older value does not count.

    Nor does what is elsewhere: servers are known that pass over a filter, and namespaces keep users apart.
    """
    prefix = tuple(op.namespace_prefix)
    found = [each for each in found_in(chunks) if each.namespace[: len(prefix)] == prefix]
    items = (yield from kept.done([GetOp(each.namespace, each.key) for each in found])) if found else []
    return [
        _scored(item, each.score)
        for each, item in zip(found, items, strict=True)
        if item is not None and digest(item.value) == each.version and fits(item.value, op.filter)
    ]


def _others(kept: Kept, op: SearchOp, ranked: Sequence[Item], wanted: int) -> Flow[list[SearchItem]]:
    """As many as are wanted of those that the index does not find."""
    known = {(item.namespace, item.key) for item in ranked}
    (listed,) = yield from kept.done([op._replace(query=None, offset=0, limit=wanted + len(ranked))])
    return [_scored(item, None) for item in listed if (item.namespace, item.key) not in known]


def _scored(item: Item, score: float | None) -> SearchItem:
    return SearchItem(item.namespace, item.key, item.value, item.created_at, item.updated_at, score)


def _below(above: tuple[str, ...], op: Op) -> Op:
    """The operation in the namespaces below one."""
    if not above:
        return op
    match op:
        case SearchOp():
            return op._replace(namespace_prefix=(*above, *op.namespace_prefix))
        case ListNamespacesOp():
            return ListNamespacesOp((MatchCondition("prefix", above),), limit=_ALL)
    return op._replace(namespace=(*above, *op.namespace))


def _without(above: tuple[str, ...], op: Op, result: Any) -> Any:
    """What was found, as whoever sees only what is below a namespace knows it."""
    if not above or result is None:
        return result
    match op:
        case ListNamespacesOp():
            return namespaces_for(op, [namespace[len(above) :] for namespace in result])
        case SearchOp():
            return [_renamed(item, above) for item in result]
    return _renamed(result, above)


def _renamed(item: Item, above: tuple[str, ...]) -> Item:
    """A copy: another store may have handed out its own."""
    namespace = item.namespace[len(above) :]
    if isinstance(item, SearchItem):
        return SearchItem(namespace, item.key, item.value, item.created_at, item.updated_at, item.score)
    return Item(
        namespace=namespace,
        key=item.key,
        value=item.value,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


def _forgotten(dataset: DataSet, documents: Sequence[Document]) -> Flow[None]:
    if documents:
        yield from removed(dataset, [document.id for document in documents])


def _pause() -> Flow[None]:
    def sleep(client: Any) -> Any:
        return asyncio.sleep(_PAUSE) if isinstance(client, AsyncRAGFlow) else time.sleep(_PAUSE)

    yield from ask(sleep)
