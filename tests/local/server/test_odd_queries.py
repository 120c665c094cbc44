"""Odd queries: repeated parameters and what is no page, order or number, as both versions read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app

Json = dict[str, Any]
BOTH = pytest.mark.parametrize("version", ["0.27", "0.24"])


class Asked:
    """Requests to an application that asks for no key; ``{dataset}`` stands for one with two documents."""

    def __init__(self, engine: Engine, version: str) -> None:
        transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version=version))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
        self.version = version
        self.dataset = engine.create_dataset({"name": "ds"})["id"]
        for name in ("a.txt", "b.md"):
            engine.add_document(self.dataset, name, b"hello")

    async def __call__(self, path: str) -> Json:
        return dict((await self.http.get(path.replace("{dataset}", self.dataset))).json())


@pytest.fixture
async def asked(version: str) -> AsyncIterator[Asked]:
    """A server of this version."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    requests = await asyncio.to_thread(Asked, engine, version)
    yield requests
    await requests.http.aclose()
    await asyncio.to_thread(engine.close)


@BOTH
async def test_of_a_repeated_parameter_the_first_counts(asked: Asked) -> None:
    """A list that takes one value reads the first, one that takes several all of them."""
    for path, wrong in (("/datasets", 101), ("/chats", 100 if asked.version == "0.24" else 101)):
        assert (await asked(f"{path}?orderby=create_time&orderby=zz"))["code"] == 0, path
        assert (await asked(f"{path}?orderby=zz&orderby=create_time"))["code"] == wrong, path
    documents = "/datasets/{dataset}/documents"
    assert len((await asked(f"{documents}?page_size=1&page_size=2"))["data"]["docs"]) == 1
    assert len((await asked(f"{documents}?suffix=txt&suffix=md"))["data"]["docs"]) == 2
    assert [doc["name"] for doc in (await asked(f"{documents}?name=a.txt&name=b.md"))["data"]["docs"]] == [
        "a.txt"
    ]


@pytest.mark.parametrize("version", ["0.27"])
async def test_of_a_repeated_field_of_a_form_the_first_counts(asked: Asked) -> None:
    """An upload goes below the ``parent_path`` that comes first."""
    parts = [("parent_path", (None, b"one")), ("parent_path", (None, b"two")), ("file", ("c.txt", b"x"))]
    answer = await asked.http.post(f"/datasets/{asked.dataset}/documents", files=parts)
    assert [document["location"] for document in answer.json()["data"]] == ["one/c.txt"]
