"""Wrong arguments fail before anything is sent: every parameter of every method that speaks to a server.

What is wrong for a parameter is told by its annotation. The clients here have a server that refuses every connection
and whose version they do not know, so that whatever is sent, even to ask for the version, is a ``ConnectError``.
"""

from __future__ import annotations

import inspect
import math
import socket
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import ragflow_integrations as package
from ragflow_integrations import ConnectError, InvalidRequestError, Memory, RAGFlow
from ragflow_integrations.models import (
    AgentMessage,
    ChunkFields,
    DataSetFields,
    DocumentFields,
    Message,
    SearchFields,
)
from ragflow_integrations.protocol.versions import COMPOSED, OPERATIONS

METHODS = [*OPERATIONS, *COMPOSED]
VALUES: list[Any] = [
    None, True, False, 5, 1.5, "", "x", b"x", Path("x"), object(),
    [5], [None], ["x"], [{"x": 1}], {"x": 5}, {5: "x"},
]  # fmt: skip
OUT_OF_RANGE = [-1, math.nan, math.inf, -math.inf]
DELETED = {"ids": ["x"]}
NEEDED: dict[str, dict[str, Any]] = {
    "RAGFlow.get_dataset": {"dataset_id": "x"},
    "RAGFlow.get_chat": {"chat_id": "x"},
    "RAGFlow.retrieve": {"question": "x", "dataset_ids": ["x"]},
    "RAGFlow.chat_completions": {"reference": True},
    "RAGFlow.update_agent": {"title": "x"},
    "RAGFlow.upload_file": {"name": "x"},
    "RAGFlow.delete_datasets": DELETED,
    "RAGFlow.delete_chats": DELETED,
    "DataSet.upload": {"name": "x"},
    "DataSet.update_metadata": {"updates": [{"key": "x", "value": "x"}], "document_ids": None},
    "DataSet.update_auto_metadata": {"metadata": [{"key": "x", "type": "string"}]},
    "DataSet.delete_documents": DELETED,
    "Document.delete_chunks": DELETED,
    "Chunk.update": {"update_message": {"content": "x"}},
    "Chat.delete_sessions": DELETED,
    "Session.ask": {"question": "x"},
    "Agent.delete_sessions": DELETED,
}
"""What must be given besides what has no default, or in place of ``RIGHT``."""
RIGHT: dict[str, Any] = {
    "document_list": [{"display_name": "x", "blob": b"x"}],
    "documents": {"x": b"x"},
    "memory_type": ["raw"],
    "messages": [{"role": "user", "content": "x"}],
    "source": b"x",
    "update_dict": {"name": "x"},
    "update_message": {"name": "x"},
    "url": "https://x",
}
"""Values of parameters for which not any value of their type will do."""


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that an annotation says."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object):
        return True
    if kind in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if kind is typing.Literal:
        return value in inner
    if kind in (Sequence, Iterable):
        return isinstance(value, (list, tuple)) and all(fits(each, inner[0]) for each in value)
    if kind is Mapping:
        return isinstance(value, dict) and all(
            fits(name, inner[0]) and fits(each, inner[1]) for name, each in value.items()
        )
    if kind is Callable:
        return callable(value)
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, kind or hint)


def wrong(name: str, hint: Any) -> list[Any]:
    """Values that a parameter must not take."""
    unfit = [value for value in VALUES if not fits(value, hint)]
    is_number = name != "message_id" and (fits(5, hint) or fits(1.5, hint)) and hint is not Any
    return unfit + (OUT_OF_RANGE if is_number else [])


@pytest.fixture(scope="module")
def owners() -> Iterator[dict[str, Any]]:
    """An object of each class, by its name."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        with RAGFlow("key", f"http://127.0.0.1:{nobody.getsockname()[1]}", max_retries=0) as client:
            cited = {"reference": [ChunkFields(id="x", document_id="x", dataset_id="x")]}
            fields = {
                "DataSet": DataSetFields(id="x"),
                "Document": DocumentFields(id="x", dataset_id="x", thumbnail="x.png"),
                "Chunk": ChunkFields(id="x", document_id="x", dataset_id="x", image_id="x"),
                "Search": SearchFields(id="x"),
                "StoredMessage": Message(**cited),
                "StoredAgentMessage": AgentMessage(**cited),
            }
            yield {
                "RAGFlow": client,
                "Chat": client.chat("x"),
                "Session": client.session("x", "x"),
                "Agent": client.agent("x"),
                "AgentSession": client.agent_session("x", "x"),
                "Memory": Memory(client, {"id": "x"}),
                **{name: getattr(package, name)._of(client, each) for name, each in fields.items()},
            }


def parameters(method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    found = inspect.signature(method).parameters
    return {name: each for name, each in found.items() if each.kind is not each.VAR_KEYWORD}


def right(operation: str, method: Callable[..., Any]) -> dict[str, Any]:
    """Arguments with which there is something to send."""
    hints = typing.get_type_hints(method)
    needed = [name for name, each in parameters(method).items() if each.default is each.empty]
    given = {name: RIGHT[name] if name in RIGHT else _first_of(hints[name]) for name in needed}
    return {**given, **NEEDED.get(operation, {})}


def _first_of(hint: Any) -> Any:
    return next(value for value in ("x", ["x"], [{"x": 1}], {"x": 5}, True, 5, None) if fits(value, hint))


def called(method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """What comes of a call: an exception, or the result."""
    try:
        result = method(**arguments)
        return next(result) if isinstance(result, Iterator) else result
    except Exception as error:  # noqa: BLE001 - it is what is tested
        return error


@pytest.mark.parametrize("operation", METHODS)
def test_wrong_arguments(operation: str, owners: dict[str, Any]) -> None:
    """With the right ones something is sent; with one wrong nothing is, and the error names it."""
    owner, _, name = operation.partition(".")
    method = getattr(owners[owner], name)
    arguments, hints = right(operation, method), typing.get_type_hints(method)
    assert isinstance(called(method, arguments), ConnectError)
    taken = [
        (parameter, value, outcome)
        for parameter in parameters(method)
        for value in wrong(parameter, hints[parameter])
        for outcome in [called(method, {**arguments, parameter: value})]
        if not isinstance(outcome, InvalidRequestError) or parameter not in str(outcome)
    ]
    assert taken == []


def test_what_is_tried() -> None:
    """Most methods have parameters, and every kind of parameter has wrong values."""
    tried = {
        operation: parameters(getattr(getattr(package, owner), name))
        for operation in METHODS
        for owner, _, name in [operation.partition(".")]
    }
    assert sum(len(each) - 1 for each in tried.values()) > 250  # but for ``self``
    assert wrong("", str) == [*VALUES[:5], *VALUES[7:]]
    assert wrong("", int) == [*VALUES[:3], 1.5, *VALUES[5:], *OUT_OF_RANGE]
    assert wrong("", Sequence[str] | None) == [*VALUES[1:12], *VALUES[13:]]
