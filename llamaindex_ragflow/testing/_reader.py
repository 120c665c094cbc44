"""A suite for readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.readers.base import BaseReader, ReaderConfig
from llama_index.core.schema import TransformComponent

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import KEY, NOWHERE, Suite, at_once, off

from ..reader import RAGFlowReader

__all__ = ["ReaderTests"]


class ReaderTests(Suite):
    """Everything once, lazily, all ways alike, resources, errors, coroutines."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowReader

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.many_id], "granularity": "chunk"}

    def expected(self, knowledge: KnowledgeBase) -> int:
        """How many documents there are; more than fit into the server's first page."""
        return knowledge.many

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which reading fails on the server."""
        return {"dataset_ids": ["0" * 32]}

    def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """A reader that says that it is remote, and whose coroutines are its own."""
        made = self.made(knowledge.client, knowledge)
        assert made.is_remote
        assert isinstance(made, BaseReader)
        for name in ("lazy_load_data", "aload_data", "alazy_load_data"):
            assert getattr(type(made), name) is not getattr(BaseReader, name), name

    @pytest.mark.asyncio
    async def test_everything_is_read_once(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """In all ways, in one order: no page is missing, none comes twice."""
        made = self.made(watch.client, knowledge)
        first = await off(made.load_data)
        assert len(first) == len({one.id_ for one in first}) == self.expected(knowledge)
        assert all(one.text.strip() for one in first)
        assert await off(lambda: list(made.lazy_load_data())) == first
        assert await made.aload_data() == first
        assert list(await made.alazy_load_data()) == first

    def test_it_is_lazy(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Nothing is asked before the first document is wanted, and not everything for the first."""
        documents = iter(self.made(watch.client, knowledge).lazy_load_data())
        assert watch.exchanges == []
        next(documents)
        first = len(watch.exchanges)
        list(documents)
        assert len(watch.exchanges) > first

    @pytest.mark.asyncio
    async def test_resources(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Documents by their ids, with what is known of each, in both ways."""
        made = self.made(watch.client, knowledge, dataset_ids=[knowledge.dataset_id])
        ids = await made.alist_resources()
        assert set(ids) == set(knowledge.documents.values())
        assert await off(made.list_resources) == ids
        assert (await made.aload_resource(ids[0])) == await off(lambda: made.load_resource(ids[0]))
        assert await made.aget_resource_info(ids[0]) == await off(lambda: made.get_resource_info(ids[0]))

    def test_in_a_pipeline(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """As one of its readers; what it makes of the documents is known by them."""
        made = self.made(watch.client, knowledge)
        cut: list[TransformComponent] = [SentenceSplitter(chunk_size=256)]
        nodes = IngestionPipeline(readers=[ReaderConfig(reader=made)], transformations=cut).run()
        assert {node.ref_doc_id for node in nodes} == {document.id_ for document in made.load_data()}

    @pytest.mark.asyncio
    async def test_a_failure_is_not_the_end(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """What goes wrong is raised, sync and async, as the same error."""
        made = self.made(watch.client, knowledge, **self.failing)
        with pytest.raises(Exception) as sync:  # noqa: PT011 - whatever the client raises
            await off(made.load_data)
        with pytest.raises(sync.type):
            await made.aload_data()

    def test_dumps_do_not_tell_the_key(self, knowledge: KnowledgeBase) -> None:
        """LlamaIndex writes a reader's fields into caches."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, **self.params(knowledge))
        assert KEY not in f"{made.to_dict()} {made.model_dump_json()}"

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More are under way at once than there are threads."""
        made = self.made(watch.client, knowledge, dataset_ids=[knowledge.dataset_id])
        await at_once(watch, made.aload_data)
