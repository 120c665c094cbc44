"""How every class here reaches RAGFlow: one client for calls, its twin for coroutines, made when needed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import SecretStr

from ragflow_integrations import AsyncRAGFlow, ConfigurationError, RAGFlow, Scope
from ragflow_integrations.adapting import Flow, arun, run

from ._run import OfRun, this_run

T = TypeVar("T")

__all__ = ["NO_SETTINGS", "Connected", "Connection"]

NO_SETTINGS = (None, None, 60.0, 2)
"""``base_url``, ``api_key``, ``timeout`` and ``max_retries`` of a caller who gave none of them."""


class Connection:
    """One server, or one local engine, reached by calls and by coroutines.

    It takes the clients it is given, or makes one of the settings; a missing twin is made when it is first
    asked for. Nothing is sent here, and the key is kept by the clients only. ``scope`` says what may be seen of the
    server, or is a function that says it of the run that a call belongs to; it narrows what the client may see.
    """

    def __init__(
        self,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
    ) -> None:
        _check_kinds(client, async_client)
        if scope is not None and not callable(scope):
            _check_scope(scope)
        self.scope = scope
        self._made: RAGFlow | None = None
        if client is None and async_client is None:
            client = self._made = RAGFlow(api_key, base_url, timeout=timeout, max_retries=max_retries)
        elif (base_url, api_key, timeout, max_retries) != NO_SETTINGS:
            raise ConfigurationError(
                "give either client=/async_client= or base_url=, api_key=, timeout=, max_retries=, not both: "
                "a client has its own settings"
            )
        self._sync, self._async = client, async_client

    @property
    def is_scoped(self) -> bool:
        """Whether it sees less than its key may, be it by ``scope`` or by a client that has one."""
        return self.scope is not None or self._given.scope is not None

    @property
    def base_url(self) -> str:
        """The server's address, ``local:folder`` or ``:memory:``."""
        return self._given.base_url

    @property
    def scope_varies(self) -> bool:
        """Whether another run may see something else: what one has found out by name is not another's then."""
        return callable(self.scope)

    @property
    def names_datasets(self) -> bool:
        """Whether its scope may say which datasets there are."""
        scopes = (self.scope, self._given.scope)
        return any(callable(one) or (one is not None and one.dataset_ids is not None) for one in scopes)

    @property
    def client(self) -> RAGFlow:
        """The client for calls."""
        return self._sync or self._given.as_sync()

    @property
    def async_client(self) -> AsyncRAGFlow:
        """The client for coroutines."""
        return self._async or self._given.as_async()

    def scoped(self) -> RAGFlow:
        """The client, kept within the scope of the present run."""
        scope = self.scope(this_run()) if callable(self.scope) else self.scope
        return self.client if self.scope is None else self.client.scoped(_check_scope(scope))

    async def ascoped(self) -> AsyncRAGFlow:
        """As ``scoped``; the scope's function may be a coroutine function."""
        scope = self.scope(this_run()) if callable(self.scope) else self.scope
        scope = await scope if isinstance(scope, Awaitable) else scope
        return self.async_client if self.scope is None else self.async_client.scoped(_check_scope(scope))

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow with ``scoped()``."""
        return run(flow, self.scoped())

    async def arun(self, flow: Flow[T]) -> T:
        """Drive a flow with ``ascoped()``."""
        return await arun(flow, await self.ascoped())

    @property
    def _given(self) -> RAGFlow | AsyncRAGFlow:
        given = self._sync or self._async
        assert given is not None, "one of them was given or made"
        return given

    def close(self) -> None:
        """Close the client that was made here; connections of event loops close with their loops."""
        if self._made is not None:
            self._made.close()

    async def aclose(self) -> None:
        """Close the client that was made here, and the running loop's connections."""
        if self._made is not None:
            await self._made.as_async().aclose()
            await asyncio.to_thread(self._made.close)

    def __getstate__(self) -> dict[str, Any]:
        """The client that can make the other; clients leave their keys out."""
        return {"client": self.client, "scope": self.scope}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._sync = self._made = state["client"]
        self._async = None
        self.scope = state["scope"]


class Connected:
    """What has a connection of its own: close it, or use it in a ``with`` block."""

    _connection: Connection | None

    def close(self) -> None:
        """Free the connections; clients that were passed in stay open."""
        if self._connection is not None:
            self._connection.close()

    async def aclose(self) -> None:
        """Free the connections; clients that were passed in stay open."""
        if self._connection is not None:
            await self._connection.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _check_scope(scope: object) -> Scope:
    if inspect.iscoroutine(scope):
        scope.close()
    if not isinstance(scope, Scope):
        raise ConfigurationError(
            f"scope={scope!r}: give a Scope, or a function that takes a RunContext and returns one; "
            "a coroutine function serves coroutines only"
        )
    return scope


def _check_kinds(client: object, async_client: object) -> None:
    for name, value, kind in (("client", client, RAGFlow), ("async_client", async_client, AsyncRAGFlow)):
        if value is not None and not isinstance(value, kind):
            raise ConfigurationError(
                f"{name}=<{type(value).__name__}>: give a {kind.__name__}; "
                "a RAGFlow goes into client=, an AsyncRAGFlow into async_client="
            )
    if (
        isinstance(client, RAGFlow)
        and isinstance(async_client, AsyncRAGFlow)
        and client.fingerprint != async_client.fingerprint
    ):
        raise ConfigurationError(
            f"client={client!r} and async_client={async_client!r} are for different servers, keys, scopes, or "
            "engines in memory: give one of them; its twin is made from it"
        )
