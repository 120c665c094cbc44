"""Agents, their sessions and asking them, against what real v0.24.0 and v0.27.0 servers answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ragflow_integrations import (
    APIError,
    AsyncRAGFlow,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PartialError,
    PermissionDeniedError,
    RAGFlowError,
    ServerError,
    StreamInterruptedError,
    UnsupportedError,
)
from ragflow_integrations.models import AgentMessage
from tests.client._async.conftest import Connect
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay, replay
from tests.transport.raw_server import RawServer, http, serving

QUESTION = "What is the capital of Atlantis?"
ANSWER = f"FAKE-LLM says: you asked '{QUESTION}'. The capital of Atlantis is Poseidonia."
NOBODY = "0" * 32
DSL: dict[str, Any] = {"components": {}}

Served = Callable[..., tuple[RawServer, str]]


@pytest.fixture(params=["v0.24", "v0.27"])
def recording(request: pytest.FixtureRequest) -> Iterator[tuple[str, Replay]]:
    """Each version with a server that answers as one of that version did."""
    with replay(request.param) as server:
        yield request.param, server


@pytest.fixture
def served() -> Iterator[Served]:
    """``server, url = served(answer, …)``: a server that gives these answers one after the other."""
    with ExitStack() as stack:
        yield lambda *answers: stack.enter_context(serving(*answers))


def ok(data: Any, **around: Any) -> bytes:
    return http({"code": 0, "data": data, **around})


def body_of(version: str, name: str) -> bytes:
    return http(recorded(version, name).body)


def agent_of(version: str, name: str) -> str:
    """The id in the recorded path."""
    return recorded(version, name).path.split("/")[4]


def sent(server: RawServer) -> list[tuple[str, str, Any]]:
    """Method, path with query, and body of each request."""
    lines = [(received.line.split(" "), received.body) for received in server.requests]
    return [(line[0], line[1], json.loads(body) if body else None) for line, body in lines]


async def test_a_walk(recording: tuple[str, Replay], connect: Connect) -> None:
    """Made, got and deleted, with the same names on both versions."""
    version, server = recording
    client = connect(server.url)
    made = await client.create_agent(**recorded(version, "agent.create.llm").request_body)
    assert made.id == agent_of(version, "agent.update.title")
    assert made.title == recorded(version, "agent.create.llm").request_body["title"]
    got = await client.get_agent(made.id)
    assert got == made or got.dsl == made.dsl
    assert got.description == "d"
    await client.delete_agent(agent_of(version, "agent.delete.ok"))


async def test_update_v024(replay_v024: Replay, connect: Connect) -> None:
    """What that server was sent to change a title, and to change the canvas."""
    client = connect(replay_v024.url)
    for name in ("agent.update.title", "agent.update.dsl"):
        await client.update_agent(agent_of("v0.24", name), **recorded("v0.24", name).request_body)
    assert replay_v024.served[-2:] == ["agent.update.title", "agent.update.dsl"]


async def test_listing_v024(replay_v024: Replay, connect: Connect) -> None:
    """The plain list as agents; by id or title the one, and an unknown one is an error."""
    client = connect(replay_v024.url)
    rows = recorded("v0.24", "agent.list").body["data"]
    found = await client.list_agents(orderby="create_time")
    assert [(each.id, each.dsl) for each in found] == [(row["id"], row["dsl"]) for row in rows]
    assert found.total is None
    wanted = recorded("v0.24", "agent.list.id").query["id"]
    assert [each.id for each in await client.list_agents(id=wanted)] == [wanted]
    title = recorded("v0.24", "agent.list.title").query["title"]
    assert [each.title for each in await client.list_agents(title=title, orderby="create_time")] == [title]
    with pytest.raises(NotFoundError):
        await client.list_agents(title="zz", orderby="create_time")
    with pytest.raises(NotFoundError):
        await client.get_agent(NOBODY)


async def test_listing_v027(served: Served, connect: Connect) -> None:
    """Only agents are asked for; the total comes along."""
    server, url = served(body_of("v0.27", "agent.list"))
    client = connect(url, server_version="0.27")
    found = await client.list_agents(2, 5)
    assert [each.id for each in found] == [
        row["id"] for row in recorded("v0.27", "agent.list").body["data"]["canvas"]
    ]
    assert found.total == recorded("v0.27", "agent.list").body["data"]["total"]
    assert sent(server)[0][1] == (
        "/api/v1/agents?page=2&page_size=5&orderby=update_time&desc=True&canvas_category=agent_canvas"
    )


async def test_looking_for_a_title_v027(served: Served, connect: Connect) -> None:
    """Servers that cannot look for a title list those that contain it, all pages; only the same one counts."""
    rows = [{"id": f"{number}", "title": "My agent"} for number in range(100)]
    server, url = served(
        ok({"canvas": rows, "total": 101}), ok({"canvas": [{"id": "a", "title": "agent"}], "total": 101})
    )
    found = await connect(url, server_version="0.27").list_agents(title="agent")
    assert ([each.id for each in found], found.total) == (["a"], 1)
    assert ["keywords=agent" in path for _, path, _ in sent(server)] == [True, True]
    with pytest.raises(NotFoundError, match="title='agents'"):
        await connect(url, server_version="0.27").list_agents(title="agents")


async def test_looking_for_an_id_v027(replay_v027: Replay, connect: Connect) -> None:
    """It is got; a title that is another one's finds nothing."""
    client = connect(replay_v027.url)
    id = agent_of("v0.27", "agent.get")
    (found,) = await client.list_agents(id=id)
    assert found.dsl == recorded("v0.27", "agent.get").body["data"]["dsl"]
    with pytest.raises(NotFoundError):
        await client.list_agents(id=id, title="another")
    with pytest.raises(NotFoundError, match="canvas not found"):
        await client.list_agents(id=NOBODY)


