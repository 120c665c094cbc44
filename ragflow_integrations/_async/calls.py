"""What a group of the client's calls stands on when it has a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from .client import AsyncRAGFlow

__all__ = ["AsyncCalls"]


class AsyncCalls:
    """Mixed into ``AsyncRAGFlow``; its methods reach the client as those of a resource do."""

    @property
    def _client(self) -> AsyncRAGFlow:
        return cast("AsyncRAGFlow", self)
