"""Values of wrong types in datasets, documents, chunks and retrieval: the codes and texts of both versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app
from tests.local.server.api import Api, Json

DATASET, DOCUMENT = "/datasets/{dataset}", "/datasets/{dataset}/documents/{document}"
CHUNKS = DOCUMENT + "/chunks"
CHUNK = CHUNKS + "/{chunk}"
PARSING = DATASET + "/chunks"
SEARCH = {"question": "x", "dataset_ids": ["{dataset}"]}

NO_GET = "AttributeError(\"'str' object has no attribute 'get'\")"
NO_OBJECT = "TypeError('JSON payload must be an object.')"
NO_FORM = "TypeError('Request body is not a valid form payload.')"
NO_INT = "TypeError(\"int() argument must be a string, a bytes-like object or a real number, not '{}'\")"
NO_FLOAT = "TypeError(\"float() argument must be a string or a real number, not '{}'\")"
NO_NUMBER = "ValueError(\"invalid literal for int() with base 10: '{}'\")"
NO_TEXT = "TypeError(\"expected string or bytes-like object, got '{}'\")"
NO_SUM = "TypeError(\"unsupported operand type(s) for +: '{}' and 'str'\")"
NO_JOIN = "TypeError('sequence item 0: expected str instance, int found')"
NO_LOOP = "TypeError(\"'{}' object is not iterable\")"
NO_HASH = "TypeError(\"unhashable type: '{}'\")"


@dataclass
class World:
    """An application of one version with a dataset, a document in it and a chunk in that."""

    api: Api
    ids: dict[str, str]

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Json:
        """The answer to a request in which ``{dataset}`` and the like stand for ids."""
        content = self._filled(body) if isinstance(body, str) else self._filled(json.dumps(body))
        headers = more.pop("headers", {"Content-Type": "application/json"})
        answer = await self.api.http.request(
            method, self._filled(path), content=content, headers=headers, **more
        )
        return dict(answer.json())

    def _filled(self, text: str) -> str:
        for name, identifier in self.ids.items():
            text = text.replace(f"{{{name}}}", identifier)
        return text


@pytest.fixture
def version() -> str:
    """The version that is spoken, unless a test says otherwise."""
    return "0.27"


@pytest.fixture
async def world(version: str) -> AsyncIterator[World]:
    """A world of this version."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    api = Api(engine)
    await api.http.aclose()
    transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version=version))
    api.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
    dataset = await api.dataset()
    document = await api.document(dataset)
    added = await api("POST", f"/datasets/{dataset}/documents/{document}/chunks", {"content": "x"})
    chunk = added["data"]["chunk"]["id"]
    yield World(api, {"dataset": dataset, "document": document, "chunk": chunk, "none": "0" * 31 + "1"})
    await api.http.aclose()
    await asyncio.to_thread(engine.close)


