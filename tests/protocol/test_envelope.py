"""RAGFlow's envelope: every error that was recorded is the right exception, and so is what is not RAGFlow's."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from typing import Any

import pytest

from ragflow_integrations import (
    APIError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PartialError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from ragflow_integrations.models import DataSetFields
from ragflow_integrations.protocol.envelope import envelope, error_for, payload
from ragflow_integrations.protocol.reading import model, models, nothing
from ragflow_integrations.protocol.wire import Request, Response

from .recorded import Exchange, exchanges, recorded

REQUEST = Request("GET", "/api/v1/datasets")
FILES = """01_auth_system 02_datasets 03_documents 04_chunks_retrieval 05_chats_sessions 06_completions
    08_chat_session_delete""".split()
NOT_OURS = ("/system/", "/v1/system/", "/models", "/chatbots/", "/users", "/tenants")

NOT_FOUND = [  # part of the server's message; all other errors with codes 100 to 102 are InvalidRequestError
    "lacks permission for dataset",
    "not found",
    "no authorization",
    "Can't find the dataset",
    "you don't own the document",
    "You don't own the dataset",
    "you don't own the dataset",
    "doesn't own the document",
    "doesn't own the session",
    "does not belong to this chat",
    "Documents not found",
    "These documents do not belong to dataset",
    "Not Found: /",
    "`llm_id` zz",
    "rm_chunk deleted chunks 0, expect 1",
    "405: Method Not Allowed",  # this server has another verb for it
]
CONFLICT = [
    "already exists",
    "duplicated chat name",
    "Duplicated document name",
    "currently being processed",
    "has not started or already completed",
    "doesn't own parsed file",
]


def errors() -> list[Exchange]:
    """The recorded error answers of v0.27.0 on the routes of this client."""
    return [
        exchange
        for exchange in exchanges("v0.27", *FILES)
        if isinstance(exchange.body, dict)
        and exchange.body.get("code") not in (0, None)
        and not any(part in exchange.path for part in NOT_OURS)
    ]


def expected(exchange: Exchange) -> type[APIError]:
    message = exchange.body["message"]
    if exchange.body["code"] == 401:
        return AuthenticationError
    if exchange.body["code"] == 101 or message.startswith("Field: <"):
        return InvalidRequestError
    if any(part in message for part in CONFLICT):
        return ConflictError
    return NotFoundError if any(part in message for part in NOT_FOUND) else InvalidRequestError


@pytest.mark.parametrize("exchange", errors(), ids=lambda exchange: exchange.name)
def test_recorded_errors(exchange: Exchange) -> None:
    """Each is its exception with the server's code and words, and names the request."""
    with pytest.raises(APIError) as caught:
        envelope(exchange.request, exchange.response)
    error = caught.value
    assert type(error) is expected(exchange)
    assert (error.code, error.status_code) == (exchange.body["code"], exchange.status)
    assert (error.method, error.path) == (exchange.method, exchange.path)
    assert exchange.body["message"].rstrip(".! ") in str(error)


def test_recorded_errors_are_of_all_kinds() -> None:
    """The table above is not about a handful of answers, nor all of one kind."""
    kinds = Counter(expected(exchange) for exchange in errors())
    assert set(kinds) == {AuthenticationError, ConflictError, InvalidRequestError, NotFoundError}
    assert min(kinds.values()) >= 5
    assert sum(kinds.values()) > 140


@pytest.mark.parametrize(
    "name", ["ds.list.default", "doc.list", "chat.create", "chunk.list", "ret.ok", "parse.ok"]
)
def test_recorded_successes(name: str) -> None:
    """``data`` comes out, whether ``message`` is a word or absent; ``None`` where the server sends none."""
    exchange = recorded("v0.27", name)
    assert payload(exchange.request, exchange.response) == exchange.body.get("data")


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"content-type": "application/json", **headers}, content)


