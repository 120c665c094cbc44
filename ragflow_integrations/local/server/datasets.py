"""``/datasets``: create, list, get, update, delete."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .call import Call, Routes
from .envelope import Fail, answered, not_there_yet
from .parser_config import settings_of
from .validation import CreateDataset, DeleteDatasets, ListDatasets, UpdateDataset, dataset_id, validated

__all__ = ["NICKNAME", "ROUTES", "create", "delete", "get", "list_", "owned", "update"]

Row = dict[str, Any]

NICKNAME = "local"
_RUNS = ("UNSTART", "RUNNING", "CANCEL", "DONE", "FAIL")


def create(call: Call) -> Response:
    """``POST /datasets``."""
    wanted = validated(CreateDataset, call.strict_json())
    if len(wanted.name.encode()) > 128:
        raise Fail(f"Dataset name length is {len(wanted.name.encode())} which is larger than 128")
    return answered(call.engine.create_dataset(_fields(wanted)))


def list_(call: Call) -> Response:
    """``GET /datasets``: an unknown id or name is an error."""
    given = {**call.query, **({"ids": call.ids("ids")} if "ids" in call.query else {})}
    query = validated(ListDatasets, given)
    if query.ext or query.type:
        raise not_there_yet(f"`{'ext' if query.ext else 'type'}` as a filter of datasets")
    if query.id and query.ids:
        raise Fail("Should not provide both 'id' and 'ids'")
    rows, total = call.engine.list_datasets(
        page=query.page,
        page_size=query.page_size,
        orderby=query.orderby,
        desc=query.desc,
        id=query.id,
        name=query.name,
        ids=query.ids,
    )
    if total == 0 and (query.id or query.name):
        raise _lacks_permission(call, query.id or query.name or "")
    listed = [_listed(call, row, query.include_parsing_status) for row in rows]
    return answered(listed, total_datasets=total)


def get(call: Call) -> Response:
    """``GET /datasets/{id}``."""
    row = owned(call)
    return answered({**row, "connectors": [], "size": call.engine.dataset_size(row["id"])})


def update(call: Call) -> Response:
    """``PUT /datasets/{id}``."""
    wanted = validated(UpdateDataset, call.strict_json())
    sent = wanted.model_fields_set
    found = dataset_id(call.path["dataset_id"])
    if not sent:
        raise Fail("no properties were modified")
    owned(call)
    if wanted.pagerank or wanted.connectors:
        raise not_there_yet("`pagerank`" if wanted.pagerank else "`connectors`")
    fields = {key: value for key, value in _fields(wanted).items() if key in sent}
    return answered({**call.engine.update_dataset(found, fields), "connectors": []})


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
    found = dataset_id(call.path["dataset_id"]) if not message else call.path["dataset_id"]
    row = call.engine.get_dataset(found)
    if row is None:
        raise Fail(message) if message else _lacks_permission(call, found)
    return row


def _lacks_permission(call: Call, name: str) -> Fail:
    return Fail(f"User '{call.engine.tenant_id}' lacks permission for dataset '{name}'")


def _fields(wanted: CreateDataset) -> Row:
    if wanted.chunk_method != "naive":
        raise not_there_yet(f"`chunk_method` {wanted.chunk_method}")
    for name in ("parse_type", "pipeline_id", "auto_metadata_config", "ext"):
        if getattr(wanted, name):
            raise not_there_yet(f"`{name}`")
    fields = wanted.model_dump(
        include={"name", "avatar", "description", "permission", "chunk_method", "language"}
    )
    if wanted.parser_config is not None:
        fields["parser_config"] = settings_of(wanted.parser_config)
    if wanted.embedding_model:
        fields["embedding_model"] = wanted.embedding_model
    return fields


def _listed(call: Call, row: Row, with_parsing_status: bool) -> Row:
    more: Row = {"nickname": NICKNAME, "tenant_avatar": None, "embedding_model_name": ""}
    if with_parsing_status:
        more["parsing_status"] = {f"{run.lower()}_count": _count(call, row["id"], run) for run in _RUNS}
    return {**row, **more}


def _count(call: Call, identifier: str, run: str) -> int:
    _, total = call.engine.list_documents(
        identifier, page=1, page_size=1, orderby="create_time", desc=True, run=[run]
    )
    return total


ROUTES: Routes = {
    "/datasets": {"POST": create, "GET": list_, "DELETE": delete},
    "/datasets/{dataset_id}": {"GET": get, "PUT": update},
}
