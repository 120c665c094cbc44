"""The application in-process, and a caller that makes what most tests need."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app
from tests.local.knowledge import finished

Json = dict[str, Any]

ATLANTIS = "The capital of Atlantis is Poseidonia.\n\nThe moon is made of green cheese."


class Api:
    """The in-process application, which asks for no key."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        transport = httpx.ASGITransport(build_app(engine, with_keys=False))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")

    async def __call__(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        content = {} if body is None else {"json": body}
        return dict((await self.http.request(method, path, **content, **more)).json())

    async def dataset(self, name: str = "x") -> str:
        return str((await self("POST", "/datasets", {"name": name}))["data"]["id"])

    async def document(self, dataset: str, name: str = "a.txt", text: str = ATLANTIS) -> str:
        files = {"file": (name, text.encode())}
        return str((await self("POST", f"/datasets/{dataset}/documents", files=files))["data"][0]["id"])

    async def tagged(self, dataset: str, name: str, text: str, **meta_fields: Any) -> str:
        """A document with one chunk and this metadata."""
        document = await self.document(dataset, name, text)
        path = f"/datasets/{dataset}/documents/{document}"
        assert (await self("POST", f"{path}/chunks", {"content": text}))["code"] == 0
        assert (await self("PATCH", path, {"meta_fields": meta_fields}))["code"] == 0
        return document

    async def parsed(self, dataset: str, document: str) -> Json:
        """The document, parsed to its end."""
        await self("POST", f"/datasets/{dataset}/chunks", {"document_ids": [document]})
        await asyncio.to_thread(finished, self.engine, document)
        return dict((await self("GET", f"/datasets/{dataset}/documents?id={document}"))["data"]["docs"][0])

    async def chunks(self, dataset: str, document: str) -> list[Json]:
        """The first chunks of a document, each with all that it shows when it is asked for by its id."""
        path = f"/datasets/{dataset}/documents/{document}/chunks"
        listed = (await self("GET", path))["data"]["chunks"]
        return [(await self("GET", f"{path}?id={each['id']}"))["data"]["chunks"][0] for each in listed]

    async def chat(self, **settings: Any) -> Json:
        """A chat over a dataset in which Atlantis is told about."""
        dataset = await self.dataset()
        document = await self.document(dataset)
        await self("POST", f"/datasets/{dataset}/documents/{document}/chunks", {"content": ATLANTIS})
        answer = await self("POST", "/chats", {"name": "c", "dataset_ids": [dataset], **settings})
        assert answer["code"] == 0, answer
        return dict(answer["data"])