@pytest.mark.parametrize(
    ("response", "kind", "said"),
    [
        (answer(b"<html>hi</html>", **{"content-type": "text/html"}), ServerError, "text/html (it starts '<html>"),
        (answer(b"", **{"content-type": ""}), ServerError, "the answer is empty: this is not RAGFlow's API"),
        (answer(b"<h1>502</h1>", 502), ServerError, "HTTP 502"),
        (answer(b"<h1>too large</h1>", 413), InvalidRequestError, "larger than a proxy or the server takes"),
        (answer(b"<h1>no</h1>", 401), AuthenticationError, "HTTP 401"),
        (answer(b"<h1>no</h1>", 403), PermissionDeniedError, "HTTP 403"),
        (answer(b"slow down", 429), RateLimitError, "HTTP 429"),
        (answer(b"<h1>no</h1>", 404), ServerError, "HTTP 404"),
        (answer({"code": 404, "message": "Not Found: /x"}, 404), NotFoundError, "no such route"),
        (answer({"detail": "Not Found"}), ServerError, "JSON, but not RAGFlow's: it has no code"),
        (answer({"code": True}), ServerError, "it has no code"),
        (answer([1]), ServerError, "not an object"),
        (answer(b"\xff\xfe\xff"), ServerError, "not JSON"),
        (answer({"code": 403, "message": "not yours"}), PermissionDeniedError, "not yours"),
        (answer({"code": 108, "message": "Only owner may"}), PermissionDeniedError, "Only owner"),
        (answer({"code": 409, "message": "it is there"}), ConflictError, "it is there"),
        (answer({"code": 429, "message": "later"}), RateLimitError, "later"),
        (answer({"code": 100, "message": "AttributeError('x')"}), ServerError, "AttributeError"),
        (answer({"code": 500}), ServerError, "the server gave no message for code 500"),
        (answer({"code": 500, "message": "b.exe: no", "data": [{"id": "1"}]}), PartialError, "b.exe: no"),
        (answer({"code": 109, "message": "API key is invalid!", "data": False}), AuthenticationError, "api_key="),
        (answer({"code": 0, "message": "`Authorization` is empty", "data": False}), AuthenticationError, "api_key="),
        (answer({"retcode": 109, "retmsg": "Token is not valid!"}), AuthenticationError, "Token is not valid"),
    ],
)  # fmt: skip
def test_other_answers(response: Response, kind: type[APIError], said: str) -> None:
    """What proxies, other servers and older versions answer is typed, and the message says what to do."""
    with pytest.raises(APIError, match=r"\(.*GET /api/v1/datasets\)") as caught:
        envelope(REQUEST, response)
    assert type(caught.value) is kind
    assert said in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>moved</html>"])
def test_redirects_name_their_target(body: bytes) -> None:
    """A redirect is not followed, whatever its body; the error says where it points."""
    with pytest.raises(
        ServerError, match=r"redirects to https://other\.example/.*key is sent to base_url only"
    ):
        envelope(REQUEST, answer(body, 302, location="https://other.example/api/v1/datasets"))


@pytest.mark.parametrize("body", [{"code": 0}, {"code": 0, "message": True}, {"code": 0, "data": None}])
def test_success_without_data(body: dict[str, Any]) -> None:
    """``data`` may be missing and ``message`` a boolean: no error, and no data."""
    assert payload(REQUEST, answer(body)) is None


def test_the_callers_words_do_not_choose_the_error() -> None:
    """A refused value is repeated in the message; that it says "not found" makes it no ``NotFoundError``."""
    message = "Field: <name> - Message: <too long> - Value: <already exists, not found>"
    for code in (101, 102):
        assert type(error_for(REQUEST, 200, code, message)) is InvalidRequestError


def test_a_name_makes_nothing_unsupported() -> None:
    """Only the engine's own sentence is an ``UnsupportedError``, not a caller's name repeated in a message."""
    refused = "User 'u' lacks permission for dataset 'the local engine guide'"
    assert type(error_for(REQUEST, 200, 102, refused)) is NotFoundError
    missing = "the local engine does not have `use_kg` yet; a RAGFlow server has it"
    assert type(error_for(REQUEST, 200, 102, missing)) is UnsupportedError


@pytest.mark.parametrize(
    "name", ["sess.delete.partial", "chat.delete.partial", "chunk.delete.dup", "parse.dup"]
)
def test_partial_success_is_no_success(name: str) -> None:
    """Code 0 with ``errors`` is a ``PartialError`` that says what failed and holds what succeeded."""
    exchange = recorded("v0.27", name)
    with pytest.raises(PartialError, match="own the session|not found|Duplicate") as caught:
        nothing(exchange.request, exchange.response)
    assert caught.value.data["success_count"] == 1


@pytest.mark.parametrize("data", [False, "x", [{"name": 1}], [1], {"a": 1}])
def test_an_unexpected_shape_is_no_empty_list(data: Any) -> None:
    """What cannot be read is the server's error, naming the place, never an empty result."""
    with pytest.raises(ServerError, match="has not the shape"):
        models(DataSetFields, data, REQUEST)


@pytest.mark.parametrize("data", [None, {}, []])
def test_empty_lists(data: Any) -> None:
    """Servers write an empty list in three ways."""
    assert models(DataSetFields, data, REQUEST) == []


def test_a_missing_object_is_an_error() -> None:
    """An answer that should hold an object and does not is no object full of defaults."""
    with pytest.raises(ServerError, match="has not the shape"):
        model(DataSetFields)(REQUEST, answer({"code": 0}))


def test_errors_survive_pickling() -> None:
    """All that an error knows goes along, to another process too."""
    error = error_for(REQUEST, 200, 102, "no such thing", {"a": 1})
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
