"""What speed stands on, in figures that do not depend on the machine: calls, connections, modules, characters."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import AsyncRAGFlow, RAGFlow
from ragflow_integrations.protocol import answers, joiner
from ragflow_integrations.protocol.answers import AnswerDecoder
from ragflow_integrations.protocol.decoding import decode
from ragflow_integrations.protocol.wire import Request
from tests.transport.raw_server import http, serving

ROOT = Path(__file__).parents[2]

# Reached on Python 3.11 with httpcore 1.0: 967 and 1305; 15 % above that.
SYNC_CALLS = 1110
ASYNC_CALLS = 1500


def row(number: int) -> dict[str, Any]:
    """A chunk as v0.27 sends it."""
    return {
        "id": f"{number:032x}",
        "content": "x" * 600,
        "content_ltks": "x" * 600,
        "dataset_id": "d" * 32,
        "doc_type_kwd": "",
        "document_id": "e" * 32,
        "document_keyword": "a.txt",
        "image_id": "",
        "important_keywords": [],
        "mom_id": "",
        "positions": [[1, 2, 3, 4, 5]],
        "row_id": None,
        "tag_kwd": [],
        "similarity": 0.5,
        "term_similarity": 0.5,
        "vector_similarity": 0.4,
    }


FOUND = {
    "chunks": [row(number) for number in range(30)],
    "total": 30,
    "doc_aggs": [{"doc_id": "e" * 32, "count": 30}],
}
RETRIEVAL = http({"code": 0, "data": FOUND})
LISTING = http({"code": 0, "data": [], "total_datasets": 0})


@pytest.fixture
def url() -> Iterator[str]:
    """A server that finds thirty chunks, whatever it is asked."""
    with serving(RETRIEVAL) as (_, url):
        yield url


@pytest.mark.parametrize(("which", "most"), [("sync", SYNC_CALLS), ("async", ASYNC_CALLS)])
def test_calls_of_a_retrieval(url: str, which: str, most: int) -> None:
    """One retrieval of thirty chunks, with its connection open, takes no more function calls than it did."""
    counting = [sys.executable, "-m", "tests.performance.counted", which, url]
    told = subprocess.run(counting, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert 0 < int(told) <= most


def test_connections_of_a_thousand_calls() -> None:
    """One after the other they are one connection; from many threads no more than may be under way."""
    with serving(LISTING) as (server, url), RAGFlow("key", url, max_concurrency=4) as client:
        for _ in range(500):
            client.list_datasets()
        assert server.connections == 1
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda _: client.list_datasets(), range(500)))
        assert server.connections <= 4
        assert len(server.requests) == 1000


async def test_connections_of_a_thousand_async_calls() -> None:
    """So it is in an event loop, when all are begun at once."""
    with serving(LISTING) as (server, url):
        async with AsyncRAGFlow("key", url, max_concurrency=4) as client:
            await asyncio.gather(*(client.list_datasets() for _ in range(1000)))
        assert server.connections <= 4
        assert len(server.requests) == 1000


HEAVY = (
    "langchain",
    "langgraph",
    "llama_index",
    "numpy",
    "apsw",
    "starlette",
    "uvicorn",
    "tiktoken",
    "openai",
)
LIBRARIES = ("httpx", "pydantic", "ssl", "asyncio", "json")


@pytest.mark.parametrize(
    ("statement", "not_loaded"),
    [
        ("import ragflow_integrations", HEAVY + LIBRARIES),
        ("from ragflow_integrations import NotFoundError", HEAVY + LIBRARIES),
        ("from ragflow_integrations import RAGFlow; RAGFlow('key', 'http://h')", (*HEAVY, "httpx")),
        ("from ragflow_integrations import AsyncRAGFlow; AsyncRAGFlow('key', 'http://h')", (*HEAVY, "httpx")),
        ("import langchain_ragflow", ("llama_index", *LIBRARIES[:2])),
        ("import llamaindex_ragflow", ("langchain", *LIBRARIES[:2])),
    ],
)
def test_modules_loaded(statement: str, not_loaded: tuple[str, ...]) -> None:
    """What is not used yet is not imported: no framework, no engine, and before the first name not even httpx."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    loaded = subprocess.check_output(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], text=True
    ).split()
    assert [name for name in loaded if name.split(".")[0].startswith(not_loaded)] == []


def cumulative(frames: int) -> bytes:
    """A stream of a v0.23 server, which repeats the answer in each frame."""
    said = ("word " * number for number in range(1, frames + 1))
    events = [
        json.dumps({"code": 0, "message": "", "data": {"answer": text, "reference": {}}}) for text in said
    ]
    return b"".join(b"data:" + event.encode() + b"\n\n" for event in [*events, '{"code": 0, "data": true}'])


def decoded(frames: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many characters of JSON such a stream costs."""
    count = 0

    def counting(data: bytes) -> Any:
        nonlocal count
        count += len(data)
        return decode(data)

    monkeypatch.setattr(joiner, "decode", counting)
    monkeypatch.setattr(answers, "decode", counting)
    decoder = AnswerDecoder(Request("POST", "/x"))
    text = "".join(message.content for message in decoder.feed(cumulative(frames)))
    list(decoder.end())
    assert text == decoder.partial == "word " * frames
    return count


def test_characters_decoded_of_a_cumulative_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in proportion to the answer, not to its square, which is what was sent."""
    once, twice = decoded(500, monkeypatch), decoded(1000, monkeypatch)
    assert twice <= 2.1 * once
    assert twice < len(cumulative(1000)) / 10
