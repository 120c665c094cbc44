"""Odd requests about chats, their sessions, answers and searches: the codes and texts of both versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.server import build_app
from tests.local.knowledge import filled
from tests.local.server.api import Json
from tests.local.server.replay import frames, recorded

NO_GET = "AttributeError(\"'str' object has no attribute 'get'\")"
NO_OBJECT = "TypeError('JSON payload must be an object.')"
BAD = "<BadRequest '400: Bad Request'>"
MISSING = "required argument are missing: {}; "
NO_QUESTION = "TypeError(\"{}() missing 1 required positional argument: 'question'\")"
NO_TEXT = "TypeError(\"expected string or bytes-like object, got '{}'\")"
NO_LEN = "TypeError(\"object of type '{}' has no len()\")"
NO_INT = "ValueError(\"invalid literal for int() with base 10: '{}'\")"
ASK = {"question": "Who?", "stream": False}
OPENAI = {"model": "model", "messages": [{"role": "user", "content": "Who?"}]}
BODIES = [
    ('"text"', NO_GET),
    ("[]", NO_OBJECT),
    ("1", NO_OBJECT),
    ("{", BAD),
]  # and what a handler says of them

Case = tuple[str, str, Any, int, str | None]  # method, path, body (a text is sent as it is), code, message


def without_names(method: str, path: str, *names: str) -> list[Case]:
    """A route that asks for these keys finds none in a body that is no object."""
    return [(method, path, body, 101, MISSING.format(",".join(names))) for body, _ in [*BODIES, ("", "")]]


def with_wrong_bodies(method: str, path: str) -> list[Case]:
    """A route that says what is wrong with the body before it looks for what its path names."""
    return [(method, path, body, 100, message) for body, message in BODIES]


V027: list[Case] = [
    *with_wrong_bodies("PATCH", "/chats/{chat}/sessions/zz"),
    *with_wrong_bodies("PUT", "/chats/{chat}/sessions/zz/messages/zz/feedback"),
    *with_wrong_bodies("POST", "/chatbots/zz/completions"),
    *without_names("POST", "/openai/zz/chat/completions", "model", "messages"),
    *without_names("POST", "/chat/recommendation", "question"),
    *without_names("POST", "/chat/mindmap", "question", "kb_ids"),
    *without_names("POST", "/searches", "name"),
    *without_names("PUT", "/searches/zz", "name", "search_config"),
    *without_names("POST", "/searches/zz/completions", "question"),
    *without_names("POST", "/searchbots/retrieval_test", "kb_id", "question"),
    ("PUT", "/chats/{chat}", {"name": "", "dataset_ids": "x"}, 102, "`name` is required"),
    ("PATCH", "/chats/{chat}", {"name": "", "dataset_ids": "x"}, 102, "`name` cannot be empty"),
    (
        "PATCH",
        "/chats/{chat}",
        {"llm_setting": 1, "dataset_ids": "x"},
        102,
        "`dataset_ids` should be a list.",
    ),
    ("PATCH", "/chats/{chat}", {"dataset_ids": ["{dataset}", None, ""]}, 0, "success"),
    ("POST", "/chat/completions", {**ASK, "chat_id": ["x"]}, 109, "no authorization"),
    ("POST", "/chat/completions", {**ASK, "chat_id": 10**30}, 109, "no authorization"),
    ("POST", "/chat/completions", {**ASK, "question": 1, "chat_id": "{chat}"}, 100, None),
    ("POST", "/chat/completions", {**ASK, "internet": True, "chat_id": "{chat}"}, 0, "success"),
    (
        "POST",
        "/chat/completions",
        {**ASK, "doc_ids": 1, "chat_id": "{chat}"},
        100,
        "AttributeError(\"'int' object has no attribute 'split'\")",
    ),
    ("POST", "/openai/{chat}/chat/completions", {**OPENAI, "messages": None}, 100, NO_LEN.format("NoneType")),
    ("POST", "/openai/{chat}/chat/completions", {**OPENAI, "messages": 1}, 100, NO_LEN.format("int")),
    (
        "POST",
        "/openai/{chat}/chat/completions",
        {**OPENAI, "messages": {}},
        102,
        "You have to provide messages.",
    ),
    (
        "POST",
        "/openai/{chat}/chat/completions",
        {**OPENAI, "messages": "x"},
        102,
        "messages must be an array.",
    ),
    (
        "POST",
        "/openai/{chat}/chat/completions",
        {**OPENAI, "messages": [{"role": 1, "content": "x"}]},
        102,
        "The last content of this conversation is not from user.",
    ),
    ("POST", "/chatbots/{chat}/completions", {}, 100, NO_QUESTION.format("async_iframe_completion")),
    (
        "GET",
        "/searches?orderby=zz",
        "",
        100,
        "AttributeError(\"type object 'Search' has no attribute 'zz'\")",
    ),
    ("PUT", "/searches/{search}", {"name": "s", "search_config": {}, "zz": 1}, 100, None),
    ("PUT", "/searches/{search}", {"name": "s", "search_config": {}, "description": 1}, 0, "success"),
    (
        "POST",
        "/searches/{search}/completions",
        {"question": "x", "kb_ids": "a"},
        102,
        "You don't own the dataset a",
    ),
]
V024: list[Case] = [
    *with_wrong_bodies("POST", "/chats/zz/sessions"),
    *without_names("POST", "/chats_openai/zz/chat/completions", "model", "messages"),
    *without_names("POST", "/searchbots/ask", "question", "kb_ids"),
    ("PUT", "/chats/{chat}", {"name": 1}, 100, "AttributeError(\"'int' object has no attribute 'lower'\")"),
    ("PUT", "/chats/{chat}/sessions/{session}", {"user_id": None}, 0, None),
    ("PUT", "/chats/{chat}/sessions/{session}", {"user_id": []}, 0, None),
    (
        "PUT",
        "/chats/{chat}/sessions/{session}",
        {"chat_id": "x"},
        100,
        "ValueError('Unrecognized field name: \"chat_id\"')",
    ),
    ("PUT", "/chats/zz/sessions/{session}", {"name": "x"}, 102, "Session does not exist"),
    ("PUT", "/chats/{chat}/sessions/zz", {"name": "x"}, 102, "Session does not exist"),
    ("PUT", "/chats/zz/sessions/zz", {"name": "x"}, 102, "You do not own the session"),
    (
        "POST",
        "/chats/{chat}/completions",
        {**ASK, "session_id": "{session}", "metadata_condition": "x"},
        102,
        "metadata_condition must be an object.",
    ),
    ("POST", "/chats/{chat}/completions", {"name": ""}, 100, "AssertionError('`name` can not be empty.')"),
    (
        "POST",
        "/chats/{chat}/completions",
        {"session_id": "{session}"},
        100,
        NO_QUESTION.format("async_completion"),
    ),
    (
        "POST",
        "/chats/{chat}/completions",
        {**ASK, "question": 1, "session_id": "{session}"},
        100,
        NO_TEXT.format("int"),
    ),
    (
        "POST",
        "/chats_openai/{chat}/chat/completions",
        {**OPENAI, "messages": None},
        100,
        NO_LEN.format("NoneType"),
    ),
    ("POST", "/chatbots/zz/completions", {}, 100, NO_QUESTION.format("async_iframe_completion")),
    (
        "POST",
        "/searchbots/retrieval_test",
        {"question": "x", "kb_id": "{dataset}", "page": "x"},
        100,
        NO_INT.format("x"),
    ),
]
RETRIEVAL = ("POST", "/searchbots/retrieval_test")
WANTED = {"question": "x", "kb_id": "{dataset}"}
NOT_OWNED = "Only owner of dataset authorized for this operation."
BOTH: list[Case] = [
    (*RETRIEVAL, {**WANTED, "kb_id": []}, 102, "Please specify dataset firstly."),
    (*RETRIEVAL, {**WANTED, "kb_id": ""}, 103, NOT_OWNED),
    (*RETRIEVAL, {**WANTED, "kb_id": {"zz": 1}}, 103, NOT_OWNED),
    (*RETRIEVAL, {**WANTED, "question": 1}, 100, NO_TEXT.format("int")),
    (*RETRIEVAL, {**WANTED, "question": ""}, 0, "success"),
    (*RETRIEVAL, {**WANTED, "top_k": "x", "question": 1}, 100, NO_INT.format("x")),
    (*RETRIEVAL, {**WANTED, "doc_ids": None, "rerank_id": 0, "cross_languages": ""}, 0, "success"),
    (*RETRIEVAL, {**WANTED, "cross_languages": [1]}, 100, None),
    (*RETRIEVAL, {**WANTED, "rerank_id": "zz"}, 100, None),
    (*RETRIEVAL, {**WANTED, "search_id": "zz"}, 0, "success"),
]


class World:
    """An application of one version, which asks for no key, with a chat, a session of it and a search."""

    def __init__(self, engine: Engine, version: str) -> None:
        app = build_app(engine, with_keys=False, api_version=version)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://local/api/v1")
        dataset = filled(engine)["id"]
        chat = engine.create_chat({"name": "c", "dataset_ids": [dataset]})["id"]
        session, search = engine.create_session(chat, "s"), engine.create_search({"name": "s"})
        self.ids = {"dataset": dataset, "chat": chat, "session": session["id"], "search": search["id"]}

    async def send(self, method: str, path: str, body: Any) -> httpx.Response:
        """The answer to a request in which ``{chat}`` and the like stand for ids."""
        text = body if isinstance(body, str) else json.dumps(body)
        for name, identifier in self.ids.items():
            path, text = (each.replace(f"{{{name}}}", identifier) for each in (path, text))
        headers = {"Content-Type": "application/json"}
        return await self.http.request(method, path, content=text, headers=headers)

    async def __call__(self, method: str, path: str, body: Any = "") -> Json:
        return dict((await self.send(method, path, body)).json())


@pytest.fixture
async def world(version: str) -> AsyncIterator[World]:
    """A world of this version, with a language model."""
    engine = await asyncio.to_thread(Engine, ":memory:", Choice(llm=lambda messages: "It is so."))
    world = await asyncio.to_thread(World, engine, version)
    yield world
    await world.http.aclose()
    await asyncio.to_thread(engine.close)


@pytest.mark.parametrize(("version", "cases"), [("0.27", V027 + BOTH), ("0.24", V024 + BOTH)])
async def test_odd_requests(world: World, cases: list[Case]) -> None:
    """Each is answered with RAGFlow's code and text."""
    wrong = []
    for method, path, body, code, message in cases:
        answer = await world(method, path, body)
        if answer["code"] != code or message not in (None, answer.get("message")):
            wrong.append((method, path, body, answer["code"], answer.get("message")))
    assert wrong == []


