"""Memories: what is kept of conversations, found again, forgotten, and who sees it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations.local.embed import HashedEmbedder
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.memory.memories import TYPES
from ragflow_integrations.local.memory.messages import Search
from ragflow_integrations.local.memory.prompts import Extract, read_answer, system_prompt
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.problems import Missing, Refused
from ragflow_integrations.local.store import scalar
from ragflow_integrations.local.tenant import Tenant

ALL = {"page": 1, "page_size": 1000}
MODELS = {"embd_id": "hashed-512@Builtin", "llm_id": "extractive@Builtin"}


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine in memory."""
    with Engine(":memory:") as engine:
        yield engine


def memory(tenant: Tenant, *kinds: str, **fields: Any) -> str:
    """A new memory's id."""
    made = tenant.create_memory({"name": "m", "memory_type": list(kinds or ["raw"]), **MODELS})
    if fields:
        tenant.update_memory(made["id"], fields)
    return str(made["id"])


def say(tenant: Tenant, ids: list[str], said: str, **whose: str) -> list[str]:
    """Keep a turn of a conversation."""
    whose = {"agent_id": "a", "session_id": "s", **whose}
    return tenant.add_message(ids, user_input=said, agent_response="ok", **whose)


def found(tenant: Tenant, query: Search, **narrowing: str) -> list[str]:
    """What the user had said in the messages that are found."""
    return [_said(each["content"]) for each in tenant.search_messages(query, **narrowing)]


def _said(content: str) -> str:
    return content.removeprefix("User Input: ").removesuffix("\nAgent Response: ok")


def test_search_finds_by_words_and_vectors_best_first(engine: Engine) -> None:
    """More of the question's words come first; what shares none is not found, nor what is under the threshold."""
    mine, other = memory(engine), memory(engine)
    for said in ("green cheese", "green moon cheese", "stripes of zebras"):
        say(engine, [mine], said)
    say(engine, [other], "moon over Africa")
    assert found(engine, Search("moon cheese", [mine])) == ["green moon cheese", "green cheese"]
    assert found(engine, Search("moon cheese", [mine], top_n=1)) == ["green moon cheese"]
    assert found(engine, Search("moon", [mine, other], similarity_threshold=0.99)) == []
    assert sorted(found(engine, Search("moon", [mine, other]))) == ["green moon cheese", "moon over Africa"]
    assert found(engine, Search("submarine", [mine, other])) == []
    assert found(engine, Search("  ", [mine])) == []


def test_keyword_weight_weighs_the_words(engine: Engine) -> None:
    """With words alone the message that holds more of the question comes first, with vectors alone the nearer one."""
    mine = memory(engine)
    long, near = "Poseidonia has a harbour " + "and many other things to see " * 9, "Poseidonian harbours"
    say(engine, [mine], long)
    say(engine, [mine], near)
    query = Search("poseidonia harbour", [mine])
    assert found(engine, replace(query, keywords_similarity_weight=1.0)) == [long, near]
    assert found(engine, replace(query, keywords_similarity_weight=0.0)) == [near, long]


def test_messages_are_narrowed_switched_off_and_forgotten(engine: Engine) -> None:
    """By agent, session and user; a switched-off message is not found, a forgotten one not recent either."""
    mine = memory(engine)
    say(engine, [mine], "moon one", session_id="s1", user_id="u1")
    say(engine, [mine], "moon two", session_id="s10", user_id="u2")
    query = Search("moon", [mine])
    assert found(engine, query, session_id="s1") == ["moon one"]
    assert found(engine, query, user_id="u2") == ["moon two"]
    assert found(engine, query, agent_id="b") == []
    two, one = engine.recent_messages([mine], limit=10)
    assert [_said(each["content"]) for each in (one, two)] == ["moon one", "moon two"]
    engine.set_message_status(mine, one["message_id"], False)
    engine.forget_message(mine, two["message_id"])
    assert found(engine, query) == []
    assert [each["message_id"] for each in engine.recent_messages([mine], limit=10)] == [one["message_id"]]
    engine.set_message_status(mine, one["message_id"], True)
    assert found(engine, query) == ["moon one"]
    listed, total = engine.list_messages(mine, **ALL)
    assert (total, listed[0]["forget_at"] is None, listed[1]["forget_at"] is None) == (2, False, True)


