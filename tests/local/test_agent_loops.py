"""Agents that go in rounds, and that work on texts, lists, objects and variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations.local.agent import AgentFailed
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.problems import Refused
from tests.local.agents import ASK, Json, agent, asked, canvas, kinds, node, text, with_model


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine without a language model."""
    with Engine(":memory:") as engine:
        yield engine


def inside(parent: str, kind: str, to: Sequence[str] = (), /, **params: Any) -> Json:
    """A component inside of another."""
    return {**node(kind, to, **params), "parent_id": parent}


def with_variables(dsl: Json, **values: Any) -> Json:
    """A DSL with these variables of the canvas."""
    dsl["globals"] |= {f"env.{name}": value for name, value in values.items()}
    dsl["variables"] = {name: {"value": value} for name, value in values.items()}
    return dsl


def each_of(items: str, *, to: Sequence[str], after: Sequence[str] = (), **outputs: Any) -> dict[str, Json]:
    """An Iteration over these items, which begins each round with ``to``."""
    return {
        "Iteration_0": node("Iteration", after, items_ref=items, outputs=outputs),
        "IterationItem_0": inside("Iteration:0", "IterationItem", to),
    }


def test_an_iteration_runs_for_each_item(engine: Engine) -> None:
    """Each round has its item; what comes of a round is collected; the node ends once, and then what follows runs."""
    split = node(
        "StringTransform", ["Iteration:0"], method="split", split_ref="sys.query", delimiters=[",", ";"]
    )
    merge = {"method": "merge", "script": "<{IterationItem:0@item}>", "delimiters": [" "]}
    dsl = canvas(
        ["StringTransform:0"],
        StringTransform_0=split,
        **each_of(
            "StringTransform:0@result",
            to=["Message:0"],
            after=["Message:1"],
            all={"ref": "StringTransform:1@result", "type": "Array<string>"},
        ),
        Message_0=inside(
            "Iteration:0", "Message", ["StringTransform:1"], content=["{IterationItem:0@index}. "]
        ),
        StringTransform_1=inside("Iteration:0", "StringTransform", **merge),
        Message_1=node("Message", content=["All: {Iteration:0@all}"]),
    )
    events = asked(engine, dsl, "a,b;c")
    assert text(events) == '0. 1. 2. All: ["<a>", "<b>", "<c>"]'
    happened = [each for each in kinds(events) if "Iteration" in each]
    rounds = ["node_started IterationItem:0", "node_finished IterationItem:0"]
    assert happened == ["node_started Iteration:0", *rounds * 4, "node_finished Iteration:0"]
    (ended,) = [each["data"] for each in events if each["data"].get("component_id") == "Iteration:0"][1:]
    assert ended["outputs"]["all"] == ["<a>", "<b>", "<c>"]
    assert text(asked(engine, dsl, "")) == '0. All: ["<>"]'


def test_an_iteration_of_what_is_no_list(engine: Engine) -> None:
    """It fails by name; an empty list is no failure, and nothing is collected."""
    end = {"Message_0": node("Message", content=["none: {Iteration:0@all}"])}
    collected = {"all": {"ref": "IterationItem:0@item"}}
    nothing = canvas(["Iteration:0"], **each_of("sys.files", to=[], after=["Message:0"], **collected), **end)
    assert text(asked(engine, nothing)) == "none: []"
    wrong = canvas(["Iteration:0"], **each_of("sys.query", to=[], after=["Message:0"], **collected), **end)
    with pytest.raises(AgentFailed, match="sys.query must be an array, but its type is str"):
        asked(engine, wrong)


