"""Metadata of documents: what there is, changing it, and finding it automatically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import AutoMetadata, MetadataField, MetadataUpdate, Model
from . import documents
from .bulk import PAGE, in_batches
from .checks import NOT_GIVEN, NotGiven, check_choice, check_ids, check_text
from .conditions import checked_condition
from .envelope import payload
from .reading import model, models, nothing, unexpected
from .versions import Since, request, server_version, to
from .wire import Call, Flow, Request, Response, ask, query

__all__ = [
    "change_auto_metadata",
    "change_documents",
    "checked_auto_metadata",
    "get_auto_metadata",
    "summary",
]

_KINDS = ("string", "list", "time", "number")
_LISTS = ("metadata", "built_in_metadata")
_CHANGES = {  # what a change needs, and all that it may have
    "updates": (("key", "value"), ("key", "value", "match")),
    "deletes": (("key",), ("key", "value")),
}


def summary(dataset_id: str, document_ids: Sequence[str] | None) -> Flow[dict[str, MetadataField]]:
    """``GET …/metadata/summary``; v0.24 reads ``doc_ids`` from the body, later ones from the query."""
    ids = None if document_ids is None else check_ids("document_ids", document_ids)
    if ids is not None and len(ids) > PAGE:
        raise InvalidRequestError(f"document_ids: give at most {PAGE} (these are {len(ids)})")
    version = yield from server_version()
    options: dict[str, Any] = {}
    if ids is not None and version >= Since.DOCUMENT_FILTERS:
        options["query"] = query(doc_ids=",".join(ids))
    elif ids is not None:
        options["body"] = {"doc_ids": ids}
    asked = request("DataSet.metadata_summary", version, dataset_id=dataset_id, **options)
    return (yield from ask(Call(asked, _summary)))


def change_documents(
    dataset_id: str,
    updates: Any,
    deletes: Any,
    document_ids: Sequence[str] | NotGiven | None,
    condition: Mapping[str, Any] | None,
) -> Flow[MetadataUpdate]:
    """``POST …/metadata/update`` for these documents, those that fit the condition, or those that are both.

    Servers apply a condition to the ids that are sent with it only, without ids to nothing (v0.24 crashes):
    the ids are found first.
    """
    if document_ids is NOT_GIVEN and condition is None:
        raise InvalidRequestError(
            "say whose metadata: document_ids=[…], metadata_condition=…, or document_ids=None for all documents"
        )
    everything = document_ids is NOT_GIVEN or document_ids is None
    ids = None if everything else check_ids("document_ids", document_ids, empty=True)
    wanted = None if condition is None else checked_condition("metadata_condition", condition)
    return _changes(dataset_id, _checked_changes(updates, deletes), ids, wanted)


def checked_auto_metadata(config: Any) -> dict[str, list[dict[str, Any]]]:
    """``{"metadata": [{"key", "type", …}], "built_in_metadata": […]}``; either may be missing."""
    if isinstance(config, AutoMetadata):
        config = config.model_dump(exclude_none=True)
    if not isinstance(config, Mapping) or not config or not config.keys() <= set(_LISTS):
        raise InvalidRequestError(
            f"auto_metadata_config={config!r}: give {{'metadata': [{{'key': …, 'type': 'string'}}]}}"
        )
    return {name: _auto_fields(name, rows) for name, rows in config.items()}


def get_auto_metadata(dataset_id: str) -> Flow[AutoMetadata]:
    """``GET …/metadata/config``."""
    return to("DataSet.get_auto_metadata", model(AutoMetadata), dataset_id=dataset_id)


def change_auto_metadata(dataset_id: str, fields: Mapping[str, Any]) -> Flow[AutoMetadata]:
    """``PUT …/metadata/config``, which empties the list that is left out: it is read and sent along."""
    body = checked_auto_metadata({name: rows for name, rows in fields.items() if rows is not None})

    def flow() -> Flow[AutoMetadata]:
        if len(body) < len(_LISTS):
            present = yield from get_auto_metadata(dataset_id)
            body.update(
                {name: rows for name, rows in checked_auto_metadata(present).items() if name not in body}
            )
        yield from to("DataSet.update_auto_metadata", nothing, dataset_id=dataset_id, body=body)
        return AutoMetadata.model_validate(body)

    return flow()


def _changes(
    dataset_id: str,
    changes: Mapping[str, Any],
    ids: list[str] | None,
    condition: Mapping[str, Any] | None,
) -> Flow[MetadataUpdate]:
    if ids is None or condition is not None:
        fitting = yield from documents.all_ids(dataset_id, condition)
        ids = fitting if ids is None else [one for one in ids if one in set(fitting)]

    def some(batch: list[str]) -> Call[MetadataUpdate]:
        body = {"selector": {"document_ids": batch}, **changes}
        return Call(request("DataSet.update_metadata", dataset_id=dataset_id, body=body), _changed)

    done = yield from in_batches(ids, some)
    return MetadataUpdate(sum(each.matched_docs for each in done), sum(each.updated for each in done))


def _checked_changes(updates: Any, deletes: Any) -> dict[str, list[dict[str, Any]]]:
    changes = {
        name: [_checked_change(f"{name}[{n}]", one, *_CHANGES[name]) for n, one in _rows(name, rows)]
        for name, rows in (("updates", updates), ("deletes", deletes))
    }
    if not changes["updates"] and not changes["deletes"]:
        raise InvalidRequestError(
            "updates, deletes: give at least one change, e.g. {'key': 'author', 'value': 'Ann'}"
        )
    return changes


def _rows(name: str, rows: Any) -> list[tuple[int, Any]]:
    if rows is None:
        return []
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Sequence):
        raise InvalidRequestError(f"{name}={rows!r}: give a list of dicts")
    return list(enumerate(rows))


def _checked_change(where: str, row: Any, needed: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
    """Servers take a misspelled or empty ``match`` or ``value`` for none, and change or delete every value."""
    change = _checked_row(where, row, needed)
    for name in change.keys() - {"key"}:
        if name not in known:
            raise InvalidRequestError(f"{where}[{name!r}]: give {', '.join(known)} only")
        change[name] = documents.checked_value(f"{where}[{name!r}]", change[name])
    if change.get("match") == "":
        raise InvalidRequestError(f"{where}['match']='': leave it out to change every value")
    return change


def _checked_row(where: str, row: Any, needed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(row, Mapping) or any(each not in row for each in needed):
        raise InvalidRequestError(f"{where}={row!r}: give a dict with {' and '.join(needed)}")
    check_text(f"{where}['key']", row["key"])
    return dict(row)


def _auto_fields(name: str, rows: Any) -> list[dict[str, Any]]:
    fields = [_checked_row(f"{name}[{n}]", _plain(one), ("key", "type")) for n, one in _rows(name, rows)]
    for n, field in enumerate(fields):
        check_choice(f"{name}[{n}]['type']", field["type"], _KINDS)
    return fields


def _plain(row: Any) -> Any:
    return row.model_dump(exclude_none=True) if isinstance(row, Model) else row


def _summary(request: Request, response: Response) -> dict[str, MetadataField]:
    data = payload(request, response)
    found = data.get("summary") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise unexpected(request, "data holds no summary")
    return dict(zip(found, models(MetadataField, list(found.values()), request), strict=True))


def _changed(request: Request, response: Response) -> MetadataUpdate:
    data = payload(request, response)
    if not isinstance(data, dict) or not all(
        isinstance(data.get(name), int) for name in MetadataUpdate._fields
    ):
        raise unexpected(request, "data is no count of documents")
    return MetadataUpdate(**{name: data[name] for name in MetadataUpdate._fields})
