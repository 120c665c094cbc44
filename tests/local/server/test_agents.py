"""Agents over HTTP: what the recordings do not hold, in both dialects, and the official clients."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.serve import running_server
from tests.local.server.replay import frames

Json = dict[str, Any]

OTHER = "ragflow-of-another-tenant"


def node(name: str, to: list[str], **params: Any) -> Json:
    """A component that leads to others."""
    return {"obj": {"component_name": name, "params": params}, "downstream": to, "upstream": []}


DSL: Json = {
    "components": {
        "begin": node("Begin", ["Message:0"], mode="conversational", prologue="Hi!", inputs={}),
        "Message:0": node("Message", [], content=["You said: {sys.query}"]),
    },
    "globals": {"sys.query": "", "sys.user_id": "", "sys.conversation_turns": 0, "sys.files": []},
    "history": [],
    "path": [],
    "retrieval": [],
    "variables": {},
}
FORM: Json = DSL | {
    "components": {
        "begin": node("Begin", ["UserFillUp:0"], mode="conversational", prologue="Hi!"),
        "UserFillUp:0": node("UserFillUp", ["Message:0"], inputs={"who": {"type": "line"}}),
        "Message:0": node("Message", [], content=["Hello {UserFillUp:0@who}"]),
    }
}


class Caller:
    """A tenant's calls to a server."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url, self.key = base_url, key
        self.http = httpx.Client(
            base_url=f"{base_url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30
        )

    def __call__(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        content = {} if body is None else {"json": body}
        return dict(self.http.request(method, path, **content, **more).json())

    def agent(self, dsl: Json = DSL, title: str = "a") -> str:
        """A new agent's id."""
        assert self("POST", "/agents", {"title": title, "dsl": dsl})["code"] == 0
        listed = self("GET", "/agents")["data"]
        rows = listed["canvas"] if isinstance(listed, dict) else listed
        return str(next(each["id"] for each in rows if each["title"] == title))


def served(version: str) -> Iterator[Caller]:
    """The owner of a server's folder."""
    with Engine(":memory:") as engine, running_server(engine, api_version=version) as server:
        engine.add_tenant(OTHER)
        caller = Caller(server.base_url, server.api_key)
        yield caller
        caller.http.close()


@pytest.fixture
def new() -> Iterator[Caller]:
    """A caller of v0.27."""
    yield from served("0.27")


@pytest.fixture
def old() -> Iterator[Caller]:
    """A caller of v0.24."""
    yield from served("0.24")


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (
            node("Begin", [], mode="x"),
            "The 'mode' should be either `conversational` or `task` x is not supported",
        ),
        (node("Message", [], content=[]), "[Message] Content does not support empty value."),
        (
            node("Message", [], content=["x"], stream=1),
            "[Message] stream 1 not supported, should be bool type",
        ),
        (node("LLM", []), "[Agent] LLM does not support empty value."),
        (
            node("LLM", [], llm_id="x", temperature=2),
            "[Agent] Temperature 2.0 not supported, should be a float number in range [0, 1]",
        ),
        (node("Agent", [], llm_id="x", max_rounds=-1), "[Agent] Max rounds -1 not supported"),
        (node("Retrieval", [], top_n=0), "[Retrieval] Top N 0 not supported, should be positive numeric"),
        (node("Switch", [], conditions=[{"to": ""}]), "[Switch] 'To' can not be empty!"),
        (
            node("VariableAggregator", [], groups=[{"group_name": ""}]),
            "[VariableAggregator] group_name can not be empty!",
        ),
        (
            node("VariableAggregator", [], groups=[{"group_name": "a", "variables": ["LLM:0@content"]}]),
            "[VariableAggregator] variables of group `a` should be a list",
        ),
        (
            node("Categorize", [], category_description={"x": {}}),
            "[Categorize] 'To' of category x can not be empty!",
        ),
    ],
)
def test_a_changed_canvas_is_checked(new: Caller, component: Json, message: str) -> None:
    """v0.27 refuses what no component could run with, by its title; nothing is taken over."""
    agent = new.agent()
    graph = {"nodes": [{"id": "x", "data": {"name": "Mine"}}]}
    changed = {**DSL, "components": {**DSL["components"], "x": component}, "graph": graph}
    answer = new("PUT", f"/agents/{agent}", {"dsl": changed, "title": "b"})
    assert (answer["code"], answer["data"]) == (101, False)
    assert answer["message"].startswith(f"Mine: {message}")
    assert new("GET", f"/agents/{agent}")["data"]["title"] == "a"


