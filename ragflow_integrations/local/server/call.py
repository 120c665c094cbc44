"""One request as the handlers see it: read completely, so that they can be plain synchronous functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import BaseModel
from starlette.datastructures import FormData
from starlette.responses import Response

from ..fields import NotPlain, given_json
from .envelope import ARGUMENT, UNSET, BadRequest, Fail, Raised, failed, python_errors

if TYPE_CHECKING:
    from ..tenant import Tenant

__all__ = [
    "COLUMNS",
    "MAX_IDS",
    "Accepted",
    "Body",
    "Call",
    "Handler",
    "Page",
    "Query",
    "Routes",
    "accepted",
    "accepts",
    "page_of",
    "without_repeats",
]

MAX_IDS = 100
_ORDERS = ("create_time", "update_time", "name")
COLUMNS = {
    "id": "id",
    "create_time": "create_time",
    "create_date": "create_time",
    "update_time": "update_time",
    "update_date": "update_time",
}
"""What any of RAGFlow's tables can be sorted by, and what the engine calls it."""
_MAX_PAGE_SIZE = 100
_MOST_MARKS = 250_000  # commas and brackets of a body, about as many as it holds values
_MALFORMED = "Malformed JSON syntax: Missing commas/brackets or invalid encoding"


class Page(TypedDict):
    """Which rows of a list."""

    page: int
    page_size: int


class Order(TypedDict):
    """In which order."""

    orderby: str
    desc: bool


class Query(Mapping[str, str]):
    """The parameters of a query: of one that is repeated the first counts, as on RAGFlow; ``getlist`` has all."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> list[str]:
        """All values of a parameter; none if it is not there."""
        return list(self._values.get(name, ()))


@dataclass(frozen=True)
class Body:
    """What a request brings: ``form`` is set for multipart and form bodies, else ``body`` holds the bytes."""

    content_type: str | None
    body: bytes
    form: FormData | None

    @property
    def is_json(self) -> bool:
        return (self.content_type or "").partition(";")[0].strip().lower() == "application/json"

    def json(self) -> dict[str, Any]:
        """The body of a route that checks by hand: no body is an empty object, a form its texts."""
        if self.form is not None:
            return self.texts()
        if not self.body:
            return {}
        if not self.is_json:
            raise failed(TypeError("Request body is not a valid form payload."))
        try:
            payload = _decoded(self.body)
        except ValueError:
            raise failed(BadRequest()) from None
        if isinstance(payload, str):
            raise failed(AttributeError("'str' object has no attribute 'get'"))
        if not isinstance(payload, dict):
            raise failed(TypeError("JSON payload must be an object."))
        return payload

    def required(self, *names: str) -> dict[str, Any]:
        """The body of a route that must have these keys; one that cannot be read has none of them."""
        try:
            given = self.json()
        except Raised:
            given = {}
        absent = [name for name in names if name not in given]
        if absent:
            raise Fail(f"required argument are missing: {','.join(absent)}; ", ARGUMENT, data=None)
        return given

    def texts(self) -> dict[str, Any]:
        """A form's texts by their names, of a repeated one the first; none without a form."""
        found: dict[str, Any] = {}
        for name, value in self.form.multi_items() if self.form is not None else ():
            if isinstance(value, str):
                found.setdefault(name, value)
        return found

    def strict_json(self) -> dict[str, Any]:
        """The body of a route that validates with a model: JSON is mandatory."""
        if not self.is_json:
            raise Fail(
                f"Unsupported content type: Expected application/json, got {self.content_type}", ARGUMENT
            )
        try:
            payload = _decoded(self.body) or {}
        except ValueError:
            raise Fail(_MALFORMED, ARGUMENT) from None
        if not isinstance(payload, dict):
            raise Fail(f"Invalid request payload: expected object, got {type(payload).__name__}", ARGUMENT)
        return payload