async def test_iterating(served: Served, connect: Connect) -> None:
    """Agents and sessions of all pages, each once, until a page is not full."""
    rows = [{"id": str(number)} for number in range(130)]
    pages = [ok({"canvas": rows[:100], "total": 130}), ok({"canvas": rows[100:], "total": 130})]
    server, url = served(*pages, ok(rows[:100], total=130), ok(rows[100:], total=130))
    client = connect(url, server_version="0.27")
    assert [agent.id async for agent in client.iter_agents()] == [row["id"] for row in rows]
    assert [session.id async for session in client.agent("a").iter_sessions()] == [row["id"] for row in rows]
    assert [path.partition("page_size")[0][-7:-1] for _, path, _ in sent(server)] == ["page=1", "page=2"] * 2


async def test_an_update_keeps_the_canvas_type(served: Served, connect: Connect) -> None:
    """From v0.25.1 on servers empty it unless it is sent: the present one is looked up, once."""
    row = {"id": "a", "title": "t", "canvas_category": "dataflow_canvas"}
    listed = {"canvas": [{"id": "b", "canvas_type": "no"}, {"id": "a", "canvas_type": "Marketing"}]}
    server, url = served(ok(row), ok(listed), ok({"update_time": 1}))
    client = connect(url, server_version="0.27")
    await client.update_agent("a", description="new")
    get, look, put = sent(server)
    assert (get[1], look[1].partition("?")[0]) == ("/api/v1/agents/a", "/api/v1/agents")
    assert {"keywords=t", "canvas_category=dataflow_canvas"} <= set(look[1].partition("?")[2].split("&"))
    assert put == ("PUT", "/api/v1/agents/a", {"description": "new", "canvas_type": "Marketing"})
    await client.update_agent("a", title="u", canvas_type="Other", release=True)
    assert sent(server)[3:] == [
        ("PUT", "/api/v1/agents/a", {"title": "u", "canvas_type": "Other", "release": True})
    ]


