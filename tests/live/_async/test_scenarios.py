"""The life of everything a server keeps, in throw-away datasets, chats and so on.

Nothing here depends on which model a server has, how it scores, or what else is on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ragflow_integrations import AsyncDataSet, AsyncDocument, AsyncRAGFlow, ConflictError, NotFoundError
from ragflow_integrations._compat import asleep
from ragflow_integrations.protocol.versions import Since
from tests.live.scenario import AGENT, GIF, Server, covers, finding_agent, unique

TEXT = b"Zebras eat grass in Africa.\n\nTigers eat zebras' cousins."


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncRAGFlow]:
    """A client of the server."""
    async with AsyncRAGFlow(**server.settings) as client:
        yield client


class AsyncThrowAway:
    """Something that is deleted when the block ends, in whatever way."""

    def __init__(self, made: Any, delete: Callable[[Any], Any]) -> None:
        self._made = made
        self._delete = delete

    async def __aenter__(self) -> Any:
        self._thing = await self._made
        return self._thing

    async def __aexit__(self, *failure: object) -> None:
        await self._delete(self._thing)


async def until(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something: servers take a second to show what was stored."""
    for _ in range(60):
        found = await look()
        if found:
            return found
        await asleep(0.5)
    raise AssertionError("not there after 30 s")


async def all_of(stream: Any) -> list[Any]:
    """The pieces of a stream."""
    pieces = []
    async for piece in stream:
        pieces.append(piece)
    return pieces


async def ids_of(stream: Any) -> list[str]:
    """The ids of all that is listed."""
    return [each.id for each in await all_of(stream)]


def a_dataset(client: AsyncRAGFlow, **fields: Any) -> AsyncThrowAway:
    made = client.create_dataset(unique("dataset"), **fields)
    return AsyncThrowAway(made, lambda it: client.delete_datasets([it.id]))


async def a_document(dataset: AsyncDataSet) -> AsyncDocument:
    (document,) = await dataset.upload_documents([{"display_name": "animals.txt", "blob": TEXT}])
    return document


async def a_parsed_document(dataset: AsyncDataSet) -> AsyncDocument:
    document = await a_document(dataset)
    await dataset.parse_documents([document.id], timeout=300)
    return document


def a_chat(client: AsyncRAGFlow, server: Server) -> AsyncThrowAway:
    made = client.create_chat(unique("chat"), dataset_ids=[server.dataset_id])
    return AsyncThrowAway(made, lambda it: client.delete_chats([it.id]))


# --- datasets and documents -------------------------------------------------------------------------------


@covers("RAGFlow.create_dataset", "RAGFlow.get_dataset", "RAGFlow.list_datasets", "DataSet.update")
@covers("RAGFlow.delete_datasets", "RAGFlow.iter_datasets")
async def test_a_dataset(client: AsyncRAGFlow) -> None:
    """Made, found by its id and its name, changed, and gone when it is deleted."""
    async with a_dataset(client, description="d") as made:
        assert (made.description, made.document_count) == ("d", 0)
        assert [each.id for each in await client.list_datasets(name=made.name)] == [made.id]
        assert made.id in await ids_of(client.iter_datasets())
        name = unique("dataset")
        await made.update({"name": name, "parser_config": {"chunk_token_num": 64}})
        again = await client.get_dataset(made.id)
        assert (again.name, again.parser_config["chunk_token_num"]) == (name, 64)
    with pytest.raises(NotFoundError):
        await client.get_dataset(made.id)


@covers("DataSet.upload_documents", "DataSet.list_documents", "Document.update", "Document.download")
@covers("DataSet.delete_documents", "DataSet.iter_documents")
async def test_a_document(client: AsyncRAGFlow) -> None:
    """Uploaded, listed, renamed and given metadata, downloaded as it was, and deleted."""
    async with a_dataset(client) as dataset:
        document = await a_document(dataset)
        assert (document.name, document.size, document.run) == ("animals.txt", len(TEXT), "UNSTART")
        await document.update({"name": "beasts.txt", "meta_fields": {"author": "Ann"}})
        (listed,) = await dataset.list_documents(id=document.id)
        assert (listed.name, listed.meta_fields) == ("beasts.txt", {"author": "Ann"})
        assert await ids_of(dataset.iter_documents()) == [document.id]
        assert await listed.download() == TEXT
        await dataset.delete_documents([document.id])
        assert await dataset.list_documents() == []


