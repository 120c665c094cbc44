"""Keys over the API: listed, made, deleted, and each tenant's its own."""

from __future__ import annotations

import asyncio

import httpx

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
