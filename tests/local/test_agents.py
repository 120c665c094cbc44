"""Agents: canvases that run here, what they say and remember, and who may use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations.local.agent import AgentFailed, Event, NotRunnable, Question
from ragflow_integrations.local.chats import EMPTY_RESPONSE
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.problems import Missing, Refused
from tests.local.agents import ASK, SAY, Json, agent, asked, canvas, kinds, node, text, with_model
from tests.local.knowledge import filled


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine without a language model."""
    with Engine(":memory:") as engine:
        yield engine


def test_a_message_says_what_it_refers_to(engine: Engine) -> None:
    """Variables of all kinds are filled in, blanks around them stay, and a list or object is written as JSON."""
    dsl = canvas(["Message:0"], {"who": {"type": "line"}}, Message_0=node("Message", content=[""]))
    dsl["globals"]["env.list"] = []
    dsl["variables"] = {"list": {"type": "array<string>", "value": ["x", "y"]}}
    said = "Hello {begin@who}! {sys.query} / {{env.list}} {not one} {sys.conversation_turns}"
    dsl["components"]["Message:0"]["obj"]["params"]["content"] = [said]
    events = asked(engine, dsl, "yo", inputs={"who": {"value": "Bob", "type": "line"}})
    assert text(events) == 'Hello Bob! yo / ["x", "y"] {not one} 1'
    assert kinds(events) == [
        *("workflow_started", "node_started begin", "node_finished begin", "node_started Message:0"),
        *("message", "message_end", "node_finished Message:0", "workflow_finished"),
    ]
    assert events[-1]["data"]["outputs"]["content"] == text(events)


def test_a_field_is_filled_from_the_question(engine: Engine) -> None:
    """An agent with one input takes the question for it; a plain value needs no object around it."""
    dsl = canvas(["Message:0"], {"who": {"type": "line"}}, Message_0=node("Message", content=["{begin@who}"]))
    assert text(asked(engine, dsl, "Ann")) == "Ann"
    assert (
        text(asked(engine, canvas(["Message:0"], Message_0=node("Message", content=["{sys.query}"]))))
        == "moon"
    )
    assert text(asked(engine, dsl, "Ann", inputs={"who": "Bob"})) == "Bob"


def test_without_a_model_what_was_found_is_quoted(engine: Engine) -> None:
    """An LLM after a Retrieval cites sentences of the chunks; what is cited is in the reference, and kept."""
    dataset = filled(engine)["id"]
    dsl = canvas(
        ["Retrieval:0"],
        Retrieval_0=node("Retrieval", ["LLM:0"], query="sys.query", dataset_ids=[dataset]),
        LLM_0=node("LLM", ["Message:0"], **ASK),
        Message_0=SAY,
    )
    agent_id = agent(engine, dsl)
    events = asked(engine, agent_id, "What is the capital of Atlantis?")
    assert text(events) == "The capital of Atlantis is Poseidonia. [ID:0]"
    (end,) = [each["data"] for each in events if each["event"] == "message_end"]
    assert "Poseidonia" in end["reference"]["chunks"]["0"]["content"]
    assert kinds(events)[-6:] == [
        *("node_started Message:0", "message", "message_end"),
        *("node_finished LLM:0", "node_finished Message:0", "workflow_finished"),
    ]
    session = engine.get_agent_session(events[0]["session_id"])
    assert session is not None
    assert session["message"][1]["content"] == text(events)
    assert session["reference"][0]["chunks"]["0"]["document_name"] == "atlantis.txt"
    assert text(asked(engine, agent_id, "submarines of Neptunia")) == EMPTY_RESPONSE


def test_a_retrieval_keeps_to_its_metadata_filter(engine: Engine) -> None:
    """The documents whose metadata fit the conditions, in whose values variables stand; others are not searched."""
    dataset = filled(engine)["id"]
    page: Any = {"page": 1, "page_size": 10, "orderby": "create_time", "desc": True}
    for document in engine.list_documents(dataset, **page)[0]:
        engine.update_document(document["id"], {"meta_fields": {"about": document["name"].partition(".")[0]}})
    conditions = {"method": "manual", "manual": [{"key": "about", "op": "=", "value": "{sys.user_id}"}]}
    settings = {"dataset_ids": [dataset], "meta_data_filter": conditions, "similarity_threshold": 0}
    dsl = canvas(
        ["Retrieval:0"],
        Retrieval_0=node("Retrieval", ["Message:0"], query="sys.query", **settings),
        Message_0=node("Message", content=["{Retrieval:0@json.0.document_name}"]),
    )
    agent_id = agent(engine, dsl)
    assert text(asked(engine, agent_id, "Atlantis moon zebras", user_id="zebra")) == "zebra.txt"
    assert text(asked(engine, agent_id, "Atlantis moon zebras", user_id="moon")) == "moon.md"


