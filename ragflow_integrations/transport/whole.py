"""Answers within bounds: read whole, or a line after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic

from ..errors import RequestTimeoutError
from ..protocol.wire import Request, Response

__all__ = ["LineByLine", "WholeAnswer"]

_LONGEST_ERROR = 1 << 20  # bytes
_SLOWEST = 1024  # bytes per second


class WholeAnswer:
    """Collects the pieces of an answer: of an error a mebibyte at most, and nothing that dribbles in for ever."""

    def __init__(
        self, request: Request, status: int, headers: Mapping[str, str], timeout: float | None
    ) -> None:
        self._request, self._status, self._headers = request, status, headers
        self._most = math.inf if status < 300 else _LONGEST_ERROR
        self._timeout = math.inf if timeout is None else timeout
        self._began, self._size = monotonic(), 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> bool:
        """Take a piece; whether more is wanted.

        Raises ``RequestTimeoutError`` when after ``timeout`` seconds less than 1 KiB a second has come.
        """
        self._pieces.append(piece)
        self._size += len(piece)
        seconds = monotonic() - self._began
        if seconds > self._timeout + self._size / _SLOWEST:
            raise RequestTimeoutError(
                f"{self._request.method} {self._request.path} is answered too slowly: {self._size} bytes "
                f"in {seconds:.1f} s; a larger timeout= allows more"
            )
        return self._size < self._most

    def response(self) -> Response:
        """What has come."""
        return Response(self._status, self._headers, b"".join(self._pieces))


class LineByLine:
    """Watches a streamed answer, which may take as long as it likes but has to complete its lines in time.

    The time of a line begins with its first piece, so that only waiting counts: until the line is complete
    there is nothing for the caller to do.
    """

    def __init__(self, request: Request, timeout: float | None) -> None:
        self._request = request
        self._timeout = math.inf if timeout is None else timeout
        self._since: float | None = None

    def add(self, piece: bytes) -> None:
        """A piece has come. Raises ``RequestTimeoutError`` when its line takes longer than ``timeout`` seconds."""
        if piece.endswith(b"\n") or b"\n" in piece or b"\r" in piece:
            self._since = None
        elif self._since is None:
            self._since = monotonic()
        elif monotonic() - self._since > self._timeout:
            raise RequestTimeoutError(
                f"{self._request.method} {self._request.path}: the stream has not completed a line within "
                f"{self._timeout} s; a larger timeout= allows more"
            )