def test_a_full_memory_forgets_what_came_first(engine: Engine) -> None:
    """Forgotten messages go first, then the oldest; its size is that of what is in it, at most ``memory_size``."""
    each = len("User Input: moon 0\nAgent Response: ok") + 8 * HashedEmbedder.dimensions
    mine = memory(engine, memory_size=3 * each)
    for number in range(3):
        say(engine, [mine], f"moon {number}")
    assert len(engine.recent_messages([mine], limit=10)) == 3
    engine.forget_message(mine, engine.recent_messages([mine], limit=1)[0]["message_id"])
    say(engine, [mine], "moon 3")
    assert sorted(found(engine, Search("moon", [mine]))) == ["moon 0", "moon 1", "moon 3"]
    say(engine, [mine], "moon 4")
    assert sorted(found(engine, Search("moon", [mine]))) == ["moon 1", "moon 3", "moon 4"]
    with engine._shared.store.read() as db:
        assert (
            scalar(db, "SELECT size FROM memory") == scalar(db, "SELECT sum(size) FROM message") == 3 * each
        )


def test_no_other_tenant_reaches_a_memory(engine: Engine) -> None:
    """Every call of another tenant answers as if the memory were not there, and changes nothing."""
    mine = memory(engine)
    say(engine, [mine], "moon")
    (message,) = engine.recent_messages([mine], limit=1)
    number = message["message_id"]
    other = engine.add_tenant("ragflow-other")
    calls: list[Callable[[], Any]] = [
        lambda: other.get_memory(mine),
        lambda: other.update_memory(mine, {"name": "x"}),
        lambda: other.delete_memory(mine),
        lambda: other.list_messages(mine, **ALL),
        lambda: other.get_message(mine, str(number)),
        lambda: other.forget_message(mine, number),
        lambda: other.set_message_status(mine, number, False),
    ]
    for call in calls:
        with pytest.raises(Missing):
            call()
    assert say(other, [mine], "zebra") == []
    assert other.search_messages(Search("moon", [mine])) == other.recent_messages([mine], limit=1) == []
    assert other.list_memories(**ALL) == ([], 0)
    assert engine.list_messages(mine, **ALL)[1] == 1


def test_a_filled_memory_keeps_its_types_and_its_embedder(engine: Engine) -> None:
    """Types and embedding model can change while nothing is in it; a default prompt changes with the types."""
    mine = memory(engine)
    _, changed = engine.update_memory(mine, {"memory_type": ["episodic", "raw"]})
    assert changed["memory_type"] == ["raw", "episodic"]
    assert changed["system_prompt"] == system_prompt(["raw", "episodic"])
    engine.update_memory(mine, {"system_prompt": "mine"})
    assert engine.update_memory(mine, {"memory_type": ["raw"]})[1]["system_prompt"] == "mine"
    say(engine, [mine], "moon")
    with pytest.raises(Refused, match=r"Can't update \['embd_id', 'memory_type'\] when memory isn't empty."):
        engine.update_memory(mine, {"memory_type": ["raw", "semantic"], "embd_id": "other"})
    assert engine.get_memory(mine)["memory_type"] == ["raw"]


def test_deleted_memories_take_all_along(engine: Engine) -> None:
    """Messages, tasks and index entries go with their memory."""
    mine = memory(engine, *TYPES)
    say(engine, [mine], "moon")
    assert engine.wait_for_memories(10)
    engine.delete_memory(mine)
    with engine._shared.store.read() as db:
        for table in ("memory", "message", "memory_task", "message_term"):
            assert scalar(db, f"SELECT count(*) FROM {table}") == 0, table


