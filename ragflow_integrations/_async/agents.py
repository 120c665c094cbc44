"""Agents, their sessions, and asking them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from ..models import AgentFields, AgentMessage, AgentSessionFields, Model, Page
from ..models.base import spelled
from ..protocol import agents
from ..protocol.bulk import PAGE
from ..protocol.checks import NOT_GIVEN, NotGiven, check_flag, check_id, to_delete
from .calls import AsyncCalls
from .paging import every
from .resource import AsyncResource
from .sessions import AsyncStoredMessage
from .stream import AsyncStream

if TYPE_CHECKING:
    from .client import AsyncRAGFlow

__all__ = ["AsyncAgent", "AsyncAgentCalls", "AsyncAgentSession", "AsyncStoredAgentMessage"]


class AsyncAgent(AgentFields, AsyncResource):
    """An agent: its fields, its sessions, and asking it without one."""

    @overload
    async def ask(
        self,
        question: str = "",
        stream: Literal[False] = False,
        inputs: Mapping[str, Any] | None = None,
        release: bool | None = None,
        return_trace: bool | None = None,
        **kwargs: Any,
    ) -> AgentMessage: ...

    @overload
    async def ask(
        self,
        question: str,
        stream: Literal[True],
        inputs: Mapping[str, Any] | None = None,
        release: bool | None = None,
        return_trace: bool | None = None,
        **kwargs: Any,
    ) -> AsyncStream[AgentMessage]: ...

    async def ask(
        self,
        question: str = "",
        stream: bool = False,
        inputs: Mapping[str, Any] | None = None,
        release: bool | None = None,
        return_trace: bool | None = None,
        **kwargs: Any,
    ) -> AgentMessage | AsyncStream[AgentMessage]:
        """Ask in a new session (``POST /agents/chat/completions``); the answer's ``session_id`` names it.

        ``release=True`` asks the published version (servers from v0.25.1), otherwise the draft answers.
        The rest as ``AgentSession.ask``.
        """
        options = {"inputs": inputs, "release": release, "return_trace": return_trace, **kwargs}
        return await _ask(self, self.id, question, None, stream, options)

    async def create_session(self, **kwargs: Any) -> AsyncAgentSession:
        """Start a conversation that the server remembers (``POST /agents/{id}/sessions``).

        ``user_id`` says whose it is, ``name`` (servers from v0.25) what it is called; ``release=True`` starts
        it on the published version (from v0.25.1) and not on the draft. Values for the **Begin** component
        go to ``ask(inputs=…)``: no server from v0.24 on reads them here, and they are refused.
        """
        fields = await self._client._run(agents.create_session(self.id, kwargs))
        return AsyncAgentSession._of(self._client, fields)

    async def get_session(self, session_id: str) -> AsyncAgentSession:
        """One session with its messages (``GET /agents/{id}/sessions/{id}``); ``NotFoundError`` if there is none."""
        fields = await self._client._run(agents.get_session(self.id, session_id))
        return AsyncAgentSession._of(self._client, fields)

    async def list_sessions(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "update_time",
        desc: bool = True,
        id: str | None = None,
        *,
        user_id: str | None = None,
    ) -> Page[AsyncAgentSession]:
        """A page of sessions (``GET /agents/{id}/sessions``), with ``total`` from v0.25.1 on.

        ``orderby`` is ``create_time`` or ``update_time``. Empty for an unknown ``id`` or ``user_id``.
        """
        found = await self._client._send(
            agents.sessions(
                self.id, page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, user_id=user_id
            )
        )
        return AsyncAgentSession._page_of(self._client, found)

    def iter_sessions(
        self, orderby: str = "create_time", desc: bool = True, *, user_id: str | None = None
    ) -> AsyncIterator[AsyncAgentSession]:
        """All sessions, a hundred a call."""
        return every(lambda page: self.list_sessions(page, PAGE, orderby, desc, user_id=user_id))

    async def delete_sessions(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete sessions (``DELETE /agents/{id}/sessions``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        """
        await self._client._run(agents.delete_sessions(self.id, to_delete("ids", ids, delete_all)))


class AsyncStoredAgentMessage(AgentMessage, AsyncStoredMessage):
    """A message of a stored session with an agent; v0.24 tells no ``reference`` of it."""