BOTH = pytest.mark.parametrize("version", ["0.27", "0.24"])
BODIES = [
    ('"text"', 100, NO_GET),
    ("[]", 100, NO_OBJECT),
    ("1", 100, NO_OBJECT),
    ("null", 100, NO_OBJECT),
    ("{", 100, "<BadRequest '400: Bad Request'>"),
    ("", 102, "`dataset_ids` is required."),
    ("{}", 102, "`dataset_ids` is required."),
]
IN_BOTH = [
    ("POST", "/retrieval", {**SEARCH, "question": 1}, 100, NO_TEXT.format("int")),
    ("POST", "/retrieval", {**SEARCH, "top_k": "x"}, 100, NO_NUMBER.format("x")),
    ("POST", "/retrieval", {**SEARCH, "top_k": None}, 100, NO_INT.format("NoneType")),
    ("POST", "/retrieval", {**SEARCH, "similarity_threshold": [0.1]}, 100, NO_FLOAT.format("list")),
    (
        "POST",
        "/retrieval",
        {**SEARCH, "vector_similarity_weight": "a"},
        100,
        "ValueError(\"could not convert string to float: 'a'\")",
    ),
    ("POST", "/retrieval", {**SEARCH, "highlight": 1}, 102, "`highlight` should be a boolean"),
    ("POST", "/retrieval", {**SEARCH, "document_ids": None}, 102, "`documents` should be a list"),
    ("POST", "/retrieval", {**SEARCH, "dataset_ids": "x"}, 102, "`dataset_ids` should be a list"),
    ("POST", "/retrieval", {**SEARCH, "metadata_condition": "x"}, 100, NO_GET),
    ("POST", PARSING, {"document_ids": 1}, 100, NO_LOOP.format("int")),
    ("POST", PARSING, {"document_ids": [1, None, 10**30]}, 102, f"not found: [1, None, {10**30}]"),
    ("POST", PARSING, {"document_ids": [[]]}, 100, NO_HASH.format("list")),
    ("POST", PARSING, {"document_ids": []}, 102, "`document_ids` is required"),
    ("DELETE", CHUNKS, {"chunk_ids": [1]}, 102, "rm_chunk deleted chunks 0, expect 1"),
    ("DELETE", CHUNKS, {"chunk_ids": 1}, 100, NO_LOOP.format("int")),
    ("POST", CHUNKS, {"content": 1}, 100, NO_SUM.format("int")),
    ("POST", CHUNKS, {"content": [1]}, 100, "TypeError('can only concatenate list (not \"str\") to list')"),
    ("POST", CHUNKS, {"content": " \n"}, 102, "`content` is required"),
    (
        "POST",
        CHUNKS,
        {"content": 1, "questions": "x"},
        102,
        "`questions` is required to be a list",
    ),
    ("PUT", CHUNK, {"content": True}, 100, NO_TEXT.format("bool")),
    ("PUT", CHUNK, {"important_keywords": "x"}, 102, "`important_keywords` should be a list"),
    ("PUT", CHUNK, {"questions": [1]}, 100, NO_JOIN),
    ("PUT", CHUNK, {"available": None}, 100, NO_INT.format("NoneType")),
    ("PUT", CHUNK, {"available": ""}, 100, NO_NUMBER.format("")),
    ("PUT", DOCUMENT, {"enabled": None}, 100, NO_INT.format("NoneType")),
    ("PUT", DATASET, {"parser_config": {"raptor": 1}}, 101, "instance of RaptorConfig> - Value: <1>"),
    ("PUT", DATASET, {"parser_config": {"graphrag": 1}}, 101, "instance of GraphragConfig> - Value: <1>"),
    ("PUT", DATASET, {"parser_config": 1}, 101, "instance of ParserConfig> - Value: <1>"),
]
IN_V027 = [
    ("POST", CHUNKS, {"content": None}, 102, "`content` is required"),
    (
        "POST",
        CHUNKS,
        {"content": "x", "important_keywords": [1]},
        102,
        "`important_keywords` must be a list of strings",
    ),
    ("DELETE", PARSING, {"document_ids": [1]}, 102, "you don't own the document 1"),
    (
        "POST",
        "/retrieval",
        {**SEARCH, "rerank_id": "zz@zz"},
        100,
        "LookupError('Provider zz not found for model zz@zz.')",
    ),
    ("POST", DATASET + "/documents/stop", {"document_ids": "x"}, 102, "`document_ids` is required"),
    (
        "POST",
        DATASET + "/documents?type=empty",
        {"name": 1},
        100,
        "AttributeError(\"'int' object has no attribute 'strip'\")",
    ),
    (
        "POST",
        "/datasets",
        {"name": "x", "auto_metadata_config": 1},
        101,
        "instance of AutoMetadataConfig> - Value: <1>",
    ),
]
IN_V024 = [
    ("POST", CHUNKS, {"content": None}, 100, NO_SUM.format("NoneType")),
    ("POST", CHUNKS, {"content": "x", "important_keywords": [1]}, 100, NO_JOIN),
    ("DELETE", PARSING, {"document_ids": [1]}, 102, "You don't own the document 1."),
    ("DELETE", CHUNKS, {"chunk_ids": None}, 100, NO_LOOP.format("NoneType")),
    (
        "DELETE",
        DATASET + "/documents/{none}/chunks",
        {},
        100,
        'LookupError("Can\'t find the document with ID {none}!")',
    ),
    (
        "POST",
        "/retrieval",
        {**SEARCH, "rerank_id": "zz"},
        100,
        "LookupError('Model(zz@None) not authorized')",
    ),
    (
        "POST",
        "/retrieval",
        {**SEARCH, "rerank_id": "zz@OpenAI"},
        100,
        "LookupError('Model(zz@OpenAI) not authorized')",
    ),
    (
        "POST",
        "/datasets",
        {"name": "x", "embedding_model": "text-embedding-3-small@OpenAI"},
        101,
        "Unauthorized model: <text-embedding-3-small@OpenAI>",
    ),
    (
        "POST",
        "/datasets",
        {"name": "x", "embedding_model": "zz@OpenAI"},
        101,
        "Unsupported model: <zz@OpenAI>",
    ),
    ("POST", "/retrieval", {**SEARCH, "page": "a"}, 100, NO_NUMBER.format("a")),
    ("PUT", DOCUMENT, {"name": 1}, 100, "AttributeError(\"'int' object has no attribute 'encode'\")"),
    ("PUT", DOCUMENT, {"name": None}, 100, "AttributeError(\"'NoneType' object has no attribute 'encode'\")"),
    ("PUT", DOCUMENT, {"chunk_method": []}, 100, NO_HASH.format("list")),
    ("PUT", DOCUMENT, {"chunk_method": None}, 102, "`chunk_method` None doesn't exist"),
]


