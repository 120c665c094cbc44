"""Answers of chats where the engine was given a language model."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.problems import ModelFailed
from ragflow_integrations.local.serve import running_server
from tests.local.server.api import Api, Json
from tests.local.server.replay import frames
from tests.local.waiting import wait_until

Messages = Sequence[dict[str, str]]
QUESTION = "What is the capital of Atlantis?"


class Model:
    """A model that notes what it was told, and says what ``answer`` makes of it."""

    name = "stand-in"

    def __init__(self) -> None:
        self.calls: list[tuple[Messages, Json]] = []
        self.answer: Callable[[Messages], Iterable[str]] = lambda messages: ["Poseidonia", " it is [ID:0]."]

    def chat(self, messages: Messages, **settings: Any) -> Iterable[str]:
        self.calls.append((messages, settings))
        return self.answer(messages)


@pytest.fixture
def model() -> Model:
    """Quotes unless a test gives it something else to say."""
    return Model()


@pytest.fixture
async def api(model: Model) -> AsyncIterator[Api]:
    """The application over an engine in memory that has the model."""
    engine = await asyncio.to_thread(Engine, ":memory:", Choice(llm=model))
    called = Api(engine)
    yield called
    await called.http.aclose()
    await asyncio.to_thread(engine.close)


async def _stream(api: Api, chat: Json, **more: Any) -> list[Json]:
    body = {"chat_id": chat["id"], "question": QUESTION, **more}
    return [dict(each) for each in frames((await api.http.post("/chat/completions", json=body)).text)]


async def _whole(api: Api, chat: Json, **more: Any) -> Json:
    body = {"chat_id": chat["id"], "question": QUESTION, "stream": False, **more}
    return await api("POST", "/chat/completions", body)


def _text(streamed: Sequence[Json]) -> str:
    return "".join(each["data"]["answer"] for each in streamed if isinstance(each["data"], dict))


async def test_the_model_is_given_excerpts_and_history(api: Api, model: Model) -> None:
    """It sees the chat's prompt with the chunks, what was said, and its settings; the request's go over the chat's."""
    setting = {"temperature": 0.3, "top_p": 0.5}
    chat = await api.chat(
        prompt_config={"system": "Read: {knowledge} Done.", "refine_multiturn": False}, llm_setting=setting
    )
    first = await _whole(api, chat)
    assert first["data"]["answer"] == "Poseidonia it is [ID:0]."
    await _whole(api, chat, session_id=first["data"]["session_id"], temperature=0.9)
    messages, settings = model.calls[-1]
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "user"]
    assert "Read: ID: 0\nTitle: a.txt" in messages[0]["content"]
    assert "The capital of Atlantis is Poseidonia." in messages[0]["content"]
    assert messages[2]["content"] == "Poseidonia it is [ID:0]."
    assert settings == {"temperature": 0.9, "top_p": 0.5}


async def test_the_oldest_messages_go_first(api: Api, model: Model) -> None:
    """What does not fit into a model's context is left out; the question never is."""
    chat = await api.chat(prompt_config={"refine_multiturn": False})
    messages = [{"role": "user", "content": f"{number} " + "word " * 3000} for number in range(4)]
    flags = {"pass_all_history": True, "store_history": False}
    await _whole(api, chat, messages=[*messages, {"role": "user", "content": QUESTION}], **flags)
    told = [each["content"][:2] for each in model.calls[-1][0][1:]]
    assert told == ["2 ", "3 ", "Wh"]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (["It is so [I", "D:", "0]", "."], "It is so [ID:0]."),
        (["It is so (ID: 0)."], "It is so [ID:0]."),
        (["It is so 【ID:0】."], "It is so [ID:0]."),
        (["It is so [ID: 0]", " [ID:1]", "."], "It is so [ID:0]."),
        (["It is so [ID:7]."], "It is so."),
        (["Room (ID: 4711) and [0] and [ID"], "Room (ID: 4711) and [0] and [ID"),
    ],
)
async def test_citations_are_put_right(api: Api, model: Model, said: list[str], heard: str) -> None:
    """Other spellings become ``[ID:n]`` and what cites no chunk goes, also where a marker comes in pieces."""
    model.answer = lambda messages: said
    chat = await api.chat()
    streamed = await _stream(api, chat)
    assert _text(streamed) == heard
    assert len(streamed[-2]["data"]["reference"]["chunks"]) == 1


