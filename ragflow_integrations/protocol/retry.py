"""Whether to send a request again, and after how many seconds. A pure decision: no clock, no sleep."""

from __future__ import annotations

import random
from collections.abc import Mapping

from ..errors import BusyError, ConnectError, RequestTimeoutError, TransportError
from .wire import Request, Response

__all__ = ["delay_before_retry"]

_RETRIABLE_STATUS = {408, 425, 429, 500, 502, 503, 504}
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0


def delay_before_retry(
    request: Request, outcome: Response | TransportError, *, attempt: int, max_retries: int
) -> float | None:
    """Seconds to wait before try number ``attempt + 1``, or ``None`` to give up.

    A refused connection is tried again for every request, since nothing was sent; everything else only
    for idempotent ones, and never what has already waited for the whole timeout. ``Retry-After``
    (seconds) counts, up to 30 s.
    """
    if attempt >= max_retries:
        return None
    if isinstance(outcome, Response):
        if outcome.status not in _RETRIABLE_STATUS or not request.idempotent:
            return None
        return _retry_after(outcome.headers) or _backoff(attempt)
    if isinstance(outcome, ConnectError):
        return _backoff(attempt)
    retriable = request.idempotent and not isinstance(outcome, (BusyError, RequestTimeoutError))
    return _backoff(attempt) if retriable else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return min(float(value), _LONGEST_DELAY) if value.isdecimal() else None


def _backoff(attempt: int) -> float:
    longest = min(_FIRST_DELAY * float(2**attempt), _LONGEST_DELAY)
    return longest * (0.5 + random.random() / 2)
