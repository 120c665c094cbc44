"""Keys over the API: listed, made, deleted, and each tenant's its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app


async def test_keys_of_two_tenants() -> None:
    """A key that was made opens the same tenant's data until it is deleted; the other tenant's are never seen."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    own = await asyncio.to_thread(engine.api_key, "ragflow-own")
    await asyncio.to_thread(engine.add_tenant, "ragflow-other")
    transport = httpx.ASGITransport(build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://local/api/v1") as http:

        async def call(key: str, method: str, path: str) -> httpx.Response:
            return await http.request(method, path, headers={"Authorization": f"Bearer {key}"})

        made = (await call(own, "POST", "/system/tokens")).json()["data"]
        assert made["token"].startswith("ragflow-")
        assert len(made["beta"]) == 32
        assert (made["tenant_id"], made["update_time"]) == (engine.tenant_id, None)
        listed = (await call(made["token"], "GET", "/system/tokens")).json()["data"]
        assert {each["token"] for each in listed} == {own, made["token"]}
        other = (await call("ragflow-other", "GET", "/system/tokens")).json()["data"]
        assert [each["token"] for each in other] == ["ragflow-other"]

        await call("ragflow-other", "DELETE", f"/system/tokens/{made['token']}")
        assert (await call(made["token"], "GET", "/datasets")).status_code == 200
        assert (await call(own, "DELETE", f"/system/tokens/{made['token']}")).json()["data"] is True
        assert (await call(made["token"], "GET", "/datasets")).status_code == 401
        refused = (await call(own, "DELETE", f"/system/tokens/{own}")).json()
        assert (refused["code"], "--api-key" in refused["message"]) == (102, True)
    await asyncio.to_thread(engine.close)


def test_an_embed_key_is_no_api_key() -> None:
    """The embed key of the owner is known as such, stays the same, and opens nothing else."""
    with Engine(":memory:") as engine:
        engine.api_key("ragflow-own")
        [key] = engine.list_keys()
        assert engine.list_keys() == [key]
        found = engine.tenant_embedding(key["beta"])
        assert found is not None
        assert found.tenant_id == engine.tenant_id
        assert engine.tenant_with(key["beta"]) is None
        assert engine.tenant_with("") is None


NO_KEY = (401, 401, "<Unauthorized '401: Unauthorized'>")
NO_SPLIT = (200, 100, "AttributeError(\"'NoneType' object has no attribute 'split'\")")
EMPTY = (200, 0, "`Authorization` can't be empty")
FORMAT = (200, 0, "Please check your authorization format.")
WRONG = (200, 109, "Authentication error: API key is invalid!")
NOT_VALID, INVALID = "Authorization is not valid!", "Authentication error: API key is invalid!"
HEADERS: dict[str, dict[str | None, tuple[Any, Any]]] = {
    # what is sent: what /datasets answers, what a bot's route answers; True is whoever has a key
    "0.27": {
        None: (NO_KEY, (200, 102, NOT_VALID)),
        "": (NO_KEY, (200, 102, NOT_VALID)),
        "Bearer": (NO_KEY, (200, 102, f"{INVALID} ")),
        "Bearer ": (NO_KEY, (200, 102, f"{INVALID} ")),
        "x": (NO_KEY, (200, 102, f"{INVALID} ")),
        "Basic KEY": (NO_KEY, (200, 102, f"{INVALID} ")),
        "Bearer KEY x": (NO_KEY, (200, 102, f"{INVALID} ")),
        "KEY": (True, True),
        "bearer KEY": (True, True),
        "Bearer  KEY ": (True, True),
    },
    "0.24": {
        None: (EMPTY, NO_SPLIT),
        "": (EMPTY, (200, 102, f'{NOT_VALID}"')),
        "Bearer": (FORMAT, (200, 102, f'{NOT_VALID}"')),
        "Bearer ": (FORMAT, (200, 102, f'{NOT_VALID}"')),
        "x": (FORMAT, (200, 102, f'{NOT_VALID}"')),
        "KEY": (FORMAT, (200, 102, f'{NOT_VALID}"')),
        "Bearer x": (WRONG, (200, 102, f'{INVALID}"')),
        "Bearer KEY x": (True, (200, 102, f'{NOT_VALID}"')),
        "Basic KEY": (True, True),
        "bearer KEY": (True, True),
        "Bearer  KEY ": (True, True),
    },
}
NO_CHATBOT = {
    "0.27": (200, 102, "Authentication error: no access to this chatbot!"),
    "0.24": (200, 102, "Can't find dialog by ID: none"),
}


async def answered(
    http: httpx.AsyncClient, method: str, path: str, header: str | None, body: str = ""
) -> Any:
    """HTTP status, code and message of an answer."""
    headers = {"Content-Type": "application/json"} | ({} if header is None else {"Authorization": header})
    answer = await http.request(method, path, headers=headers, content=body)
    said = answer.json()
    return answer.status_code, said["code"], said.get("message")


@pytest.mark.parametrize("version", HEADERS)
async def test_odd_headers(version: str) -> None:
    """What is in ``Authorization`` is read as each version reads it, on usual routes and on those of bots."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    key = await asyncio.to_thread(engine.api_key, "ragflow-own")
    embed_key = str((await asyncio.to_thread(engine.list_keys))[0]["beta"])
    transport = httpx.ASGITransport(build_app(engine, api_version=version))
    async with httpx.AsyncClient(transport=transport, base_url="http://local/api/v1") as http:
        for header, (usual, bot) in HEADERS[version].items():
            sent = [header and header.replace("KEY", each) for each in (key, embed_key)]
            got = await answered(http, "GET", "/datasets", sent[0])
            assert got == ((200, 0, None) if usual is True else usual), header
            got = await answered(http, "GET", "/chatbots/none/info", sent[1])
            assert got == (NO_CHATBOT[version] if bot is True else bot), header
    await asyncio.to_thread(engine.close)


LACKING = "required argument are missing: {}; "
BEFORE_KEY = [
    ("/chats_openai/none/chat/completions", {"model": "m"}, 101, LACKING.format("messages")),
    ("/agents_openai/none/chat/completions", None, 101, LACKING.format("model,messages")),
    ("/searchbots/ask", [], 101, LACKING.format("question,kb_ids")),
    ("/searchbots/mindmap", {}, 101, LACKING.format("question,kb_ids")),
    ("/searchbots/related_questions", {}, 101, LACKING.format("question")),
    ("/searchbots/retrieval_test", {}, 101, LACKING.format("kb_id,question")),
    ("/chatbots/none/completions", [], 100, "TypeError('JSON payload must be an object.')"),
    ("/agentbots/none/completions", [], 100, "TypeError('JSON payload must be an object.')"),
]


async def test_what_v024_looks_at_before_the_key() -> None:
    """Some routes of v0.24 look first for what the body must have, unless it is large; on v0.27 none does."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    for version in ("0.24", "0.27"):
        transport = httpx.ASGITransport(build_app(engine, api_version=version))
        async with httpx.AsyncClient(transport=transport, base_url="http://local/api/v1") as http:
            for path, body, code, message in BEFORE_KEY:
                got = await answered(http, "POST", path, "Bearer x", json.dumps(body))
                if version == "0.24":
                    assert got == (200, code, message), path
                else:
                    assert got in (NO_KEY, (200, 102, f"{INVALID} ")), path
            large = json.dumps({"model": "m" * 2**20})
            whole = json.dumps({"model": "m", "messages": []})
            path = "/chats_openai/none/chat/completions"
            for body in (large, whole):
                got = await answered(http, "POST", path, "Bearer x", body)
                assert got == (WRONG if version == "0.24" else NO_KEY), len(body)
    await asyncio.to_thread(engine.close)
