"""A suite for vector stores that keep texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import KEY, NOWHERE, Suite, at_once, off

from ..embeddings import RAGFlowServerSideEmbedding
from ..vector_store import RAGFlowVectorStore

__all__ = ["VectorStoreTests"]

_NATIVE = ("async_add", "adelete", "adelete_nodes", "aget_nodes", "aclear", "aquery")


def _node(name: str, text: str, document: str, **metadata: Any) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(id_=name, text=text, metadata=metadata, relationships=source, embedding=[])


NODES = [
    _node("lamps/0", "Lamps are lit at dusk.", "lamps", year=2025, tags=["a", "b"]),
    _node("lamps/1", "Oil is kept in the tower.", "lamps", year=2024),
    _node("boats/0", "Boats are painted blue.", "boats", team="Crew"),
]


class VectorStoreTests(Suite):
    """Nodes come back as they were, go by their document, and none of it needs an embedding model."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowVectorStore

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_id": knowledge.dataset_id}

    @pytest.fixture
    def store(self, knowledge: KnowledgeBase, watch: Watch) -> Iterator[Any]:
        """On an empty dataset."""
        dataset = knowledge.client.create_dataset(f"conformance-{uuid4().hex[:12]}-store")
        try:
            yield self.made(watch.client, knowledge, dataset_id=dataset.id)
        finally:
            knowledge.client.delete_datasets([dataset.id])

    def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """It keeps texts, wants no embedded queries, and its coroutines are its own."""
        made = self.made(knowledge.client, knowledge)
        assert isinstance(made, BasePydanticVectorStore)
        assert (made.stores_text, made.is_embedding_query) == (True, False)
        inherited = [
            name for name in _NATIVE if getattr(type(made), name) is getattr(BasePydanticVectorStore, name)
        ]
        assert inherited == []

    def test_nodes_come_back_as_they_were(self, store: Any) -> None:
        """Ids, texts, metadata with their types, relationships."""
        assert store.add(NODES) == [node.node_id for node in NODES]
        found = store.query(VectorStoreQuery(query_str="lamps boats oil", similarity_top_k=9))
        assert {node.node_id for node in found.nodes} == {node.node_id for node in NODES}
        for node in store.get_nodes([node.node_id for node in NODES]):
            (wanted,) = (one for one in NODES if one.node_id == node.node_id)
            assert (node.text, node.metadata, node.ref_doc_id) == (
                wanted.text,
                wanted.metadata,
                wanted.ref_doc_id,
            )

    @pytest.mark.asyncio
    async def test_nodes_come_back_in_coroutines(self, store: Any) -> None:
        """As above."""
        assert await store.async_add(NODES) == [node.node_id for node in NODES]
        found = await store.aquery(VectorStoreQuery(query_str="lamps boats oil", similarity_top_k=9))
        assert {node.node_id for node in found.nodes} == {node.node_id for node in NODES}
        texts = {node.text for node in await store.aget_nodes([node.node_id for node in NODES])}
        assert texts == {node.text for node in NODES}

    @pytest.mark.asyncio
    async def test_a_document_goes_with_all_its_nodes(self, store: Any) -> None:
        """And going again is no error, in both ways."""
        await store.async_add(NODES)
        await store.adelete("lamps")
        await store.adelete("lamps")
        await off(lambda: store.delete("nobody"))
        left = await store.aquery(VectorStoreQuery(query_str="lamps boats oil", similarity_top_k=9))
        assert [node.node_id for node in left.nodes] == ["boats/0"]
        await store.aclear()
        assert not (await store.aquery(VectorStoreQuery(query_str="boats", similarity_top_k=9))).nodes

    @pytest.mark.asyncio
    async def test_filters_are_exact(self, store: Any) -> None:
        """Capitals count, a missing field is a missing field."""
        await store.async_add(NODES)
        for key, operator, value, wanted in (
            ("team", FilterOperator.EQ, "crew", set()),
            ("team", FilterOperator.EQ, "Crew", {"boats/0"}),
            ("year", FilterOperator.GTE, 2025, {"lamps/0"}),
            ("tags", FilterOperator.CONTAINS, "b", {"lamps/0"}),
            ("year", FilterOperator.IS_EMPTY, None, {"boats/0"}),
        ):
            filters = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
            if operator == FilterOperator.CONTAINS:
                filters.filters.append(MetadataFilter(key="year", value=2025))
            query = VectorStoreQuery(query_str="lamps boats oil", similarity_top_k=9, filters=filters)
            assert {node.node_id for node in (await store.aquery(query)).nodes} == wanted

    @pytest.mark.asyncio
    async def test_in_llamaindexs_own_parts(self, store: Any) -> None:
        """An index, and a pipeline that replaces and deletes, without an embedding model."""
        pipeline = IngestionPipeline(
            transformations=[RAGFlowServerSideEmbedding()],
            vector_store=store,
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        )
        lamps, boats = Document(id_="lamps", text="Lamps at dusk."), Document(id_="boats", text="Blue boats.")
        await off(lambda: pipeline.run(documents=[lamps, boats]))
        await off(lambda: pipeline.run(documents=[Document(id_="lamps", text="Lamps at noon.")]))
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex([], storage_context=context, embed_model=RAGFlowServerSideEmbedding())
        found = await index.as_retriever(similarity_top_k=9).aretrieve("lamps boats")
        assert [node.get_content() for node in found] == ["Lamps at noon."]

    def test_dumps_do_not_tell_the_key(self, knowledge: KnowledgeBase) -> None:
        """LlamaIndex writes a store's fields into files."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, **self.params(knowledge))
        assert KEY not in f"{made.to_dict()} {made.model_dump_json()}"

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, store: Any, watch: Watch) -> None:
        """More queries are under way at once than there are threads."""
        await store.async_add(NODES[:1])
        await at_once(watch, lambda: store.aquery(VectorStoreQuery(query_str="lamps", similarity_top_k=1)))
