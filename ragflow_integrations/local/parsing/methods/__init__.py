"""RAGFlow v0.27's chunk methods, each with the files it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ...tokens import count_tokens
from ..base import Chunk, File, ParseError
from ..formats import HTML, MARKDOWN, SHEETS, SUFFIXES
from ..settings import Settings
from .email import email
from .naive import naive
from .one import one
from .outline import book, laws, manual, paper
from .presentation import presentation
from .qa import qa
from .table import table
from .tag import tag

__all__ = ["ELSEWHERE", "METHODS", "Method", "cut"]

ELSEWHERE = {
    "picture": "OCR and a vision model",
    "audio": "a speech model",
    "resume": "OCR and a language model",
    "knowledge_graph": "a language model",
}
"""Methods that RAGFlow has and this engine does not, with what they take."""

_TEXTS = frozenset({"doc", "docx", "odt", "pdf", "rtf", "txt"}) | HTML
_ROWS = SHEETS | {"txt"}


@dataclass(frozen=True)
class Method:
    """How a method cuts a file, which suffixes it takes, and its own defaults of ``parser_config``."""

    cut: Callable[[File, Settings], list[Chunk]]
    suffixes: frozenset[str]
    size: int = 128
    delimiter: str = "\n"


METHODS: Mapping[str, Method] = {
    "naive": Method(naive, SUFFIXES - {"eml", "msg"}),
    "one": Method(one, _TEXTS | MARKDOWN | SHEETS, size=512),
    "qa": Method(qa, _ROWS | MARKDOWN | {"docx", "pdf"}),
    "table": Method(table, _ROWS),
    "tag": Method(tag, _ROWS),
    "email": Method(email, frozenset({"eml", "msg"}), delimiter="\n!?。；！？"),
    "presentation": Method(presentation, frozenset({"pdf", "ppt", "pptx"})),
    "manual": Method(manual, frozenset({"docx", "pdf"})),
    "book": Method(book, _TEXTS, size=256, delimiter="\n。；！？"),
    "laws": Method(laws, _TEXTS | MARKDOWN, size=512),
    "paper": Method(paper, frozenset({"pdf"})),
}


def cut(file: File, chunk_method: str, settings: Settings) -> list[Chunk]:
    """The file's chunks in order, at least one; ``ParseError`` if the method does not take such files."""
    method = METHODS[chunk_method]
    if file.suffix not in method.suffixes:
        taken = ", ".join(sorted(method.suffixes))
        raise ParseError(f"The chunk method {chunk_method!r} takes {taken} files, not {file.name!r}.")
    chunks = [
        replace(chunk, token_count=count_tokens(chunk.content))
        for chunk in method.cut(file, settings)
        if chunk.content.strip()
    ]
    if not chunks:
        raise ParseError(f"The file {file.name!r} holds no text.")
    return chunks
