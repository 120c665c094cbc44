"""``ChatRAGFlow`` against the local engine, in this process and over loopback, and against scripted answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.runnables import ConfigurableField
from pydantic import ValidationError

from langchain_ragflow import ChatRAGFlow
from ragflow_integrations import AsyncRAGFlow, InvalidRequestError, NotFoundError, RAGFlow, ServerError
from tests.langchain.conftest import QUESTION, KnowledgeBase, build, on_both
from tests.langchain.scripted import Script

kb = on_both()
LEAVE = "How many days of leave has a keeper?"
CITED = {"id": "k0", "content": "The moon is cheese.", "document_id": "d0", "document_name": "moon.txt"}


@pytest.fixture
def model(kb: KnowledgeBase) -> ChatRAGFlow:
    return ChatRAGFlow(client=kb.client, chat_id=kb.chat_id)


@pytest.fixture
def session_id(kb: KnowledgeBase) -> str:
    return kb.client.chat(kb.chat_id).create_session().id


class Tokens(BaseCallbackHandler):
    """Counts what callbacks get."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.metadata: dict[str, Any] = {}

    def on_chat_model_start(self, *args: Any, metadata: dict[str, Any], **kwargs: Any) -> None:
        self.metadata = metadata

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)


def summed(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return sum(chunks[1:], chunks[0])


def stored(kb: KnowledgeBase, session_id: str) -> list[str]:
    """The questions that the server remembers of a session."""
    (session,) = kb.client.chat(kb.chat_id).list_sessions(id=session_id)
    return [message.content for message in session.messages if message.role == "user"]


def plain(blocks: list[Any]) -> list[Any]:
    """Blocks without the index that streaming puts in, empty ones left out."""
    found = [{name: value for name, value in block.items() if name != "index"} for block in blocks]
    return [block for block in found if block.get("text") or block.get("reasoning")]


def comparable(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name not in ("message_id", "output_version")}


# --- answers and citations ----------------------------------------------------------------------------------


def test_an_answer_with_its_sources(kb: KnowledgeBase, model: ChatRAGFlow) -> None:
    """The text, what it rests on, and citations whose spans are its markers, as metadata and as annotations."""
    got = model.invoke(QUESTION)
    told = got.response_metadata
    assert "six weeks" in got.text
    assert told["model_provider"] == "ragflow"
    assert told["model_name"] == told["chat_id"] == kb.chat_id
    assert told["message_id"]
    assert "session_id" not in told
    assert got.usage_metadata is None
    assert told["citations"][0]["title"] == "notice.txt"
    for citation in told["citations"]:
        source = told["reference"][citation["extras"]["reference"]]
        span = got.text[citation["start_index"] : citation["end_index"]]
        assert span == f"[ID:{citation['extras']['reference']}]"
        assert citation["title"] == source["document_name"]
        assert citation["cited_text"] == source["content"]
        assert citation["extras"]["chunk_id"] == source["id"]
    assert got.content_blocks == [{"type": "text", "text": got.text, "annotations": told["citations"]}]


async def every_way(model: ChatRAGFlow) -> dict[str, AIMessage]:
    """One answer, asked for in all the ways that LangChain has."""

    async def off(blocking: Any) -> Any:
        return await asyncio.to_thread(blocking)

    return {
        "invoke": await off(lambda: model.invoke(QUESTION)),
        "ainvoke": await model.ainvoke(QUESTION),
        "batch": (await off(lambda: model.batch([QUESTION])))[0],
        "abatch": (await model.abatch([QUESTION]))[0],
        "stream": await off(lambda: summed(list(model.stream(QUESTION)))),
        "astream": summed([chunk async for chunk in model.astream(QUESTION)]),
        "stream_events": await off(lambda: model.stream_events(QUESTION, version="v3").output),
        "astream_events": await (await model.astream_events(QUESTION, version="v3")),
    }


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.parametrize("api", ["native", "openai"])
async def test_one_answer_in_every_form(kb: KnowledgeBase, api: Any) -> None:
    """Text, citations and metadata are the same as str, as v1 and from v3's events, streamed or not, on both routes."""
    told = []
    for version in (None, "v1"):
        model = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, api=api, output_version=version)
        for way, got in (await every_way(model)).items():
            (block,) = plain(got.content_blocks)
            assert block["text"] == got.text
            assert block["annotations"] == got.response_metadata["citations"] != []
            assert isinstance(got.content, list) == (version == "v1" or way.endswith("events"))
            told.append((got.text, block, comparable(got.response_metadata), got.usage_metadata))
    assert [one for one in told if one != told[0]] == []


