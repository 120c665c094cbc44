"""What one call leaves behind: a line in the log and, where OpenTelemetry is in use, a span.

The logger ``ragflow_integrations`` says at DEBUG each call with its route, status, seconds and bytes, and at
INFO that a call is sent again. Neither log nor span holds a key, a header or what was asked, found or
answered. Spans alone take a request's JSON body along if ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``
is ``true``. A span is made only in a program that has set up OpenTelemetry, or has a part that did; without
that nothing of it is loaded.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .config import Settings
from .errors import APIError, TransportError
from .protocol.encoding import encode
from .protocol.wire import Request, Response
from .redaction import keep_secrets_out

__all__ = ["Observed"]

_LOG = logging.getLogger("ragflow_integrations")
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Observed:
    """One call from its first try to its end, as a ``with`` block."""

    def __init__(self, request: Request, settings: Settings, server_version: object) -> None:
        self._settings = settings
        self._request, self._retries, self._status, self._bytes = request, 0, 0, 0
        self._over, self._began = False, time.perf_counter()
        self._span = _span(request, settings.base_url, server_version)

    def answered(self, response: Response) -> None:
        """The whole answer is there."""
        self._status, self._bytes = response.status, len(response.body)

    def streaming(self, status: int) -> None:
        """An answer has begun that is read as it arrives."""
        self._status = status

    def received(self, size: int) -> None:
        """So many bytes of it have arrived."""
        self._bytes += size

    def sent_again(self, outcome: Response | TransportError, delay: float) -> None:
        """This try failed and another follows after ``delay`` seconds."""
        self._retries += 1
        what = type(outcome).__name__ if isinstance(outcome, TransportError) else f"HTTP {outcome.status}"
        _LOG.info("%s %s: %s; again in %.2f s", self._request.method, self._request.route, what, delay)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended(error)

    def ended(self, error: BaseException | None = None) -> None:
        """Nothing more comes, which is told once; ``error`` is how it failed, other than by being closed early.

        The error is left without the client's secrets.
        """
        if error is not None:
            keep_secrets_out(error, self._settings)
        if self._over:
            return
        self._over = True
        error = None if isinstance(error, GeneratorExit) else error
        if _LOG.isEnabledFor(logging.DEBUG):
            seconds, failed = time.perf_counter() - self._began, type(error).__name__ if error else "ok"
            what = (self._request.method, self._request.route, self._status, failed)
            _LOG.debug("%s %s: HTTP %d, %s, %.3f s, %d bytes", *what, seconds, self._bytes)
        if self._span is not None:
            self._close(self._span, error)

    def _close(self, span: Any, error: BaseException | None) -> None:
        span.set_attribute("http.response.body.size", self._bytes)
        span.set_attribute("http.request.resend_count", self._retries)
        if self._status:
            span.set_attribute("http.response.status_code", self._status)
        if isinstance(error, APIError) and error.code is not None:
            span.set_attribute("ragflow.code", error.code)
        if error is not None:  # by its kind only: its text may repeat what was asked
            from opentelemetry.trace import (
                StatusCode,
            )  # not above: a stream may be left until Python shuts down

            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
        span.end()


def _span(request: Request, base_url: str, server_version: object) -> Any:
    """A started span, within the caller's; ``None`` where OpenTelemetry is not in use, which costs next to nothing."""
    tracing = sys.modules.get("opentelemetry.trace")
    provider = tracing.get_tracer_provider() if tracing is not None else None
    if tracing is None or isinstance(provider, tracing.ProxyTracerProvider):
        return None
    span = _tracer(provider).start_span(
        f"{request.method} {request.route}",
        kind=tracing.SpanKind.CLIENT,
        attributes=_attributes(request, base_url, server_version),
    )
    return span if span.is_recording() else None


@lru_cache(maxsize=4)
def _tracer(provider: Any) -> Any:
    return provider.get_tracer("ragflow_integrations")


def _attributes(request: Request, base_url: str, server_version: object) -> Mapping[str, str | int]:
    place = urlsplit(base_url)
    told: dict[str, str | int] = {
        "http.request.method": request.method,
        "url.template": request.route,
        "server.address": place.hostname or "local engine",
        "ragflow.operation": request.operation,
    }
    if place.hostname:
        told["server.port"] = place.port or (443 if place.scheme == "https" else 80)
    if server_version is not None:
        told["ragflow.server_version"] = str(server_version)
    if request.body is not None and os.environ.get(_CONTENT, "").lower() == "true":
        told["ragflow.request.body"] = encode(request)[1].decode()
    return told