@pytest.mark.parametrize("version", ["0.27", "0.24"])
async def test_texts_that_are_none(world: World) -> None:
    """Where RAGFlow has a column of texts it keeps other values as Python writes them, and so do we."""
    chat = (await world("POST", "/chats", {"name": "d", "description": ["a"], "language": 5}))["data"]
    assert (chat["description"], chat["language"]) == ("['a']", "5")


ITS_OWN = "id tenant_id name create_time create_date update_time update_date llm_id tenant_llm_id".split()


@pytest.mark.parametrize("version", ["0.27", "0.24"])
async def test_the_settings_of_a_new_chat(world: World, version: str) -> None:
    """They are those of the recorded server, but for the model and the prompt, which is the engine's own."""
    recordings = recorded(f"v{version}", "05_chats_sessions")
    [expected] = [r["response_body"]["data"] for r in recordings if r["name"] == "chat.create.no_datasets"]
    made = (await world("POST", "/chats", {"name": "d"}))["data"]
    prompts = []
    for chat in (expected, made):
        for name in ITS_OWN:
            chat.pop(name, None)
        chat.get("llm", {}).pop("model_name", None)
        prompts.append(
            chat["prompt"].pop("prompt") if "prompt" in chat else chat["prompt_config"].pop("system")
        )
    assert made == expected
    assert all("{knowledge}" in prompt for prompt in prompts)