def test_branches_inside_of_an_iteration(engine: Engine) -> None:
    """A round ends when all of its branches have; one not taken leaves nothing of the round before."""
    long = {"logical_operator": "and", "to": ["StringTransform:0"]}
    long["items"] = [{"cpn_id": "IterationItem:0@item", "operator": "contains", "value": "x"}]  # type: ignore[assignment]
    dsl = canvas(
        ["Iteration:0"],
        **each_of(
            "env.items", to=["Switch:0", "Message:2"], after=["Message:1"], got={"ref": "Message:0@content"}
        ),
        Switch_0=inside("Iteration:0", "Switch", conditions=[long], end_cpn_ids=["Message:0"]),
        StringTransform_0=inside("Iteration:0", "StringTransform", ["Message:0"], method="merge", script="!"),
        Message_0=inside(
            "Iteration:0", "Message", content=["{IterationItem:0@item}{StringTransform:0@result}"]
        ),
        Message_1=node("Message", content=[" {Iteration:0@got}"]),
        Message_2=inside("Iteration:0", "Message", content=["-"]),
    )
    assert text(asked(engine, with_variables(dsl, items=["x", "y", "ax"]))) == '-x!-y-ax! ["x!", "y", "ax!"]'


def test_iterations_of_iterations(engine: Engine) -> None:
    """The inner one begins anew in each round of the outer one."""
    dsl = canvas(
        ["Iteration:0"],
        **each_of("env.rows", to=["Iteration:1"], after=["Message:1"], got={"ref": "Iteration:1@cells"}),
        Iteration_1=inside(
            "Iteration:0",
            "Iteration",
            items_ref="IterationItem:0@item",
            outputs={"cells": {"ref": "IterationItem:1@result"}},
        ),
        IterationItem_1=inside("Iteration:1", "IterationItem", ["Message:0"]),
        Message_0=inside(
            "Iteration:1", "Message", content=["{IterationItem:0@index}{IterationItem:1@item} "]
        ),
        Message_1=node("Message", content=["{Iteration:0@got}"]),
    )
    said = text(asked(engine, with_variables(dsl, rows=[["a", "b"], [], ["c"]])))
    assert said == '0a 0b 2c [["a", "b"], [], ["c"]]'


def test_a_model_answers_for_each_item() -> None:
    """What a language model says in each round is streamed, and what it has failed at is a failure of the turn."""
    with with_model(lambda prompt: prompt.upper()) as engine:
        dsl = canvas(
            ["Iteration:0"],
            **each_of("env.items", to=["LLM:0"], after=["Message:1"], got={"ref": "LLM:0@content"}),
            LLM_0=inside("Iteration:0", "LLM", ["Message:0"], **ASK | {"prompts": "{IterationItem:0@item}"}),
            Message_0=inside("Iteration:0", "Message", content=["{LLM:0@content},"]),
            Message_1=node("Message", content=["{Iteration:0@got}"]),
        )
        dsl["components"]["LLM:0"]["obj"]["params"]["message_history_window_size"] = 0
        events = asked(engine, with_variables(dsl, items=["a", "b"]))
        assert text(events) == 'A,B,["A", "B"]'
        assert events[-1]["data"]["usage"]["calls"] == 2
        assert kinds(events).count("node_finished LLM:0") == 2


def loop(
    *conditions: Json, most: int = 9, body: Sequence[str] = ("VariableAssigner:0",), **more: Any
) -> Json:
    """A loop that counts ``n`` up from 0 and says it, until its conditions hold."""
    variable = {"variable": "n", "input_mode": "constant", "type": "number", "value": 0}
    params = {
        "maximum_loop_count": most,
        "loop_variables": [variable],
        "loop_termination_condition": list(conditions),
    }
    up = {"variable": "Loop:0@n", "operator": "+=", "parameter": 1}
    return canvas(
        ["Loop:0"],
        Loop_0=node("Loop", ["Message:1"], **params, **more.pop("loop", {})),
        LoopItem_0=inside("Loop:0", "LoopItem", body),
        VariableAssigner_0=inside("Loop:0", "VariableAssigner", ["Message:0"], variables=[up]),
        Message_0=inside("Loop:0", "Message", more.pop("to", ()), content=["{Loop:0@n} "]),
        Message_1=node("Message", content=["end {Loop:0@n}"]),
        **more,
    )


