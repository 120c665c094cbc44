"""What scenarios are written with: a server, names of their own, and which operations they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from ragflow_integrations.protocol.versions import COMPOSED, OLDEST, OPERATIONS, Version

T = TypeVar("T", bound=Callable[..., Any])

RUN = f"ri-live-{uuid4().hex[:8]}"
"""What the names of all that this run makes begin with."""


@dataclass(frozen=True)
class Server:
    """A server to try, and a dataset on it that has ``FILES``, for scenarios that leave it as it is."""

    name: str
    version: Version
    settings: dict[str, Any] = field(repr=False)
    """The arguments of a client for it."""
    dataset_id: str


def unique(what: str) -> str:
    """A name that nobody else uses, and that tells where it comes from."""
    return f"{RUN}-{what}-{uuid4().hex[:6]}"


def covers(*operations: str, since: Version | None = None) -> Callable[[T], T]:
    """Marks a scenario with the operations that it uses for real, by their names in ``versions``.

    ``since`` is the first version with what it uses of them, where that is later than the operations themselves.
    """

    def mark(scenario: T) -> T:
        scenario.covers = (*operations, *covered_by(scenario))  # type: ignore[attr-defined]
        scenario.since = max(  # type: ignore[attr-defined]
            needed_by(scenario),
            *map(_begun, operations),
            since or OLDEST,
        )
        return scenario

    return mark


def _begun(operation: str) -> Version:
    """The first version that has an operation."""
    routes = OPERATIONS.get(operation)
    return routes[-1].since if routes else max(map(_begun, COMPOSED[operation]))


def covered_by(scenario: Callable[..., Any]) -> tuple[str, ...]:
    """The operations of a scenario; none if it is a test of something else."""
    found: tuple[str, ...] = getattr(scenario, "covers", ())
    return found


def needed_by(scenario: Callable[..., Any]) -> Version:
    """The first version that has all that a scenario uses."""
    found: Version = getattr(scenario, "since", OLDEST)
    return found


def _component(name: str, downstream: list[str], upstream: list[str], **params: Any) -> dict[str, Any]:
    return {
        "obj": {"component_name": name, "params": params},
        "downstream": downstream,
        "upstream": upstream,
    }


# The smallest picture.
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def agent_of(**components: dict[str, Any]) -> dict[str, Any]:
    """The canvas of an agent; in the names of its components ``_`` stands for the colon before their number."""
    named = {name.replace("_", ":"): each for name, each in components.items()}
    begin = _component("Begin", [next(iter(named))], [], mode="conversational", prologue="Hi!", inputs={})
    return {
        "components": {"begin": begin, **named},
        "globals": {"sys.conversation_turns": 0, "sys.files": [], "sys.query": "", "sys.user_id": ""},
        "history": [],
        "messages": [],
        "path": [],
        "retrieval": [],
        "graph": {"nodes": [], "edges": []},
        "variables": {},
    }


# Agents that need no language model: one says what it was told, one what it finds.
AGENT = agent_of(Message_0=_component("Message", [], ["begin"], content=["You said: {sys.query}"]))


def finding_agent(dataset_id: str) -> dict[str, Any]:
    """The canvas of an agent that searches a dataset."""
    found = "Found: {Retrieval:0@formalized_content}"
    return agent_of(
        Retrieval_0=_component(
            "Retrieval", ["Message:0"], ["begin"], query="sys.query", dataset_ids=[dataset_id]
        ),
        Message_0=_component("Message", [], ["Retrieval:0"], content=[found]),
    )
