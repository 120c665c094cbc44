"""Starting and stopping the parsing of documents."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..problems import Refused
from . import datasets
from .call import Call, Routes, without_repeats
from .envelope import AUTHENTICATION, EXCEPTION, Fail, answered, succeeded

__all__ = [
    "ROUTES",
    "cancel",
    "cancel_in_turn",
    "counted",
    "document_ids",
    "ingest",
    "parse",
    "split",
    "start_chunking",
    "stop",
    "stop_chunking",
]

Row = dict[str, Any]

_CANNOT_STOP = "Can't stop parsing document that has not started or already completed"


def start_chunking(call: Call) -> Response:
    """``POST /datasets/{id}/chunks``: the known documents are started even if others are unknown."""
    ids, repeated = document_ids(call)
    known, unknown = split(call, ids)
    if any(row["run"] == "RUNNING" for row in known):
        raise Fail("Can't parse document that is currently being processed")
    call.engine.start_parsing([row["id"] for row in known])
    if unknown:
        raise Fail(f"Documents not found: {unknown}")
    return counted(known, repeated)


def stop_chunking(call: Call) -> Response:
    """``DELETE /datasets/{id}/chunks``."""
    refusal = Fail(_CANNOT_STOP, data={"error_code": "DOC_STOP_PARSING_INVALID_STATE"})
    return cancel_in_turn(call, "you don't own the document {}", refusal)


def parse(call: Call) -> Response:
    """``POST /datasets/{id}/documents/parse``."""
    ids, errors = document_ids(call, list)
    known, unknown = split(call, ids)
    idle = [row["id"] for row in known if row["run"] != "RUNNING"]
    call.engine.start_parsing(idle)
    if unknown:
        raise Fail(f"Documents not found: {unknown}")
    return answered({"success_count": len(known), **({"errors": errors} if errors else {})})


def stop(call: Call) -> Response:
    """``POST /datasets/{id}/documents/stop``."""
    ids, errors = document_ids(call, list)
    known, unknown = split(call, ids)
    if unknown:
        raise Fail(f"Documents not found: {unknown}")
    stopped = 0
    for row in known:
        try:
            cancel(call, [] if row["run"] == "CANCEL" else [row], Fail(_CANNOT_STOP))
            stopped += 1
        except Fail as fail:
            errors.append(str(fail))
    return answered({"success_count": stopped, **({"errors": errors} if errors else {})})


def ingest(call: Call) -> Response:
    """``POST /documents/ingest``: start (``run`` 1) or stop (2) ``doc_ids`` of any datasets."""
    given = call.json()
    ids, run = given.get("doc_ids"), str(given.get("run"))
    if not isinstance(ids, list) or run not in ("1", "2"):
        raise Fail("`doc_ids` should be a list and `run` 1 (start) or 2 (cancel)", EXCEPTION, data=None)
    ids = list(dict.fromkeys(map(str, ids)))
    rows = [row for each in ids if (row := call.engine.find_document(each)) is not None]
    if len(rows) < len(ids):
        raise Fail("no authorization", AUTHENTICATION, data=None)
    if run == "1":
        call.engine.start_parsing([row["id"] for row in rows if row["run"] != "RUNNING"])
        return succeeded(True)
    refusal = Fail("Cannot cancel a task that is not in RUNNING status", data=None)
    cancel(call, [row for row in rows if row["run"] != "CANCEL"], refusal)
    return succeeded(True)


def cancel_in_turn(call: Call, unknown: str, refusal: Fail) -> Response:
    """Stop the body's documents in turn, as RAGFlow does, up to one that is ``unknown`` or cannot be stopped."""
    ids, repeated = document_ids(call)
    known = {row["id"]: row for row in split(call, ids)[0]}
    for identifier in ids:
        if identifier not in known:
            raise Fail(unknown.format(identifier))
        cancel(call, [known[identifier]], refusal)
    return counted(list(known.values()), repeated)


def cancel(call: Call, documents: list[Row], refusal: Fail) -> None:
    """Stop the parsing of all of them, or of none: ``refusal`` if one is done, maybe just now, or has not begun."""
    try:
        call.engine.stop_parsing([row["id"] for row in documents])
    except Refused:
        raise refusal from None


def counted(known: list[Row], repeated: list[str]) -> Response:
    """Success: only if ids were there twice, how many documents there are and which ids those are."""
    return answered({"success_count": len(known), "errors": repeated}) if repeated else answered()


def document_ids(call: Call, kind: type = object) -> tuple[list[str], list[str]]:
    """The body's ``document_ids`` (of this ``kind``) once each, and a complaint about each that is there twice."""
    datasets.owned(call, f"You don't own the dataset {call.path['dataset_id']}.")
    given = call.json().get("document_ids")
    if not given or not isinstance(given, kind):
        raise Fail("`document_ids` is required")
    return without_repeats(given, "document")


def split(call: Call, ids: list[str]) -> tuple[list[Row], list[str]]:
    """The documents of the dataset of the path that are known, and the other ids."""
    found = {identifier: call.engine.find_document(identifier) for identifier in ids}
    known = [
        row for row in found.values() if row is not None and row["dataset_id"] == call.path["dataset_id"]
    ]
    owned = {row["id"] for row in known}
    return known, [identifier for identifier in ids if identifier not in owned]


ROUTES: Routes = {
    "/datasets/{dataset_id}/documents/parse": {"POST": parse},
    "/datasets/{dataset_id}/documents/stop": {"POST": stop},
    "/documents/ingest": {"POST": ingest},
    "/datasets/{dataset_id}/chunks": {"POST": start_chunking, "DELETE": stop_chunking},
}
