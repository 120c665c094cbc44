"""What both clients are made of: settings, a transport, and the way to the twin on the same server."""

from __future__ import annotations

import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from uuid import uuid4

from pydantic import SecretStr

from .config import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    Settings,
    check_max_retries,
    check_timeout,
    resolve,
)
from .errors import ConfigurationError, InvalidRequestError, UnsupportedError
from .models import ServerInfo
from .protocol.checks import NOT_GIVEN, NotGiven
from .protocol.envelope import no_such_route
from .protocol.versions import NEWEST, Version
from .protocol.wire import Request
from .scope import Scope

if TYPE_CHECKING:
    from ._async.client import AsyncRAGFlow
    from ._sync.client import RAGFlow
    from .protocol.scoping import Guard
    from .transport.local import LocalApp

Transport = TypeVar("Transport")
C = TypeVar("C", bound="BaseClient[Any]")

__all__ = ["BaseClient", "Server"]


class Server:
    """What a client and its relatives know of their server."""

    def __init__(self, settings: Settings) -> None:
        pinned = settings.server_version
        self._is_local = settings.local_path is not None
        self._pinned = Version.parse(pinned or "") or (NEWEST if self._is_local else None)
        self.version: Version | None = self._pinned
        self.engine = uuid4().hex if settings.local_path == ":memory:" else None

    def is_of(self, info: ServerInfo) -> Version:
        """Remember what it was found out to be; a pinned version stays."""
        version = self._pinned or Version.parse(info.api_version) or NEWEST
        self.version = version
        return version

    def answered(self, error: BaseException) -> None:
        """If a route is missing, the server may have been exchanged: it is asked again."""
        if no_such_route(error):
            self.version = self._pinned

    def lacks(self, request: Request, error: BaseException) -> UnsupportedError | None:
        """What to raise for a route that the engine of this process has not."""
        if not self._is_local or not no_such_route(error):
            return None
        return UnsupportedError(
            f"{request.operation}: the local engine does not have {request.method} {request.route}; "
            "a RAGFlow server has it"
        )


