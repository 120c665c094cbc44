"""Canvases of agents, for the tests of both adapters."""

from __future__ import annotations

from typing import Any


def node(kind: str, to: list[str], **params: Any) -> dict[str, Any]:
    """A component that leads to others."""
    return {"obj": {"component_name": kind, "params": params}, "downstream": to, "upstream": []}


def canvas(**components: Any) -> dict[str, Any]:
    """A canvas of these, which begins at ``begin``."""
    known = {"sys.query": "", "sys.user_id": "", "sys.conversation_turns": 0, "sys.files": []}
    named = {name.replace("_", ":"): component for name, component in components.items()}
    return {
        "components": named,
        "globals": known,
        "history": [],
        "path": [],
        "retrieval": [],
        "variables": {},
    }


def begin(to: str) -> dict[str, Any]:
    """Where a canvas begins."""
    return node("Begin", [to], mode="conversational", prologue="Hi!")


ECHO = canvas(begin=begin("Message:0"), Message_0=node("Message", [], content=["You said: {sys.query}"]))
FORM = canvas(
    begin=begin("UserFillUp:0"),
    UserFillUp_0=node("UserFillUp", ["Message:0"], inputs={"who": {"type": "line"}}, tips="Who is it?"),
    Message_0=node("Message", [], content=["Hello {UserFillUp:0@who}"]),
)


def searching(dataset_id: str) -> dict[str, Any]:
    """Searches a dataset and answers from it."""
    return canvas(
        begin=begin("Retrieval:0"),
        Retrieval_0=node("Retrieval", ["LLM:0"], query="sys.query", dataset_ids=[dataset_id]),
        LLM_0=node("LLM", ["Message:0"], llm_id="", prompts=[{"role": "user", "content": "{sys.query}"}]),
        Message_0=node("Message", [], content=["{LLM:0@content}"]),
    )