@dataclass(frozen=True)
class Call(Body):
    """A request to one route, on behalf of a tenant (``engine``: all that the key's owner has)."""

    engine: Tenant
    path: Mapping[str, str]
    query: Query

    def page(self) -> Page:
        """``page`` and ``page_size`` of a list route, by RAGFlow's rules."""
        return page_of(self.query)

    def order(self, data: Any = UNSET) -> Order:
        """``orderby`` and ``desc`` of a list route; ``Fail`` 101 (with ``data``) for an unknown field."""
        orderby = self.query.get("orderby", "create_time")
        if orderby not in _ORDERS:
            raise Fail(f"invalid orderby field: {orderby}", ARGUMENT, data=data)
        return {"orderby": orderby, "desc": self.query.get("desc", "true").strip().lower() != "false"}

    def sorted_by(self, table: str, columns: Mapping[str, str], default: str = "create_time") -> str:
        """What the engine calls the column that ``orderby`` names.

        ``Fail`` 100, in RAGFlow's words, unless it is one of the ``columns`` of its ``table``.
        """
        name = self.query.get("orderby", default)
        if name not in columns:
            raise failed(AttributeError(f"type object '{table}' has no attribute '{name}'"))
        return columns[name]

    def number(self, name: str, default: int) -> int:
        """A number of the query; ``Fail`` 100 if it is none."""
        with python_errors():
            return int(self.query.get(name, default))

    def ids(self, name: str) -> list[str] | None:
        """A query parameter that may be repeated or comma-separated; None if it is not there."""
        values = [item.strip() for value in self.query.getlist(name) for item in value.split(",")]
        found = [value for value in dict.fromkeys(values) if value]
        if len(found) > MAX_IDS:
            raise Fail(f"{name} must contain at most {MAX_IDS} IDs", ARGUMENT)
        return found or None


Handler = Callable[[Call], Response]
Routes = Mapping[str, Mapping[str, Handler]]
"""``{path: {verb: handler}}``."""


@dataclass(frozen=True)
class Accepted:
    """The models that a handler holds a request against, where it has some; ``/openapi.json`` shows them."""

    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None


_accepted: dict[Handler, Accepted] = {}


def accepts(
    *, body: type[BaseModel] | None = None, query: type[BaseModel] | None = None
) -> Callable[[Handler], Handler]:
    """Decorator: says which models the handler validates with."""

    def noted(handler: Handler) -> Handler:
        _accepted[handler] = Accepted(body, query)
        return handler

    return noted


def accepted(handler: Handler) -> Accepted:
    """What ``accepts`` has noted of a handler."""
    return _accepted.get(handler, Accepted())


def _decoded(body: bytes) -> Any:
    """The value of a JSON body in UTF-8; ``ValueError`` if it is none, ``Fail`` 101 for one that JSON does not have.

    Nobody else gets on while Python reads or writes JSON: what takes longer than a moment is ``Fail`` 413.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_MARKS:
        raise Fail(f"the body has more than {_MOST_MARKS} commas and brackets", 413, data=None, status=413)
    try:
        return given_json(body.decode())
    except NotPlain as error:
        raise Fail(f"the body holds a value that JSON does not have: {error}", ARGUMENT) from None


def page_of(given: Mapping[str, Any]) -> Page:
    """``page`` (default 1) and ``page_size`` (default 30): what is not a number above 0 means the default.

    Over 100 rows a page are an error, as from RAGFlow 0.26 on.
    """
    size = _positive(given.get("page_size"), 30)
    if size > _MAX_PAGE_SIZE:
        raise failed(ValueError(f"page_size must be less than or equal to {_MAX_PAGE_SIZE}"))
    return {"page": _positive(given.get("page"), 1), "page_size": size}


def _positive(value: Any, default: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return default
    return number if number >= 1 else default


class _Bare(str):
    """An id that is no text, as text; in a list it is written as it came."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def without_repeats(ids: Any, what: str) -> tuple[list[str], list[str]]:
    """The ids once each, and RAGFlow's complaint about each that was there more than once.

    A bare string counts as one id; what is neither text nor list is code 100.
    """
    with python_errors():
        counts = Counter([ids] if isinstance(ids, str) else list(ids))
    once = [each if isinstance(each, str) else _Bare(each) for each in counts]
    return once, [f"Duplicate {what} ids: {each}" for each, count in counts.items() if count > 1]