@covers("DataSet.upload", "DataSet.replace")
async def test_uploading(client: AsyncRAGFlow) -> None:
    """In one call to what can be searched; what is there already is not made again; replaced by something else."""
    async with a_dataset(client) as dataset:
        (document,) = await dataset.upload(TEXT, name="animals.txt", interval=0.1)
        assert (document.run, document.chunk_count > 0) == ("DONE", True)
        again = await dataset.upload(TEXT, name="animals.txt", interval=0.1)
        assert [each.id for each in again] == [document.id]
        changed = await dataset.replace({document.id: b"Lions sleep."}, interval=0.1)
        assert await ids_of(dataset.iter_documents()) == [changed[document.id]] != [document.id]


@covers("DataSet.async_parse_documents", "DataSet.async_cancel_parse_documents", "DataSet.parse_documents")
async def test_parsing(client: AsyncRAGFlow) -> None:
    """Parsed to chunks; what is parsed cannot be cancelled; parsing is started again without waiting."""
    async with a_dataset(client) as dataset:
        document = await a_document(dataset)
        ((id, run, chunk_count, token_count),) = await dataset.parse_documents([document.id], timeout=300)
        assert (id, run) == (document.id, "DONE")
        assert min(chunk_count, token_count) > 0
        with pytest.raises(ConflictError):
            await dataset.async_cancel_parse_documents([document.id])
        await dataset.async_parse_documents([document.id])

        async def done() -> Any:
            return [each for each in await dataset.list_documents() if each.run == "DONE"]

        assert [each.id for each in await until(done)] == [document.id]


@covers("Document.add_chunk", "Document.list_chunks", "Document.get_chunk", "Document.delete_chunks")
@covers("Chunk.update", "Document.iter_chunks")
async def test_chunks(client: AsyncRAGFlow) -> None:
    """Added, found, changed and deleted."""
    async with a_dataset(client) as dataset:
        document = await a_parsed_document(dataset)
        added = await document.add_chunk(
            "Lions sleep.", important_keywords=["lion"], questions=["Who sleeps?"]
        )

        async def listed() -> Any:
            return [each for each in await document.list_chunks() if each.id == added.id]

        (chunk,) = await until(listed)
        assert (chunk.content, chunk.important_keywords) == ("Lions sleep.", ["lion"])
        assert added.id in await ids_of(document.iter_chunks())
        await chunk.update({"content": "Lions doze."})

        async def doze() -> Any:
            return (await document.get_chunk(added.id)).content == "Lions doze."

        assert await until(doze)
        await document.delete_chunks([added.id])

        async def gone() -> Any:
            return not await listed()

        assert await until(gone)


@covers("Document.switch_chunks")
async def test_switching_chunks(client: AsyncRAGFlow) -> None:
    """Switched off a chunk is not found, switched on it is."""
    async with a_dataset(client) as dataset:
        document = await a_parsed_document(dataset)
        ids = [chunk.id for chunk in await document.list_chunks()]

        async def found() -> Any:
            return await client.retrieve("zebras", [dataset.id], similarity_threshold=0.0)

        async def hidden() -> Any:
            return not await found()

        await document.switch_chunks(ids, False)
        assert await until(hidden)
        await document.switch_chunks(ids, True)
        assert await until(found)


