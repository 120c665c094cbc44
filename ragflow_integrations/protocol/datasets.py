"""Datasets: ``/api/v1/datasets``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConflictError, NotFoundError
from ..models import DataSetFields, Page
from . import deletion
from .bulk import PAGE
from .checks import (
    check_choice,
    check_flag,
    check_id,
    check_ids,
    check_object,
    check_page,
    check_text,
    check_update,
)
from .cleanup import clean_up
from .envelope import envelope
from .metadata import checked_auto_metadata
from .parser_config import checked_settings
from .reading import model, models, nothing
from .versions import Since, request, server_version, supported
from .wire import Call, Flow, Request, Response, ask, query

__all__ = ["create", "delete", "get", "listing", "named", "update"]

_SINCE = {"auto_metadata_config": Since.DATASET_EXTRAS, "ext": Since.DATASET_EXTRAS}
_LISTED_SINCE = {
    "ids": Since.DATASET_IDS,
    "include_parsing_status": Since.DATASET_EXTRAS,
    "ext": Since.DATASET_EXTRAS,
}


def create(fields: Mapping[str, Any]) -> Flow[DataSetFields]:
    """``POST /datasets``; fields that are ``None`` are left to the server's defaults."""
    check_text("name", fields.get("name"))
    body = checked_settings({name: value for name, value in fields.items() if value is not None})
    if "auto_metadata_config" in body:
        body["auto_metadata_config"] = checked_auto_metadata(body["auto_metadata_config"])
    if "ext" in body:
        body["ext"] = check_object("ext", body["ext"])
    return _created(body)


def get(dataset_id: str) -> Flow[DataSetFields]:
    """``GET /datasets/{id}`` from v0.25.1, ``GET /datasets?id=`` before."""
    check_id("dataset_id", dataset_id)
    version = yield from server_version()
    if version >= Since.SINGLE_OBJECTS:
        single = request("RAGFlow.get_dataset", version, dataset_id=dataset_id)
        return (yield from ask(Call(single, model(DataSetFields))))
    listed = request("RAGFlow.get_dataset", version, query=query(id=dataset_id))
    return _the_one((yield from ask(Call(listed, _page))), f"no dataset has the id {dataset_id}")


def named(name: str) -> Flow[DataSetFields]:
    """The one dataset of exactly this name (``GET /datasets?name=``)."""
    check_text("name", name)
    found = yield from ask(_listed(name=name))
    return _the_one([one for one in found if one.name == name], f"no dataset is called {name!r}")


def update(dataset_id: str, fields: Mapping[str, Any]) -> Call[DataSetFields]:
    """``PUT /datasets/{id}``; only what is sent changes, ``parser_config`` is merged."""
    body = checked_settings(check_update(fields))
    return Call(request("DataSet.update", dataset_id=dataset_id, body=body), model(DataSetFields))


def delete(ids: Sequence[str] | None) -> Flow[None]:
    """``DELETE /datasets``, a hundred a call; ``None`` deletes all."""
    return deletion.delete("RAGFlow.delete_datasets", ids, lambda page: _listed(page=page, page_size=PAGE))


def listing(
    *,
    page: int,
    page_size: int,
    orderby: str = "create_time",
    desc: bool = True,
    id: str | None = None,
    name: str | None = None,
    ids: Sequence[str] | None = None,
    include_parsing_status: bool | None = None,
    ext: Mapping[str, Any] | None = None,
) -> Flow[Page[DataSetFields]]:
    """``GET /datasets``; an unknown ``id`` or ``name`` is an error answer, of ``ids`` it is left out."""
    check_page(page, page_size)
    check_choice("orderby", orderby, ("create_time", "update_time"))
    filters = {
        "ids": None if ids is None else check_ids("ids", ids),
        "include_parsing_status": include_parsing_status,
        "ext": None if ext is None else json.dumps(check_object("ext", ext, "{'keywords': 'hand'}")),
    }
    if include_parsing_status is not None:
        check_flag("include_parsing_status", include_parsing_status)
    call = _listed(
        page=page,
        page_size=page_size,
        orderby=orderby,
        desc=check_flag("desc", desc),
        id=None if id is None else check_id("id", id),
        name=None if name is None else check_text("name", name),
        **filters,
    )
    return _supported_listing(call, filters)


def _supported_listing(
    call: Call[Page[DataSetFields]], filters: Mapping[str, Any]
) -> Flow[Page[DataSetFields]]:
    yield from supported("list_datasets", filters, _LISTED_SINCE)
    return (yield from ask(call))


def _created(body: dict[str, Any]) -> Flow[DataSetFields]:
    """Servers up to v0.27 switch automatic metadata on and forget which: it is set again, or nothing is left."""
    yield from supported("create_dataset", body, _SINCE)
    made = yield from ask(Call(request("RAGFlow.create_dataset", body=body), model(DataSetFields)))
    if "auto_metadata_config" not in body:
        return made
    try:
        version = yield from server_version()
        config = request(
            "DataSet.update_auto_metadata", version, dataset_id=made.id, body=body["auto_metadata_config"]
        )
        yield from ask(Call(config, nothing))
    except GeneratorExit:
        raise
    except BaseException as error:
        yield from clean_up(error, delete([made.id]), f"the dataset {made.id} was made and not deleted again")
        raise
    return (yield from get(made.id))


def _listed(**params: Any) -> Call[Page[DataSetFields]]:
    return Call(request("RAGFlow.list_datasets", query=query(**params)), _page)


def _the_one(found: Sequence[DataSetFields], missing: str) -> DataSetFields:
    if not found:
        raise NotFoundError(missing)
    if len(found) > 1:
        ids = ", ".join(dataset.id for dataset in found)
        raise ConflictError(
            f"{found[0].name!r} is the name of {len(found)} datasets; give the id you mean: {ids}"
        )
    return found[0]


def _page(request: Request, response: Response) -> Page[DataSetFields]:
    body = envelope(request, response)
    return Page(models(DataSetFields, body.get("data"), request), body.get("total_datasets"))