class AsyncAgentSession(AgentSessionFields, AsyncResource):
    """A conversation with an agent that the server remembers; ``messages`` are those when it was read."""

    messages: list[AsyncStoredAgentMessage] = spelled("messages", "message", default=[])  # type: ignore[assignment]

    @classmethod
    def _all_of(cls, client: AsyncRAGFlow, found: Sequence[Model]) -> list[Self]:
        sessions = super()._all_of(client, found)
        for session in sessions:
            if session.messages:
                session.messages = AsyncStoredAgentMessage._all_of(client, session.messages)
        return sessions

    @overload
    async def ask(
        self,
        question: str = "",
        stream: Literal[False] = False,
        inputs: Mapping[str, Any] | None = None,
        release: bool | None = None,
        return_trace: bool | None = None,
        **kwargs: Any,
    ) -> AgentMessage: ...

    @overload
    async def ask(
        self,
        question: str,
        stream: Literal[True],
        inputs: Mapping[str, Any] | None = None,
        release: bool | None = None,
        return_trace: bool | None = None,
        **kwargs: Any,
    ) -> AsyncStream[AgentMessage]: ...

    async def ask(
        self,
        question: str = "",
        stream: bool = False,
        inputs: Mapping[str, Any] | None = None,
        release: bool | None = None,
        return_trace: bool | None = None,
        **kwargs: Any,
    ) -> AgentMessage | AsyncStream[AgentMessage]:
        """Ask in this conversation (``POST /agents/chat/completions``), or answer what a paused run asks for.

        Returns one ``AgentMessage``; with ``stream=True`` an iterator of messages whose ``content`` is what is
        new, the last of them with ``final=True``, the ``reference`` and the whole answer as ``full_content``.
        ``inputs`` are the values of the **Begin** component or of ``message.user_inputs``, by name; the
        question may be empty then. ``return_trace=True`` adds ``trace`` to a whole answer. ``release`` is there
        for the official SDK's sake: a session stays on the version that it was started with. ``kwargs`` are
        further fields of the request: ``files``, ``user_id``.

        Raises ``NotFoundError`` if the session is gone, ``PermissionDeniedError`` (from v0.25.1) for an
        agent that is unknown or another account's, ``ServerError`` when a component fails,
        ``StreamInterruptedError`` when the answer breaks off, which is how v0.24 tells of any error in a stream.
        """
        options = {"inputs": inputs, "release": release, "return_trace": return_trace, **kwargs}
        return await _ask(self, self.agent_id or "", question, self.id, stream, options)


class AsyncAgentCalls(AsyncCalls):
    """The client's calls for agents."""

    async def create_agent(
        self,
        title: str,
        dsl: Mapping[str, Any],
        description: str | None = None,
        *,
        canvas_type: str | None = None,
        release: bool = False,
    ) -> AsyncAgent:
        """Create an agent of a canvas (``POST /agents``); ``release=True`` publishes it (servers from v0.25.1).

        Raises ``ConflictError`` if the title is taken, ``InvalidRequestError`` for a canvas that is none.
        """
        fields = await self._client._run(
            agents.create(title, dsl, description=description, canvas_type=canvas_type, release=release)
        )
        return AsyncAgent._of(self._client, fields)

    async def get_agent(self, agent_id: str) -> AsyncAgent:
        """One agent with its ``dsl`` (``GET /agents/{id}``); ``NotFoundError`` if there is none."""
        return AsyncAgent._of(self._client, await self._client._run(agents.get(agent_id)))

    def agent(self, agent_id: str) -> AsyncAgent:
        """An agent known by its id alone, for asking it; nothing is sent."""
        return AsyncAgent._of(self._client, AgentFields(id=check_id("agent_id", agent_id)))

    def agent_session(self, agent_id: str, session_id: str) -> AsyncAgentSession:
        """A session known by its ids alone, for asking in it; nothing is sent."""
        ids = check_id("agent_id", agent_id), check_id("session_id", session_id)
        return AsyncAgentSession._of(self._client, AgentSessionFields(agent_id=ids[0], id=ids[1]))

    async def list_agents(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "update_time",
        desc: bool = True,
        id: str | None = None,
        title: str | None = None,
    ) -> Page[AsyncAgent]:
        """A page of agents (``GET /agents``), with ``total`` from v0.25.1 on, without their ``dsl`` there.

        ``orderby`` is ``create_time``, ``update_time`` or ``title``. An ``id`` or ``title`` (the whole of it)
        that no agent has is a ``NotFoundError``; servers from v0.25.1 on have no such filters, and the client
        looks for it.
        """
        found = await self._client._run(
            agents.listing(page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, title=title)
        )
        return AsyncAgent._page_of(self._client, found)

    def iter_agents(self, orderby: str = "create_time", desc: bool = True) -> AsyncIterator[AsyncAgent]:
        """All agents, a hundred a call."""
        return every(lambda page: self.list_agents(page, PAGE, orderby, desc))

    async def update_agent(
        self,
        agent_id: str,
        title: str | None = None,
        description: str | None = None,
        dsl: Mapping[str, Any] | None = None,
        *,
        canvas_type: str | None = None,
        release: bool = False,
    ) -> None:
        """Change an agent (``PUT /agents/{id}``): what is ``None`` stays as it is.

        ``release=True`` publishes it (servers from v0.25.1). Raises ``ConflictError`` if the title is taken (v0.24
        lets two have the same), ``NotFoundError`` or ``PermissionDeniedError`` if there is no such agent.
        """
        await self._client._run(
            agents.update(
                agent_id,
                title=title,
                description=description,
                dsl=dsl,
                canvas_type=canvas_type,
                release=release,
            )
        )

    async def delete_agent(self, agent_id: str) -> None:
        """Delete an agent (``DELETE /agents/{id}``); ``PermissionDeniedError`` also if there is none."""
        await self._client._send(agents.delete(agent_id))


async def _ask(
    resource: AsyncResource,
    agent_id: str,
    question: str,
    session_id: str | None,
    stream: bool,
    options: Mapping[str, Any],
) -> AgentMessage | AsyncStream[AgentMessage]:
    if check_flag("stream", stream):
        return await resource._client._stream(
            agents.ask_stream(agent_id, question, session_id=session_id, options=options)
        )
    return await resource._client._run(agents.ask(agent_id, question, session_id=session_id, options=options))
