"""Knowledge graphs, summaries and the like, which the local engine does not make.

Asked for what a run has made, it answers as RAGFlow without a run does; asked for a run it says that it cannot.
"""

from __future__ import annotations

from starlette.responses import Response

from . import datasets
from .call import Call, Routes
from .envelope import ARGUMENT, AUTHENTICATION, Fail, Raised, answered, not_there_yet, succeeded

__all__ = ["NAMES", "REFUSING", "ROUTES", "check_documents"]

NAMES = {
    "graph": "knowledge graphs (GraphRAG)",
    "raptor": "RAPTOR summaries",
    "mindmap": "mind maps",
    "wiki": "wikis",
    "skill": "skills",
    "structure": "structures",
    "structure_graph": "structure graphs",
    "structure_mindmap": "structure mind maps",
    "session_essence": "session essences",
    "session_graph": "session graphs",
    "timeline": "timelines",
}


def graph(call: Call) -> Response:
    """``GET /datasets/{id}/graph``: empty."""
    if call.engine.get_dataset(call.path["dataset_id"]) is None:
        raise Fail("no authorization", AUTHENTICATION)
    return answered({"graph": {}, "mind_map": {}})


def trace(call: Call) -> Response:
    """``GET /datasets/{id}/index``: no task has run."""
    _asked_kind(call)
    _owned(call)
    return answered({})


def run(call: Call) -> Response:
    """``POST /datasets/{id}/index``: refused."""
    return _refuse(call, _asked_kind(call))


def run_graphrag(call: Call) -> Response:
    """``POST /datasets/{id}/run_graphrag``: refused."""
    return _refuse(call, "graph")


def run_raptor(call: Call) -> Response:
    """``POST /datasets/{id}/run_raptor``: refused."""
    return _refuse(call, "raptor")


def older_trace(call: Call) -> Response:
    """``GET /datasets/{id}/trace_graphrag`` and ``trace_raptor``: no task has run."""
    _owned(call)
    return succeeded({})


def delete(call: Call) -> Response:
    """``DELETE /datasets/{id}/index`` and ``/datasets/{id}/{kind}``: there is nothing to delete."""
    kind = call.path.get("kind", call.query.get("type", "")).lower()
    if kind not in NAMES:
        raise Fail(f"Invalid index type '{kind}'", ARGUMENT)
    _owned(call)
    return answered({})


def delete_graph(call: Call) -> Response:
    """``DELETE /datasets/{id}/graph``, and the older ``knowledge_graph``, which v0.27 itself fails at."""
    _owned(call)
    return answered({})


def logs(call: Call) -> Response:
    """``GET /datasets/{id}/ingestions``: of the dataset's runs there are none; those of its files are not kept."""
    try:
        call.page()
    except Raised as raised:
        raise Fail(str(raised.error), ARGUMENT) from None
    _owned(call)
    kind = call.query.get("log_type", "dataset")
    if kind not in ("dataset", "file"):
        raise Fail('Invalid "log_type", expected "dataset" or "file"')
    if kind == "file":
        raise not_there_yet("logs of ingestion")
    return answered({"logs": [], "total": 0})


def log(call: Call) -> Response:
    """``GET /datasets/{id}/ingestions/{id}``: there is none."""
    _owned(call)
    raise Fail("Log not found")


def check_documents(call: Call) -> None:
    """``Fail`` 102 if the dataset of the path has no documents to make something of."""
    identifier = call.path["dataset_id"]
    _, total = call.engine.list_documents(identifier, page=1, page_size=1, orderby="create_time", desc=True)
    if not total:
        raise Fail(f"No documents in Dataset {identifier}")


def _refuse(call: Call, kind: str) -> Response:
    _owned(call)
    check_documents(call)
    raise not_there_yet(NAMES[kind])


def _owned(call: Call) -> None:
    datasets.owned(call, "no authorization")


def _asked_kind(call: Call) -> str:
    kind = call.query.get("type", "").lower()
    if kind not in NAMES:
        raise Fail(f"Invalid index type '{kind}'. Must be one of {sorted(NAMES)}")
    return kind


REFUSING = frozenset({run, run_graphrag, run_raptor})
ROUTES: Routes = {
    "/datasets/{dataset_id}/graph": {"GET": graph, "DELETE": delete_graph},
    "/datasets/{dataset_id}/{kind}": {"DELETE": delete},
    "/datasets/{dataset_id}/ingestions": {"GET": logs},
    "/datasets/{dataset_id}/ingestions/{log_id}": {"GET": log},
    "/datasets/{dataset_id}/knowledge_graph": {"GET": graph, "DELETE": delete_graph},
    "/datasets/{dataset_id}/index": {"GET": trace, "POST": run, "DELETE": delete},
    "/datasets/{dataset_id}/run_graphrag": {"POST": run_graphrag},
    "/datasets/{dataset_id}/run_raptor": {"POST": run_raptor},
    "/datasets/{dataset_id}/trace_graphrag": {"GET": older_trace},
    "/datasets/{dataset_id}/trace_raptor": {"GET": older_trace},
}
