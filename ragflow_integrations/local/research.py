"""Answers to what one search does not find: a language model searches until it knows enough (``reasoning``)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from .conversation import Delta, Mark
from .fitting import excerpts_within, room_for
from .models import LLM, Calling, Reasoning, Tool, ToolCall, ToolCalls, Turn, result_of
from .search import Retrieved
from .store import Row
from .tokens import count_tokens

__all__ = ["level_of", "researched"]

_LEVELS = ("1", "2", "3", "4")
_MEDIUM = 2
_ROUNDS = 2  # for each level
_AT_ONCE = 4  # searches
_MOST_SAID = 40_000  # characters beside calls, thoughts among them: what says more answers already
_LEAST = 64  # tokens of room without which no search is worth it
_TASK = (
    "Find what is needed to answer the user's question, with searches of the user's documents. Look for one thing at a"
    " time, with the words that a text about it would have, and for what the last findings leave open. Do not answer"
    " the question: when all is there, or when searching finds nothing new, say DONE."
)
_SEARCH = Tool("search", "searches the user's documents", {"query": "words to look for"})

Search = Callable[[str], Retrieved]
Events = Generator[Delta | Mark, None, Retrieved]


def level_of(value: Any) -> int:
    """How much is searched for, from 1 to 4, as ``reasoning`` says it; 0 for an answer without."""
    said = str(value or 0).strip()
    if said in ("0", "False"):
        return 0
    return int(said) if said in _LEVELS else _MEDIUM


def researched(llm: LLM, asked: str, search: Search, level: int, settings: Mapping[str, Any]) -> Events:
    """Search as the model wants it, which is told as its thoughts; the generator's value is all that was found."""
    research = _Research(llm, asked, search, settings)
    yield Mark("start_to_think")
    for _ in range(level * _ROUNDS):
        if not (yield from research.round()):
            break
    yield Mark("end_to_think")
    return research.all_found()


class _Research:
    def __init__(self, llm: LLM, asked: str, search: Search, settings: Mapping[str, Any]) -> None:
        self._calling, self._asked, self._search, self._settings = Calling(llm), asked, search, settings
        self._turns: Sequence[Turn] = [
            {"role": "system", "content": _TASK},
            {"role": "user", "content": asked},
        ]
        self._room = room_for(llm, _TASK, asked)
        self._found: list[list[Row]] = []
        self._seen: set[str] = set()

    def round(self) -> Generator[Delta, None, bool]:
        """Make the searches that the model asks for; False if it knows enough, or can hold no more."""
        called: ToolCalls | None = None
        said = 0
        for delta in self._calling.chat(self._turns, [_SEARCH], may_call=True, **self._settings):
            if isinstance(delta, ToolCalls):
                called = delta
            elif isinstance(delta, Reasoning):
                yield Delta(str(delta))
            else:
                said += len(delta)
            if said > _MOST_SAID:
                break
        if called is None:
            return False
        results = []
        for number, call in enumerate(called.calls):
            results.append(result_of(call, (yield from self._result(call, number))))
        self._turns = [*self._turns, called, *results]
        return self._room >= _LEAST

    def all_found(self) -> Retrieved:
        """What the searches have found, the best of each first; if that is nothing, what the question itself finds."""
        if not any(self._found):
            return self._search(self._asked)
        chunks = [each for each in chain.from_iterable(zip_longest(*self._found)) if each is not None]
        return Retrieved(len(chunks), chunks, _documents(chunks))

    def _result(self, call: ToolCall, number: int) -> Generator[Delta, None, str]:
        query = (call.arguments or {}).get("query")
        if call.name != _SEARCH.name or not isinstance(query, str) or not query.strip():
            return f"call {_SEARCH.name} with a `query`"
        if number >= _AT_ONCE or self._room < _LEAST:
            return "not done: too many searches at once"
        yield Delta(f"Searching for: {query}\n")
        new = [each for each in self._search(query).chunks if each["id"] not in self._seen]
        self._seen |= {each["id"] for each in new}
        self._found.append(new)
        excerpts = [f"Title: {each['document_keyword']}\n{each['content']}" for each in new]
        told = "\n\n".join(excerpts_within(self._room, excerpts))
        self._room -= count_tokens(told)
        return told or "nothing new was found"


def _documents(chunks: Iterable[Row]) -> list[Row]:
    """The documents of the chunks, those with the most first."""
    counts: dict[tuple[str, str], int] = {}
    for each in chunks:
        document = (each["document_keyword"], each["document_id"])
        counts[document] = counts.get(document, 0) + 1
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    return [{"doc_name": name, "doc_id": identifier, "count": count} for (name, identifier), count in ordered]
