"""Answers of a chat: by a language model from the chunks found, or else by quoting their sentences."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from .answer import answer
from .chats import EMPTY_RESPONSE
from .citations import Citations
from .fields import dumped
from .fitting import excerpts_within, newest_within, room_for
from .models import LLM, Reasoning
from .problems import Refused
from .search import Retrieval, Retrieved
from .store import Row
from .thinking import parted

__all__ = [
    "GENERATION",
    "Delta",
    "Event",
    "Final",
    "Mark",
    "MissingVariable",
    "Question",
    "check",
    "quoted",
    "retrieval_for",
    "settings_for",
    "spoken",
    "told",
    "turn",
    "variables",
]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_CITE = (
    "\n\nCite what you use: end each sentence that draws on an excerpt with the excerpt's number, as in [ID:0], with "
    "[ID:0] [ID:2] for two of them. Cite nothing else, and write no list of sources."
)
GENERATION = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens")
_NEVER = ("use_kg", "tts")


@dataclass(frozen=True)
class Delta:
    """The next piece of the text."""

    text: str


@dataclass(frozen=True)
class Mark:
    """Between pieces: from here on the model thinks, or it answers."""

    flag: Literal["start_to_think", "end_to_think"]


@dataclass(frozen=True)
class Final:
    """The end of an answer: what it refers to (``total``, ``chunks``, ``doc_aggs``) and the prompt it stands for.

    ``reference`` is None where nothing was searched. ``answer`` is empty, unless nothing was found: then it is the
    chat's empty response, and no piece came before.
    """

    reference: Row | None
    prompt: str
    answer: str = ""


Event = Delta | Mark | Final
Recite = Callable[[str], tuple[str, set[int]]]


class MissingVariable(Refused):
    """The chat's prompt has a variable that the request must set."""


@dataclass(frozen=True)
class Question:
    """What is asked of a chat: ``messages`` (``{"role": "user" | "assistant", "content": …}``), the last a question.

    ``document_ids`` and ``metadata_fields`` are those of ``Retrieval``; without ``quote`` there are no citations.
    ``variables`` fill the prompt, ``settings`` go over the chat's for the model. ``reasoning`` is how much is searched
    for, from 0 to 4; None leaves it to the chat. ``whole``: the answer is wanted at once, so it can be cited where the
    model did not.
    """

    messages: Sequence[Mapping[str, Any]]
    document_ids: Sequence[str] | None = None
    metadata_fields: Collection[str] | None = ()
    quote: bool = True
    variables: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    reasoning: int | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1].get("role") != "user":
            raise Refused("The last content of this conversation is not from user.")

    @property
    def text(self) -> str:
        """What is asked."""
        return str(self.messages[-1].get("content") or "")


def check(chat: Row) -> None:
    """``Refused``, by name, if the chat is set to do what this engine cannot."""
    config = chat["prompt_config"]
    for name in filter(config.get, _NEVER):
        raise Refused(f"the local engine does not have `prompt_config.{name}` yet; a RAGFlow server has it")


def retrieval_for(chat: Row, question: Question, text: str, document_ids: Sequence[str] | None) -> Retrieval:
    """The retrieval that a chat's settings ask for."""
    return Retrieval(
        question=text,
        dataset_ids=chat["dataset_ids"],
        document_ids=document_ids,
        page_size=max(1, chat["top_n"]),
        similarity_threshold=chat["similarity_threshold"],
        vector_similarity_weight=chat["vector_similarity_weight"],
        top_k=max(1, chat["top_k"]),
        rerank_id=chat["rerank_id"] or "",
        toc_enhance=bool(chat["prompt_config"].get("toc_enhance")),
        metadata_fields=question.metadata_fields,
    )


def variables(chat: Row, question: Question) -> dict[str, str]:
    """What fills the chat's prompt, ``knowledge`` apart; ``MissingVariable`` if the request lacks one."""
    values = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")}
    values |= {key: str(value) for key, value in question.variables.items()}
    for parameter in chat["prompt_config"].get("parameters") or ():
        key = str(parameter.get("key"))
        if key != "knowledge" and key not in values:
            if not parameter.get("optional"):
                raise MissingVariable(f"Miss parameter: {key}")
            values[key] = " "
    return values


def spoken(llm: LLM, chat: Row, question: Question) -> Iterator[Event]:
    """The answer of a chat without datasets: what the model says of itself."""
    system = _filled(chat["prompt_config"].get("system") or "", variables(chat, question))
    yield from _said(llm.chat(_fitting(llm, system, question.messages), **settings_for(chat, question)))
    yield Final(reference=None, prompt="")


def told(
    llm: LLM, chat: Row, question: Question, asked: str, retrieved: Retrieved, recite: Recite
) -> Iterator[Event]:
    """The answer of a model that was given the chunks; the empty response if there are none and the chat has one.

    ``recite`` puts citations into a whole answer that has none, and says which.
    """
    values = variables(chat, question)
    if not retrieved.chunks and chat["prompt_config"].get("empty_response"):
        yield _nothing(chat, asked)
        return
    template = chat["prompt_config"].get("system") or ""
    cite = question.quote and bool(retrieved.chunks)
    room = room_for(llm, _filled(template, values), _CITE if cite else "", question.text)
    excerpts = excerpts_within(room, _excerpts(retrieved))
    system = _with_knowledge(template, values, excerpts)
    messages = _fitting(llm, system + (_CITE if cite else ""), question.messages)
    markers = Citations(len(excerpts) if cite else 0)
    events = _right(_said(llm.chat(messages, **settings_for(chat, question))), markers)
    yield from _recited(events, markers, recite) if cite and question.whole else events
    yield Final(_reference(retrieved, markers.found), f"{system}\n\n### Query:\n{asked}")


