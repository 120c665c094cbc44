"""The managed index: documents come, change and go by their ids, from any process, and the server answers."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

from llamaindex_ragflow import RAGFlowIndex, RunContext
from llamaindex_ragflow._run import called_with
from llamaindex_ragflow.events import ParseProgress
from ragflow_integrations import (
    ConfigurationError,
    ConnectError,
    InvalidRequestError,
    NotFoundError,
    ParseFailedError,
    RAGFlow,
    RequestTimeoutError,
    Scope,
    UnsupportedError,
)
from ragflow_integrations.testing import watched
from tests.llamaindex.conftest import Call, Seen
from tests.llamaindex.faults import broken, fetching

LAMPS = Document(
    id_="lamps", text="Lamps are lit at dusk.", metadata={"file_name": "Lamps & oil.md", "year": 2025}
)
BOATS = Document(id_="boats", text="Boats are painted blue.", metadata={"team": "crew", "tags": ["a", "b"]})
NEW_LAMPS = Document(id_="lamps", text="Lamps are lit at noon.", metadata=LAMPS.metadata)


@pytest.fixture(params=["0.27", "0.24"])
def client(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine, in both dialects."""
    with RAGFlow.local(api_version=request.param) as opened:
        yield opened


@pytest.fixture
def index(client: RAGFlow) -> RAGFlowIndex:
    """On a dataset that is not there yet."""
    return RAGFlowIndex(dataset_name="notes", poll_interval=0.02, client=client)


def texts(client: RAGFlow, name: str = "notes") -> dict[str, str]:
    """What is found in the dataset, by the documents' names without their marks."""
    held = client.get_dataset(name=name)
    return {
        one.document_name.partition("-")[0]: one.content.strip()
        for one in client.retrieve("lamps boats", [held.id], similarity_threshold=0.0)
    }


def stored(client: RAGFlow, name: str = "notes") -> int:
    """How many documents RAGFlow has."""
    return len(list(client.get_dataset(name=name).iter_documents()))


async def test_a_life(index: RAGFlowIndex, client: RAGFlow, call: Call) -> None:
    """Inserted, found with its metadata, changed, refreshed, deleted: by plain calls and in coroutines."""
    await call(index, "insert", LAMPS)
    assert await call(index, "refresh_ref_docs", [LAMPS, BOATS]) == [False, True]
    retriever = index.as_retriever(similarity_top_k=9, similarity_threshold=0.0)
    found = {one.text.strip(): one.node for one in await retriever.aretrieve("lamps")}
    assert found.keys() == {LAMPS.text, BOATS.text}
    assert found[LAMPS.text].metadata["document_name"].startswith("Lamps _ oil-")
    assert found[LAMPS.text].metadata["document_name"].endswith(".md")
    await call(index, "update_ref_doc", NEW_LAMPS)
    assert await asyncio.to_thread(texts, client) == {"Lamps _ oil": NEW_LAMPS.text, "document": BOATS.text}
    assert await call(index, "refresh_ref_docs", [NEW_LAMPS, BOATS]) == [False, False]
    await call(index, "delete_ref_doc", "lamps")
    await call(index, "delete_ref_doc", "unknown")
    await call(index, "delete_ref_doc", found[BOATS.text].ref_doc_id)
    assert await asyncio.to_thread(stored, client) == 0


async def test_from_documents(client: RAGFlow) -> None:
    """Twice the same: the second time nothing is sent but the look at what is there."""
    settings: dict[str, Any] = {"dataset_name": "notes", "poll_interval": 0.02}
    with watched(client) as watch:
        await RAGFlowIndex.afrom_documents([LAMPS, BOATS], async_client=watch.client.as_async(), **settings)
        watch.exchanges.clear()
        again = await asyncio.to_thread(
            RAGFlowIndex.from_documents, [LAMPS, BOATS], client=watch.client, **settings
        )
        assert {one.method for one in watch.exchanges} == {"GET"}
        assert len(watch.exchanges) <= 4
        assert await again.arefresh_ref_docs([]) == []
    assert await asyncio.to_thread(stored, client) == 2


