"""The client and a small knowledge base."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ragflow_integrations import AsyncDataSet, AsyncRAGFlow
from tests.client.conftest import LIGHT, Place

Connect = Callable[..., AsyncRAGFlow]


async def filled(client: AsyncRAGFlow, files: dict[str, bytes] = LIGHT) -> AsyncDataSet:
    """A dataset with these, parsed."""
    dataset = await client.create_dataset("facts")
    documents = await dataset.upload_documents(
        [{"display_name": name, "blob": blob} for name, blob in files.items()]
    )
    await dataset.parse_documents([document.id for document in documents], interval=0.05)
    return dataset


@pytest.fixture
async def client(place: Place) -> AsyncIterator[AsyncRAGFlow]:
    """A client of an empty knowledge base."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        yield client


@pytest.fixture
async def facts(client: AsyncRAGFlow) -> AsyncDataSet:
    """A dataset with parsed documents about Atlantis, zebras and tea."""
    return await filled(client)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """``connect(base_url, api_key, **options)`` is a client that is closed when the test ends."""
    clients: list[AsyncRAGFlow] = []

    def make(base_url: str, api_key: str = "key", **options: Any) -> AsyncRAGFlow:
        clients.append(AsyncRAGFlow(api_key, base_url, **options))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