@pytest.mark.parametrize("version", ["0.27"])
async def test_names_whatever_their_case(world: World) -> None:
    """Sessions are found by a name in other letters, and sorted as if all were small."""
    for name in ("b", "A", "C"):
        await world("POST", "/chats/{chat}/sessions", {"name": name})
    listed = (await world("GET", "/chats/{chat}/sessions?orderby=name&desc=false"))["data"]
    assert [each["name"] for each in listed] == ["A", "b", "C", "s"]
    found = (await world("GET", "/chats/{chat}/sessions?name=c"))["data"]
    assert [each["name"] for each in found] == ["C"]


@pytest.mark.parametrize("version", ["0.24"])
async def test_long_names_are_cut(world: World) -> None:
    """As the recorded server of v0.24 did it; a name that is none is kept as text."""
    chat = (await world("POST", "/chats", {"name": "a" * 300}))["data"]
    session = (await world("POST", f"/chats/{chat['id']}/sessions", {"name": ["b"] * 99}))["data"]
    assert (chat["name"], session["name"]) == ("a" * 255, str(["b"] * 99)[:255])


@pytest.mark.parametrize("version", ["0.27", "0.24"])
async def test_questions_that_are_no_text(world: World) -> None:
    """Where a stream is wanted from a chatbot, the failure is a frame of it."""
    path = "/chatbots/{chat}/completions"
    [opener, _] = frames((await world.send("POST", path, {"question": "x"})).text)
    asked = {"question": 5, "session_id": opener["data"]["session_id"]}
    [failed, end] = frames((await world.send("POST", path, asked)).text)
    assert (failed["code"], failed["message"]) == (500, "expected string or bytes-like object, got 'int'")
    assert end["data"] is True


