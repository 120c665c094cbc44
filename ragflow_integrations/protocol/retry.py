"""Whether to send a request again, and after how many seconds. A pure decision: no clock, no sleep."""

from __future__ import annotations

import random
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

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
    (seconds, or a date) counts, up to 30 s.
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
    seconds = float(value) if value.isdecimal() else _until(value, headers.get("date", ""))
    return None if seconds is None else min(seconds, _LONGEST_DELAY)


def _until(moment: str, now: str) -> float | None:
    """Seconds by the server's own clock, which may be another than this machine's."""
    try:
        return max(0.0, (parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):  # no date, or one of the two without a zone
        return None


def _backoff(attempt: int) -> float:
    longest = min(_FIRST_DELAY * float(2**attempt), _LONGEST_DELAY)
    return longest * (0.5 + random.random() / 2)