def test_filters_by_metadata(index: RAGFlowIndex) -> None:
    """Numbers are numbers: the retriever's filters read the metadata that a document was given."""
    index.refresh_ref_docs([LAMPS, BOATS])
    recent = MetadataFilter(key="year", operator=FilterOperator.GTE, value=2025)
    (found,) = index.as_retriever(filters=MetadataFilters(filters=[recent])).retrieve("lamps boats")
    assert found.text.strip() == LAMPS.text


async def test_what_is_there(index: RAGFlowIndex, client: RAGFlow) -> None:
    """By the ids that it was given, and for what others brought by RAGFlow's; with chunks and metadata."""
    await index.arefresh_ref_docs([LAMPS, BOATS])
    dataset = await asyncio.to_thread(client.get_dataset, name="notes")
    (theirs,) = await asyncio.to_thread(dataset.upload, b"Theirs.", name="theirs.txt", interval=0.02)
    told = await index.aref_doc_info()
    assert told == await asyncio.to_thread(lambda: index.ref_doc_info)
    assert told.keys() == {"lamps", "boats", theirs.id}
    assert (told["lamps"].metadata, told["boats"].metadata) == (LAMPS.metadata, BOATS.metadata)
    found = await index.as_retriever(similarity_threshold=0.0).aretrieve("lamps")
    assert {one.node_id for one in found} == {id for info in told.values() for id in info.node_ids}
    await index.adelete_ref_doc(theirs.id)
    assert (await index.aref_doc_info()).keys() == {"lamps", "boats"}