class BaseClient(ABC, Generic[Transport]):
    """Everything of a client that does not wait."""

    _settings: Settings
    _app: LocalApp | None
    _transport: Transport
    _server: Server
    _twin: BaseClient[Any] | None
    _root: BaseClient[Any] | None  # the client that a derived one shares its connections with
    _guard: Guard | None
    _lock: threading.Lock
    _owner: bool
    _has_own_transport: bool

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        headers: Mapping[str, str] | None = None,
        verify: bool | str = True,
        proxy: str | None = None,
        server_version: str | None = None,
        max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
        transport: Transport | None = None,
    ) -> None:
        settings = resolve(
            api_key,
            base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
            verify=verify,
            proxy=proxy,
            server_version=server_version,
            max_concurrency=max_concurrency,
        )
        if transport is not None and settings.local_path is not None:
            raise ConfigurationError(
                f"transport: base_url={settings.base_url!r} is an engine in this process"
            )
        self._set_up(settings, transport=transport)

    @property
    def base_url(self) -> str:
        """The server's address, ``local:folder`` or ``:memory:``."""
        return self._settings.base_url

    @property
    def _place(self) -> str:
        """The same in every process, wherever that runs."""
        path = None if self._app is None else self._app.path
        return self.base_url if path in (None, ":memory:") else f"local:{path}"

    def with_options(
        self, *, timeout: float | NotGiven | None = NOT_GIVEN, max_retries: int | None = None
    ) -> Self:
        """This client with another ``timeout`` (seconds) or ``max_retries``, over the same connections.

        Closing it does nothing: the connections are those of the client it was made from.
        """
        changed: dict[str, Any] = {}
        if timeout is not NOT_GIVEN:
            changed["timeout"] = check_timeout(timeout)
        if max_retries is not None:
            changed["max_retries"] = check_max_retries(max_retries)
        return self._derived(replace(self._settings, **changed))

    @property
    def scope(self) -> Scope | None:
        """What this client keeps within; ``None``: all that its key may see."""
        return self._guard.scope if self._guard else None

    def scoped(self, scope: Scope) -> Self:
        """This client for one user: it sees and finds what is within ``scope``, over the same connections.

        What is outside is answered like what does not exist, and nothing is sent for it; calls that cannot be
        kept within a scope raise ``UnsupportedError``. A scope of a scoped client narrows it further. Twins,
        ``with_options``, everything that comes from this client and its pickle keep the scope. Closing it does
        nothing: the connections are those of the client it was made from.
        """
        if not isinstance(scope, Scope):
            raise InvalidRequestError(f"scope={scope!r}: give a Scope")
        client = self._derived(self._settings)
        client._confine(scope if self.scope is None else self.scope & scope)
        return client

    def _confine(self, scope: Scope) -> None:
        from .protocol.scoping import Guard

        self._guard = Guard(scope)

    @property
    def fingerprint(self) -> str:
        """A short text for the keys of caches: the same for clients that may see the same, in every process.

        It tells servers, engines, keys, headers and scopes apart; it is a digest and holds none of them.
        """
        settings = self._settings
        key = settings.api_key.get_secret_value() if settings.api_key else None
        scope = self.scope.fingerprint if self.scope else None
        parts = [self._place, self._server.engine, key, sorted(settings.headers.items()), scope]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def as_async(self) -> AsyncRAGFlow:
        """This client's ``AsyncRAGFlow``: the same settings, the same local engine; always the same object.

        Closing it leaves this one open; a local engine closes with the client that opened it.
        """
        from ._async.client import AsyncRAGFlow

        return self._as(AsyncRAGFlow)

    def as_sync(self) -> RAGFlow:
        """This client's ``RAGFlow``: the same settings, the same local engine; always the same object.

        Closing it leaves this one open; a local engine closes with the client that opened it.
        """
        from ._sync.client import RAGFlow

        return self._as(RAGFlow)

    def _as(self, kind: type[C]) -> C:
        if isinstance(self, kind):
            return self
        if (self._root or self)._has_own_transport:
            raise ConfigurationError(f"{self!r} has a transport of its own: give {kind.__name__} one, too")
        with self._lock:
            if self._twin is None:
                self._twin = self._made(kind)
        assert isinstance(self._twin, kind)
        return self._twin

    def _made(self, kind: type[C]) -> C:
        """A new twin; that of a derived client is derived from the twin of its root."""
        if self._root is not None:
            twin = self._root._as(kind)._derived(self._settings)
            twin._twin = self
        else:
            twin = kind.__new__(kind)
            twin._set_up(self._settings, self)
        twin._guard = self._guard
        return twin

    def _derived(self, settings: Settings) -> Self:
        """A client with other settings on the same connections and the same engine."""
        client = type(self).__new__(type(self))
        client._settings, client._transport = settings, self._transport
        client._app, client._server = self._app, self._server
        client._owner, client._root = False, self._root or self
        client._guard = self._guard
        client._lock, client._twin = threading.Lock(), None
        return client

    def _close_twin(self) -> None:
        """Close a sync twin's connections with the client it was made from; those of event loops close with them."""
        from ._sync.client import RAGFlow

        if self._owner and isinstance(self._twin, RAGFlow):
            self._twin.close()

    def _set_up(
        self,
        settings: Settings,
        origin: BaseClient[Any] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._settings = settings
        self._owner = origin is None
        self._root = None
        self._guard = None
        self._lock = threading.Lock()
        self._twin = origin
        self._app = None if origin is None else origin._app
        self._server = Server(settings) if origin is None else origin._server
        self._has_own_transport = transport is not None
        if settings.local_path is None:
            self._transport = self._http(settings) if transport is None else transport
            return
        if self._app is None:
            from .transport.local import LocalApp

            self._app = LocalApp(settings.local_path, settings.server_version or "0.27")
        self._transport = self._local(self._app, owner=self._owner)

    @abstractmethod
    def _http(self, settings: Settings) -> Transport: ...

    @abstractmethod
    def _local(self, app: LocalApp, *, owner: bool) -> Transport: ...

    def __repr__(self) -> str:
        scope = f", scope={self.scope!r}" if self.scope else ""
        return f"{type(self).__name__}(base_url={self.base_url!r}{scope})"

    def __copy__(self) -> Self:
        """Itself: a client is shared, not copied."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself, so that what holds a client can be copied."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Without the key, ``headers`` and ``proxy``, which may be secret, and without the connections.

        What is unpickled takes its key from ``RAGFLOW_API_KEY``. An engine in memory is refused, and so is a
        client with a transport of its own.
        """
        settings = self._settings
        if (self._root or self)._has_own_transport:
            raise ConfigurationError(f"{self!r} has a transport of its own and cannot be pickled")
        if settings.local_path == ":memory:":
            raise ConfigurationError("an engine in memory cannot be pickled; give RAGFlow.local() a folder")
        return {
            "base_url": self._place,
            "timeout": settings.timeout,
            "max_retries": settings.max_retries,
            "verify": settings.verify,
            "server_version": settings.server_version,
            "max_concurrency": settings.max_concurrency,
            "scope": self.scope,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings = {name: value for name, value in state.items() if name != "scope"}
        self._set_up(resolve(**settings))
        if state["scope"] is not None:
            self._confine(state["scope"])