async def test_events_v2_stream_the_text(model: ChatRAGFlow) -> None:
    """``astream_events`` has an event a delta, and the whole message at the end."""
    events = [event async for event in model.astream_events(QUESTION, version="v2")]
    pieces = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    (end,) = [event for event in events if event["event"] == "on_chat_model_end"]
    assert len(pieces) > 2
    assert "".join(pieces) == end["data"]["output"].text


def test_a_stream_hands_out_deltas_and_tells_everything_once(model: ChatRAGFlow) -> None:
    """Only the last chunk has metadata beyond the provider; callbacks get each chunk once."""
    seen = Tokens()
    chunks = list(model.stream(QUESTION, {"callbacks": [seen]}))
    assert len(chunks) > 2
    assert [chunk.chunk_position for chunk in chunks].count("last") == 1
    assert chunks[-1].chunk_position == "last"
    assert {tuple(chunk.response_metadata) for chunk in chunks[:-1]} == {("model_provider",)}
    assert seen.tokens == [chunk.content for chunk in chunks]
    assert (seen.metadata["ls_provider"], seen.metadata["ls_model_name"]) == ("ragflow", model.chat_id)


def test_streaming_makes_invoke_stream(kb: KnowledgeBase, model: ChatRAGFlow) -> None:
    """By the field, and for one call by LangChain's own ``stream=``: tokens for callbacks, the same answer."""
    streaming = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, streaming=True)
    for one, wanted in ((streaming, {}), (model, {"stream": True})):
        seen = Tokens()
        assert one.invoke(QUESTION, {"callbacks": [seen]}, **wanted).text == model.invoke(QUESTION).text
        assert len(seen.tokens) > 2


def test_reasoning_becomes_blocks(script: Script, scripted: RAGFlow) -> None:
    """What a model thinks comes as reasoning, apart from the text, streamed and whole, as str and v1."""
    script.pieces = ["<think>", "Moon", "light?", "</think>", "It is ", "cheese [ID", ":0]."]
    script.chunks = [CITED]
    for version in (None, "v1"):
        model = ChatRAGFlow(client=scripted, chat_id="c1", output_version=version)
        for got in (model.invoke("What is it?"), summed(list(model.stream("What is it?")))):
            reasoning, text = plain(got.content_blocks)
            assert reasoning == {"type": "reasoning", "reasoning": "Moonlight?"}
            assert text["text"] == got.text == "It is cheese [ID:0]."
            (citation,) = text["annotations"]
            assert text["text"][citation["start_index"] : citation["end_index"]] == "[ID:0]"
            assert citation["cited_text"] == "The moon is cheese."


def test_a_marker_that_cites_nothing(script: Script, scripted: RAGFlow) -> None:
    """A model that invents a source is found out, streamed or not."""
    script.pieces, script.chunks = ["Cheese [ID:0] and ham [ID", ":4]."], [CITED]
    model = ChatRAGFlow(client=scripted, chat_id="c1")
    for got in (model.invoke("x"), summed(list(model.stream("x")))):
        assert got.text == "Cheese [ID:0] and ham [ID:4]."
        assert len(got.response_metadata["citations"]) == 1
        assert got.response_metadata["unresolved_citations"] == [
            {"marker": "[ID:4]", "start_index": 22, "end_index": 28}
        ]


