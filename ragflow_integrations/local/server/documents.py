"""``/datasets/{id}/documents``: list, download, update, delete; ``uploads`` has what adds to them."""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from typing import Any

from starlette.responses import Response

from ..documents import Filters, Narrowed
from ..parser_defaults import v027
from . import datasets, metadata
from .call import Call, Routes, accepts
from .envelope import ARGUMENT, DATA, SERVER, Fail, answered, not_there_yet, python_errors, succeeded
from .media import attached, shown
from .parser_config import changed
from .validation import DeleteDocuments, UpdateDocument, validated

__all__ = [
    "ROUTES",
    "RUNS",
    "check_length",
    "check_method",
    "delete",
    "detail",
    "download",
    "exists",
    "list_",
    "of_dataset",
    "preview",
    "raw",
    "update",
]

Row = dict[str, Any]

RUNS = {"0": "UNSTART", "1": "RUNNING", "2": "CANCEL", "3": "DONE", "4": "FAIL", "5": "SCHEDULE"}
_LONGEST_NAME = 255
_TYPES = ("pdf", "doc", "visual", "aural", "virtual", "folder", "other")
_RAW = {
    "dataset_id": "kb_id",
    "chunk_method": "parser_id",
    "chunk_count": "chunk_num",
    "token_count": "token_num",
}
_FIXED_METHOD = re.compile(r"\.(ppt|pptx|pages)$")


def list_(call: Call) -> Response:
    """``GET …/documents``: an unknown id or name is an error; with ``type=filter`` what there is to filter by."""
    identifier = call.path["dataset_id"]
    datasets.owned(call, f"You don't own the dataset {identifier}. ")
    if call.query.get("type") == "filter":
        return _facets(call)
    rows, total = call.engine.list_documents(identifier, **_filters(call))
    if total == 0:
        _checkexists(call, id=call.query.get("id"))
        _checkexists(call, name=call.query.get("name"))
    low, high = (call.number(name, 0) for name in ("create_time_from", "create_time_to"))
    # RAGFlow looks at the time after it has cut the page, so that total does not count it
    docs = [_listed(row) for row in rows if low <= row["create_time"] <= (high or math.inf)]
    return succeeded({"total": total, "docs": docs})


def download(call: Call) -> Response:
    """``GET …/documents/{id}`` and ``GET /documents/{id}``: the file itself."""
    row = _accessible(call)
    return attached(row["name"], _contents(call, row))


def preview(call: Call) -> Response:
    """``GET /documents/{id}/preview``: the file, to be shown rather than kept."""
    row = _accessible(call)
    return shown(row["name"], _contents(call, row))


@accepts(body=UpdateDocument)
def update(call: Call) -> Response:
    """``PATCH …/documents/{id}`` (or ``PUT``)."""
    given = call.json()
    if "name" in given and given["name"] is None:
        raise Fail("Field: <name> - Message: <Input should be a valid string> - Value: <None>")
    datasets.owned(call, "you don't own the dataset")
    row = of_dataset(call, "the dataset doesn't own the document")
    wanted = validated(UpdateDocument, given, DATA)
    _check_unchanged(wanted, row)
    sent = wanted.model_fields_set
    if "name" in sent and wanted.name != row["name"]:
        _check_new_name(row, wanted.name)
    if "chunk_method" in sent:
        check_method(row, wanted.chunk_method)
    if "enabled" in sent:
        with python_errors():
            int(given["enabled"])
    if wanted.pipeline_id:
        raise not_there_yet("ingestion pipelines (`pipeline_id`)")
    fields = wanted.model_dump(include=sent & {"name", "meta_fields", "enabled", "chunk_method"})
    if wanted.parser_config is not None and wanted.parser_config.model_fields_set:
        fields["parser_config"] = changed(wanted.parser_config)
    elif wanted.chunk_method:
        fields["parser_config"] = v027(wanted.chunk_method)
    fields = {key: value for key, value in fields.items() if value is not None}
    if fields:
        row = call.engine.update_document(row["id"], fields)
    if "pipeline_id" in sent:
        call.engine.reset_document(row["id"])
    return answered(detail(of_dataset(call, "document not found")))


