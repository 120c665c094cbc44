"""Datasets and documents over the API of v0.24: what the recordings do not hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app
from tests.local.server.api import Api, Json


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The application as v0.24 over an engine in memory."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    called = Api(engine)
    await called.http.aclose()
    transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version="0.24"))
    called.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
    yield called
    await called.http.aclose()
    await asyncio.to_thread(engine.close)


async def names(api: Api, dataset: str) -> list[str]:
    """The names of a dataset's documents, in order."""
    docs = (await api("GET", f"/datasets/{dataset}/documents"))["data"]["docs"]
    return sorted(each["name"] for each in docs)


@pytest.mark.parametrize("body", [None, {}, {"ids": None}, {"ids": []}])
async def test_a_delete_without_ids_wipes(api: Api, body: Json | None) -> None:
    """Documents go all at once when no ids are named, as on v0.24."""
    dataset = await api.dataset()
    await api.document(dataset)
    assert await api("DELETE", f"/datasets/{dataset}/documents", body) == {"code": 0}
    assert await names(api, dataset) == []


async def test_a_delete_takes_what_is_there(api: Api) -> None:
    """The known documents go even if others are unknown, another dataset's among them; repeated ids are told."""
    dataset, other = await api.dataset("a"), await api.dataset("b")
    first, second = await api.document(dataset, "1.txt"), await api.document(dataset, "2.txt")
    foreign = await api.document(other, "3.txt")
    answer = await api("DELETE", f"/datasets/{dataset}/documents", {"ids": [first, foreign]})
    assert answer == {"code": 102, "message": f"Documents not found: ['{foreign}']"}
    assert (await names(api, dataset), await names(api, other)) == (["2.txt"], ["3.txt"])
    answer = await api("DELETE", f"/datasets/{dataset}/documents", {"ids": [second, second]})
    repeated = [f"Duplicate document ids: {second}"]
    assert answer == {"code": 0, "data": {"success_count": 1, "errors": repeated}}


async def test_an_update_is_made_whole_or_not(api: Api) -> None:
    """A wrong part of an update leaves the others undone."""
    dataset = await api.dataset()
    path = f"/datasets/{dataset}/documents/{await api.document(dataset)}"
    answer = await api("PUT", path, {"name": "b.txt", "chunk_method": "zz"})
    assert answer == {"code": 102, "message": "`chunk_method` zz doesn't exist"}
    assert await names(api, dataset) == ["a.txt"]


async def test_another_method_is_parsed_anew(api: Api) -> None:
    """Another chunk method takes the chunks and brings its own settings."""
    dataset = await api.dataset()
    document = await api.document(dataset)
    await asyncio.to_thread(api.engine.add_chunk, document, "one chunk")
    path = f"/datasets/{dataset}/documents/{document}"
    changed = (await api("PUT", path, {"chunk_method": "knowledge_graph"}))["data"]
    assert (changed["chunk_count"], changed["run"]) == (0, "UNSTART")
    assert (changed["chunk_method"], changed["parser_config"]["chunk_token_num"]) == ("knowledge_graph", 8192)


@pytest.mark.parametrize(
    "query", [{"page": "x"}, {"page_size": "-1"}, {"page_size": "10001"}, {"orderby": "zz"}]
)
async def test_wrong_paging_is_code_100(api: Api, query: Json) -> None:
    """What v0.24 fails at is an error here, which tells the value."""
    answer = await api("GET", f"/datasets/{await api.dataset()}/documents", params=query)
    assert (answer["code"], answer["data"]) == (100, None)
    assert str(next(iter(query.values()))) in answer["message"]


@pytest.mark.parametrize(
    ("condition", "total"),
    [
        ({}, 1),
        ({"logic": "or"}, 1),
        ({"conditions": []}, 1),
        ({"conditions": [{"name": "a", "comparison_operator": "is", "value": "1"}]}, 0),
    ],
)
async def test_a_condition_that_states_nothing(api: Api, condition: Json, total: int) -> None:
    """A ``metadata_condition`` without conditions does not narrow a list of documents, as it does on v0.27."""
    dataset = await api.dataset()
    await api.document(dataset)
    query = {"metadata_condition": json.dumps(condition)}
    found = await api("GET", f"/datasets/{dataset}/documents", params=query)
    assert found["data"]["total"] == total


async def test_the_model_of_a_dataset_with_chunks_stays(api: Api) -> None:
    """As on v0.24 another name is refused when there are chunks, even one of the same model."""
    dataset = await api.dataset()
    await asyncio.to_thread(api.engine.add_chunk, await api.document(dataset), "one chunk")
    answer = await api("PUT", f"/datasets/{dataset}", {"embedding_model": "embedding-3@ZHIPU-AI"})
    assert answer["code"] == 102
    assert answer["message"].startswith("When chunk_num (1) > 0, embedding_model must remain ")


async def test_an_embed_key_opens_downloads() -> None:
    """``/documents/{id}`` wants an embed key, and lets its owner's files out only."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    api = Api(engine)
    document = await api.document(await api.dataset())
    transport = httpx.ASGITransport(build_app(engine, api_version="0.24"))
    tenants = [engine, await asyncio.to_thread(engine.add_tenant, "ragflow-other")]
    embed_key, other = [(await asyncio.to_thread(each.list_keys))[0]["beta"] for each in tenants]
    async with httpx.AsyncClient(transport=transport, base_url="http://local/api/v1") as http:

        async def got(authorization: str) -> httpx.Response:
            return await http.get(f"/documents/{document}", headers={"Authorization": authorization})

        assert (await got(f"Bearer {embed_key}")).headers["content-disposition"].startswith("attachment")
        assert (await got(f"Bearer {other}")).json()["code"] == 102
        assert (await got(embed_key)).json() == {"code": 102, "message": 'Authorization is not valid!"'}
    await api.http.aclose()
    await asyncio.to_thread(engine.close)
