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
    """Requests to an application that asks for no key; ``{dataset}`` has two documents, ``{chat}`` nothing."""

    def __init__(self, engine: Engine, version: str) -> None:
        transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version=version))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
        self.version = version
        self.dataset = engine.create_dataset({"name": "ds"})["id"]
        for name in ("a.txt", "b.md"):
            engine.add_document(self.dataset, name, b"hello")
        self.chat = engine.create_chat({"name": "c"})["id"]

    async def __call__(self, path: str) -> Json:
        path = path.replace("{dataset}", self.dataset).replace("{chat}", self.chat)
        return dict((await self.http.get(path)).json())


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


NO_COLUMN = "AttributeError(\"type object '{}' has no attribute '{}'\")"
NO_INT = "ValueError(\"invalid literal for int() with base 10: '{}'\")"
Case = tuple[str, int, str | None]  # path, code, message (None: any)
CASES: dict[str, list[Case]] = {
    "0.27": [
        ("/files?orderby=create_date", 0, None),
        ("/files?orderby=id", 0, None),
        ("/agents?orderby=update_date", 0, None),
        ("/agents?orderby=name", 100, NO_COLUMN.format("UserCanvas", "name")),
        ("/searches?orderby=create_date", 0, None),
        ("/searches?orderby=", 100, NO_COLUMN.format("Search", "")),
        ("/chats?page_size=0&page=-1&desc=no", 0, None),
        ("/chats?page_size=101", 100, None),
        ("/datasets?page=0", 101, None),
        ("/datasets?zz=1", 101, None),
    ],
    "0.24": [
        ("/chats?name=none&page=x&orderby=zz", 102, "The chat doesn't exist"),
        ("/chats?page=x&orderby=zz", 100, NO_INT.format("x")),
        ("/chats?orderby=zz'", 100, "AttributeError(\"type object 'Dialog' has no attribute 'zz''\")"),
        ("/chats?orderby=update_date", 0, None),
        ("/chats?orderby=id", 0, None),
        ("/chats?orderby=", 100, NO_COLUMN.format("Dialog", "")),
        ("/chats/{chat}/sessions?orderby=create_date", 0, None),
        ("/chats/{chat}/sessions?page_size=None&orderby=zz", 100, NO_INT.format("None")),
        ("/agents?title=none&page_size=x&orderby=zz", 102, "The agent doesn't exist."),
        ("/agents?page_size=x&orderby=zz", 100, NO_INT.format("x")),
        ("/agents?orderby=id&page_size=%201%20", 0, None),
        ("/agents?orderby=zz_date", 100, NO_COLUMN.format("UserCanvas", "zz_date")),
        ("/file/list?page=x&parent_id=none&orderby=zz", 100, NO_INT.format("x")),
        ("/file/list?parent_id=none&orderby=zz", 404, "Folder not found!"),
        ("/file/list?orderby=update_date", 0, None),
        ("/datasets/{dataset}/documents?orderby=chunk_num", 0, None),
        (
            "/datasets/{dataset}/documents?orderby=chunk_count",
            100,
            NO_COLUMN.format("Document", "chunk_count"),
        ),
    ],
}


@BOTH
async def test_odd_queries(asked: Asked) -> None:
    """What is wrong is said in each version's order and words; each column that RAGFlow's tables have sorts."""
    wrong = []
    for path, code, message in CASES[asked.version]:
        answer = await asked(path)
        if answer["code"] != code or message not in (None, answer.get("message")):
            wrong.append((path, answer["code"], answer.get("message")))
    assert wrong == []


@pytest.mark.parametrize("version", ["0.24"])
async def test_lists_sorted_by_id(asked: Asked) -> None:
    """Documents and chats come in the order of their ids, up or down."""
    for name in ("one", "two"):
        await asked.http.post("/chats", json={"name": name})
    for path, rows in (("/datasets/{dataset}/documents", "docs"), ("/chats", None)):
        up, down = [(await asked(f"{path}?orderby=id&desc={desc}"))["data"] for desc in ("false", "true")]
        ids = [[row["id"] for row in (data[rows] if rows else data)] for data in (up, down)]
        assert len(ids[0]) > 1
        assert ids == [sorted(ids[0]), sorted(ids[0], reverse=True)], path
