"""RAGFlowLLM: answers with references, streams, honest metadata, and no key anywhere."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.llms import types
from llama_index.core.base.llms.types import ChatMessage, CitationBlock, MessageRole
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import LLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from llamaindex_ragflow import RAGFlowLLM
from ragflow_integrations import (
    APIError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from tests.llamaindex.conftest import QUESTION, Call, KnowledgeBase, Seen
from tests.llamaindex.scripted import KEY, Script

COMPLETIONS = "/api/v1/openai/c/chat/completions"
ASKED = [ChatMessage(role=MessageRole.USER, content=QUESTION)]


def helpdesk(kb: KnowledgeBase, **options: Any) -> RAGFlowLLM:
    """The assistant of the small dataset."""
    return RAGFlowLLM(kb.chat_id, **kb.clients, **options)


async def responses(call: Call, llm: RAGFlowLLM, method: str, *args: Any) -> list[Any]:
    """All responses, be it one or a stream."""
    got = await call(llm, method, *args)
    if hasattr(got, "__aiter__"):
        return [one async for one in got]
    return await asyncio.to_thread(list, got) if hasattr(got, "__next__") else [got]


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_an_answer_with_its_reference(kb: KnowledgeBase, call: Call, method: str) -> None:
    """Text, reference, citations and usage, and a block for each cited source; of a stream with the last piece."""
    *parts, last = await responses(call, helpdesk(kb), method, ASKED)
    text, told = last.message.content, last.additional_kwargs
    assert "six weeks" in text
    assert told["reference"][0]["document_name"] == "notice.txt"
    assert told["citations"]
    for citation in told["citations"]:
        assert text[citation["start"] : citation["end"]] == f"[ID:{citation['index']}]"
        assert told["reference"][citation["index"]]["id"] == citation["node_id"]
    usage = last.raw["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    blocks = [block for block in last.message.blocks if isinstance(block, CitationBlock)]
    cited = sorted({citation["index"] for citation in told["citations"]})
    assert [block.cited_content.text for block in blocks] == [told["reference"][n]["content"] for n in cited]
    if method == "stream_chat":
        assert len(parts) > 1
        assert "".join(part.delta for part in [*parts, last]) == text
        assert parts[-1].message.content == text


@pytest.mark.parametrize("method", ["complete", "stream_complete"])
async def test_completions(kb: KnowledgeBase, call: Call, method: str) -> None:
    """The same for a text."""
    parts = await responses(call, helpdesk(kb), method, QUESTION)
    (whole,) = await responses(call, helpdesk(kb), "chat", ASKED)
    assert parts[-1].text == whole.message.content
    assert parts[-1].additional_kwargs == whole.additional_kwargs
    if method == "stream_complete":
        assert "".join(part.delta for part in parts) == parts[-1].text


async def test_in_prompts(kb: KnowledgeBase, call: Call) -> None:
    """LlamaIndex's ``predict`` and ``stream`` work on it."""
    prompt = PromptTemplate("How long is the {what}?")
    assert "six weeks" in await in_either_way(call, helpdesk(kb), "predict", prompt)
    assert "six weeks" in await in_either_way(call, helpdesk(kb), "stream", prompt)


async def in_either_way(call: Call, llm: RAGFlowLLM, method: str, prompt: PromptTemplate) -> str:
    """The text of a prompt's answer."""
    got = await call(Prompted(llm, prompt), method)
    if isinstance(got, str):
        return got
    if hasattr(got, "__aiter__"):
        return "".join([piece async for piece in got])
    return "".join(await asyncio.to_thread(list, got))


class Prompted:
    """A model and a prompt, to be called with the prompt's value."""

    def __init__(self, llm: RAGFlowLLM, prompt: PromptTemplate) -> None:
        self.llm, self.prompt = llm, prompt

    def predict(self) -> Any:
        return self.llm.predict(self.prompt, what="notice period")

    async def apredict(self) -> Any:
        return await self.llm.apredict(self.prompt, what="notice period")

    def stream(self) -> Any:
        return self.llm.stream(self.prompt, what="notice period")

    async def astream(self) -> Any:
        return await self.llm.astream(self.prompt, what="notice period")


# --- what is sent, and what comes back otherwise ------------------------------------------------------


