"""One key, two users: what a client with a scope sees of the local engine, and how it passes the scope on."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncDocument,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.transport.raw_server import chunk, http, serving, stream_head

QUESTION = "When does the harbour open?"
ASKED = [{"role": "user", "content": QUESTION}]
HOURS = {"red.txt": ("red", "six"), "blue.txt": ("blue", "seven"), "nobody.txt": (None, "eight")}


def where(team: str) -> dict[str, Any]:
    """The condition for documents of this team."""
    return {"conditions": [{"name": "team", "comparison_operator": "is", "value": team}]}


@dataclass
class Harbours:
    """Two datasets with a document for each team, and one for nobody."""

    client: AsyncRAGFlow
    north: AsyncDataSet
    south: AsyncDataSet
    documents: dict[str, AsyncDocument]

    def id(self, place: str, name: str) -> str:
        """Of a document."""
        return self.documents[f"{place} {name}"].id


@pytest.fixture
async def harbours(client: AsyncRAGFlow) -> Harbours:
    """All with the same words, so that only the scope tells them apart."""
    documents: dict[str, AsyncDocument] = {}
    north, south = await client.create_dataset("north"), await client.create_dataset("south")
    for dataset in (north, south):
        for name, (team, hour) in HOURS.items():
            blob = f"The harbour in the {dataset.name} opens at {hour}.".encode()
            (document,) = await dataset.upload_documents([{"display_name": name, "blob": blob}])
            if team:
                await document.update({"meta_fields": {"team": team}})
            documents[f"{dataset.name} {name}"] = document
        ids = [document.id for document in await dataset.list_documents()]
        await dataset.parse_documents(ids, interval=0.02)
    return Harbours(client, north, south, documents)


@pytest.fixture
async def red(harbours: Harbours) -> AsyncRAGFlow:
    """The client for the red team, in the north."""
    return harbours.client.scoped(Scope([harbours.north.id], metadata=where("red")))


@pytest.fixture
async def chat_id(harbours: Harbours) -> AsyncIterator[str]:
    """An assistant on the north."""
    chat = await harbours.client.create_chat("guide", dataset_ids=[harbours.north.id])
    yield chat.id
    await harbours.client.delete_chats([chat.id])


async def found(client: AsyncRAGFlow, dataset_ids: Sequence[str] | None = None, **options: Any) -> list[str]:
    """Which documents a question finds."""
    chunks = await client.retrieve(QUESTION, dataset_ids, similarity_threshold=0.0, **options)
    return sorted(f"{each.document_name} {each.content.split()[4]}" for each in chunks)


async def test_retrieval(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """The scope and what is asked for, in each way that both can be said."""
    client, north, south = harbours.client, harbours.north.id, harbours.south.id
    assert len(await found(client, [north, south])) == 6
    assert await found(red) == await found(red, [north, south]) == ["red.txt north"]
    assert await found(red, [south]) == []
    assert await found(red, metadata_condition=where("blue")) == []
    assert await found(red, document_ids=[harbours.id("north", "blue.txt")]) == []
    assert await found(red, document_ids=[harbours.id("north", "red.txt")]) == ["red.txt north"]
    two = [harbours.id("north", "red.txt"), harbours.id("south", "blue.txt")]
    some = client.scoped(Scope(document_ids=two))
    assert await found(some, [north, south]) == ["blue.txt south", "red.txt north"]
    assert await found(some, [north]) == ["red.txt north"]
    assert await found(some, [north, south], metadata_condition=where("blue")) == ["blue.txt south"]
    assert len(await found(client.scoped(Scope([north])))) == 3
    for nothing in (Scope([]), Scope([north], []), Scope([north], metadata=where("green"))):
        assert await found(client.scoped(nothing)) == []


async def test_many_results(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """``limit`` takes several pages: each is within the scope."""
    assert await found(red, limit=250) == ["red.txt north"]


async def test_what_is_there(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """Lists and single objects: what is outside is not there, and not counted."""
    datasets = await red.list_datasets()
    assert ([each.name for each in datasets], datasets.total) == (["north"], 1)
    assert [each.name async for each in red.iter_datasets()] == ["north"]
    assert (await red.get_dataset(name="north")).document_count == 0
    for asked in ({"dataset_id": harbours.south.id}, {"name": "south"}):
        with pytest.raises(NotFoundError):
            await red.get_dataset(**asked)
    north = datasets[0]
    documents = await north.list_documents()
    assert ([each.name for each in documents], documents.total) == (["red.txt"], 1)
    assert [each.name async for each in north.iter_documents()] == ["red.txt"]
    with pytest.raises(NotFoundError):
        await north.list_documents(name="blue.txt")


async def test_documents(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """A file and chunks: of what is within; and no longer when it is described otherwise."""
    mine = (await (await red.get_dataset(harbours.north.id)).list_documents())[0]
    assert b"six" in await mine.download()
    (listed,) = await mine.list_chunks()
    assert "six" in (await mine.get_chunk(listed.id)).content
    other = AsyncDocument._of(red, harbours.documents["north blue.txt"])
    for read in (other.download, other.list_chunks):
        with pytest.raises(NotFoundError):
            await read()
    await harbours.documents["north red.txt"].update({"meta_fields": {"team": "blue"}})
    with pytest.raises(NotFoundError):
        await mine.download()
    assert await found(red) == []


async def test_writing(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """Into whole datasets of the scope, by all steps of an upload; nowhere else."""
    north = harbours.client.scoped(Scope([harbours.north.id]))
    dataset = await north.get_dataset(harbours.north.id)
    assert dataset.document_count == 3
    (document,) = await dataset.upload(
        b"The harbour in the north closes at noon.",
        name="new.txt",
        meta_fields={"team": "red"},
        interval=0.02,
    )
    await document.add_chunk("The harbour in the north has a lighthouse.")
    assert "new.txt north" in await found(north)
    await dataset.delete_documents([document.id])
    with pytest.raises(NotFoundError):
        await dataset.delete_documents([harbours.id("south", "red.txt")])
    assert (await harbours.south.list_documents()).total == 3
    theirs = await red.get_dataset(harbours.north.id)
    with pytest.raises(UnsupportedError):
        await theirs.delete_documents(delete_all=True)
    with pytest.raises(UnsupportedError):
        await north.create_dataset("west")
    with pytest.raises(UnsupportedError):
        await north.delete_datasets([harbours.north.id])


async def test_answers(harbours: Harbours, chat_id: str) -> None:
    """A chat answers from the documents of the scope only, whole and streamed; from others not at all."""
    mine = [harbours.id("north", "red.txt"), harbours.id("south", "red.txt")]
    client = harbours.client.scoped(Scope([harbours.north.id], mine))
    assert [chat.id for chat in await client.list_chats()] == [chat_id]
    chat = await client.get_chat(chat_id)
    message = await chat.ask(QUESTION)
    assert [each.document_name for each in message.reference] == ["red.txt"]
    assert "six" in message.content
    last = [piece async for piece in await chat.ask(QUESTION, stream=True)][-1]
    assert [each.document_name for each in last.reference] == ["red.txt"]
    south = harbours.client.scoped(Scope([harbours.south.id]))
    assert await south.list_chats() == []
    with pytest.raises(NotFoundError):
        await south.get_chat(chat_id)
    with pytest.raises(NotFoundError):
        await south.chat(chat_id).ask(QUESTION)
    with pytest.raises(UnsupportedError):
        await client.chat_completions(chat_id, ASKED)


async def test_answers_by_metadata(red: AsyncRAGFlow, chat_id: str) -> None:
    """OpenAI's form takes a condition; RAGFlow's own does not."""
    whole = await red.chat_completions(chat_id, ASKED, reference=True)
    (cited,) = whole.choices[0].message.reference
    assert (cited.document_name, cited.document_metadata) == ("red.txt", None)
    pieces = [
        piece async for piece in await red.chat_completions(chat_id, ASKED, reference=True, stream=True)
    ]
    assert [each.document_name for each in pieces[-1].choices[0].delta.reference] == ["red.txt"]
    for stream in (False, True):
        with pytest.raises(UnsupportedError):
            await red.chat(chat_id).ask(QUESTION, stream=stream)


async def test_sessions(harbours: Harbours, chat_id: str) -> None:
    """Only those made through this client, which its twin and its copies with other options know as well."""
    client = harbours.client.scoped(Scope([harbours.north.id]))
    theirs = await (await harbours.client.get_chat(chat_id)).create_session("theirs")
    chat = await client.get_chat(chat_id)
    session = await chat.create_session("mine")
    assert "opens at" in (await session.ask(QUESTION)).content
    patient = client.with_options(timeout=99).chat(chat_id)
    assert [each.name for each in await patient.list_sessions()] == ["mine"]
    assert (await patient.get_session(session.id)).messages[-1].role == "assistant"
    with pytest.raises(NotFoundError):
        await chat.get_session(theirs.id)
    with pytest.raises(NotFoundError):
        await client.session(chat_id, theirs.id).ask(QUESTION)
    narrower = client.scoped(Scope([harbours.north.id]))
    assert await narrower.chat(chat_id).list_sessions() == []
    await chat.delete_sessions(delete_all=True)
    left = await (await harbours.client.get_chat(chat_id)).list_sessions()
    assert [each.name for each in left] == ["theirs"]


async def test_a_scope_only_narrows(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """A scope of a scoped client is within its own."""
    everything = red.scoped(Scope([harbours.north.id, harbours.south.id]))
    assert everything.scope == Scope([harbours.north.id], metadata=where("red"))
    assert await found(everything) == ["red.txt north"]
    blue = red.scoped(Scope(metadata=where("blue")))
    assert await found(blue) == []
    assert harbours.client.scope is None
    with pytest.raises(InvalidRequestError, match="give a Scope"):
        harbours.client.scoped([harbours.north.id])  # type: ignore[arg-type]


async def test_it_goes_along(harbours: Harbours, red: AsyncRAGFlow) -> None:
    """Twins, copies, other options and what comes from the client keep it; the origin stays as it was."""
    scope = red.scope
    for other in (red.as_sync(), red.as_async(), red.as_sync().as_async(), red.with_options(timeout=9)):
        assert other.scope == scope
        assert other.fingerprint == red.fingerprint
    assert red.as_sync().with_options(max_retries=0).as_async().scope == scope
    assert copy.copy(red).scope == copy.deepcopy({"client": red})["client"].scope == scope
    dataset = await red.get_dataset(harbours.north.id)
    assert dataset._client.scope == (await dataset.list_documents())[0]._client.scope == scope
    assert harbours.client.as_sync().scope is None
    assert f"scope={scope!r}" in repr(red)
    assert "scope" not in repr(harbours.client)


def test_a_pickle_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back with its scope and without the key."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "another")
    client = AsyncRAGFlow("secret", "http://127.0.0.1:9").scoped(Scope(["a"], metadata=where("red")))
    sent = pickle.dumps(client)
    back: AsyncRAGFlow = pickle.loads(sent)  # noqa: S301 - our own
    assert b"secret" not in sent
    assert back.scope == back.as_sync().scope == back.with_options(timeout=1).scope == client.scope
    assert back.scoped(Scope(["a", "b"])).scope == client.scope


def test_fingerprints() -> None:
    """One for each server, engine, key, set of headers and scope; the key is not in it."""
    clients = [
        AsyncRAGFlow("one", "http://127.0.0.1:9"),
        AsyncRAGFlow("two", "http://127.0.0.1:9"),
        AsyncRAGFlow("one", "http://127.0.0.1:8"),
        AsyncRAGFlow("one", "http://127.0.0.1:9", headers={"x-user": "ann"}),
        AsyncRAGFlow("one", "http://127.0.0.1:9").scoped(Scope(["a"])),
        AsyncRAGFlow("one", "http://127.0.0.1:9").scoped(Scope(["b"])),
        AsyncRAGFlow.local(),
        AsyncRAGFlow.local(),
    ]
    assert len({client.fingerprint for client in clients}) == len(clients)
    assert RAGFlow("one", "http://127.0.0.1:9", timeout=1).fingerprint == clients[0].fingerprint
    assert "one" not in clients[0].fingerprint


async def test_a_server_that_does_not_keep_to_it(connect: Connect) -> None:
    """What comes back is checked: one foreign chunk, and nothing is handed out, from a stream neither."""
    chunks = [{"id": str(n), "dataset_id": dataset, "document_id": "1"} for n, dataset in enumerate("ab")]
    with serving(http({"code": 0, "data": {"chunks": chunks, "total": 2}})) as (_, url):
        client = connect(url, server_version="0.27").scoped(Scope(["a"]))
        with pytest.raises(PermissionDeniedError):
            await client.retrieve(QUESTION)
    chat = http({"code": 0, "data": {"id": "c", "dataset_ids": [], "prompt_config": {}}})
    frames = [
        {"answer": "so", "final": False},
        {"answer": "", "final": True, "reference": {"chunks": chunks}},
    ]
    body = b"".join(b"data:" + json.dumps({"code": 0, "data": each}).encode() + b"\n\n" for each in frames)
    with serving(chat, stream_head() + chunk(body)) as (_, url):
        client = connect(url, server_version="0.27").scoped(Scope(["a"]))
        stream = await client.chat("c").ask(QUESTION, stream=True)
        assert (await stream.__anext__()).content == "so"
        with pytest.raises(PermissionDeniedError):
            await stream.__anext__()


async def test_nothing_is_sent_for_what_is_outside(connect: Connect) -> None:
    """Not a byte: not for ids outside, an empty scope, or a call that is refused."""
    with serving(http({"code": 0, "data": None})) as (server, url):
        client = connect(url, server_version="0.27").scoped(Scope(["a"], ["1"]))
        for outside in (
            partial(client.get_dataset, "b"),
            partial(client.list_datasets, id="b"),
            partial(client.session("c", "s").ask, "q"),
        ):
            with pytest.raises(NotFoundError):
                await outside()
        for refused in (
            client.list_agents,
            partial(client.create_dataset, "x"),
            partial(client.create_chat, "x"),
        ):
            with pytest.raises(UnsupportedError):
                await refused()
        assert await client.retrieve(QUESTION, ["b"]) == []
        assert await client.retrieve(QUESTION, document_ids=["2"]) == []
        assert await connect(url).scoped(Scope([])).retrieve(QUESTION) == []
        assert server.requests == []


async def test_the_version_is_asked_for(place: Place) -> None:
    """A scoped client finds out what its server is like any other; a server is not asked twice."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        scoped = client.scoped(Scope(["a"]))
        assert (await scoped.server_info()).api_version.startswith("0.27")
        assert (await scoped.health()).status == "ok"
