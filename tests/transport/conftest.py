"""Both clients, for tests of what carries their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ragflow_integrations import AsyncRAGFlow, RAGFlow

KEY = "ragflow-the-secret-key-of-this-test"
Act = Callable[[Any], Any]


def sync_client(url: str, **options: Any) -> RAGFlow:
    """Pinned to a version, so that nothing is asked but what a test asks."""
    return RAGFlow(KEY, url, server_version="0.27", **options)


def async_client(url: str, **options: Any) -> AsyncRAGFlow:
    """The same for event loops."""
    return AsyncRAGFlow(KEY, url, server_version="0.27", **options)


def sync_run(url: str, act: Act, **options: Any) -> Any:
    with sync_client(url, **options) as client:
        return act(client)


def async_run(url: str, act: Act, **options: Any) -> Any:
    async def main() -> Any:
        async with async_client(url, **options) as client:
            return await act(client)

    return asyncio.run(main())


@pytest.fixture(params=[sync_run, async_run], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``run(url, lambda client: client.list_datasets(), **options)`` by the one client or the other."""
    chosen: Callable[..., Any] = request.param
    return chosen
