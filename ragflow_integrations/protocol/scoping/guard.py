"""What the rules of a scope share: who guards, what a request is about, and how an answer is cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic

from ...errors import NotFoundError, PermissionDeniedError, UnsupportedError
from ...models import ChunkFields, DocumentAggregate, Page
from ...scope import Scope
from ..bulk import PAGE
from ..paging import all_of
from ..wire import Call, Decoder, Flow, Request, T

__all__ = [
    "Answers",
    "Check",
    "Checked",
    "Guarded",
    "Prepared",
    "Rule",
    "as_asked",
    "as_text",
    "check",
    "check_chunks",
    "check_whole",
    "cut",
    "every_row",
    "ids_of",
    "known",
    "merged",
    "missing",
    "queried",
    "told",
    "with_query",
]


class Guarded:
    """A scope, and the sessions (with their chats) that were made within it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.sessions: dict[str, str] = {}


Rule = Callable[[Guarded, Call[Any]], Flow[Any]]
Check = Callable[[Any], None]
Prepared = tuple[Request, Check]
Answers = Callable[[Guarded, Request], Flow[Prepared]]


class Checked(Generic[T]):
    """A decoder whose values are checked before they are handed out."""

    def __init__(self, decoder: Decoder[T], check: Check) -> None:
        self._decoder, self._check = decoder, check

    @property
    def partial(self) -> str:
        """The text that has arrived so far."""
        return self._decoder.partial

    def feed(self, data: bytes) -> Iterable[T]:
        """The values completed by these bytes."""
        return self._checked(self._decoder.feed(data))

    def end(self) -> Iterable[T]:
        """What is left when the connection has ended."""
        return self._checked(self._decoder.end())

    def _checked(self, values: Iterable[T]) -> Iterable[T]:
        for value in values:
            self._check(value)
            yield value


def ids_of(request: Request) -> dict[str, str]:
    """The ids in the path, by their names in the route."""
    parts = zip(request.route.split("/"), request.path.split("/"), strict=True)
    return {name[1:-1]: value for name, value in parts if name.startswith("{")}


def queried(request: Request) -> dict[str, str]:
    """The query's parameters; of a repeated one the last."""
    return dict(request.query)


def with_query(request: Request, **params: str | list[str]) -> Request:
    """The request with these parameters in the place of those of their names."""
    kept = tuple(pair for pair in request.query if pair[0] not in params)
    values = {name: value if isinstance(value, list) else [value] for name, value in params.items()}
    return replace(request, query=kept + tuple((name, each) for name in values for each in values[name]))


def missing(kind: str, identifier: str) -> NotFoundError:
    """The same for what is outside the scope and for what does not exist."""
    return NotFoundError(f"there is no {kind} {identifier} within the scope of this client")


def known(kind: str, identifier: str, found: bool) -> None:
    """Raises unless it is within the scope."""
    if not found:
        raise missing(kind, identifier)


def check_whole(scope: Scope, operation: str) -> None:
    """Refuses what is about a dataset as a whole, or changes it, where only some documents are in the scope."""
    if not scope.whole_datasets:
        raise UnsupportedError(
            f"{operation} needs a scope of whole datasets; this one has document_ids or metadata, "
            "and the call cannot be kept within them"
        )


def every_row(call: Call[Page[T]]) -> Flow[list[T]]:
    """What a listing has on all its pages."""
    return all_of(
        lambda number: Call(with_query(call.request, page=str(number), page_size=str(PAGE)), call.read)
    )


def cut(call: Call[Page[T]], keep: Callable[[T], bool]) -> Flow[Page[T]]:
    """The page that was asked for, of what ``keep`` lets be seen, with its number as ``total``.

    All pages have to be read for it: who reads on finds the rest in the first one.
    """
    asked = queried(call.request)
    page, size = int(asked.get("page", 1)), int(asked.get("page_size", PAGE))
    kept = [row for row in (yield from every_row(call)) if keep(row)]
    found = Page(kept[(page - 1) * size : page * size], len(kept))
    found._following = kept[page * size :]
    return found


def merged(scope: Scope, condition: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """One condition for the scope's and the caller's; ``None`` where servers have no form for all of it."""
    parts = [each.as_dict() for each in scope.metadata] + ([dict(condition)] if condition else [])
    if len(parts) == 1:
        return parts[0]
    if any(part.get("logic") == "or" and len(part["conditions"]) > 1 for part in parts):
        return None
    return {"logic": "and", "conditions": [each for part in parts for each in part["conditions"]]}


def check(within: bool) -> None:
    """Refuses an answer that is not within the scope, as a whole."""
    if not within:
        raise PermissionDeniedError(
            "the server answered with something outside the scope of this client; nothing of it is handed out"
        )


def check_chunks(
    scope: Scope, chunks: Iterable[ChunkFields], document_ids: Iterable[str] | None = None
) -> None:
    """Each is of the scope's datasets, and of these documents where they are given."""
    allowed = scope.document_ids if document_ids is None else frozenset(document_ids)
    for chunk in chunks:
        check(bool(chunk.dataset_id) and scope.has_dataset(chunk.dataset_id))
        check(bool(chunk.document_id) and (allowed is None or chunk.document_id in allowed))


def as_asked(chunks: Iterable[ChunkFields], wanted: Mapping[str, Any] | None) -> None:
    """Takes out the metadata that was asked for to check it, except what the caller's ``reference_metadata`` says."""
    if not wanted or not wanted.get("include"):
        for chunk in chunks:
            chunk.document_metadata = None
    elif wanted.get("fields") is not None:
        for chunk in chunks:
            held = chunk.document_metadata or {}
            chunk.document_metadata = {name: held[name] for name in wanted["fields"] if name in held}


def told(aggregates: Iterable[DocumentAggregate], chunks: Iterable[ChunkFields]) -> list[DocumentAggregate]:
    """Of the documents that are counted those that were checked with their chunks."""
    checked = {chunk.document_id for chunk in chunks}
    return [each for each in aggregates if each.document_id in checked]


def as_text(condition: Mapping[str, Any]) -> str:
    """A condition as it goes into a query."""
    return json.dumps(condition, ensure_ascii=False)