async def test_an_update_of_the_canvas_on_v024(served: Served, connect: Connect) -> None:
    """That server saves a canvas and then fails unless the title is there: the present one is sent."""
    server, url = served(ok([{"id": "a", "title": "t"}]), ok(True))
    await connect(url, server_version="0.24").update_agent("a", dsl=DSL)
    assert sent(server) == [
        ("GET", "/api/v1/agents?id=a", None),
        ("PUT", "/api/v1/agents/a", {"dsl": DSL, "title": "t"}),
    ]


async def test_sessions(recording: tuple[str, Replay], connect: Connect) -> None:
    """Started with the opener, got with its answers, and deleted; some that are unknown are a partial failure."""
    version, server = recording
    agent = connect(server.url).agent(agent_of(version, "agent.sess.create"))
    session = await agent.create_session()
    assert [(each.role, each.content) for each in session.messages] == [
        ("assistant", "Hi! I am your assistant.")
    ]
    assert (session.agent_id, session.message) == (agent.id, session.messages)
    listed = await agent.list_sessions(orderby="create_time")
    data = recorded(version, "agent.sess.list.nodsl").body
    assert [each.id for each in listed] == [row["id"] for row in data["data"]]
    assert listed.total == data.get("total")
    with pytest.raises(PartialError, match="doesn't own the session") as caught:
        await agent.delete_sessions(
            recorded(version, "agent.sess.delete.ok_partial").request_body["ids"],
        )
    assert caught.value.data["success_count"] == 1
    await agent.delete_sessions([])


async def test_the_answers_of_a_session(replay_v027: Replay, connect: Connect) -> None:
    """A single session has its questions and answers in order, the opener first."""
    exchange = recorded("v0.27", "agent.sess.after")
    agent_id, session_id = exchange.path.split("/")[4::2]
    await connect(replay_v027.url).agent(agent_id).get_session(session_id)  # before it was asked anything
    session = await connect(replay_v027.url).agent(agent_id).get_session(session_id)
    assert [each.role for each in session.messages[:3]] == ["assistant", "user", "assistant"]
    assert session.messages[2].content == ANSWER
    assert session.agent_id == agent_id


async def test_the_citations_of_a_session(served: Served, connect: Connect) -> None:
    """Each answer has its own reference, whether the server keeps it beside the messages or in them."""
    chunk = {"id": "c", "content": "Poseidonia.", "document_id": None}
    messages = [
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "yes [ID:7]"},
    ]
    kept_beside = {"message": messages, "reference": [{}, {"chunks": {"7": chunk}, "doc_aggs": {}}]}
    in_them = {"message": [*messages[:4], {**messages[4], "reference": [{**chunk, "citation_id": "7"}]}]}
    _, url = served(
        ok({"id": "s", "dialog_id": "a", **kept_beside}), ok([{"id": "s", "agent_id": "a", **in_them}])
    )
    agent = connect(url, server_version="0.27").agent("a")
    for session in (await agent.get_session("s"), (await agent.list_sessions())[0]):
        (cited,) = session.messages[4].citations()
        assert cited.chunk is session.messages[4].reference[0]
        assert [each.reference for each in session.messages[:4]] == [[], [], [], []]


async def test_rehydrate(served: Served, connect: Connect) -> None:
    """What an agent's stored answer cites is filled up from the dataset, and stays what ``[ID:n]`` means."""
    stored = {"id": "c", "content": "Pos", "document_id": "d", "dataset_id": "k", "citation_id": "7"}
    said = [
        {"role": "assistant"},
        {"role": "user"},
        {"role": "assistant", "content": "[ID:7]", "reference": [stored]},
    ]
    fresh = {"id": "c", "content": "Poseidonia.", "document_id": "d", "dataset_id": "k", "image_id": "i"}
    server, url = served(ok([{"id": "s", "message": said}]), ok({"chunks": [fresh], "total": 1}))
    (session,) = await connect(url, server_version="0.27").agent("a").list_sessions()
    message = session.messages[2]
    assert await message.rehydrate() is message
    assert sent(server)[1][:2] == ("GET", "/api/v1/datasets/k/documents/d/chunks?id=c")
    (cited,) = message.citations()
    assert cited.chunk is not None
    assert (cited.chunk.content, cited.chunk.image_id) == ("Poseidonia.", "i")


