"""Search applications, and the questions that servers find related."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ragflow_integrations import AsyncRAGFlow, AsyncSearch, InvalidRequestError, UnsupportedError
from ragflow_integrations.models import SearchFields
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay, replay
from tests.transport.raw_server import RawServer, http, serving

KEY = "ragflow-key"
SEARCH = {
    "code": 0,
    "message": "success",
    "data": {"id": "s1", "name": "eels", "search_config": {"kb_ids": ["d"]}},
}
CHUNK = {
    "id": "c",
    "content": "The eel is green.",
    "document_id": "x",
    "document_name": "eel.txt",
    "dataset_id": "d",
}


def stream(*data: object) -> bytes:
    """An answer as frames, as a server with v0.27's search completion sends it."""
    frames = b"".join(
        f"data:{json.dumps({'code': 0, 'message': '', 'data': each})}\n\n".encode() for each in data
    )
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(frames)}\r\n\r\n"
    return head.encode() + frames


ANSWER = stream(
    {"answer": "It is ", "reference": {}, "final": False},
    {"answer": "green. [ID:0]", "reference": {}, "final": False},
    {"answer": "", "reference": {"total": 1, "chunks": [CHUNK], "doc_aggs": []}, "final": True},
    True,
)


@pytest.fixture
def v027() -> Iterator[Replay]:
    """A real server's searches."""
    with replay("v0.27", "13_files", names=["search.list"]) as server:
        yield server


@pytest.fixture(params=[()])
def scripted(request: pytest.FixtureRequest) -> Iterator[tuple[RawServer, str]]:
    """A server with these answers."""
    with serving(*request.param) as server:
        yield server


def answers(*them: bytes) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scripted", [them], indirect=True)


@pytest.fixture
async def client(scripted: tuple[RawServer, str]) -> AsyncIterator[AsyncRAGFlow]:
    async with AsyncRAGFlow(KEY, scripted[1], server_version="0.27") as client:
        yield client


async def test_listed(v027: Replay) -> None:
    """With the number of all."""
    async with AsyncRAGFlow(KEY, v027.url, server_version="0.27") as client:
        found = await client.list_searches()
    (row,) = recorded("v0.27", "search.list").body["data"]["search_apps"]
    assert (found.total, found[0].name, found[0].id) == (1, row["name"], row["id"])


@answers(http({"code": 0, "data": {"search_id": "s1"}}), http(SEARCH))
async def test_created(client: AsyncRAGFlow) -> None:
    """The server tells an id, so the rest is fetched."""
    search = await client.create_search("eels")
    assert (search.id, search.name, search.search_config) == ("s1", "eels", {"kb_ids": ["d"]})


@answers(ANSWER)
async def test_asked(client: AsyncRAGFlow, scripted: tuple[RawServer, str]) -> None:
    """One message with what it rests on."""
    message = await AsyncSearch._of(client, SearchFields(id="s1")).ask("What colour?", dataset_ids=["d"])
    assert message.content == "It is green. [ID:0]"
    assert [each.document_name for each in message.reference] == ["eel.txt"]
    assert json.loads(scripted[0].requests[0].body) == {"question": "What colour?", "kb_ids": ["d"]}


@answers(ANSWER)
async def test_streamed(client: AsyncRAGFlow) -> None:
    """What is new, piece by piece; the reference comes last."""
    pieces = await AsyncSearch._of(client, SearchFields(id="s1")).ask("What colour?", stream=True)
    found = [piece async for piece in pieces]
    assert [piece.content for piece in found] == ["It is ", "green. [ID:0]", ""]
    assert (found[-1].final, len(found[-1].reference)) == (True, 1)


@answers(http({"code": 102, "message": "`kb_ids` is required."}))
async def test_without_datasets(client: AsyncRAGFlow) -> None:
    """The server's own words."""
    with pytest.raises(InvalidRequestError, match="kb_ids"):
        await AsyncSearch._of(client, SearchFields(id="s1")).ask("What colour?")


@answers(
    http({"code": 0, "data": {"id": "s1", "name": "fish", "search_config": {"kb_ids": ["d"]}}}),
    http({"code": 0, "data": {"id": "s1", "name": "fish", "search_config": {"kb_ids": ["d"], "top_k": 9}}}),
)
async def test_updated(client: AsyncRAGFlow, scripted: tuple[RawServer, str]) -> None:
    """The name that servers want is looked up: another client may have changed it since."""
    search = AsyncSearch._of(client, SearchFields(id="s1", name="eels"))
    assert await search.update({"search_config": {"top_k": 9}}) is search
    assert (search.name, search.search_config) == ("fish", {"kb_ids": ["d"], "top_k": 9})
    assert json.loads(scripted[0].requests[1].body) == {"name": "fish", "search_config": {"top_k": 9}}


@answers(http({"code": 0, "data": {"id": "s1", "name": "cods", "search_config": {}}}))
async def test_renamed(client: AsyncRAGFlow, scripted: tuple[RawServer, str]) -> None:
    """One call; its configuration stays."""
    search = await AsyncSearch._of(client, SearchFields(id="s1", name="eels")).update({"name": "cods"})
    assert search.name == "cods"
    assert [json.loads(each.body) for each in scripted[0].requests] == [{"search_config": {}, "name": "cods"}]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda client: client.create_search("n" * 256), "servers take 255 bytes at most"),
        (lambda client: client.create_search("eels", 5), "description=5: give a text"),
        (lambda client: client.list_searches(orderby="size"), "orderby='size': give one of create_time"),
        (lambda client: client.list_searches(desc="no"), "desc='no': give True or False"),
        (lambda client: client.list_searches(keywords=["a", "b"]), r"keywords=\['a', 'b'\]: give a text"),
        (lambda client: client.list_searches(page_size=101), "page_size=101"),
        (lambda client: of(client).update({"name": "ü" * 65}), "servers take 128 bytes at most"),
        (lambda client: of(client).update({"search_config": []}), r"search_config=\[\]: give a dict"),
        (lambda client: of(client).update({}), "name at least one field"),
        (lambda client: of(client).ask(" "), "question=' '"),
        (lambda client: of(client).ask("Eels?", dataset_ids=[]), r"dataset_ids=\[\]"),
    ],
)
async def test_what_is_refused(call: Callable[[AsyncRAGFlow], Any], said: str) -> None:
    """By field and value, before anything is sent: there is no server."""
    async with AsyncRAGFlow(KEY, "http://127.0.0.1:9", server_version="0.27", max_retries=0) as client:
        with pytest.raises(InvalidRequestError, match=said):
            await call(client)


def of(client: AsyncRAGFlow) -> AsyncSearch:
    """A search known by its id."""
    return AsyncSearch._of(client, SearchFields(id="s1"))


@answers(http({"code": 0, "data": ["How do eels breathe?", "What do eels eat?"]}))
async def test_related_questions(client: AsyncRAGFlow) -> None:
    """As texts."""
    assert await client.related_questions("Eels?") == ["How do eels breathe?", "What do eels eat?"]


async def test_on_v024() -> None:
    """There are no searches there; the error names the version that has them. Nothing is sent."""
    async with AsyncRAGFlow(KEY, "http://127.0.0.1:9", server_version="0.24", max_retries=0) as client:
        with pytest.raises(UnsupportedError, match=r"list_searches needs RAGFlow v0\.25\.1 or later"):
            await client.list_searches()
        with pytest.raises(UnsupportedError, match=r"Search\.ask needs RAGFlow v0\.25\.1"):
            await AsyncSearch._of(client, SearchFields(id="s1")).ask("Eels?")
