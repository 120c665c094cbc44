"""``/openapi.json``: what is served, and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app
from ragflow_integrations.local.server.app import dialect_of


@pytest.fixture(params=["0.24", "0.27"])
async def served(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """A version of the API, and its document as anybody gets it."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    transport = httpx.ASGITransport(build_app(engine, api_version=request.param))
    async with httpx.AsyncClient(transport=transport, base_url="http://local") as http:
        response = await http.get("/openapi.json")
    await asyncio.to_thread(engine.close)
    assert response.status_code == 200
    return request.param, response.json()


def test_all_routes_are_there(served: tuple[str, dict[str, Any]]) -> None:
    """Each verb of each path of the route table has an operation of its own name."""
    version, document = served
    routed = {
        (path, verb.lower())
        for table in dialect_of(version).tables().values()
        for path, verbs in table.items()
        for verb in verbs
    }
    operations = {
        (path, verb): each for path, verbs in document["paths"].items() for verb, each in verbs.items()
    }
    assert operations.keys() == routed
    names = [each["operationId"] for each in operations.values()]
    assert len(set(names)) == len(names)


def test_references_lead_somewhere(served: tuple[str, dict[str, Any]]) -> None:
    """Whatever is referred to is in the document."""
    _, document = served
    text = json.dumps(document)
    named = {part.partition('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert named <= document["components"]["schemas"].keys()


def test_bodies_are_the_models(served: tuple[str, dict[str, Any]]) -> None:
    """A route that validates shows its limits; the id of the path is not asked for in the body."""
    _, document = served
    body = document["paths"]["/api/v1/datasets/{dataset_id}"]["put"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/UpdateDataset"}
    schema = document["components"]["schemas"]["UpdateDataset"]
    assert (schema["properties"]["pagerank"]["maximum"], schema["additionalProperties"]) == (100, False)
    assert "dataset_id" not in schema["properties"]
    query = document["paths"]["/api/v1/datasets"]["get"]["parameters"]
    assert "page_size" in [each["name"] for each in query]


BESIDES = {
    "post /api/v1/chats/{chat_id}/completions": ["application/json", "text/event-stream"],
    "post /api/v1/agents_openai/{agent_id}/chat/completions": ["application/json", "text/event-stream"],
    "get /api/v1/datasets/{dataset_id}/documents/{document_id}": ["application/json", "*/*"],
    "get /api/v1/datasets/{dataset_id}/documents": ["application/json"],
}


def test_what_is_sent_besides_envelopes(served: tuple[str, dict[str, Any]]) -> None:
    """Streams and files are announced, OpenAI's objects are not called envelopes, and every route may fail in one."""
    _, document = served
    for operation, types in BESIDES.items():
        verb, path = operation.split()
        answers = document["paths"][path][verb]["responses"]
        assert list(answers["200"]["content"]) == types, operation
        is_envelope = "$ref" in answers["200"]["content"]["application/json"]["schema"]
        assert is_envelope is ("openai" not in path)
        assert "$ref" in answers["default"]["content"]["application/json"]["schema"]


def test_a_version_that_it_does_not_answer_as() -> None:
    """The error says which there are."""
    with pytest.raises(ValueError, match=r"api_version='0.25': give '0.27' or '0.24'"):
        dialect_of("0.25")
