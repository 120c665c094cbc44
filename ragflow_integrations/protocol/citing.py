"""Filling up what an answer cites: a stored session keeps less of a chunk than the dataset has."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import NotFoundError
from ..models import ChunkFields
from . import chunks
from .wire import Flow

__all__ = ["rehydrated"]


def rehydrated(cited: Sequence[ChunkFields]) -> Flow[list[ChunkFields]]:
    """The chunks as they are in their datasets now, with the scores they were cited with.

    What is not there any more, or never was (a web page, a knowledge graph), stays as it was stored.
    """
    filled = []
    for chunk in cited:
        filled.append(chunk)
        if chunk.id and chunk.document_id and chunk.dataset_id:
            try:
                fresh = yield from chunks.get(chunk.dataset_id, chunk.document_id, chunk.id)
            except NotFoundError:
                continue
            filled[-1] = _over(chunk, fresh)
    return filled


def _over(stored: ChunkFields, fresh: ChunkFields) -> ChunkFields:
    known = fresh.model_fields_set & set(type(fresh).model_fields)
    now = {name: getattr(fresh, name) for name in known}
    return stored.model_copy(
        update={name: value for name, value in now.items() if value not in (None, "", [])}
    )
