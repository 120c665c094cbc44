"""Sends what was recorded from a RAGFlow v0.27.0 server to the local engine, and compares what comes back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from ragflow_integrations.local.embed import HashedEmbedder

RECORDINGS = Path(__file__).parents[2] / "recordings" / "v0.27"
FILES = (
    "01_auth_system",
    "02_datasets",
    "03_documents",
    "04_chunks_retrieval",
    "05_chats_sessions",
    "06_completions",
    "07_openai",
    "08_chat_session_delete",
)

_ID = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b")
_BOUNDARY = "recorded"
OWNER = "ad160dfae57911f1b06d02fc00000001"

Json = Any


@dataclass(frozen=True)
class Exchange:
    """A recorded request, RAGFlow's answer, and ours."""

    name: str
    recorded: Json
    ours: httpx.Response

    @property
    def is_stream(self) -> bool:
        return isinstance(self.recorded["response_body"], str) and self.recorded["response_body"].startswith(
            "data:"
        )


class GatedEmbedder:
    """The built-in embedder behind a gate: while it is shut, documents stay RUNNING and retrievals wait."""

    def __init__(self) -> None:
        self._embedder = HashedEmbedder()
        self.name = self._embedder.name
        self.dimensions = self._embedder.dimensions
        self.reached = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.reached.set()
        assert self.gate.wait(timeout=30), "nobody opened the gate"
        return self._embedder.embed(texts)


