"""What a language model makes of a question beside an answer: related questions, a mind map."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .models import LLM
from .store import Row
from .wording import asked_of

__all__ = ["mindmap", "related"]

_RELATED = (
    "Somebody searched for the words below. Suggest five to ten searches that may be of interest next, each of two to "
    "four words, in the same language. Answer with a numbered list (1. 2. …) and nothing else.\n\n{question}"
)
_MINDMAP = (
    "Sum up these texts as a mind map: a Markdown outline of headings (# to ####) and lists, with a few words on each "
    "line, and nothing else.\n\n{texts}"
)
_NUMBERED = re.compile(r"\s*\d{1,2}[.)] +(.*\S)")
_HEADING = re.compile(r"(#{1,6})\s+(.*\S)")
_ITEM = re.compile(r"(\s*)(?:[-*+•]|\d+[.)])\s+(.*\S)")
_LISTS = 100  # a list's items stand below all headings


def related(llm: LLM, question: str) -> list[str]:
    """Searches near to this one."""
    lines = asked_of(llm, _RELATED.format(question=question), temperature=0.9).splitlines()
    return [found[1] for line in lines if (found := _NUMBERED.fullmatch(line))]


def mindmap(llm: LLM, texts: Sequence[str]) -> Row:
    """The outline of the texts as ``{"id": …, "children": […]}``; the root is called ``root``."""
    root: Row = {"id": "root", "children": []}
    above: list[tuple[int, Row]] = [(-1, root)]
    outline = asked_of(llm, _MINDMAP.format(texts="\n\n".join(texts))) if texts else ""
    for line in outline.splitlines():
        if (place := _place(line)) is None:
            continue
        depth, text = place
        while above[-1][0] >= depth:
            above.pop()
        node: Row = {"id": text, "children": []}
        above[-1][1]["children"].append(node)
        above.append((depth, node))
    return root


def _place(line: str) -> tuple[int, str] | None:
    """How deep in the outline a line is, and what it says; None if it belongs to none."""
    if heading := _HEADING.fullmatch(line.strip()):
        return len(heading[1]), heading[2].strip("*")
    if item := _ITEM.fullmatch(line.rstrip()):
        return _LISTS + len(item[1]), item[2].strip("*")
    return None
