"""From an answer's ``data`` to models; what does not fit is the server's error, said clearly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..errors import PartialError, ServerError
from .envelope import payload
from .wire import Request, Response

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

__all__ = ["model", "models", "nothing", "unexpected"]


def nothing(request: Request, response: Response) -> None:
    """The reader of a call that only succeeds or fails; ``PartialError`` if some of it did."""
    data = payload(request, response)
    if isinstance(data, dict) and data.get("errors"):
        raise PartialError(
            "; ".join(str(error) for error in data["errors"]),
            code=0,
            status_code=response.status,
            method=request.method,
            path=request.path,
            data=data,
        )


def model(kind: type[M]) -> Callable[[Request, Response], M]:
    """The reader of an answer whose ``data`` is one object."""

    def read(request: Request, response: Response) -> M:
        adapter: TypeAdapter[M] = _adapter(kind)
        return _validated(adapter, payload(request, response), request)

    return read


def models(kind: type[M], data: Any, request: Request) -> list[M]:
    """A list of objects; ``None`` and ``{}`` (as servers write an empty one) are an empty list."""
    return _validated(_list_adapter(kind), [] if data in (None, {}) else data, request)


def unexpected(request: Request, detail: str) -> ServerError:
    """The answer is RAGFlow's, but not of the shape that any known version sends."""
    return ServerError(
        f"the answer has not the shape that RAGFlow v0.26.1 to v0.27 send: {detail}",
        method=request.method,
        path=request.path,
    )


def _validated(adapter: TypeAdapter[T], data: Any, request: Request) -> T:
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "data"
        raise unexpected(request, f"{where}: {first['msg']}") from None


@cache
def _adapter(kind: type[M]) -> TypeAdapter[M]:
    return TypeAdapter(kind)


@cache
def _list_adapter(kind: type[M]) -> TypeAdapter[list[M]]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type]
