"""RAGFlowChatEngine and RAGFlowAgentChatEngine: conversations, streams, histories."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, CitationBlock, MessageRole, TextBlock
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse

from llamaindex_ragflow import RAGFlowAgentChatEngine, RAGFlowChatEngine
from ragflow_integrations import (
    APIError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RAGFlow,
    Scope,
    StreamInterruptedError,
    UnsupportedError,
)
from tests.canvases import ECHO, FORM, searching
from tests.llamaindex.conftest import QUESTION, Call, KnowledgeBase, Seen, build
from tests.llamaindex.scripted import COMPLETIONS, Script, chunk, frame, streamed

LEAVE = "How many days of leave does a keeper have?"


def helpdesk(kb: KnowledgeBase, **options: Any) -> RAGFlowChatEngine:
    """A conversation with the assistant of the small dataset."""
    return RAGFlowChatEngine(kb.chat_id, **kb.clients, **options)


async def asked(call: Call, engine: Any, method: str, *args: Any) -> tuple[str, Any]:
    """An answer's text, read as users do, and the response."""
    response = await call(engine, method, *args)
    if isinstance(response, AgentChatResponse):
        return str(response), response
    assert isinstance(response, StreamingAgentChatResponse)
    if response.achat_stream is not None:
        return "".join([piece async for piece in response.async_response_gen()]), response
    return "".join(await asyncio.to_thread(list, response.response_gen)), response


async def history(call: Call, engine: Any) -> list[ChatMessage]:
    """What was said so far."""
    return await call(Histories(engine), "history")


class Histories:
    """A property has no name to call it by."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def history(self) -> Any:
        return self.engine.chat_history

    async def ahistory(self) -> Any:
        return await self.engine.achat_history()


METHODS = pytest.mark.parametrize("method", ["chat", "stream_chat"])
KEPT = pytest.mark.parametrize("kept", ["server", "client"])

# --- a chat assistant ---------------------------------------------------------------------------------


@METHODS
@KEPT
async def test_a_conversation(kb: KnowledgeBase, call: Call, method: str, kept: Any) -> None:
    """Each answer has its sources and citations, and the history has both questions and answers in order."""
    engine = helpdesk(kb, history=kept)
    first, response = await asked(call, engine, method, QUESTION)
    second, again = await asked(call, engine, method, LEAVE)
    assert ("six weeks" in first, "thirty days" in second) == (True, True)
    for text, answer in ((first, response), (second, again)):
        assert answer.metadata["chat_id"] == kb.chat_id
        assert answer.metadata["citations"]
        for citation in answer.metadata["citations"]:
            assert text[citation["start"] : citation["end"]] == f"[ID:{citation['index']}]"
            assert citation["node_id"] == answer.source_nodes[citation["index"]].node_id
    assert response.metadata["session_id"] == again.metadata["session_id"]
    assert (response.metadata["session_id"] is None) == (kept == "client")
    said = await history(call, engine)
    user, assistant = MessageRole.USER, MessageRole.ASSISTANT
    assert [message.role for message in said[-4:]] == [user, assistant, user, assistant]
    assert [message.content for message in said[-4:]] == [QUESTION, first, LEAVE, second]


@METHODS
@KEPT
async def test_cited_sources_are_on_the_message(
    kb: KnowledgeBase, call: Call, method: str, kept: Any
) -> None:
    """One ``CitationBlock`` for each, with its text, in the order of the sources; the text is a block of its own."""
    engine = helpdesk(kb, history=kept)
    _, response = await asked(call, engine, method, QUESTION)
    text, *blocks = (await history(call, engine))[-1].blocks
    assert isinstance(text, TextBlock)
    cited = [node for node in response.source_nodes if node.metadata["cited"]]
    assert cited
    assert [block.title for block in blocks] == [node.metadata["document_name"] for node in cited]
    for block, node in zip(blocks, cited, strict=True):
        assert isinstance(block, CitationBlock)
        assert block.cited_content.text == node.text
        assert block.source == node.node.ref_doc_id
        assert block.additional_location_info["citation_index"] == node.metadata["citation_index"]


async def test_sources_of_a_stream_are_one_list(kb: KnowledgeBase, call: Call) -> None:
    """It is empty before, and the same object filled after; so are the metadata."""
    response = await call(helpdesk(kb), "stream_chat", QUESTION)
    sources, metadata = response.source_nodes, response.metadata
    assert (sources, metadata["citations"]) == ([], [])
    if response.achat_stream is not None:
        pieces = [piece async for piece in response.async_response_gen()]
    else:
        pieces = await asyncio.to_thread(list, response.response_gen)
    assert len(pieces) > 1
    assert response.source_nodes is sources
    assert response.metadata is metadata
    assert sources[0].metadata["document_name"] == "notice.txt"
    assert metadata["citations"]
    assert (response.is_done, response.response) == (True, "".join(pieces).strip())
    assert str(response) == response.response


async def test_streams_are_printed(kb: KnowledgeBase, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """By LlamaIndex's own methods."""
    response = await call(helpdesk(kb), "stream_chat", QUESTION)
    if response.achat_stream is not None:
        await response.aprint_response_stream()
    else:
        await asyncio.to_thread(response.print_response_stream)
    assert "six weeks" in capsys.readouterr().out