def quoted(chat: Row, question: Question, retrieved: Retrieved) -> Iterator[Event]:
    """The sentences of the chunks that answer; the empty response if none says anything about the question."""
    values = variables(chat, question)
    found = ""
    markers = Citations(len(retrieved.chunks))
    for found in answer(question.text, [chunk["content"] for chunk in retrieved.chunks], cite=question.quote):
        markers.feed(found)
        yield Delta(found)
    if not found:
        yield _nothing(chat, question.text)
        return
    system = _with_knowledge(chat["prompt_config"].get("system") or "", values, _excerpts(retrieved))
    said_by = "(answered by extraction, without a language model)"
    yield Final(_reference(retrieved, markers.found), f"{system}\n\n### Query:\n{question.text}\n\n{said_by}")


def turn(message: Mapping[str, Any], text: str) -> list[Row]:
    """The two messages that a session keeps of a question and its answer."""
    answered = {"role": "assistant", "content": text, "id": message["id"], "created_at": time.time()}
    return [dict(message), answered]


def _said(deltas: Iterable[str]) -> Iterator[Delta | Mark]:
    thinking = False
    for delta in parted(deltas):
        if isinstance(delta, Reasoning) != thinking:
            thinking = not thinking
            yield Mark("start_to_think" if thinking else "end_to_think")
        yield Delta(str(delta))
    if thinking:
        yield Mark("end_to_think")


def _right(events: Iterable[Delta | Mark], markers: Citations) -> Iterator[Delta | Mark]:
    """The events with right citations; thoughts are left as they are."""
    thinking = False
    for event in events:
        if isinstance(event, Mark):
            thinking = event.flag == "start_to_think"
        elif not thinking:
            event = Delta(markers.feed(event.text))
        if event != Delta(""):
            yield event
    if rest := markers.rest():
        yield Delta(rest)


def _recited(events: Iterable[Delta | Mark], markers: Citations, recite: Recite) -> Iterator[Delta | Mark]:
    """The thoughts, then the answer in one piece, with citations if the model wrote none."""
    text, thinking = "", False
    for event in events:
        if isinstance(event, Mark):
            thinking = event.flag == "start_to_think"
            yield event
        elif thinking:
            yield event
        else:
            text += event.text
    if not markers.found:
        text, markers.found = recite(text)
    yield Delta(text)


def settings_for(chat: Row, question: Question) -> Row:
    """What the model is told beside the messages; searches have a switch beside each of these."""
    own = chat["llm_setting"] or {}
    given = {key: own[key] for key in GENERATION if key in own and own.get(f"{key}_enabled", True)}
    return {key: value for key, value in {**given, **question.settings}.items() if key in GENERATION}


def _fitting(llm: LLM, system: str, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The conversation with what is asked of the model; the oldest messages go if all are too long."""
    *earlier, last = messages
    kept = [*newest_within(room_for(llm, system, str(last.get("content") or "")), earlier), last]
    told = [{"role": "system", "content": system}] if system else []
    return [*told, *({"role": str(each["role"]), "content": str(each.get("content") or "")} for each in kept)]


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _excerpts(retrieved: Retrieved) -> list[str]:
    """What was found, each with its number, its title and what is known of its document."""
    return [
        "\n".join(
            (
                f"ID: {number}",
                f"Title: {chunk['document_keyword']}",
                *_about(chunk),
                "Content:",
                chunk["content"],
            )
        )
        for number, chunk in enumerate(retrieved.chunks)
    ]


def _about(chunk: Row) -> Iterator[str]:
    """The metadata of the document that a reference shows, line by line."""
    for name, value in (chunk.get("document_metadata") or {}).items():
        if value not in (None, "", []):
            yield f"{name}: {value if isinstance(value, str) else dumped(value)}"


def _with_knowledge(system: str, values: Mapping[str, str], excerpts: Sequence[str]) -> str:
    """The prompt with the excerpts where it wants them, or else at its end."""
    knowledge = "\n\n".join(excerpts)
    filled = _filled(system, {**values, "knowledge": knowledge})
    return filled if "{knowledge}" in system else f"{filled}\n\n{knowledge}".strip()


def _nothing(chat: Row, asked: str) -> Final:
    text = chat["prompt_config"].get("empty_response") or EMPTY_RESPONSE
    return Final({"total": 0, "chunks": [], "doc_aggs": []}, f"\n\n### Query:\n{asked}", answer=str(text))


def _reference(retrieved: Retrieved, cited: Collection[int]) -> Row:
    """The chunks, and of their documents those that are cited, or else all."""
    documents = {retrieved.chunks[number]["document_id"] for number in cited}
    aggs = [each for each in retrieved.doc_aggs if each["doc_id"] in documents]
    chunks = [_cited(chunk) for chunk in retrieved.chunks]
    return {"total": retrieved.total, "chunks": chunks, "doc_aggs": aggs or retrieved.doc_aggs}


def _cited(chunk: Row) -> Row:
    kept = ("id", "content", "document_id", "dataset_id", "image_id", "positions", "row_id")
    scores = ("similarity", "vector_similarity", "term_similarity")
    return {key: chunk[key] for key in (*kept, *scores)} | {
        "document_name": chunk["document_keyword"],
        "doc_type": chunk["doc_type_kwd"],
        "url": None,
        "document_metadata": chunk.get("document_metadata"),
    }