def test_titles(new: Caller, old: Caller) -> None:
    """Trimmed and without regard to case, a title is there once; v0.24 takes it twice when an agent is changed."""
    for caller, said in ((new, "A already exists."), (old, "Agent with title A already exists.")):
        caller.agent()
        assert caller("POST", "/agents", {"title": " A ", "dsl": DSL}) == {"code": 102, "message": said}
        other = caller.agent(title="other")
        answer = caller("PUT", f"/agents/{other}", {"title": "A"})
        assert answer["code"] == (102 if caller is new else 0)
        assert caller("POST", "/agents", {"title": 5, "dsl": DSL})["code"] == 100
        assert caller("POST", "/agents", {"title": "c", "dsl": json.dumps(DSL)})["code"] == 0
        assert caller("POST", "/agents", {"title": "d", "dsl": "[]"})["code"] == (
            101 if caller is new else 100
        )


def test_lists(new: Caller) -> None:
    """Filters, tags, pages and owners of v0.27's list."""
    first = new.agent(title="First")
    new.agent(title="Second")
    assert new("PUT", f"/agents/{first}/tags", {"tags": ["red", "RED", "a,b", ""]})["data"] is True
    assert new("GET", "/agents/tags")["data"] == [{"tag": "a b", "count": 1}, {"tag": "red", "count": 1}]

    def titles(**params: Any) -> list[str]:
        return [each["title"] for each in new("GET", "/agents", params=params)["data"]["canvas"]]

    assert titles() == ["Second", "First"]
    assert titles(desc="False") == ["First", "Second"]
    assert titles(tags="red,x") == titles(keywords="RED") == titles(keywords="fir") == ["First"]
    assert titles(tags="re") == titles(canvas_category="dataflow_canvas") == []
    assert titles(page=2, page_size=1) == ["First"]
    counts = new("GET", "/agents", params={"type": "filter"})["data"]
    assert counts["filter"]["canvas_category"] == [{"id": "agent_canvas", "count": 2}]
    assert new("GET", "/agents", params={"page_size": 101})["code"] == 100
    assert new("GET", "/agents", params={"owner_ids": "x"}) == {
        "code": 103,
        "data": False,
        "message": "Only authorized owner_ids can be queried.",
    }
    assert new("GET", "/agents", params={"owner_ids": ",".join(map(str, range(101)))})["code"] == 101


def test_versions_reset_and_forms(new: Caller) -> None:
    """What else there is to an agent in v0.27."""
    agent = new.agent(FORM)
    (version,) = new("GET", f"/agents/{agent}/versions")["data"]
    assert new("GET", f"/agents/{agent}/versions/{version['id']}")["data"]["dsl"] == FORM
    assert new("GET", f"/agents/{agent}/versions/x") == {"code": 102, "message": "Version not found."}
    assert new("GET", f"/agents/{agent}")["data"]["last_publish_time"] is None
    new("PUT", f"/agents/{agent}", {"dsl": FORM, "release": True})
    assert new("GET", f"/agents/{agent}")["data"]["last_publish_time"]
    path = f"/agents/{agent}/components"
    assert new("GET", f"{path}/UserFillUp:0/input-form")["data"] == {"who": {"type": "line"}}
    assert new("GET", f"{path}/x/input-form")["code"] == 100
    assert new("POST", f"/agents/{agent}/reset")["data"]["globals"]["sys.history"] == []
    assert new("PUT", f"/agents/{agent}", {"dsl": {}})["code"] == 100
    assert new("POST", "/agents", {"title": "empty", "dsl": {}})["code"] == 0
    assert new("GET", "/agents/templates")["data"] == new("GET", "/plugin/tools")["data"] == []


def test_a_form_in_a_conversation(new: Caller) -> None:
    """A run that pauses says so in a whole answer and in a stream, and goes on in its session."""
    agent = new.agent(FORM)
    asked = new("POST", "/agents/chat/completions", {"agent_id": agent, "query": "hi"})["data"]
    assert asked["event"] == "user_inputs"
    assert asked["data"]["inputs"] == {"who": {"type": "line", "value": None}}
    body = {"agent_id": agent, "session_id": asked["session_id"], "inputs": {"who": "Ann"}}
    assert new("POST", "/agents/chat/completions", body)["data"]["data"]["content"] == "Hello Ann"
    session = new("POST", f"/agents/{agent}/sessions", {})["data"]["id"]
    body = {"agent_id": agent, "session_id": session, "query": "hi", "stream": True}
    events = frames(new.http.post("/agents/chat/completions", json=body).text)
    assert events[-2]["event"] == "user_inputs"
    assert events[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"query": 5}, 100), ({"inputs": [1]}, 100), ({"user_id": 5}, 101), ({"files": [{"id": "x"}]}, 102)],
)
def test_wrong_questions(new: Caller, change: Json, code: int) -> None:
    """What is no question is refused before a session begins."""
    agent = new.agent()
    assert (
        new("POST", "/agents/chat/completions", {"agent_id": agent, "query": "x", **change})["code"] == code
    )
    assert new("GET", f"/agents/{agent}/sessions")["total"] == 0