def test_a_loop_runs_until_its_conditions_hold(engine: Engine) -> None:
    """They are looked at before each round; without one only the number of rounds ends it."""
    three = {"variable": "Loop:0@n", "operator": "≥", "value": 3, "input_mode": "constant"}
    never = {"variable": "sys.query", "operator": "is", "value": "sun", "input_mode": "constant"}
    user = {"variable": "sys.query", "operator": "is", "value": "sys.user_id", "input_mode": "variable"}
    assert text(asked(engine, loop(three))) == "1 2 3 end 3"
    assert text(asked(engine, loop(three, never, most=4))) == "1 2 3 4 end 4"
    assert text(asked(engine, loop(three, never, loop={"logical_operator": "or"}))) == "1 2 3 end 3"
    assert text(asked(engine, loop(user), user_id="moon")) == "end 0"
    assert text(asked(engine, loop(most=2))) == "1 2 end 2"
    assert text(asked(engine, loop(most=0))) == "end 0"
    happened = kinds(asked(engine, loop(most=1)))
    assert happened.index("node_finished Loop:0") == happened.index("node_started Message:1") - 1


def test_a_loop_is_left(engine: Engine) -> None:
    """ExitLoop ends it at once, and the node has ended."""
    at_two = {"items": [{"cpn_id": "Loop:0@n", "operator": "=", "value": "2"}], "to": ["ExitLoop:0"]}
    dsl = loop(
        to=["Switch:0"],
        Switch_0=inside("Loop:0", "Switch", conditions=[at_two], end_cpn_ids=["LoopItem:0"]),
        ExitLoop_0=inside("Loop:0", "ExitLoop"),
    )
    events = asked(engine, dsl)
    assert text(events) == "1 2 end 2"
    assert kinds(events).count("node_finished Loop:0") == 1


def test_a_form_in_a_loop(tmp_path: Path) -> None:
    """A loop waits for the user in each round, and goes on after a restart where it was."""
    dsl = loop(most=2, body=["UserFillUp:0"], to=["Message:2"])
    dsl["components"]["UserFillUp:0"] = inside(
        "Loop:0", "UserFillUp", ["VariableAssigner:0"], inputs={"name": {"type": "line"}}
    )
    dsl["components"]["Message:2"] = inside("Loop:0", "Message", content=["{UserFillUp:0@name} "])
    with Engine(tmp_path) as engine:
        agent_id = agent(engine, dsl)
        events = asked(engine, agent_id, "moon")
    said = []
    for name in ("Ann", "Bob"):
        assert events[-1]["event"] == "user_inputs"
        with Engine(tmp_path) as engine:
            session = engine.get_agent_session(events[-1]["session_id"])
            events = asked(engine, agent_id, "", session=session, inputs={"name": {"value": name}})
            said.append(text(events))
    assert said == ["1 Ann ", "2 Bob end 2"]
    assert events[-1]["event"] == "workflow_finished"


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"loop_termination_condition": [{"variable": "sys.query"}]}, "Loop condition is incomplete"),
        (
            {"loop_variables": [{"variable": "x", "input_mode": "constant", "type": "number"}]},
            "Loop Variable is not",
        ),
        (
            {"loop_termination_condition": [{"variable": "sys.query", "operator": ">", "value": 1}]},
            "operator: >",
        ),
        ({"loop_variables": "x"}, "loop_variables should be a list of objects"),
        ({"maximum_loop_count": "many"}, "maximum_loop_count many not supported"),
    ],
)
def test_loops_that_are_wrong(engine: Engine, params: Json, match: str) -> None:
    """What a loop cannot be run with is said by name."""
    dsl = loop()
    dsl["components"]["Loop:0"]["obj"]["params"] |= params
    with pytest.raises((AgentFailed, Refused), match=match):
        asked(engine, dsl)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("env.x", "extend", "env.x")], "the variable env.x has more than 4000000 characters"),
        (
            [("env.y", "overwrite", "env.x"), ("env.x", "clear", None), ("env.x", "append", "env.y")],
            "the variable env.x has more than 200 levels",
        ),
        ([("begin@a" + ".b" * 300, "set", "x")], "the output a of begin has more than 200 levels"),
        ([("begin@a" + ".b" * 5000, "set", "x")], "VariableAssigner:0 cannot be run: RecursionError"),
    ],
)
def test_nothing_grows_for_ever(
    engine: Engine, changes: Sequence[tuple[str, str, str | None]], said: str
) -> None:
    """A loop that makes a variable longer or deeper in each round fails before the memory is full."""
    dsl = with_variables(loop(most=300), x=["a" * 100_000] * 8, y=[])
    keys = ("variable", "operator", "parameter")
    variables = [dict(zip(keys, each, strict=True)) for each in changes]
    dsl["components"]["VariableAssigner:0"]["obj"]["params"]["variables"] = variables
    with pytest.raises(AgentFailed, match=said):
        asked(engine, dsl)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"script": "{sys.query}"}, "values have more than 20000000 characters together"),
        (
            {"script": "{StringTransform:0@result}", "delimiters": ["," * 10**6]},
            "the text of StringTransform:9 has more than 4000000",
        ),
    ],
)
def test_nothing_grows_at_once(engine: Engine, last: Json, said: str) -> None:
    """Values that are all long, and a list that is put together with a long text between its items."""
    copies = {
        f"StringTransform_{number}": node("StringTransform", [f"StringTransform:{number + 1}"], **params)
        for number in range(1, 9)
        if (params := {"method": "merge", "script": "{sys.query}" if "{sys" in last["script"] else "x"})
    }
    split = node("StringTransform", ["StringTransform:1"], method="split", split_ref="sys.query")
    end = node("StringTransform", method="merge", **last)
    dsl = canvas(["StringTransform:0"], StringTransform_0=split, **copies, StringTransform_9=end)
    with pytest.raises(AgentFailed, match=said):
        asked(engine, dsl, "xx," * 10**6)