def test_refreshed_by_another_process(tmp_path: Path) -> None:
    """A process that knows nothing but the documents leaves what is unchanged and brings in what is new."""
    folder = f"local:{tmp_path}"

    def documents(**texts: str) -> list[Document]:
        return [Document(id_=id, text=text, metadata={"year": 2025}) for id, text in texts.items()]

    with RAGFlowIndex(dataset_name="notes", base_url=folder, poll_interval=0.02) as index:
        assert index.refresh_ref_docs(documents(a="Lamps.", b="Boats.")) == [True, True]
    code = f"""
        from llama_index.core.schema import Document
        from llamaindex_ragflow import RAGFlowIndex
        texts = {{"a": "Lamps.", "b": "Blue boats.", "c": "Oil."}}
        documents = [Document(id_=id, text=text, metadata={{"year": 2025}}) for id, text in texts.items()]
        with RAGFlowIndex(dataset_name="notes", base_url={folder!r}, poll_interval=0.02) as index:
            print(index.refresh_ref_docs(documents), sorted(index.ref_doc_info))
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[False, True, True] ['a', 'b', 'c']\n"), done.stderr
    with RAGFlowIndex(dataset_name="notes", base_url=folder, poll_interval=0.02) as index:
        assert index.refresh_ref_docs(documents(a="Lamps.", b="Blue boats.")) == [False, False]


def test_metadata_counts(index: RAGFlowIndex) -> None:
    """Other metadata of the same text is a change; what RAGFlow does not keep is none."""
    index.insert(LAMPS)
    later = Document(id_="lamps", text=LAMPS.text, metadata={**LAMPS.metadata, "year": 2026})
    assert index.refresh_ref_docs([later]) == [True]
    blank = Document(id_="lamps", text=LAMPS.text, metadata={**later.metadata, "note": None, "tags": []})
    assert index.refresh_ref_docs([blank]) == [False]
    assert index.ref_doc_info["lamps"].metadata == later.metadata


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ("DataSet.upload_documents", 0),
        ("Document.update", 0),
        ("Document.update", 1),
        ("DataSet.async_parse_documents", 0),
        ("DataSet.list_documents", 1),
    ],
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_fault_leaves_everything_as_it_was(client: RAGFlow, operation: str, after: int, way: str) -> None:
    """Wherever the connection breaks: nothing new is found, the old version is, and the next try goes through."""
    settings: dict[str, Any] = {"dataset_name": "notes", "poll_interval": 0.02}
    RAGFlowIndex.from_documents([LAMPS], client=client, **settings)
    with broken(client, operation, after=after) as fragile:
        index = RAGFlowIndex(client=fragile, **settings)
        with pytest.raises(ConnectError, match=operation):
            if way == "sync":
                index.refresh_ref_docs([NEW_LAMPS, BOATS])
            else:
                asyncio.run(index.arefresh_ref_docs([NEW_LAMPS, BOATS]))
    assert (texts(client), stored(client)) == ({"Lamps _ oil": LAMPS.text}, 1)
    assert RAGFlowIndex(client=client, **settings).refresh_ref_docs([NEW_LAMPS, BOATS]) == [True, True]
    assert texts(client) == {"Lamps _ oil": NEW_LAMPS.text, "document": BOATS.text}


@pytest.mark.parametrize("operation", ["DataSet.delete_documents", "Document.update"])
def test_what_cannot_be_cleaned_up_is_next_time(client: RAGFlow, operation: str) -> None:
    """The connection is gone for good, or the process is killed: what it left is replaced by the next refresh."""
    settings: dict[str, Any] = {"dataset_name": "notes", "poll_interval": 0.02}
    RAGFlowIndex.from_documents([LAMPS], client=client, **settings)
    with (
        broken(client, "DataSet.delete_documents", operation) as fragile,
        pytest.raises(ConnectError) as told,
    ):
        RAGFlowIndex(client=fragile, **settings).refresh_ref_docs([NEW_LAMPS])
    assert stored(client) == 2
    if operation == "Document.update":
        assert "could not be removed" in told.value.__notes__[0]
        assert texts(client) == {"Lamps _ oil": LAMPS.text}
    RAGFlowIndex(client=client, **settings).refresh_ref_docs([NEW_LAMPS])
    assert (stored(client), texts(client)) == (1, {"Lamps _ oil": NEW_LAMPS.text})


def test_what_cannot_be_parsed() -> None:
    """It is told by its id and stays as it was; the others are there."""

    def embedding(parts: list[str]) -> list[list[float]]:
        if any("poison" in part for part in parts):
            raise RuntimeError("cannot embed this")
        return [[1.0, float(len(part))] for part in parts]

    with RAGFlow.local(embedding=embedding) as client:
        index = RAGFlowIndex(dataset_name="notes", poll_interval=0.02, client=client)
        index.insert(LAMPS)
        with pytest.raises(ParseFailedError, match="cannot embed this") as told:
            index.refresh_ref_docs([Document(id_="lamps", text="poison"), BOATS])
        assert [name for name, _ in told.value.failures] == ["lamps"]
        assert (texts(client), stored(client)) == ({"Lamps _ oil": LAMPS.text, "document": BOATS.text}, 2)


def test_what_takes_too_long() -> None:
    """Each document is as it was or as it is now: one that is late is removed, one that was in time is there."""
    released = threading.Event()

    def embedding(parts: list[str]) -> list[list[float]]:
        if any("slow" in part for part in parts):
            released.wait(60)
        return [[1.0, float(len(part))] for part in parts]

    with RAGFlow.local(embedding=embedding) as client:
        settings: dict[str, Any] = {"dataset_name": "notes", "poll_interval": 0.02, "client": client}
        RAGFlowIndex.from_documents([LAMPS], **settings)
        try:
            with pytest.raises(RequestTimeoutError):
                RAGFlowIndex(parse_timeout=5, **settings).refresh_ref_docs(
                    [NEW_LAMPS, Document(id_="slow", text="slow")]
                )
        finally:
            released.set()
        assert (texts(client), stored(client)) == ({"Lamps _ oil": NEW_LAMPS.text}, 1)


def test_without_waiting(client: RAGFlow) -> None:
    """New documents are found later; one that changed is waited for, so that one version is found at any time."""
    index = RAGFlowIndex(dataset_name="notes", wait=False, poll_interval=0.02, client=client)
    with watched(client) as watch:
        quick = RAGFlowIndex(dataset_name="notes", wait=False, client=watch.client)
        assert quick.refresh_ref_docs([LAMPS, BOATS]) == [True, True]
        assert [one.operation for one in watch.exchanges][-1] == "DataSet.async_parse_documents"
    dataset = client.get_dataset(name="notes")
    while any(one.run == "RUNNING" for one in dataset.iter_documents()):
        assert index.refresh_ref_docs([LAMPS]) == [False]
    assert index.refresh_ref_docs([NEW_LAMPS]) == [True]
    assert texts(client) == {"Lamps _ oil": NEW_LAMPS.text, "document": BOATS.text}


async def test_progress(client: RAGFlow, seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    """An event at each look, and a bar if one is wanted."""
    settings: dict[str, Any] = {"dataset_name": "notes", "poll_interval": 0.02, "client": client}
    await RAGFlowIndex.afrom_documents([LAMPS, BOATS], **settings)
    last = [event for event in seen.events if isinstance(event, ParseProgress)][-1]
    assert (last.finished, last.total, last.fraction) == (2, 2, 1.0)
    assert capsys.readouterr().err == ""
    await RAGFlowIndex.afrom_documents([NEW_LAMPS], show_progress=True, **settings)
    assert "parsing" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["sync", "async"])
def test_num_workers(client: RAGFlow, way: str) -> None:
    """So many documents are described at a time, in threads and as tasks, and no more."""
    many = [Document(id_=str(n), text=f"Ship number {n}.") for n in range(12)]
    RAGFlowIndex.from_documents(many[:1], dataset_name="ships", poll_interval=0.02, client=client)
    with watched(client) as watch:
        settings: dict[str, Any] = {"dataset_name": "ships", "wait": False, "client": watch.client}
        index = RAGFlowIndex(num_workers=3, **settings)
        if way == "sync":
            index.refresh_ref_docs(many)
        else:
            asyncio.run(index.arefresh_ref_docs(many))
        assert watch.most_at_once == 3


async def test_files(index: RAGFlowIndex, tmp_path: Path, call: Call) -> None:
    """RAGFlow reads them itself; their ids are RAGFlow's, their metadata is ours, and twice is once."""
    (tmp_path / "a.md").write_text("# Lamps\n\nLamps are lit at dusk.")
    (tmp_path / "b.txt").write_text("Boats are painted blue.")
    ids = await call(index, "insert_file", tmp_path, metadata={"team": "crew"})
    assert await call(index, "insert_file", tmp_path, metadata={"team": "crew"}) == ids
    assert await call(index, "insert_file", b"Oil.", name="oil.txt") != ids
    told = await index.aref_doc_info()
    assert told[ids[0]].metadata == {"team": "crew"}
    (found, *_) = await index.as_retriever(similarity_top_k=1).aretrieve("when are lamps lit")
    assert found.node.ref_doc_id == ids[0]
    await index.adelete_ref_doc(ids[0])
    assert ids[0] not in await index.aref_doc_info()


