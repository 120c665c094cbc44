"""Faults of the connection where a test wants them, and a server that fetches web pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ragflow_integrations import ConnectError, RAGFlow
from ragflow_integrations.protocol.wire import FilePart

Fails = Callable[[str], bool]


class _Broken:
    def __init__(self, inner: Any, fails: Fails) -> None:
        self._inner, self._fails = inner, fails

    def send(self, request: Any, **options: Any) -> Any:
        if self._fails(request.operation):
            raise ConnectError(f"the connection broke before {request.operation}")
        return self._inner.send(request, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def broken(client: RAGFlow, *operations: str, after: int = 0) -> Iterator[RAGFlow]:
    """A client, with its twin, that sends none of these operations any more after it sent so many of them."""
    sent = [0]

    def fails(operation: str) -> bool:
        sent[0] += operation in operations
        return operation in operations and sent[0] > after

    own = client.with_options(max_retries=0)
    for each in (own, own.as_async()):
        each._transport = _Broken(each._transport, fails)  # type: ignore[union-attr]
    yield own


class _Preceded:
    def __init__(self, inner: Any, operation: str, act: Callable[[], object]) -> None:
        self._inner, self._operation, self._act = inner, operation, act

    def send(self, request: Any, **options: Any) -> Any:
        if request.operation == self._operation:
            self._act()
        return self._inner.send(request, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def preceded(client: RAGFlow, operation: str, act: Callable[[], object]) -> RAGFlow:
    """A client for plain calls, before whose operation somebody else is faster."""
    own = client.with_options()
    own._transport = _Preceded(own._transport, operation, act)
    return own


class _Fetching:
    def __init__(self, inner: Any, page: bytes) -> None:
        self._inner, self._page = inner, page

    def send(self, request: Any, **options: Any) -> Any:
        if request.operation == "DataSet.upload_url":
            name, _ = (part.content.decode() for part in request.files)
            printed = FilePart("file", f"{name}.txt", self._page)
            request = replace(request, query=(), files=(printed,))
        return self._inner.send(request, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def fetching(client: RAGFlow, page: bytes) -> RAGFlow:
    """A client of a server that gets this page from any address, as a text file."""
    own = client.with_options()
    for each in (own, own.as_async()):
        each._transport = _Fetching(each._transport, page)  # type: ignore[union-attr]
    return own
