"""What a client with a scope sends and hands out: every call is narrowed here, or refused.

``Guard.narrowed`` turns a call into the flow that makes it within the scope: what is asked for is cut to the
scope before anything is sent, and what comes back is checked before it is handed out. Operations are ruled one by
one, in ``RULES`` and ``ANSWERS``; one that has no rule is refused, so that a new one is until somebody has
thought about it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from ...errors import UnsupportedError
from ..wire import Call, Flow, Request, Streamed, T, ask
from . import answers, chats, datasets, documents, memories, retrieval
from .guard import Answers, Checked, Guarded, Rule

__all__ = ["ANSWERS", "RULES", "Guard"]

RULES: dict[str, Rule] = {
    "RAGFlow.server_info": datasets.unchanged,
    "RAGFlow.health": datasets.unchanged,
    "RAGFlow.retrieve": retrieval.retrieve,
    "RAGFlow.get_dataset": datasets.get,
    "RAGFlow.list_datasets": datasets.listing,
    "DataSet.update": datasets.whole,
    "DataSet.metadata_summary": datasets.whole,
    "DataSet.update_metadata": documents.some,
    "DataSet.get_auto_metadata": datasets.whole,
    "DataSet.update_auto_metadata": datasets.whole,
    "DataSet.tags": datasets.whole,
    "DataSet.rename_tag": datasets.whole,
    "DataSet.delete_tags": datasets.whole,
    "DataSet.knowledge_graph": datasets.whole,
    "DataSet.delete_knowledge_graph": datasets.whole,
    "DataSet.run_graphrag": datasets.whole,
    "DataSet.trace_graphrag": datasets.whole,
    "DataSet.run_raptor": datasets.whole,
    "DataSet.trace_raptor": datasets.whole,
    "DataSet.delete_raptor": datasets.whole,
    "DataSet.item_operations": datasets.whole,
    "DataSet.upload_documents": datasets.whole,
    "DataSet.upload_url": datasets.whole,
    "DataSet.list_documents": documents.listing,
    "DataSet.delete_documents": documents.some,
    "DataSet.async_parse_documents": documents.some,
    "DataSet.async_cancel_parse_documents": documents.some,
    "Document.update": documents.change,
    "Document.download": documents.read,
    "Document.preview": documents.preview,
    "Document.thumbnail": documents.thumbnail,
    "Document.add_chunk": documents.change,
    "Document.list_chunks": documents.chunks,
    "Document.get_chunk": documents.chunks,
    "Document.delete_chunks": documents.change,
    "Document.switch_chunks": documents.change,
    "Chunk.update": documents.change_chunk,
    "Chunk.image": documents.chunk_image,
    "RAGFlow.get_chat": chats.get,
    "RAGFlow.list_chats": chats.listing,
    "Chat.create_session": chats.create_session,
    "Chat.get_session": chats.get_session,
    "Chat.list_sessions": chats.list_sessions,
    "Chat.delete_sessions": chats.delete_sessions,
    "Session.update": chats.update_session,
    "RAGFlow.add_message": memories.add,
    "RAGFlow.search_message": memories.find,
    "RAGFlow.get_recent_messages": memories.find,
}
"""How each operation is kept within a scope."""

ANSWERS: dict[str, Answers] = {
    "Chat.ask": answers.native,
    "Session.ask": answers.native,
    "RAGFlow.chat_completions": answers.openai,
}
"""The same of those that may be streamed: the request that keeps to the scope, and the check of what it answers."""


class Guard(Guarded):
    """Keeps a client within its scope; remembers the sessions that were made through it."""

    def narrowed(self, call: Call[T]) -> Flow[T]:
        """The call, within the scope; ``UnsupportedError`` if that is not possible."""
        operation = call.request.operation
        if operation in RULES:
            return cast("T", (yield from RULES[operation](self, call)))
        asked, check = yield from self._answers(call.request)
        answer = yield from ask(Call(asked, call.read))
        check(answer)
        return answer

    def narrowed_stream(self, stream: Streamed[T]) -> Flow[Streamed[T]]:
        """The same of a call whose answer is streamed; each piece is checked before it is handed out."""
        asked, check = yield from self._answers(stream.request)
        return replace(stream, request=asked, decoder=lambda request: Checked(stream.decoder(request), check))

    def _answers(self, request: Request) -> Flow[answers.Prepared]:
        if request.operation not in ANSWERS:
            raise UnsupportedError(
                f"{request.operation} cannot be kept within a scope, so a client with one refuses it; "
                "use the client that this one was made from"
            )
        return (yield from ANSWERS[request.operation](self, request))