def test_stop(kb: KnowledgeBase, model: ChatRAGFlow) -> None:
    """The text ends before the stop sequence, the sources come all the same; a call's goes over the model's."""
    whole = model.invoke(QUESTION)
    stopped = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, stop=[" six we"])
    for got in (stopped.invoke(QUESTION), summed(list(stopped.stream(QUESTION)))):
        assert got.text == whole.text.partition(" six we")[0]
        assert got.response_metadata["citations"] == []
        assert got.response_metadata["reference"] == whole.response_metadata["reference"]
    assert stopped.invoke(QUESTION, stop=["nowhere"]).text == whole.text
    for wrong in ([""], "six"):
        with pytest.raises(InvalidRequestError, match="give a list of texts"):
            model.invoke(QUESTION, stop=wrong)  # type: ignore[arg-type]


# --- history and sessions -----------------------------------------------------------------------------------


def test_without_a_session_nothing_is_stored(kb: KnowledgeBase, model: ChatRAGFlow) -> None:
    """The messages are the whole history; the server keeps no session of it."""
    before = kb.client.chat(kb.chat_id).list_sessions()
    history = [HumanMessage("Good day"), AIMessage("Good day!"), HumanMessage(QUESTION)]
    assert "six weeks" in model.invoke(history).text
    assert [s.id for s in kb.client.chat(kb.chat_id).list_sessions()] == [s.id for s in before]


def test_what_is_sent_without_a_session(script: Script, scripted: RAGFlow) -> None:
    """Every turn in order, and the switches that keep the server from storing them; no system message."""
    history = [SystemMessage("Be brief"), HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    with pytest.warns(UserWarning, match="does not send system messages"):
        ChatRAGFlow(client=scripted, chat_id="c1").invoke(history)
    (body,) = script.bodies
    assert body == {
        "chat_id": "c1",
        "stream": False,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        "pass_all_history_messages": True,
        "store_history_messages": False,
    }


@pytest.mark.parametrize("way", ["constructor", "call", "bind", "configurable"])
def test_a_session_in_every_way(kb: KnowledgeBase, model: ChatRAGFlow, session_id: str, way: str) -> None:
    """The server remembers the question, and the answer says which session it belongs to."""
    got = {
        "constructor": ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, session_id=session_id),
        "call": model.bind(session_id=None),
        "bind": model.bind(session_id=session_id),
        "configurable": model.configurable_fields(session_id=ConfigurableField(id="session_id")).with_config(
            configurable={"session_id": session_id}
        ),
    }[way].invoke(QUESTION, **({"session_id": session_id} if way == "call" else {}))
    assert got.response_metadata["session_id"] == session_id
    assert stored(kb, session_id) == [QUESTION]


async def test_a_session_gets_the_last_question_only(
    kb: KnowledgeBase, model: ChatRAGFlow, session_id: str
) -> None:
    """What came before is the server's own history; ``None`` in a call leaves the session out."""
    history = [HumanMessage("Good day"), AIMessage("Good day!"), HumanMessage(QUESTION)]
    bound = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, session_id=session_id)
    await bound.ainvoke(history)
    chunks = [chunk async for chunk in bound.astream(LEAVE)]
    assert chunks[-1].response_metadata["session_id"] == session_id
    await bound.ainvoke("Not to be stored", session_id=None)
    assert await asyncio.to_thread(stored, kb, session_id) == [QUESTION, LEAVE]


def test_the_cache_tells_sessions_apart(script: Script, scripted: RAGFlow) -> None:
    """Two sessions, assistants, servers or models never share a cached answer; equal calls do."""
    cache = InMemoryCache()
    script.pieces, base = ["one"], {"client": scripted, "cache": cache}
    model = ChatRAGFlow(chat_id="c1", **base)
    assert model.invoke("x").text == ChatRAGFlow(chat_id="c1", **base).invoke("x").text == "one"
    assert len(script.bodies) == 1
    script.pieces = ["two"]
    others = [
        ChatRAGFlow(chat_id="c2", **base),
        ChatRAGFlow(chat_id="c1", session_id="s1", **base),
        ChatRAGFlow(chat_id="c1", model="m", **base),
        ChatRAGFlow(chat_id="c1", stop=["z"], **base),
        model.bind(session_id="s2"),
    ]
    assert [other.invoke("x").text for other in others] == ["two"] * 5