async def test_a_stored_question_that_is_no_text(served: Served, connect: Connect) -> None:
    """v0.24 took a number for a question and keeps it so: the listing has it as text, and all sessions."""
    rows = recorded("v0.24", "agent.sess.list.after").body["data"]
    (place,) = [number for number, row in enumerate(rows) if row["messages"][0]["content"] == 5]
    _, url = served(body_of("v0.24", "agent.sess.list.after"))
    found = await connect(url, server_version="0.24").agent("a").list_sessions()
    assert [session.id for session in found] == [row["id"] for row in rows]
    assert found[place].messages[0].content == "5"


async def test_get_session_v024(served: Served, connect: Connect) -> None:
    """The list of the one; an empty list is an error."""
    server, url = served(ok([{"id": "s", "agent_id": "a", "messages": []}]), ok([]))
    agent = connect(url, server_version="0.24").agent("a")
    assert (await agent.get_session("s")).id == "s"
    assert "&id=s&" in sent(server)[0][1]
    with pytest.raises(NotFoundError, match="session_id='t'"):
        await agent.get_session("t")


async def test_whose_session(replay_v027: Replay, served: Served, connect: Connect) -> None:
    """``user_id`` goes where every version reads it; the rest is sent as it is."""
    server, url = served(body_of("v0.27", "agent.sess.create.user_query"))
    session = await connect(url).agent("a").create_session(user_id="u2", name="n")
    assert session.user_id == "u2"
    assert sent(server)[-1] == ("POST", "/api/v1/agents/a/sessions?user_id=u2", {"name": "n"})


async def test_what_a_session_does_not_take(served: Served, connect: Connect) -> None:
    """Servers pass over it, v0.24 over a name, too: it is refused, and nothing is sent."""
    server, url = served(ok({"id": "s"}))
    for version in ("0.24", "0.27"):
        with pytest.raises(InvalidRequestError, match=r"who='Bob': no server reads it here; ask\(inputs="):
            await connect(url, server_version=version).agent("a").create_session(who="Bob")
    with pytest.raises(UnsupportedError, match=r"create_session\(name=…\) needs RAGFlow v0\.25\.0"):
        await connect(url, server_version="0.24").agent("a").create_session(name="n")
    assert server.requests == []


@pytest.mark.parametrize("name", ["agent_id", "session_id", "query", "openai-compatible"])
async def test_options_cannot_redirect_a_question(name: str, served: Served, connect: Connect) -> None:
    """What the call says itself is not said a second time, by another name."""
    server, url = served(ok({}))
    client = connect(url, server_version="0.27")
    for asked in (client.agent("a"), client.agent_session("a", "s")):
        for stream in (False, True):
            with pytest.raises(InvalidRequestError, match=f"{name}='x': not an option"):
                await asked.ask("q", stream, **{name: "x"})  # type: ignore[call-overload]
    assert server.requests == []


async def test_thoughts_in_a_stored_answer(served: Served, connect: Connect) -> None:
    """They stand in its text, wherever a component of the agent thought; here they are its reasoning."""
    said = [("assistant", "Hi"), ("user", "<think>?"), ("assistant", "<think>a</think>b<think>c</think>d")]
    row = {"id": "s", "message": [{"role": role, "content": content} for role, content in said]}
    _, url = served(ok({**row, "reference": []}), ok([row]))
    agent = connect(url, server_version="0.27").agent("a")
    for session in (await agent.get_session("s"), (await agent.list_sessions())[0]):
        assert [(each.reasoning, each.content) for each in session.messages] == [
            ("", "Hi"), ("", "<think>?"), ("ac", "bd"),
        ]  # fmt: skip