def test_without_a_model_and_a_retrieval_it_says_so(engine: Engine) -> None:
    """Nothing to quote from is a failure that names the component, and no half of a turn is kept."""
    agent_id = agent(engine, canvas(["LLM:0"], LLM_0=node("LLM", ["Message:0"], **ASK), Message_0=SAY))
    session = engine.create_agent_session(agent_id, user_id="u", name="", exp_user_id="u")
    run = engine.ask_agent(agent_id, Question("moon"), session=session)
    with pytest.raises(AgentFailed, match="LLM:0 needs a language model"):
        list(run.events)
    kept = engine.get_agent_session(session["id"])
    assert kept is not None
    assert [each["role"] for each in kept["message"]] == ["assistant"]


def test_a_model_answers_with_what_was_found_and_said_before() -> None:
    """It is given its instruction, the turns before, and the excerpts; its deltas are the message's pieces."""
    given: list[list[Json]] = []

    def model(messages: list[Json]) -> Iterator[str]:
        given.append(messages)
        yield from ("It is ", "Poseidonia.")

    with with_model(model) as engine:
        dataset = filled(engine)["id"]
        prompt = "{sys.query} Excerpts: {Retrieval:0@formalized_content}"
        dsl = canvas(
            ["Retrieval:0"],
            Retrieval_0=node("Retrieval", ["LLM:0"], query="{sys.query}", dataset_ids=[dataset]),
            LLM_0=node("LLM", ["Message:0"], **ASK | {"sys_prompt": "Be brief.", "prompts": prompt}),
            Message_0=node("Message", content=["Well: {LLM:0@content}"]),
        )
        agent_id = agent(engine, dsl)
        events = asked(engine, agent_id, "Where is Atlantis?")
        pieces = [each["data"]["content"] for each in events if each["event"] == "message"]
        assert pieces == ["Well: ", "It is ", "Poseidonia."]
        assert events[-1]["data"]["usage"]["calls"] == 1
        session = engine.get_agent_session(events[0]["session_id"])
        asked(engine, agent_id, "And then?", session=session)
    system, user = given[0]
    assert system["content"].startswith("Be brief.")
    assert "ID: 0\nTitle: atlantis.txt" in user["content"]
    assert [each["role"] for each in given[1]] == ["system", "user", "assistant", "user"]
    assert given[1][2]["content"] == "Well: It is Poseidonia."


def test_an_agent_searches_before_it_answers() -> None:
    """Its model asks for a search in plain JSON, gets what was found, and then answers piece by piece."""
    given: list[list[Json]] = []

    def model(messages: list[Json]) -> Iterator[str]:
        given.append(messages)
        yield from ['{"sea', 'rch": "capital Atlantis"}'] if len(given) == 1 else ["Posei", "donia [ID:0]"]

    with with_model(model) as engine:
        tool = {
            "component_name": "Retrieval",
            "name": "Search",
            "params": {"dataset_ids": [filled(engine)["id"]]},
        }
        dsl = canvas(
            ["Agent:0"],
            Agent_0=node("Agent", ["Message:0"], **ASK, tools=[tool], max_rounds=2),
            Message_0=node("Message", content=["{Agent:0@content}"]),
        )
        events = asked(engine, dsl, "Which is the capital?")
        assert [each["data"]["content"] for each in events if each["event"] == "message"] == [
            "Posei",
            "donia [ID:0]",
        ]
        (end,) = [each["data"] for each in events if each["event"] == "message_end"]
        assert "Poseidonia" in end["reference"]["chunks"]["0"]["content"]
        assert "Poseidonia" in given[1][-1]["content"]