@pytest.fixture
def told() -> list[list[dict[str, str]]]:
    """The messages that a model was given, call by call."""
    return []


@pytest.fixture
def recording(told: list[list[dict[str, str]]]) -> Iterator[KnowledgeBase]:
    """A knowledge base whose language model notes what it is told, and numbers its answers."""

    def model(messages: list[dict[str, str]]) -> str:
        told.append(list(messages))
        return f"Answer {len(told)} [ID:0]."

    with RAGFlow.local(llm=model) as client:
        kb = build(client)
        kb.client.get_chat(kb.chat_id).update({"prompt_config": {"refine_multiturn": False}})
        yield kb


def spoken(messages: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Without the assistant's own prompt."""
    return [(one["role"], one["content"]) for one in messages if one["role"] != "system"]


@METHODS
@KEPT
async def test_what_was_said_is_told(
    recording: KnowledgeBase, told: list[Any], call: Call, method: str, kept: Any
) -> None:
    """The model is given the conversation so far; an earlier history, if one is given, in its place."""
    engine = helpdesk(recording, history=kept)
    await asked(call, engine, method, "One?")
    await asked(call, engine, method, "Two?")
    said = [("user", "One?"), ("assistant", "Answer 1 [ID:0]."), ("user", "Two?")]
    assert [one for one in spoken(told[1]) if one != ("assistant", "Hi! I'm your assistant.")][-3:] == said
    before = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
        ChatMessage(role=MessageRole.USER, content="Zero?"),
        ChatMessage(role=MessageRole.ASSISTANT, content="None."),
    ]
    await asked(call, engine, method, "Three?", before)
    replaced = [("user", "Be brief."), ("user", "Zero?"), ("assistant", "None."), ("user", "Three?")]
    assert spoken(told[2]) == replaced
    await asked(call, engine, method, "Four?")
    assert spoken(told[3]) == [*replaced, ("assistant", "Answer 3 [ID:0]."), ("user", "Four?")]
    assert [message.content for message in await history(call, engine)][:3] == ["Be brief.", "Zero?", "None."]


async def test_an_empty_history_begins_anew(kb: KnowledgeBase, call: Call) -> None:
    """As ``reset`` does: in another session, while the old one stays on the server."""
    engine = helpdesk(kb)
    before = (await call(engine, "chat", QUESTION)).metadata["session_id"]
    emptied = (await call(engine, "chat", QUESTION, [])).metadata["session_id"]
    await call(engine, "reset")
    assert await history(call, engine) == []
    after = (await call(engine, "chat", QUESTION)).metadata["session_id"]
    assert len({before, emptied, after}) == 3
    await history(call, helpdesk(kb, session_id=before))


async def test_a_session_goes_on_elsewhere(kb: KnowledgeBase, call: Call) -> None:
    """Another object with the same ``session_id`` has the same history."""
    engine = helpdesk(kb)
    session_id = (await call(engine, "chat", QUESTION)).metadata["session_id"]
    other = helpdesk(kb, session_id=session_id)
    assert (await call(other, "chat", LEAVE)).metadata["session_id"] == session_id
    assert [one.content for one in await history(call, engine)][-2] == LEAVE


