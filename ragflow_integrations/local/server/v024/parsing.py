"""Starting and stopping the parsing of documents as v0.24 does, and the metadata routes."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...metadata import summary
from .. import metadata, parsing
from ..call import Call, Routes
from ..envelope import Fail, answered

__all__ = ["ROUTES"]

Row = dict[str, Any]


def start(call: Call) -> Response:
    """``POST /datasets/{id}/chunks``: the known documents are started even if others are unknown."""
    ids, repeated = parsing.document_ids(call)
    known, unknown = parsing.split(call, ids)
    if any(0.0 < row["progress"] < 1.0 for row in known):
        raise Fail("Can't parse document that is currently being processed")
    call.engine.start_parsing([row["id"] for row in known if row["run"] != "RUNNING"])
    if unknown:
        raise Fail(f"Documents not found: {unknown}")
    return parsing.counted(known, repeated)


def stop(call: Call) -> Response:
    """``DELETE /datasets/{id}/chunks``."""
    refusal = Fail("Can't stop parsing document with progress at 0 or 1")
    return parsing.cancel_in_turn(call, "You don't own the document {}.", refusal)


def summarize(call: Call) -> Response:
    """``GET /datasets/{id}/metadata/summary``: the ids to look at are in the body."""
    identifier = call.path["dataset_id"]
    if call.engine.get_dataset(identifier) is None:
        raise Fail(f"You don't own the dataset {identifier}. ")
    ids = call.json().get("doc_ids") or None
    if ids is not None and not isinstance(ids, list):
        raise Fail("`doc_ids` should be a list")
    return answered({"summary": summary(call.engine.metadata([identifier], ids).values())})


ROUTES: Routes = {
    "/datasets/{dataset_id}/chunks": {"POST": start, "DELETE": stop},
    "/datasets/{dataset_id}/metadata/summary": {"GET": summarize},
    "/datasets/{dataset_id}/metadata/update": {"POST": metadata.update},
}
