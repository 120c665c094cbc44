"""RAGFlow's answer envelopes. Which keys an answer has differs by route; each shape has one function here."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import Response

from ..problems import Problem

__all__ = [
    "ARGUMENT",
    "AUTHENTICATION",
    "DATA",
    "EXCEPTION",
    "JSON",
    "NOT_FOUND",
    "OPERATING",
    "PERMISSION",
    "SERVER",
    "UNAUTHORIZED",
    "BadRequest",
    "Fail",
    "Raised",
    "answered",
    "failed",
    "not_there_yet",
    "python_errors",
    "succeeded",
    "told",
]

_log = logging.getLogger(__name__)

EXCEPTION = 100
ARGUMENT = 101
DATA = 102
OPERATING = 103
PERMISSION = 108
AUTHENTICATION = 109
UNAUTHORIZED = 401
NOT_FOUND = 404
SERVER = 500

UNSET: Any = object()


class JSON(Response):
    """A JSON body as RAGFlow ends it: with a newline."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass") + b"\n"


class Fail(Exception):
    """An error answer: ``code``, ``message`` and, only where RAGFlow sends it, ``data``."""

    def __init__(self, message: str, code: int = DATA, *, data: Any = UNSET, status: int = 200) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"code": code, "message": message}
        if data is not UNSET:
            self.body["data"] = data

    def response(self) -> JSON:
        """The answer; after one about a body that is too large nothing more is read from the connection."""
        return JSON(self.body, self.status, {"Connection": "close"} if self.status == 413 else None)


@contextmanager
def python_errors() -> Iterator[None]:
    """Where RAGFlow trips over a value of a wrong type: code 100 and the exception as Python words it.

    Inside, do to the value what RAGFlow does: clients know the text.
    """
    try:
        yield
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise failed(error) from None


def told(error: Exception, what: str) -> str:
    """What is said of ``error`` where ``what`` has failed in the middle: what nobody expects by its kind alone."""
    if isinstance(error, Problem | Fail):
        return str(error)
    _log.error("%s failed", what, exc_info=error)
    return type(error).__name__


class Raised(Fail):
    """What RAGFlow answers when a handler raises ``error``: code 100 and the exception as Python writes it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(repr(error), EXCEPTION, data=None)
        self.error = error


def failed(error: Exception) -> Fail:
    """The answer to a request at which RAGFlow raises this."""
    return Raised(error)


class BadRequest(Exception):
    """A body that cannot be read, as RAGFlow's web framework writes it."""

    def __str__(self) -> str:
        return "400 Bad Request: The browser (or proxy) sent a request that this server could not understand."

    def __repr__(self) -> str:
        return "<BadRequest '400: Bad Request'>"


def answered(data: Any = UNSET, **more: Any) -> JSON:
    """Success of datasets, uploads, chunks and retrieval: no ``message``, and ``data`` only if there is some."""
    return JSON({"code": 0, **({} if data is UNSET else {"data": data}), **more})


def succeeded(data: Any, message: str = "success") -> JSON:
    """Success of document lists, chats, sessions and system: all three keys."""
    return JSON({"code": 0, "data": data, "message": message})


def not_there_yet(feature: str) -> Fail:
    """What the local engine cannot do: said, never ignored."""
    return Fail(f"the local engine does not have {feature} yet; a RAGFlow server has it")
