"""Agents whose language models call tools, in their own way: what they are told, and what comes back to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain, repeat
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel

from ragflow_integrations.local.agent import AgentFailed
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.agents import ASK, Json, asked, canvas, node, text, with_model
from tests.local.callers import Script, behind_an_address, in_process, of_langchain, of_llamaindex
from tests.local.knowledge import filled
from tests.local.models.stand_in import as_json, stand_in

MODELS: dict[str, Callable[[Script], AbstractContextManager[Any]]] = {
    "address": behind_an_address,
    "langchain": partial(in_process, of_langchain),
    "llamaindex": partial(in_process, of_llamaindex),
}
SAY = node("Message", content=["{Agent:0@content}"])


def searching(dataset: str, **params: Any) -> Json:
    """A Retrieval as a tool."""
    return {"component_name": "Retrieval", "params": {"dataset_ids": [dataset], **params}}


def helper(name: str, *tools: Json, **params: Any) -> Json:
    """An agent as a tool."""
    return {"component_name": "Agent", "name": name, "params": {**ASK, "tools": list(tools), **params}}


def agent_with(*tools: Json, **params: Any) -> Json:
    """A DSL of an Agent with these tools, and a Message that says what it answers."""
    return canvas(
        ["Agent:0"], Agent_0=node("Agent", ["Message:0"], **ASK, tools=list(tools), **params), Message_0=SAY
    )


def calling(name: str, **arguments: str) -> tuple[str, str]:
    """A call as a model writes it."""
    return name, json.dumps(arguments)


@pytest.mark.parametrize("kind", MODELS)
def test_an_agent_calls_tools(kind: str) -> None:
    """Its calls are answered one by one, wrong ones by what is wrong; then it answers piece by piece, and cites."""
    calls = [calling("search", query="capital Atlantis"), calling("web", query="x"), calling("search")]
    script = Script([calls, ["Posei", "donia [ID:0]"]])
    with MODELS[kind](script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        events = asked(engine, agent_with(searching(filled(engine)["id"])), "Which is the capital?")
    assert [each["data"]["content"] for each in events if each["event"] == "message"] == [
        "Posei",
        "donia [ID:0]",
    ]
    (end,) = [each["data"] for each in events if each["event"] == "message_end"]
    assert "Poseidonia" in end["reference"]["chunks"]["0"]["content"]
    assert events[-1]["data"]["usage"]["calls"] == 2
    assert script.tools == [["search"], ["search"]]
    assert [role for role, _ in script.asked[1]] == ["user", "assistant", "tool", "tool", "tool"]
    found, unknown, empty = [said for role, said in script.asked[1] if role == "tool"]
    assert found.startswith("ID: 0\nTitle: atlantis.txt")
    assert unknown.startswith("there is no tool 'web'; there are: search")
    assert empty.startswith("search needs a JSON object with query")


@pytest.mark.parametrize("kind", MODELS)
def test_calls_that_cannot_be_read(kind: str) -> None:
    """Arguments that are no JSON object go back to the model as a mistake of its own."""
    script = Script([[("search", "[1, 2")], ["Sorry."]])
    with MODELS[kind](script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        assert text(asked(engine, agent_with(searching(filled(engine)["id"])))) == "Sorry."
    assert script.asked[1][-1] == ("tool", "search needs a JSON object with query")


def test_rounds_are_bounded() -> None:
    """After the last round it is asked without tools; one that calls all the same has failed, and says so."""
    patient = Script([[calling("search", query="x")], [calling("search", query="y")], ["Enough."]])
    endless = Script([[calling("search", query="x")]])
    for script in (patient, endless):
        with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
            dsl = agent_with(searching(filled(engine)["id"]), max_rounds=2)
            if script is patient:
                assert text(asked(engine, dsl)) == "Enough."
            else:
                with pytest.raises(AgentFailed, match="Agent:0 has not answered in 2 rounds"):
                    asked(engine, dsl)
        assert script.tools == [["search"], ["search"], []]


def test_more_calls_than_are_made_at_once() -> None:
    """The first eight are made, the others are told so: a model cannot keep the engine at work without end."""
    script = Script([[calling("search", query=f"{number}") for number in range(10)], ["Well."]])
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        asked(engine, agent_with(searching(filled(engine)["id"])))
    told = [said for role, said in script.asked[1] if role == "tool"]
    assert [said.startswith("not done") for said in told] == [False] * 8 + [True] * 2


def test_an_agent_orders_others() -> None:
    """An agent among the tools is asked with its own instruction and tools; its order is not searched for variables."""
    order = calling("Web_Researcher", user_prompt="Find the {sys.user_id} capital", context="Atlantis")
    script = Script(
        [[order], [calling("search", query="capital Atlantis")], ["Poseidonia [ID:0]"], ["Done [ID:0]."]]
    )
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        search = searching(filled(engine)["id"])
        researcher = helper(
            "Web Researcher", search, sys_prompt="You look things up.", description="a helper"
        )
        events = asked(engine, agent_with(researcher), "Which is it?", user_id="secret")
    assert text(events) == "Done [ID:0]."
    assert events[-1]["data"]["usage"]["calls"] == 4
    assert script.tools == [["Web_Researcher"], ["search"], ["search"], ["Web_Researcher"]]
    assert script.asked[1] == [
        ("system", "You look things up."),
        ("user", "Context:\nAtlantis\n\nTask:\nFind the {sys.user_id} capital"),
    ]
    assert script.asked[3][-1][1].startswith("Poseidonia [ID:0]")


def test_an_agent_without_a_model_has_its_helpers_search() -> None:
    """Without a language model, and with none chosen, the question is searched for with the tools of its agents too."""
    with Engine(":memory:") as engine:
        dsl = agent_with(helper("Helper", searching(filled(engine)["id"]), llm_id=""))
        assert text(asked(engine, dsl, "Where do zebras live?")) == "Zebras live in Africa. [ID:0]"


def test_tools_that_fail() -> None:
    """A failure goes back to the model; what the engine does not have is refused by name, wherever it stands."""
    script = Script([[calling("search", query="x"), calling("Helper", user_prompt="x")], ["It failed."]])
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        gone = searching("0" * 32)
        dsl = agent_with(gone, helper("Helper", gone, max_rounds=0))
        assert text(asked(engine, dsl)) == "It failed."
        for tool in ({"component_name": "TavilySearch", "params": {}}, searching("x", use_kg=True)):
            script.answers, script.asked = (
                [[calling("Helper", user_prompt="x")], [calling("search", query="x")]],
                [],
            )
            with pytest.raises(AgentFailed, match="the local engine does not have"):
                asked(engine, agent_with(helper("Helper", tool)))


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_without_tool_calls(status: int) -> None:
    """A model that knows nothing of tools is asked in plain JSON; any other failure is one."""
    said: list[Json] = []

    def answer(body: Json) -> tuple[int, str, bytes]:
        said.append(body)
        if "tools" in body:
            return as_json(
                {"error": "small does not support tools" if status == 400 else "overloaded"}, status
            )
        content = '{"search": "capital Atlantis"}' if len(said) == 2 else "Poseidonia [ID:0]"
        return as_json({"choices": [{"message": {"role": "assistant", "content": content}}]})

    with stand_in() as server, Engine(":memory:", Choice(llm=server.address)) as engine:
        server.answers["/v1/chat/completions"] = answer
        dsl = agent_with(searching(filled(engine)["id"]))
        if status == 500:
            with pytest.raises(AgentFailed, match="overloaded"):
                asked(engine, dsl)
            return
        assert text(asked(engine, dsl)) == "Poseidonia [ID:0]"
    assert ["tools" in each for each in said] == [True, False, False]


def test_a_server_that_wants_tools_with_their_results() -> None:
    """Where a conversation with calls is not taken without tools, the last round tells them as plain text."""
    said: list[Json] = []

    def answer(body: Json) -> tuple[int, str, bytes]:
        said.append(body)
        if "tools" in body:
            function = {"name": "search", "arguments": '{"query": "Atlantis"}'}
            return as_json({"choices": [{"message": {"tool_calls": [{"id": "1", "function": function}]}}]})
        if any(each["role"] == "tool" for each in body["messages"]):
            return as_json({"error": "requests with tool results must define tools"}, 400)
        return as_json({"choices": [{"message": {"role": "assistant", "content": "Poseidonia"}}]})

    with stand_in() as server, Engine(":memory:", Choice(llm=server.address)) as engine:
        server.answers["/v1/chat/completions"] = answer
        dsl = agent_with(searching(filled(engine)["id"]), max_rounds=1)
        assert text(asked(engine, dsl)) == "Poseidonia"
    *_, call, result = (each["content"] for each in said[-1]["messages"])
    assert call == '{"search": "Atlantis"}'
    assert result.startswith("The tool says:\n\nID: 0")


@pytest.mark.parametrize(
    ("pieces", "called"),
    [
        (['{"search": "Atlantis"}'], True),
        (["``", "`js", 'on\n{"search"', ': {"query": "Atlantis"}}', "\n```\n"], True),
        ([" \n", "```\n{", '"search": "Atlantis"}```'], True),
        (["```python\n", "print()\n```"], False),
        (["{", "not JSON}"], False),
        (['{"find": "Atlantis"}'], False),
        (['{"search": "a", "and": "b"}'], False),
        (["Well, ", '{"search": "Atlantis"}'], False),
    ],
)
def test_calls_in_plain_json(pieces: list[str], called: bool) -> None:
    """A call is an object of a tool's name and nothing else, also as a block of code; all else is an answer."""
    answers = iter([pieces, ["found"]])
    with with_model(lambda prompt: next(answers)) as engine:
        said = text(asked(engine, agent_with(searching(filled(engine)["id"]))))
    assert said == ("found" if called else "".join(pieces))


