"""From an answer's ``data`` to models; what does not fit is the server's error, said clearly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ..errors import PartialError, ServerError
from ..models import Model
from .decoding import is_plain
from .envelope import payload
from .wire import Request, Response

M = TypeVar("M", bound=BaseModel)

__all__ = ["at_once", "model", "models", "nothing", "unexpected", "valid"]


def nothing(request: Request, response: Response) -> None:
    """The reader of a call that only succeeds or fails; ``PartialError`` if some of it did."""
    data = payload(request, response)
    if isinstance(data, dict) and data.get("errors"):
        raise PartialError(
            _told(data["errors"]),
            code=0,
            status_code=response.status,
            method=request.method,
            path=request.path,
            data=data,
        )


def _told(errors: Any) -> str:
    return "; ".join(map(str, errors)) if isinstance(errors, list) else str(errors)


def model(kind: type[M]) -> Callable[[Request, Response], M]:
    """The reader of an answer whose ``data`` is one object."""

    def read(request: Request, response: Response) -> M:
        return valid(kind, payload(request, response), request)

    return read


def at_once(kind: type[M], request: Request, response: Response) -> M:
    """What ``data`` holds, straight from the JSON: dicts in between take as long to build as the objects.

    For pages of a hundred; ``kind`` has a list of objects as a field. What is not plain is read quicker by way
    of the dicts.
    """
    if response.status == 200 and is_plain(response.body):
        with suppress(ValidationError):  # of an error answer, or of JSON that only Python's own reader takes
            answer: _Answer[M] = _answer(kind).validate_json(response.body)
            return answer.data
    return valid(kind, payload(request, response), request)


def models(kind: type[M], data: Any, request: Request) -> list[M]:
    """A list of objects; ``None`` and ``{}`` (as servers write an empty one) are an empty list."""
    try:
        return _list_adapter(kind).validate_python([] if data in (None, {}) else data)
    except ValidationError as error:
        raise _misfit(error, request) from None


def valid(kind: type[M], data: Any, request: Request) -> M:
    """One object; without the steps that cost more than a short one's validation."""
    try:
        return kind.__pydantic_validator__.validate_python(data)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise _misfit(error, request) from None


def unexpected(request: Request, detail: str) -> ServerError:
    """The answer is RAGFlow's, but not of the shape that any known version sends."""
    return ServerError(
        f"the answer has not the shape that RAGFlow v0.24 to v0.27 send: {detail}",
        method=request.method,
        path=request.path,
    )


def _misfit(error: ValidationError, request: Request) -> ServerError:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part != "") or "data"
    return unexpected(request, f"{where}: {first['msg']}")


class _Answer(Model, Generic[M]):
    code: int = Field(strict=True, ge=0, le=0)  # a Literal takes false for 0
    data: M


@cache
def _answer(kind: type[M]) -> TypeAdapter[_Answer[M]]:
    return TypeAdapter(_Answer[kind])  # type: ignore[valid-type]


@cache
def _list_adapter(kind: type[M]) -> TypeAdapter[list[M]]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type]