@covers("DataSet.tags", "DataSet.rename_tag", "DataSet.delete_tags")
async def test_tags(client: AsyncRAGFlow) -> None:
    """Counted over the chunks, renamed, and taken off."""
    async with a_dataset(client) as dataset:
        document = await a_parsed_document(dataset)
        await document.add_chunk("Lions sleep.", tag_kwd=["cat", "lazy"])

        async def tags() -> Any:
            return await dataset.tags()

        assert await until(tags) == {"cat": 1, "lazy": 1}
        await dataset.rename_tag("cat", "feline")

        async def renamed() -> Any:
            return await tags() == {"feline": 1, "lazy": 1}

        assert await until(renamed)
        await dataset.delete_tags(["lazy"])

        async def deleted() -> Any:
            return await tags() == {"feline": 1}

        assert await until(deleted)


@covers("Document.add_chunk", "Chunk.image", since=Since.CHUNK_IMAGES)
async def test_an_image(client: AsyncRAGFlow) -> None:
    """Given with a chunk, and kept with it."""
    async with a_dataset(client) as dataset:
        document = await a_parsed_document(dataset)
        await document.add_chunk("A lion.", image_base64=GIF)

        async def pictured() -> Any:
            return [each for each in await document.list_chunks() if each.image_id]

        (chunk,) = await until(pictured)
        assert len(bytes(await chunk.image())) > 0


@covers("RAGFlow.retrieve")
async def test_retrieval(client: AsyncRAGFlow, server: Server) -> None:
    """The best hit is the one about it, with its document, scores and count; a page has as many as asked for."""
    found = await client.retrieve("Where do zebras live?", [server.dataset_id], similarity_threshold=0.0)
    assert "zebras.md" in {chunk.document_name for chunk in found}
    assert {chunk.dataset_id for chunk in found} == {server.dataset_id}
    assert [chunk.similarity for chunk in found] == sorted(
        (chunk.similarity for chunk in found), reverse=True
    )
    assert {each.document_name for each in found.doc_aggs} == {chunk.document_name for chunk in found}
    one = await client.retrieve("zebras", [server.dataset_id], page_size=1, similarity_threshold=0.0)
    assert len(one) == 1


@covers("DataSet.metadata_summary", "DataSet.update_metadata")
async def test_metadata(client: AsyncRAGFlow) -> None:
    """Of all documents: counted, changed for some, and removed."""
    async with a_dataset(client) as dataset:
        document = await a_parsed_document(dataset)
        await dataset.update_metadata(updates=[{"key": "author", "value": "Ann"}], document_ids=[document.id])

        async def told() -> Any:
            return "author" in str(await dataset.metadata_summary())

        assert await until(told)
        (listed,) = await dataset.list_documents(id=document.id)
        assert listed.meta_fields["author"] in ("Ann", ["Ann"])


@covers("DataSet.get_auto_metadata", "DataSet.update_auto_metadata")
async def test_auto_metadata(client: AsyncRAGFlow) -> None:
    """Which metadata a model is to fill in: set, and read again."""
    async with a_dataset(client) as dataset:
        await dataset.update_auto_metadata([{"key": "author", "type": "string"}])
        assert [each.key for each in (await dataset.get_auto_metadata()).metadata] == ["author"]


@covers("DataSet.knowledge_graph", "DataSet.trace_graphrag", "DataSet.delete_knowledge_graph")
@covers("DataSet.trace_raptor")
async def test_a_graph_that_was_not_built(client: AsyncRAGFlow) -> None:
    """A dataset has no knowledge graph and no summaries until they are made; deleting none is fine."""
    async with a_dataset(client) as dataset:
        assert (await dataset.trace_graphrag(), await dataset.trace_raptor()) == (None, None)
        assert (await dataset.knowledge_graph()).nodes == []
        await dataset.delete_knowledge_graph()


@covers("DataSet.tags", "DataSet.delete_raptor")
async def test_tags_and_summaries_that_were_not_made(client: AsyncRAGFlow) -> None:
    """A dataset has no tags until there are some; deleting no summaries is fine."""
    async with a_dataset(client) as dataset:
        assert await dataset.tags() == {}
        await dataset.delete_raptor()


@covers("Document.preview")
async def test_preview(client: AsyncRAGFlow) -> None:
    """The file as it is shown to people."""
    async with a_dataset(client) as dataset:
        document = await a_document(dataset)
        assert TEXT in bytes(await document.preview())