async def test_an_answer_without_citations_gets_them(api: Api, model: Model) -> None:
    """Sentences that a chunk says are cited in a whole answer, and no others; code is left alone."""
    model.answer = lambda messages: [
        "The capital of Atlantis is Poseidonia. ",
        "Nobody ever measured how wet bicycles feel.\n```\nThe capital of Atlantis is Poseidonia.\n```\n",
    ]
    chat = await api.chat()
    answer = (await _whole(api, chat))["data"]["answer"]
    assert answer.startswith("The capital of Atlantis is Poseidonia. [ID:0] Nobody")
    assert answer.count("[ID:") == 1
    assert "[ID:" not in (await _whole(api, chat, quote=False))["data"]["answer"]


async def test_without_quote_there_are_no_citations(api: Api, model: Model) -> None:
    """The model is not asked for them, and what it writes all the same goes."""
    chat = await api.chat()
    answer = (await _whole(api, chat, quote=False))["data"]
    assert (answer["answer"], answer["reference"]) == ("Poseidonia it is.", {})
    assert "[ID:0]" not in model.calls[-1][0][0]["content"]


async def test_thoughts_have_their_frames(api: Api, model: Model) -> None:
    """Between the two marks comes what the model thinks; the session and a whole answer have it in tags."""
    model.answer = lambda messages: ["<thi", "nk>Hm [ID:9].</think", ">Poseidonia [ID:0]."]
    chat = await api.chat()
    streamed = await _stream(api, chat)
    told = [
        (each["data"]["answer"], each["data"].get("start_to_think"), each["data"].get("end_to_think"))
        for each in streamed[:-2]
    ]
    assert told == [
        ("", True, None),
        ("Hm [ID:9].", None, None),
        ("", None, True),
        ("Poseidonia [ID:0].", None, None),
    ]
    text = "<think>Hm [ID:9].</think>Poseidonia [ID:0]."
    assert (await _whole(api, chat))["data"]["answer"] == text
    *legacy, final, _ = await _stream(api, chat, legacy=True)
    assert legacy[-1]["data"]["answer"] == final["data"]["answer"] == text
    session = f"/chats/{chat['id']}/sessions/{streamed[-2]['data']['session_id']}"
    assert (await api("GET", session))["data"]["messages"][-1]["content"] == text


async def test_searches_are_told_as_thoughts(api: Api, model: Model) -> None:
    """With ``reasoning`` the searches stand between the marks, in a stream, a whole answer and the session alike."""
    said = ['{"search": "capital"}', "DONE", "Poseidonia [ID:0]."]
    model.answer = lambda messages: [said[(len(model.calls) - 1) % 3]]
    chat = await api.chat(prompt_config={"refine_multiturn": False})
    streamed = await _stream(api, chat, reasoning=2)
    assert [each["data"]["answer"] for each in streamed[:4]] == [
        *("", "Searching for: capital\n"),
        *("", "Poseidonia [ID:0]."),
    ]
    assert [key for each in streamed[:4] for key in each["data"] if key.endswith("_think")] == [
        *("start_to_think", "end_to_think"),
    ]
    assert streamed[4]["data"]["reference"]["total"] == 1
    text = "<think>Searching for: capital\n</think>Poseidonia [ID:0]."
    assert (await _whole(api, chat, reasoning="1"))["data"]["answer"] == text
    session = f"/chats/{chat['id']}/sessions/{streamed[4]['data']['session_id']}"
    assert (await api("GET", session))["data"]["messages"][-1]["content"] == text


