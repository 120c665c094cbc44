"""Where a store keeps its items exactly: the local engine's own table, or another store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from ragflow_integrations import AsyncRAGFlow, DataSet, UnsupportedError
from ragflow_integrations.adapting import Flow, ask

from ._langgraph import BaseStore, GetOp, Item, ListNamespacesOp, Op, PutOp, SearchItem, SearchOp
from ._selecting import fits, namespaces_for, prefix_of

__all__ = ["Kept", "kept_by"]

_AT_ONCE = 200  # items that are read at once to be filtered

Row = dict[str, Any]


class Kept(Protocol):
    """Does LangGraph's operations exactly; there is no query in them."""

    def done(self, ops: Sequence[Op]) -> Flow[list[Any]]:
        """What each operation finds, before anything is written."""


def kept_by(store: BaseStore | None, dataset: DataSet) -> Kept:
    """Another store, or without one the engine's table beside the dataset."""
    return _ByEngine(dataset) if store is None else _ByStore(store)


class _ByStore:
    def __init__(self, store: BaseStore) -> None:
        self._store = store

    def done(self, ops: Sequence[Op]) -> Flow[list[Any]]:
        def call(client: Any) -> Any:
            return self._store.abatch(ops) if isinstance(client, AsyncRAGFlow) else self._store.batch(ops)

        found: list[Any] = yield from ask(call)
        return found


class _ByEngine:
    def __init__(self, dataset: DataSet) -> None:
        self._dataset = dataset

    def done(self, ops: Sequence[Op]) -> Flow[list[Any]]:
        """In one call, but for filters, which read until there is enough."""
        found = {}
        for number, op in enumerate(ops):
            if isinstance(op, SearchOp) and op.filter:
                found[number] = yield from self._filtered(op)
        others = [number for number in range(len(ops)) if number not in found]
        answers = (yield from self._asked([_operation(ops[number]) for number in others])) if others else []
        for number, answer in zip(others, answers, strict=True):
            found[number] = _result(ops[number], answer)
        return [found[number] for number in range(len(ops))]

    def _filtered(self, op: SearchOp) -> Flow[list[SearchItem]]:
        fitting: list[Row] = []
        wanted = op.offset + op.limit
        start = 0
        while len(fitting) < wanted:
            page = _listing(op.namespace_prefix, _AT_ONCE, start)
            (rows,) = yield from self._asked([page])
            fitting += [row for row in rows if fits(row["value"], op.filter)]
            start += _AT_ONCE
            if len(rows) < _AT_ONCE:
                break
        return [SearchItem(**_fields(row)) for row in fitting[op.offset : wanted]]

    def _asked(self, operations: list[Row]) -> Flow[list[Any]]:
        try:
            return (yield from ask(lambda _: self._dataset.item_operations(operations)))
        except UnsupportedError as error:
            raise UnsupportedError(
                f"{error}. With a RAGFlow server give RAGFlowStore a kv=, a store that keeps them, e.g. a PostgresStore"
            ) from None


def _operation(op: Op) -> Row:
    match op:
        case GetOp():
            return {"op": "get", "namespace": list(op.namespace), "key": op.key}
        case PutOp():
            value = None if op.value is None else dict(op.value)
            return {"op": "put", "namespace": list(op.namespace), "key": op.key, "value": value}
        case SearchOp():
            return _listing(op.namespace_prefix, op.limit, op.offset)
        case ListNamespacesOp():
            return {"op": "namespaces", "prefix": list(prefix_of(op))}


def _listing(prefix: tuple[str, ...], limit: int, offset: int) -> Row:
    return {"op": "list", "prefix": list(prefix), "limit": limit, "offset": offset}


def _result(op: Op, answer: Any) -> Any:
    match op:
        case GetOp():
            return None if answer is None else Item(**_fields(answer))
        case SearchOp():
            return [SearchItem(**_fields(row)) for row in answer]
        case ListNamespacesOp():
            return namespaces_for(op, map(tuple, answer))
    return None


def _fields(row: Row) -> Row:
    return {
        "namespace": tuple(row["namespace"]),
        "key": row["key"],
        "value": row["value"],
        "created_at": _time(row["create_time"]),
        "updated_at": _time(row["update_time"]),
    }


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
