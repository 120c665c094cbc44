"""The client: how calls, streams and flows are driven, and what is asked of the server as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from .._base import BaseClient
from .._compat import afinish, asleep, awork
from ..config import Settings
from ..errors import APIError, TransportError
from ..models import Health, ServerInfo
from ..protocol import system
from ..protocol.envelope import payload
from ..protocol.retry import delay_before_retry
from ..protocol.versions import Version
from ..protocol.wire import AskVersion, Call, Flow, Request, Response, Sleep, Streamed, Work
from ..telemetry import Observed
from ..transport.base import AsyncByteStream, AsyncTransport
from ..transport.whole import LineByLine, WholeAnswer
from .agents import AsyncAgentCalls
from .chat_calls import AsyncChatCalls
from .dataset_calls import AsyncDatasetCalls
from .files import AsyncFileCalls
from .memories import AsyncMemoryCalls
from .openai import AsyncOpenAICalls
from .searches import AsyncSearchCalls
from .stream import AsyncStream

if TYPE_CHECKING:
    from ..transport.local import LocalApp

T = TypeVar("T")

__all__ = ["AsyncRAGFlow"]


class AsyncRAGFlow(
    AsyncDatasetCalls,
    AsyncChatCalls,
    AsyncAgentCalls,
    AsyncOpenAICalls,
    AsyncMemoryCalls,
    AsyncFileCalls,
    AsyncSearchCalls,
    BaseClient[AsyncTransport],
):
    """A RAGFlow server (v0.24, v0.26.1 to v0.27), or a local engine that answers like one.

    ``api_key`` and ``base_url`` default to ``RAGFLOW_API_KEY`` and ``RAGFLOW_BASE_URL``; ``base_url`` is
    ``http(s)://host[:port]``, ``local:folder`` or ``:memory:``. ``timeout`` (seconds, default 60) holds for
    connecting and between two pieces of an answer; ``max_retries`` (default 2) for calls that may be
    repeated safely, and for refused connections. At most ``max_concurrency`` (default 32) requests are under
    way per server and process, whoever makes them. ``server_version``, e.g. ``0.24.0``, is for a server that
    shall not be asked for it. ``headers``, ``verify`` (or a CA file) and ``proxy`` go to the HTTP library.
    ``transport`` sends requests in another way: an object with the methods of ``AsyncTransport``; it is closed with
    the client, and ``max_concurrency`` is then its own affair. Raises ``ConfigurationError`` for a wrong or
    missing setting.

    Share one client freely; close it with ``aclose()`` or ``with`` when no call is under way any more.
    """

    @classmethod
    def local(
        cls,
        path: str = ":memory:",
        *,
        llm: Any = None,
        embedding: Any = None,
        reranker: Any = None,
        models: Any = None,
        api_version: str = "0.27",
    ) -> Self:
        """A local engine: RAGFlow's API in this process, kept in the folder ``path`` (made if missing).

        ``":memory:"`` is gone when the client is closed. Needs ``ragflow-integrations[local]``.

        ``llm``, ``embedding`` and ``reranker`` are models of LangChain or LlamaIndex, functions, or OpenAI-compatible
        addresses ``"http://host/v1#model"`` (with a key: ``{"base_url": …, "model": …, "api_key": …}``); without
        them answers quote what was found, and words are compared in place of meanings. ``models`` are further names
        for models, or the path of a ``models.toml``. It answers as RAGFlow ``api_version``: 0.27 or 0.24. Clients on
        one folder share one engine; another choice of models than the first one's is a ``ConfigurationError``.
        """
        client = cls(base_url=path if path == ":memory:" else f"local:{path}", server_version=api_version)
        assert client._app is not None
        client._app.models = {"llm": llm, "embedding": embedding, "reranker": reranker, "models": models}
        return client

    async def server_info(self) -> ServerInfo:
        """Which version the server is (``GET /system/version``; from v0.25 at its present path)."""
        info = await self._run(system.server_info())
        self._server.is_of(info)
        return info

    async def health(self) -> Health:
        """Whether the server's parts are well (``GET /system/healthz``)."""
        return await self._run(system.health())

    # --- driving --------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close the connections, and the local engine if this client opened it; does nothing the second time."""
        if self._root is None:
            await self._transport.aclose()
            self._close_twin()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, call: Call[T]) -> T:
        if self._guard is not None:
            return await self._drive(self._guard.narrowed(call), self._request)
        return await self._request(call)

    async def _request(self, call: Call[T]) -> T:
        """Make a call as it is, whatever the scope."""
        with self._observed(call.request) as seen:
            try:
                answer = await self._exchange(call.request, seen)
                return call.read(call.request, answer)
            except APIError as error:
                self._server.answered(error)
                if (lacking := self._server.lacks(call.request, error)) is not None:
                    raise lacking from error
                raise

    async def _exchange(self, request: Request, seen: Observed) -> Response:
        attempt = 0
        while True:
            outcome: Response | TransportError
            try:
                outcome = await self._transport.send(request, timeout=self._settings.timeout)
                seen.answered(outcome)
            except TransportError as error:
                outcome = error
            delay = self._delay(request, outcome, attempt)
            if delay is not None:
                seen.sent_again(outcome, delay)
                await asleep(delay)
                attempt += 1
            elif isinstance(outcome, TransportError):
                raise outcome
            else:
                return outcome

    async def _stream(self, flow: Flow[Streamed[T]]) -> AsyncStream[T]:
        stream = await self._run(flow)
        seen = self._observed(stream.request)
        after = partial(self._run, stream.after) if stream.after else None
        try:
            if self._guard is not None:
                stream = await self._drive(self._guard.narrowed_stream(stream), self._request)
            body = await self._open(stream.request, seen)
            seen.streaming(body.status)
            if body.status == 200 and body.headers.get("content-type", "").startswith("text/event-stream"):
                lines = LineByLine(stream.request, self._settings.timeout)
                return AsyncStream(body, stream.decoder(stream.request), lines, seen, after)
            await self._refused(stream.request, body)
        except BaseException as error:
            seen.ended(error)
            self._server.answered(error)
            if after:
                await afinish(after())
            raise

    async def _refused(self, request: Request, body: AsyncByteStream) -> NoReturn:
        """An answer that is no stream is an error, told as a whole."""
        whole = WholeAnswer(request, body.status, body.headers, self._settings.timeout)
        async with aclosing(body):
            async for piece in body:
                if not whole.add(piece):
                    break
        payload(request, whole.response())
        raise TransportError(f"{request.path} answered with something that is not a stream")

    async def _open(self, request: Request, seen: Observed) -> AsyncByteStream:
        attempt = 0
        while True:
            try:
                return await self._transport.open(request, timeout=self._settings.timeout)
            except TransportError as error:
                delay = self._delay(request, error, attempt)
                if delay is None:
                    raise
                seen.sent_again(error, delay)
            await asleep(delay)
            attempt += 1

    async def _run(self, flow: Flow[T]) -> T:
        """Drive a flow, its calls within the scope."""
        return await self._drive(flow, self._send)

    async def _drive(self, flow: Flow[T], send: Callable[[Call[Any]], Any]) -> T:
        """Drive a flow; what goes wrong with a step is raised inside it, so that it can clean up and end."""
        began, cancelled = time.monotonic(), False
        try:
            step = next(flow)
            while True:
                try:
                    taken = self._taken(step, began, send)
                    answer = await (afinish(taken) if cancelled else taken)
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    cancelled = cancelled or not isinstance(error, Exception)
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    async def _taken(
        self,
        step: Call[Any] | Sleep | AskVersion | Work[Any],
        began: float,
        send: Callable[[Call[Any]], Any],
    ) -> Any:
        if isinstance(step, Call):
            return await send(step)
        if isinstance(step, Work):
            return await awork(step.run)
        if isinstance(step, Sleep):
            await asleep(step.seconds)
            return time.monotonic() - began
        return await self._version()

    async def _version(self) -> Version:
        known = self._server.version  # another thread may forget it
        return known or self._server.is_of(await self._run(system.server_info()))

    def _observed(self, request: Request) -> Observed:
        return Observed(request, self._settings, self._server.version)

    def _delay(self, request: Request, outcome: Response | TransportError, attempt: int) -> float | None:
        return delay_before_retry(request, outcome, attempt=attempt, max_retries=self._settings.max_retries)

    def _http(self, settings: Settings) -> AsyncTransport:
        from ..transport.http import AsyncHTTPTransport

        return AsyncHTTPTransport(settings)

    def _local(self, app: LocalApp, *, owner: bool) -> AsyncTransport:
        from ..transport.local import AsyncLocalTransport

        return AsyncLocalTransport(app, owner=owner)
