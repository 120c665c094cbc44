"""Odd requests to agents, memories, messages, files and dify: the codes and texts that both versions have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app

Json = dict[str, Any]
Answer = tuple[int, int, Any]

KEY = "ragflow-odd"
MEMORY = ["name", "memory_type", "embd_id", "llm_id"]
MESSAGE = ["memory_id", "agent_id", "session_id", "user_input", "agent_response"]
NO_OBJECT = "JSON payload must be an object."
NO_TEXT = "AttributeError(\"'{}' object has no attribute 'strip'\")"
NO_COLUMN = "AttributeError(\"type object '{}' has no attribute 'zz'\")"
BROWSER = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand."


class Odd:
    """Requests to an application that wants a key; ``AGENT`` and ``MEMORY`` stand for such ids."""

    def __init__(self, engine: Engine, version: str) -> None:
        transport = httpx.ASGITransport(build_app(engine, api_version=version))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://local")
        self.version = version
        self.ids = {"AGENT": "", "MEMORY": ""}

    async def __call__(self, method: str, path: str, body: Any = None, key: str | None = KEY) -> Answer:
        """HTTP status, code and message of the answer; a text is sent as it is."""
        content = body if isinstance(body, str) else json.dumps(body)
        for name, identifier in self.ids.items():
            path, content = path.replace(name, identifier), content.replace(name, identifier)
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        path = path if path.startswith("/v1/") else f"/api/v1{path}"
        answer = await self.http.request(
            method, path, headers=headers, content=None if body is None else content
        )
        said = answer.json()
        return answer.status_code, said["code"], said.get("message")

    async def prepare(self) -> None:
        """Make the agent and the memory."""
        dsl = {"components": {"begin": {"obj": {"component_name": "Begin", "params": {}}}}}
        assert (await self("POST", "/agents", {"title": "a", "dsl": dsl}))[1] == 0
        memory = {"name": "m", "memory_type": ["raw"], "embd_id": "e@Builtin", "llm_id": "l@Builtin"}
        assert (await self("POST", "/memories", memory))[1] == 0
        for name, path, rows in (
            ("AGENT", "/agents", "canvas"),
            ("MEMORY", "/memories", "memory_list"),
        ):
            headers = {"Authorization": f"Bearer {KEY}"}
            data = (await self.http.get(f"/api/v1{path}", headers=headers)).json()["data"]
            self.ids[name] = (data if isinstance(data, list) else data[rows])[0]["id"]


@pytest.fixture
async def odd(version: str) -> AsyncIterator[Odd]:
    """A server of this version with an agent and a memory."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    await asyncio.to_thread(engine.add_tenant, KEY)
    requests = Odd(engine, version)
    await requests.prepare()
    yield requests
    await requests.http.aclose()
    await asyncio.to_thread(engine.close)


BOTH = pytest.mark.parametrize("version", ["0.27", "0.24"])
REQUIRED = [
    ("POST", "/memories", MEMORY),
    ("POST", "/messages", MESSAGE),
    ("PUT", "/messages/MEMORY:1", ["status"]),
]
REQUIRED_IN = {
    "0.27": [*REQUIRED, ("POST", "/files/link-to-datasets", ["file_ids", "kb_ids"])],
    "0.24": [
        *REQUIRED,
        ("POST", "/dify/retrieval", ["knowledge_id", "query"]),
        ("POST", "/agents_openai/AGENT/chat/completions", ["model", "messages"]),
    ],
}


@BOTH
async def test_a_body_that_cannot_be_read_has_no_arguments(odd: Odd) -> None:
    """Routes with required arguments say that all of them are missing, whatever is wrong with the body."""
    for method, path, names in REQUIRED_IN[odd.version]:
        said = f"required argument are missing: {','.join(names)}; "
        for body in ("[]", '"text"', "1", "null", "{", "{}", None):
            assert await odd(method, path, body) == (200, 101, said), (path, body)


