"""Memories and agents: their settings, messages and canvases arrive; ids inside them become the new ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ragflow_integrations import Memory, RAGFlow
from ragflow_integrations.transfer import export, import_, push
from tests.transfer.dying import died

EMBEDDING, LLM = "BAAI/bge-small-en-v1.5@Builtin", "glm-4-flash@ZHIPU-AI"


def make(client: RAGFlow) -> None:
    """Two memories with turns of conversations: one disabled, one forgotten, one whose answer looks like a turn."""
    for name in ("first", "second"):
        memory = client.create_memory(name, ["raw"], EMBEDDING, LLM)
        memory.update({"description": f"the {name}", "memory_size": 123456})
        for number in range(3):
            client.add_message(
                memory.id, "agent", "talk", f"question {number}", "answer\nAgent Response: twice"
            )
        newest, _, oldest = memory.iter_messages()
        memory.update_message_status(newest.message_id or 0, False)
        memory.forget_message(oldest.message_id or 0)


def contents(client: RAGFlow) -> dict[str, Any]:
    """What has to be the same afterwards, by names."""
    return {memory.name: _memory(memory.get_config()) for memory in client.iter_memories()}


def _memory(memory: Memory) -> tuple[Any, ...]:
    kept = [message for message in memory.iter_messages() if message.forget_at is None]
    messages = [
        (
            memory.get_message_content(each.message_id or 0).content,
            each.session_id,
            each.agent_id,
            each.status,
        )
        for each in kept
    ]
    return memory.description, memory.memory_size, memory.memory_type, messages


def test_memories_arrive(client: RAGFlow, target: RAGFlow, tmp_path: Path) -> None:
    """Settings and messages, in their order; what was forgotten stays behind; again nothing is added."""
    make(client)
    assert export(client, tmp_path / "archive").done == {"memory": 2, "message": 4}
    assert import_(target, tmp_path / "archive").complete
    assert contents(target) == contents(client)
    assert [*contents(target)] == [*contents(client)] == ["second", "first"]
    assert [status for *_, messages in contents(target).values() for *_, status in messages] == [
        False,
        True,
    ] * 2
    assert import_(target, tmp_path / "archive").kept == {"memory": 2, "message": 4}
    assert contents(target) == contents(client)


def test_died_anywhere_no_message_is_twice(client: RAGFlow, target: RAGFlow) -> None:
    """A run that dies at each request in turn, and then one that does not."""
    make(client)
    requests = 1
    while died(target, requests, lambda: push(client, target)):
        requests += 1
    assert contents(target) == contents(client)
