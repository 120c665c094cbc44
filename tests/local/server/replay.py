"""Sends what was recorded from a RAGFlow server to the local engine, and compares what comes back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from ragflow_integrations.local.embed import HashedEmbedder
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.store import Paging

_HERE = Path(__file__).parent
_RECORDINGS = _HERE.parents[1] / "recordings"

_ID = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b")
_BOUNDARY = "recorded"
_MESSAGE = re.compile(r"(?<=:)\d+(?=$|/content$)")  # the number of a memory's message, in a path
_OF_THE_ENGINE = (".message_id", ".source_id", ".task")  # memories: not the API's but its document engine's
TENANTS = {  # the owner of the first key, and of the second
    "v0.27": ("ad160dfae57911f1b06d02fc00000001", "adc208eee57911f1b06d02fc00000001"),
    "v0.24": ("44e6fe88e58811f1a50002fc00000001", "45f975c6e58811f1a50002fc00000001"),
}
_CHAT_IDS = {  # a dataset with a parsed file, one without, and the file
    "v0.27": (
        "23709458e57e11f1bec502fc00000001",
        "23739446e57e11f1bec502fc00000001",
        "2379a430e57e11f1a94c02fc00000001",
    ),
    "v0.24": ("9556792ee58911f1a50002fc00000001", "95581c52e58911f1a50002fc00000001"),
}
_SESSIONS = {  # begun between the recordings of v0.24, and the chats they belong to
    "971f8d4ae58911f1a50002fc00000001": "9615b668e58911f1a50002fc00000001",
    "971d7d20e58911f1a50002fc00000001": "9633bf32e58911f1a50002fc00000001",
    "971ea1a0e58911f1a50002fc00000001": "961895c2e58911f1a50002fc00000001",
}
_SDK_TEXT = "The capital of Atlantis is Poseidonia."
SECOND_KEY = "ragflow-of-another-tenant"

Json = Any


def files(version: str) -> list[str]:
    """The names of the recordings of a version (``v0.27``, ``v0.24``), in the order in which they were made."""
    return sorted(path.stem for path in (_RECORDINGS / version).glob("*.jsonl"))


def recorded(version: str, file: str) -> list[Json]:
    """The exchanges of a recording, in order; a name that comes again gets a number, as in ``sdk.parse#2``."""
    lines = (_RECORDINGS / version / f"{file}.jsonl").read_text("utf-8").splitlines()
    exchanges, seen = [json.loads(line) for line in lines], Counter[str]()
    for each in exchanges:
        seen[each["name"]] += 1
        if seen[each["name"]] > 1:
            each["name"] += f"#{seen[each['name']]}"
    return exchanges


def left_out(version: str) -> dict[str, str]:
    """``{"file: name": reason}`` of what is answered in another way, from the texts in ``left_out/``."""
    reasons: dict[str, str] = {}
    for path in sorted((_HERE / "left_out" / version).glob("*.txt")):
        reason = ""
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("# "):
                reason = line.removeprefix("# ")
            else:
                reasons |= {f"{path.stem}: {name}": reason for name in line.split()}
    return reasons