def completion(**message: Any) -> dict[str, Any]:
    """An answer in OpenAI's form, as it is."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


def openai_frames(*deltas: dict[str, Any]) -> Iterator[str]:
    """The frames of a stream in OpenAI's form."""
    for number, delta in enumerate(deltas):
        last = number == len(deltas) - 1
        choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
        yield f"data:{json.dumps({'choices': [choice]})}\n\n"
    yield "data:[DONE]\n\n"


def answering(script: Script, text: str, **more: Any) -> None:
    """Let the server say this, whole or in letters."""

    def respond(body: dict[str, Any]) -> Any:
        if body["stream"]:
            return openai_frames(*({"content": letter} for letter in text), {"content": None, **more})
        return Plain(completion(content=text, **more))

    script.answers[COMPLETIONS] = respond


class Plain(list[str]):
    """A body that is sent as it is."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__([json.dumps(body)])


async def test_the_whole_conversation_is_sent(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """System messages as the user's, settings of the object and of the call, and that references are wanted."""
    answering(script, "Yes.")
    llm = RAGFlowLLM("c", temperature=0.5, max_tokens=9, **scripted)
    messages = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
        ChatMessage(role=MessageRole.USER, content="One?"),
        ChatMessage(role=MessageRole.ASSISTANT, content="Yes."),
        ChatMessage(role=MessageRole.USER, content="Two?"),
    ]
    await responses(call, llm, "stream_chat", messages)
    await in_call(call, llm, messages, temperature=0.1, model="m")
    streamed, whole = script.bodies
    roles = ["user", "user", "assistant", "user"]
    assert [one["role"] for one in streamed["messages"]] == roles
    assert [one["content"] for one in whole["messages"]] == ["Be brief.", "One?", "Yes.", "Two?"]
    assert (streamed["model"], streamed["temperature"], streamed["max_tokens"]) == ("model", 0.5, 9)
    assert (whole["model"], whole["temperature"], whole["max_tokens"]) == ("m", 0.1, 9)
    assert streamed["extra_body"]["reference"] is True


async def in_call(call: Call, llm: RAGFlowLLM, messages: list[ChatMessage], **kwargs: Any) -> Any:
    """``stream_chat`` with arguments of its own, read to its end."""
    got = await call(Given(llm, kwargs), "stream", messages)
    return [one async for one in got] if hasattr(got, "__aiter__") else await asyncio.to_thread(list, got)


class Given:
    """A model that is called with these arguments."""

    def __init__(self, llm: RAGFlowLLM, kwargs: dict[str, Any]) -> None:
        self.llm, self.kwargs = llm, kwargs

    def stream(self, messages: list[ChatMessage]) -> Any:
        return self.llm.stream_chat(messages, **self.kwargs)

    async def astream(self, messages: list[ChatMessage]) -> Any:
        return await self.llm.astream_chat(messages, **self.kwargs)


