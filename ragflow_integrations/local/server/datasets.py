"""``/datasets``: create, list, get, update, delete."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..fields import given_json
from .call import Call, Routes, accepts
from .envelope import Fail, answered, not_there_yet
from .parser_config import changed_dataset, complete
from .validation import CreateDataset, DatasetFields, DeleteDatasets, ListDatasets, UpdateDataset, validated

__all__ = [
    "NICKNAME",
    "ROUTES",
    "check_name",
    "create",
    "delete",
    "get",
    "list_",
    "owned",
    "update",
]

Row = dict[str, Any]

NICKNAME = "local"
_RUNS = ("UNSTART", "RUNNING", "CANCEL", "DONE", "FAIL")
_PLAIN = {
    "name",
    "avatar",
    "description",
    "embedding_model",
    "permission",
    "chunk_method",
    "language",
    "pagerank",
}
_IN_EXT = ("avatar", "description", "language", "similarity_threshold", "vector_similarity_weight")


@accepts(body=CreateDataset)
def create(call: Call) -> Response:
    """``POST /datasets``."""
    wanted = validated(CreateDataset, call.strict_json())
    check_name(wanted.name)
    fields = _fields(wanted)
    if wanted.parser_config is not None:
        fields["parser_config"] = complete(wanted.parser_config)
    return answered(call.engine.create_dataset(_with_metadata(fields, wanted)))


@accepts(query=ListDatasets)
def list_(call: Call) -> Response:
    """``GET /datasets``: an unknown id or name is an error; with ``type=filter`` the owners instead."""
    if call.query.get("type") == "filter":
        return _owners(call)
    query = validated(ListDatasets, _query(call))
    if query.id and query.ids:
        raise Fail(f"Should not provide both 'id':{query.id} and 'ids'{query.ids}")
    owners = [each for each in query.ext.get("owner_ids") or [] if isinstance(each, str) and each.strip()]
    for named, value in (("id", query.id), ("name", query.name)):
        if value and not _count_of(call, **{named: value}):
            raise _lacks_permission(call, value)
    if owners and call.engine.tenant_id not in owners:
        return answered([], total_datasets=0)
    rows, total = call.engine.list_datasets(
        page=query.page,
        page_size=query.page_size,
        orderby=query.orderby,
        desc=query.desc,
        id=query.id,
        name=query.name or None,
        ids=query.ids,
        keywords=_text(query.ext.get("keywords")),
        chunk_method=_text(query.ext.get("parser_id")),
    )
    listed = [_listed(call, row, query.include_parsing_status) for row in rows]
    return answered(listed, total_datasets=total)


def get(call: Call) -> Response:
    """``GET /datasets/{id}``."""
    row = owned(call)
    return answered({**row, "connectors": [], "size": call.engine.dataset_size(row["id"])})


def summary(call: Call) -> Response:
    """``GET /datasets/{id}/ingestions/summary``: how many documents are in which state."""
    row = owned(call)
    counts = {
        "doc_num": row["document_count"],
        "chunk_num": row["chunk_count"],
        "token_num": row["token_num"],
    }
    return answered({**counts, "status": _parsing_status(call, row["id"])})


@accepts(body=UpdateDataset)
def update(call: Call) -> Response:
    """``PUT /datasets/{id}``."""
    given = call.strict_json()
    wanted = validated(UpdateDataset, {**given, "dataset_id": call.path["dataset_id"]})
    if not given:
        raise Fail("no properties were modified")
    row = owned(call)
    sent = wanted.model_fields_set
    if wanted.connectors:
        raise not_there_yet("`connectors`")
    fields = {key: value for key, value in _fields(wanted).items() if key in sent or key in wanted.ext}
    if not fields.get("embedding_model"):
        fields.pop("embedding_model", None)
    if wanted.parser_config is not None:
        fields["parser_config"] = changed_dataset(wanted.parser_config)
    return answered(
        {**call.engine.update_dataset(row["id"], _with_metadata(fields, wanted)), "connectors": []}
    )


@accepts(body=DeleteDatasets)
def delete(call: Call) -> Response:
    """``DELETE /datasets``: all of the ids or none; nothing without ids or ``delete_all``."""
    wanted = validated(DeleteDatasets, call.strict_json())
    if not wanted.ids and not wanted.delete_all:
        return answered({"success_count": 0})
    foreign = [each for each in wanted.ids or () if call.engine.get_dataset(each) is None]
    if foreign:
        raise Fail(f"User '{call.engine.tenant_id}' lacks permission for datasets: '{', '.join(foreign)}'")
    return answered({"success_count": call.engine.delete_datasets(wanted.ids or None)})


def owned(call: Call, message: str = "") -> Row:
    """The dataset of the path; ``Fail`` 102 with ``message`` (or the dataset routes' own) if there is none."""
    found = call.path["dataset_id"]
    row = call.engine.get_dataset(found)
    if row is None:
        raise Fail(message) if message else _lacks_permission(call, found)
    return row


def check_name(name: str) -> None:
    """``Fail`` 102 if a name has more than 128 bytes: its model counts letters."""
    if len(name.encode()) > 128:
        raise Fail(f"Dataset name length is {len(name)} which is large than 128")


def _lacks_permission(call: Call, name: str) -> Fail:
    return Fail(f"User '{call.engine.tenant_id}' lacks permission for dataset '{name}'")


def _fields(wanted: CreateDataset) -> Row:
    """The settings that the body names; those in ``ext`` that are none are passed over, as RAGFlow does."""
    if wanted.pipeline_id:
        raise not_there_yet("ingestion pipelines (`pipeline_id`)")
    fields = wanted.model_dump(include=_PLAIN)
    return fields | {key: wanted.ext[key] for key in _IN_EXT if key in wanted.ext}


def _with_metadata(fields: Row, wanted: DatasetFields) -> Row:
    """``fields`` with the body's ``auto_metadata_config`` in ``parser_config``, where RAGFlow keeps it."""
    asked = getattr(wanted, "auto_metadata_config", None)
    if asked is None:
        return fields
    return {**fields, "parser_config": {**fields.get("parser_config", {}), **asked.model_dump()}}


def _query(call: Call) -> Row:
    """The query's parameters, each once; lists from repeated or comma-separated ones, ``ext`` from its JSON."""
    given: Row = dict(call.query)
    if "ids" in given:
        given["ids"] = [each for value in call.query.getlist("ids") for each in value.split(",") if each]
    try:
        return given | ({"ext": given_json(given["ext"])} if "ext" in given else {})
    except ValueError:
        return given  # the model says what is wrong


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _owners(call: Call) -> Response:
    """Who owns how many datasets: here each sees their own only."""
    total = _count_of(call)
    owners = [{"id": call.engine.tenant_id, "label": NICKNAME, "count": total}] if total else []
    return answered({"filter": {"owner": owners}, "total": total})


def _count_of(call: Call, *, id: str | None = None, name: str | None = None) -> int:
    _, total = call.engine.list_datasets(
        page=1, page_size=1, orderby="create_time", desc=True, id=id, name=name
    )
    return total


def _listed(call: Call, row: Row, with_parsing_status: bool) -> Row:
    more: Row = {"nickname": NICKNAME, "tenant_avatar": None, "embedding_model_name": ""}
    if with_parsing_status:
        more["parsing_status"] = _parsing_status(call, row["id"])
    return {**row, **more}


def _parsing_status(call: Call, identifier: str) -> dict[str, int]:
    return {f"{run.lower()}_count": _count(call, identifier, run) for run in _RUNS}


def _count(call: Call, identifier: str, run: str) -> int:
    _, total = call.engine.list_documents(
        identifier, page=1, page_size=1, orderby="create_time", desc=True, run=[run]
    )
    return total


ROUTES: Routes = {
    "/datasets": {"POST": create, "GET": list_, "DELETE": delete},
    "/datasets/{dataset_id}": {"GET": get, "PUT": update},
    "/datasets/{dataset_id}/ingestions/summary": {"GET": summary},
}