@dataclass
class Player:
    """Replays recordings in order; ids of RAGFlow's answers stand for the ids that ours had in their place."""

    client: httpx.Client
    gate: threading.Event
    ids: dict[str, str]
    models: dict[str, str]

    def play(self) -> Iterator[Exchange]:
        for file in FILES:
            if file == "05_chats_sessions":
                self._prepare_chats()
            for line in (RECORDINGS / f"{file}.jsonl").read_text("utf-8").splitlines():
                recorded = json.loads(line)
                self._before(recorded["name"])
                ours = self._send(recorded)
                self._learn(recorded["response_body"], _body(ours))
                yield Exchange(recorded["name"], recorded, ours)

    def ours(self, value: Json) -> Json:
        """A recorded value with our ids in it."""
        if isinstance(value, dict):
            return {key: self.ours(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.ours(each) for each in value]
        if isinstance(value, str):
            return _ID.sub(lambda found: self.ids.get(found[0], found[0]), self.models.get(value, value))
        return value

    def _before(self, name: str) -> None:
        """The states that took RAGFlow seconds: a document that is still being parsed, and one that is done."""
        if name in ("parse.dup", "doc.parse.v2"):
            self.gate.clear()
        if name in ("doc.list.done", "doc.list.after_stop"):
            self.gate.set()
            self._wait_until_parsed()

    def _wait_until_parsed(self) -> None:
        for dataset in self.client.get("/api/v1/datasets", params={"page_size": 100}).json()["data"]:
            path = f"/api/v1/datasets/{dataset['id']}/documents"
            deadline = time.monotonic() + 20
            while self.client.get(path, params={"run": "RUNNING"}).json()["data"]["total"]:
                assert time.monotonic() < deadline, "documents are still being parsed after 20 s"
                time.sleep(0.02)

    def _prepare_chats(self) -> None:
        """What was there when the chats were recorded: a dataset with one parsed file, and one with none."""
        name = {"json": {"name": "chat_ds_1795246534"}}
        dataset = self.client.post("/api/v1/datasets", **name).json()["data"]["id"]
        empty = self.client.post("/api/v1/datasets", json={"name": "chat_empty"}).json()["data"]["id"]
        files = {
            "file": ("atlantis.txt", b"The capital of Atlantis is Poseidonia.\n\nThe moon is made of cheese.")
        }
        documents = f"/api/v1/datasets/{dataset}/documents"
        document = self.client.post(documents, files=files).json()["data"][0]["id"]
        self.client.post(f"/api/v1/datasets/{dataset}/chunks", json={"document_ids": [document]})
        self._wait_until_parsed()
        self.ids |= {
            "23709458e57e11f1bec502fc00000001": dataset,
            "23739446e57e11f1bec502fc00000001": empty,
            "2379a430e57e11f1a94c02fc00000001": document,
        }

    def _send(self, recorded: Json) -> httpx.Response:
        headers = {**(recorded["request_headers"] or {})}
        if recorded["auth"] == "Bearer <KEY>":
            headers["Authorization"] = self.client.headers["Authorization"]
        elif recorded["auth"]:
            headers["Authorization"] = recorded["auth"]
        if "Authorization" in headers:
            headers["Authorization"] = headers["Authorization"].strip()  # "Bearer " is no value httpx sends
        request = self.client.build_request(
            recorded["method"],
            self.ours(recorded["path"]),
            params=self.ours(recorded["query"]),
            headers=headers,
            **self._content(recorded["request_body"], headers),
        )
        if "Authorization" not in headers:
            del request.headers["Authorization"]
        return self.client.send(request)

    def _content(self, body: Json, headers: dict[str, str]) -> dict[str, Any]:
        if isinstance(body, dict) and "multipart" in body:
            headers["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}"
            return {"content": _multipart(body)}
        if isinstance(body, str):
            return {"content": body.encode()}
        if body is None:
            return {}
        return {"content": json.dumps(self.ours(body)).encode()}

    def _learn(self, recorded: Json, ours: Json) -> None:
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for key in recorded.keys() & ours.keys():
                self._learn(recorded[key], ours[key])
        elif isinstance(recorded, list) and isinstance(ours, list):
            for theirs, own in zip(recorded, ours, strict=False):
                self._learn(theirs, own)
        elif (
            isinstance(recorded, str)
            and isinstance(ours, str)
            and _ID.fullmatch(recorded)
            and _ID.fullmatch(ours)
        ):
            self.ids.setdefault(recorded, ours)


def frames(body: str) -> list[Json]:
    """The events of a stream in RAGFlow's framing, an OpenAI stream's ``[DONE]`` as text; nothing else is in it."""
    *events, rest = body.split("\n\n")
    assert rest == "", f"a stream ends with an empty line, not {rest!r}"
    assert all(event.startswith("data:{") for event in events[:-1]), events
    assert events[-1].startswith(("data:{", "data:[DONE]")), events
    texts = [event.removeprefix("data:") for event in events]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def shape(value: Json) -> Json:
    """Keys and types of a value; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "null" if value is None else type(value).__name__


def differences(theirs: Json, ours: Json, where: str = "") -> list[str]:
    """How two shapes differ.

    Null fits any type and an empty list any list, as neither tells what else may be there. Of ``parser_config``
    only what both have is compared: which defaults RAGFlow writes into it depends on the order of earlier updates.
    """
    if theirs == "null" or ours == "null":
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        missing = [f"{where}.{key}: missing" for key in theirs.keys() - ours.keys()]
        extra = [f"{where}.{key}: not RAGFlow's" for key in ours.keys() - theirs.keys()]
        both = theirs.keys() & ours.keys()
        unlike = [] if "parser_config" in where else missing + extra
        return unlike + [
            each for key in both for each in differences(theirs[key], ours[key], f"{where}.{key}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list):
        return differences(theirs[0], ours[0], f"{where}[]") if theirs and ours else []
    return [] if theirs == ours else [f"{where}: {theirs} there, {ours} here"]


def _multipart(body: Json) -> bytes:
    """By hand, because an HTTP library would not send an empty file name."""
    parts = [
        (f'name="{part["field"]}"; filename="{part["filename"]}"', part["content"])
        for part in body["multipart"]
    ]
    parts += [(f'name="{name}"', value) for name, value in (body["form"] or {}).items()]
    written = "".join(
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n" for head, text in parts
    )
    return f"{written}--{_BOUNDARY}--\r\n".encode()


def _body(response: httpx.Response) -> Json:
    try:
        return response.json()
    except ValueError:
        return response.text