SAID = {
    "0.27": [
        ("POST", "/agents", {"title": 5, "dsl": {}}, 100, NO_TEXT.format("int")),
        ("PUT", "/agents/AGENT", {"title": ["x"]}, 100, NO_TEXT.format("list")),
        ("POST", "/agents", {"title": "x", "dsl": "{bad"}, 101, "Invalid DSL JSON string."),
        ("GET", "/agents?orderby=zz", None, 100, NO_COLUMN.format("UserCanvas")),
        ("GET", "/agents?orderby=zz&owner_ids=x", None, 103, "Only authorized owner_ids can be queried."),
        ("GET", "/agents/AGENT/sessions?orderby=zz", None, 100, NO_COLUMN.format("API4Conversation")),
        ("PUT", "/memories/none", "[]", 100, f"TypeError('{NO_OBJECT}')"),
        ("PUT", "/memories/none", {"name": 5}, 404, "Memory 'none' not found."),
        ("GET", "/messages/search?memory_id=MEMORY", None, 100, NO_TEXT.format("NoneType")),
        ("GET", "/messages/search?memory_id=none", None, 0, True),
        ("GET", "/messages/search", None, 0, True),
        ("DELETE", "/messages/MEMORY:-1", None, 0, True),
        ("PUT", f"/messages/MEMORY:{'9' * 30}", {"status": True}, 0, True),
        (
            "POST",
            "/agents/chat/completions",
            {"agent_id": "AGENT", "query": 5},
            100,
            "TypeError(\"'int' object is not subscriptable\")",
        ),
        (
            "POST",
            "/agents_openai/AGENT/chat/completions",
            {"messages": 5},
            100,
            "TypeError(\"'int' object is not reversible\")",
        ),
        ("POST", "/files/move", {"src_file_ids": ["none"], "new_name": "x"}, 102, "Source files not found!"),
        ("POST", "/files/link-to-datasets", {"file_ids": [1], "kb_ids": []}, 102, "File not found!"),
        (
            "POST",
            "/files/link-to-datasets",
            {"file_ids": [], "kb_ids": None},
            100,
            "TypeError(\"'NoneType' object is not iterable\")",
        ),
        ("GET", "/models?owner_tenant_id=none", None, 102, "Permission denied"),
    ],
    "0.24": [
        ("POST", "/agents", {"title": 5, "dsl": {}}, 100, NO_TEXT.format("int")),
        (
            "POST",
            "/agents",
            {"title": "x", "dsl": "zz"},
            100,
            "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')",
        ),
        ("GET", "/agents?orderby=zz", None, 100, NO_COLUMN.format("UserCanvas")),
        ("GET", "/agents/AGENT/sessions?orderby=zz", None, 100, NO_COLUMN.format("API4Conversation")),
        ("POST", "/agents/none/completions", {}, 100, "AssertionError('Agent not found.')"),
        (
            "POST",
            "/agents/AGENT/completions",
            {"session_id": "none"},
            100,
            "AssertionError('Session not found!')",
        ),
        ("PUT", "/memories/none", {"name": 5}, 100, "Memory name should be a string, got 5."),
        ("DELETE", "/messages/MEMORY:-1", None, 0, True),
        ("GET", "/messages?memory_id=MEMORY&limit=-1", None, 100, "`limit` should be 0 or more, got -1"),
        ("GET", f"/messages?memory_id=MEMORY&limit={'9' * 30}", None, 0, True),
        (
            "POST",
            "/messages",
            {**dict.fromkeys(MESSAGE, "x"), "memory_id": [1]},
            500,
            "Some messages failed to add. Detail:Memory [1] not found.",
        ),
        ("POST", "/file/create", {}, 100, "KeyError('name')"),
        ("POST", "/file/rm", {}, 100, "KeyError('file_ids')"),
        ("POST", "/file/rm", {"file_ids": None}, 100, "TypeError(\"'NoneType' object is not iterable\")"),
        ("POST", "/file/rm", {"file_ids": ["none"]}, 404, "File or Folder not found!"),
        ("POST", "/file/rename", {"file_id": None, "name": "x"}, 404, "File not found!"),
        ("POST", "/file/mv", {"src_file_ids": ["none"], "dest_file_id": "x"}, 100, "KeyError('none')"),
        ("POST", "/file/mv", {"src_file_ids": [], "dest_file_id": "x"}, 404, "Parent Folder not found!"),
        ("POST", "/file/convert", {"file_ids": ["none"], "kb_ids": []}, 100, "KeyError('none')"),
        ("POST", "/file/convert", {"file_ids": [], "kb_ids": ["none"]}, 404, "Can't find this dataset!"),
        ("GET", "/file/list?orderby=zz", None, 100, NO_COLUMN.format("File")),
        ("PUT", "/agents/none", "[]", 100, f"TypeError('{NO_OBJECT}')"),
        ("DELETE", "/agents/none/sessions", "[]", 100, f"TypeError('{NO_OBJECT}')"),
        (
            "POST",
            "/agents_openai/AGENT/chat/completions",
            {"model": "m", "messages": [{"content": "x"}]},
            100,
            "KeyError('role')",
        ),
        (
            "POST",
            "/dify/retrieval",
            {"knowledge_id": "none", "query": "x", "retrieval_setting": {"top_k": "a"}},
            100,
            "ValueError(\"invalid literal for int() with base 10: 'a'\")",
        ),
    ],
}
DIFY = {
    "0.27": [
        ("POST", "", "[]", f"invalid or malformed arguments: {NO_OBJECT}; "),
        ("POST", "", '"x"', "invalid or malformed arguments: 'str' object has no attribute 'get'; "),
        ("POST", "", "{", f"invalid or malformed arguments: {BROWSER}; "),
        ("POST", "", "{}", "required arguments are missing: knowledge_id,query; "),
        (
            "GET",
            "?top_k=a",
            None,
            "invalid or malformed arguments: top_k must be integer and score_threshold must be numeric; ",
        ),
    ]
}