async def test_web_pages(client: RAGFlow) -> None:
    """The server fetches them; they have our metadata, and go where they cannot be parsed or described."""
    settings: dict[str, Any] = {"dataset_name": "notes", "poll_interval": 0.02}
    if client.server_info().api_version.startswith("0.24"):
        with pytest.raises(UnsupportedError, match="0.25.1"):
            await RAGFlowIndex(client=client, **settings).ainsert_url("https://example.com")
        return
    index = RAGFlowIndex(client=fetching(client, b"Lamps are lit at dusk."), **settings)
    id = await index.ainsert_url("https://example.com/harbour/lamps?lang=en", metadata={"team": "crew"})
    assert (await index.aref_doc_info())[id].metadata == {"team": "crew"}
    (found, *_) = await index.as_retriever().aretrieve("lamps")
    assert found.metadata["document_name"] == "example.com_harbour_lamps.txt"
    await asyncio.to_thread(index.delete_ref_doc, id)
    empty = RAGFlowIndex(client=fetching(client, b"\xff\xfe\x00"), wait=False, **settings)
    await asyncio.to_thread(empty.delete_ref_doc, await empty.ainsert_url("https://example.com", name="odd"))
    with pytest.raises(InvalidRequestError, match="metadata\\['box'\\]"):
        await index.ainsert_url("https://example.com", metadata={"box": {}})
    with broken(fetching(client, b"Lamps."), "Document.update") as fragile, pytest.raises(ConnectError):
        lost = RAGFlowIndex(client=fragile, **settings)  # by plain calls: they go through both transports
        await asyncio.to_thread(lost.insert_url, "https://example.com", metadata={"a": 1})
    assert await index.aref_doc_info() == {}
    with pytest.raises(InvalidRequestError, match="fetches nothing"):
        await RAGFlowIndex(client=client, **settings).ainsert_url("https://example.com")


