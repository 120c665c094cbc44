"""What a dataset knows of its documents as a whole: metadata, tags, knowledge graph, summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..models import AutoMetadata, AutoMetadataField, IndexTask, KnowledgeGraph, MetadataField, MetadataUpdate
from ..protocol import indexing, items
from ..protocol.checks import NOT_GIVEN, NotGiven
from ..protocol.metadata import change_auto_metadata, change_documents, get_auto_metadata, summary
from .resource import AsyncResource

__all__ = ["AsyncKnowledge"]


class AsyncKnowledge(AsyncResource):
    """Metadata, tags, knowledge graph and RAPTOR summaries of a dataset."""

    id: str = ""

    async def metadata_summary(self, document_ids: Sequence[str] | None = None) -> dict[str, MetadataField]:
        """Which metadata the documents have, by key (``GET /datasets/{id}/metadata/summary``).

        Of all documents, or of at most a hundred ``document_ids``.
        """
        return await self._client._run(summary(self.id, document_ids))

    async def update_metadata(
        self,
        updates: Sequence[Mapping[str, Any]] | None = None,
        deletes: Sequence[Mapping[str, Any]] | None = None,
        *,
        document_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        metadata_condition: Mapping[str, Any] | None = None,
    ) -> MetadataUpdate:
        """Change the metadata of many documents (``POST /datasets/{id}/metadata/update``).

        ``updates`` are ``{"key", "value"}``: a text or number is replaced, a list gets the value added; with
        ``"match"`` only where the old value is that one, and in a list that one is replaced. ``deletes`` are
        ``{"key"}``, or ``{"key", "value"}`` for one value. They hold for ``document_ids``, for the documents
        that fit ``metadata_condition`` (as in ``retrieve``), or those that are both; for all documents only
        by ``document_ids=None`` written out. Returns how many documents were meant and how many are
        different now. Raises ``NotFoundError`` for an unknown document.
        """
        return await self._client._run(
            change_documents(self.id, updates, deletes, document_ids, metadata_condition)
        )

    async def get_auto_metadata(self) -> AutoMetadata:
        """Which metadata the server's model fills in while parsing (``GET /datasets/{id}/metadata/config``).

        From v0.25.1.
        """
        return await self._client._run(get_auto_metadata(self.id))

    async def update_auto_metadata(
        self,
        metadata: Sequence[Mapping[str, Any] | AutoMetadataField] | None = None,
        built_in_metadata: Sequence[Mapping[str, Any] | AutoMetadataField] | None = None,
    ) -> AutoMetadata:
        """Change which metadata the server's model fills in (``PUT /datasets/{id}/metadata/config``).

        Each is ``{"key", "type"}`` with ``type`` ``string``, ``list``, ``time`` or ``number``, perhaps with
        ``description`` and ``enum``. What is ``None`` stays as it is, ``[]`` empties it. From v0.25.1.
        """
        fields = {"metadata": metadata, "built_in_metadata": built_in_metadata}
        return await self._client._run(change_auto_metadata(self.id, fields))

    async def tags(self) -> dict[str, int]:
        """The chunks' tags, and how many chunks have each (``GET /datasets/{id}/tags``, from v0.25.1)."""
        return await self._client._run(indexing.tags(self.id))

    async def rename_tag(self, from_tag: str, to_tag: str) -> None:
        """Rename a tag in all chunks (``PUT /datasets/{id}/tags``, from v0.25.1)."""
        await self._client._run(indexing.rename_tag(self.id, from_tag, to_tag))

    async def delete_tags(self, tags: Sequence[str]) -> None:
        """Take tags off all chunks (``DELETE /datasets/{id}/tags``, from v0.25.1)."""
        await self._client._run(indexing.delete_tags(self.id, tags))

    async def item_operations(self, operations: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Keep and read items, JSON objects beside the documents (``POST /datasets/{id}/items``; local engine only).

        An item has a ``namespace``, a list of texts, and a ``key`` in it. Each operation is one of these:
        ``{"op": "get", "namespace", "key"}`` answers ``{"namespace", "key", "value", "create_time",
        "update_time"}`` (milliseconds since 1970) or ``None``; ``{"op": "put", "namespace", "key", "value"}`` keeps
        an item, with the value ``None`` deletes it, and answers ``None``; ``{"op": "list", "prefix", "limit",
        "offset"}`` answers the items whose namespace begins with ``prefix``, grouped by namespace in the order in
        which they were made; ``{"op": "namespaces", "prefix"}`` answers the namespaces that hold items.

        All are done or none, those that read first; what was written is there when the call returns. Items are
        not indexed or parsed, and are deleted with the dataset. Raises ``UnsupportedError`` on a
        RAGFlow server, ``InvalidRequestError`` for an operation that is none of these.
        """
        return await self._client._run(items.operate(self.id, operations))

    async def knowledge_graph(self) -> KnowledgeGraph:
        """The knowledge graph, empty until one is built (``GET /datasets/{id}/graph``)."""
        return await self._client._run(indexing.graph(self.id))

    async def run_graphrag(self) -> str:
        """Start building the knowledge graph; the task's id (``POST /datasets/{id}/index?type=graph``).

        Raises ``InvalidRequestError`` for a dataset without documents, ``ConflictError`` if it is being built.
        """
        return await self._client._run(indexing.run(self.id, "graph"))

    async def trace_graphrag(self) -> IndexTask | None:
        """How far the knowledge graph is (``GET /datasets/{id}/index?type=graph``); ``None`` if none was begun."""
        return await self._client._run(indexing.trace(self.id, "graph"))

    async def delete_knowledge_graph(self) -> None:
        """Delete the knowledge graph, and stop building it (``DELETE /datasets/{id}/graph``)."""
        await self._client._run(indexing.delete_graph(self.id))

    async def run_raptor(self) -> str:
        """Start summarising with RAPTOR; the task's id (``POST /datasets/{id}/index?type=raptor``).

        Raises ``InvalidRequestError`` for a dataset without documents, ``ConflictError`` if it is under way.
        """
        return await self._client._run(indexing.run(self.id, "raptor"))

    async def trace_raptor(self) -> IndexTask | None:
        """How far RAPTOR is (``GET /datasets/{id}/index?type=raptor``); ``None`` if it was never begun."""
        return await self._client._run(indexing.trace(self.id, "raptor"))

    async def delete_raptor(self) -> None:
        """Delete RAPTOR's summaries, and stop making them (``DELETE /datasets/{id}/index``, from v0.25.1)."""
        await self._client._run(indexing.delete_raptor(self.id))
