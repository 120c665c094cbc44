"""Canvases for tests of the engine's agents, and what comes of asking them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from ragflow_integrations.local.agent import Event, Question
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.tenant import Tenant

Json = dict[str, Any]

GLOBALS = {"sys.query": "", "sys.user_id": "", "sys.conversation_turns": 0, "sys.files": []}
ASK: Json = {"llm_id": "x@Builtin", "prompts": [{"role": "user", "content": "{sys.query}"}]}


def node(name: str, to: Sequence[str] = (), /, **params: Any) -> Json:
    """A component that leads to others."""
    return {"obj": {"component_name": name, "params": params}, "downstream": list(to), "upstream": []}


def canvas(begin: Sequence[str], inputs: Json | None = None, /, **nodes: Json) -> Json:
    """A DSL; in the names of the components ``_`` stands for the colon before their number."""
    components = {"begin": node("Begin", begin, mode="conversational", prologue="Hi", inputs=inputs or {})}
    components |= {name.replace("_", ":"): each for name, each in nodes.items()}
    return {"components": components, "globals": dict(GLOBALS), "history": [], "path": [], "retrieval": []}


SAY = node("Message", content=["{LLM:0@content}"])


TITLES = map(str, itertools.count())


def agent(tenant: Tenant, dsl: Json) -> str:
    """A new agent's id."""
    return str(tenant.create_agent({"title": next(TITLES), "dsl": dsl}, taken="taken")["id"])


def asked(tenant: Tenant, dsl: Json | str, query: str = "moon", **more: Any) -> list[Event]:
    """All events of one turn, of a new agent or of the one with this id."""
    agent_id = dsl if isinstance(dsl, str) else agent(tenant, dsl)
    session = more.pop("session", None)
    return list(
        tenant.ask_agent(agent_id, Question(query, **more), session=session, source="workflow").events
    )


def text(events: Sequence[Event]) -> str:
    """What was said."""
    return "".join(each["data"]["content"] for each in events if each["event"] == "message")


def kinds(events: Sequence[Event]) -> list[str]:
    """What happened, and to which component."""
    named = [f"{each['event']} {each['data'].get('component_id', '')}".strip() for each in events]
    return [each for each, following in zip(named, [*named[1:], ""], strict=True) if each != following]


def with_model(model: Callable[..., Any]) -> Engine:
    """An engine in memory with this language model."""
    return Engine(":memory:", Choice(llm=model))
