"""Middleware for LangChain's agents: what a user said earlier and what documents say, given with each question."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal, NotRequired, TypeVar
from uuid import uuid4

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from pydantic import Field

from ragflow_integrations import ConfigurationError, RAGFlowError, UnsupportedError
from ragflow_integrations.adapting import (
    Flow,
    Turn,
    arun,
    memories_as_dicts,
    memories_as_text,
    recalled,
    remembered,
    run,
    turns_of,
)

from ._client import STRICT, Connected
from ._fence import numbered
from ._memory import OfOneUser
from ._run import this_run
from ._search import Searching

try:
    from langchain.agents.middleware.types import (
        AgentMiddleware,
        AgentState,
        ModelRequest,
        ModelResponse,
        OmitFromSchema,
    )
    from langgraph.runtime import Runtime
except ImportError as missing:
    raise ImportError(
        "middleware needs langchain and langgraph: pip install 'ragflow-integrations[agents]'"
    ) from missing

__all__ = ["RAGFlowMemoryMiddleware", "RAGFlowRetrievalMiddleware"]

T = TypeVar("T")
_Found = list[dict[str, Any]]
_log = logging.getLogger(__name__)


class _MemoryState(AgentState[Any]):
    ragflow_memories: NotRequired[Annotated[_Found, OmitFromSchema(input=True, output=False)]]


class _SourcesState(AgentState[Any]):
    ragflow_sources: NotRequired[Annotated[_Found, OmitFromSchema(input=True, output=False)]]


class _Middleware(Connected, AgentMiddleware):
    """Looks something up when a run begins, and gives it to the model with the user's last message.

    It is kept in the run's state as plain types, under ``_key``, and not among the messages: each run has its own.
    """

    model_config = STRICT

    # what LangChain declares as attributes, pydantic would make fields of
    state_schema: ClassVar[Any] = AgentState  # type: ignore[misc]
    tools: ClassVar[Any] = ()  # type: ignore[misc]
    transformers: ClassVar[Any] = ()  # type: ignore[misc]
    trace_policy: ClassVar[Any] = None  # type: ignore[misc]

    on_error: Literal["raise", "ignore"] = "raise"
    """What is done if RAGFlow fails: the run ends with the error, or goes on without, and the error is logged.

    What only the developer can mend is raised in any case: ``ConfigurationError``, ``UnsupportedError``, and what a
    function given as ``scope`` or ``user`` raises.
    """

    _key: ClassVar[str]

    @abstractmethod
    def _lookup(self, question: str) -> Flow[_Found]:
        """What there is for a question."""

    @abstractmethod
    def _text(self, found: _Found) -> str:
        """How the model is given it."""

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return run(self._before(state["messages"]), self._sync())

    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return await arun(self._before(state["messages"]), self._async())

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        return handler(self._with_found(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        return await handler(self._with_found(request))

    def _before(self, messages: Sequence[AnyMessage]) -> Flow[dict[str, Any]]:
        """What an earlier run found is replaced in any case."""
        asked = _last_human(messages)
        question = "" if asked is None else str(messages[asked].text)
        flow = self._lookup(question) if question.strip() else _nothing()
        return {self._key: (yield from self._tolerant(flow, []))}

    def _with_found(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        found: _Found = request.state.get(self._key) or []  # type: ignore[assignment]
        asked = _last_human(request.messages)
        if not found or asked is None:
            return request
        messages = list(request.messages)
        messages[asked] = _preceded(messages[asked], self._text(found))
        return request.override(messages=messages)

    def _tolerant(self, flow: Flow[T], instead: T) -> Flow[T]:
        try:
            return (yield from flow)
        except (ConfigurationError, UnsupportedError):
            raise
        except RAGFlowError as error:
            if self.on_error == "raise":
                raise
            _log.warning("%s goes on without RAGFlow: %s", type(self).__name__, error)
            return instead


class RAGFlowMemoryMiddleware(OfOneUser, _Middleware):
    """Remembers what a user and an agent said, and recalls of it what fits the user's next question.

        agent = create_agent(model, middleware=[RAGFlowMemoryMiddleware(
            memory_ids=[memory.id], user=lambda run: run.context.user_id)], context_schema=Context)

    Before a run the user's memories that fit the last message best are looked up; the model is given them in front of
    that message, as quoted data. After it, the user's message and the agent's answer are kept, in a session that is
    the thread's (``thread_id``), without one in a new session. What is kept and what is found is one user's, as with
    ``RAGFlowMemorySearchTool``. Servers take what they keep into a queue: it is found a moment later.

    ``ragflow_memories`` of the state is a list of ``{"memory_id", "message_id", "message_type", "content",
    "valid_at"}``.
    """

    model_config = STRICT

    state_schema: ClassVar[Any] = _MemoryState  # type: ignore[misc]
    _key = "ragflow_memories"

    k: int = Field(default=5, ge=1, le=100)
    """How many memories the model is given at most."""

    similarity_threshold: float = Field(default=0.2, ge=0, le=1)
    """Memories that fit less are left out."""

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> None:
        run(self._after(state["messages"]), self._sync())

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> None:
        await arun(self._after(state["messages"]), self._async())

    def _lookup(self, question: str) -> Flow[_Found]:
        found = yield from recalled(
            question,
            self.memory_ids,
            self._agent_id(),
            k=self.k,
            similarity_threshold=self.similarity_threshold,
        )
        return memories_as_dicts(found)

    def _text(self, found: _Found) -> str:
        return "From earlier conversations with this user: " + memories_as_text(found)

    def _after(self, messages: Sequence[AnyMessage]) -> Flow[None]:
        turns, unanswered = turns_of(_spoken(messages))
        last = [Turn(unanswered, "")] if unanswered else turns[-1:]
        yield from self._tolerant(remembered(self.memory_ids, self._agent_id(), _session(), last), None)


class RAGFlowRetrievalMiddleware(Searching, _Middleware):
    """Looks up each question in RAGFlow's datasets and gives the model what is found, without a tool call.

        agent = create_agent(model, middleware=[RAGFlowRetrievalMiddleware(dataset_names=["handbook"], k=4)])

    Before a run the user's last message is searched for; the model is given the numbered passages in front of that
    message, as quoted data. It has all fields of ``RAGFlowRetriever``: ``k``, ``filter``, ``scope`` …

    ``ragflow_sources`` of the state are the passages in their order, ``{"page_content", "metadata", "id", "type"}``
    each, ``Document(**source)`` is one of them as a ``Document``.
    """

    model_config = STRICT

    state_schema: ClassVar[Any] = _SourcesState  # type: ignore[misc]
    _key = "ragflow_sources"

    def _lookup(self, question: str) -> Flow[_Found]:
        return [document.model_dump() for document in (yield from self._find(question, {}))]

    def _text(self, found: _Found) -> str:
        return numbered([Document(**source) for source in found])


def _nothing() -> Flow[_Found]:
    yield from ()
    return []


def _last_human(messages: Sequence[AnyMessage]) -> int | None:
    return next((n for n in reversed(range(len(messages))) if isinstance(messages[n], HumanMessage)), None)


def _preceded(message: AnyMessage, text: str) -> AnyMessage:
    """Where the user speaks and not where the developer does: there, what is quoted has no authority."""
    content = message.content
    whole = f"{text}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": text}, *content]
    return message.model_copy(update={"content": whole})


def _spoken(messages: Iterable[AnyMessage]) -> Iterable[tuple[str, str]]:
    """What was said to each other; what a model says beside a call of a tool is not its answer."""
    for message in messages:
        if isinstance(message, HumanMessage):
            yield "user", str(message.text)
        elif isinstance(message, AIMessage) and not message.tool_calls:
            yield "assistant", str(message.text)


def _session() -> str:
    return str(this_run().config["configurable"].get("thread_id") or uuid4().hex)
