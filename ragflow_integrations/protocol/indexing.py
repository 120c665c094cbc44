"""What is built over a whole dataset: its tags, its knowledge graph and its RAPTOR summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..models import IndexTask, KnowledgeGraph
from .checks import check_text, check_texts
from .envelope import payload
from .reading import model, models, nothing, unexpected
from .versions import Since, request, server_version, to
from .wire import Call, Flow, Reader, Request, Response, T, ask, query

__all__ = [
    "delete_graph",
    "delete_raptor",
    "delete_tags",
    "graph",
    "rename_tag",
    "run",
    "tags",
    "trace",
]

Kind = Literal["graph", "raptor"]
_NAMES = {"graph": "graphrag", "raptor": "raptor"}


def tags(dataset_id: str) -> Flow[dict[str, int]]:
    """``GET …/tags``."""
    return to("DataSet.tags", _counts, dataset_id=dataset_id)


def rename_tag(dataset_id: str, from_tag: str, to_tag: str) -> Flow[None]:
    """``PUT …/tags``."""
    body = {"from_tag": check_text("from_tag", from_tag), "to_tag": check_text("to_tag", to_tag)}
    return to("DataSet.rename_tag", nothing, dataset_id=dataset_id, body=body)


def delete_tags(dataset_id: str, names: Sequence[str]) -> Flow[None]:
    """``DELETE …/tags``."""
    body = {"tags": [check_text("tags", name) for name in check_texts("tags", names)]}
    return to("DataSet.delete_tags", nothing, dataset_id=dataset_id, body=body)


def graph(dataset_id: str) -> Flow[KnowledgeGraph]:
    """``GET …/graph``, until v0.24 ``…/knowledge_graph``."""
    return to("DataSet.knowledge_graph", model(KnowledgeGraph), dataset_id=dataset_id)


def delete_graph(dataset_id: str) -> Flow[None]:
    """``DELETE …/graph``; v0.27's old path for it is broken."""
    return to("DataSet.delete_knowledge_graph", nothing, dataset_id=dataset_id)


def delete_raptor(dataset_id: str) -> Flow[None]:
    """``DELETE …/index?type=raptor``."""
    return to("DataSet.delete_raptor", nothing, dataset_id=dataset_id, query=query(type="raptor"))


def run(dataset_id: str, kind: Kind) -> Flow[str]:
    """``POST …/index?type=``, until v0.24 ``…/run_graphrag`` or ``…/run_raptor``; the task's id."""
    return _index(f"DataSet.run_{_NAMES[kind]}", dataset_id, kind, _task_id, body={})


def trace(dataset_id: str, kind: Kind) -> Flow[IndexTask | None]:
    """``GET …/index?type=``, until v0.24 ``…/trace_graphrag`` or ``…/trace_raptor``."""
    return _index(f"DataSet.trace_{_NAMES[kind]}", dataset_id, kind, _task)


def _index(operation: str, dataset_id: str, kind: Kind, read: Reader[T], **sent: Any) -> Flow[T]:
    version = yield from server_version()
    which = query(type=kind) if version >= Since.SINGLE_OBJECTS else ()
    return (
        yield from ask(Call(request(operation, version, dataset_id=dataset_id, query=which, **sent), read))
    )


def _counts(request: Request, response: Response) -> dict[str, int]:
    """``[["tag", 3]]`` on the wire; a tag stands there once for each team that has it."""
    data = payload(request, response)
    rows = data if isinstance(data, list) else [data]
    counts: dict[str, int] = {}
    for row in rows:
        match row:
            case [str(tag), int(count)] | {"value": str(tag), "count": int(count)}:
                counts[tag] = counts.get(tag, 0) + count
            case _:
                raise unexpected(request, "a tag has no count")
    return counts


def _task_id(request: Request, response: Response) -> str:
    data = payload(request, response)
    names = ("task_id", "graphrag_task_id", "raptor_task_id")
    found = [data[name] for name in names if name in data] if isinstance(data, dict) else []
    if not found or not isinstance(found[0], str):
        raise unexpected(request, "data holds no task id")
    return found[0]


def _task(request: Request, response: Response) -> IndexTask | None:
    data = payload(request, response)
    return models(IndexTask, [data], request)[0] if data else None
