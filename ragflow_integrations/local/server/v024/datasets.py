"""``/datasets`` as v0.24 has it: no single one to get, code 108 for what is not the caller's."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...models.names import UnknownModel
from ...parser_defaults import v024
from .. import datasets
from ..call import Call, Routes, accepts
from ..envelope import ARGUMENT, PERMISSION, Fail, answered, not_there_yet
from ..validation import validated
from .unknown_models import no_embedding
from .validation import CreateDataset, DeleteDatasets, ListDatasets, UpdateDataset

__all__ = ["ROUTES", "shown"]

Row = dict[str, Any]

_PLAIN = {"name", "avatar", "description", "embedding_model", "permission", "chunk_method", "pagerank"}
_TASKS = ("graphrag", "mindmap", "raptor")


@accepts(body=CreateDataset)
def create(call: Call) -> Response:
    """``POST /datasets``."""
    wanted = validated(CreateDataset, call.strict_json())
    datasets.check_name(wanted.name)
    fields = _fields(wanted)
    if wanted.parser_config is not None:
        fields["parser_config"] = wanted.parser_config.model_dump()
    try:
        return answered(shown(call.engine.create_dataset(fields, v024)))
    except UnknownModel as unknown:
        raise no_embedding(unknown) from None


@accepts(query=ListDatasets)
def list_(call: Call) -> Response:
    """``GET /datasets``: an unknown id or name is an error."""
    query = validated(ListDatasets, dict(call.query))
    for wanted in (query.id, query.name):
        _check_there(call, query, wanted)
    rows, total = call.engine.list_datasets(
        page=query.page,
        page_size=query.page_size,
        orderby=query.orderby,
        desc=query.desc,
        id=query.id,
        name=query.name or None,
    )
    return answered([shown(row) for row in rows], total_datasets=total)


@accepts(body=UpdateDataset)
def update(call: Call) -> Response:
    """``PUT /datasets/{id}``."""
    given = call.strict_json()
    wanted = validated(UpdateDataset, {**given, "dataset_id": call.path["dataset_id"]})
    if not given:
        raise Fail("No properties were modified", ARGUMENT)
    row = call.engine.get_dataset(call.path["dataset_id"])
    if row is None:
        raise _lacks_permission(call, "dataset", call.path["dataset_id"])
    fields = {key: value for key, value in _fields(wanted).items() if key in wanted.model_fields_set}
    if not fields.get("embedding_model"):
        fields.pop("embedding_model", None)
    _check_same_vectors(row, fields)
    if wanted.parser_config is not None:
        fields["parser_config"] = wanted.parser_config.model_dump(exclude_unset=True)
    try:
        return answered(shown(call.engine.update_dataset(row["id"], fields, v024)))
    except UnknownModel as unknown:
        raise no_embedding(unknown) from None


@accepts(body=DeleteDatasets)
def delete(call: Call) -> Response:
    """``DELETE /datasets``: all of the ids or none; null means all datasets."""
    wanted = validated(DeleteDatasets, call.strict_json())
    foreign = [each for each in wanted.ids or () if call.engine.get_dataset(each) is None]
    if foreign:
        raise _lacks_permission(call, "datasets:", ", ".join(foreign))
    call.engine.delete_datasets(wanted.ids)
    return answered()


def shown(row: Row) -> Row:
    """A dataset with the fields of v0.24."""
    tasks = {f"{task}_{what}" for task in _TASKS for what in ("task_id", "task_finish_at")}
    newer = ("_task_id", "_task_finish_at", "tenant_embd_id")
    return {key: value for key, value in row.items() if key in tasks or not key.endswith(newer)}


def _fields(wanted: CreateDataset) -> Row:
    if wanted.pipeline_id:
        raise not_there_yet("ingestion pipelines (`pipeline_id`)")
    return wanted.model_dump(include=_PLAIN)


def _check_there(call: Call, query: ListDatasets, wanted: str | None) -> None:
    if not wanted:
        return
    named = {"id": wanted} if wanted == query.id else {"name": wanted}
    _, total = call.engine.list_datasets(
        page=1, page_size=1, orderby="create_time", desc=True, id=named.get("id"), name=named.get("name")
    )
    if not total:
        raise _lacks_permission(call, "dataset", wanted)


def _check_same_vectors(row: Row, fields: Row) -> None:
    model = fields.get("embedding_model", row["embedding_model"])
    if row["chunk_count"] and model != row["embedding_model"]:
        raise Fail(
            f"When chunk_num ({row['chunk_count']}) > 0, embedding_model must remain {row['embedding_model']}"
        )


def _lacks_permission(call: Call, what: str, name: str) -> Fail:
    return Fail(f"User '{call.engine.tenant_id}' lacks permission for {what} '{name}'", PERMISSION)


ROUTES: Routes = {
    "/datasets": {"POST": create, "GET": list_, "DELETE": delete},
    "/datasets/{dataset_id}": {"PUT": update},
}
