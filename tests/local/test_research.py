"""Answers with ``reasoning``: a language model searches as often as it wants, and then answers from all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ragflow_integrations.local.conversation import Delta, Event, Final, Mark, Question
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.problems import Refused
from tests.local.callers import Script, behind_an_address, in_process, of_langchain
from tests.local.knowledge import filled

ASKED = "What of Atlantis, and of zebras?"


def searching(*queries: str) -> list[tuple[str, str]]:
    """Calls of the tool."""
    return [("search", json.dumps({"query": each})) for each in queries]


def answered(
    engine: Engine, level: int | None = None, similarity_threshold: float = 0, **config: Any
) -> list[Event]:
    """The events of an answer of a chat that is set so, which finds one chunk at a time."""
    settings = {"top_n": 1, "similarity_threshold": similarity_threshold}
    settings["dataset_ids"] = [filled(engine)["id"]]
    chat = engine.create_chat({"name": "c", **settings, "prompt_config": config})
    question = Question([{"role": "user", "content": ASKED}], reasoning=level)
    return list(engine.converse(chat, question))


def text(events: list[Event]) -> str:
    """What is said, with the marks of thoughts."""
    marks = {"start_to_think": "<", "end_to_think": ">"}
    return "".join(each.text if isinstance(each, Delta) else marks[each.flag] for each in events[:-1])  # type: ignore[union-attr]


@pytest.mark.parametrize("made", [behind_an_address, lambda script: in_process(of_langchain, script)])
def test_a_model_searches_until_it_knows_enough(made: Any) -> None:
    """Its searches are its thoughts; the answer is made from all that was found, and cites any of it."""
    rounds = [
        searching("capital of Atlantis"),
        searching("where zebras live", "capital of Atlantis"),
        ["DONE"],
    ]
    script = Script([*rounds, ["In Africa [ID:1], ", "Poseidonia [ID:0]."]])
    with made(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        events = answered(engine, 2)
    searched = ["capital of Atlantis", "where zebras live", "capital of Atlantis"]
    thoughts = "".join(f"Searching for: {each}\n" for each in searched)
    assert text(events) == f"<{thoughts}>In Africa [ID:1], Poseidonia [ID:0]."
    final = events[-1]
    assert isinstance(final, Final)
    assert final.reference is not None
    found = ["atlantis.txt", "zebra.txt"]
    assert [each["document_name"] for each in final.reference["chunks"]] == found
    assert [(each["doc_name"], each["count"]) for each in final.reference["doc_aggs"]] == [
        (each, 1) for each in found
    ]
    results = [said for role, said in script.asked[2] if role == "tool"]
    assert [each.split("\n")[0] for each in results] == [
        *(f"Title: {each}" for each in found),
        "nothing new was found",
    ]
    assert script.tools == [["search"], ["search"], ["search"], []]
    assert [name in script.asked[3][0][1] for name in found] == [True, True]


@pytest.mark.parametrize(
    ("config", "level", "rounds"),
    [
        ({}, 2, 4),
        ({"reasoning": True}, None, 4),
        ({"reasoning": "1"}, None, 2),
        ({"reasoning": 9}, None, 4),
        ({"reasoning": 3}, 0, 0),
        ({"reasoning": "0"}, None, 0),
        ({}, None, 0),
    ],
)
def test_how_much_is_searched_for(config: dict[str, Any], level: int | None, rounds: int) -> None:
    """As the question says, or else the chat; a model that never has enough is made to answer after these rounds."""
    script = Script([*[searching("moon")] * rounds, ["Well."]])
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        events = answered(engine, level, **config)
    assert text(events).endswith("Well.")
    assert script.tools == [["search"]] * rounds + [[]]
    assert [each for each in events if isinstance(each, Mark)] == (
        [Mark("start_to_think"), Mark("end_to_think")] if rounds else []
    )


def test_searches_are_bounded() -> None:
    """At most four are made at once, and none when the model can hold no more; what is wrong is told to it."""
    script = Script([[*searching(*map(str, range(5))), ("find", "{}")], ["DONE"], ["Well."]])
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        answered(engine, 1)
    told = [said for role, said in script.asked[1] if role == "tool"]
    assert told[4:] == ["not done: too many searches at once", "call search with a `query`"]
    script = Script([searching("Atlantis"), ["Well."]])
    with (
        behind_an_address(script) as model,
        Engine(":memory:", Choice(llm={**model, "context": 170})) as engine,
    ):
        answered(engine, 4)
    assert script.tools == [["search"], []]


def test_a_model_that_answers_in_place_of_searching() -> None:
    """It is not listened to until its end, which might not come."""
    said: list[str] = []

    def model(messages: list[dict[str, str]]) -> Iterator[str]:
        if any("say DONE" in each["content"] for each in messages):
            for _ in range(20_000):
                said.append("Well, ")
                yield said[-1]
        yield "Poseidonia [ID:0]."

    with Engine(":memory:", Choice(llm=model)) as engine:
        assert text(answered(engine, 4)) == "<>Poseidonia [ID:0]."
    assert 0 < len(said) < 10_000


@pytest.mark.parametrize("searches", [[], [searching("xylophones")]])
def test_a_model_that_does_not_find(searches: list[Any]) -> None:
    """The question itself is searched for then."""
    script = Script([*searches, ["DONE"], ["Poseidonia [ID:0]."]])
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        final = answered(engine, 2, similarity_threshold=0.2)[-1]
    assert isinstance(final, Final)
    assert final.reference is not None
    assert len(final.reference["chunks"]) == 1


def test_without_a_model_it_is_refused() -> None:
    """A search of that kind takes a language model, wherever it is asked for."""
    with Engine(":memory:") as engine:
        for level, config in ((1, {}), (None, {"reasoning": 2})):
            with pytest.raises(Refused, match="`reasoning` needs a language model"):
                answered(engine, level, **config)
            engine.delete_chats(None)
            engine.delete_datasets(None)