# --- chats ------------------------------------------------------------------------------------------------


@covers("RAGFlow.create_chat", "RAGFlow.get_chat", "RAGFlow.list_chats", "RAGFlow.iter_chats")
@covers("Chat.update", "RAGFlow.delete_chats")
async def test_a_chat(client: AsyncRAGFlow, server: Server) -> None:
    """Made on a dataset, found, changed without losing it, and gone when it is deleted."""
    async with a_chat(client, server) as made:
        assert made.dataset_ids == [server.dataset_id]
        assert [each.id for each in await client.list_chats(name=made.name)] == [made.id]
        assert made.id in await ids_of(client.iter_chats())
        name = unique("chat")
        await made.update({"name": name, "similarity_threshold": 0.4})
        again = await client.get_chat(made.id)
        assert (again.name, again.similarity_threshold) == (name, 0.4)
        assert again.dataset_ids == [server.dataset_id]
    assert await client.list_chats(id=made.id) == []


@covers("Chat.create_session", "Chat.get_session", "Chat.list_sessions", "Chat.iter_sessions")
@covers("Session.update", "Chat.delete_sessions")
async def test_a_session(client: AsyncRAGFlow, server: Server) -> None:
    """Begun with the opener, found, renamed and deleted."""
    async with a_chat(client, server) as chat:
        session = await chat.create_session("first")
        assert [message.role for message in session.messages] == ["assistant"]
        await session.update({"name": "second"})
        assert (await chat.get_session(session.id)).name == "second"
        assert [each.id for each in await chat.list_sessions()] == [session.id]
        assert await ids_of(chat.iter_sessions()) == [session.id]
        await chat.delete_sessions([session.id])
        assert await chat.list_sessions() == []


