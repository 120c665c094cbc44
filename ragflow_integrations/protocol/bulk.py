"""What takes more calls than one because servers limit how much one may name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import APIError, PartialError, RAGFlowError
from .wire import Call, Flow, T, ask

__all__ = ["PAGE", "in_batches"]

PAGE = 100
"""The most that servers from v0.26 give or take at once."""


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
