"""Knowledge graphs and summaries as v0.24 has them: see ``..indexes`` for what the engine does about them."""

from __future__ import annotations

from starlette.responses import Response

from ..call import Call, Routes
from ..envelope import AUTHENTICATION, Fail, answered, not_there_yet
from ..indexes import NAMES, check_documents

__all__ = ["REFUSING", "ROUTES"]


def graph(call: Call) -> Response:
    """``GET /datasets/{id}/knowledge_graph``: empty."""
    _check_owner(call)
    return answered({"graph": {}, "mind_map": {}})


def delete(call: Call) -> Response:
    """``DELETE /datasets/{id}/knowledge_graph``: there is nothing to delete."""
    _check_owner(call)
    return answered(True)


def trace(call: Call) -> Response:
    """``GET /datasets/{id}/trace_graphrag`` and ``trace_raptor``: no task has run."""
    _check_owner(call)
    return answered({})


def run_graphrag(call: Call) -> Response:
    """``POST /datasets/{id}/run_graphrag``: refused."""
    return _refuse(call, "graph")


def run_raptor(call: Call) -> Response:
    """``POST /datasets/{id}/run_raptor``: refused."""
    return _refuse(call, "raptor")


def _refuse(call: Call, kind: str) -> Response:
    _check_owner(call)
    check_documents(call)
    raise not_there_yet(NAMES[kind])


def _check_owner(call: Call) -> None:
    if call.engine.get_dataset(call.path["dataset_id"]) is None:
        raise Fail("No authorization.", AUTHENTICATION)


REFUSING = frozenset({run_graphrag, run_raptor})
ROUTES: Routes = {
    "/datasets/{dataset_id}/knowledge_graph": {"GET": graph, "DELETE": delete},
    "/datasets/{dataset_id}/run_graphrag": {"POST": run_graphrag},
    "/datasets/{dataset_id}/run_raptor": {"POST": run_raptor},
    "/datasets/{dataset_id}/trace_graphrag": {"GET": trace},
    "/datasets/{dataset_id}/trace_raptor": {"GET": trace},
}