ROWS = [{"a": 2, "b": "x"}, {"a": 1, "b": "yx"}, {"a": 2, "b": "x"}]


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("ListOperations", {"operations": "nth", "n": 2}, [ROWS[1]]),
        ("ListOperations", {"operations": "nth", "n": -1}, [ROWS[2]]),
        ("ListOperations", {"operations": "nth", "n": 9}, []),
        ("ListOperations", {"operations": "topN", "n": 2}, ROWS[:2]),
        ("ListOperations", {"operations": "head", "n": 9}, ROWS),
        ("ListOperations", {"operations": "tail", "n": "1"}, ROWS[2:]),
        ("ListOperations", {"operations": "sort", "sort_by": "a, b"}, [ROWS[1], ROWS[0], ROWS[2]]),
        ("ListOperations", {"operations": "sort", "sort_method": "desc"}, [ROWS[0], ROWS[2], ROWS[1]]),
        ("ListOperations", {"operations": "drop_duplicates"}, ROWS[:2]),
        (
            "ListOperations",
            {"operations": "filter", "filter": {"operator": "contains", "value": "yx"}},
            [ROWS[1]],
        ),
        (
            "DataOperations",
            {"operations": "select_keys", "select_keys": ["a"]},
            [{"a": 2}, {"a": 1}, {"a": 2}],
        ),
        (
            "DataOperations",
            {"operations": "remove_keys", "remove_keys": ["a"]},
            [{"b": each["b"]} for each in ROWS],
        ),
        ("DataOperations", {"operations": "combine"}, {"a": [2, 1, 2], "b": ["x", "yx", "x"]}),
        (
            "DataOperations",
            {
                "operations": "filter_values",
                "filter_values": [
                    {"key": "a", "operator": "=", "value": "2"},
                    {"key": "b", "operator": "≠", "value": "{sys.query}"},
                ],
            },
            [ROWS[0], ROWS[2]],
        ),
        (
            "DataOperations",
            {"operations": "append_or_update", "updates": [{"key": "b", "value": "{sys.query}!"}]},
            [{**each, "b": "moon!"} for each in ROWS],
        ),
        (
            "DataOperations",
            {"operations": "rename_keys", "rename_keys": [{"old_key": "a", "new_key": "c"}]},
            [{"b": each["b"], "c": each["a"]} for each in ROWS],
        ),
    ],
)
def test_lists_and_objects(engine: Engine, kind: str, params: Json, expected: Any) -> None:
    """Each operation makes of the rows what its name says."""
    query = "env.rows" if kind == "ListOperations" else ["env.rows"]
    dsl = canvas(["Work:0"], Work_0=node(kind, query=query, **params))
    outputs = asked(engine, with_variables(dsl, rows=ROWS))[-1]["data"]["outputs"]
    assert outputs["result"] == expected
    if kind == "ListOperations":
        ends = (expected[0], expected[-1]) if expected else (None, None)
        assert (outputs["first"], outputs["last"]) == ends


