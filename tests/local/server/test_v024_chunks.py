"""Chunks and retrieval as v0.24 answers them, in-process and for the official client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import ragflow_sdk

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.local.server import build_app
from tests.local.server.api import Api, Json


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The application over an engine in memory, as v0.24."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    called = Api(engine)
    transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version="0.24"))
    called.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
    yield called
    await called.http.aclose()
    await asyncio.to_thread(engine.close)


async def with_chunks(api: Api, *contents: str) -> tuple[str, str]:
    """A dataset and the path of the chunks of its document."""
    dataset = await api.dataset()
    path = f"/datasets/{dataset}/documents/{await api.document(dataset)}/chunks"
    for content in contents:
        assert (await api("POST", path, {"content": content}))["code"] == 0
    return dataset, path


@pytest.mark.parametrize("body", [{}, {"chunk_ids": []}, {"delete_all": True}, None])
async def test_deletes_that_wipe(api: Api, body: Json | None) -> None:
    """Naming nothing deletes all chunks of a document, and of that document only."""
    dataset, path = await with_chunks(api, "One.", "Two.")
    other = f"/datasets/{dataset}/documents/{await api.document(dataset, 'b.txt')}/chunks"
    await api("POST", other, {"content": "Three."})
    assert await api("DELETE", path, body) == {"code": 0}
    assert (await api("GET", path))["data"]["total"] == 0
    assert (await api("GET", other))["data"]["total"] == 1


async def test_what_v024_does_not_have(api: Api) -> None:
    """Tags and images are passed over, single chunks cannot be got, and nothing is switched."""
    _, path = await with_chunks(api)
    made = (await api("POST", path, {"content": "x", "tag_kwd": ["t"], "image_base64": "!"}))["data"]["chunk"]
    assert not {"tag_kwd", "image_id", "doc_type_kwd"} & made.keys()
    [listed] = (await api("GET", path))["data"]["chunks"]
    assert not {"tag_kwd", "tag_feas", "doc_type_kwd"} & listed.keys()
    for method, where in (
        ("GET", f"{path}/{made['id']}"),
        ("PATCH", f"{path}/{made['id']}"),
        ("PATCH", path),
    ):
        assert (await api(method, where))["message"] == "<MethodNotAllowed '405: Method Not Allowed'>"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"page": "a"}, 100),
        ({"page": 0}, 100),
        ({"page_size": 101}, 0),
        ({"page_size": "5"}, 0),
        ({"top_k": -1}, 100),
        ({"top_k": 0}, 0),
        ({"highlight": "x"}, 102),
    ],
)
async def test_numbers_of_a_retrieval(api: Api, more: Json, code: int) -> None:
    """Numbers are read strictly, but pages may be long."""
    dataset, _ = await with_chunks(api, "Zebras live in Africa.")
    answer = await api("POST", "/retrieval", {"dataset_ids": [dataset], "question": "zebras", **more})
    assert answer["code"] == code
    if code == 0:
        assert answer["data"]["total"] == (0 if "top_k" in more else 1)


async def test_dify_tells_what_is_missing(api: Api) -> None:
    """What is missing is no HTTP error, an unknown dataset is one."""
    answer = await api.http.post("/dify/retrieval", json={"query": "x"})
    said = {"code": 101, "data": None, "message": "required argument are missing: knowledge_id; "}
    assert (answer.status_code, answer.json()) == (200, said)
    answer = await api.http.post("/dify/retrieval", json={"query": "x", "knowledge_id": "y"})
    assert (answer.status_code, answer.json()["message"]) == (404, "Knowledgebase not found!")


def test_the_official_client() -> None:
    """Its calls about chunks and its retrieval work as with a server."""
    with Engine(":memory:") as engine, running_server(engine, api_version="0.24") as server:
        rag = ragflow_sdk.RAGFlow(server.api_key, server.base_url)
        dataset = rag.create_dataset("kb")
        [document] = dataset.upload_documents([{"display_name": "a.txt", "blob": b"x"}])
        chunk = document.add_chunk("Zebras live in Africa.", important_keywords=["zebra"])
        chunk.update({"content": "Zebras live in Africa and in zoos."})
        [listed] = document.list_chunks(keywords="zoos")
        assert (listed.id, listed.important_keywords) == (chunk.id, ["zebra"])
        [found] = rag.retrieve(dataset_ids=[dataset.id], question="Where are zoos?")
        assert found.content == "Zebras live in Africa and in zoos."
        document.delete_chunks([chunk.id])
        assert rag.retrieve(dataset_ids=[dataset.id], question="zebras") == []