def test_the_cache_tells_names_apart() -> None:
    """One name is another assistant in another engine, or behind another key; a known one is cached."""
    cache = InMemoryCache()
    with RAGFlow.local() as ours, RAGFlow.local() as theirs:
        first, second = build(ours), build(theirs)
        models = [ChatRAGFlow(client=client, chat_name="helpdesk", cache=cache) for client in (ours, theirs)]
        first_asked, asked, asked_again = (
            [model.invoke(QUESTION).response_metadata for model in models] for _ in range(3)
        )
        assert [one["chat_id"] for one in first_asked] == [first.chat_id, second.chat_id]
        assert [one["chat_id"] for one in asked] == [first.chat_id, second.chat_id]
        assert asked == asked_again


def test_a_copy_with_another_name_asks_another_assistant(kb: KnowledgeBase) -> None:
    """The id that belongs to the old name is not used for the new one."""
    model = ChatRAGFlow(client=kb.client, chat_name="helpdesk")
    model.invoke(QUESTION)
    with pytest.raises(NotFoundError, match="nobody"):
        model.model_copy(update={"chat_name": "nobody"}).invoke(QUESTION)


def test_the_name_of_an_assistant(kb: KnowledgeBase) -> None:
    """A name does what its id does, sync and async, and is what the answer calls its model."""
    by_name = ChatRAGFlow(client=kb.client, chat_name="helpdesk")
    got = by_name.invoke(QUESTION)
    assert (got.response_metadata["chat_id"], got.response_metadata["model_name"]) == (kb.chat_id, "helpdesk")
    fresh = ChatRAGFlow(client=kb.client, chat_name="helpdesk")
    assert asyncio.run(fresh.ainvoke(QUESTION)).text == got.text


# --- many at once, breaking off -----------------------------------------------------------------------------


async def test_many_at_once(model: ChatRAGFlow) -> None:
    """Concurrent coroutines and a threaded batch do not mix up their answers."""
    facts = {QUESTION: "six weeks", LEAVE: "thirty days"}
    questions = [*facts] * 10
    for answers in (
        await model.abatch([*questions]),
        await asyncio.to_thread(lambda: model.batch([*questions])),
    ):
        assert all(facts[question] in got.text for question, got in zip(questions, answers, strict=True))


def test_leaving_a_stream_hangs_up(script: Script, scripted: RAGFlow) -> None:
    """Whoever stops reading frees the connection: the server is told at once."""
    script.pieces, script.endless = ["one "], True
    stream = ChatRAGFlow(client=scripted, chat_id="c1").stream("x")
    assert next(stream).content == "one "
    stream.close()
    assert script.hung_up.wait(5)


@pytest.mark.parametrize("way", ["aclose", "cancel"])
async def test_leaving_a_stream_hangs_up_async(
    script: Script, scripted_async: AsyncRAGFlow, way: str
) -> None:
    """The same for coroutines, by closing the stream and by cancelling the task."""
    script.pieces, script.endless = ["one "], True
    stream = ChatRAGFlow(async_client=scripted_async, chat_id="c1").astream("x")
    if way == "aclose":
        assert (await anext(stream)).content == "one "
        await stream.aclose()
    else:
        task = asyncio.create_task(_drain(stream))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await asyncio.to_thread(script.hung_up.wait, 5)


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