@covers("Session.ask", "StoredMessage.rehydrate")
async def test_asking(client: AsyncRAGFlow, server: Server) -> None:
    """Whole and streamed answers in a session that remembers both turns."""
    async with a_chat(client, server) as chat:
        session = await chat.create_session()
        whole = await session.ask("Where do zebras live?")
        assert (whole.final, whole.role, bool(whole.content)) == (True, "assistant", True)
        pieces = await all_of(await session.ask("What do they eat?", stream=True))
        assert [piece.final for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert "".join(piece.content for piece in pieces) == pieces[-1].full_content != ""
        stored = (await chat.get_session(session.id)).messages
        assert [message.role for message in stored].count("user") == 2
        answer = await stored[-1].rehydrate()
        assert {chunk.dataset_id for chunk in answer.reference} == {server.dataset_id}


@covers("Chat.ask")
async def test_asking_without_a_session(client: AsyncRAGFlow, server: Server) -> None:
    """An answer, and no session left of it."""
    async with a_chat(client, server) as chat:
        assert (await chat.ask("Where do zebras live?")).content
        pieces = await all_of(await chat.ask("What do they eat?", stream=True))
        assert pieces[-1].full_content
        assert await chat.list_sessions() == []


@covers("RAGFlow.chat_completions")
async def test_openai_compatible(client: AsyncRAGFlow, server: Server) -> None:
    """The same as OpenAI's API has it, whole and streamed."""
    messages = [{"role": "user", "content": "Where do zebras live?"}]
    async with a_chat(client, server) as chat:
        whole = await client.chat_completions(chat.id, messages)
        assert whole.choices[0].message.content
        pieces = await all_of(await client.chat_completions(chat.id, messages, stream=True))
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


@covers("RAGFlow.related_questions")
async def test_related_questions(client: AsyncRAGFlow) -> None:
    """What else one might ask."""
    assert all(isinstance(each, str) for each in await client.related_questions("Where do zebras live?"))


# --- agents -----------------------------------------------------------------------------------------------


def an_agent(client: AsyncRAGFlow, canvas: dict[str, Any] = AGENT) -> AsyncThrowAway:
    return AsyncThrowAway(client.create_agent(unique("agent"), canvas), lambda it: client.delete_agent(it.id))


@covers("RAGFlow.create_agent", "RAGFlow.get_agent", "RAGFlow.list_agents", "RAGFlow.update_agent")
@covers("RAGFlow.delete_agent", "RAGFlow.iter_agents")
async def test_an_agent(client: AsyncRAGFlow) -> None:
    """Made, found by its id and its title, changed, and gone when it is deleted."""
    async with an_agent(client) as made:
        assert [each.id for each in await client.list_agents(title=made.title)] == [made.id]
        assert made.id in await ids_of(client.iter_agents())
        title = unique("agent")
        await client.update_agent(made.id, title=title)
        assert (await client.get_agent(made.id)).title == title
    with pytest.raises(NotFoundError):
        await client.get_agent(made.id)


@covers("Agent.create_session", "Agent.get_session", "Agent.list_sessions", "Agent.delete_sessions")
@covers("AgentSession.ask", "Agent.ask", "Agent.iter_sessions")
async def test_asking_an_agent(client: AsyncRAGFlow) -> None:
    """In a session, whole and streamed, and without one."""
    async with an_agent(client) as agent:
        session = await agent.create_session()
        assert (await session.ask("one")).content == "You said: one"
        pieces = await all_of(await session.ask("two", stream=True))
        assert "".join(piece.content for piece in pieces) == pieces[-1].full_content == "You said: two"
        assert (await agent.get_session(session.id)).id == session.id
        assert session.id in [each.id for each in await agent.list_sessions()]
        assert session.id in await ids_of(agent.iter_sessions())
        await agent.delete_sessions([session.id])
        assert session.id not in [each.id for each in await agent.list_sessions()]
        assert (await agent.ask("three")).content == "You said: three"


@covers("StoredAgentMessage.rehydrate")
async def test_what_an_agent_found(client: AsyncRAGFlow, server: Server) -> None:
    """It is told with the answer and of the stored one (v0.24 need not), with what the dataset has of it."""
    async with an_agent(client, finding_agent(server.dataset_id)) as agent:
        session = await agent.create_session()
        answer = await session.ask("Where do zebras live?")
        assert {chunk.dataset_id for chunk in answer.reference} == {server.dataset_id}
        stored = await (await agent.get_session(session.id)).messages[-1].rehydrate()
        told = [chunk.id for chunk in stored.reference]
        assert told == [chunk.id for chunk in answer.reference] or server.version < Since.SINGLE_OBJECTS
        assert all(chunk.content for chunk in stored.reference)


@covers("RAGFlow.agent_completions")
async def test_openai_compatible_agents(client: AsyncRAGFlow) -> None:
    """The same as OpenAI's API has it, whole and streamed."""
    messages = [{"role": "user", "content": "one"}]
    async with an_agent(client) as agent:
        whole = await client.agent_completions(agent.id, messages)
        assert whole.choices[0].message.content == "You said: one"
        pieces = await all_of(await client.agent_completions(agent.id, messages, stream=True))
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
        assert text == "You said: one"


# --- memories ---------------------------------------------------------------------------------------------


async def a_memory(client: AsyncRAGFlow, server: Server) -> AsyncThrowAway:
    """A memory with the models that the server's datasets and chats have by default."""
    embedding = (await client.get_dataset(server.dataset_id)).embedding_model
    async with a_chat(client, server) as chat:
        made = client.create_memory(unique("memory"), ["raw"], embedding, chat.llm_id)
    return AsyncThrowAway(made, lambda it: client.delete_memory(it.id))


@covers("RAGFlow.create_memory", "RAGFlow.list_memory", "RAGFlow.delete_memory")
@covers("Memory.update", "Memory.get_config", "RAGFlow.iter_memories")
async def test_a_memory(client: AsyncRAGFlow, server: Server) -> None:
    """Made, listed, renamed, and gone when it is deleted."""
    async with await a_memory(client, server) as made:
        name = unique("memory")
        await made.update({"name": name})
        assert (await made.get_config()).name == name
        assert made.id in await ids_of(client.iter_memories())
        assert made.id in [each.id for each in (await client.list_memory(keywords=name))["memory_list"]]
    assert made.id not in [each.id for each in (await client.list_memory(keywords=name))["memory_list"]]


@covers("RAGFlow.add_message", "RAGFlow.search_message", "RAGFlow.get_recent_messages")
@covers("Memory.list_memory_messages", "Memory.get_message_content", "Memory.update_message_status")
@covers("Memory.forget_message", "Memory.iter_messages")
async def test_messages(client: AsyncRAGFlow, server: Server) -> None:
    """Remembered, found, switched off and forgotten."""
    async with await a_memory(client, server) as memory:
        await client.add_message([memory.id], "agent", "session", "Where do zebras live?", "In Africa.")

        async def listed() -> Any:
            return (await memory.list_memory_messages())["messages"]["message_list"]

        message = (await until(listed))[0]
        every = await all_of(memory.iter_messages())
        assert [each.message_id for each in every] == [message.message_id]
        assert "zebras" in (await memory.get_message_content(message.message_id)).content
        assert [each.message_id for each in await client.get_recent_messages([memory.id])] == [
            message.message_id
        ]
        found = await client.search_message("zebras", [memory.id], similarity_threshold=0.0)
        assert [each.message_id for each in found] == [message.message_id]
        assert await memory.update_message_status(message.message_id, False)
        assert await memory.forget_message(message.message_id)


# --- files and searches -----------------------------------------------------------------------------------


@covers("RAGFlow.upload_file", "RAGFlow.list_files", "RAGFlow.download_file", "RAGFlow.create_folder")
@covers("RAGFlow.move_files", "RAGFlow.rename_file", "RAGFlow.link_files", "RAGFlow.delete_files")
@covers("RAGFlow.iter_files")
async def test_files(client: AsyncRAGFlow) -> None:
    """Uploaded into a folder, listed, downloaded, moved, linked to a dataset, and deleted."""
    made = client.create_folder(unique("folder"))
    async with AsyncThrowAway(made, lambda it: client.delete_files([it.id])) as folder:
        name = f"{unique('file')}.txt"
        (file,) = await client.upload_file(TEXT, name=name)
        async with AsyncThrowAway(
            client.list_files(keywords=name), lambda _: client.delete_files([file.id])
        ) as found:
            assert [each.id for each in found] == [file.id]
            assert await client.download_file(file.id) == TEXT
            await client.rename_file(file.id, f"2-{name}")
            await client.move_files([file.id], folder.id)
            assert [each.name for each in await client.list_files(parent_id=folder.id)] == [f"2-{name}"]
            assert await ids_of(client.iter_files(folder.id)) == [file.id]
            async with a_dataset(client) as dataset:
                await client.link_files([file.id], [dataset.id])
                assert [each.name for each in await dataset.list_documents()] == [f"2-{name}"]


@covers("RAGFlow.create_search", "RAGFlow.get_search", "RAGFlow.list_searches", "RAGFlow.delete_search")
@covers("Search.update", "Search.ask", "RAGFlow.iter_searches")
async def test_a_search(client: AsyncRAGFlow, server: Server) -> None:
    """Made, found, set to a dataset, asked, and gone when it is deleted."""
    made = client.create_search(unique("search"))
    async with AsyncThrowAway(made, lambda it: client.delete_search(it.id)) as search:
        await search.update({"name": search.name, "search_config": {"kb_ids": [server.dataset_id]}})
        assert (await client.get_search(search.id)).id == search.id
        assert search.id in [each.id for each in await client.list_searches()]
        assert search.id in await ids_of(client.iter_searches())
        assert (await search.ask("Where do zebras live?")).content
        pieces = await all_of(await search.ask("What do they eat?", stream=True))
        assert pieces[-1].full_content


# --- the server -------------------------------------------------------------------------------------------


@covers("RAGFlow.server_info", "RAGFlow.health")
async def test_the_server(client: AsyncRAGFlow) -> None:
    """Its version and its state."""
    assert (await client.server_info()).api_version
    assert (await client.health()).ok