def test_without_a_language_model_the_task_says_so(engine: Engine) -> None:
    """What was said is kept; that nothing was extracted from it, and why, is in the list."""
    mine = memory(engine, "raw", "semantic")
    say(engine, [mine], "moon")
    assert engine.wait_for_memories(10)
    ((message,), _) = engine.list_messages(mine, **ALL)
    assert message["task"]["progress"] == -1
    assert "needs a language model" in message["task"]["progress_msg"]
    assert message["extract"] == []
    assert found(engine, Search("moon", [mine])) == ["moon"]


def test_a_models_answer_is_read_strictly() -> None:
    """Fences and words around it are no matter; what was not asked for is dropped; anything else is an error."""
    item = '{"content": "x", "valid_at": "2026-01-02T03:04:05Z", "invalid_at": ""}'
    answer = f'Sure!\n```json\n{{"semantic": [{item}], "episodic": [{item}]}}\n```'
    assert read_answer(answer, ["raw", "semantic"]) == [Extract("semantic", "x", "2026-01-02 03:04:05", None)]
    assert read_answer('{"semantic": [{"content": "x", "valid_at": "long ago"}]}', ["semantic"]) == [
        Extract("semantic", "x", None, None)
    ]
    wrong = {
        "nothing": "without JSON",
        "{'semantic': []}": "cannot be read",
        '{"semantic": "x"}': "no list",
        '{"semantic": [{"text": "x"}]}': "no content",
    }
    for text, reason in wrong.items():
        with pytest.raises(Refused, match=reason):
            read_answer(text, ["semantic"])


class _OtherEmbedder(HashedEmbedder):
    name = "other-512"


def test_vectors_of_different_embedders_are_not_mixed(tmp_path: Path) -> None:
    """A filled memory refuses messages and questions if its model's name stands for another one, and names both."""
    models = {"memory_type": ["raw"], "embd_id": "BAAI/bge-small-en-v1.5@Builtin", "llm_id": "x@Builtin"}
    with Engine(tmp_path) as engine:
        mine = engine.create_memory({"name": "m", **models})["id"]
        say(engine, [mine], "moon")
    wrong = pytest.raises(Refused, match="filled with the embedder hashed-512; this engine runs other-512")
    with Engine(tmp_path, Choice(embedding=_OtherEmbedder())) as engine:
        with wrong:
            say(engine, [mine], "zebra")
        with wrong:
            engine.search_messages(Search("moon", [mine]))


ITEM = {"content": "The moon is made of cheese.", "valid_at": "2026-01-02T03:04:05", "invalid_at": ""}


def test_a_language_model_extracts_what_the_types_ask_for(tmp_path: Path) -> None:
    """Facts and events become messages of their own, in the background, under their source; the rest is dropped."""
    asked: list[str] = []

    def model(messages: list[dict[str, str]]) -> str:
        asked.extend(each["content"] for each in messages)
        return json.dumps(
            {"semantic": [ITEM], "episodic": [{"content": "Somebody asked."}], "procedural": [ITEM]}
        )

    with Engine(tmp_path, Choice(llm=model)) as engine:
        mine = memory(engine, "raw", "semantic", "episodic", user_prompt="Mind the cheese.")
        say(engine, [mine], "What is the moon made of?", user_id="u")
        assert engine.wait_for_memories(10)
        ((message,), total) = engine.list_messages(mine, **ALL)
        assert (total, message["task"]["progress"]) == (1, 1.0)
        assert message["task"]["progress_msg"].endswith("Extracted 2 messages from raw dialogue.")
        extracted = {each["message_type"]: each for each in message["extract"]}
        assert extracted.keys() == {"semantic", "episodic"}
        assert extracted["semantic"]["valid_at"] == "2026-01-02 03:04:05"
        assert extracted["episodic"]["valid_at"] == message["valid_at"]
        assert {(each["source_id"], each["user_id"]) for each in extracted.values()} == {
            (message["message_id"], "u")
        }
        found = engine.search_messages(Search("cheese", [mine]))
        assert [each["content"] for each in found] == [ITEM["content"]]
    assert asked[0] == system_prompt(["semantic", "episodic"])
    assert asked[1].startswith("Mind the cheese.\n\nUser Input: What is the moon made of?")


