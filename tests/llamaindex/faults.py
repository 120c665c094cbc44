"""Faults of the connection where a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ragflow_integrations import ConnectError, RAGFlow

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
