"""Paths with an empty id in them, as RAGFlow's web framework takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app

NOT_FOUND, NOT_ALLOWED = 404, 100  # codes


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """One engine's API of each version, without keys."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    apps = {version: build_app(engine, with_keys=False, api_version=version) for version in ("0.24", "0.27")}
    made = {
        version: httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://local/api/v1")
        for version, app in apps.items()
    }
    yield made
    for each in made.values():
        await each.aclose()
    await asyncio.to_thread(engine.close)


@pytest.mark.parametrize(
    ("method", "path", "older", "newer"),
    [
        ("GET", "/datasets//documents", NOT_ALLOWED, "/datasets/documents"),
        ("POST", "/datasets//documents", NOT_ALLOWED, NOT_ALLOWED),
        ("DELETE", "/datasets//chunks", NOT_ALLOWED, NOT_ALLOWED),
        ("PUT", "/datasets//documents", "/datasets/documents", "/datasets/documents"),
        (
            "GET",
            "/datasets/x/documents//chunks",
            "/datasets/x/documents/chunks",
            "/datasets/x/documents/chunks",
        ),
        ("POST", "/datasets/x/documents//chunks", NOT_ALLOWED, NOT_ALLOWED),
        ("GET", "/datasets//documents/x/chunks", NOT_FOUND, NOT_FOUND),
        ("GET", "/chats//sessions", NOT_ALLOWED, "/chats/sessions"),
        ("POST", "/datasets//search", NOT_ALLOWED, "/datasets/search"),
        ("GET", "/memories//config", "/memories/config", "/memories/config"),
        ("PUT", "/datasets/x/documents/", NOT_ALLOWED, NOT_ALLOWED),
        ("GET", "/zz/", NOT_FOUND, NOT_FOUND),
    ],
)
async def test_an_empty_id(
    clients: dict[str, httpx.AsyncClient], method: str, path: str, older: int | str, newer: int | str
) -> None:
    """The caller is sent to the path without it if that takes the method; else told that nothing does."""
    for version, wanted in (("0.24", older), ("0.27", newer)):
        answer = await clients[version].request(method, f"{path}?a=b%20c")
        if isinstance(wanted, str):
            assert (answer.status_code, answer.headers["Location"]) == (308, f"/api/v1{wanted}?a=b%20c")
        else:
            assert answer.json()["code"] == wanted
        if wanted == NOT_FOUND:
            assert answer.json()["message"] == f"Not Found: /api/v1{path}"


async def test_whoever_follows_arrives(clients: dict[str, httpx.AsyncClient]) -> None:
    """The second request says what is wrong; what is no text of a path is written as one."""
    sent = await clients["0.24"].put("/datasets//zz", json={"name": "x"}, follow_redirects=True)
    assert sent.json()["message"] == "Field: <dataset_id> - Message: <Invalid UUID1 format> - Value: <zz>"
    odd = await clients["0.27"].get("/datasets/%3Fä/")
    assert odd.json()["message"].endswith("lacks permission for dataset '?ä'")
    odd = await clients["0.27"].get("/datasets//%3Fä")
    assert odd.headers["Location"] == "/api/v1/datasets/%3F%C3%A4"
