"""What holds for every class that answers with source nodes."""

from __future__ import annotations

import asyncio
import logging
import pickle
from typing import Any, ClassVar

import pytest
from llama_index.core.schema import NodeRelationship, NodeWithScore

from ragflow_integrations import RAGFlow, Scope
from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import KEY, NOWHERE, Suite, at_once, off

from ._seeing import seeing

__all__ = ["SourcesTests"]


class SourcesTests(Suite):
    """The class, sources, events, errors, coroutines, running loops, users on one key, and keys that are not told."""

    base: ClassVar[type]
    """LlamaIndex's class that it is one of."""

    native: ClassVar[tuple[str, ...]]
    """The methods that must be its own: what it would inherit blocks the loop, or does something else."""

    told: ClassVar[tuple[str, ...]]
    """LlamaIndex's events of a call, in their order."""

    deterministic = True
    """Whether the same question has the same answer; a server's language model may not."""

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which a call fails on the server."""
        raise NotImplementedError

    def call(self, made: Any, question: str) -> Any:
        """Ask in the plain way."""
        raise NotImplementedError

    async def acall(self, made: Any, question: str) -> Any:
        """Ask by the coroutine."""
        raise NotImplementedError

    def sources(self, result: Any) -> list[NodeWithScore]:
        """The nodes of what a call returned."""
        return list(result.source_nodes)

    def text(self, result: Any) -> str:
        """The text of what a call returned."""
        return str(result)

    def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """It is one of LlamaIndex's, whole, and inherits no method that should be its own."""
        made = self.made(knowledge.client, knowledge)
        assert isinstance(made, self.base)
        assert not getattr(type(made), "__abstractmethods__", ())
        inherited = [name for name in self.native if getattr(type(made), name) is getattr(self.base, name)]
        assert inherited == []

    @pytest.mark.asyncio
    async def test_both_ways_give_the_same(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Sync and async: the same sources in the same order, and the same text."""
        made = self.made(watch.client, knowledge)
        plain = await off(lambda: self.call(made, knowledge.question))
        again = await self.acall(self.made(watch.client, knowledge), knowledge.question)
        assert self.sources(plain)
        assert [one.node_id for one in self.sources(plain)] == [one.node_id for one in self.sources(again)]
        if self.deterministic:
            assert self.text(plain) == self.text(again)

    def test_sources_are_the_chunks(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A node's id is the chunk's, its source the document; it has a score and says where it is from."""
        sources = self.sources(self.call(self.made(watch.client, knowledge), knowledge.question))
        assert sources
        chunks = _chunks(watch.client, knowledge)
        for one in sources:
            assert one.node_id in chunks
            document = chunks[one.node_id]
            assert one.node.ref_doc_id == knowledge.documents[document]
            assert NodeRelationship.SOURCE in one.node.relationships
            assert (one.metadata["document_name"], one.metadata["file_name"]) == (document, document)
            assert one.score is not None

    def test_sources_survive_a_round_trip(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """As a dict, as JSON and in a pickle."""
        sources = self.sources(self.call(self.made(watch.client, knowledge), knowledge.question))
        assert sources
        for one in sources:
            kind = type(one.node)
            for again in (
                kind.from_dict(one.node.to_dict()),
                kind.from_json(one.node.to_json()),
                pickle.loads(pickle.dumps(one.node)),  # noqa: S301 - our own
            ):
                assert again == one.node
                assert again.ref_doc_id == one.node.ref_doc_id == one.metadata.get("document_id")

    @pytest.mark.asyncio
    async def test_it_is_told(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """LlamaIndex's events begin and end, in both ways of calling."""
        made = self.made(watch.client, knowledge)
        with seeing() as (events, _):
            await off(lambda: self.call(made, knowledge.question))
            await self.acall(made, knowledge.question)
        assert [name for name in events.names if name in self.told] == list(self.told) * 2

    @pytest.mark.asyncio
    async def test_a_failure_is_raised(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """It is no empty result, in both ways the same error, and told as the end of a span and of nothing else."""
        made = self.made(watch.client, knowledge, **self.failing)
        with seeing() as (events, _):
            with pytest.raises(Exception) as sync:  # noqa: PT011 - whatever the client raises
                await off(lambda: self.call(made, knowledge.question))
            with pytest.raises(sync.type):
                await self.acall(made, knowledge.question)
        assert not {name for name in self.told if name.endswith("EndEvent")} & set(events.names)
        if self.told:
            assert "SpanDropEvent" in events.names

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More calls are under way at once than there are threads for those without a coroutine of their own."""
        await at_once(watch, lambda: self.acall(self.made(watch.client, knowledge), knowledge.question))

    @pytest.mark.asyncio
    async def test_the_loop_goes_on(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """While the server takes its time, other tasks run; the first request is answered when a second is there."""
        made = self.made(watch.client, knowledge)
        await self.acall(made, knowledge.question)  # what is looked up once is known
        watch.keep_until(2)
        first = asyncio.create_task(self.acall(self.made(watch.client, knowledge), knowledge.question))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not first.done()
        await asyncio.gather(first, self.acall(self.made(watch.client, knowledge), knowledge.question))

    def test_a_plain_call_in_a_running_loop(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """As in a notebook."""

        async def cell() -> Any:
            return self.call(self.made(watch.client, knowledge), knowledge.question)

        assert self.sources(asyncio.run(cell()))

    @pytest.mark.asyncio
    async def test_users_on_one_key(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Two users, each with a scope of one document, side by side: each is answered from their own alone."""
        users = {
            name: Scope([knowledge.dataset_id], [knowledge.documents[name]])
            for name in ("notice.txt", "boats.txt")
        }

        async def asked(name: str) -> tuple[str, set[str]]:
            made = self.made(watch.client, knowledge, scope=users[name])
            result = await self.acall(made, knowledge.topic)
            return name, {one.metadata["document_name"] for one in self.sources(result)}

        found = await asyncio.gather(*(asked(name) for name in [*users] * 5))
        assert [names for _, names in found] == [{name} for name, _ in found]

    @pytest.mark.asyncio
    async def test_tracers_are_not_told_the_key(
        self, knowledge: KnowledgeBase, caplog: pytest.LogCaptureFixture
    ) -> None:
        """They get the object and its fields with each call; it is in none of these, in no event, log and error."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, max_retries=0, **self.params(knowledge))
        caplog.set_level(logging.DEBUG)
        with seeing() as (events, spans), pytest.raises(Exception) as failed:  # noqa: PT011
            await self.acall(made, knowledge.question)
        assert spans.seen or not self.told
        assert KEY not in f"{spans.seen!r} {events.seen!r} {failed.value!r} {failed.value} {caplog.text}"
        await made.aclose()


def _chunks(client: RAGFlow, knowledge: KnowledgeBase) -> dict[str, str]:
    """The names of the documents by the ids of their chunks."""
    return {
        chunk.id: document.name
        for document in client.get_dataset(knowledge.dataset_id).iter_documents()
        for chunk in document.iter_chunks()
    }
