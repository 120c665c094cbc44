"""Datasets: ``/api/v1/datasets``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..models import DataSetFields, Page
from .checks import check_id, check_page, check_text, check_update
from .envelope import envelope
from .reading import model, models, nothing
from .wire import Call, Request, Response, query

__all__ = ["create", "delete", "get", "listing", "update"]

_PATH = "/api/v1/datasets"


def create(fields: Mapping[str, Any]) -> Call[DataSetFields]:
    """``POST /datasets``; fields that are ``None`` are left to the server's defaults."""
    check_text("name", fields.get("name"))
    body = {name: value for name, value in fields.items() if value is not None}
    return Call(Request("POST", _PATH, body=body), model(DataSetFields))


def get(dataset_id: str) -> Call[DataSetFields]:
    """``GET /datasets/{id}`` (from v0.25.1)."""
    return Call(Request("GET", f"{_PATH}/{check_id('dataset_id', dataset_id)}"), model(DataSetFields))


def update(dataset_id: str, fields: Mapping[str, Any]) -> Call[DataSetFields]:
    """``PUT /datasets/{id}``; only what is sent changes, ``parser_config`` is merged."""
    request = Request("PUT", f"{_PATH}/{check_id('dataset_id', dataset_id)}", body=check_update(fields))
    return Call(request, model(DataSetFields))


def delete(ids: Sequence[str] | None) -> Call[None]:
    """``DELETE /datasets``; ``None`` deletes all."""
    body = {"ids": None, "delete_all": True} if ids is None else {"ids": list(ids)}
    return Call(Request("DELETE", _PATH, body=body), nothing)


def listing(
    *,
    page: int,
    page_size: int,
    orderby: str,
    desc: bool,
    id: str | None,
    name: str | None,
) -> Call[Page[DataSetFields]]:
    """``GET /datasets``; an unknown ``id`` or ``name`` is an error answer."""
    check_page(page, page_size)
    params = query(page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, name=name)
    return Call(Request("GET", _PATH, params), _page)


def _page(request: Request, response: Response) -> Page[DataSetFields]:
    body = envelope(request, response)
    return Page(models(DataSetFields, body.get("data"), request), body.get("total_datasets"))
