"""Pages that are read straight from their JSON, and models that are built when they are first used."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from ragflow_integrations import NotFoundError, ServerError
from ragflow_integrations.models import ChunkFields, Model
from ragflow_integrations.protocol.documents import read_uploaded
from ragflow_integrations.protocol.envelope import payload
from ragflow_integrations.protocol.reading import at_once, models
from ragflow_integrations.protocol.wire import Request, Response

from .recorded import recorded

REQUEST = Request("POST", "/api/v1/retrieval")


class Found(Model):
    """As the reader of a retrieval has it."""

    chunks: list[ChunkFields] = Field(default_factory=list)
    total: Any = None


def read(body: bytes, status: int = 200) -> Found:
    return at_once(Found, REQUEST, Response(status, {}, body))


def answer(**data: Any) -> bytes:
    return json.dumps({"code": 0, "data": data, "message": ""}).encode()


CHUNKS: list[dict[str, Any]] = [
    {"id": "a", "content_with_weight": "x", "kb_id": ["d"], "positions": [[1, 2, 3, 4, 5]], "similarity": 1},
    {"chunk_id": "b", "content": "\u2028 é", "kb_id": "d", "available": None, "tag_feas": {"t": 0.5}},
]


@pytest.mark.parametrize("text", ["x" * 500, "知识库" * 99], ids=["plain", "other scripts"])
def test_the_same_as_object_by_object(text: str) -> None:
    """All spellings, nulls, unknown fields and the set of what was sent; whichever reader it is."""
    chunks = [{"content": text}, *CHUNKS]
    found = read(answer(chunks=chunks, total=7))
    one_by_one = models(ChunkFields, chunks, REQUEST)
    assert (found.chunks, found.total) == (one_by_one, 7)
    for mine, other in zip(found.chunks, one_by_one, strict=True):
        assert mine.model_fields_set == other.model_fields_set
        assert mine.model_dump() == other.model_dump()


@pytest.mark.parametrize(("version", "name"), [("v0.24", "ret.ok"), ("v0.27", "ret.ok")])
def test_the_same_of_real_servers(version: str, name: str) -> None:
    """A recorded retrieval is read as it is by way of dicts."""
    exchange = recorded(version, name)
    data = payload(exchange.request, exchange.response)
    found = at_once(Found, exchange.request, exchange.response)
    assert found.chunks == models(ChunkFields, data["chunks"], REQUEST)
    assert found.chunks


@pytest.mark.parametrize("empty", [None, {}, []])
def test_empty_lists(empty: Any) -> None:
    """Servers write an empty list in three ways, or leave it out."""
    assert read(answer(chunks=empty)).chunks == read(answer()).chunks == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud83d"'])
def test_json_that_only_python_reads(value: str) -> None:
    """What is no JSON in the strict sense is read all the same."""
    (chunk,) = read(b'{"code": 0, "data": {"chunks": [{"extra": %b}]}}' % value.encode()).chunks
    extra: Any = chunk.model_dump()["extra"]
    assert extra == "\ud83d" or not math.isfinite(extra)


@pytest.mark.parametrize("status", [200, 404])
def test_an_error_answer(status: int) -> None:
    """It is the exception that it always is, whatever else it holds."""
    body = json.dumps({"code": 102, "message": "You don't own the dataset", "data": {"chunks": CHUNKS}})
    with pytest.raises(NotFoundError, match="don't own"):
        read(body.encode(), status)


@pytest.mark.parametrize("code", ["null", "false", '"0"', "0.5"])
def test_another_code(code: str) -> None:
    """Only the number 0 is a success."""
    with pytest.raises(ServerError, match="no code"):
        read(b'{"code": %b, "data": {"chunks": []}}' % code.encode())


@pytest.mark.parametrize(
    ("chunks", "place"), [([{"content": 5}], "chunks.0.content"), ({"a": 1}, "chunks"), ("x", "chunks")]
)
def test_a_wrong_type(chunks: Any, place: str) -> None:
    """It is the server's error, with its place."""
    with pytest.raises(ServerError, match=rf"has not the shape .*: {place}: Input should be a valid"):
        read(answer(chunks=chunks))


@pytest.mark.parametrize("data", [None, [], "x"])
def test_no_object(data: Any) -> None:
    """An answer without the object is no empty page."""
    with pytest.raises(ServerError, match="has not the shape"):
        read(json.dumps({"code": 0, "data": data}).encode())


def test_an_upload_that_made_nothing() -> None:
    """A failure, whatever its code says: the caller gave at least one document."""
    response = Response(200, {"content-type": "application/json"}, b'{"code": 0, "data": []}')
    with pytest.raises(ServerError, match="no document"):
        read_uploaded(Request("POST", "/api/v1/datasets/d/documents"), response)


def test_models_are_built_when_they_are_used() -> None:
    """A client that is made builds no model; the first use of one builds that one."""
    program = (
        "from ragflow_integrations import RAGFlow\n"
        "from ragflow_integrations.models import Model\n"
        "RAGFlow('key', 'http://h')\n"
        "def kinds(kind): return [kind, *(each for one in kind.__subclasses__() for each in kinds(one))]\n"
        "def built(): return {kind.__name__ for kind in kinds(Model)[1:] if kind.__pydantic_complete__}\n"
        "assert len(kinds(Model)) > 20 and built() == set(), built()\n"
        "from ragflow_integrations.models import DocumentFields\n"
        "assert DocumentFields(size=1).size == 1 and built() == {'DocumentFields'}, built()\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=True)


def test_threads_build_a_model_at_the_same_time() -> None:
    """Each of them gets an object of the right kind, valid and with its own fields."""
    for _ in range(10):

        class Base(Model):
            size: int = 0

        class Fresh(Base):
            names: list[str] = Field(default_factory=list)

        with ThreadPoolExecutor(16) as threads:
            made = list(threads.map(lambda _, kind=Fresh: kind.model_validate({"names": ["a"]}), range(16)))
        assert made == [Fresh(names=["a"])] * 16
        assert all(type(one) is Fresh for one in made)
