"""Parsing and waiting for it, driven by hand: no server, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ragflow_integrations import (
    InvalidRequestError,
    NotFoundError,
    ParseFailedError,
    ParseProgress,
    RequestTimeoutError,
)
from ragflow_integrations.protocol.documents import Parsed, parse_and_wait
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

    def _answer(self, step: Call[Any] | Sleep) -> Any:
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
    assert server.slept == [0.5, 0.5]
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


def test_failures_come_at_the_end() -> None:
    """One failed document stops nothing: the error comes when all have ended, with all results and the reason."""
    bad = row("b", "FAIL", -1.0, progress_msg="\n10:00 no text \n")
    server = Server([row("a", "RUNNING", 0.1), bad], [row("a", chunk_count=2, token_count=9), bad])
    with pytest.raises(
        ParseFailedError, match=r"^1 document\(s\) could not be parsed: b.txt: 10:00 no text$"
    ) as caught:
        server.drive(["a", "b"])
    assert caught.value.failures == [("b.txt", "10:00 no text")]
    assert caught.value.results == [("a", "DONE", 2, 9), ("b", "FAIL", 0, 0)]
    assert server.slept == [0.5]


def test_the_reason_is_taken_from_the_log() -> None:
    """A server's log is long: what counts stands after its last ``[ERROR]``."""
    log = "10:00:01 Task has been received.\n10:00:02 [ERROR]retry\n10:00:03 [ERROR]Fail to bind: no model\nat all"
    with pytest.raises(ParseFailedError, match=r"parsed: a.txt: Fail to bind: no model\nat all$"):
        Server([row("a", "FAIL", -1.0, progress_msg=log)]).drive(["a"])


def test_a_failure_without_a_reason() -> None:
    """A server may give none; the message says so."""
    with pytest.raises(ParseFailedError, match="gave no reason"):
        Server([row("a", "FAIL", -1.0, progress_msg="")]).drive(["a"])


def test_timeout() -> None:
    """It is kept, with a last look at its end, and the message says that parsing goes on."""
    server = Server([row("a", "RUNNING", 0.1), row("b")])
    with pytest.raises(
        RequestTimeoutError, match=r"1 of 2 documents were not parsed within 1.2 s; parsing goes on"
    ):
        server.drive(["a", "b"], timeout=1.2)
    assert server.slept == pytest.approx([0.5, 0.5, 0.2])
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


@pytest.mark.parametrize("interval", [0, -1])
def test_interval(interval: float) -> None:
    """A look needs a pause before the next; nothing is sent otherwise."""
    server = Server([row("a")])
    with pytest.raises(InvalidRequestError, match=f"interval={interval}: give seconds above 0"):
        server.drive(["a"], interval=interval)
    assert server.requests == []


@pytest.mark.parametrize("ignores_ids", [False, True])
def test_many_documents(ignores_ids: bool) -> None:
    """More than a hundred are looked up a hundred a call, also where the server ignores ``ids`` and has more."""
    ids = [f"d{number}" for number in range(230)]
    others = [row(f"other{number}", "UNSTART", 0.0) for number in range(150)] if ignores_ids else []
    server = Server([*others, *[row(one) for one in reversed(ids)]], ignores_ids=ignores_ids)
    assert [result[0] for result in server.drive(ids)] == ids
    sizes = [len([1 for name, _ in request.query if name == "ids"]) for request in server.requests[1:]]
    assert max(sizes) == 100
    assert len(sizes) == (3 if not ignores_ids else len(sizes))


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