@accepts(body=DeleteDocuments)
def delete(call: Call) -> Response:
    """``DELETE …/documents``: all of the ids or none; ids or ``delete_all`` must be given."""
    wanted = validated(DeleteDocuments, call.strict_json())
    identifier = call.path["dataset_id"]
    datasets.owned(call, f"You don't own the dataset {identifier}. ")
    if not wanted.ids and not wanted.delete_all:
        raise Fail(f"should either provide doc ids or set delete_all(true), dataset: {identifier}. ")
    if wanted.ids and wanted.delete_all:
        raise Fail(f"should not provide both doc ids and delete_all(true), dataset: {identifier}. ")
    return answered({"deleted": call.engine.delete_documents(identifier, wanted.ids or None)})


def switch(call: Call) -> Response:
    """``POST …/documents/batch-update-status``: ``doc_ids`` found by the search, or not (``status`` 1 or 0)."""
    given = call.json()
    ids, status = given.get("doc_ids", []), str(given.get("status", -1))
    if not isinstance(ids, list) or not ids:
        raise Fail('"doc_ids" must be a non-empty list.', ARGUMENT)
    if not all(isinstance(each, str) and each for each in ids):
        raise Fail('"doc_ids" must contain non-empty document IDs.', ARGUMENT)
    if status not in ("0", "1"):
        raise Fail(f'"Status" must be either 0 or 1:{status}!', ARGUMENT)
    datasets.owned(call, "you don't own the dataset")
    results = {each: _switched(call, each, status) for each in ids}
    if any("error" in each for each in results.values()):
        raise Fail("Partial failure", SERVER, data=results)
    return succeeded(results)


def configure_metadata(call: Call) -> Response:
    """``PUT …/documents/{id}/metadata/config``: which metadata a model shall find in this document."""
    datasets.owned(call, "you don't own the dataset")
    dataset, identifier = call.path["dataset_id"], call.path["document_id"]
    of_dataset(call, f"document {identifier} not found in dataset {dataset}")
    given = call.json()
    if "metadata" not in given:
        raise Fail("metadata is required", ARGUMENT)
    changes = {"parser_config": {"metadata": given["metadata"]}}
    return answered(raw(detail(call.engine.update_document(identifier, changes))))


def thumbnails(call: Call) -> Response:
    """``GET /thumbnails``: there are none here, so that each document has an empty one."""
    ids = call.ids("doc_ids")
    if not ids:
        raise Fail('Lack of "Document ID"', ARGUMENT, data=False)
    found = (call.engine.get_document(each) for each in ids)
    return succeeded({row["id"]: row["thumbnail"] for row in found if row})


def of_dataset(call: Call, message: str, identifier: str | None = None) -> Row:
    """The document of the path (or ``identifier``) if it is in the dataset of the path; else ``Fail`` 102."""
    row = call.engine.get_document(identifier or call.path["document_id"])
    if row is None or row["dataset_id"] != call.path["dataset_id"]:
        raise Fail(message)
    return row


def detail(row: Row) -> Row:
    """A document as update and the chunk list show it."""
    return {key: value for key, value in row.items() if key != "meta_fields"}


def raw(row: Row) -> Row:
    """A document under the names that RAGFlow's tables have."""
    numbers = {name: number for number, name in RUNS.items()}
    renamed = {_RAW.get(key, key): value for key, value in row.items()}
    return renamed | ({"run": numbers[row["run"]]} if "run" in row else {})


def check_length(name: str) -> None:
    """``Fail`` 101 if a file's name has more than 255 bytes."""
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        raise Fail(f"File name must be {_LONGEST_NAME} bytes or less.", ARGUMENT)


def exists(call: Call, *, id: str | None = None, name: str | None = None) -> bool:
    """Whether the dataset of the path has a document of this id or name."""
    _, total = call.engine.list_documents(
        call.path["dataset_id"], page=1, page_size=1, orderby="create_time", desc=True, id=id, name=name
    )
    return total > 0


def check_method(row: Row, method: str | None) -> None:
    """``Fail`` 102 if a document cannot have another chunk method."""
    if method == "":
        raise Fail("`chunk_method` (empty string) is not valid")
    if row["type"] == "visual" or _FIXED_METHOD.search(row["name"]):
        raise Fail("Not supported yet!")


def _listed(row: Row) -> Row:
    shown = {key: value for key, value in row.items() if key != "content_hash"}
    return {**shown, "nickname": datasets.NICKNAME, "pipeline_name": None}


