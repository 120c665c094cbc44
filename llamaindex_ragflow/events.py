"""Events of our own for LlamaIndex's instrumentation, beside those that it tells itself.

    from llama_index.core.instrumentation import get_dispatcher

    get_dispatcher().add_event_handler(handler)      # its handle(event) is given them, too

They say what happened and where, never a key and, in their own fields, never what was asked, found or answered.
LlamaIndex's workflows put the beginning of a step's input into the ``tags`` of every event, these too.
"""

from __future__ import annotations

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent

import ragflow_integrations

__all__ = ["CitationResolved", "ParseProgress", "dispatcher"]

dispatcher = get_dispatcher(__name__)


class CitationResolved(BaseEvent):
    """An answer is there whole, and this marker in it cites a source, or none.

    One for each marker, in the text's order. ``start`` and ``end`` are its span in the text that was handed out,
    ``index`` the source's place among those of the answer, from 0. Of a marker that cites nothing ``node_id`` and
    ``document_id`` are ``None``, and ``index`` is the number in it.
    """

    index: int
    start: int
    end: int
    node_id: str | None = None
    document_id: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """What exporters call it."""
        return "CitationResolved"


class ParseProgress(BaseEvent):
    """How far the parsing of some documents is, at each look; ``fraction`` is 0 to 1."""

    document_ids: list[str]
    finished: int
    total: int
    fraction: float

    @classmethod
    def class_name(cls) -> str:
        """What exporters call it."""
        return "ParseProgress"

    @classmethod
    def of(cls, progress: ragflow_integrations.ParseProgress) -> ParseProgress:
        """What a ``progress`` callback of the client is handed."""
        return cls(
            document_ids=[document.id for document in progress.documents],
            finished=progress.finished,
            total=progress.total,
            fraction=progress.fraction,
        )
