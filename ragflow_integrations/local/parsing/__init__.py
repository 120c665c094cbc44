"""From a file to its chunks: formats are read into sections, and a chunk method cuts and joins these.

Nothing here knows of the database, of HTTP or of vectors, so that it runs in a process of its own (``worker.py``,
which ``pool.py`` starts): a file that takes all time or memory takes that process with it and nothing else.
Nothing is fetched from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .base import Chunk, ParseError, Tell
from .formats import ACCEPTED, AUDIO, IMAGES, LIGHT, SUFFIXES, opened
from .methods import ELSEWHERE, METHODS, cut
from .settings import settings_of

__all__ = [
    "ACCEPTED",
    "AUDIO",
    "ELSEWHERE",
    "IMAGES",
    "LIGHT",
    "METHODS",
    "SUFFIXES",
    "Chunk",
    "ParseError",
    "chunk_document",
]


def chunk_document(
    name: str,
    data: bytes,
    *,
    chunk_method: str,
    parser_config: Mapping[str, Any],
    language: str = "English",
    tell: Tell = lambda share, line: None,
) -> list[Chunk]:
    """The chunks of a file in order, as RAGFlow v0.27 makes them with ``chunk_method``.

    ``parser_config`` as on the server: ``chunk_token_num`` (cl100k_base tokens), ``delimiter``, ``overlapped_percent``
    (0 to 90, or 0 to 1), ``children_delimiter`` or ``parent_child``, ``html4excel``, ``pages``, ``layout_recognize``,
    ``table_column_mode`` and ``table_column_roles``; each with the method's own default. ``language`` is the
    dataset's. ``tell`` hears how far the reading is, and what has to be left out.

    ``ParseError`` says why there are no chunks: file type, chunk method, settings, or a file without text.
    """
    if chunk_method in ELSEWHERE:
        raise ParseError(
            f"The chunk method {chunk_method!r} takes {ELSEWHERE[chunk_method]}, which the local engine does not have; "
            f"a RAGFlow server has it: {name!r}."
        )
    if chunk_method not in METHODS:
        raise ParseError(f"There is no chunk method {chunk_method!r}: use one of {', '.join(METHODS)}.")
    method = METHODS[chunk_method]
    settings = settings_of(parser_config, language=language, size=method.size, delimiter=method.delimiter)
    return cut(replace(opened(name, data), tell=tell), chunk_method, settings)
