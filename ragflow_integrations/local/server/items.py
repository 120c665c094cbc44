"""``/datasets/{id}/items``: what only the local engine has, JSON objects under namespaces and keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.responses import Response

from . import datasets
from .call import Call, Routes, accepts
from .envelope import answered
from .parser_config import Strict
from .validation import validated

__all__ = ["ROUTES"]

_LARGEST = 2**53
_Label = Annotated[str, StringConstraints(min_length=1)]
_Prefix = list[_Label]
_Namespace = Annotated[list[_Label], Field(min_length=1)]
_Count = Annotated[int, Field(ge=0, le=_LARGEST)]


class _Get(Strict):
    op: Literal["get"]
    namespace: _Namespace
    key: str


class _Put(Strict):
    op: Literal["put"]
    namespace: _Namespace
    key: str
    value: dict[str, Any] | None


class _List(Strict):
    op: Literal["list"]
    prefix: _Prefix
    limit: _Count
    offset: _Count


class _Namespaces(Strict):
    op: Literal["namespaces"]
    prefix: _Prefix


class ItemOperations(Strict):
    """What is to be done, at once; what is read is read before anything is written."""

    operations: list[Annotated[_Get | _Put | _List | _Namespaces, Field(discriminator="op")]]


@accepts(body=ItemOperations)
def operate(call: Call) -> Response:
    """``POST /datasets/{id}/items``: an answer to each operation, in their order."""
    datasets.owned(call)
    wanted = validated(ItemOperations, call.strict_json())
    given = [each.model_dump() for each in wanted.operations]
    return answered(call.engine.item_operations(call.path["dataset_id"], given))


ROUTES: Routes = {"/datasets/{dataset_id}/items": {"POST": operate}}