async def test_nodes(index: RAGFlowIndex, call: Call) -> None:
    """Nodes of one's own splitter are chunks as they are, and go with their document."""
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="handbook")}
    nodes = [
        TextNode(
            text="Lamps are lit at dusk.",
            metadata={"file_name": "handbook.txt", "page": 1},
            relationships=source,
        ),
        TextNode(
            text="Boats are painted blue.",
            metadata={"file_name": "handbook.txt", "page": 2},
            relationships=source,
        ),
        TextNode(id_="alone", text="The board pays the oil."),
    ]
    await call(index, "insert_nodes", nodes)
    told = await index.aref_doc_info()
    assert {id: (len(info.node_ids), info.metadata) for id, info in told.items()} == {
        "handbook": (2, {"file_name": "handbook.txt"}),
        "alone": (1, {}),
    }
    found = await index.as_retriever(similarity_top_k=9, similarity_threshold=0.0).aretrieve("lamps")
    assert {one.text for one in found} == {node.text for node in nodes}
    await call(index, "insert_nodes", SentenceSplitter()([Document(id_="handbook", text="More of it.")]))
    assert len((await index.aref_doc_info())["handbook"].node_ids) == 3
    await call(index, "update_ref_doc", Document(id_="handbook", text="All of it."))
    found = await index.as_retriever(similarity_threshold=0.0).aretrieve("lamps")
    assert {one.text.strip() for one in found} == {"All of it.", "The board pays the oil."}
    await call(index, "delete_ref_doc", "alone")
    assert list(await index.aref_doc_info()) == ["handbook"]
    with pytest.raises(UnsupportedError, match="RAGFlowVectorStore"):
        await call(index, "delete_nodes", ["alone"])


def test_nodes_all_or_none(client: RAGFlow) -> None:
    """A fault between two chunks: none of the call's chunks is found."""
    RAGFlowIndex.from_documents([LAMPS], dataset_name="notes", poll_interval=0.02, client=client)
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="lamps")}
    nodes = [TextNode(text=f"Lamp number {n}.", relationships=source) for n in range(3)]
    with broken(client, "Document.add_chunk", after=1) as fragile, pytest.raises(ConnectError):
        RAGFlowIndex(dataset_name="notes", client=fragile).insert_nodes(nodes)
    assert (texts(client), stored(client)) == ({"Lamps _ oil": LAMPS.text}, 1)


