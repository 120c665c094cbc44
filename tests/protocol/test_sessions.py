"""A chat's sessions: whose reference is whose, and what versions do differently."""

from __future__ import annotations

from typing import Any

import pytest

from ragflow_integrations import InvalidRequestError, NotFoundError, UnsupportedError
from ragflow_integrations.models import SessionFields
from ragflow_integrations.protocol import sessions
from ragflow_integrations.protocol.versions import Version

from .driving import Server
from .recorded import recorded

V24, V27 = Version(0, 24), Version(0, 27)


def opened(*turns: str, reference: Any = None, **more: Any) -> SessionFields:
    """A session whose messages are an opener, then ``turns``, ``u…`` by the user and ``a…`` by the assistant."""
    roles = {"u": "user", "a": "assistant"}
    messages = [{"role": roles[turn[0]], "content": turn} for turn in turns]
    row = {
        "id": "s",
        "messages": [{"role": "assistant", "content": "Hi"}, *messages],
        "reference": reference,
        **more,
    }
    session: SessionFields = Server([row]).drive(sessions.get("c", "s"))
    return session


def references(session: SessionFields) -> list[tuple[str, list[str]]]:
    return [(each.content, [chunk.id for chunk in each.reference]) for each in session.messages]


def cited(*ids: str) -> dict[str, Any]:
    return {"chunks": [{"id": id} for id in ids], "doc_aggs": [], "total": len(ids)}


@pytest.mark.parametrize(("version", "answers"), [("v0.24", 3), ("v0.27", 6)])
def test_a_recorded_session(version: str, answers: int) -> None:
    """Each answer has its reference, the opener none: v0.24's list gives the first one's to the opener."""
    exchange = recorded(version, "sess.after")
    server = Server([exchange.sent], V24 if version == "v0.24" else V27)
    session = server.drive(sessions.get("c", exchange.path.rpartition("/")[2]))
    counts = [(each.role, len(each.reference)) for each in session.messages]
    assert counts == [("assistant", 0), *[("user", 0), ("assistant", 1)] * answers]
    assert session.message is session.messages
    last = session.messages[-1]
    assert last.reference[0].document_name == "atlantis.txt"
    assert [citation.chunk for citation in last.citations()] == last.reference
    assert (last.total, len(last.doc_aggs)) == ((None, 0) if version == "v0.24" else (1, 1))


def test_each_answer_has_its_own() -> None:
    """The n-th reference is that of the n-th answer."""
    session = opened("u1", "a1", "u2", "a2", reference=[cited("x"), cited("y", "z")])
    assert references(session) == [("Hi", []), ("u1", []), ("a1", ["x"]), ("u2", []), ("a2", ["y", "z"])]


def test_answers_that_a_caller_brought() -> None:
    """A history that was sent along has no references: those there are belong to the last answers."""
    assert references(opened("u1", "a1", "u2", "a2", reference=[cited("y")]))[-3:] == [
        ("a1", []), ("u2", []), ("a2", ["y"]),
    ]  # fmt: skip
    shorter = opened("u2", "a2", reference=[cited("x"), cited("y")])
    assert references(shorter)[-1] == ("a2", ["y"])


@pytest.mark.parametrize("reference", [None, {}, [], [{}], [[]], [{"chunks": None, "doc_aggs": {}}]])
def test_no_reference(reference: Any) -> None:
    """However a server writes nothing."""
    assert references(opened("u1", "a1", reference=reference))[-1] == ("a1", [])


def test_reasoning() -> None:
    """Stored answers have it inline; here it is apart, as in the answer when it came."""
    answer = opened("u1", "a<think>").messages[-1]
    assert (answer.reasoning, answer.content) == ("", "a<think>")
    row = {
        "messages": [
            {"role": "user", "content": "<think>"},
            {"role": "assistant", "content": "<think>Hm</think>Yes"},
        ]
    }
    first, second = Server([row]).drive(sessions.get("c", "s")).messages
    assert (first.content, second.reasoning, second.content) == ("<think>", "Hm", "Yes")


def test_a_session_of_v024_that_is_not_there() -> None:
    """Its list is empty, which is no session."""
    with pytest.raises(NotFoundError, match="the chat c has no session s"):
        Server([[]], V24).drive(sessions.get("c", "s"))


def test_renaming() -> None:
    """Only the name can be changed; v0.24 answers nothing, so the session is read again."""
    server = Server([None, [{"id": "s", "name": "new"}]], V24)
    assert server.drive(sessions.update("c", "s", {"name": "new"})).name == "new"
    assert [method for method, _ in server.asked] == ["PUT", "GET"]
    server = Server([{"id": "s", "name": "new"}])
    assert server.drive(sessions.update("c", "s", {"name": "new"})).name == "new"
    assert server.asked == [("PATCH", "/api/v1/chats/c/sessions/s")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "name at least one field to change"),
        ({"messages": []}, r"messages=\[\]: of a session only the name can be changed"),
        ({"name": "n", "user_id": "u"}, "user_id='u': of a session only the name"),
        ({"name": ""}, "name='': give a text"),
    ],
)
def test_wrong_changes(fields: dict[str, Any], said: str) -> None:
    """They are refused before anything is sent."""
    server = Server([])
    with pytest.raises(InvalidRequestError, match=said):
        server.drive(sessions.update("c", "s", fields))
    assert server.requests == []


def test_whose_session_it_is() -> None:
    """v0.24 keeps a user's id; later servers would pass over it and give the session to the key's owner."""
    server = Server([{"id": "s", "user_id": "u1"}], V24)
    assert server.drive(sessions.create("c", "n", "u1")).user_id == "u1"
    assert server.requests[0].body == {"name": "n", "user_id": "u1"}
    with pytest.raises(
        UnsupportedError, match=r"user_id=….* needs RAGFlow before v0\.25\.0; this server is v0\.27\.0"
    ):
        Server([]).drive(sessions.create("c", "n", "u1"))


def test_delete_all_of_v024() -> None:
    """The ids are listed first: none at all would delete every session, now and of a later call."""
    server = Server([[{"id": "a"}, {"id": "b"}], None], V24)
    server.drive(sessions.delete("c", None))
    assert [(request.method, request.body) for request in server.requests] == [
        ("GET", None), ("DELETE", {"ids": ["a", "b"]}),
    ]  # fmt: skip
    server = Server([[]], V24)
    server.drive(sessions.delete("c", None))
    assert [request.method for request in server.requests] == ["GET"]
