"""Metadata of documents: its routes, and reading filters and wishes for metadata in other requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from starlette.responses import Response

from ..fields import given_json
from ..metadata import Condition, Filter, flattened, holding, matching, summary
from . import datasets
from .call import Call, Routes, accepts
from .envelope import EXCEPTION, Fail, answered
from .validation import AutoMetadataConfig, validated

__all__ = ["ROUTES", "document_ids", "filter_of", "patch", "shown_fields", "summarize", "update"]

Row = dict[str, Any]

_PARTS = ("name", "comparison_operator", "value")
_OLDER = {"include": "include_metadata", "fields": "metadata_fields"}


def summarize(call: Call) -> Response:
    """``GET /datasets/{id}/metadata/summary``: which keys and values there are, optionally in ``doc_ids`` only."""
    identifier = call.path["dataset_id"]
    datasets.owned(call, f"You don't own the dataset {identifier}. ")
    metadata = call.engine.metadata([identifier], call.ids("doc_ids"))
    return answered({"summary": summary(metadata.values())})


def update(call: Call) -> Response:
    """``POST /datasets/{id}/metadata/update``: change the metadata of the selected documents.

    As on RAGFlow the selector's ``metadata_condition`` narrows its ``document_ids``; without these nothing is
    selected.
    """
    return _update(call, f"You don't own the dataset {call.path['dataset_id']}. ")


def patch(call: Call) -> Response:
    """``PATCH /datasets/{id}/documents/metadatas``: the same."""
    return _update(call, f"You don't own the dataset {call.path['dataset_id']}.")


def flatten(call: Call) -> Response:
    """``GET /datasets/metadata/flattened``: of several datasets, which documents hold which values."""
    ids = call.ids("dataset_ids")
    if not ids:
        raise Fail("Lack of dataset_ids in query parameters")
    for each in ids:
        if call.engine.get_dataset(each) is None:
            raise Fail(f"No authorization for dataset '{each}'")
    return answered(flattened(call.engine.metadata(ids)))


def config(call: Call) -> Response:
    """``GET /datasets/{id}/metadata/config``: which metadata a model shall find in documents."""
    kept = datasets.owned(call)["parser_config"]
    return answered({name: kept.get(name) or [] for name in ("metadata", "built_in_metadata")})


@accepts(body=AutoMetadataConfig)
def configure(call: Call) -> Response:
    """``PUT /datasets/{id}/metadata/config``."""
    wanted = validated(AutoMetadataConfig, call.strict_json()).model_dump()
    row = datasets.owned(call)
    call.engine.update_dataset(row["id"], {"parser_config": wanted})
    return answered(wanted)


def filter_of(given: Any) -> Filter:
    """A ``metadata_condition`` as a filter; ``Fail`` 102 if it is no object, 100 if a condition lacks a part."""
    if not isinstance(given, dict):
        raise Fail("metadata_condition must be an object.")
    conditions = given.get("conditions") or []
    if not isinstance(conditions, list) or not all(isinstance(each, dict) for each in conditions):
        raise Fail("`conditions` of metadata_condition should be a list of objects", EXCEPTION, data=None)
    for each in conditions:
        missing = [part for part in _PARTS if part not in each]
        if missing:
            raise Fail(f"a condition lacks `{missing[0]}`: {each}", EXCEPTION, data=None)
        if not isinstance(each["name"], str) or not isinstance(each["comparison_operator"], str):
            raise Fail(f"`name` and `comparison_operator` should be text: {each}", EXCEPTION, data=None)
    logic = given.get("logic", "and")
    if logic not in ("and", "or"):
        raise Fail(f"`logic` of metadata_condition should be and or or, got {logic!r}")
    return Filter([Condition(*(each[part] for part in _PARTS)) for each in conditions], logic)


def document_ids(call: Call, dataset_id: str) -> tuple[list[str] | None, bool]:
    """What the query of a document list says about metadata: the documents that fit, and if only those without any.

    None means that nothing is asked. Where those without any are asked for, no condition counts.
    """
    text = call.query.get("metadata_condition", "{}")
    condition = _decoded(text, f"metadata_condition must be valid JSON: {text}.")
    values = _decoded(call.query.get("metadata", "{}"), "metadata must be valid JSON.")
    empty = call.query.get("return_empty_metadata", "").lower() == "true"
    if empty or (isinstance(values, dict) and values.get("empty_metadata")):
        return None, True
    wanted = filter_of(condition) if condition else None
    if not isinstance(values or {}, dict):
        raise Fail("metadata must be an object.")
    metadata = call.engine.metadata([dataset_id]) if wanted or values else {}
    holders = holding(metadata, values) if values else None
    if wanted is None:
        return holders, False
    if holders is not None:
        metadata = {identifier: metadata[identifier] for identifier in holders}
    return matching(metadata, wanted), False


def shown_fields(given: Row, settings: Mapping[str, Any] | None = None) -> Collection[str] | None:
    """The metadata fields that references should show: none unless asked for, None means all.

    ``reference_metadata`` (``include fields``) of the request goes over that of a chat's ``settings``, and the older
    keys ``include_metadata`` and ``metadata_fields`` go over both.
    """
    wanted: Row = {}
    for source in (settings or {}, given):
        wanted |= source["reference_metadata"] if isinstance(source.get("reference_metadata"), dict) else {}
    wanted |= {key: given[old] for key, old in _OLDER.items() if old in given}
    fields = wanted.get("fields")
    if not wanted.get("include"):
        return ()
    if fields is None:
        return None
    return {each for each in fields if isinstance(each, str)} if isinstance(fields, list) else ()


def _update(call: Call, not_owned: str) -> Response:
    datasets.owned(call, not_owned)
    given = call.json()
    selector, updates, deletes = (given.get(name) for name in ("selector", "updates", "deletes"))
    if not isinstance(selector or {}, dict):
        raise Fail("selector must be an object.")
    updates, deletes = updates or [], deletes or []
    _check_changes(updates, deletes)
    selected = _selected(call, selector or {})
    updated = call.engine.update_metadata(call.path["dataset_id"], selected, updates, deletes)
    return answered({"updated": updated, "matched_docs": len(selected)})


def _check_changes(updates: Any, deletes: Any) -> None:
    if not isinstance(updates, list) or not isinstance(deletes, list):
        raise Fail("updates and deletes must be lists.")
    for each in updates:
        if not _has_key(each) or "value" not in each:
            raise Fail("Each update requires key and value.")
    for each in deletes:
        if not _has_key(each):
            raise Fail("Each delete requires key.")


def _has_key(change: Any) -> bool:
    return isinstance(change, dict) and isinstance(change.get("key"), str) and change["key"] != ""


def _selected(call: Call, selector: Row) -> list[str]:
    identifier = call.path["dataset_id"]
    condition = filter_of(selector["metadata_condition"]) if selector.get("metadata_condition") else None
    ids = selector.get("document_ids") or []
    if not isinstance(ids, list):
        raise Fail("document_ids must be a list.")
    ids = list(dict.fromkeys(map(str, ids)))
    rows, _ = call.engine.list_documents(
        identifier, page=1, page_size=len(ids), orderby="create_time", desc=True, ids=ids
    )
    foreign = set(ids) - {row["id"] for row in rows}
    if foreign:
        raise Fail(f"These documents do not belong to dataset {identifier}: {', '.join(sorted(foreign))}")
    if condition is None:
        return ids
    return matching(call.engine.metadata([identifier], ids), condition)


def _decoded(text: str, otherwise: str) -> Any:
    try:
        return given_json(text)
    except ValueError:
        raise Fail(otherwise) from None


ROUTES: Routes = {
    "/datasets/metadata/flattened": {"GET": flatten},
    "/datasets/{dataset_id}/metadata/config": {"GET": config, "PUT": configure},
    "/datasets/{dataset_id}/documents/metadatas": {"PATCH": patch},
    "/datasets/{dataset_id}/metadata/summary": {"GET": summarize},
    "/datasets/{dataset_id}/metadata/update": {"POST": update},
}