async def test_thoughts_in_openais_form(api: Api, model: Model) -> None:
    """There they are ``reasoning_content``, and no part of the content."""
    model.answer = lambda messages: ["<think>Hm.</think>", "Yes."]
    chat = await api.chat()
    body = {"model": "model", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    text = (await api.http.post(f"/openai/{chat['id']}/chat/completions", json=body)).text
    deltas = [each["choices"][0]["delta"] for each in frames(text)[:-1]]
    told = [(each["reasoning_content"], each["content"]) for each in deltas]
    assert told == [("Hm.", None), (None, "Yes."), (None, None)]


async def test_variables_of_the_prompt(api: Api, model: Model) -> None:
    """Keys of the request fill the prompt, once; what is missing and needed is said, in a frame or as code 100."""
    parameters = [
        {"key": "knowledge", "optional": False},
        {"key": "tone", "optional": False},
        {"key": "x", "optional": True},
    ]
    chat = await api.chat(
        prompt_config={"system": "{tone}|{x}|{other}|{knowledge}", "parameters": parameters}
    )
    await _whole(api, chat, tone="{x}")
    assert model.calls[-1][0][0]["content"].startswith("{x}| |{other}|ID: 0")
    missing = await _whole(api, chat)
    assert (missing["code"], missing["message"]) == (100, "Miss parameter: tone")
    error, end = await _stream(api, chat)
    assert (error["code"], error["message"], end["data"]) == (500, "Miss parameter: tone", True)
    assert error["data"] == {"answer": "**ERROR**: Miss parameter: tone", "reference": []}


async def test_questions_are_made_to_stand_alone(api: Api, model: Model) -> None:
    """The second question is searched for as the model words it, with translations and keywords where wanted."""

    def answer(messages: Messages) -> list[str]:
        asked = messages[-1]["content"]
        if "last question" in asked:
            return ["capital of Atlantis"]
        return ["Hauptstadt"] if "Translate" in asked else ["cheese"] if "terms" in asked else ["Yes."]

    model.answer = answer
    chat = await api.chat(prompt_config={"cross_languages": ["German"], "keyword": True})
    first = await _whole(api, chat)
    assert "### Query:\nWhat is the capital of Atlantis?\nHauptstadt\ncheese" in first["data"]["prompt"]
    second = await _whole(api, chat, session_id=first["data"]["session_id"], question="And that?")
    assert "### Query:\ncapital of Atlantis\nHauptstadt\ncheese" in second["data"]["prompt"]
    assert second["data"]["reference"]["total"] == 1


async def test_nothing_found(api: Api, model: Model) -> None:
    """The empty response comes without the model, escaped as RAGFlow does; without one the model is asked."""
    settings = {"similarity_threshold": 0.99, "prompt_config": {"empty_response": "<none>"}}
    chat = await api.chat(**settings)
    delta, final, _ = await _stream(api, chat)
    assert delta["data"]["answer"] == final["data"]["answer"] == "&lt;none&gt;"
    assert final["data"]["reference"] == {"total": 0, "chunks": [], "doc_aggs": []}
    assert model.calls == []
    await api("PATCH", f"/chats/{chat['id']}", {"prompt_config": {"empty_response": ""}})
    assert (await _whole(api, chat))["data"]["answer"] == "Poseidonia it is."


async def test_a_model_that_fails(api: Api, model: Model) -> None:
    """It is said in a frame, the stream ends as any other, and the session keeps nothing of the turn."""

    def answer(messages: Messages) -> Iterable[str]:
        yield "Posei"
        raise ModelFailed("no more")

    model.answer = answer
    chat = await api.chat()
    delta, error, end = await _stream(api, chat)
    assert (delta["data"]["answer"], error["code"], end["data"]) == ("Posei", 500, True)
    assert "no more" in error["message"]
    session = f"/chats/{chat['id']}/sessions/{delta['data']['session_id']}"
    assert len((await api("GET", session))["data"]["messages"]) == 1
    assert (await _whole(api, chat))["code"] != 0


async def test_without_datasets_or_a_chat(api: Api, model: Model) -> None:
    """The model answers by itself: no final frame, no reference, without a chat no session."""
    model.answer = lambda messages: ["Hello ", "you."]
    bare = (await api("POST", "/chats", {"name": "bare", "prompt_config": {"system": "Be kind."}}))["data"]
    *deltas, end = await _stream(api, bare)
    assert (_text(deltas), end["data"]) == ("Hello you.", True)
    assert {"prompt": "", "final": False, "reference": {"chunks": []}}.items() <= deltas[0]["data"].items()
    assert model.calls[-1][0][0] == {"role": "system", "content": "Be kind."}
    session = f"/chats/{bare['id']}/sessions/{deltas[0]['data']['session_id']}"
    assert (await api("GET", session))["data"]["messages"][-1]["content"] == "Hello you."
    alone = await api("POST", "/chat/completions", {"question": "Hi", "stream": False, "top_p": 0.1})
    assert (alone["data"]["answer"], alone["data"]["session_id"]) == ("Hello you.", "")
    assert "chat_id" not in alone["data"]
    assert model.calls[-1] == ([{"role": "user", "content": "Hi"}], {"top_p": 0.1})


async def test_related_questions_and_mind_maps(api: Api, model: Model) -> None:
    """Numbered lines become a list, an outline a tree."""
    model.answer = lambda messages: ["1. Lost cities\n2. Plato's", " tale\nThat is all."]
    assert (await api("POST", "/chat/recommendation", {"question": "Atlantis"}))["data"] == [
        "Lost cities",
        "Plato's tale",
    ]
    chat = await api.chat()
    model.answer = lambda messages: ["# Atlantis\n- capital\n  - Poseidonia\n## Moon\n- cheese"]
    tree = await api("POST", "/chat/mindmap", {"question": "Atlantis", "kb_ids": chat["dataset_ids"]})
    capital = {"id": "capital", "children": [{"id": "Poseidonia", "children": []}]}
    moon = {"id": "Moon", "children": [{"id": "cheese", "children": []}]}
    assert tree["data"] == {"id": "root", "children": [{"id": "Atlantis", "children": [capital, moon]}]}


async def _filtered(api: Api, wanted: Json) -> list[str]:
    """The authors of the chunks that a chat with this ``meta_data_filter`` refers to."""
    dataset = await api.dataset()
    for author in ("Ann", "Bob"):
        await api.tagged(dataset, f"{author}.txt", f"{author} knows the capital of Atlantis.", author=author)
    body = {"name": "filtered", "dataset_ids": [dataset], "meta_data_filter": wanted}
    chat = (await api("POST", "/chats", body))["data"]
    answer = (await _whole(api, chat))["data"]
    return sorted(chunk["document_name"] for chunk in answer["reference"]["chunks"])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["Ann.txt", "Bob.txt"]),
        ({"method": "disabled"}, ["Ann.txt", "Bob.txt"]),
        ({"method": "manual", "manual": [{"key": "author", "op": "=", "value": "bob"}]}, ["Bob.txt"]),
        ({"method": "manual", "manual": [{"key": "author", "op": "=", "value": "zz"}]}, []),
        ({"method": "auto"}, ["Ann.txt"]),
        ({"method": "semi_auto", "semi_auto": ["author"]}, ["Ann.txt"]),
        ({"method": "semi_auto", "semi_auto": [{"key": "year"}]}, ["Ann.txt", "Bob.txt"]),
    ],
)
async def test_metadata_filters(api: Api, model: Model, wanted: Json, found: list[str]) -> None:
    """Fixed conditions narrow the documents; a model's do where it states some of the fields that it may use."""
    stated = '```json\n{"logic": "and", "conditions": [{"key": "author", "op": "=", "value": "Ann"}]}\n```'
    model.answer = lambda messages: [stated] if "conditions" in messages[-1]["content"] else ["Yes."]
    assert await _filtered(api, wanted) == found


