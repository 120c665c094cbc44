"""Asking a chat: what is sent to which version, and what is left behind (nothing)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ragflow_integrations import (
    InvalidRequestError,
    NotFoundError,
    ServerError,
    StreamInterruptedError,
    UnsupportedError,
)
from ragflow_integrations.protocol.converse import ask, ask_stream
from ragflow_integrations.protocol.versions import Version
from ragflow_integrations.protocol.wire import Call, Streamed

from .driving import Server

V24, V26, V27 = Version(0, 24), Version(0, 26, 1), Version(0, 27)
HISTORY = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
]
ANSWER = {"answer": "Yes.", "reference": {}, "id": "m", "session_id": "temporary"}
SESSION = {"id": "temporary", "messages": []}
ALONE: dict[str, Any] = {"session_id": None, "options": {}}


def test_in_a_session() -> None:
    """The question goes alone, with the prompt's variables: the server has the history."""
    server = Server([ANSWER])
    message = server.drive(ask("chat", "q", session_id="s", options={"quote": False}))
    assert message.content == "Yes."
    (request,) = server.requests
    assert request.path == "/api/v1/chat/completions"
    assert request.body == {
        "chat_id": "chat",
        "session_id": "s",
        "question": "q",
        "stream": False,
        "quote": False,
    }
    assert not request.idempotent


def test_in_a_session_of_v024() -> None:
    """There the chat is in the path, and a second one in the body would break the call."""
    server = Server([ANSWER], V24)
    server.drive(ask("chat", "q", session_id="s", options={}))
    assert server.asked == [("POST", "/api/v1/chats/chat/completions")]
    assert server.requests[0].body == {"session_id": "s", "question": "q", "stream": False}


def test_without_a_session() -> None:
    """v0.27 is told to store nothing, and gets the whole history."""
    server = Server([])
    streamed = server.drive(ask_stream("chat", HISTORY, **ALONE))
    assert streamed.request.body == {
        "chat_id": "chat", "messages": HISTORY, "stream": True,
        "pass_all_history_messages": True, "store_history_messages": False,
    }  # fmt: skip
    assert not streamed.request.idempotent
    assert server.drive(streamed.after) is None
    assert server.requests == []


def test_without_a_session_before_v027() -> None:
    """A session is made for it and deleted: until then servers store every question."""
    server = Server([SESSION, ANSWER, None], V26)
    assert server.drive(ask("chat", HISTORY, **ALONE)).content == "Yes."
    made, asked, deleted = server.requests
    assert (made.method, made.path) == ("POST", "/api/v1/chats/chat/sessions")
    assert asked.path == "/api/v1/chat/completions"
    assert asked.body == {
        "chat_id": "chat", "session_id": "temporary", "messages": HISTORY, "stream": False,
        "pass_all_history_messages": True,
    }  # fmt: skip
    assert (deleted.method, deleted.path, deleted.body) == (
        "DELETE", "/api/v1/chats/chat/sessions", {"ids": ["temporary"]},
    )  # fmt: skip


def test_without_a_session_on_v024() -> None:
    """The same with one question, in its own body."""
    server = Server([SESSION, ANSWER, None], V24)
    question = [{"role": "system", "content": "x"}, {"role": "assistant", "content": "y"}, HISTORY[0]]
    server.drive(ask("chat", question, session_id=None, options={"quote": False}))
    assert [method for method, _ in server.asked] == ["POST", "POST", "DELETE"]
    assert server.requests[1].path == "/api/v1/chats/chat/completions"
    assert server.requests[1].body == {
        "session_id": "temporary",
        "question": "a",
        "stream": False,
        "quote": False,
    }


def test_a_history_on_v024() -> None:
    """That version would answer the last question as if it were the first: it is refused, and nothing is sent."""
    server = Server([], V24)
    with pytest.raises(
        UnsupportedError, match=r"history needs RAGFlow v0\.25\.1 or later; this server is v0\.24\.0"
    ):
        server.drive(ask("chat", HISTORY, **ALONE))
    assert server.requests == []


@pytest.mark.parametrize(
    "failure", [ServerError("no model"), KeyboardInterrupt(), StreamInterruptedError("cut")]
)
def test_a_question_that_fails_leaves_nothing(failure: BaseException) -> None:
    """The session made for it is deleted, and what went wrong is raised."""
    server = Server([SESSION, failure, None], V24)
    with pytest.raises(type(failure)) as caught:
        server.drive(ask("chat", "q", **ALONE))
    assert caught.value is failure
    assert [method for method, _ in server.asked] == ["POST", "POST", "DELETE"]