def test_a_model_that_fails_is_told_in_the_task() -> None:
    """Whatever a model raises or answers, the message is kept and its task says what went wrong."""

    def model(prompt: str) -> str:
        raise ConnectionError("the model is out of order")

    with Engine(":memory:", Choice(llm=model)) as engine:
        mine = memory(engine, "semantic")
        say(engine, [mine], "moon")
        assert engine.wait_for_memories(10)
        ((message,), _) = engine.list_messages(mine, **ALL)
        assert message["task"]["progress"] == -1
        assert "the model is out of order" in message["task"]["progress_msg"]


# Its language model never answers.
HANGING = """
import sys, time
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice

engine = Engine(sys.argv[1], Choice(llm=lambda prompt: time.sleep(600)))
fields = {"name": "m", "memory_type": ["semantic"], "embd_id": "x@Builtin", "llm_id": "x@Builtin"}
memory = engine.create_memory(fields)["id"]
engine.add_message([memory], user_input="moon", agent_response="ok", agent_id="a", session_id="s")
print(memory, flush=True)
time.sleep(600)
"""


def test_extraction_survives_a_kill(tmp_path: Path) -> None:
    """What a killed process was extracting is extracted by the next one, once."""
    command = [sys.executable, "-c", HANGING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        mine = process.stdout.readline().strip()
        process.kill()
    with Engine(tmp_path, Choice(llm=lambda prompt: json.dumps({"semantic": [ITEM]}))) as engine:
        assert engine.wait_for_memories(10)
        ((message,), _) = engine.list_messages(mine, **ALL)
        assert len(message["extract"]) == 1


# Prints a line after each message that was acknowledged.
WRITER = """
import itertools, sys
from ragflow_integrations.local.engine import Engine

engine = Engine(sys.argv[1])
ids = [each["id"] for each in engine.list_memories(page=1, page_size=10)[0]]
for number in itertools.count():
    engine.add_message(ids, user_input=f"said{number}", agent_response=sys.argv[2], agent_id="a", session_id="s")
    print(number, flush=True)
"""


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """``kill -9`` while messages are added to two memories: each that was acknowledged is in both, and found."""
    with Engine(tmp_path) as engine:
        ids = [memory(engine, "raw", "semantic", memory_size=10 * 2**20) for _ in range(2)]
    for round_ in ("first", "second"):
        command = [sys.executable, "-c", WRITER, str(tmp_path), round_]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(20)]
            time.sleep(0.02)
            writer.kill()
            lines += writer.stdout.readlines()
        acknowledged = {f"said{line.strip()}" for line in lines if line.endswith("\n")}
        with Engine(tmp_path) as engine:
            kept = [
                {each["content"].split()[2] for each in _all(engine, identifier) if round_ in each["content"]}
                for identifier in ids
            ]
            assert kept[0] == kept[1] >= acknowledged
            assert len(acknowledged) >= 20
            assert len(engine.search_messages(Search("said19", ids, similarity_threshold=0))) >= 2
            assert engine.wait_for_memories(30), "a task of a killed process was not picked up"
            with engine._shared.store.read() as db:
                assert scalar(db, "SELECT count(*) FROM message_term") == scalar(
                    db, "SELECT count(*) FROM message"
                )


def _all(engine: Engine, memory_id: str) -> list[dict[str, Any]]:
    return engine.recent_messages([memory_id], limit=100_000)
