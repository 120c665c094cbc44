"""Everything that real servers were recorded to send arrives at the caller: each field of it, or a typed error."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from ragflow_integrations.errors import APIError, StreamInterruptedError
from ragflow_integrations.protocol.versions import OPERATIONS

from .kept import lost_or_invented, objects_sent
from .readings import READINGS, Reading, Recorded, frames, recorded_of, succeeded
from .recorded import VERSIONS, Exchange

ALL = [it for version in VERSIONS for it in recorded_of(version)]
KEPT = [it for it in ALL if succeeded(it.exchange)]
REFUSED = [it for it in ALL if not succeeded(it.exchange)]

AT_LEAST = {"v0.24": (493, 69, 15_142, 340), "v0.27": (430, 73, 20_199, 278)}
"""Successes, their operations, their values, and refusals; may only grow."""
DONE = {"success_count", "deleted", "update_time"}
"""How servers say that something was done; a call that returns nothing has nothing to return of these."""
DERIVED = frozenset({"content", "full_content", "final", "reasoning", "role", "api_version"})
"""What the client makes of an answer besides its fields."""
ONLY_FIELD = {"RAGFlow.server_info": "version"}
"""Where a result has what the server sends as a bare text."""


def test_each_operation_has_a_reading() -> None:
    """Every operation that was recorded is read here, and no reading is of an operation that is gone."""
    assert sorted({it.operation for it in ALL} - READINGS.keys()) == []
    assert sorted(READINGS.keys() - OPERATIONS.keys()) == []


def groups(found: list[Recorded]) -> pytest.MarkDecorator:
    """The same test for each operation of each version."""
    by_operation: dict[tuple[str, str], list[Recorded]] = {}
    for it in found:
        by_operation.setdefault((it.exchange.version, it.operation), []).append(it)
    return pytest.mark.parametrize(
        "group", by_operation.values(), ids=["-".join(key) for key in by_operation]
    )


@groups(KEPT)
def test_no_field_is_lost(group: list[Recorded]) -> None:
    """Each key and value of each success is in the result, recursively; nothing is there that was not sent."""
    assert {it.exchange.name: found for it in group if (found := lost(it))} == {}


@groups(REFUSED)
def test_each_refusal_is_typed(group: list[Recorded]) -> None:
    """Each error answer is an error of a kind of its own, with RAGFlow's code, words and status."""
    for it in group:
        assert mistold(it.exchange, Reading(it).error) == [], it.exchange.name


@pytest.mark.parametrize("version", VERSIONS)
def test_how_much_was_compared(version: str) -> None:
    """The tests above are about hundreds of answers and thousands of values."""
    kept, refused = ([it for it in found if it.exchange.version == version] for found in (KEPT, REFUSED))
    values = sum(len(row.values) for it in kept for row in objects_sent(sent(it)))
    counts = len(kept), len({it.operation for it in kept}), values, len(refused)
    told = "successes, their operations, their values, refusals"
    print(f"{version}: {told}: {counts}")  # noqa: T201 - pytest -s shows it
    assert all(map(operator.ge, counts, AT_LEAST[version])), counts


def lost(it: Recorded) -> list[str]:
    """How the result differs from what was sent; a file is its bytes."""
    reading, expected = Reading(it), sent(it)
    if reading.error is not None:
        return [repr(reading.error)]
    if isinstance(expected, bytes):
        same = bytes(reading.result) == expected
        return [] if same else [f"{reading.result!r} was read, {expected!r} sent"]
    if reading.result is None and isinstance(expected, dict) and expected.keys() <= DONE:
        return []
    if isinstance(reading.result, str) and isinstance(expected, dict):
        return [] if [*expected.values()] == [reading.result] else [f"{reading.result!r} of {expected}"]
    ends = it.streamed and not it.operation.endswith("_completions")  # the last piece has all of the answer
    return lost_or_invented(expected, reading.result[-1] if ends else reading.result, DERIVED)


def sent(it: Recorded) -> Any:
    """What there is to keep of an answer: without its envelope, and of one text its only field."""
    if it.streamed:
        return STREAMS.get(it.operation, whole_answer)(frames(it.exchange))
    body = it.exchange.body
    if isinstance(body, str):
        return it.exchange.sent
    if "code" not in body:
        return body
    data = body.get("data")
    around = {name: each for name, each in body.items() if name not in ("code", "message", "data")}
    if it.operation in ("Chat.ask", "Session.ask"):
        return {name: each for name, each in data.items() if name != "final"}
    if isinstance(data, str):
        return {**around, ONLY_FIELD[it.operation]: data}
    if it.operation in ("Agent.ask", "AgentSession.ask"):
        return without_repeats(data)
    return {**around, **data} if isinstance(data, dict) else [around, data]


def whole_answer(events: list[Any]) -> Any:
    """The last frame of a chat's stream, with the text of all of them."""
    rows = [event["data"] for event in events if isinstance(event["data"], dict)]
    texts = [row["answer"] for row in rows if not row.get("final")] or [rows[-1]["answer"]]
    growing = len(texts) > 1 and all(b.startswith(a) for a, b in pairwise(texts))
    last = {name: each for name, each in rows[-1].items() if name not in ("answer", "final")}
    return {**last, "full_content": texts[-1] if growing else "".join(texts)}


def whole_run(events: list[Any]) -> Any:
    """What an agent's stream tells of the run: its text, the components that ended, and the end of its message."""
    said = [event["data"] for event in events if event["event"] == "message"]
    ended = [event["data"] for event in events if event["event"] in ("node_finished", "message_end")]
    around = {name: each for name, each in events[-1].items() if name != "data"}
    return [{**around, "full_content": "".join(data["content"] for data in said)}, *without_repeats(ended)]


def without_repeats(value: Any) -> Any:
    """A run without the trace that servers repeat in each step, the caller's inputs, and their process's clock."""
    if isinstance(value, list):
        return [without_repeats(each) for each in value]
    if not isinstance(value, dict):
        return value
    repeated = set()
    if "component_type" in value:
        repeated = {"trace"}
    elif "content" in value:
        repeated = {"created_at", "inputs"}
    return {name: without_repeats(each) for name, each in value.items() if name not in repeated}


STREAMS: dict[str, Callable[[list[Any]], Any]] = {
    "Agent.ask": whole_run,
    "AgentSession.ask": whole_run,
    "RAGFlow.chat_completions": list,
    "RAGFlow.agent_completions": list,
}


def mistold(exchange: Exchange, error: Exception | None) -> list[str]:
    """What an error does not say of the answer that it stands for."""
    if exchange.broken_off or not exchange.sent:
        return [] if isinstance(error, StreamInterruptedError) else [f"{error!r} for a stream that broke off"]
    if not isinstance(error, APIError) or type(error) is APIError:
        return [f"{type(error)} is no kind of its own"]
    told = [] if error.status_code == exchange.status else [f"status {error.status_code}"]
    if isinstance(exchange.body, dict):
        told += [] if exchange.body.get("code", 0) in (0, error.code) else [f"code {error.code}"]
        told += [] if words_of(exchange.body) in error.message else [f"message {error.message!r}"]
    return told


def words_of(body: dict[str, Any]) -> str:
    """What RAGFlow itself says of a failure; the first of several errors."""
    data = body.get("data")
    errors = data.get("errors") if isinstance(data, dict) else None
    message = body.get("message")
    said = message if isinstance(message, str) else ""  # v0.24 says ``true`` of a memory that is not there
    return str(errors[0] if errors else said).rstrip(".! ")
