"""The application over an engine in memory, for the tests of its routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.server.api import Api
from tests.local.server.replay import GatedEmbedder


@pytest.fixture
def embedder() -> GatedEmbedder:
    """Its gate is open unless a test shuts it."""
    return GatedEmbedder()


@pytest.fixture
async def api(embedder: GatedEmbedder) -> AsyncIterator[Api]:
    """The application over an engine in memory."""
    engine = await asyncio.to_thread(Engine, ":memory:", Choice(embedding=embedder))
    called = Api(engine)
    yield called
    await called.http.aclose()
    await asyncio.to_thread(engine.close)