def test_an_agent_without_a_model_searches_for_the_question(engine: Engine) -> None:
    """Its tool looks for the question itself, and the answer quotes."""
    tool = {"component_name": "Retrieval", "params": {"dataset_ids": [filled(engine)["id"]]}}
    dsl = canvas(
        ["Agent:0"],
        Agent_0=node("Agent", ["Message:0"], **ASK, tools=[tool]),
        Message_0=node("Message", content=["{Agent:0@content}"]),
    )
    assert text(asked(engine, dsl, "Where do zebras live?")) == "Zebras live in Africa. [ID:0]"


def test_a_form_is_waited_for_even_over_a_restart(tmp_path: Path) -> None:
    """The turn ends with the form; the next one, in another process's engine, goes on from there."""
    fields = {"name": {"type": "line", "name": "Name"}, "file": {"type": "file", "optional": True}}
    dsl = canvas(
        ["Message:0"],
        Message_0=node("Message", ["UserFillUp:0"], content=["First."]),
        UserFillUp_0=node("UserFillUp", ["Message:1"], tips="About {sys.query}?", inputs=fields),
        Message_1=node("Message", content=["Then {UserFillUp:0@name} about {sys.query}."]),
    )
    with Engine(tmp_path) as engine:
        agent_id = agent(engine, dsl)
        events = asked(engine, agent_id, "moon")
        assert text(events) == "First."
        assert events[-1]["event"] == "user_inputs"
        assert events[-1]["data"]["tips"] == "About moon?"
        assert list(events[-1]["data"]["inputs"]) == ["name"]
    with Engine(tmp_path) as engine:
        session = engine.get_agent_session(events[0]["session_id"])
        events = asked(engine, agent_id, "", session=session, inputs={"name": {"value": "Ann"}})
        assert text(events) == "Then Ann about moon."
        assert kinds(events)[0] == "node_started UserFillUp:0"
        assert events[-1]["event"] == "workflow_finished"
        session = engine.get_agent_session(session["id"] if session else "")
        assert session is not None
        assert asked(engine, agent_id, "sun", session=session)[-1]["data"]["tips"] == "About sun?"


@pytest.mark.parametrize(
    ("operator", "value", "query", "holds"),
    [
        ("contains", "OO", "moon", True),
        ("not contains", "oo", "moon", False),
        ("start with", "Mo", "moon", True),
        ("end with", "x", "moon", False),
        ("empty", "", "", True),
        ("not empty", "", "", False),
        ("=", "moon", "moon", True),
        ("≠", "moon", "moon", False),
        (">", "9", "10", True),
        ("≤", "9", "10", False),
    ],
)
def test_a_switch_goes_where_its_condition_holds(
    engine: Engine, operator: str, value: str, query: str, holds: bool
) -> None:
    """Each operator; texts without regard to case, numbers as numbers."""
    condition = {
        "logical_operator": "and",
        "items": [{"cpn_id": "sys.query", "operator": operator, "value": value}],
        "to": ["Message:0"],
    }
    dsl = canvas(
        ["Switch:0"],
        Switch_0=node("Switch", conditions=[condition], end_cpn_ids=["Message:1"]),
        Message_0=node("Message", content=["yes"]),
        Message_1=node("Message", content=["no"]),
    )
    assert text(asked(engine, dsl, query)) == ("yes" if holds else "no")


def test_branches_that_meet_again(engine: Engine) -> None:
    """What needs both of two branches waits for both and is said once; a branch not taken leaves its place empty."""
    both = canvas(
        ["Message:0", "Retrieval:0"],
        Message_0=node("Message", ["Message:1"], content=["a"]),
        Retrieval_0=node("Retrieval", ["Retrieval:1"]),
        Retrieval_1=node("Retrieval", ["Message:1"], empty_response="b"),
        Message_1=node("Message", content=["{Retrieval:1@formalized_content}{Message:0@content}"]),
    )
    assert text(asked(engine, both)) == "aba"
    condition = {"items": [{"cpn_id": "sys.query", "operator": "empty"}], "to": ["Retrieval:0"]}
    either = canvas(
        ["Switch:0"],
        Switch_0=node("Switch", conditions=[condition], end_cpn_ids=["Message:0"]),
        Retrieval_0=node("Retrieval", ["Message:0"], empty_response="b"),
        Message_0=node("Message", content=["[{Retrieval:0@formalized_content}]"]),
    )
    assert text(asked(engine, either, "moon")) == "[]"
    assert text(asked(engine, either, "")) == "[b]"


