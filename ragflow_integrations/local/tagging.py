"""Tags for chunks that are parsed, from the datasets that ``parser_config.tag_kb_ids`` names.

As on RAGFlow first by statistics, which tell something only where thousands of chunks have tags, then by a language
model. Without one the other chunks stay without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .fields import dumped, given_json
from .index import match
from .models import LLM
from .parsing import Chunk
from .rank import weightiest
from .store import Store, rows
from .tags import Source, named
from .wording import asked_of
from .words import words

__all__ = ["Tagger"]

_WORDS = 30  # of a chunk that it is looked for by
_MOST = 300  # tags shown to a model, the most frequent ones
_EXAMPLES, _LONGEST = 3, 500  # chunks that have tags, and their characters
_PROMPT = (
    "Which of these tags say what the text below is about? Answer with JSON alone, an object of at most {topn} of the "
    "tags with how well each one fits, from 1 to 10, and {{}} if none does.\n\n"
    "Tags: {tags}\n\nTexts that have tags:\n{examples}\n\nText:\n{text}"
)
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_LIKE = (
    "SELECT content, tags_json FROM term JOIN chunk ON chunk.row = term.rowid"
    " WHERE term MATCH ? AND tags_json <> '[]' ORDER BY bm25(term), chunk.row LIMIT ?"
)


class Tagger:
    """Finds the tags of one document's chunks; ``untagged`` counts those for which there was nobody to ask."""

    def __init__(self, store: Store, source: Source, llm: LLM | None) -> None:
        self.untagged = 0
        self._store = store
        self._source = source
        self._llm = llm

    def tagged(self, title: str, chunk: Chunk) -> Chunk:
        """A chunk of the document called ``title`` with its ``tag_features``."""
        sought = weightiest(f"{chunk.content}\n{title}", _WORDS)
        sought += [phrase for each in chunk.important_keywords if (phrase := " ".join(words(each)))]
        with self._store.read() as db:
            found = self._source.of_text(db, sought)
        if not found and self._llm is not None:
            found = self._told(self._llm, chunk.content, sought)
        elif not found:
            self.untagged += 1
        return replace(chunk, tag_features=found)

    def _told(self, llm: LLM, text: str, sought: Sequence[str]) -> dict[str, int]:
        """The tags that a model names; none if it says nothing of use."""
        with self._store.read() as db:
            expression = match(sought, dataset_ids=self._source.dataset_ids)
            alike = rows(db, _LIKE, (expression, _EXAMPLES)) if sought else []
        prompt = _PROMPT.format(
            topn=self._source.topn,
            tags=dumped(list(self._source.everywhere)[:_MOST]),
            examples="\n".join(f"{each['content'][:_LONGEST]}\n{each['tags_json']}" for each in alike),
            text=text,
        )
        weights = _read(asked_of(llm, prompt, temperature=0), self._source.everywhere)
        return dict(sorted(weights.items(), key=lambda each: -each[1])[: self._source.topn])


def _read(answer: str, known: Mapping[str, int]) -> dict[str, int]:
    said = _OBJECT.search(answer)
    try:
        read = given_json(said[0]) if said else {}
        return {named(tag): min(max(round(float(fit)), 1), 10) for tag, fit in read.items() if tag in known}
    except (ValueError, TypeError, OverflowError):
        return {}
