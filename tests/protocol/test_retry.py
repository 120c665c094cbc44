"""When a request is sent again: a table, without a clock."""

from __future__ import annotations

import pytest

from ragflow_integrations import ConnectError, RequestTimeoutError, TransportError
from ragflow_integrations.protocol.retry import delay_before_retry
from ragflow_integrations.protocol.wire import Request, Response

GET = Request("GET", "/x")
POST = Request("POST", "/x")
SEARCH = Request("POST", "/x", idempotent=True)


def status(code: int, **headers: str) -> Response:
    return Response(code, headers, b"")


@pytest.mark.parametrize(
    ("request_", "outcome", "again"),
    [
        (GET, ConnectError("refused"), True),
        (POST, ConnectError("refused"), True),
        (GET, TransportError("broke off"), True),
        (SEARCH, TransportError("broke off"), True),
        (POST, TransportError("broke off"), False),
        (GET, RequestTimeoutError("slow"), False),
        (POST, RequestTimeoutError("slow"), False),
        *[(GET, status(code), True) for code in (408, 425, 429, 500, 502, 503, 504)],
        *[(POST, status(code), False) for code in (408, 425, 429, 500, 502, 503, 504)],
        *[(GET, status(code), False) for code in (200, 301, 400, 401, 403, 404, 409, 413, 501)],
    ],
)
def test_decision(request_: Request, outcome: Response | TransportError, again: bool) -> None:
    """A refused connection is tried again by all, the rest by idempotent requests only; a POST never twice."""
    delay = delay_before_retry(request_, outcome, attempt=0, max_retries=2)
    assert (delay is not None) == again


@pytest.mark.parametrize(
    ("method", "again"), [("GET", True), ("PUT", True), ("DELETE", False), ("PATCH", False)]
)
def test_idempotent_verbs(method: str, again: bool) -> None:
    """What may be sent again without being told so; a DELETE done twice would be answered with "not found"."""
    assert Request(method, "/x").idempotent == again


def test_an_end() -> None:
    """After ``max_retries`` it is enough, and 0 means never."""
    assert delay_before_retry(GET, ConnectError(""), attempt=2, max_retries=2) is None
    assert delay_before_retry(GET, ConnectError(""), attempt=0, max_retries=0) is None


def test_delays_grow() -> None:
    """From half a second they double, up to half a minute, with up to one half left to chance."""
    for attempt, longest in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30]):
        delays = [
            delay_before_retry(GET, ConnectError(""), attempt=attempt, max_retries=9) for _ in range(50)
        ]
        assert all(delay is not None and longest / 2 <= delay <= longest for delay in delays)
        assert len(set(delays)) > 1


@pytest.mark.parametrize(("value", "seconds"), [("3", 3.0), ("30", 30.0), ("3600", 30.0)])
def test_retry_after(value: str, seconds: float) -> None:
    """The server's own wish counts, up to half a minute."""
    assert delay_before_retry(GET, status(503, **{"retry-after": value}), attempt=0, max_retries=1) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:28:07 GMT", 7.0),
        ("Wed, 21 Oct 2026 09:28:07 +0200", 7.0),
        ("Thu, 22 Oct 2026 07:28:00 GMT", 30.0),
    ],
)
def test_retry_after_a_date(value: str, seconds: float) -> None:
    """It is read by the clock of the server that names it, and bounded like a number of seconds."""
    headers = {"retry-after": value, "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert delay_before_retry(GET, status(503, **headers), attempt=0, max_retries=1) == seconds


@pytest.mark.parametrize("date", ["", "today", "Wed, 21 Oct 2026 07:28:00", "Wed, 21 Oct 2026 08:00:00 GMT"])
def test_retry_after_a_date_that_says_nothing(date: str) -> None:
    """Without the server's own time, or with a later one, the delay is left to us."""
    headers = {"retry-after": "Wed, 21 Oct 2026 07:28:07 GMT", "date": date}
    delay = delay_before_retry(GET, status(503, **headers), attempt=0, max_retries=1)
    assert delay is not None
    assert 0.25 <= delay <= 0.5


@pytest.mark.parametrize("value", ["0", "", "soon", "-1", "1.5", "²", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_other_retry_after(value: str) -> None:
    """What is no number of seconds above 0 leaves the delay to us."""
    delay = delay_before_retry(GET, status(503, **{"retry-after": value}), attempt=0, max_retries=1)
    assert delay is not None
    assert 0.25 <= delay <= 0.5