def test_components_that_do_not_run_here(new: Caller, old: Caller) -> None:
    """They can be stored; asking says which it is and that a RAGFlow server has it."""
    dsl = {**DSL, "components": {**DSL["components"], "x": node("Invoke", [])}}
    for caller in (new, old):
        agent = caller.agent(dsl)
        answer = caller("POST", f"/agents/{agent}/completions", {"query": "x", "stream": False})
        assert answer["code"] == 102
        assert "the agent component Invoke (x)" in answer["message"]
        assert "a RAGFlow server has them all" in answer["message"]


def test_variables_of_several_branches(new: Caller, old: Caller) -> None:
    """A VariableAggregator answers with what is there; groups that are none are refused, when saved or when asked."""
    variables = [{"value": "sys.files"}, {"value": "sys.query"}]
    for caller in (new, old):
        for title, groups, told in (
            ("right", [{"group_name": "a", "variables": variables}], "I have x"),
            (
                "wrong",
                [{"group_name": "a", "variables": variables[0]}],
                "variables of group `a` should be a list",
            ),
        ):
            components = {
                "begin": node("Begin", ["VariableAggregator:0"], mode="conversational", prologue="Hi!"),
                "VariableAggregator:0": node("VariableAggregator", ["Message:0"], groups=groups),
                "Message:0": node("Message", [], content=["I have {VariableAggregator:0@a}"]),
            }
            agent = caller.agent({**DSL, "components": components}, title)
            answer = caller("POST", f"/agents/{agent}/completions", {"query": "x", "stream": False})
            assert told in json.dumps(answer)
            assert (answer["code"] == 0) == (title == "right")


def test_failing_components(new: Caller, old: Caller) -> None:
    """A stream ends with a frame of code 500; a whole answer of v0.27 is an error text, one of v0.24 an error."""
    dsl = {**DSL, "components": {**DSL["components"], "Message:0": node("Message", [], content=["{x@y}"])}}
    for caller in (new, old):
        agent = caller.agent(dsl)
        whole = caller("POST", f"/agents/{agent}/completions", {"query": "x", "stream": False})
        if caller is new:
            assert whole == {"code": 0, "data": "**ERROR**: the agent has no component 'x'"}
        else:
            assert (whole["code"], whole["message"]) == (100, "the agent has no component 'x'")
        stream = caller.http.post(f"/agents/{agent}/completions", json={"query": "x", "stream": True}).text
        *_, error, done = frames(stream)
        assert (error["code"], error["data"], done) == (500, False, "[DONE]")


def test_another_tenants_agent(new: Caller, old: Caller) -> None:
    """Nothing of it can be read, asked, changed or deleted with another key."""
    for caller in (new, old):
        agent = caller.agent()
        session = caller("POST", f"/agents/{agent}/sessions", {})["data"]["id"]
        other = Caller(caller.base_url, OTHER)
        asks = [
            ("PUT", f"/agents/{agent}", {"title": "x"}),
            ("DELETE", f"/agents/{agent}", {}),
            ("GET", f"/agents/{agent}/sessions", None),
            ("POST", f"/agents/{agent}/sessions", {}),
            ("DELETE", f"/agents/{agent}/sessions", {"ids": [session]}),
            ("POST", f"/agents/{agent}/completions", {"query": "x", "stream": False}),
            ("POST", f"/agents/{agent}/completions", {"query": "x", "stream": False, "session_id": session}),
            (
                "POST",
                f"/agents_openai/{agent}/chat/completions",
                {"model": "m", "messages": [{"role": "user"}]},
            ),
        ]
        for method, path, body in asks:
            answer = other(method, path, body)
            said = answer["choices"][0]["message"]["content"] if "choices" in answer else ""
            refused = answer.get("code") in (100, 102, 103) or said == "**ERROR**: Agent not found."
            assert refused, (method, path, answer)
        assert caller("GET", f"/agents/{agent}/sessions", params={"dsl": "false"})["data"][0]["id"] == session
        other.http.close()