@pytest.mark.parametrize("version", ["0.27"])
async def test_searches_as_they_are_shown(world: World) -> None:
    """A change answers with the columns of the search, its details with fewer, and nothing of how it is kept."""
    changed = (await world("PUT", "/searches/{search}", {"name": "t", "search_config": {"top_k": 5}}))["data"]
    detail = (await world("GET", "/searches/{search}"))["data"]
    assert (changed["name"], changed["search_config"]["top_k"]) == ("t", 5)
    assert {"settings", "nickname"}.isdisjoint(changed | detail)
    assert detail.keys() == changed.keys() - {"status", "create_time", "create_date", "update_date"}


@pytest.mark.parametrize("version", ["0.27", "0.24"])
async def test_many_at_once(world: World) -> None:
    """Chats, sessions and questions of forty callers at the same time are all answered right."""
    chats = await asyncio.gather(*(world("POST", "/chats", {"name": f"n{n}"}) for n in range(40)))
    ids = {each["data"]["id"] for each in chats}
    same = await asyncio.gather(*(world("POST", "/chats", {"name": "same"}) for _ in range(40)))
    made = await asyncio.gather(
        *(world("POST", "/chats/{chat}/sessions", {"name": f"s{n}"}) for n in range(40))
    )
    sessions = [each["data"]["id"] for each in made]
    path = "/chats/{chat}/completions"
    asked = [world("POST", path, {**ASK, "session_id": each}) for each in sessions]
    answers = await asyncio.gather(*asked)
    gone = await asyncio.gather(*(world("DELETE", "/chats", {"ids": [each]}) for each in ids))
    assert (len(ids), len(set(sessions))) == (40, 40)
    assert sorted(each["code"] for each in same) == [0] + [102] * 39
    assert {each["data"]["session_id"] for each in answers} == set(sessions)
    assert [each["code"] for each in gone] == [0] * 40