@dataclass(frozen=True)
class Exchange:
    """A recorded request, RAGFlow's answer, and ours; ``name`` is ``"file: name"``."""

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

    version: str
    engine: Engine
    client: httpx.Client
    gate: threading.Event
    ids: dict[str, str]
    beta: str

    def play(self) -> Iterator[Exchange]:
        for file in files(self.version):
            if file == "05_chats_sessions":
                self._prepare_chats()
            for each in recorded(self.version, file):
                self._before(each["name"])
                ours = self._send(each)
                self._learn(each["response_body"], _body(ours))
                yield Exchange(f"{file}: {each['name']}", each, ours)

    def ours(self, value: Json) -> Json:
        """A recorded value with our ids in it."""
        if isinstance(value, dict):
            return {key: self.ours(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.ours(each) for each in value]
        if isinstance(value, str):
            return _ID.sub(lambda found: self.ids.get(found[0], found[0]), value)
        return value

    def _before(self, name: str) -> None:
        """What else was there: a document that is still being parsed, one that is done, sessions."""
        if (self.version, name) == ("v0.24", "comp.nostream"):
            for session, chat in _SESSIONS.items():
                self.ids[session] = self.engine.create_session(self.ids[chat], "s", user_id="")["id"]
        if name in ("parse.dup", "doc.parse.v2"):
            self.gate.clear()
        if name in ("doc.list.done", "doc.list.after_stop", "sdk.doc"):
            self.gate.set()
            self._wait_until_parsed()

    def _wait_until_parsed(self) -> None:
        deadline = time.monotonic() + 120
        page: Paging = {"page": 1, "page_size": 1000, "orderby": "create_time", "desc": False}
        for dataset in self.engine.list_datasets(**page)[0]:
            while self.engine.list_documents(dataset["id"], **page, run=["RUNNING"])[1]:
                assert time.monotonic() < deadline, "documents are still being parsed after two minutes"
                time.sleep(0.02)

    def _prepare_chats(self) -> None:
        """What was there when the chats were recorded: a dataset with one parsed file, and one with none."""
        dataset = self.engine.create_dataset({"name": "chat_ds_1795246534"})["id"]
        empty = self.engine.create_dataset({"name": "chat_empty"})["id"]
        text = b"The capital of Atlantis is Poseidonia.\n\nThe moon is made of cheese."
        document = self.engine.add_document(dataset, "atlantis.txt", text)["id"]
        self.engine.start_parsing([document])
        self._wait_until_parsed()
        self.ids |= dict(zip(_CHAT_IDS[self.version], (dataset, empty, document), strict=False))

    def _send(self, recorded: Json) -> httpx.Response:
        recorded = recorded if "auth" in recorded else _as_sent(recorded)
        headers = {**(recorded["request_headers"] or {})}
        auth = recorded["auth"]
        if auth == "Bearer <KEY>":
            headers["Authorization"] = self.client.headers["Authorization"]
        elif auth:
            headers["Authorization"] = auth.replace("<KEY2>", SECOND_KEY).replace("<BETA>", self.beta)
        if "Authorization" in headers:
            headers["Authorization"] = headers["Authorization"].strip()  # "Bearer " is no value httpx sends
        request = self.client.build_request(
            recorded["method"],
            self._path(recorded["path"]),
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
            if recorded.keys() & ours.keys() >= {"message_id", "message_type"}:
                self.ids.setdefault(str(recorded["message_id"]), str(ours["message_id"]))
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

    def _path(self, path: str) -> str:
        return _MESSAGE.sub(lambda found: self.ids.get(found[0], found[0]), self.ours(path))


def frames(body: str) -> list[Json]:
    """The events of a stream in RAGFlow's framing, an OpenAI stream's ``[DONE]`` as text; nothing else is in it.

    An agent's OpenAI stream has a blank after each ``data:``.
    """
    if body.startswith("data: "):
        body = re.sub(r"^data: (?=[{\[])", "data:", body, flags=re.MULTILINE)
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
    A message's number is a text in the recordings, and its ``task`` is missing for that reason.
    """
    if theirs == "null" or ours == "null" or where.endswith(_OF_THE_ENGINE):
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


def _as_sent(recorded: Json) -> Json:
    """A request of the official SDK as it went out: what was recorded are the arguments of its calls."""
    body, query = recorded["request_body"], recorded["query"] or {}
    if body == "multipart":
        name = recorded["response_body"]["data"][0]["name"]
        body = {"multipart": [{"field": "file", "filename": name, "content": _SDK_TEXT}], "form": None}
    kind = {} if body is None else {"Content-Type": "application/json"}
    given = {key: value for key, value in query.items() if value is not None}
    return {**recorded, "auth": "Bearer <KEY>", "request_headers": kind, "request_body": body, "query": given}


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