# --- errors and refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fields", "question", "error"),
    [
        ({"chat_id": "0" * 32}, QUESTION, NotFoundError),
        ({"chat_id": ""}, QUESTION, InvalidRequestError),
        ({"chat_name": "nix"}, QUESTION, NotFoundError),
        ({"session_id": "0" * 32}, QUESTION, NotFoundError),
        ({"session_id": ""}, QUESTION, InvalidRequestError),
        ({}, "", InvalidRequestError),
        ({}, [AIMessage("Hello")], InvalidRequestError),
        ({}, [], InvalidRequestError),
    ],
)
async def test_errors_pass_through(
    kb: KnowledgeBase, fields: dict[str, Any], question: Any, error: type[Exception], streamed: bool
) -> None:
    """The client's own exceptions, sync and async, whole and streamed."""
    chat = {} if fields.keys() & {"chat_id", "chat_name"} else {"chat_id": kb.chat_id}
    model = ChatRAGFlow(client=kb.client, **chat, **fields)
    with pytest.raises(error):
        await (_drain(model.astream(question)) if streamed else model.ainvoke(question))
    with pytest.raises(error):
        await asyncio.to_thread(lambda: list(model.stream(question)) if streamed else model.invoke(question))


def test_an_error_inside_a_stream(script: Script, scripted: RAGFlow) -> None:
    """What came before it is handed out; then the server's error is raised, not printed as text."""
    script.pieces, script.error_after = ["one ", "two "], 1
    stream = ChatRAGFlow(client=scripted, chat_id="c1").stream("x")
    assert next(stream).content == "one "
    with pytest.raises(ServerError, match="boom"):
        next(stream)


@pytest.mark.parametrize(
    "fields", [{}, {"chat_id": "a", "chat_name": "b"}, {"chat_id": "a", "sesion_id": "s"}]
)
def test_wrong_constructors(kb: KnowledgeBase, fields: dict[str, Any]) -> None:
    """Neither or both of id and name, and what is misspelt."""
    with pytest.raises(ValidationError, match="chat_id or chat_name|sesion_id"):
        ChatRAGFlow(client=kb.client, **fields)


async def test_typos_in_a_call_are_refused(model: ChatRAGFlow) -> None:
    """An argument that would have no effect is no argument."""
    with pytest.raises(ValidationError, match="sesion_id"):
        await model.ainvoke(QUESTION, sesion_id="s")
    with pytest.raises(ValidationError, match="temprature"):
        list(await asyncio.to_thread(lambda: [*model.stream(QUESTION, temprature=1)]))


def test_settings_of_the_language_model(script: Script, scripted: RAGFlow) -> None:
    """They go out with the model that they are for, and are named as the answer's; a call's go over them."""
    model = ChatRAGFlow(client=scripted, chat_id="c1", model="m1", temperature=0.5, max_tokens=9)
    assert model.invoke("x", model="m2", top_p=0.1).response_metadata["model_name"] == "m2"
    assert model.invoke("x").response_metadata["model_name"] == "m1"
    first, second = script.bodies
    sent = {"llm_id": "m2", "temperature": 0.5, "max_tokens": 9, "top_p": 0.1}
    assert {name: first[name] for name in sent} == sent
    assert (second["llm_id"], "top_p" in second) == ("m1", False)


def test_settings_without_effect_warn(script: Script, scripted: RAGFlow) -> None:
    """RAGFlow ignores them unless the model is named: that is said, not swallowed."""
    with pytest.warns(UserWarning, match="temperature, max_tokens without model="):
        ChatRAGFlow(client=scripted, chat_id="c1", temperature=0.5, max_tokens=9).invoke("x")


def test_tools_are_refused_with_a_way_out(model: ChatRAGFlow) -> None:
    """Both refusals name what to do instead, and the profile says it before."""
    with pytest.raises(NotImplementedError, match=r"RAGFlowToolkit\("):
        model.bind_tools([])
    with pytest.raises(NotImplementedError, match=r"RAGFlowToolkit\("):
        model.with_structured_output({})
    assert model.profile is not None
    assert (model.profile["tool_calling"], model.profile["structured_output"]) == (False, False)