@pytest.mark.parametrize(("query", "said"), [("moon", "no. []"), ("", "yes. []")])
def test_branches_are_brought_together(engine: Engine, query: str, said: str) -> None:
    """The first variable of a group that is not empty is its output; a group of empty ones leaves nothing."""
    condition = {"items": [{"cpn_id": "sys.query", "operator": "empty"}], "to": ["Message:0"]}
    answers = [{"value": "Message:0@content"}, {"value": "Message:1@content"}, {"value": "sys.date"}]
    groups = [
        {"group_name": "answer", "variables": answers},
        {"group_name": "none", "variables": [{"value": "sys.files"}]},
    ]
    dsl = canvas(
        ["Switch:0"],
        Switch_0=node("Switch", conditions=[condition], end_cpn_ids=["Message:1"]),
        Message_0=node("Message", ["VariableAggregator:0"], content=["yes."]),
        Message_1=node("Message", ["VariableAggregator:0"], content=["no."]),
        VariableAggregator_0=node("VariableAggregator", ["Message:2"], groups=groups),
        Message_2=node(
            "Message",
            content=["{VariableAggregator:0@answer} [{VariableAggregator:0@none}]"],
        ),
    )
    events = asked(engine, dsl, query)
    assert text(events).endswith(said)
    [taken] = [each["data"] for each in events if each["data"].get("component_type") == "VariableAggregator"][
        1:
    ]
    assert taken["outputs"]["answer"] == said.split()[0]


def test_a_model_categorizes() -> None:
    """The category that the model names says where to go, or else the last one; no query is the question."""
    answers, prompts = iter(["It is Animals.", "hm"]), []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return next(answers)

    with with_model(model) as engine:
        categories = {"Animals": {"to": ["Message:0"], "examples": ["zebra"]}, "Other": {"to": ["Message:1"]}}
        dsl = canvas(
            ["Categorize:0"],
            Categorize_0=node("Categorize", llm_id="x@Builtin", category_description=categories, query=""),
            Message_0=node("Message", content=["about {Categorize:0@category_name}"]),
            Message_1=node("Message", content=["no idea"]),
        )
        agent_id = agent(engine, dsl)
        assert text(asked(engine, agent_id)) == "about Animals"
        assert text(asked(engine, agent_id)) == "no idea"
    assert all(each.endswith("User: moon") for each in prompts)


def test_a_model_gives_structured_output() -> None:
    """A declared schema makes the answer an object, whose parts can be referred to."""
    with with_model(lambda prompt: 'Here: {"city": {"name": "Poseidonia"}}') as engine:
        schema = {"structured": {"type": "object", "properties": {"city": {"type": "object"}}}}
        dsl = canvas(
            ["LLM:0"],
            LLM_0=node("LLM", ["Message:0"], **ASK, outputs=schema),
            Message_0=node("Message", content=["{LLM:0@structured.city.name}"]),
        )
        assert text(asked(engine, dsl)) == "Poseidonia"


def broken(prompt: str) -> str:
    """A model that is out of order."""
    raise ConnectionError("out of order")


def test_failures_have_the_way_out_that_the_author_gave_them() -> None:
    """None: the turn fails after the component's own event; a text in its place; another component."""
    with with_model(broken) as engine:
        plain = canvas(["LLM:0"], LLM_0=node("LLM", ["Message:0"], **ASK), Message_0=SAY)
        run = engine.ask_agent(agent(engine, plain), Question("moon"))
        events: list[Event] = []
        with pytest.raises(AgentFailed, match="out of order"):
            events.extend(run.events)
        comment = {"exception_method": "comment", "exception_default_value": "Ask later."}
        said = canvas(["LLM:0"], LLM_0=node("LLM", ["Message:0"], **ASK, **comment), Message_0=SAY)
        assert text(asked(engine, said)) == "Ask later."
        goto = {"exception_method": "goto", "exception_goto": ["Message:1"]}
        led = canvas(
            ["LLM:0"],
            LLM_0=node("LLM", ["Message:0"], **ASK, **goto),
            Message_0=SAY,
            Message_1=node("Message", content=["Sorry."]),
        )
        events = asked(engine, led)
        assert text(events) == "Sorry."
        (failed,) = [each["data"] for each in events if each["data"].get("error")]
        assert (failed["component_id"], "out of order" in failed["error"]) == ("LLM:0", True)


