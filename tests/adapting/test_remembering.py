"""Turns of a conversation: paired, kept for one user, found again."""

from __future__ import annotations

import asyncio

import pytest

from ragflow_integrations import InvalidRequestError, MemoryMessage, NotFoundError, RAGFlow
from ragflow_integrations.adapting import (
    Flow,
    Turn,
    agent_id_of,
    arun,
    memories_as_dicts,
    memories_as_text,
    recalled,
    remembered,
    run,
    turns_of,
)

ANN, BOB = agent_id_of("ann"), agent_id_of("bob")


@pytest.mark.parametrize(
    ("spoken", "turns", "rest"),
    [
        ([], [], ""),
        ([("user", "a"), ("assistant", "b")], [Turn("a", "b")], ""),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], [Turn("a", "b")], "c"),
        ([("user", "a"), ("user", "b"), ("assistant", "c")], [Turn("a\n\nb", "c")], ""),
        ([("user", "a"), ("tool", "t"), ("assistant", "b"), ("assistant", "c")], [Turn("a", "b\n\nc")], ""),
        ([("assistant", "Hi!"), ("user", "a"), ("assistant", "b")], [Turn("", "Hi!"), Turn("a", "b")], ""),
        ([("system", "s"), ("user", "a"), ("assistant", " "), ("user", "b")], [], "a\n\nb"),
    ],
)
def test_turns(spoken: list[tuple[str, str]], turns: list[Turn], rest: str) -> None:
    """What follows each other is joined, an answer ends a turn, other roles and blanks are passed over."""
    assert turns_of(spoken) == (turns, rest)


async def test_kept_and_found_for_one_user() -> None:
    """Both kinds of client find a user's turns, and nobody else's."""
    with RAGFlow.local() as client:
        memory = await asyncio.to_thread(
            client.create_memory, "m", ["raw"], "hashed-512@Builtin", "extractive@Builtin"
        )
        turns = [Turn("I live in Atlantis.", "Noted."), Turn("I like lamps.", "")]
        await asyncio.to_thread(run, remembered([memory.id], ANN, "s", turns), client)
        await arun(remembered([memory.id], BOB, "s", [Turn("I live in Lyonesse.", "")]), client.as_async())

        def about_living(agent_id: str) -> Flow[list[MemoryMessage]]:
            return recalled("Where do I live?", [memory.id], agent_id, k=5, similarity_threshold=0.0)

        found = await arun(about_living(ANN), client.as_async())
        assert [message.content for message in found] == [
            message.content for message in await asyncio.to_thread(run, about_living(ANN), client)
        ]
        assert "Atlantis" in memories_as_text(found)
        assert "Lyonesse" not in memories_as_text(found)
        (of_bob,) = memories_as_dicts(await arun(about_living(BOB), client.as_async()))
        assert "Lyonesse" in of_bob["content"]
        assert of_bob["memory_id"] == memory.id


def test_queries_that_are_blank_or_long() -> None:
    """Nothing is asked for a blank one; of one that no address has room for, the beginning is looked up."""
    with RAGFlow.local() as client:
        memory = client.create_memory("m", ["raw"], "hashed-512@Builtin", "extractive@Builtin")
        run(remembered([memory.id], ANN, "s", [Turn("大西洲 Atlantis", "")]), client)
        for query, expected in (("  ", 0), ("Atlantis " + "大西洲" * 100_000, 1)):
            flow = recalled(query, [memory.id], ANN, k=5, similarity_threshold=0.0)
            assert len(run(flow, client)) == expected


def test_errors_are_raised() -> None:
    """A memory that is not there, and a bad number, are errors and not an empty list."""
    with RAGFlow.local() as client:
        with pytest.raises(NotFoundError):
            run(remembered(["4c1e1a10e5cf11f1b81e813d689ac929"], ANN, "s", [Turn("a", "b")]), client)
        with pytest.raises(InvalidRequestError, match="top_n"):
            run(recalled("q", ["m"], ANN, k=0, similarity_threshold=0.2), client)
