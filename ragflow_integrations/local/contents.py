"""A document's table of contents for the search: a language model picks the sections that a question is about."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import apsw

from .fields import given_json
from .models import LLM
from .parsing.markdown import is_heading
from .store import Row, rows
from .wording import asked_of

__all__ = ["best_document", "of_document", "picked"]

_MOST = 300  # entries
_LONGEST = 100  # characters of an entry
_PICK = (
    "Below are the sections of a document, one a line with its number, and a question. Which sections help to answer "
    'it? Answer with JSON alone, a list of {{"section": number, "score": 1 to 10}} of the helpful ones, best first, '
    "and [] if none does.\n\n{sections}\n\nQuestion: {question}"
)
_LIST = re.compile(r"\[.*\]", re.DOTALL)


def best_document(found: Sequence[Row]) -> str:
    """The document whose chunks are, all together, most similar."""
    worth: defaultdict[str, float] = defaultdict(float)
    for chunk in found:
        worth[chunk["document_id"]] += chunk["similarity"]
    return max(worth, key=worth.__getitem__)


def of_document(db: apsw.Connection, document_id: str) -> list[tuple[str, str]]:
    """The searchable chunks of a document in order: id, and heading or else first line."""
    sql = "SELECT id, content FROM chunk WHERE document_id = ? AND available ORDER BY place, row LIMIT ?"
    return [(each["id"], _title(each["content"])) for each in rows(db, sql, (document_id, _MOST))]


def picked(llm: LLM, question: str, contents: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The chunks that the model finds helpful, with a similarity from 0 to 1; none if it says nothing of use."""
    lines = "\n".join(f"{number}. {title}" for number, (_, title) in enumerate(contents, start=1))
    said = _LIST.search(asked_of(llm, _PICK.format(sections=lines, question=question), temperature=0))
    try:
        read = given_json(said[0]) if said else []
        chosen = {int(each["section"]): float(each["score"]) / 10 for each in read}
    except (ValueError, TypeError, KeyError):
        return {}
    return {
        contents[number - 1][0]: min(max(score, 0.0), 1.0)
        for number, score in chosen.items()
        if 0 < number <= len(contents)
    }


def _title(content: str) -> str:
    lines = [line.strip() for line in content.split("\n") if line.strip()]
    return next((line for line in lines if is_heading(line)), lines[0] if lines else "")[:_LONGEST]