def test_what_does_not_run_here_is_named(engine: Engine) -> None:
    """Components, tools and settings that the engine does not have are refused by their names before anything runs."""
    unknown = canvas(["Invoke:0"], Invoke_0=node("Invoke"))
    with pytest.raises(Refused, match=r"agent component Invoke \(Invoke:0\); .* a RAGFlow server"):
        engine.ask_agent(agent(engine, unknown), Question("x"))
    pipeline = {"components": {"File": node("File")}}  # it has no Begin
    with pytest.raises(Refused, match=r"agent component File \(File\); .* a RAGFlow server"):
        engine.ask_agent(agent(engine, pipeline), Question("x"))
    refused = {
        "the tool TavilySearch": node(
            "Agent", **ASK, tools=[{"component_name": "TavilySearch", "params": {}}]
        ),
        "`output_format` of Message": node("Message", content=["x"], output_format="pdf"),
        "`use_kg` of Retrieval": node("Retrieval", dataset_ids=["x"], use_kg=True),
        "Jinja": node("Message", content=["{% if x %}y{% endif %}"]),
    }
    for name, each in refused.items():
        with pytest.raises(AgentFailed, match=name):
            asked(engine, agent(engine, canvas(["X:0"], X_0=each)))


def test_what_is_no_canvas(engine: Engine) -> None:
    """A DSL without components, one that goes in a circle, one that refers to nothing."""
    for dsl, said in (({}, "no `components`"), ({**canvas([]), "globals": [1]}, "of the wrong kind")):
        with pytest.raises(NotRunnable, match=said):
            engine.ask_agent(agent(engine, dsl), Question("x"))
    circle = canvas(["Message:0"], Message_0=node("Message", ["Message:1"], content=["x"]))
    circle["components"]["Message:1"] = node("Message", ["Message:0"], content=["y"])
    with pytest.raises(AgentFailed, match="1000 components, which is the most in a turn"):
        asked(engine, agent(engine, circle))
    nothing = canvas(["Message:0"], Message_0=node("Message", content=["{Nobody:0@content}"]))
    with pytest.raises(AgentFailed, match="no component 'Nobody:0'"):
        asked(engine, agent(engine, nothing))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("Agent:0", "obj", "params"), ["x"], "setting of the component Agent:0 is of the wrong kind"),
        (
            ("Agent:0", "obj", "params", "outputs"),
            [1],
            "`outputs` of the component Agent:0 should be an object",
        ),
        (
            ("Agent:0", "obj", "params", "prompts"),
            [{"role": 1, "content": "x"}],
            "prompts of Agent:0 should have texts",
        ),
        (("Agent:0", "obj", "params", "prompts"), 5, "part of its DSL is of the wrong kind"),
        (("Agent:0", "obj", "params", "tools"), "x", "tools of Agent:0 should be a list of objects"),
        (
            ("Agent:0", "obj", "params", "tools"),
            [{"component_name": "Agent", "params": 5}],
            "list of objects",
        ),
        (("Agent:0", "obj", "params", "max_rounds"), "many", "Max rounds many not supported"),
        (("Message:0", "obj", "params", "content"), [], "Message:0 cannot be run: a setting"),
        (("Message:0", "parent_id"), ["x"], None),
        (("begin", "downstream"), 5, "part of its DSL is of the wrong kind"),
    ],
)
def test_parts_of_the_wrong_kind(path: tuple[str, ...], value: Any, said: str | None) -> None:
    """Whatever a DSL holds where something else belongs is said, without what Python says of it."""
    with with_model(lambda prompt: "ok") as engine:
        tools = [{"component_name": "Retrieval", "params": {}}]
        content = ["{Agent:0@content}"]
        dsl = canvas(
            ["Agent:0"],
            Agent_0=node("Agent", ["Message:0"], **ASK, tools=tools),
            Message_0=node("Message", content=content),
        )
        place: Any = dsl["components"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        if said is None:
            assert text(asked(engine, dsl)) == "ok"
            return
        with pytest.raises((AgentFailed, Refused), match=said):
            asked(engine, dsl)


def test_an_agent_remembers_in_memories(engine: Engine) -> None:
    """A Message keeps the turn in memories of the agent's owner, and a Retrieval finds it there."""
    fields = {"name": "m", "memory_type": ["raw"], "embd_id": "x@Builtin", "llm_id": "x@Builtin"}
    mine = engine.create_memory(fields)["id"]
    other = engine.add_tenant("ragflow-other")
    theirs = other.create_memory(fields)["id"]
    dsl = canvas(["Message:0"], Message_0=node("Message", content=["ok"], memory_ids=[mine, theirs]))
    asked(engine, dsl, "the moon is green")
    assert other.recent_messages([theirs], limit=1) == []
    reading = canvas(
        ["Retrieval:0"],
        Retrieval_0=node("Retrieval", ["Message:0"], memory_ids=[mine], empty_response="nothing"),
        Message_0=node("Message", content=["{Retrieval:0@formalized_content}"]),
    )
    assert "User Input: the moon is green" in text(asked(engine, agent(engine, reading), "moon"))
    assert text(asked(engine, agent(engine, reading), "zebra")) == "nothing"


def test_no_other_tenant_reaches_an_agent(engine: Engine) -> None:
    """Neither the agent nor its sessions, nor the datasets that a DSL of one's own names."""
    dsl = canvas(["Message:0"], Message_0=node("Message", content=["x"]))
    mine = agent(engine, dsl)
    session = asked(engine, mine)[0]["session_id"]
    other = engine.add_tenant("ragflow-other")
    calls: list[Callable[[], Any]] = [
        lambda: other.update_agent(mine, {"title": "x"}, taken=None),
        lambda: other.delete_agent(mine),
        lambda: other.reset_agent(mine),
        lambda: other.agent_versions(mine),
        lambda: other.list_agent_sessions(mine, page=1, page_size=1, orderby="create_time", desc=True),
        lambda: other.delete_agent_sessions(mine, [session]),
        lambda: other.create_agent_session(mine, user_id="u", name="", exp_user_id=None),
        lambda: other.ask_agent(mine, Question("x")),
    ]
    for call in calls:
        with pytest.raises(Missing):
            call()
    assert other.get_agent(mine) is None
    assert other.get_agent_session(session) is None
    looking = canvas(["Retrieval:0"], Retrieval_0=node("Retrieval", dataset_ids=[filled(engine)["id"]]))
    with pytest.raises(AgentFailed):
        asked(other, agent(other, looking))


def test_versions_and_publishing(engine: Engine) -> None:
    """A changed DSL is a new version; with ``release`` the published one is used, whatever came later."""
    first = canvas(["Message:0"], Message_0=node("Message", content=["first"]))
    second = canvas(["Message:0"], Message_0=node("Message", content=["second"]))
    agent_id = agent(engine, first)
    with pytest.raises(Refused, match="No available published version"):
        engine.ask_agent(agent_id, Question("x"), release=True)
    engine.update_agent(agent_id, {"dsl": first, "release": True}, taken=None)
    engine.update_agent(agent_id, {"dsl": first}, taken=None)  # what is published stays as it is
    engine.update_agent(agent_id, {"dsl": second}, taken=None)
    assert sorted(each["release"] for each in engine.agent_versions(agent_id)) == [False, False, True]
    assert text(list(engine.ask_agent(agent_id, Question("x"), release=True).events)) == "first"
    assert text(asked(engine, agent_id)) == "second"
    for number in range(30):
        changed = canvas(["Message:0"], Message_0=node("Message", content=[f"{number}"]))
        engine.update_agent(agent_id, {"dsl": changed}, taken=None)
    assert len(engine.agent_versions(agent_id)) == 21


def test_a_turn_that_nobody_reads_to_its_end_is_not_kept(engine: Engine) -> None:
    """A client that goes away leaves the session as it was."""
    agent_id = agent(engine, canvas(["Message:0"], Message_0=node("Message", content=["a {sys.query} b"])))
    session = engine.create_agent_session(agent_id, user_id="u", name="", exp_user_id="u")
    events = engine.ask_agent(agent_id, Question("x"), session=session).events
    while next(events)["event"] != "message":
        pass
    events.close()  # type: ignore[attr-defined]
    kept = engine.get_agent_session(session["id"])
    assert kept is not None
    assert (len(kept["message"]), kept["round"]) == (1, 0)
    list(engine.ask_agent(agent_id, Question("y"), session=kept).events)
    kept = engine.get_agent_session(session["id"])
    assert kept is not None
    assert [each["content"] for each in kept["message"]] == ["Hi", "y", "a y b"]