@BOTH
async def test_what_is_said(odd: Odd) -> None:
    """Each odd request gets the code and the text of the version."""
    for method, path, body, code, message in SAID[odd.version]:
        assert await odd(method, path, body) == (200, code, message), (method, path, body)
    for method, query, body, message in DIFY.get(odd.version, []):
        assert await odd(method, f"/dify/retrieval{query}", body) == (400, 101, message), (query, body)


UNAUTHORIZED = (401, 401, "<Unauthorized '401: Unauthorized'>")
INVALID = "Authentication error: API key is invalid!"


@pytest.mark.parametrize("version", ["0.24"])
async def test_keys_of_v024(odd: Odd) -> None:
    """Each group of routes has its own words for no key and for a wrong one."""
    no_header = (200, 100, "AttributeError(\"'NoneType' object has no attribute 'split'\")")
    no_key = (200, 100, "IndexError('list index out of range')")
    for key, agents, memories, dify in (
        (None, (200, 0, "`Authorization` can't be empty"), UNAUTHORIZED, no_header),
        ("", (200, 0, "Please check your authorization format."), UNAUTHORIZED, no_key),
        ("wrong", (200, 109, INVALID), UNAUTHORIZED, (403, 403, "API-KEY is invalid!")),
        (f"{KEY} more", (200, 0, None), UNAUTHORIZED, (404, 404, "Knowledgebase not found!")),
    ):
        assert await odd("GET", "/agents", key=key) == agents, key
        assert await odd("GET", "/memories", key=key) == memories, key
        body = {"knowledge_id": "x", "query": "x"}
        assert await odd("POST", "/dify/retrieval", body, key=key) == dify, key


ASKED = [{"role": "user", "content": "x"}]


@BOTH
async def test_openais_form_answers_with_the_error(odd: Odd) -> None:
    """That there is no such session, or in v0.27 no such agent, is the text of a completion."""
    cases = [("AGENT", "none", "Session not found!")]
    if odd.version == "0.27":
        cases = [("AGENT", "", "Session not found!"), ("none", "", "Agent not found.")]
    for agent, session, why in cases:
        path = f"/api/v1/agents_openai/{odd.ids.get(agent, agent)}/chat/completions"
        body = {"model": "m", "messages": ASKED, "session_id": session}
        if agent == "AGENT":
            body["id"] = "none"
        answer = await odd.http.post(path, json=body, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.json()["choices"][0]["message"]["content"] == f"**ERROR**: {why}", agent