def test_literals(engine: Engine) -> None:
    """Texts that write a value down become that value, all others stay as they are."""
    texts = {
        "a": "[1, 'b']",
        "b": "True",
        "c": "12",
        "d": "{1, 2}",
        "e": "[1,",
        "f": "1e9",
        "g": 1,
        "h": ["'x'"],
    }
    dsl = canvas(["Work:0"], Work_0=node("DataOperations", query=["env.rows"], operations="literal_eval"))
    (found,) = asked(engine, with_variables(dsl, rows=[texts]))[-1]["data"]["outputs"]["result"]
    assert found == {**texts, "a": [1, "b"], "b": True, "c": 12, "h": ["x"]}
    with pytest.raises(AgentFailed, match="a literal has more than 100000 characters"):
        asked(engine, with_variables(dsl, rows=[{"a": f"[{'1,' * 50_000}]"}]))


@pytest.mark.parametrize(
    ("value", "operator", "parameter", "expected"),
    [
        ("a", "overwrite", "sys.query", "moon"),
        ("a", "set", "<{sys.query}>", "<moon>"),
        (1, "set", 2, 2),
        ([1], "clear", None, []),
        (True, "clear", None, False),
        (["a"], "append", "sys.query", ["a", "moon"]),
        ([], "extend", "env.more", ["b", "c"]),
        (["a", "b"], "remove_first", None, ["b"]),
        (["a", "b"], "remove_last", None, ["a"]),
        (3, "+=", 2, 5),
        (3, "-=", 2, 1),
        (3, "*=", 2, 6),
        (3, "/=", 2, 1.5),
        (3, "/=", 0, "division by zero"),
        (1e308, "*=", 10, "the number is too large"),
        (10**300, "*=", 10**300, "int too large"),
        ("a", "+=", 2, "it should be a number, and is str"),
        (["a"], "append", "env.more", "an item of str is wanted, and list given"),
        ("a", "extend", "env.more", "it should be a list, and is str"),
        ("a", "swap", "x", "Not supported operator: swap"),
        ("a", "set", None, "Variable is not complete"),
    ],
)
def test_variables_are_assigned(
    engine: Engine, value: Any, operator: str, parameter: Any, expected: Any
) -> None:
    """Each operator; what a variable cannot be is a failure that says why, and not a value."""
    change = {"variable": "{env.x}", "operator": operator, "parameter": parameter}
    dsl = canvas(
        ["VariableAssigner:0"],
        VariableAssigner_0=node("VariableAssigner", ["StringTransform:0"], variables=[change]),
        StringTransform_0=node("StringTransform", method="merge", script="{env.x}", delimiters=["|"]),
    )
    dsl = with_variables(dsl, x=value, more=["b", "c"])
    if operator in ("swap",) or (isinstance(expected, str) and " " in expected):
        with pytest.raises(AgentFailed, match=expected):
            asked(engine, dsl)
        return
    agent_id = agent(engine, dsl)
    events = asked(engine, agent_id)
    session = engine.get_agent_session(events[0]["session_id"])
    assert session is not None
    assert session["dsl"]["globals"]["env.x"] == expected


def test_a_part_of_an_object_is_assigned(engine: Engine) -> None:
    """A path into an output is made where it is not there."""
    changes = [
        {"variable": "begin@who.name.first", "operator": "set", "parameter": "Ann"},
        {"variable": "begin@who.age", "operator": "+=", "parameter": 1},
    ]
    dsl = canvas(
        ["VariableAssigner:0"],
        {"who": {"type": "object"}},
        VariableAssigner_0=node("VariableAssigner", ["Message:0"], variables=changes),
        Message_0=node("Message", content=["{begin@who}"]),
    )
    inputs = {"who": {"type": "object", "value": {"age": 1}}}
    assert text(asked(engine, dsl, inputs=inputs)) == '{"age": 2, "name": {"first": "Ann"}}'
