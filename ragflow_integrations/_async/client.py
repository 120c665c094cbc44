"""The client: how calls, streams and flows are driven, and what is asked of the server as a whole."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .._base import BaseClient
from .._compat import asleep
from ..config import Settings
from ..errors import InvalidRequestError, TransportError
from ..models import ChatFields, Page, Retrieval, SessionFields
from ..protocol import chats, chunks, datasets
from ..protocol.checks import NOT_GIVEN, NotGiven, check_id, to_delete
from ..protocol.envelope import payload
from ..protocol.retry import delay_before_retry
from ..protocol.wire import Call, Flow, Request, Response, Sleep, Streamed
from ..transport.base import AsyncByteStream, AsyncTransport
from .chats import AsyncChat, AsyncSession
from .datasets import AsyncDataSet
from .stream import AsyncStream

if TYPE_CHECKING:
    from ..transport.local import LocalApp

T = TypeVar("T")

__all__ = ["AsyncRAGFlow"]


class AsyncRAGFlow(BaseClient[AsyncTransport]):
    """A RAGFlow server (v0.26.1 to v0.27), or a local engine that answers like one.

    ``api_key`` and ``base_url`` default to ``RAGFLOW_API_KEY`` and ``RAGFLOW_BASE_URL``; ``base_url`` is
    ``http(s)://host[:port]``, ``local:folder`` or ``:memory:``. ``timeout`` (seconds, default 60) holds for
    connecting and between two pieces of an answer; ``max_retries`` (default 2) for calls that may be
    repeated safely, and for refused connections. ``headers``, ``verify`` (or a CA file) and ``proxy`` go to
    the HTTP library. Raises ``ConfigurationError`` for a wrong or missing setting.

    Share one client freely; close it with ``aclose()`` or ``with`` when no call is under way any more.
    """

    @classmethod
    def local(cls, path: str = ":memory:") -> Self:
        """A local engine: RAGFlow's API in this process, kept in the folder ``path`` (made if missing).

        ``":memory:"`` is gone when the client is closed. Needs ``ragflow-integrations[local]``.
        """
        return cls(base_url=path if path == ":memory:" else f"local:{path}")

    # --- datasets -------------------------------------------------------------------------------------

    async def create_dataset(
        self,
        name: str,
        avatar: str | None = None,
        description: str | None = None,
        embedding_model: str | None = None,
        permission: str | None = None,
        chunk_method: str | None = None,
        parser_config: Mapping[str, Any] | None = None,
    ) -> AsyncDataSet:
        """Create a dataset (``POST /datasets``); a name that is taken becomes ``name(1)``.

        What is ``None`` is left to the server: its own embedding model, permission ``me``, chunk method
        ``naive``. Raises ``InvalidRequestError`` for a value the server refuses.
        """
        fields = {
            "name": name,
            "avatar": avatar,
            "description": description,
            "embedding_model": embedding_model,
            "permission": permission,
            "chunk_method": chunk_method,
            "parser_config": parser_config,
        }
        return AsyncDataSet._of(self, await self._send(datasets.create(fields)))

    async def get_dataset(self, dataset_id: str) -> AsyncDataSet:
        """One dataset by its id (``GET /datasets/{id}``); ``NotFoundError`` if there is none."""
        return AsyncDataSet._of(self, await self._send(datasets.get(dataset_id)))

    async def list_datasets(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        id: str | None = None,
        name: str | None = None,
    ) -> Page[AsyncDataSet]:
        """A page of datasets with ``total`` (``GET /datasets``); an unknown id or name is a ``NotFoundError``.

        ``page_size`` is 1 to 100; ``orderby`` is ``create_time`` or ``update_time``.
        """
        found = await self._send(
            datasets.listing(page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, name=name)
        )
        return Page([AsyncDataSet._of(self, one) for one in found], found.total)

    async def delete_datasets(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete datasets with all they hold (``DELETE /datasets``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        """
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._send(datasets.delete(wanted))

    # --- retrieval ------------------------------------------------------------------------------------

    async def retrieve(
        self,
        question: str | Sequence[str] = "",
        dataset_ids: Sequence[str] | None = None,
        document_ids: Sequence[str] | None = None,
        page: int = 1,
        page_size: int = 30,
        similarity_threshold: float | None = None,
        vector_similarity_weight: float | None = None,
        top_k: int | None = None,
        rerank_id: str | None = None,
        keyword: bool | None = None,
        cross_languages: Sequence[str] | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        use_kg: bool | None = None,
        toc_enhance: bool | None = None,
        highlight: bool | None = None,
    ) -> Retrieval:
        """The chunks that fit a question best (``POST /retrieval``), best first.

        ``document_ids=None`` searches all documents, ``[]`` none: it returns nothing. ``top_k`` is the
        server's pool of candidates, not the number of results: that is ``page_size`` (1 to 100). What is
        ``None`` is left to the server (threshold 0.2, vector weight 0.3, ``top_k`` 1024). Raises
        ``InvalidRequestError`` for an empty question or no dataset, ``NotFoundError`` for an unknown one.
        A list given as ``question`` is taken as ``dataset_ids``, as the official SDK has it.
        """
        text, ids = _question_first(question, dataset_ids)
        call = chunks.retrieve(
            text,
            dataset_ids=ids,
            document_ids=document_ids or None,
            page=page,
            page_size=page_size,
            similarity_threshold=similarity_threshold,
            vector_similarity_weight=vector_similarity_weight,
            top_k=top_k,
            rerank_id=rerank_id,
            keyword=keyword,
            cross_languages=cross_languages,
            metadata_condition=metadata_condition,
            use_kg=use_kg,
            toc_enhance=toc_enhance,
            highlight=highlight,
        )
        if document_ids is not None and not document_ids:
            return Retrieval([], 0, [])
        return await self._send(call)

    # --- chats ----------------------------------------------------------------------------------------

    async def create_chat(
        self,
        name: str,
        icon: str | None = None,
        dataset_ids: Sequence[str] | None = None,
        llm_id: str | None = None,
        llm_setting: Mapping[str, Any] | None = None,
        prompt_config: Mapping[str, Any] | None = None,
        *,
        description: str | None = None,
        similarity_threshold: float | None = None,
        vector_similarity_weight: float | None = None,
        top_n: int | None = None,
        top_k: int | None = None,
        rerank_id: str | None = None,
    ) -> AsyncChat:
        """Create a chat assistant (``POST /chats``) on datasets that have at least one parsed document.

        ``top_n`` chunks over ``similarity_threshold`` go to the model. Raises ``ConflictError`` if the name
        is taken, ``NotFoundError`` for an unknown dataset.
        """
        fields = {
            "name": name,
            "icon": icon,
            "dataset_ids": dataset_ids,
            "llm_id": llm_id,
            "llm_setting": llm_setting,
            "prompt_config": prompt_config,
            "description": description,
            "similarity_threshold": similarity_threshold,
            "vector_similarity_weight": vector_similarity_weight,
            "top_n": top_n,
            "top_k": top_k,
            "rerank_id": rerank_id,
        }
        return AsyncChat._of(self, await self._send(chats.create(fields)))

    async def get_chat(self, chat_id: str) -> AsyncChat:
        """One chat assistant by its id (``GET /chats/{id}``); ``NotFoundError`` if there is none."""
        return AsyncChat._of(self, await self._send(chats.get(chat_id)))

    def chat(self, chat_id: str) -> AsyncChat:
        """A chat assistant known by its id alone, for asking it; nothing is sent."""
        return AsyncChat._of(self, ChatFields(id=check_id("chat_id", chat_id)))

    def session(self, chat_id: str, session_id: str) -> AsyncSession:
        """A session known by its ids alone, for asking in it; nothing is sent."""
        return self.chat(chat_id)._session(SessionFields(id=check_id("session_id", session_id)))

    async def list_chats(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        id: str | None = None,
        name: str | None = None,
    ) -> Page[AsyncChat]:
        """A page of chat assistants with ``total`` (``GET /chats``); empty for an unknown id or name."""
        found = await self._send(
            chats.listing(page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, name=name)
        )
        return Page([AsyncChat._of(self, one) for one in found], found.total)

    async def delete_chats(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete chat assistants (``DELETE /chats``); everything only by ``ids=None`` or ``delete_all=True``."""
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._send(chats.delete(wanted))

    # --- driving --------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close the connections, and the local engine if this client opened it; does nothing the second time."""
        await self._transport.aclose()
        self._close_twin()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, call: Call[T]) -> T:
        return call.read(call.request, await self._exchange(call.request))

    async def _exchange(self, request: Request) -> Response:
        attempt = 0
        while True:
            outcome: Response | TransportError
            try:
                outcome = await self._transport.send(request, timeout=self._settings.timeout)
            except TransportError as error:
                outcome = error
            delay = self._delay(request, outcome, attempt)
            if delay is not None:
                await asleep(delay)
                attempt += 1
            elif isinstance(outcome, TransportError):
                raise outcome
            else:
                return outcome

    async def _stream(self, stream: Streamed[T]) -> AsyncStream[T]:
        body = await self._open(stream.request)
        if body.status == 200 and body.headers.get("content-type", "").startswith("text/event-stream"):
            return AsyncStream(body, stream.decoder(stream.request))
        async with aclosing(body):
            whole = bytearray()
            async for piece in body:
                whole += piece
        payload(stream.request, Response(body.status, body.headers, bytes(whole)))
        raise TransportError(f"{stream.request.path} answered with something that is not a stream")

    async def _open(self, request: Request) -> AsyncByteStream:
        attempt = 0
        while True:
            try:
                return await self._transport.open(request, timeout=self._settings.timeout)
            except TransportError as error:
                delay = self._delay(request, error, attempt)
                if delay is None:
                    raise
            await asleep(delay)
            attempt += 1

    async def _run(self, flow: Flow[T]) -> T:
        """Drive a flow: send its calls, sleep its sleeps; what goes wrong ends it."""
        began = time.monotonic()
        try:
            step = next(flow)
            while True:
                if isinstance(step, Sleep):
                    await asleep(step.seconds)
                    step = flow.send(time.monotonic() - began)
                else:
                    step = flow.send(await self._send(step))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _delay(self, request: Request, outcome: Response | TransportError, attempt: int) -> float | None:
        return delay_before_retry(request, outcome, attempt=attempt, max_retries=self._settings.max_retries)

    def _http(self, settings: Settings) -> AsyncTransport:
        from ..transport.http import AsyncHTTPTransport

        return AsyncHTTPTransport(settings)

    def _local(self, app: LocalApp, *, owner: bool) -> AsyncTransport:
        from ..transport.local import AsyncLocalTransport

        return AsyncLocalTransport(app, owner=owner)


def _question_first(
    question: str | Sequence[str], dataset_ids: Sequence[str] | None
) -> tuple[str, Sequence[str]]:
    """The official SDK's order has the dataset ids first and the question later."""
    if isinstance(question, str):
        return question, dataset_ids or []
    if isinstance(dataset_ids, str):
        return dataset_ids, question
    raise InvalidRequestError(f"question={question!r}: give the question as text, and dataset_ids as a list")