TAGS = {"sea": 12, "v1.2": 2.6, "made up": 9, "food": 1}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"Well: {json.dumps(TAGS)}", {"sea": 10, "v1_2": 3}),
        ("I would say sea.", {}),
        ('{"sea": "much"}', {}),
        ('["sea"] {', {}),
    ],
)
async def test_parsing_asks_for_tags(api: Api, model: Model, said: str, kept: Json) -> None:
    """What statistics do not tell is asked for with all tags and like texts; the best known ones are kept."""
    words = await api.dataset("words")
    tags = await api.document(words, "tags.txt")
    for text, tag in (("the harbour and its ships", ["sea", "v1.2"]), ("a green cheese", ["food"])):
        await api("POST", f"/datasets/{words}/documents/{tags}/chunks", {"content": text, "tag_kwd": tag})
    config = {"tag_kb_ids": [words], "topn_tags": 2, "auto_keywords": 1}
    asked = (await api("POST", "/datasets", {"name": "asked", "parser_config": config}))["data"]["id"]
    document = await api.document(asked, "a.txt", "A {ship} in the harbour.")
    model.answer = lambda messages: [said if "tags" in messages[-1]["content"] else "ferry"]
    done = await api.parsed(asked, document)
    assert (done["run"], "no tags" in done["progress_msg"]) == ("DONE", False)
    prompt = model.calls[-1][0][-1]["content"]
    for part in ('["food","sea","v1.2"]', 'its ships\n["sea","v1.2"]', "A {ship}", "at most 2"):
        assert part in prompt
    [chunk] = await api.chunks(asked, document)
    assert (chunk["important_keywords"], chunk["tag_feas"]) == (["ferry"], kept)