@BOTH
@pytest.mark.parametrize(("body", "code", "message"), BODIES)
async def test_bodies(world: World, body: str, code: int, message: str) -> None:
    """What is no object is code 100; no body is an empty object."""
    answer = await world("POST", "/retrieval", body)
    assert (answer["code"], answer["message"]) == (code, message)


async def test_bodies_that_are_no_json(world: World) -> None:
    """A form's texts count as the object; any other body without JSON's content type is none."""
    for kind in ("text/plain", "application/xml"):
        answer = await world("POST", "/retrieval", "{}", headers={"Content-Type": kind})
        assert answer == {"code": 100, "message": NO_FORM, "data": None}
    form = {"dataset_ids": "x", "question": "x"}
    answer = dict((await world.api.http.post("/retrieval", data=form)).json())
    assert answer == {"code": 102, "message": "`dataset_ids` should be a list"}


@pytest.mark.parametrize(
    ("version", "method", "path", "body", "code", "message"),
    [
        *(("0.27", *each) for each in IN_BOTH + IN_V027),
        *(("0.24", *each) for each in IN_BOTH + IN_V024),
    ],
)
async def test_wrong_types(
    world: World,
    method: str,
    path: str,
    body: Json,
    code: int,
    message: str,
) -> None:
    """Each is refused with the server's code and text, and changes nothing."""
    before = await world("GET", CHUNKS)
    answer = await world(method, path, body)
    assert answer["code"] == code
    assert answer["message"].endswith(message.replace("{none}", world.ids["none"]))
    assert await world("GET", CHUNKS) == before


@BOTH
async def test_times_that_are_none(world: World) -> None:
    """The bounds of a list's times are whole numbers."""
    for name in ("create_time_from", "create_time_to"):
        answer = await world("GET", DATASET + "/documents", params={name: "soon"})
        assert (answer["code"], answer["message"]) == (100, NO_NUMBER.format("soon"))


@pytest.mark.parametrize("version", ["0.24"])
async def test_pages_without_an_end(world: World) -> None:
    """v0.24 has no limit for pages of datasets."""
    answer = await world("GET", "/datasets", params={"page_size": "9" * 30})
    assert (answer["code"], len(answer["data"])) == (0, 1)
