"""What takes more calls than one: deleting many, and reading all pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import APIError, PartialError, RAGFlowError
from ..models import Page
from .wire import Call, Flow, T, ask

__all__ = ["PAGE", "all_of", "in_batches"]

PAGE = 100
"""The most that servers from v0.26 give or take at once."""


def all_of(page: Callable[[int], Call[Page[T]]]) -> Flow[list[T]]:
    """Everything that a listing has; ``page(n)`` is the call for its n-th page of ``PAGE``."""
    found: list[T] = []
    number = 1
    while True:
        got = yield from ask(page(number))
        found += got
        if len(got) < PAGE:
            return found
        number += 1


def in_batches(ids: Sequence[str], call: Callable[[list[str]], Call[T]]) -> Flow[list[T]]:
    """The answers to the calls for all ``ids``, ``PAGE`` at a time.

    If one fails after others were done, ``PartialError.data["done"]`` has the ids of those.
    """
    answers: list[T] = []
    for start in range(0, len(ids), PAGE):
        try:
            answers.append((yield from ask(call(list(ids[start : start + PAGE])))))
        except RAGFlowError as error:
            if not start:
                raise
            raise _partial(error, ids[:start]) from error
    return answers


def _partial(error: RAGFlowError, done: Sequence[str]) -> PartialError:
    if not isinstance(error, APIError):
        error = APIError(str(error))
    return PartialError(
        f"{len(done)} were done before this failed: {error.message}",
        code=error.code,
        status_code=error.status_code,
        method=error.method,
        path=error.path,
        data={"done": list(done), "failed_with": error.data},
    )