def test_a_model_that_cannot_be_given_tools() -> None:
    """A chat model of LangChain that has not made ``bind_tools`` is asked in plain JSON."""
    model = GenericFakeChatModel(messages=iter(['{"search": {"query": "capital Atlantis"}}', "Poseidonia"]))
    with Engine(":memory:", Choice(llm=model)) as engine:
        assert text(asked(engine, agent_with(searching(filled(engine)["id"])))) == "Poseidonia"


@pytest.mark.parametrize("begun", ["", '{"a": "'])
def test_answers_without_an_end(begun: str) -> None:
    """A model that never stops has failed when the answer is too long, also if it may be a call."""
    said = "an answer to Agent:0 has more than 4000000 characters"
    with (
        with_model(lambda messages: chain([begun], repeat("x" * 50_000))) as engine,
        pytest.raises(AgentFailed, match=said),
    ):
        asked(engine, agent_with(searching("x")))


def test_structured_output_with_tools() -> None:
    """An agent that answers with a JSON value of a schema may look things up for it too."""
    script = Script([[calling("search", query="capital Atlantis")], ['{"city": "Poseidonia"}']])
    with behind_an_address(script) as model, Engine(":memory:", Choice(llm=model)) as engine:
        outputs = {"structured": {"type": "object", "properties": {"city": {"type": "string"}}}}
        dsl = agent_with(searching(filled(engine)["id"]), outputs=outputs)
        dsl["components"]["Message:0"]["obj"]["params"]["content"] = ["{Agent:0@structured.city}"]
        assert text(asked(engine, dsl)) == "Poseidonia"