async def test_deleting_all_sessions(served: Served, connect: Connect) -> None:
    """New servers are told; v0.24 gets the ids, listed first, a hundred a call, and nothing if there are none."""
    server, url = served(http({"code": 0}))
    await connect(url, server_version="0.27").agent("a").delete_sessions(delete_all=True)
    assert [body for _, _, body in sent(server)] == [{"delete_all": True}]
    ids = [str(number) for number in range(150)]
    rows = [{"id": id} for id in ids]
    server, url = served(ok(rows[:100]), ok(rows[100:]), http({"code": 0}))
    await connect(url, server_version="0.24").agent("a").delete_sessions(ids=None)
    assert [body for _, _, body in sent(server)] == [None, None, {"ids": ids[:100]}, {"ids": ids[100:]}]
    server, url = served(ok([]))
    await connect(url, server_version="0.24").agent("a").delete_sessions(ids=None)
    assert [method for method, _, _ in sent(server)] == ["GET"]


async def test_what_to_delete_has_to_be_said(served: Served, connect: Connect) -> None:
    """Without an argument, or with nothing to delete, nothing is sent."""
    server, url = served(http({"code": 0}))
    for version in ("0.24", "0.27"):
        agent = connect(url, server_version=version).agent("a")
        with pytest.raises(InvalidRequestError, match="say what to delete"):
            await agent.delete_sessions()
        await agent.delete_sessions([])
    assert server.requests == []


async def test_asking(recording: tuple[str, Replay], connect: Connect) -> None:
    """In a session and without one, whole and streamed, the answer is the same."""
    version, server = recording
    client = connect(server.url)
    agent = client.agent(agent_of(version, "agent.sess.create"))
    session = client.agent_session(agent.id, recorded(version, "agent.sess.create").body["data"]["id"])
    for asked in (session, agent):
        message = await asked.ask(QUESTION)
        assert (message.content, message.final) == (ANSWER, True)
        streamed = [each async for each in await asked.ask(QUESTION, stream=True)]
        assert "".join(each.content for each in streamed) == streamed[-1].full_content == ANSWER
        for each in (message, streamed[-1]):
            assert each.session_id
            assert (each.session_id == session.id) == (asked is session)


async def test_inputs(recording: tuple[str, Replay], connect: Connect) -> None:
    """A plain value is sent as v0.24 needs it, with its type."""
    version, server = recording
    agent = connect(server.url).agent(agent_of(version, "agent.sess.create.msg"))
    assert (await agent.ask("yo", inputs={"who": "Bob"})).content == "HelloBob! You said:yo"
    stream = await agent.ask("yo", stream=True, inputs={"who": {"type": "line", "value": "Bob"}})
    assert [each async for each in stream][-1].full_content == "HelloBob! You said:yo"


