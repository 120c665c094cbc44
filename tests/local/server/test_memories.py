"""Memories over HTTP: what the recordings do not hold, in both dialects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app

Json = dict[str, Any]

MEMORY = {"name": "m", "memory_type": ["raw"], "embd_id": "e@Builtin", "llm_id": "l@Builtin"}
TYPES = "raw, semantic, episodic, procedural"
TRIPPED = 0  # the code of a value at which RAGFlow trips, which is another one in each version
TURN = {"agent_id": "a", "session_id": "s", "user_input": "Where is the moon?", "agent_response": "Up."}


class Caller:
    """The owner's calls to an application in-process."""

    def __init__(self, engine: Engine, version: str) -> None:
        transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version=version))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
        self.version = version
        self.tripped = 500 if version == "0.27" else 100

    async def __call__(self, method: str, path: str, **request: Any) -> Json:
        return dict((await self.http.request(method, path, **request)).json())

    async def memory(self) -> str:
        """A new memory's id."""
        return str((await self("POST", "/memories", json=MEMORY))["data"]["id"])


@pytest.fixture(params=["0.27", "0.24"])
async def call(request: pytest.FixtureRequest) -> AsyncIterator[Caller]:
    """A caller of either dialect."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    caller = Caller(engine, request.param)
    yield caller
    await caller.http.aclose()
    await asyncio.to_thread(engine.close)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"name": "  "}, 101, "Memory name cannot be empty or whitespace."),
        ({"name": "x" * 129}, 101, f"Memory name '{'x' * 129}' exceeds limit of 128."),
        ({"memory_type": ["raw", "x"]}, 101, "Memory type '{'x'}' is not supported."),
        ({"memory_type": "raw"}, 101, "Memory type '{'a', 'r', 'w'}' is not supported."),
        ({"permissions": "all"}, 101, "Unknown permission 'all'."),
        ({"memory_size": 10485761}, 101, "Memory size should be in range (0, 10485760] Bytes."),
        ({"memory_type": [1]}, 101, "Memory type '{1}' is not supported."),
        ({"memory_type": 5}, TRIPPED, f"`memory_type` should be a list of {TYPES}, got 5."),
        ({"memory_size": "x"}, TRIPPED, "Memory size should be a number, got 'x'."),
        ({"forgetting_policy": "LIFO"}, 101, "Forgetting policy 'LIFO' is not supported."),
        ({"temperature": -0.1}, 101, "Temperature should be in range [0, 1]."),
        ({"temperature": 1.1}, 101, "Temperature should be in range [0, 1]."),
        ({"description": 5}, 101, "`description` should be a string, got 5."),
        ({"temperature": None}, TRIPPED, "Temperature should be a number, got None."),
        ({"name": None}, TRIPPED, "Memory name should be a string, got None."),
    ],
)
async def test_wrong_settings(call: Caller, change: Json, code: int, message: str) -> None:
    """Each wrong setting is refused by name, and nothing of the change is taken over."""
    memory_id = await call.memory()
    before = await call("GET", f"/memories/{memory_id}/config")
    answer = await call("PUT", f"/memories/{memory_id}", json={"description": "d", **change})
    assert (answer["code"], answer["message"]) == (code or call.tripped, message)
    assert await call("GET", f"/memories/{memory_id}/config") == before


async def test_settings_that_are_passed_over(call: Caller) -> None:
    """Empty settings and ``permission``, as the reference has it, change nothing; a number may be a text."""
    memory_id = await call.memory()
    empty = {"memory_type": [], "memory_size": 0, "llm_id": "", "permissions": "", "permission": "team"}
    answer = await call("PUT", f"/memories/{memory_id}", json=empty)
    assert answer["data"]["permissions"] == "me"
    assert ("tenant_llm_id" in answer["data"]) == (call.version == "0.27")
    answer = await call("PUT", f"/memories/{memory_id}", json={"memory_size": "100", "temperature": "0.25"})
    assert (answer["data"]["memory_size"], answer["data"]["temperature"]) == (100, 0.25)


async def test_pages_and_counts(call: Caller) -> None:
    """v0.27 has at most 100 a page and takes what is no number for the default; v0.24 refuses that."""
    memory_id = await call.memory()
    new = call.version == "0.27"
    for path, wrong in (("/memories", 500), (f"/memories/{memory_id}", 100)):
        answer = await call("GET", path, params={"page_size": "x"})
        assert answer["code"] == (0 if new else wrong)
        answer = await call("GET", path, params={"page_size": 101})
        assert answer["code"] == (100 if new else 0)
    for path, name in (("/messages", "limit"), ("/messages/search", "top_n")):
        params = {"memory_id": memory_id, "query": "x", name: "x"}
        assert (await call("GET", path, params=params))["code"] == (101 if new else 100)
        assert (await call("GET", path, params={**params, name: 101}))["code"] == (101 if new else 0)
    too_many = {"memory_id": ",".join(["x"] * 101), "query": "x"}
    answer = await call("GET", "/messages/search", params=too_many)
    if new:
        assert answer == {"code": 101, "message": "memory_id must contain at most 100 IDs"}
    else:
        assert answer["code"] == 0


async def test_a_message_of_no_number(call: Caller) -> None:
    """Something else than a number names no message: 404 for its content, an error for a change."""
    memory_id = await call.memory()
    code = 500 if call.version == "0.27" else 100
    assert (await call("GET", f"/messages/{memory_id}:x/content"))["code"] == 404
    assert (await call("DELETE", f"/messages/{memory_id}:x"))["code"] == code
    assert (await call("PUT", f"/messages/{memory_id}:x", json={"status": True}))["code"] == code
    assert (await call("DELETE", "/messages/x:1"))["code"] == 404


async def test_who_said_it(call: Caller) -> None:
    """v0.27 notes the key's owner, whatever was sent; v0.24 nobody."""
    memory_id = await call.memory()
    await call("POST", "/messages", json={**TURN, "memory_id": [memory_id], "user_id": "u1"})
    (message,) = (await call("GET", "/messages", params={"memory_id": memory_id}))["data"]
    owner = (await call("GET", f"/memories/{memory_id}/config"))["data"]["tenant_id"]
    assert message["user_id"] == (owner if call.version == "0.27" else "")
    assert message["message_id"] == int(message["message_id"])
    assert (message["source_id"], message["message_type"], message["status"]) == (0, "raw", True)
    assert message["content"] == "User Input: Where is the moon?\nAgent Response: Up."


async def test_what_was_said_may_be_anything(call: Caller) -> None:
    """Texts are kept as they are and other values as Python writes them; ids must be texts."""
    memory_id = await call.memory()
    said = {**TURN, "memory_id": [memory_id]}
    answer = await call("POST", "/messages", json={**said, "user_input": None, "agent_response": 5})
    assert answer == {"code": 0, "data": None, "message": "All add to task."}
    (message,) = (await call("GET", "/messages", params={"memory_id": memory_id}))["data"]
    assert message["content"] == "User Input: None\nAgent Response: 5"
    assert (await call("POST", "/messages", json={**said, "session_id": 5}))["code"] == 101
