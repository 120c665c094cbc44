"""Parsing and waiting for it, driven by hand: no server, no clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ragflow_integrations import (
    ConflictError,
    ConnectError,
    InvalidRequestError,
    NotFoundError,
    ParseProgress,
    RequestTimeoutError,
)
from ragflow_integrations.models import DocumentFields
from ragflow_integrations.protocol.parsing import Parsed, parse_and_wait, reason
from ragflow_integrations.protocol.wire import Call, Request, Response, Sleep

Row = dict[str, Any]


def row(id: str, run: str = "DONE", progress: float = 1.0, **more: Any) -> Row:
    return {"id": id, "name": f"{id}.txt", "run": run, "progress": progress, **more}


class Server:
    """Answers the flow's calls: the parse request, then each look with the next state (the last one stays)."""

    def __init__(self, *states: Sequence[Row], ignores_ids: bool = False) -> None:
        self.states = list(states)
        self.ignores_ids = ignores_ids
        self.requests: list[Request] = []
        self.slept: list[float] = []

    def drive(self, ids: Sequence[str], **options: Any) -> list[Parsed]:
        """The flow's result; each second it sleeps passes at once."""
        options = {"progress": None, "timeout": None, "interval": 0.5, **options}
        flow = parse_and_wait("ds", ids, **options)
        step = next(flow)
        while True:
            try:
                step = flow.send(self._answer(step))
            except StopIteration as end:
                result: list[Parsed] = end.value
                return result

    def _answer(self, step: Any) -> Any:
        if isinstance(step, Sleep):
            self.slept.append(step.seconds)
            if len(self.states) > 1:
                del self.states[0]
            return sum(self.slept)
        self.requests.append(step.request)
        data = self._page(step.request) if step.request.method == "GET" else None
        return step.read(step.request, Response(200, {}, json.dumps({"code": 0, "data": data}).encode()))

    def _page(self, request: Request) -> Row:
        asked = [value for name, value in request.query if name == "ids"]
        page, size = (int(dict(request.query)[name]) for name in ("page", "page_size"))
        rows = [one for one in self.states[0] if self.ignores_ids or one["id"] in asked]
        return {"docs": rows[(page - 1) * size : page * size], "total": len(rows)}


def test_waits_until_all_have_ended() -> None:
    """It starts the parsing once, looks, sleeps, and gives the results in the order asked for."""
    running = [row("a", "RUNNING", 0.5), row("b", "UNSTART", 0.0)]
    half = [row("a", chunk_count=3, token_count=40), row("b", "RUNNING", 0.2)]
    server = Server(running, half, [row("a", chunk_count=3, token_count=40), row("b", "CANCEL", 0.0)])
    assert server.drive(["b", "a"]) == [("b", "CANCEL", 0, 0), ("a", "DONE", 3, 40)]
    assert server.slept == pytest.approx([0.1, 0.15])
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]
    assert server.requests[0].body == {"document_ids": ["b", "a"]}
    assert not server.requests[0].idempotent


def test_progress() -> None:
    """Each look is told: how many there are, how many have ended, and the mean."""
    states = [[row("a", "RUNNING", 0.5), row("b", "RUNNING", 0.0)], [row("a"), row("b", "RUNNING", 0.5)]]
    told: list[ParseProgress] = []
    Server(*states, [row("a"), row("b")]).drive(["a", "b"], progress=told.append)
    assert [(each.finished, each.total, each.fraction) for each in told] == [
        (0, 2, 0.25),
        (1, 2, 0.75),
        (2, 2, 1.0),
    ]


def test_a_failure_is_a_result() -> None:
    """One failed document stops nothing and is no error: its ``run`` tells."""
    bad = row("b", "FAIL", -1.0, progress_msg="\n10:00 no text \n")
    server = Server([row("a", "RUNNING", 0.1), bad], [row("a", chunk_count=2, token_count=9), bad])
    assert server.drive(["a", "b"]) == [("a", "DONE", 2, 9), ("b", "FAIL", 0, 0)]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("\n10:00 no text \n", "10:00 no text"),
        (
            "10:00:01 Task has been received.\n[ERROR]retry\n[ERROR]Fail to bind: no model\nat all",
            "Fail to bind: no model\nat all",
        ),
        ("", "the server gave no reason"),
        (None, "the server gave no reason"),
    ],
)
def test_the_reason_is_taken_from_the_log(log: str | None, why: str) -> None:
    """A server's log is long: what counts stands after its last ``[ERROR]``."""
    assert reason(DocumentFields(progress_msg=log)) == why


