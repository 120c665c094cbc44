"""Every exception this library raises.

::

    RAGFlowError
    ├── ConfigurationError          a wrong or missing setting or argument; nothing was sent
    ├── UnsupportedError            this server (or the local engine) cannot do it; says which can
    ├── ParseFailedError            the server could not parse one or more documents
    ├── TransportError              no usable answer arrived
    │   ├── ConnectError            the server could not be reached
    │   ├── RequestTimeoutError     no answer in time
    │   ├── BusyError               the queue for this server stood still: too many calls at once
    │   └── StreamInterruptedError  a stream ended before its closing frame
    └── APIError                    the server answered with an error
        ├── AuthenticationError     wrong or missing API key
        ├── PermissionDeniedError   the key's owner may not do this
        ├── NotFoundError           no such dataset, document, chat, session, route …
        ├── ConflictError           the name is taken, or the object is in the wrong state
        ├── InvalidRequestError     an argument the server refuses
        ├── RateLimitError          too many requests
        ├── ServerError             the server failed, or its answer is not RAGFlow's
        └── PartialError            part of the work was done: ``data`` holds what succeeded

No message, ``repr``, pickle or attribute of these ever holds an API key, even if a server repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "APIError",
    "AuthenticationError",
    "BusyError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "InvalidRequestError",
    "NotFoundError",
    "ParseFailedError",
    "PartialError",
    "PermissionDeniedError",
    "RAGFlowError",
    "RateLimitError",
    "RequestTimeoutError",
    "ServerError",
    "StreamInterruptedError",
    "TransportError",
    "UnsupportedError",
]


class RAGFlowError(Exception):
    """Base of every error raised by this library."""


class ConfigurationError(RAGFlowError, ValueError):
    """A setting or argument is wrong or missing; nothing was sent."""


class UnsupportedError(RAGFlowError):
    """This server version, or the local engine, cannot do it; the message says which can."""


class ParseFailedError(RAGFlowError):
    """One or more documents could not be parsed; ``failures`` is ``[(document name, reason)]``.

    ``results`` has every document of the call as ``(document id, run, chunk count, token count)``:
    those that were parsed stay parsed and searchable.
    """

    def __init__(
        self, failures: Sequence[tuple[str, str]], results: Sequence[tuple[str, str, int, int]] = ()
    ) -> None:
        self.failures = list(failures)
        self.results = list(results)
        listed = "; ".join(f"{name}: {reason}" for name, reason in self.failures)
        super().__init__(f"{len(self.failures)} document(s) could not be parsed: {listed}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failures, self.results)


class TransportError(RAGFlowError):
    """No usable answer arrived."""


class ConnectError(TransportError):
    """The server could not be reached."""


class RequestTimeoutError(TransportError):
    """The server did not answer in time."""


class BusyError(TransportError):
    """The queue of calls to this server did not move for ``timeout`` seconds: too many calls at once."""


class StreamInterruptedError(TransportError):
    """A stream ended before its closing frame; ``partial`` is the text that had arrived."""

    def __init__(self, message: str, partial: str = "") -> None:
        super().__init__(message)
        self.partial = partial

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.partial)


class APIError(RAGFlowError):
    """The server answered with an error.

    ``code`` is RAGFlow's own number (``None`` if the answer had none), ``message`` its text,
    ``status_code`` the HTTP status; ``method`` and ``path`` name the request; ``data`` is what
    the server sent along.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        status_code: int | None = None,
        method: str = "",
        path: str = "",
        data: Any = None,
    ) -> None:
        self.message = message
        self.code = code
        self.status_code = status_code
        self.method = method
        self.path = path
        self.data = data
        super().__init__(message)

    def __str__(self) -> str:
        facts = [f"code {self.code}"] if self.code is not None else []
        if self.status_code not in (None, 200):
            facts.append(f"HTTP {self.status_code}")
        if self.path:
            facts.append(f"{self.method} {self.path}")
        return f"{self.message} ({', '.join(facts)})" if facts else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(cls: type[APIError], message: str, state: dict[str, Any]) -> APIError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class AuthenticationError(APIError):
    """The API key is wrong or missing."""


class PermissionDeniedError(APIError):
    """The key's owner may not do this."""


class NotFoundError(APIError):
    """No such dataset, document, chunk, chat, session or route."""


class ConflictError(APIError):
    """The name is taken, or the object is in a state that forbids the call."""


class InvalidRequestError(APIError, ValueError):
    """An argument is refused, by the server or before sending; the message names it."""


class RateLimitError(APIError):
    """Too many requests."""


class ServerError(APIError):
    """The server failed, or what answered is not a RAGFlow server."""


class PartialError(APIError):
    """Part of the work was done; ``data`` holds what succeeded, ``message`` what did not."""
