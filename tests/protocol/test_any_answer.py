"""Whatever a server sends, a call has a result or raises one of this library's errors: any JSON, any bytes, any cuts.

Every operation that was recorded is read here (``readings.READINGS``, which misses none): its recorded answers
with parts of them replaced, and answers that have nothing to do with it.
"""

from __future__ import annotations

import copy
import functools
import json
import math
from collections.abc import Callable, Generator, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragflow_integrations import models
from ragflow_integrations.errors import RAGFlowError, ServerError
from ragflow_integrations.models import Model, Page
from ragflow_integrations.protocol.reading import model, nothing
from ragflow_integrations.protocol.sse import EventDecoder
from ragflow_integrations.protocol.versions import Version
from ragflow_integrations.protocol.wire import (
    AskVersion,
    Call,
    Decoder,
    Reader,
    Request,
    Response,
    Sleep,
    Streamed,
    Work,
)

from .readings import READINGS, Recorded, recorded_of
from .recorded import VERSIONS

STEPS = 30  # a flow that goes on after so many answers would go on for ever
REQUEST = Request("GET", "/api/v1/things")
OPERATIONS: dict[str, list[Recorded]] = {}
for version in VERSIONS:
    for it in recorded_of(version):
        if it.operation in READINGS:
            OPERATIONS.setdefault(it.operation, []).append(it)

DEEP: Any = json.loads("[" * 150 + "]" * 150)
ODD = [
    None, True, False, 0, -1, 1.5, 10**30, 10**400, -(10**400), math.nan, math.inf, -math.inf, "", " ", "x", "1", "é",
    "\ud800", "\u2028\0", "<think>", "a" * 500, [], [None], [[]], ["x"], [1], [{}], {}, {"": None}, {"id": None},
    {"x": {"y": []}}, DEEP,
]  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as what holds it and its key there."""
    keys: Iterable[Any] = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [place for key in keys for place in [(value, key), *places(value[key])]]


@st.composite
def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value in which one to three parts are others, or are gone."""
    root = {"": copy.deepcopy(value)}
    for _ in range(draw(st.integers(1, 3))):
        found = places(root)
        if not found:
            break
        holder, key = found[draw(st.integers(0, len(found) - 1))]
        if draw(st.integers(0, 4)):
            holder[key] = copy.deepcopy(draw(VALUES))
        else:
            del holder[key]
    return root.get("")


def sent(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def answers(draw: st.DrawFn, it: Recorded) -> Response:
    """An answer to this call that is nearly right, or is any other."""
    exchange = it.exchange
    value = draw(
        spoilt(exchange.body)
        | VALUES.map(lambda data: {"code": 0, "data": data})
        | st.tuples(VALUES, VALUES, VALUES).map(
            lambda all: dict(zip(("code", "message", "data"), all, strict=True))
        )
        | VALUES
    )
    status = draw(st.sampled_from([exchange.status] * 9 + [200, 400, 401, 404, 429, 500]))
    return Response(status, dict(exchange.response.headers), sent(value))


@st.composite
def streams(draw: st.DrawFn, it: Recorded) -> bytes:
    """A recorded stream with some of its frames spoilt, frames of anything, or bytes of anything."""
    events = it.exchange.sent.split(b"\n\n")
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(events) - 1))
        try:
            frame = draw(spoilt(json.loads(events[place].removeprefix(b"data:"))) | VALUES)
        except ValueError:
            frame = draw(VALUES)
        events[place] = draw(st.just(b"data:" + sent(frame)) | st.binary(max_size=40))
    return b"\n\n".join(events)