def test_pauses_grow() -> None:
    """It looks soon at first and then ever less often, at last every ``interval`` seconds, and only at what runs."""
    states = [[row("a"), row("b", "RUNNING", 0.5)]] * 9 + [[row("a"), row("b")]]
    server = Server(*states)
    server.drive(["a", "b"], interval=1.0)
    assert server.slept == pytest.approx([0.1, 0.15, 0.225, 0.3375, 0.50625, 0.759375, 1.0, 1.0, 1.0])
    looks = [[value for name, value in each.query if name == "ids"] for each in server.requests[1:]]
    assert looks == [["a", "b"]] + [["b"]] * 9


class Interrupted(Server):
    """The first sleep ends with this; ``busy`` are the documents that the server will stop."""

    def __init__(self, error: BaseException, *states: Sequence[Row], busy: Sequence[str]) -> None:
        super().__init__(*states)
        self.error, self.busy = error, busy

    def interrupt(self, ids: Sequence[str]) -> None:
        """Drive until the interruption comes out again."""
        flow = parse_and_wait("ds", ids)
        step = next(flow)
        while True:
            try:
                answer = self._answer(step)
            except BaseException as error:  # noqa: BLE001 - as the client does
                step = flow.throw(error)
            else:
                step = flow.send(answer)

    def _answer(self, step: Any) -> Any:
        if isinstance(step, Sleep):
            raise self.error
        if step.request.method == "DELETE" and not set(step.request.body["document_ids"]) <= set(self.busy):
            self.requests.append(step.request)
            raise ConflictError("Can't stop parsing document that has not started or already completed")
        return super()._answer(step)

    @property
    def stopped(self) -> list[list[str]]:
        return [each.body["document_ids"] for each in self.requests if each.method == "DELETE"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_interruption_stops_what_is_not_done(error: BaseException) -> None:
    """Ctrl+C, or cancelling, stops the pending ones on the server and is raised again."""
    server = Interrupted(error, [row("a"), row("b", "RUNNING", 0.5), row("c", "UNSTART", 0.0)], busy="bc")
    with pytest.raises(type(error)) as caught:
        server.interrupt(["a", "b", "c"])
    assert caught.value is error
    assert server.stopped == [["b", "c"]]


def test_an_interruption_while_one_ends() -> None:
    """A server stops at the first that has ended meanwhile: then each is stopped by itself."""

    class Ending(Interrupted):
        def _answer(self, step: Any) -> Any:
            if isinstance(step, Sleep):
                self.states = [[row("b"), row("c", "RUNNING", 0.5)]]
            return super()._answer(step)

    server = Ending(KeyboardInterrupt(), [row("b", "RUNNING", 0.5), row("c", "RUNNING", 0.5)], busy="c")
    with pytest.raises(KeyboardInterrupt) as caught:
        server.interrupt(["b", "c"])
    assert server.stopped == [["b", "c"], ["b"], ["c"]]
    assert not hasattr(caught.value, "__notes__")


def test_an_interruption_while_one_begins() -> None:
    """What a server was still starting is stopped at the second try."""

    class Starting(Interrupted):
        def _answer(self, step: Any) -> Any:
            if isinstance(step, Call) and step.request.method == "GET" and self.stopped:
                self.busy = "bc"
            return super()._answer(step)

    server = Starting(KeyboardInterrupt(), [row("b", "RUNNING", 0.5), row("c", "RUNNING", 0.0)], busy="b")
    with pytest.raises(KeyboardInterrupt) as caught:
        server.interrupt(["b", "c"])
    assert server.stopped == [["b", "c"], ["b"], ["c"], ["c"]]
    assert not hasattr(caught.value, "__notes__")


def test_an_interruption_that_the_server_refuses() -> None:
    """v0.24 does not stop what waits for its turn: that it goes on is said."""
    server = Interrupted(KeyboardInterrupt(), [row("b", "RUNNING", 0.5), row("c", "RUNNING", 0.0)], busy="b")
    with pytest.raises(KeyboardInterrupt) as caught:
        server.interrupt(["b", "c"])
    assert caught.value.__notes__ == ["parsing goes on: the server does not stop c"]


@pytest.mark.parametrize("moment", range(8))
def test_an_interruption_at_each_moment(moment: int) -> None:
    """Whatever is under way: what is not known to have ended is stopped, once, and the interruption comes out."""

    class At(Interrupted):
        steps = 0

        def _answer(self, step: Any) -> Any:
            self.steps += 1
            if self.steps == moment + 1:
                raise self.error
            if isinstance(step, Sleep):
                return Server._answer(self, step)
            return super()._answer(step)

    states = [[row("a", "RUNNING", 0.5), row("b", "RUNNING", 0.5)]] * 2 + [
        [row("a"), row("b", "RUNNING", 0.9)]
    ] * 9
    server = At(KeyboardInterrupt(), *states, busy="ab")
    with pytest.raises(KeyboardInterrupt):
        server.interrupt(["a", "b"])
    assert server.stopped == [["a", "b"] if moment < 6 else ["b"]]


def test_an_interruption_without_a_server() -> None:
    """If it cannot be stopped, the interruption is raised all the same and says that parsing goes on."""

    class Gone(Interrupted):
        def _answer(self, step: Any) -> Any:
            if isinstance(step, Call) and step.request.method == "DELETE":
                raise ConnectError("no server")
            return super()._answer(step)

    with pytest.raises(KeyboardInterrupt) as caught:
        Gone(KeyboardInterrupt(), [row("b", "RUNNING", 0.5)], busy="b").interrupt(["b"])
    assert caught.value.__notes__ == ["parsing goes on: no server"]


def test_timeout() -> None:
    """It is kept, with a last look at its end, and the message says that parsing goes on."""
    server = Server([row("a", "RUNNING", 0.1), row("b")])
    with pytest.raises(
        RequestTimeoutError, match=r"1 of 2 documents were not parsed within 1.2 s; parsing goes on"
    ):
        server.drive(["a", "b"], timeout=1.2)
    assert server.slept == pytest.approx([0.1, 0.15, 0.225, 0.3375, 0.3875])
    assert server.requests[-1].method == "GET"


def test_ready_at_the_deadline() -> None:
    """What has ended by then counts."""
    server = Server([row("a", "RUNNING", 0.1)], [row("a")])
    assert server.drive(["a"], timeout=0.1) == [("a", "DONE", 0, 0)]
    assert server.slept == [0.1]


def test_a_document_that_vanishes() -> None:
    """Somebody deletes it meanwhile: that is said, by id."""
    with pytest.raises(NotFoundError, match="gone from the dataset: b$"):
        Server([row("a", "RUNNING", 0.1), row("b", "RUNNING", 0.1)], [row("a")]).drive(["a", "b"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interval": 0}, "interval=0: give seconds above 0"),
        ({"interval": -1}, "interval=-1: give seconds above 0"),
        ({"interval": "1"}, "interval='1': give seconds above 0"),
        ({"interval": float("nan")}, "interval=nan: give seconds above 0"),
        ({"timeout": -1}, "timeout=-1: give seconds from 0, or None"),
        ({"timeout": "5"}, "timeout='5': give seconds from 0, or None"),
    ],
)
def test_seconds(options: dict[str, Any], said: str) -> None:
    """A look needs a pause before the next, and a wait an end that can come; nothing is sent otherwise."""
    server = Server([row("a")])
    with pytest.raises(InvalidRequestError, match=said):
        server.drive(["a"], **options)
    assert server.requests == []


def test_what_runs_already() -> None:
    """It is waited for and not started again, which a server would refuse."""
    server = Server([row("a", "RUNNING", 0.5), row("b", "UNSTART", 0.0)], [row("a"), row("b")])
    assert [each[1] for each in server.drive(["a", "b"], running={"a"})] == ["DONE", "DONE"]
    assert [each.body for each in server.requests if each.method == "POST"] == [{"document_ids": ["b"]}]


@pytest.mark.parametrize("ignores_ids", [False, True])
def test_many_documents(ignores_ids: bool) -> None:
    """More than a hundred are looked up a hundred a call, also where the server ignores ``ids`` and has more."""
    ids = [f"d{number}" for number in range(230)]
    others = [row(f"other{number}", "UNSTART", 0.0) for number in range(150)] if ignores_ids else []
    server = Server([*others, *[row(one) for one in reversed(ids)]], ignores_ids=ignores_ids)
    assert [result[0] for result in server.drive(ids)] == ids
    looks = [request for request in server.requests if request.method == "GET"]
    sizes = [len([1 for name, _ in request.query if name == "ids"]) for request in looks]
    assert max(sizes) == 100
    assert len(sizes) == (3 if not ignores_ids else len(sizes))
    starts = [len(request.body["document_ids"]) for request in server.requests if request.method == "POST"]
    assert starts == [100, 100, 30]


def test_an_id_given_twice() -> None:
    """It is parsed, and reported, once."""
    server = Server([row("a")])
    assert server.drive(["a", "a"]) == [("a", "DONE", 0, 0)]
    assert server.requests[0].body == {"document_ids": ["a"]}


@pytest.mark.parametrize("progress", [None, lambda state: 1 / 0])
def test_a_callback_that_fails(progress: Callable[[ParseProgress], object] | None) -> None:
    """An exception of the caller's own ends the waiting and reaches the caller."""
    server = Server([row("a")])
    if progress is None:
        assert server.drive(["a"], progress=progress)
    else:
        with pytest.raises(ZeroDivisionError):
            server.drive(["a"], progress=progress)