async def test_the_trace(replay_v027: Replay, connect: Connect) -> None:
    """What each component did, in order, of a whole answer if asked for; usage and times come along."""
    exchange = recorded("v0.27", "ac.return_trace").request_body
    session = connect(replay_v027.url).agent_session(exchange["agent_id"], exchange["session_id"])
    message = await session.ask(QUESTION, return_trace=True)
    assert [(step.component_id, step.component_type) for step in message.trace] == [
        ("begin", "Begin"),
        ("LLM:0", "LLM"),
        ("Message:0", "Message"),
    ]
    assert message.trace[1].outputs["content"] == ANSWER
    assert message.usage == {"calls": 1, "completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 27}


async def test_a_paused_run_goes_on(served: Served, connect: Connect) -> None:
    """What it asks for is answered in its session."""
    wanted = {"who": {"type": "line", "name": "Who"}}
    paused = {
        "event": "user_inputs",
        "session_id": "s",
        "data": {"inputs": wanted, "tips": "Who?", "content": ""},
    }
    server, url = served(ok(paused), ok({"event": "workflow_finished", "data": {"content": "Hello Bob"}}))
    client = connect(url, server_version="0.27")
    message = await client.agent("a").ask("hi")
    assert (message.paused, message.tips) == (True, "Who?")
    session = client.agent_session("a", message.session_id or "")
    assert (await session.ask(inputs={"who": "Bob"})).content == "Hello Bob"
    assert sent(server)[1][2] == {
        "agent_id": "a",
        "session_id": "s",
        "query": "",
        "stream": False,
        "inputs": {"who": {"type": "line", "value": "Bob"}},
    }


async def test_the_published_version(served: Served, connect: Connect) -> None:
    """Asking it without a session starts one on it, since a run without one is of the draft."""
    server, url = served(
        ok({"id": "s", "agent_id": "a"}), ok({"event": "message_end", "data": {"content": "x"}})
    )
    message = await connect(url, server_version="0.27").agent("a").ask("q", release=True, user_id="u")
    assert message.content == "x"
    start, asked = sent(server)
    assert start == ("POST", "/api/v1/agents/a/sessions?user_id=u", {"release": True})
    assert asked[2] == {
        "agent_id": "a",
        "session_id": "s",
        "query": "q",
        "stream": False,
        "user_id": "u",
    }


RELEASING: dict[str, Callable[[AsyncRAGFlow], Any]] = {
    "ask": lambda client: client.agent("a").ask("q", release=True),
    "create_session": lambda client: client.agent("a").create_session(release=True),
    "create_agent": lambda client: client.create_agent("t", DSL, release=True),
    "update_agent": lambda client: client.update_agent("a", release=True),
}


@pytest.mark.parametrize("name", RELEASING)
async def test_v024_publishes_nothing(name: str, served: Served, connect: Connect) -> None:
    """That server would pass over it, and answer with the draft: nothing is sent."""
    server, url = served(ok(True))
    with pytest.raises(UnsupportedError, match=r"needs RAGFlow v0\.25\.1 or later; this server is v0\.24\.0"):
        await RELEASING[name](connect(url, server_version="0.24"))
    assert server.requests == []


BAD: dict[str, tuple[Callable[[AsyncRAGFlow], Any], str]] = {
    "title": (lambda client: client.create_agent(" ", DSL), "title=' '"),
    "dsl": (lambda client: client.create_agent("t", "zz"), "dsl='zz'"),  # type: ignore[arg-type]
    "update": (lambda client: client.update_agent("a"), "at least one field"),
    "agent_id": (lambda client: client.get_agent("a/b"), "agent_id='a/b'"),
    "page_size": (lambda client: client.list_agents(page_size=101), "page_size=101"),
    "session_id": (lambda client: client.agent("a").get_session(""), "session_id=''"),
    "question": (lambda client: client.agent("a").ask(5), "question=5"),  # type: ignore[call-overload]
    "inputs": (lambda client: client.agent("a").ask("q", inputs="Bob"), "inputs='Bob'"),  # type: ignore[call-overload]
    "ids": (lambda client: client.agent("a").delete_sessions("s"), "ids='s'"),
}


@pytest.mark.parametrize("version", ["0.24", "0.27"])
@pytest.mark.parametrize("name", BAD)
async def test_bad_input(name: str, version: str, served: Served, connect: Connect) -> None:
    """It is refused before anything is sent, with the argument's name and value."""
    server, url = served(ok(True))
    call, said = BAD[name]
    with pytest.raises(InvalidRequestError) as caught:
        await call(connect(url, server_version=version))
    assert said in str(caught.value)
    assert server.requests == []


async def say(client: AsyncRAGFlow, name: str, *, version: str) -> object:
    """Ask as the recorded caller did."""
    exchange = recorded(version, name)
    told = dict(exchange.request_body)
    agent_id = told.pop("agent_id", None) or exchange.path.split("/")[4]
    question = told.pop("question", None) or told.pop("query", "")
    session_id, stream = told.pop("session_id", None), told.pop("stream")
    one = client.agent_session(agent_id, session_id) if session_id else client.agent(agent_id)
    if stream:
        return [each async for each in await one.ask(question, stream=True, **told)]
    return await one.ask(question, **told)


@pytest.mark.parametrize(
    ("version", "name", "kind", "said"),
    [
        ("v0.24", "ac.err.agent_missing", NotFoundError, "Agent not found"),
        ("v0.24", "ac.bad_llm.nostream", ServerError, "LLM type error"),
        ("v0.27", "ac.bad_llm.nostream", NotFoundError, "Model zz@fake@OpenAI-API-Compatible not found"),
        ("v0.27", "ac.bad_llm.stream", NotFoundError, "Model zz@fake@OpenAI-API-Compatible not found"),
        ("v0.27", "ac.err.agent_missing", PermissionDeniedError, "permission to access the agent"),
        ("v0.27", "ac.err.session_missing", NotFoundError, "Session not found"),
        ("v0.27", "ac.err.session_other", APIError, "does not belong to the requested agent"),
        ("v0.24", "ac.bad_llm.stream", StreamInterruptedError, "broke off"),
        ("v0.24", "ac.err.agent_missing_stream", StreamInterruptedError, "broke off"),
        ("v0.24", "ac.err.session_missing_stream", StreamInterruptedError, "broke off"),
    ],
)
async def test_refused_questions(
    version: str,
    name: str,
    kind: type[RAGFlowError],
    said: str,
    replay_v024: Replay,
    replay_v027: Replay,
    connect: Connect,
) -> None:
    """Each recorded error is one of its own kind; an answer that v0.24 broke off is none."""
    server = replay_v024 if version == "v0.24" else replay_v027
    with pytest.raises(kind, match=said):
        await say(connect(server.url), name, version=version)


async def test_refused_changes(replay_v027: Replay, connect: Connect) -> None:
    """A title that is taken, an unknown agent, a canvas that is none."""
    client = connect(replay_v027.url)
    with pytest.raises(PermissionDeniedError, match="owner of the agent"):
        await client.delete_agent(NOBODY)
    with pytest.raises(PermissionDeniedError, match="permission to access"):
        await client.agent(NOBODY).create_session()
    with pytest.raises(NotFoundError, match="Session not found"):
        await client.agent(agent_of("v0.27", "agent.sess.get.missing")).get_session(NOBODY)


async def test_a_taken_title(served: Served, connect: Connect) -> None:
    """It is a conflict on both versions."""
    for version, name in (("v0.24", "agent.create.dup"), ("v0.27", "agent.update.dup")):
        _, url = served(body_of(version, name))
        with pytest.raises(ConflictError, match="already exists"):
            await connect(url, server_version=version).create_agent("t", DSL)


async def test_an_interrupted_stream_keeps_the_text(served: Served, connect: Connect) -> None:
    """What had arrived is in the error."""
    frames = recorded("v0.27", "ac.stream.session").sent.decode().split("\n\n")[:4]
    body = ("\n\n".join(frames) + "\n\n").encode()
    _, url = served(http(body, **{"content-type": "text/event-stream", "connection": "close"}))
    with pytest.raises(StreamInterruptedError) as caught:
        async for _ in await connect(url, server_version="0.27").agent("a").ask("q", stream=True):
            pass
    assert caught.value.partial == "FAKE-LLM says: you"


async def test_types(replay_v027: Replay, connect: Connect) -> None:
    """Messages are ``AgentMessage``, and a session known by its ids sends nothing until it is asked."""
    client = connect(replay_v027.url)
    session = client.agent_session("a", "s")
    assert (session.agent_id, session.id, session.messages) == ("a", "s", [])
    assert replay_v027.served == []
    exchange = recorded("v0.27", "ac.nostream.session").request_body
    message = await client.agent_session(exchange["agent_id"], exchange["session_id"]).ask(QUESTION)
    assert type(message) is AgentMessage