@KEPT
async def test_what_is_left_on_the_server(recording: KnowledgeBase, call: Call, kept: Any) -> None:
    """One session with ``history="server"``, nothing with ``"client"``; nothing before the first question either."""
    engine = helpdesk(recording, history=kept)
    chat = await asyncio.to_thread(recording.client.get_chat, recording.chat_id)
    assert await history(call, engine) == []
    assert await asyncio.to_thread(chat.list_sessions) == []
    await call(engine, "chat", QUESTION)
    await asked(call, engine, "stream_chat", LEAVE)
    assert len(await asyncio.to_thread(chat.list_sessions)) == (1 if kept == "server" else 0)


async def test_by_name_and_unknown(kb: KnowledgeBase, call: Call) -> None:
    """A name is as good as an id; who is not there is an error when asked, of a stream when it is read."""
    named = RAGFlowChatEngine(chat_name="helpdesk", **kb.clients)
    assert (await call(named, "chat", QUESTION)).metadata["chat_id"] == kb.chat_id
    for engine in (RAGFlowChatEngine(chat_name="nobody", **kb.clients), helpdesk(kb, session_id="0" * 32)):
        for method in ("chat", "stream_chat"):
            with pytest.raises(NotFoundError):
                await asked(call, engine, method, QUESTION)
    with pytest.raises(InvalidRequestError, match="question=' '"):
        await call(named, "stream_chat", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either chat_id= or chat_name="),
        ({"chat_id": "a", "chat_name": "b"}, "either chat_id= or chat_name="),
        ({"chat_id": "a", "history": "both"}, "history='both'"),
        ({"chat_id": "a", "history": "client", "session_id": "s"}, "a session's history is the server's"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    """They are refused when the engine is made."""
    with pytest.raises(ConfigurationError, match=message):
        RAGFlowChatEngine(base_url=":memory:", **arguments)


def test_messages_that_ragflow_cannot_be_told(kb: KnowledgeBase) -> None:
    """Results of tools and pictures are refused, and the conversation is what it was."""
    engine = helpdesk(kb, history="client")
    engine.chat(QUESTION)
    said = engine.chat_history
    picture = ChatMessage.model_validate(
        {"role": "user", "blocks": [{"block_type": "image", "url": "http://127.0.0.1/a.png"}]}
    )
    for message in (picture, ChatMessage(role=MessageRole.TOOL, content="42")):
        with pytest.raises(InvalidRequestError, match="RAGFlow takes"):
            engine.chat(QUESTION, [message])
        assert engine.chat_history == said


def test_a_question_that_is_refused_changes_nothing(kb: KnowledgeBase) -> None:
    """Not even with a history that would have replaced the present one."""
    scopes = [Scope([kb.dataset_id])]
    engine = helpdesk(kb, history="client", scope=lambda run: scopes[0])
    engine.chat(QUESTION)
    said = engine.chat_history
    with pytest.raises(InvalidRequestError, match="question=''"):
        engine.chat("", [ChatMessage(content="x")])
    scopes[0] = "everything"  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="scope='everything'"):
        engine.chat(QUESTION, [ChatMessage(content="x")])
    scopes[0] = Scope([kb.dataset_id])
    assert engine.chat_history == said


# --- streams that end otherwise -----------------------------------------------------------------------


def scripted_engine(scripted: dict[str, Any]) -> RAGFlowChatEngine:
    """In a session of the scripted server."""
    return RAGFlowChatEngine("c", session_id="s", **scripted)


def endless(body: dict[str, Any]) -> Any:
    """A stream that ends only when its caller hangs up."""
    return (frame({"answer": "more " * 100}) for _ in itertools.count())


async def test_an_error_surfaces_where_the_stream_is_read(
    scripted: dict[str, Any], script: Script, call: Call, seen: Seen
) -> None:
    """After what had arrived, and once as an event."""
    script.answers[COMPLETIONS] = lambda body: [
        frame({"answer": "Well, "}),
        frame({"answer": "**ERROR**: boom"}, code=500, message="boom"),
    ]
    response = await call(scripted_engine(scripted), "stream_chat", "Why?")
    got: list[str] = []
    with pytest.raises(APIError, match="boom"):
        await read(response, got)
    assert got == ["Well, "]
    names = [event.class_name() for event in seen.events]
    assert (names.count("StreamChatErrorEvent"), names.count("StreamChatEndEvent")) == (1, 0)


async def test_a_stream_that_breaks_off(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """Half an answer is not taken for a whole one."""
    script.answers[COMPLETIONS] = lambda body: [frame({"answer": "Well, "})]
    response = await call(scripted_engine(scripted), "stream_chat", "Why?")
    with pytest.raises(StreamInterruptedError):
        await read(response, [])
    assert not response.is_done


async def read(response: Any, got: list[str]) -> None:
    """Reads a stream into a list."""
    if response.achat_stream is not None:
        async for piece in response.async_response_gen():
            got.append(piece)
    else:
        await asyncio.to_thread(got.extend, response.response_gen)


@pytest.mark.parametrize("ending", ["closed", "forgotten"])
async def test_leaving_a_stream_hangs_up(
    scripted: dict[str, Any], script: Script, call: Call, ending: str
) -> None:
    """Closing the generator, or dropping the response half read, ends the exchange with the server."""
    script.answers[COMPLETIONS] = endless
    response = await call(scripted_engine(scripted), "stream_chat", "Why?")
    if response.achat_stream is not None:
        texts = response.async_response_gen()
        await anext(texts)
        await texts.aclose() if ending == "closed" else None
    else:
        texts = response.response_gen
        await asyncio.to_thread(next, texts)
        await asyncio.to_thread(texts.close) if ending == "closed" else None
    del response, texts
    gc.collect()
    assert await asyncio.to_thread(script.hung_up.wait, 5)


async def test_cancelling_hangs_up(scripted: dict[str, Any], script: Script) -> None:
    """A task that is cancelled while it reads ends the exchange, and leaves no task and no thread behind."""
    script.answers[COMPLETIONS] = endless
    before = asyncio.all_tasks(), set(threading.enumerate())
    response = await scripted_engine(scripted).astream_chat("Why?")
    begun = asyncio.Event()

    async def reading() -> None:
        async for _ in response.async_response_gen():
            begun.set()

    task = asyncio.create_task(reading())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(script.hung_up.wait, 5)
    assert asyncio.all_tasks() == before[0]
    left = {thread.name for thread in set(threading.enumerate()) - before[1]}
    of_the_test = ("asyncio_", "(process_request_thread)")  # to_thread's, and the scripted server's
    assert {name for name in left if not any(each in name for each in of_the_test)} == set()


async def test_an_unread_stream_asks_nothing(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """No session is made for it either."""
    await call(RAGFlowChatEngine("c", **scripted), "stream_chat", "Why?")
    assert script.bodies == []


async def test_an_answer_that_fails_is_not_in_the_history(recording: KnowledgeBase, call: Call) -> None:
    """Neither is its question: the conversation goes on from where it was."""
    engine = helpdesk(recording, history="client")
    await call(engine, "chat", "One?")
    response = await call(engine, "stream_chat", "Two?")
    if response.achat_stream is not None:
        texts = response.async_response_gen()
        await anext(texts)
        await texts.aclose()
    else:
        texts = response.response_gen
        await asyncio.to_thread(next, texts)
        await asyncio.to_thread(texts.close)
    assert [one.content for one in await history(call, engine)] == ["One?", "Answer 1 [ID:0]."]


async def test_events_of_a_stream(kb: KnowledgeBase, call: Call, seen: Seen) -> None:
    """Its start, its pieces and its end, and each citation at the end."""
    text, response = await asked(call, helpdesk(kb), "stream_chat", QUESTION)
    names = [event.class_name() for event in seen.events]
    assert (names[0], names[-1]) == ("StreamChatStartEvent", "StreamChatEndEvent")
    assert names.count("CitationResolved") == len(response.metadata["citations"])
    deltas = [event.delta for event in seen.events if event.class_name() == "StreamChatDeltaReceivedEvent"]  # type: ignore[attr-defined]
    assert "".join(deltas) == text


# --- several users on one key -------------------------------------------------------------------------

USER: ContextVar[str] = ContextVar("user")


@KEPT
async def test_a_conversation_within_a_scope(kb: KnowledgeBase, call: Call, kept: Any) -> None:
    """Answers rest on what is within it, and the session that it made is its own; another has none of it."""
    engine = helpdesk(kb, history=kept, scope=Scope([kb.dataset_id]))
    await call(engine, "chat", QUESTION)
    _, response = await asked(call, engine, "stream_chat", LEAVE)
    assert "leave.txt" in {node.metadata["document_name"] for node in response.source_nodes}
    assert len(await history(call, engine)) >= 4
    with pytest.raises(NotFoundError):
        await call(helpdesk(kb, history=kept, scope=Scope([kb.ships_id])), "chat", QUESTION)


@KEPT
async def test_a_conversation_is_one_users(kb: KnowledgeBase, call: Call, kept: Any) -> None:
    """What was said in one user's run is told in no other's, though both use one object."""
    scopes = {"ann": Scope([kb.dataset_id]), "bob": Scope([kb.dataset_id, kb.ships_id])}
    engine = helpdesk(kb, history=kept, scope=lambda run: scopes[USER.get()])
    USER.set("ann")
    await call(engine, "chat", QUESTION)
    USER.set("bob")
    for refused in (call(engine, "chat", LEAVE), call(engine, "stream_chat", LEAVE), history(call, engine)):
        with pytest.raises(PermissionDeniedError, match="another scope"):
            await refused
    USER.set("ann")
    assert LEAVE not in [one.content for one in await history(call, engine)]
    USER.set("bob")
    await call(engine, "reset")
    assert await history(call, engine) == []


@METHODS
async def test_scopes_of_documents_and_of_metadata(kb: KnowledgeBase, call: Call, method: str) -> None:
    """Each is kept by the form of the route that servers can keep it in, and refused by the other."""
    documents = Scope(document_ids=[kb.documents["leave.txt"]])
    text, response = await asked(call, helpdesk(kb, scope=documents), method, LEAVE)
    assert "thirty days" in text
    assert {node.metadata["document_name"] for node in response.source_nodes} == {"leave.txt"}
    with pytest.raises(UnsupportedError, match="document_ids"):
        await asked(call, helpdesk(kb, scope=documents, history="client"), method, LEAVE)
    condition = {"name": "team", "comparison_operator": "is", "value": "red"}
    metadata = Scope(metadata={"conditions": [condition]})
    with pytest.raises(UnsupportedError, match="metadata"):
        await asked(call, helpdesk(kb, scope=metadata), method, LEAVE)
    _, response = await asked(call, helpdesk(kb, scope=metadata, history="client"), method, LEAVE)
    assert response.source_nodes == []


@KEPT
async def test_a_late_reader_ends_in_the_conversation_it_began(
    kb: KnowledgeBase, call: Call, kept: Any
) -> None:
    """An answer that is read after a reset is not told what was said since, and is not in that history."""
    scopes = {"ann": Scope([kb.dataset_id]), "bob": Scope([kb.dataset_id, kb.ships_id])}
    engine = helpdesk(kb, history=kept, scope=lambda run: scopes[USER.get()])
    USER.set("ann")
    await call(engine, "chat", QUESTION)
    late = await call(engine, "stream_chat", "Who has leave?")
    await call(engine, "reset")
    USER.set("bob")
    _, bobs = await asked(call, engine, "chat", LEAVE)
    got: list[str] = []
    await read(late, got)
    assert got
    assert late.metadata["session_id"] != bobs.metadata["session_id"] or kept == "client"
    assert [one.content for one in await history(call, engine) if one.role == "user"] == [LEAVE]


# --- an agent -----------------------------------------------------------------------------------------


@pytest.fixture(params=["0.27", "0.24"])
def engine_of(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine, in both dialects."""
    with RAGFlow.local(api_version=request.param) as opened:
        yield opened


@METHODS
@KEPT
async def test_each_dialect(engine_of: RAGFlow, call: Call, method: str, kept: Any) -> None:
    """A conversation is the same on the oldest server and on the newest."""
    kb = await asyncio.to_thread(build, engine_of)
    engine = helpdesk(kb, history=kept)
    for question, expected in ((QUESTION, "six weeks"), (LEAVE, "thirty days")):
        text, response = await asked(call, engine, method, question)
        assert expected in text
        assert response.metadata["cited_node_ids"]
    said = await history(call, engine)
    assert [one.content for one in said if one.role == "user"] == [QUESTION, LEAVE]


async def test_two_first_questions_at_once(kb: KnowledgeBase) -> None:
    """They are asked in one session, which is the conversation's."""
    engine = helpdesk(kb)
    both = await asyncio.gather(engine.achat(QUESTION), engine.achat(LEAVE))
    assert len({response.metadata["session_id"] for response in both}) == 1


@METHODS
async def test_an_agent_remembers(engine_of: RAGFlow, call: Call, method: str) -> None:
    """One session is made with the first question and asked in again; ``reset`` and ``[]`` begin another."""
    agent = await asyncio.to_thread(engine_of.create_agent, "guide", ECHO)
    engine = RAGFlowAgentChatEngine(agent.id, client=engine_of)
    assert await history(call, engine) == []
    text, response = await asked(call, engine, method, "One")
    assert (text, response.metadata["agent_id"]) == ("You said: One", agent.id)
    _, again = await asked(call, engine, method, "Two")
    assert again.metadata["session_id"] == response.metadata["session_id"]
    assert [one.content for one in await history(call, engine) if one.role == "user"] == ["One", "Two"]
    await call(engine, "reset")
    _, fresh = await asked(call, engine, method, "Three")
    _, emptied = await asked(call, engine, method, "Four", [])
    ids = {one.metadata["session_id"] for one in (response, fresh, emptied)}
    assert len(ids) == 3
    with pytest.raises(UnsupportedError, match="takes no messages from elsewhere"):
        await call(engine, method, "Five", [ChatMessage(content="x")])


@METHODS
async def test_an_agents_sources(engine_of: RAGFlow, call: Call, method: str) -> None:
    """Its own numbers lead to the places of the source nodes."""
    kb = await asyncio.to_thread(build, engine_of)
    agent = await asyncio.to_thread(engine_of.create_agent, "guide", searching(kb.dataset_id))
    text, response = await asked(call, RAGFlowAgentChatEngine(agent.id, client=engine_of), method, QUESTION)
    assert response.metadata["citations"]
    for citation in response.metadata["citations"]:
        assert text[citation["start"] : citation["end"]].startswith("[ID:")
        assert response.source_nodes[citation["index"]].node_id == citation["node_id"]
    cited = {node.metadata["document_name"] for node in response.source_nodes if node.metadata["cited"]}
    assert "notice.txt" in cited


@METHODS
async def test_an_agent_that_waits_for_values(engine_of: RAGFlow, call: Call, method: str) -> None:
    """What it asks for is in the metadata; ``inputs`` answer it in the same session."""
    agent = await asyncio.to_thread(engine_of.create_agent, "guide", FORM)
    engine = RAGFlowAgentChatEngine(agent.id, client=engine_of)
    _, waiting = await asked(call, engine, method, "Good day")
    assert (waiting.metadata["tips"], [*waiting.metadata["user_inputs"]]) == ("Who is it?", ["who"])
    engine.inputs = {"who": "Bob"}
    response = await call(engine, method, "")
    engine.inputs = None  # what was asked is asked with what it was asked with
    got = [str(response)] if method == "chat" else []
    await read(response, got) if method == "stream_chat" else None
    assert "".join(got) == "Hello Bob"
    with pytest.raises(InvalidRequestError, match="question=''"):
        await call(engine, method, "")


async def test_no_agent_keeps_a_scope(engine_of: RAGFlow, call: Call) -> None:
    """So it is not asked within one."""
    agent = await asyncio.to_thread(engine_of.create_agent, "guide", ECHO)
    engine = RAGFlowAgentChatEngine(agent.id, client=engine_of, scope=Scope([]))
    with pytest.raises(UnsupportedError, match="scope"):
        await call(engine, "chat", "One")


def test_the_classes() -> None:
    """They are chat engines of LlamaIndex's, with everything implemented."""
    for kind in (RAGFlowChatEngine, RAGFlowAgentChatEngine):
        assert issubclass(kind, BaseChatEngine)
        assert not kind.__abstractmethods__


async def test_reasoning_of_an_answer(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """It is in the metadata, not in the text, streamed or not."""
    frames = [{"answer": "", "start_to_think": True}, {"answer": "Hm."}, {"answer": "", "end_to_think": True}]

    def respond(body: dict[str, Any]) -> Any:
        if not body["stream"]:
            return {"answer": "<think>Hm.</think>Yes [ID:0].", "reference": {"chunks": [chunk(0)]}}
        thinking = [frame({"final": False, **one}) for one in frames]
        return itertools.chain(thinking, streamed(["Yes [I", "D:0]."], [chunk(0)]))

    script.answers[COMPLETIONS] = respond
    for method in ("chat", "stream_chat"):
        text, response = await asked(call, scripted_engine(scripted), method, "Why?")
        assert (text, response.metadata["reasoning"]) == ("Yes [ID:0].", "Hm.")
        assert response.metadata["cited_node_ids"] == ["chunk0"]