async def test_answers_without_any_model(index: RAGFlowIndex, client: RAGFlow, call: Call) -> None:
    """The server answers and cites, by an assistant of the dataset's own, made once; a chat that is given is asked."""
    await index.arefresh_ref_docs([LAMPS, BOATS])
    response = await call(index.as_query_engine(), "query", "When are lamps lit?")
    assert "dusk" in str(response)
    assert response.metadata["citations"][0]["node_id"] in {one.node_id for one in response.source_nodes}
    again = await call(index.as_query_engine(citation_style="numeric"), "query", "When are lamps lit?")
    assert again.metadata["chat_id"] == response.metadata["chat_id"]
    streaming = await index.as_query_engine(streaming=True).aquery("When are lamps lit?")
    assert "dusk" in "".join([piece async for piece in streaming.async_response_gen()])
    (assistant,) = await asyncio.to_thread(client.list_chats)
    assert assistant.dataset_ids == [(await asyncio.to_thread(client.get_dataset, name="notes")).id]
    given = await call(index.as_query_engine(chat_id=assistant.id), "query", "When are lamps lit?")
    assert given.metadata["chat_id"] == assistant.id
    chatting = index.as_chat_engine()
    told = await call(chatting, "chat", "When are lamps lit?")
    assert "dusk" in told.response
    assert told.source_nodes
    assert len(await chatting.achat_history()) >= 2  # type: ignore[attr-defined]


async def test_its_assistant_can_be_deleted(index: RAGFlowIndex, client: RAGFlow, call: Call) -> None:
    """It, and nobody else's, though it had its name; the next engine's question makes another."""
    await index.arefresh_ref_docs([LAMPS])
    await call(index, "delete_assistant")
    for _ in range(2):
        response = await call(index.as_query_engine(), "query", "When are lamps lit?")
        assert "dusk" in str(response)
    (assistant,) = await asyncio.to_thread(client.list_chats)
    await call(index, "delete_assistant")
    assert await asyncio.to_thread(client.list_chats) == []
    await asyncio.to_thread(client.create_chat, assistant.name)
    await call(index, "delete_assistant")
    assert len(await asyncio.to_thread(client.list_chats)) == 1


async def test_answers_by_a_model(index: RAGFlowIndex, call: Call) -> None:
    """With an ``llm`` LlamaIndex's engines answer from what the retriever finds, each setting where it belongs."""
    await index.arefresh_ref_docs([LAMPS, BOATS])
    engine = index.as_query_engine(MockLLM(), similarity_top_k=1, response_mode="compact")
    response = await call(engine, "query", "When are lamps lit?")
    assert ("dusk" in str(response), len(response.source_nodes)) == (True, 1)
    chatting = index.as_chat_engine(
        llm=MockLLM(), similarity_top_k=1, memory=ChatMemoryBuffer.from_defaults()
    )
    assert isinstance(chatting, CondensePlusContextChatEngine)
    assert len((await call(chatting, "chat", "When are lamps lit?")).source_nodes) == 1
    for mode in (ChatMode.CONTEXT, ChatMode.CONDENSE_QUESTION):
        other = index.as_chat_engine(mode, MockLLM(), memory=ChatMemoryBuffer.from_defaults())
        assert (await call(other, "chat", "When are lamps lit?")).source_nodes
    with pytest.raises(ConfigurationError, match="chat_mode"):
        index.as_chat_engine(ChatMode.SIMPLE, MockLLM())
    with pytest.raises(ConfigurationError, match="chat_id"):
        index.as_query_engine(MockLLM(), chat_id="a")


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (Document(text="  \n"), r"documents\[1\]: its text is blank"),
        (Document(text="x", metadata={"box": {"a": 1}}), r"metadata\['box'\]={'a': 1}"),
        (Document(text="x", metadata={"n": float("inf")}), r"metadata\['n'\]=inf"),
        (Document(text="x", metadata={" ": 1}), r"metadata\[' '\]=1"),
        (Document(id_="lamps", text="x"), "same id_: 'lamps'"),
        (TextNode(text="x"), "give documents"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    index: RAGFlowIndex, client: RAGFlow, document: Any, what: str
) -> None:
    """Before anything is sent: there is no dataset yet."""
    with pytest.raises(InvalidRequestError, match=what):
        index.refresh_ref_docs([LAMPS, document])
    assert client.list_datasets() == []


