"""What both clients are made of: settings, a transport, and the way to the twin on the same server."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import SecretStr

from .config import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, Settings, resolve
from .errors import ConfigurationError

if TYPE_CHECKING:
    from ._async.client import AsyncRAGFlow
    from ._sync.client import RAGFlow
    from .transport.local import LocalApp

Transport = TypeVar("Transport")
C = TypeVar("C", bound="BaseClient[Any]")

__all__ = ["BaseClient"]


class BaseClient(ABC, Generic[Transport]):
    """Everything of a client that does not wait."""

    _settings: Settings
    _app: LocalApp | None
    _transport: Transport
    _twin: BaseClient[Any] | None
    _lock: threading.Lock
    _owner: bool

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
    ) -> None:
        settings = resolve(
            api_key,
            base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
            verify=verify,
            proxy=proxy,
        )
        self._set_up(settings)

    @property
    def base_url(self) -> str:
        """The server's address, ``local:folder`` or ``:memory:``."""
        return self._settings.base_url

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
        with self._lock:
            if self._twin is None:
                twin = kind.__new__(kind)
                twin._set_up(self._settings, self)
                self._twin = twin
        assert isinstance(self._twin, kind)
        return self._twin

    def _close_twin(self) -> None:
        """Close a sync twin's connections with the client it was made from; those of event loops close with them."""
        from ._sync.client import RAGFlow

        if self._owner and isinstance(self._twin, RAGFlow):
            self._twin.close()

    def _set_up(self, settings: Settings, origin: BaseClient[Any] | None = None) -> None:
        self._settings = settings
        self._owner = origin is None
        self._lock = threading.Lock()
        self._twin = origin
        self._app = None if origin is None else origin._app
        if settings.local_path is None:
            self._transport = self._http(settings)
            return
        if self._app is None:
            from .transport.local import LocalApp

            self._app = LocalApp(settings.local_path)
        self._transport = self._local(self._app, owner=self._owner)

    @abstractmethod
    def _http(self, settings: Settings) -> Transport: ...

    @abstractmethod
    def _local(self, app: LocalApp, *, owner: bool) -> Transport: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def __copy__(self) -> Self:
        """Itself: a client is shared, not copied."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself, so that what holds a client can be copied."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Without the key, ``headers`` and ``proxy``, which may be secret, and without the connections.

        What is unpickled takes its key from ``RAGFLOW_API_KEY``. An engine in memory is refused.
        """
        settings = self._settings
        if settings.local_path == ":memory:":
            raise ConfigurationError("an engine in memory cannot be pickled; give RAGFlow.local() a folder")
        return {
            "base_url": settings.base_url,
            "timeout": settings.timeout,
            "max_retries": settings.max_retries,
            "verify": settings.verify,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(resolve(**state))