async def test_a_client_that_goes_away_leaves_no_half_of_a_turn(model: Model) -> None:
    """Who leaves while the answer comes: the model is stopped, and the session holds neither question nor answer."""
    stopped = threading.Event()

    def answer(messages: Messages) -> Iterable[str]:
        try:
            for number in range(1000):
                yield f"word{number} "
                time.sleep(0.02)
        finally:
            stopped.set()

    model.answer = answer

    def leave() -> int:
        with Engine(":memory:", Choice(llm=model)) as engine, running_server(engine) as server:
            chat = engine.create_chat({"name": "c"})
            session = engine.create_session(chat["id"], "s")
            headers = {"Authorization": f"Bearer {server.api_key}"}
            body = {"chat_id": chat["id"], "session_id": session["id"], "question": "Hi"}
            url = f"{server.base_url}/api/v1/chat/completions"
            with httpx.stream("POST", url, headers=headers, json=body, timeout=20) as response:
                next(response.iter_text())
            assert stopped.wait(timeout=20)
            stored = engine.get_session(session["id"])
            assert stored is not None
            return len(stored["messages"])

    assert await asyncio.to_thread(leave) == 1


async def test_who_waits_for_a_model_holds_up_nobody_else(api: Api, model: Model) -> None:
    """A model that says nothing for long has a hundred callers wait for it, and those of other paths never."""
    go_on = threading.Event()

    def late(messages: Messages) -> Iterable[str]:
        assert go_on.wait(60)
        yield "Poseidonia."

    chat = await api.chat()
    model.answer = late
    streams = [asyncio.create_task(_stream(api, chat)) for _ in range(100)]
    wholes: list[asyncio.Task[Json]] = []
    try:
        await asyncio.to_thread(wait_until, lambda: len(model.calls) == 64)
        wholes = [asyncio.create_task(_whole(api, chat)) for _ in range(100)]
        await asyncio.to_thread(wait_until, lambda: len(model.calls) == 128)
        assert (await api("GET", "/datasets"))["data"][0]["document_count"] == 1
        assert (await api("POST", "/datasets", {"name": "another"}))["code"] == 0
        assert not any(each.done() for each in (*streams, *wholes))
    finally:
        go_on.set()
    answers = [each["data"]["answer"] for each in await asyncio.gather(*wholes)]
    assert answers == ["Poseidonia. [ID:0]"] * 100
    assert list(map(_text, await asyncio.gather(*streams))) == ["Poseidonia."] * 100


async def test_what_nobody_expects(api: Api, model: Model) -> None:
    """In the middle of a stream, too, a model that breaks its word is told by the kind of its failure alone."""

    def broken(messages: Messages) -> Iterable[str]:
        yield "Posei"
        raise OSError("/home/me/secret")

    model.answer = broken
    chat = await api.chat()
    openai = {"model": "model", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    components = {
        "begin": {"obj": {"component_name": "Begin", "params": {}}, "downstream": ["LLM:0"]},
        "LLM:0": {"obj": {"component_name": "LLM", "params": {"prompts": "{sys.query}"}}},
    }
    agent = await api("POST", "/agents", {"title": "a", "dsl": {"components": components}})
    asked = {"agent_id": agent["data"]["id"], "query": "x", "stream": True}
    for path, body in (
        ("/chat/completions", {"chat_id": chat["id"], "question": QUESTION}),
        (f"/openai/{chat['id']}/chat/completions", openai),
        ("/agents/chat/completions", asked),
        ("/agents/chat/completions", {**asked, "openai-compatible": True, **openai}),
    ):
        said = (await api.http.post(path, json=body)).text
        assert ("OSError" in said, "secret" in said) == (True, False), said