def test_wrong_calls(index: RAGFlowIndex, client: RAGFlow) -> None:
    """Settings that make no sense, arguments that have no meaning, and a dataset that is not there."""
    for settings in ({}, {"dataset_id": "a", "dataset_name": "b"}, {"dataset_id": "a", "num_workers": 0}):
        with pytest.raises(ConfigurationError):
            RAGFlowIndex(client=client, **settings)
    with pytest.raises(ConfigurationError, match="transformations"):
        RAGFlowIndex.from_documents(
            [LAMPS], dataset_name="a", transformations=[SentenceSplitter()], client=client
        )
    with pytest.raises(InvalidRequestError, match="'chunk'"):
        index.insert(LAMPS, chunk=1)
    with pytest.raises(NotFoundError):
        index.as_retriever().retrieve("lamps")
    with pytest.raises(NotFoundError):
        index.delete_ref_doc("lamps")
    with pytest.raises(NotFoundError):
        RAGFlowIndex("4c1e1a10e5cf11f1b81e813d689ac929", client=client).insert(LAMPS)


def test_within_a_scope(client: RAGFlow) -> None:
    """Another dataset is not there, and a scope of documents is for reading."""
    settings: dict[str, Any] = {"poll_interval": 0.02, "client": client}
    ours = RAGFlowIndex.from_documents([LAMPS, BOATS], dataset_name="ours", **settings)
    held = client.get_dataset(name="ours")
    with pytest.raises(NotFoundError):
        RAGFlowIndex(held.id, scope=Scope(["other"]), **settings).insert(LAMPS)
    some = next(one.id for one in held.iter_documents() if "Lamps" in one.name)
    narrow = RAGFlowIndex(held.id, scope=Scope([held.id], [some]), **settings)
    assert list(narrow.ref_doc_info) == ["lamps"]
    assert {one.text.strip() for one in narrow.as_retriever().retrieve("boats lamps")} == {LAMPS.text}
    for call in (lambda: narrow.insert(BOATS), lambda: narrow.as_query_engine().query("When are lamps lit?")):
        with pytest.raises(UnsupportedError):
            call()
    ours.as_query_engine().query("When are lamps lit?")
    assert "dusk" in str(narrow.as_query_engine().query("When are lamps lit?"))


def test_two_users_on_one_key(client: RAGFlow) -> None:
    """One index each, the scope being of the run: nobody reads, refreshes or deletes what is the other's."""
    datasets = {user: client.create_dataset(f"notes of {user}").id for user in ("ann", "bob")}

    def scope(run: RunContext) -> Scope:
        return Scope([datasets[run.context]])

    indexes = {
        user: RAGFlowIndex(id, scope=scope, poll_interval=0.02, client=client)
        for user, id in datasets.items()
    }
    for user, index in indexes.items():
        with called_with(user):
            index.insert(Document(id_="lamps", text=f"Lamps of {user}."))
    with called_with("ann"):
        assert [one.text.strip() for one in indexes["ann"].as_retriever().retrieve("lamps")] == [
            "Lamps of ann."
        ]
        other = indexes["bob"]
        for call in (
            lambda: other.refresh_ref_docs([LAMPS]),
            lambda: other.delete_ref_doc("lamps"),
            lambda: other.ref_doc_info,
            lambda: asyncio.run(other.ainsert_file(b"x", name="x.txt")),
            lambda: other.as_query_engine().query("lamps"),
        ):
            with pytest.raises(NotFoundError):
                call()
        assert other.as_retriever().retrieve("lamps") == []


def test_nothing_asynchronous_is_inherited() -> None:
    """Each public coroutine of the base classes is our own: theirs look into a local store, or block the loop."""
    inherited = {
        name
        for base in (BaseIndex, BaseManagedIndex)
        for name, method in vars(base).items()
        if inspect.iscoroutinefunction(method) and not name.startswith("_")
    }
    assert len(inherited) >= 6
    assert inherited <= vars(RAGFlowIndex).keys()


def test_no_key(client: RAGFlow) -> None:
    """Not in what an index shows of itself."""
    with RAGFlowIndex("a", base_url="http://127.0.0.1:9", api_key="ragflow-secret") as index:
        assert "secret" not in repr(index) + repr(vars(index)) + str(index.index_struct.to_dict())