def _facets(call: Call) -> Response:
    found, total = call.engine.document_facets(call.path["dataset_id"], **_narrowed(call))
    numbers = {name: number for number, name in RUNS.items()}
    runs = {numbers[run]: count for run, count in found["run"].items()}
    shown = {"suffix": found["suffix"], "run_status": runs, "metadata": found["metadata"]}
    return succeeded({"total": total, "filter": shown})


def _narrowed(call: Call) -> Narrowed:
    return {
        "keywords": call.query.get("keywords") or None,
        "suffix": call.query.getlist("suffix") or None,
        "types": _types(call),
        "run": _runs(call),
    }


def _filters(call: Call) -> Filters:
    page, order, narrowed = call.page(), call.order(), _narrowed(call)
    fitting, without_metadata = metadata.document_ids(call, call.path["dataset_id"])
    identifier, ids = call.query.get("id") or None, call.ids("ids")
    if identifier and ids:
        raise Fail(f"Should not provide both 'id':{identifier} and 'ids'{ids}")
    return {
        **page,
        **order,
        **narrowed,
        "id": identifier,
        "name": call.query.get("name") or None,
        "ids": ids or (None if identifier else fitting),  # as on RAGFlow, ids win over metadata
        "without_metadata": without_metadata,
    }


def _runs(call: Call) -> list[str] | None:
    names = [f"{name}{brackets}" for name in ("run", "run_status") for brackets in ("", "[]")]
    given = [value.strip() for name in names for value in call.query.getlist(name) if value.strip()]
    runs = [RUNS.get(value, value.upper()) for value in given]
    unknown = [each for each, run in zip(given, runs, strict=True) if run not in RUNS.values()]
    if unknown:
        raise Fail(f"Invalid filter run status conditions: {', '.join(dict.fromkeys(unknown))}")
    return runs or None


def _types(call: Call) -> list[str] | None:
    given = call.query.getlist("types")
    unknown = list(dict.fromkeys(each for each in given if each not in _TYPES))
    if unknown:
        raise Fail(f"Invalid filter conditions: {', '.join(unknown)} type{'s' if len(unknown) > 1 else ''}")
    return given or None


def _checkexists(call: Call, *, id: str | None = None, name: str | None = None) -> None:
    """Raise if the dataset has no document of this id or name at all, whatever the other filters."""
    if (id or name) and not exists(call, id=id, name=name):
        raise Fail(f"you don't own the document {id or name}")


def _accessible(call: Call) -> Row:
    row = call.engine.get_document(call.path["document_id"])
    if row is None or not call.engine.get_dataset(call.path.get("dataset_id", row["dataset_id"])):
        raise Fail("document not found")
    if row["dataset_id"] != call.path.get("dataset_id", row["dataset_id"]):
        raise Fail(f"The dataset not own the document {row['id']}.")
    return row


def _contents(call: Call, row: Row) -> bytes:
    data = call.engine.read_document(row["id"])
    if not data:
        raise Fail("This file is empty.")
    return data


def _switched(call: Call, identifier: str, status: str) -> Row:
    row = call.engine.get_document(identifier)
    if row is None:
        return {"error": "Document not found"}
    if row["dataset_id"] != call.path["dataset_id"]:
        return {"error": "Document not found in this dataset."}
    call.engine.update_document(identifier, {"enabled": int(status)})
    return {"status": status}


def _check_unchanged(wanted: UpdateDocument, row: Row) -> None:
    for name in ("chunk_count", "token_count", "progress"):
        value = getattr(wanted, name)
        if value is not None and not math.isclose(value, row[name]):
            raise Fail(f"can't change `{name}`")


def _check_new_name(row: Row, name: str) -> None:
    check_length(name)
    if PurePath(name.lower()).suffix != PurePath(row["name"].lower()).suffix:
        raise Fail("The extension of file can't be changed", ARGUMENT)


ROUTES: Routes = {
    "/datasets/{dataset_id}/documents": {"GET": list_, "DELETE": delete},
    "/datasets/{dataset_id}/documents/batch-update-status": {"POST": switch},
    "/datasets/{dataset_id}/documents/{document_id}": {"GET": download, "PATCH": update, "PUT": update},
    "/datasets/{dataset_id}/documents/{document_id}/metadata/config": {"PUT": configure_metadata},
    "/documents/{document_id}": {"GET": download},
    "/documents/{document_id}/preview": {"GET": preview},
    "/document/get/{document_id}": {"GET": preview},
    "/thumbnails": {"GET": thumbnails},
}