def in_pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Server:
    """Answers what a call asks for with whatever is drawn."""

    def __init__(self, it: Recorded, data: st.DataObject) -> None:
        self._it, self._data = it, data
        self._version = Version.parse(it.exchange.version)
        self._steps, self._seconds = 0, 0.0

    def drive(self, call: Any) -> Any:
        """The result of a call, flow or stream."""
        if isinstance(call, Generator):
            return self._driven(call)
        if isinstance(call, Streamed):
            return self._streamed(call.decoder(call.request))
        return self._taken(call)

    def _driven(self, flow: Generator[Any, Any, Any]) -> Any:
        try:
            step = next(flow)
            while (steps := self._steps) < STEPS:
                self._steps = steps + 1
                try:
                    answer = self._taken(step)
                except RAGFlowError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            return self.drive(end.value) if isinstance(end.value, Streamed) else end.value
        return flow.close()

    def _taken(self, step: Any) -> Any:
        if isinstance(step, AskVersion):
            return self._version
        if isinstance(step, Sleep):
            self._seconds += step.seconds
            return self._seconds
        if isinstance(step, Work):
            return step.run()
        assert isinstance(step, Call)
        return step.read(step.request, self._data.draw(answers(self._it)))

    def _streamed(self, decoder: Decoder[Any]) -> list[Any]:
        whole = self._data.draw(streams(self._it))
        cuts = self._data.draw(st.lists(st.integers(0, len(whole)), max_size=5))
        pieces = in_pieces(whole, cuts)
        found = [value for piece in pieces for value in decoder.feed(piece)] + list(decoder.end())
        assert isinstance(decoder.partial, str)
        return found


def outcome(work: Callable[[], Any]) -> Any:
    """A result, or a typed error that can be shown; anything else goes on to the test."""
    try:
        return work()
    except RAGFlowError as error:
        return error if str(error) else AssertionError("an error without words")


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=settings().max_examples * 2 // 5)
@given(data=st.data())
def test_any_answer(operation: str, data: st.DataObject) -> None:
    """A result or one of our errors."""
    it = data.draw(st.sampled_from(OPERATIONS[operation]), label="recorded")
    found = outcome(lambda: Server(it, data).drive(READINGS[operation](it)))
    assert not isinstance(found, AssertionError)


def read_everything(body: bytes) -> list[Any]:
    """What the calls make of an answer that is the same to all of them."""
    response = Response(200, {"content-type": "application/json"}, body)
    readers: list[Reader[Any]] = [nothing, *(model(kind) for kind in KINDS)]
    return [outcome(functools.partial(read, REQUEST, response)) for read in readers]


KINDS = [kind for name in models.__all__ if issubclass(kind := getattr(models, name), Model)]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"code": 0, "data": ', b'{"code": 0, "data": ['])
def test_nested_without_end(opening: bytes) -> None:
    """A hundred thousand brackets are a ``ServerError``, not a crash."""
    for body in (opening * 100_000, b'{"code": 0, "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        assert {type(each) for each in read_everything(body)} == {ServerError}


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    """What is no JSON is a ``ServerError`` for every reader."""
    assert all(isinstance(each, (RAGFlowError, Model, type(None))) for each in read_everything(body))


@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b"data:", b"data: {}\n\n", b"\r", b"\n", b"\xef\xbb\xbf"])
    )
)
def test_any_cuts(pieces: list[bytes]) -> None:
    """The events of a stream do not depend on where its bytes are cut."""
    whole = b"".join(pieces)

    def events(cut: Iterable[bytes]) -> list[bytes]:
        decoder = EventDecoder()
        return [event for piece in cut for event in decoder.feed(piece)] + list(decoder.end())

    assert events(pieces) == events([whole]) == events(whole[at : at + 1] for at in range(len(whole)))


# --- nulls --------------------------------------------------------------------------------------------

WITH_DEFAULTS = [
    (kind, name) for kind in KINDS for name, field in kind.model_fields.items() if not field.is_required()
]


@pytest.mark.parametrize(("kind", "name"), WITH_DEFAULTS, ids=lambda each: getattr(each, "__name__", each))
def test_null_is_the_default(kind: type[Model], name: str) -> None:
    """What a server never set, it sends as null: the field is as if it had not been sent, or is ``None``."""
    field = kind.model_fields[name]
    required = {each: "x" for each, its in kind.model_fields.items() if its.is_required()}
    value = getattr(kind.model_validate({**required, name: None}), name)
    assert value is None or value == field.get_default(call_default_factory=True)
    assert (value is None) or value == getattr(kind.model_validate(required), name)


def test_nulls_do_not_share_a_default() -> None:
    """Each object has its own list."""
    first, second = (models.SessionFields.model_validate({"messages": None}) for _ in range(2))
    assert first.messages == []
    assert first.messages is not second.messages


@given(VALUES)
def test_a_total_is_a_number_or_none(total: Any) -> None:
    """Of a page whose total is anything else the number is not known."""
    page = Page([1], total)
    assert page.total is None or type(page.total) is int
