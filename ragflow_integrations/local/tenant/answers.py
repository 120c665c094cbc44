"""Answers of chats, as one tenant gets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import conversation, index, metadata_filter, rewording, sessions, suggestions
from ..citations import cited
from ..conversation import Delta, Event, Mark, Question
from ..fields import new_id
from ..models import LLM
from ..research import level_of, researched
from ..search import Retrieval, Retrieved
from ..store import Row
from .chunks import ChunkCalls
from .documents import DocumentCalls

__all__ = ["AnswerCalls"]

_EXCERPTS = 12
_SEARCH: Row = {  # what RAGFlow's searches have for settings where they are not set
    "llm_setting": {},
    "meta_data_filter": {},
    "prompt_config": {
        "system": "Answer the question from these excerpts, and sum up what they say about it.\n\n{knowledge}",
        "empty_response": "",
    },
    "rerank_id": "",
    "similarity_threshold": 0.1,
    "top_k": 1024,
    "top_n": _EXCERPTS,
    "vector_similarity_weight": 0.3,
}
_THOUGHT = {"start_to_think": "<think>", "end_to_think": "</think>"}


class AnswerCalls(ChunkCalls, DocumentCalls):
    """The calls that answer."""

    def converse(
        self,
        chat: Row,
        question: Question,
        *,
        llm_id: str | None = None,
        session: Row | None = None,
        history: Sequence[Row] | None = None,
    ) -> Iterator[Event]:
        """Answer a question to a chat: pieces of text, then the reference.

        A language model answers (``llm_id``, or else the chat's), or, where there is none, the sentences of the
        chunks do. What is said is stored in ``session``, all at once, before the last event; ``history`` takes the
        place of what was stored there. At once raises ``Refused`` for what the chat is set to and the engine does
        not have, ``UnknownModel``.
        """
        events = self._answered(self.check_answerable(chat, llm_id, question.reasoning), chat, question)
        return events if session is None else self._stored(events, question, session, history)

    def check_answerable(
        self, chat: Row, llm_id: str | None = None, reasoning: int | None = None
    ) -> LLM | None:
        """The model that answers, None if the sentences of the chunks do; raises what ``converse`` does at once."""
        conversation.check(chat)
        models, name = self.models, llm_id or chat["llm_id"]
        needing = rewording.wanted(chat) + metadata_filter.wanted(chat["meta_data_filter"])
        if _level(chat, reasoning):
            needing.append("`reasoning`")
        if not chat["dataset_ids"]:
            needing.append("an answer without a dataset")
        elif chat["rerank_id"]:
            models.known("rerank", chat["rerank_id"])
        for feature in needing:
            models.needed_llm(feature, name)
        return models.llm(name)

    def ask(
        self, question: str, dataset_ids: Sequence[str], config: Mapping[str, Any] | None = None
    ) -> Iterator[Event]:
        """Answer a question from datasets, without a chat; ``config`` is a search application's ``search_config``."""
        chat = {**_SEARCH, **{key: value for key, value in (config or {}).items() if key in _SEARCH}}
        chat |= {"dataset_ids": list(dataset_ids), "llm_id": (config or {}).get("chat_id") or ""}
        asked = Question(
            [{"role": "user", "content": question}], document_ids=(config or {}).get("doc_ids") or None
        )
        return self.converse(chat, asked)

    def related_questions(self, question: str, llm_id: str | None = None) -> list[str]:
        """Questions near to one; ``Refused`` without a language model."""
        return suggestions.related(
            self.models.needed_llm("the recommendation of questions", llm_id), question
        )

    def mindmap(self, question: str, dataset_ids: Sequence[str], llm_id: str | None = None) -> Row:
        """What datasets say about a question, as a tree of ``id`` and ``children``; ``Refused`` without a model."""
        llm = self.models.needed_llm("a mind map", llm_id)
        found = self.retrieve(Retrieval(question, dataset_ids, page_size=_EXCERPTS))
        return suggestions.mindmap(llm, [chunk["content"] for chunk in found.chunks])

    def _answered(self, llm: LLM | None, chat: Row, question: Question) -> Iterator[Event]:
        if llm is None:
            document_ids = self._documents(None, chat, question)
            found = self._found(chat, question, question.text, document_ids)
            yield from conversation.quoted(chat, question, found)
        elif not chat["dataset_ids"]:
            yield from conversation.spoken(llm, chat, question)
        else:
            conversation.variables(chat, question)  # what is missing is said before the model is asked
            asked = rewording.reworded(llm, chat, question)
            document_ids = self._documents(llm, chat, question)

            def search(text: str) -> Retrieved:
                return self._found(chat, question, text, document_ids)

            level, settings = _level(chat, question.reasoning), conversation.settings_for(chat, question)
            found = (yield from researched(llm, asked, search, level, settings)) if level else search(asked)

            def recite(text: str) -> tuple[str, set[int]]:
                return self._cited(text, chat, found)

            yield from conversation.told(llm, chat, question, asked, found, recite)

    def _documents(self, llm: LLM | None, chat: Row, question: Question) -> Sequence[str] | None:
        """The documents that are searched; None for all."""
        wanted = chat["meta_data_filter"]
        if not wanted:
            return question.document_ids
        held = self.metadata(chat["dataset_ids"], question.document_ids)
        return metadata_filter.chosen(wanted, held, question.text, llm, question.document_ids)

    def _found(
        self, chat: Row, question: Question, text: str, document_ids: Sequence[str] | None
    ) -> Retrieved:
        if document_ids is not None and not document_ids:
            return Retrieved()
        return self.retrieve(conversation.retrieval_for(chat, question, text, document_ids))

    def _cited(self, text: str, chat: Row, found: Retrieved) -> tuple[str, set[int]]:
        """A whole answer with citations of the chunks that were found for it."""
        contents = [chunk["content"] for chunk in found.chunks]
        with self._shared.store.read() as db:
            embedder = self._embedder_of(db, chat["dataset_ids"])
            vectors = index.vectors(db, [chunk["id"] for chunk in found.chunks])
        return cited(text, contents, vectors, embedder, chat["vector_similarity_weight"])

    def _stored(
        self, events: Iterator[Event], question: Question, session: Row, history: Sequence[Row] | None
    ) -> Iterator[Event]:
        """The events; question and answer are in the session before the last one is handed out."""
        text = ""
        message = {"id": new_id(), **question.messages[-1]}
        for event in events:
            if isinstance(event, Delta):
                text += event.text
            elif isinstance(event, Mark):
                text += _THOUGHT[event.flag]
            else:
                said = conversation.turn(message, event.answer or text)
                with self._shared.store.write() as db:
                    sessions.append(
                        db, session["id"], said, event.reference or {"chunks": []}, history=history
                    )
            yield event


def _level(chat: Row, reasoning: int | None) -> int:
    """How much is searched for: as the question says, or else the chat; nothing where there is nothing to search."""
    if not chat["dataset_ids"]:
        return 0
    return level_of(chat["prompt_config"].get("reasoning")) if reasoning is None else reasoning