def test_an_answer_is_not_lost_for_a_session(caplog: pytest.LogCaptureFixture) -> None:
    """If the session cannot be deleted, the log says so; the answer, or what went wrong, is what counts."""
    gone = NotFoundError("connection lost")
    with caplog.at_level(logging.WARNING, "ragflow_integrations"):
        assert Server([SESSION, ANSWER, gone], V24).drive(ask("chat", "q", **ALONE)).content == "Yes."
        with pytest.raises(ServerError, match="no model"):
            Server([SESSION, ServerError("no model"), gone], V24).drive(ask("chat", "q", **ALONE))
    assert (
        caplog.messages
        == ["session temporary of chat chat, made for one question, stays: connection lost"] * 2
    )


def test_a_session_that_could_not_be_made() -> None:
    """Nothing was asked and there is nothing to delete."""
    server = Server([NotFoundError("no chat")], V24)
    with pytest.raises(NotFoundError, match="no chat"):
        server.drive(ask("chat", "q", **ALONE))
    assert len(server.requests) == 1


def test_a_flow_that_is_given_up() -> None:
    """Closed from outside, it ends without asking for more."""
    flow = ask("chat", "q", **ALONE)
    next(flow)
    flow.send(V24)
    assert isinstance(flow.send(type("S", (), {"id": "temporary"})()), Call)
    flow.close()


def test_what_is_left_of_a_streamed_question() -> None:
    """The stream's caller deletes the session when it is over."""
    server = Server([SESSION], V24)
    streamed: Streamed[Any] = server.drive(ask_stream("chat", "q", **ALONE))
    assert streamed.request.body == {"session_id": "temporary", "question": "q", "stream": True}
    assert streamed.after is not None
    server.answers.append(None)
    server.drive(streamed.after)
    assert server.requests[-1].body == {"ids": ["temporary"]}


@pytest.mark.parametrize(
    "name", ["chat_id", "session_id", "conversation_id", "question", "messages", "store_history"]
)
def test_options_cannot_redirect_a_question(name: str) -> None:
    """A prompt's variable of such a name would change what is asked of whom: it is refused."""
    for session_id in ("s", None):
        with pytest.raises(InvalidRequestError, match=f"{name}='x': not a variable of a prompt"):
            Server([]).drive(ask("chat", "q", session_id=session_id, options={name: "x"}))


@pytest.mark.parametrize("session_id", ["s", None])
def test_a_condition_that_is_passed_over(session_id: str | None) -> None:
    """Since v0.25.1 servers answer as if there were none: it is refused; v0.24 is sent it."""
    condition = {"conditions": [{"name": "author", "comparison_operator": "is", "value": "x"}]}
    options = {"metadata_condition": condition}
    for version in (V26, V27):
        server = Server([], version)
        with pytest.raises(
            UnsupportedError, match=r"before v0\.25\.1; .* passes over it: chat_completions\(\)"
        ):
            server.drive(ask("chat", "q", session_id=session_id, options=options))
        assert server.requests == []
    server = Server([ANSWER], V24)
    server.drive(ask("chat", "q", session_id="s", options=options))
    assert server.requests[0].body["metadata_condition"] == condition


def test_whole_answers_in_each_frame() -> None:
    """``legacy`` is what makes the difference in reading: a server that does not know it is not sent it."""
    with pytest.raises(UnsupportedError, match=r"ask\(legacy=…\) needs RAGFlow v0\.26\.1 or later"):
        Server([], V24).drive(ask_stream("chat", "q", session_id="s", options={"legacy": True}))
    server = Server([], V26)
    assert server.drive(ask_stream("chat", "q", session_id="s", options={"legacy": True})).request.body[
        "legacy"
    ]


def test_documents_to_answer_from() -> None:
    """A list goes out as servers read it; an empty one would be all documents."""
    server = Server([ANSWER])
    server.drive(ask("chat", "q", session_id="s", options={"doc_ids": ["a", "b"]}))
    assert server.requests[0].body["doc_ids"] == "a,b"
    with pytest.raises(InvalidRequestError, match=r"doc_ids=\[\]: give at least one id"):
        server.drive(ask("chat", "q", session_id="s", options={"doc_ids": []}))


def test_stream_is_always_said() -> None:
    """Servers differ in what they do by default, and no option changes it."""
    server = Server([ANSWER])
    server.drive(ask("chat", "q", session_id="s", options={"stream": True}))
    assert server.requests[0].body["stream"] is False


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "question='': give a text that is not empty"),
        (None, "question=None: give a text, or a list"),
        (["a"], r"question=\['a'\]: give a text, or a list"),
        ([], "the last one must have the role 'user'"),
        (HISTORY[:2], "the last one must have the role 'user'"),
        ([{"role": "user", "content": " "}], "the last message's content=' ': give a text"),
    ],
)
def test_a_question_that_is_none(question: Any, said: str) -> None:
    """It is refused before anything is sent."""
    server = Server([], V24)
    with pytest.raises(InvalidRequestError, match=said):
        server.drive(ask("chat", question, **ALONE))
    assert server.requests == []
