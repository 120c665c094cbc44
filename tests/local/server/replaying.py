"""A server to play recordings to, and the comparison of what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.serve import running_server
from tests.local.server.replay import (
    SECOND_KEY,
    TENANTS,
    Exchange,
    GatedEmbedder,
    Player,
    differences,
    frames,
    shape,
)

_LETTER = re.compile(r"(?<=You don't own the dataset )[0-9a-f]$")
_NAMES = {  # what the recorded servers' models were called
    "embedding": ("fake-embed@fake@OpenAI-API-Compatible", "fake-embed___OpenAI-API@OpenAI-API-Compatible"),
    "chat": ("fake-chat@fake@OpenAI-API-Compatible", "fake-chat___OpenAI-API@OpenAI-API-Compatible"),
    "rerank": ("fake-rerank@fake@OpenAI-API-Compatible", "fake-rerank___OpenAI-API@OpenAI-API-Compatible"),
}


def stand_ins(embedder: GatedEmbedder) -> Choice:
    """Deterministic models under the names of the recorded ones."""
    return Choice(
        llm=_chat,
        embedding=embedder,
        reranker=_rerank,
        models={kind: dict.fromkeys(names, "default") for kind, names in _NAMES.items()},
    )


def _chat(messages: Sequence[dict[str, str]]) -> Iterator[str]:
    yield "STAND-IN says: "
    yield messages[-1]["content"]


def _rerank(question: str, texts: Sequence[str]) -> list[float]:
    asked = set(question.lower().split())
    return [len(asked & set(text.lower().split())) / (len(asked) or 1) for text in texts]


@contextmanager
def playing(version: str) -> Iterator[Player]:
    """A running server that parses only while the player's gate is open."""
    embedder = GatedEmbedder()
    with (
        Engine(":memory:", stand_ins(embedder)) as engine,
        running_server(engine, api_version=version.removeprefix("v")) as server,
    ):
        second = engine.add_tenant(SECOND_KEY)
        beta = str(engine.list_keys()[0]["beta"])
        headers = {"Authorization": f"Bearer {server.api_key}"}
        with httpx.Client(base_url=server.base_url, headers=headers, timeout=30) as client:
            tenants = dict(zip(TENANTS[version], (engine.tenant_id, second.tenant_id), strict=True))
            yield Player(version, engine, client, embedder.gate, tenants, beta)


def check_same(player: Player, exchange: Exchange) -> None:
    """Status, code, message and shape of our answer are those of the recorded one."""
    recorded, ours = exchange.recorded, exchange.ours
    theirs = recorded["response_body"]
    assert ours.status_code == recorded["status"]
    assert ours.headers["content-type"] == recorded["response_headers"]["content-type"].partition(", ")[0]
    if exchange.is_stream:
        assert _shapes(ours.text) == _shapes(theirs)
    elif isinstance(theirs, str):
        assert ours.text == theirs
    else:
        assert ours.text.endswith("}\n")
        _check_same_envelope(player.ours(theirs), ours.json())


def _check_same_envelope(theirs: dict[str, object], ours: dict[str, object]) -> None:
    assert ours.keys() == theirs.keys()
    assert ours.get("code") == theirs.get("code")
    if ours.get("code") != 100:  # behind 100 RAGFlow has the text of a Python exception
        assert _masked(ours.get("message")) == _masked(theirs.get("message"))
    assert differences(shape(theirs), shape(ours)) == []


def _masked(message: object) -> object:
    """A message without what it names of an id: the first letter, where an id came in a list's place."""
    return _LETTER.sub("*", message) if isinstance(message, str) else message


def _unspoken(event: object) -> object:
    """An agent's event without the speech that v0.24 has with some of the pieces: none, for want of a model."""
    if (
        isinstance(event, dict)
        and event.get("event") == "message"
        and event["data"].get("audio_binary") is None
    ):
        return event | {"data": {"content": event["data"]["content"]}}
    return event


def _shapes(stream: str) -> list[object]:
    """The shapes of a stream's frames in order, deltas taken together: how many there are is the model's affair."""
    shapes = [shape(_unspoken(each)) for each in frames(stream)]
    return [each for each, following in zip(shapes, [*shapes[1:], None], strict=True) if each != following]