async def test_thoughts_and_no_usage(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """Thoughts arrive as such; tokens are told only where the server counted them."""
    script.answers[COMPLETIONS] = lambda body: openai_frames(
        {"reasoning_content": "Hm"}, {"reasoning_content": "."}, {"content": "Yes [ID:3]."}, {"reference": []}
    )
    *parts, last = await responses(call, RAGFlowLLM("c", **scripted), "stream_chat", ASKED)
    assert [part.additional_kwargs.get("thinking_delta") for part in parts[:2]] == ["Hm", "."]
    assert last.message.content == "Yes [ID:3]."
    assert last.additional_kwargs == {
        "reference": [],
        "reasoning": "Hm.",
        "citations": [],
        "unresolved_citations": [{"index": 3, "start": 4, "end": 10}],
    }
    assert last.raw is None
    thoughts = [block for block in last.message.blocks if block.block_type == "thinking"]
    known = hasattr(types, "ThinkingBlock")  # not in llama-index-core 0.14.0
    assert [block.content for block in thoughts] == (["Hm."] if known else [])


async def test_leaving_a_stream_hangs_up(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """Closing the generator ends the exchange with the server."""
    more = f"data:{json.dumps({'choices': [{'delta': {'content': 'more ' * 100}}]})}\n\n"
    script.answers[COMPLETIONS] = lambda body: (more for _ in range(10**9))
    for method, asked in (("stream_chat", ASKED), ("stream_complete", QUESTION)):
        script.hung_up.clear()
        stream = await call(RAGFlowLLM("c", **scripted), method, asked)
        if hasattr(stream, "__aiter__"):
            await anext(stream)
            await stream.aclose()
        else:
            await asyncio.to_thread(next, stream)
            await asyncio.to_thread(stream.close)
        assert await asyncio.to_thread(script.hung_up.wait, 5)


async def test_errors_are_raised(
    kb: KnowledgeBase, scripted: dict[str, Any], script: Script, call: Call
) -> None:
    """Unknown assistants, an error inside a stream, what cannot be told and what is not taken."""
    with pytest.raises((NotFoundError, APIError)):
        await call(RAGFlowLLM("0" * 32, **kb.clients), "chat", ASKED)
    with pytest.raises(NotFoundError, match="nobody"):
        await responses(call, RAGFlowLLM(chat_name="nobody", **kb.clients), "stream_chat", ASKED)
    script.answers[COMPLETIONS] = lambda body: openai_frames({"content": "**ERROR**: boom"}, {})
    with pytest.raises(APIError, match="boom"):
        await responses(call, RAGFlowLLM("c", **scripted), "stream_chat", ASKED)
    with pytest.raises(InvalidRequestError, match="role 'tool'"):
        await call(helpdesk(kb), "chat", [ChatMessage(role=MessageRole.TOOL, content="42")])
    with pytest.raises(InvalidRequestError, match="stop: RAGFlow takes model, temperature"):
        await in_call(call, helpdesk(kb), ASKED, stop=["x"])


def test_settings_that_an_old_server_passes_over() -> None:
    """They are refused there, and taken by a new one."""
    with RAGFlow.local(api_version="0.24", llm=lambda messages: "Good day.") as client:
        chat = client.create_chat("old")
        assert RAGFlowLLM(chat.id, client=client).complete("Hello").text == "Good day."
        with pytest.raises(UnsupportedError, match="temperature: RAGFlow before v0.25"):
            RAGFlowLLM(chat.id, client=client, temperature=0.5).complete("Hello")


# --- honesty ------------------------------------------------------------------------------------------


def test_metadata(kb: KnowledgeBase) -> None:
    """A chat model that calls no functions."""
    told = RAGFlowLLM(chat_name="helpdesk", max_tokens=77, context_window=9000, **kb.clients).metadata
    assert (told.is_chat_model, told.is_function_calling_model) == (True, False)
    assert (told.model_name, told.num_output, told.context_window) == ("helpdesk", 77, 9000)
    assert issubclass(RAGFlowLLM, LLM)
    assert not RAGFlowLLM.__abstractmethods__


async def test_no_key_anywhere(
    script: Script, call: Call, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in dict, JSON, repr and pickle, nor in any event; a copy from the dict asks with the environment's."""
    answering(script, "Yes.")
    llm = RAGFlowLLM("c", base_url=script.base_url, api_key=KEY, temperature=0.5, system_prompt="Be brief.")
    await call(llm, "chat", ASKED)
    await responses(call, llm, "stream_complete", QUESTION)
    told = [event.model_dump_json() for event in seen.events]
    assert any("RAGFlowLLM" in one for one in told)
    for shown in (repr(llm), str(llm.to_dict()), llm.to_json(), str(pickle.dumps(llm)), *told):
        assert KEY not in shown
    monkeypatch.setenv("RAGFLOW_API_KEY", "another-key")
    for copy in (RAGFlowLLM.from_dict(llm.to_dict()), pickle.loads(pickle.dumps(llm))):  # noqa: S301 - our own
        assert (copy.to_dict(), copy.class_name()) == (llm.to_dict(), "RAGFlowLLM")
        assert (await call(copy, "chat", ASKED)).message.content == "Yes."
        await copy.aclose()
    await llm.aclose()


def test_what_was_scoped_stays_scoped(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle keeps its scope; a dict cannot, so one has to be given again."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "key")
    scope = Scope(["a"])
    llm = RAGFlowLLM("c", base_url="http://127.0.0.1:9", api_key="key", scope=scope)
    copy = pickle.loads(pickle.dumps(llm))  # noqa: S301 - our own
    assert copy._connection.scope == copy._connection.scoped().scope == scope
    with pytest.raises(ConfigurationError, match="give scope="):
        RAGFlowLLM.from_dict(llm.to_dict())
    assert RAGFlowLLM.from_dict(llm.to_dict(), scope=scope)._connection.scope == scope
    with pytest.raises(NotFoundError):
        helpdesk(kb, scope=Scope([kb.ships_id])).complete(QUESTION)
    for one in (llm, copy):
        one.close()


def test_an_engine_in_memory_is_not_pickled(kb: KnowledgeBase) -> None:
    """It would be an empty one on the other side."""
    with RAGFlow.local() as client, pytest.raises(ConfigurationError, match="cannot be pickled"):
        pickle.dumps(RAGFlowLLM("c", client=client))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either chat_id= or chat_name="),
        ({"chat_id": "c", "dataset_ids": ["a"]}, "dataset_ids: RAGFlowLLM has no such argument"),
        ({"chat_id": "c", "client": RAGFlow("k", "http://127.0.0.1:9")}, "not both"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    """They are refused when the model is made."""
    with pytest.raises(ConfigurationError, match=message):
        RAGFlowLLM(base_url=":memory:", **arguments)


async def test_answers_at_once_do_not_wait_for_each_other(scripted: dict[str, Any], script: Script) -> None:
    """Five are at the server together, which answers none before all are there."""
    all_there = threading.Barrier(5)

    def answer(body: dict[str, Any]) -> Any:
        all_there.wait(timeout=20)
        return Plain(completion(content="Yes."))

    script.answers[COMPLETIONS] = answer
    llm = RAGFlowLLM("c", **scripted)
    answers = await asyncio.gather(*(llm.achat(ASKED) for _ in range(5)))
    assert [one.message.content for one in answers] == ["Yes."] * 5


# --- in agents ----------------------------------------------------------------------------------------


def count(word: str) -> int:
    """How many letters a word has."""
    return len(word)


@pytest.fixture
def thinking() -> Iterator[RAGFlowLLM]:
    """An assistant whose model thinks aloud, as ReAct wants it: first a tool, then the answer."""

    def model(messages: list[dict[str, str]]) -> str:
        if "Observation: 7" in messages[-1]["content"]:
            return "Thought: I can answer without using any more tools.\nAnswer: It has 7 letters."
        assert any("count" in message["content"] and "tool" in message["content"] for message in messages)
        return 'Thought: I need a tool.\nAction: count\nAction Input: {"word": "harbour"}'

    with RAGFlow.local(llm=model) as client:
        chat = client.create_chat("thinker")
        yield RAGFlowLLM(chat.id, client=client)


# llama-index-workflows inspects the agent, a pydantic model, with all its deprecated attributes
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
async def test_in_a_react_agent(thinking: RAGFlowLLM) -> None:
    """It is told the tools, calls one by its words, and answers from what that said."""
    agent = ReActAgent(tools=[FunctionTool.from_defaults(count)], llm=thinking)
    running = agent.run("How many letters has harbour?", memory=ChatMemoryBuffer.from_defaults())
    results = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
    assert "7 letters" in str(await running)
    assert [result.tool_output.raw_output for result in results] == [7]


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")
async def test_a_function_agent_refuses_it(kb: KnowledgeBase) -> None:
    """RAGFlow calls no functions, and says so."""
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(count)], llm=helpdesk(kb))
    with pytest.raises(ValueError, match="LLM must be a FunctionCallingLLM"):
        await agent.run(QUESTION, memory=ChatMemoryBuffer.from_defaults())


def test_tokens_are_counted(kb: KnowledgeBase) -> None:
    """LlamaIndex's own counter finds the server's numbers."""
    counter = TokenCountingHandler(tokenizer=lambda text: [0])
    llm = helpdesk(kb, callback_manager=CallbackManager([counter]))
    usage = llm.chat(ASKED).raw["usage"]
    assert counter.prompt_llm_token_count == usage["prompt_tokens"]
    assert counter.completion_llm_token_count == usage["completion_tokens"]