@pytest.mark.parametrize("stream", [False, True])
def test_openais_client(new: Caller, old: Caller, stream: bool) -> None:
    """The ``openai`` package reads both dialects' answers and goes on in a session."""
    for caller in (new, old):
        agent = caller.agent()
        session = caller("POST", f"/agents/{agent}/sessions", {})["data"]["id"]
        url = f"{caller.base_url}/api/v1/agents_openai/{agent}"
        with openai.OpenAI(base_url=url, api_key=caller.key) as client:
            answer: Any = client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "moon"}],
                stream=stream,
                extra_body={"session_id": session},
            )
            if stream:
                said = "".join(each.choices[0].delta.content or "" for each in answer)
            else:
                assert answer.usage.total_tokens > 0
                said = answer.choices[0].message.content
        assert said == "You said: moon"
        (kept,) = caller("GET", f"/agents/{agent}/sessions")["data"]
        assert (kept["message"] if caller is new else kept["messages"])[-1]["content"] == said


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="ragflow-sdk 0.22.1 needs Python < 3.13")
def test_official_sdk(old: Caller) -> None:
    """ragflow-sdk 0.22.1 makes, lists, changes, asks and deletes an agent of v0.24."""
    from ragflow_sdk import RAGFlow

    rag = RAGFlow(old.key, old.base_url)
    rag.create_agent("mine", DSL, "d")
    (agent,) = rag.list_agents(title="mine")
    rag.update_agent(agent.id, title="ours")
    assert [each.title for each in rag.list_agents()] == ["ours"]
    session = agent.create_session()
    assert [each.content for each in session.ask("moon", stream=False)] == ["You said: moon"]
    agent.create_session()
    assert len(agent.list_sessions()) == 2
    agent.delete_sessions([session.id])
    assert [each.id for each in agent.list_sessions()] != [session.id]
    with pytest.raises(Exception, match="The agent doesn't exist."):
        rag.list_agents(title="nobody")
    rag.delete_agent(agent.id)
    assert rag.list_agents() == []


def test_an_embedded_agent(new: Caller) -> None:
    """An embed key asks for the form and runs the agent; an API key is none."""
    agent = new.agent(FORM)
    beta = new("POST", "/system/tokens")["data"]["beta"]
    headers = {"Authorization": f"Bearer {beta}"}
    shown = new("GET", f"/agentbots/{agent}/inputs", headers=headers)["data"]
    assert (shown["title"], shown["prologue"], shown["inputs"]) == ("a", "Hi!", {})
    body = {"query": "x", "stream": False}
    paused = new("POST", f"/agentbots/{agent}/completions", body, headers=headers)["data"]
    assert paused["event"] == "user_inputs"
    body = {"session_id": paused["session_id"], "inputs": {"who": "Ann"}, "stream": False}
    answer = new("POST", f"/agentbots/{agent}/completions", body, headers=headers)
    assert answer["data"]["data"]["content"] == "Hello Ann"
    assert new("POST", "/agentbots/x/completions", {}, headers=headers)["code"] == 102
    assert new("GET", f"/agentbots/{agent}/inputs")["code"] == 102


@pytest.mark.parametrize(
    ("version", "path", "begins", "tools"),
    [
        ("0.27", "/agents/chat/completions", "word ", False),
        ("0.27", "/agents/chat/completions", "word ", True),
        ("0.27", "/agents/chat/completions", '{"perhaps": "a call ', True),
        ("0.24", "/agents/{}/completions", "word ", False),
        ("0.24", "/agents_openai/{}/chat/completions", "word ", False),
    ],
)
def test_a_client_that_goes_away_stops_the_agent(version: str, path: str, begins: str, tools: bool) -> None:
    """The model is stopped where it is, also while nothing is sent: in a component, or in an agent of an agent."""
    begun, stopped, ended = threading.Event(), threading.Event(), threading.Event()

    def model(messages: list[Json]) -> Iterator[str]:
        if any("helper" in each["content"] for each in messages):
            yield '{"helper": "do it"}'
            return
        try:
            begun.set()
            for _ in range(3000):
                yield begins
                time.sleep(0.02)
            ended.set()
        finally:
            stopped.set()

    params: Json = {"llm_id": "x@Builtin", "prompts": "{sys.query}"}
    helper = {"component_name": "Agent", "name": "helper", "params": params}
    dsl = {**DSL, "components": {"begin": node("Begin", ["Agent:0"]), "Agent:0": node("Agent", [], **params)}}
    if tools:
        helper["params"] = {**params, "tools": [{"component_name": "Retrieval", "params": {}}]}
        dsl["components"]["Agent:0"]["obj"]["params"] = {**params, "tools": [helper]}
    with (
        Engine(":memory:", Choice(llm=model)) as engine,
        running_server(engine, api_version=version) as server,
    ):
        agent = engine.create_agent({"title": "a", "dsl": dsl}, taken="taken")["id"]
        url = f"{server.base_url}/api/v1{path.format(agent)}"
        headers = {"Authorization": f"Bearer {server.api_key}"}
        asked = {
            "agent_id": agent,
            "query": "x",
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
        }
        with httpx.stream("POST", url, headers=headers, json={**asked, "stream": True}, timeout=20):
            assert begun.wait(20)
        assert stopped.wait(50)
        assert not ended.is_set()
