"""How every class here reaches RAGFlow: one client for calls, its twin for coroutines, made when needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, SkipValidation

from ragflow_integrations import AsyncRAGFlow, ConfigurationError, RAGFlow, Scope
from ragflow_integrations.adapting import Flow, ask

from ._run import RunContext, this_run

T = TypeVar("T", bound=BaseModel)
C = TypeVar("C", RAGFlow, AsyncRAGFlow)

__all__ = ["STRICT", "Connected", "for_call"]

STRICT = ConfigDict(
    arbitrary_types_allowed=True,
    extra="forbid",  # LangChain's own default swallows misspelt arguments
    hide_input_in_errors=True,  # an error about one argument would print them all, the key too
    protected_namespaces=(),
)


def for_call(kind: type[T], base: T, given: Mapping[str, Any]) -> T:
    """The fields of ``kind`` that ``base`` has, with a call's own over them, checked as in a constructor."""
    return kind.model_validate({**{name: getattr(base, name) for name in kind.model_fields}, **given})


class _Settings(NamedTuple):
    """The settings that a client is made of."""

    base_url: str | None
    api_key: SecretStr | None
    timeout: float | None
    max_retries: int


_DEFAULTS = _Settings(None, None, 60.0, 2)


class Connected(BaseModel):
    """The fields by which a class finds its server: ready-made clients, or the settings for one."""

    model_config = STRICT

    client: SkipValidation[RAGFlow | None] = Field(default=None, exclude=True, repr=False)
    """A client to use instead of making one of the settings below; only one of the two kinds is needed."""

    async_client: SkipValidation[AsyncRAGFlow | None] = Field(default=None, exclude=True, repr=False)
    """The client for coroutines; without one, ``client``'s twin on the same server or local engine."""

    base_url: str | None = None
    """``http(s)://host[:port]``, ``local:folder`` or ``:memory:``; default ``RAGFLOW_BASE_URL``."""

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """Default ``RAGFLOW_API_KEY``. Never in a repr, a trace or a pickle."""

    timeout: float | None = _DEFAULTS.timeout
    """Seconds for connecting and between two pieces of an answer; ``None`` waits for ever."""

    max_retries: int = _DEFAULTS.max_retries
    """Repetitions of calls that may be repeated safely; a question to a chat assistant is sent once."""

    scope: SkipValidation[Scope | Callable[[RunContext], Scope] | None] = None
    """What may be seen of the server, or a function that says it of the run that a call belongs to.

    The function is given a ``RunContext``: ``lambda run: Scope(dataset_ids=datasets_of(run.context.user))``. It
    narrows what the client may see, never widens it; ``ConfigurationError`` if it gives no ``Scope``.
    """

    _server: tuple[int, ...] | None = PrivateAttr(default=None)

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        if self.scope is not None and not callable(self.scope):
            _check_scope(self.scope)
        self._connect()  # not in a validator: pydantic would wrap ConfigurationError in its own

    def _connect(self) -> None:
        """Take the client that was given or make one; nothing is sent and nothing is opened."""
        _check_kinds(self.client, self.async_client)
        client = self.client or self.async_client
        if client is None:
            self._make_client()
            return
        made = _made.get(client)
        if self._settings() in (_DEFAULTS, _DEFAULTS._replace(base_url=client.base_url), made):
            self.base_url = client.base_url
        elif made is not None and (self.api_key or not made.api_key):  # who lacks its key was given it
            self._make_client()
        else:
            raise ConfigurationError(
                "give either client=/async_client= or base_url=, api_key=, timeout=, max_retries=, not both: "
                "a client has its own settings"
            )

    def _make_client(self) -> None:
        before, wanted = self.client or self.async_client, self._settings()
        self.client = RAGFlow(
            wanted.api_key, wanted.base_url, timeout=wanted.timeout, max_retries=wanted.max_retries
        )
        if before is not None and before.scope is not None:
            self.client = self.client.scoped(before.scope)
        self.async_client = None
        self.base_url = self.client.base_url
        _made[self.client] = self._settings()

    def _settings(self) -> _Settings:
        return _Settings(self.base_url, self.api_key, self.timeout, self.max_retries)

    def _sync(self) -> RAGFlow:
        return self._within(self.client or self._given().as_sync())

    def _async(self) -> AsyncRAGFlow:
        return self._within(self.async_client or self._given().as_async())

    def _server_version(self) -> Flow[tuple[int, ...]]:
        """Whose dialect the server speaks, e.g. ``(0, 27, 0)``; asked for once."""
        if self._server is None:
            info = yield from ask(lambda client: client.server_info())
            self._server = tuple(int(part) for part in info.api_version.split("."))
        return self._server

    def _fingerprint(self) -> str:
        """What tells callers apart that may see different things; for keys of caches."""
        return self._sync().fingerprint

    def _within(self, client: C) -> C:
        """The client, kept within the scope of this call."""
        scope = self._scope_now()
        return client if scope is None else client.scoped(scope)

    def _scope_now(self) -> Scope | None:
        if not callable(self.scope):
            return self.scope
        scope = self.scope(this_run())
        _check_scope(scope)
        return scope

    def _settled(self) -> Self:
        """This object with the scope of the present run, for what goes on after the call has returned."""
        return type(self)(**{**dict(self), "scope": self._scope_now()}) if callable(self.scope) else self

    def _given(self) -> RAGFlow | AsyncRAGFlow:
        given = self.client or self.async_client
        assert given is not None, "one of them was given or made"
        return given

    def __getstate__(self) -> dict[Any, Any]:
        """Without the key; of two clients the one that can make the other."""
        state = super().__getstate__()
        fields = {**state["__dict__"], "api_key": None}
        if self.client is not None:
            fields["async_client"] = None
        return {**state, "__dict__": fields}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        _made[self._given()] = self._settings()


# LangChain copies an object for every call with `configurable` values, and the copy brings its client along: it must
# neither open connections of its own, nor keep a client that was made of other settings than the copy's.
_made: WeakKeyDictionary[RAGFlow | AsyncRAGFlow, _Settings] = WeakKeyDictionary()


def _check_scope(scope: object) -> None:
    if not isinstance(scope, Scope):
        raise ConfigurationError(
            f"scope={scope!r}: give a Scope, or a function that takes a RunContext and returns one"
        )


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
