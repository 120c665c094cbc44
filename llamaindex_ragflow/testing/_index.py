"""A suite for managed indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.schema import Document

from ragflow_integrations import RAGFlow
from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import Suite, at_once, off

from ..index import RAGFlowIndex

__all__ = ["IndexTests"]

_NATIVE = (
    "ainsert",
    "aupdate_ref_doc",
    "arefresh_ref_docs",
    "adelete_ref_doc",
    "ainsert_nodes",
    "adelete_nodes",
)
LAMPS = Document(id_="lamps", text="Lamps are lit at dusk.", metadata={"year": 2025})
BOATS = Document(id_="boats", text="Boats are painted blue.", metadata={"team": "crew"})


class IndexTests(Suite):
    """Documents come, change and go by their ids, by plain calls and coroutines, from any process; no LLM is needed."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowIndex

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_id": knowledge.dataset_id}

    @pytest.fixture
    def dataset_id(self, knowledge: KnowledgeBase) -> Iterator[str]:
        """An empty dataset."""
        dataset = knowledge.client.create_dataset(f"conformance-{uuid4().hex[:12]}-index")
        try:
            yield dataset.id
        finally:
            knowledge.client.delete_datasets([dataset.id])

    @pytest.fixture
    def tidy(self, knowledge: KnowledgeBase) -> Iterator[None]:
        """The assistant that answers for the index goes when it is over."""
        yield
        name = knowledge.client.get_dataset(knowledge.dataset_id).name
        chats = knowledge.client.list_chats(page_size=100)
        made = [chat.id for chat in chats if chat.name.startswith(name) and chat.id != knowledge.chat_id]
        knowledge.client.delete_chats(made)

    def _texts(self, client: RAGFlow, dataset_id: str) -> set[str]:
        """What the server has."""
        return {
            chunk.content.strip()
            for document in client.get_dataset(dataset_id).iter_documents()
            for chunk in document.iter_chunks()
        }

    def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """A managed index, whose coroutines are its own: LlamaIndex's look in a store of this process."""
        made = self.made(knowledge.client, knowledge)
        assert isinstance(made, BaseManagedIndex)
        assert [
            name for name in _NATIVE if getattr(type(made), name) is getattr(BaseManagedIndex, name)
        ] == []

    def test_a_life(self, knowledge: KnowledgeBase, watch: Watch, dataset_id: str) -> None:
        """Inserted, found, changed, deleted; deleting again, or what was never there, is no error."""
        made = self.made(watch.client, knowledge, dataset_id=dataset_id)
        made.insert(LAMPS)
        made.insert(BOATS)
        found = made.as_retriever(similarity_threshold=0.0).retrieve("lamps")
        assert {node.text.strip() for node in found} == {LAMPS.text, BOATS.text}
        made.update_ref_doc(Document(id_="lamps", text="Lamps are lit at noon."))
        assert self._texts(watch.client, dataset_id) == {"Lamps are lit at noon.", BOATS.text}
        for _ in range(2):
            made.delete_ref_doc("lamps")
        assert self._texts(watch.client, dataset_id) == {BOATS.text}

    @pytest.mark.asyncio
    async def test_a_life_in_coroutines(
        self, knowledge: KnowledgeBase, watch: Watch, dataset_id: str
    ) -> None:
        """As above."""
        made = self.made(watch.client, knowledge, dataset_id=dataset_id)
        await made.ainsert(LAMPS)
        await made.ainsert(BOATS)
        found = await made.as_retriever(similarity_threshold=0.0).aretrieve("lamps")
        assert {node.text.strip() for node in found} == {LAMPS.text, BOATS.text}
        await made.aupdate_ref_doc(Document(id_="lamps", text="Lamps are lit at noon."))
        texts = await off(lambda: self._texts(watch.client, dataset_id))
        assert texts == {"Lamps are lit at noon.", BOATS.text}
        for _ in range(2):
            await made.adelete_ref_doc("lamps")
        assert await off(lambda: self._texts(watch.client, dataset_id)) == {BOATS.text}

    @pytest.mark.asyncio
    async def test_refreshing_sends_what_changed(
        self, knowledge: KnowledgeBase, watch: Watch, dataset_id: str
    ) -> None:
        """An index that has seen nothing of it knows what is there unchanged, and writes nothing."""
        first = self.made(watch.client, knowledge, dataset_id=dataset_id)
        assert await off(lambda: first.refresh_ref_docs([LAMPS])) == [True]
        watch.exchanges.clear()
        another = self.made(watch.client, knowledge, dataset_id=dataset_id)
        assert await another.arefresh_ref_docs([LAMPS]) == [False]
        assert {exchange.method for exchange in watch.exchanges} == {"GET"}
        changed = Document(id_="lamps", text=LAMPS.text, metadata={"year": 2026})
        assert await off(lambda: another.refresh_ref_docs([changed, BOATS])) == [True, True]
        assert await off(lambda: self._texts(watch.client, dataset_id)) == {LAMPS.text, BOATS.text}

    @pytest.mark.asyncio
    @pytest.mark.usefixtures("tidy")
    async def test_it_answers_without_an_llm(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """LlamaIndex would ask for one of its own; the server answers."""
        engine = self.made(watch.client, knowledge).as_query_engine()
        for response in (
            await off(lambda: engine.query(knowledge.question)),
            await engine.aquery(knowledge.question),
        ):
            assert "six weeks" in str(response)
            assert response.source_nodes

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(
        self, knowledge: KnowledgeBase, watch: Watch, dataset_id: str
    ) -> None:
        """More are under way at once than there are threads."""
        made = self.made(watch.client, knowledge, dataset_id=dataset_id)
        await at_once(watch, lambda: made.arefresh_ref_docs([LAMPS]))
