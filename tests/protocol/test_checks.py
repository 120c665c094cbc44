"""Arguments are checked before anything is sent; the message says what was given and what is right."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from ragflow_integrations import InvalidRequestError
from ragflow_integrations.protocol import chats, chunks, converse, datasets, documents, parsing, retrieval
from ragflow_integrations.protocol.checks import (
    NOT_GIVEN,
    check_id,
    check_ids,
    check_page,
    check_text,
    to_delete,
)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None])
def test_page(value: Any) -> None:
    """Pages count from 1, in whole numbers."""
    with pytest.raises(InvalidRequestError, match=f"^page={value!r}: give a whole number from 1$"):
        check_page(value, 30)


@pytest.mark.parametrize("value", [0, -1, 101, True, 1.5, "30", None])
def test_page_size(value: Any) -> None:
    """A page holds 1 to 100: servers refuse more, and take 0 for 30."""
    with pytest.raises(
        InvalidRequestError, match=f"^page_size={value!r}: give a whole number from 1 to 100$"
    ):
        check_page(1, value)


def test_pages_that_fit() -> None:
    """Both ends are allowed."""
    check_page(1, 1)
    check_page(10_000, 100)


@pytest.mark.parametrize("value", ["", "  ", "\n", None, 5, b"x"])
def test_text(value: Any) -> None:
    """A blank text, or none, is refused by its name."""
    with pytest.raises(InvalidRequestError, match="^question=.*give a text that is not empty"):
        check_text("question", value)


@pytest.mark.parametrize(
    "value", ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "ä", "a\nb", None, 7, ["a"]]
)
def test_id(value: Any) -> None:
    """An id becomes a part of the path: it cannot leave its place there."""
    with pytest.raises(InvalidRequestError, match="^chat_id=.*id"):
        check_id("chat_id", value)


@pytest.mark.parametrize("value", ["25de68a0e57e11f1bec502fc00000001", "a-b_c.d:e", "0"])
def test_ids_that_fit(value: str) -> None:
    """RAGFlow's own ids, and other plain ones, pass as they are."""
    assert check_id("chat_id", value) == value


@pytest.mark.parametrize("value", ["abc", b"abc", {"a": 1}, {"a"}, None, 5, ["a", ""], ["a", None], []])
def test_id_lists(value: Any) -> None:
    """A lone id, a set, nothing, or a list with something else in it is refused."""
    with pytest.raises(InvalidRequestError, match="^ids="):
        check_ids("ids", value)


def test_each_id_once() -> None:
    """Servers answer a repeated id with an error; here it is meant once, in the order given."""
    assert check_ids("ids", ("b", "a", "b")) == ["b", "a"]


def test_to_delete() -> None:
    """Everything is deleted only by saying so."""
    assert to_delete("ids", ["a"], False) == ["a"]
    assert to_delete("ids", [], False) == []
    assert to_delete("ids", None, False) is None
    assert to_delete("ids", NOT_GIVEN, True) is None
    assert to_delete("ids", None, True) is None


@pytest.mark.parametrize(
    ("ids", "everything", "said"),
    [
        (NOT_GIVEN, False, r"ids=\[…\] for those, or ids=None or delete_all=True for everything"),
        (["a"], True, "not both"),
        ([], True, "not both"),
        ("a", False, "give a list of ids"),
        ((one for one in "ab"), False, "give a list of ids"),
        (NOT_GIVEN, "no", "delete_all='no': give True or False"),
        (NOT_GIVEN, ["a"], r"delete_all=\['a'\]: give True or False"),
    ],
)
def test_unclear_deletes(ids: Any, everything: Any, said: str) -> None:
    """No argument, two that contradict each other, a lone id, a text for a truth value: an error that says how."""
    with pytest.raises(InvalidRequestError, match=said):
        to_delete("ids", ids, everything)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: datasets.create({"name": " "}), "name=' '"),
        (lambda: datasets.update("d", {}), "name at least one field"),
        (lambda: datasets.update("d", ["name"]), r"update_message=\['name'\]"),  # type: ignore[arg-type]
        (lambda: documents.update("d", "x", {}), "name at least one field"),
        (lambda: documents.update("d", "x", None), "update_message=None"),  # type: ignore[arg-type]
        (lambda: documents.update("d", "x", {"display_name": "b", "name": "b"}), "both are the document's name"),
        (lambda: documents.upload("d", []), r"document_list=\[\]"),
        (lambda: documents.upload("d", ["a.txt"]), r"document_list\[0\]='a.txt'"),  # type: ignore[list-item]
        (lambda: documents.upload("d", [b"x" * 10**6]), r"document_list\[0\]=b'x{1,99}\.\.\."),  # type: ignore[list-item]
        (lambda: documents.upload("d", [{"blob": b"x"}]), r"document_list\[0\]\['display_name'\]=None"),
        (lambda: documents.upload("d", [{"display_name": "a.txt", "blob": "x"}]), "as bytes"),
        (lambda: parsing.parse("d", []), r"document_ids=\[\]"),
        (lambda: chunks.add("d", "x", content=""), "content=''"),
        (lambda: chunks.add("d", "x", content="c", questions="why"), "questions='why'"),
        (lambda: retrieval.retrieve("", dataset_ids=["d"]), "question=''"),
        (lambda: retrieval.retrieve("q", dataset_ids=[]), r"dataset_ids=\[\]"),
        (lambda: retrieval.retrieve("q", dataset_ids="d"), "dataset_ids='d'"),
        (lambda: chats.update("c", {}), "name at least one field"),
        (lambda: chats.update("c", "name"), "update_message='name'"),  # type: ignore[arg-type]
        (lambda: converse.ask("c", "", session_id=None, options={}), "question=''"),
        (lambda: converse.ask("c", "", session_id="s", options={}), "question=''"),
        (lambda: converse.ask("c", [], session_id=None, options={}), "the role 'user'"),
        (lambda: converse.ask("c", [{"role": "assistant", "content": "x"}], session_id=None, options={}), "'user'"),
        (lambda: converse.ask("c", [{"role": "user", "content": ""}], session_id=None, options={}), "content=''"),
        (lambda: converse.ask("c", ["hello"], session_id=None, options={}), "give a text, or a list"),  # type: ignore[list-item]
        (lambda: converse.ask("c", None, session_id=None, options={}), "question=None"),  # type: ignore[arg-type]
        (lambda: converse.ask("c", [{"role": "user", "content": "x"}], session_id="s", options={}), "give a text"),
    ],
)  # fmt: skip
def test_calls_that_are_not_made(make: Any, said: str) -> None:
    """Wrong arguments are refused before a request exists, by name and value."""
    with pytest.raises(InvalidRequestError, match=said):
        begun(make())


def begun(made: Any) -> Any:
    """What a builder made; a flow as far as its first step, before anything is sent."""
    return next(made) if isinstance(made, Generator) else made
