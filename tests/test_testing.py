"""``ragflow_integrations.testing``: what is seen of a client, how it is held up, what is left of a knowledge base."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ragflow_integrations import RAGFlow, Scope
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.testing import KnowledgeBase, knowledge_base, watched, watching


@pytest.fixture(scope="module", params=["in-process", "loopback"])
def client(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """A client of an empty engine."""
    if request.param == "in-process":
        with RAGFlow.local() as opened:
            yield opened
        return
    with (
        open_engine(":memory:") as engine,
        running_server(engine) as server,
        RAGFlow(server.api_key, server.base_url) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def kb(client: RAGFlow) -> Iterator[KnowledgeBase]:
    """A knowledge base there."""
    with knowledge_base(client) as made:
        yield made


def test_the_knowledge_base_is_what_it_says(kb: KnowledgeBase) -> None:
    """Names, metadata, more chunks than a page, an answer to its question that cites."""
    documents = kb.client.get_dataset(kb.dataset_id).list_documents()
    assert {one.name: one.id for one in documents} == kb.documents
    assert all(one.meta_fields == {"place": "harbour"} for one in documents)
    assert kb.client.get_dataset(kb.many_id).chunk_count == kb.many > 100
    found = kb.client.retrieve(kb.topic, [kb.dataset_id], similarity_threshold=0.0)
    assert {chunk.document_id for chunk in found} == set(kb.documents.values())
    answer = kb.client.chat(kb.chat_id).ask(kb.question)
    assert "six weeks" in answer.content
    assert [citation.chunk.document_name for citation in answer.citations() if citation.chunk]


def test_nothing_is_left_of_it() -> None:
    """Neither when all went well nor when it did not."""
    with RAGFlow.local() as client:
        other = client.create_chat("another")
        with knowledge_base(client):
            pass
        with pytest.raises(ZeroDivisionError), knowledge_base(client):
            raise ZeroDivisionError
        assert (client.list_datasets(), [chat.id for chat in client.list_chats()]) == ([], [other.id])


async def test_exchanges_are_seen(kb: KnowledgeBase) -> None:
    """Those of the client, of its twin and of what is made of them; not those of the client that was given."""
    with watched(kb.client) as watch:
        await asyncio.to_thread(watch.client.get_dataset, kb.dataset_id)
        await watch.client.as_async().scoped(Scope([kb.dataset_id])).retrieve(kb.topic)
        await asyncio.to_thread(kb.client.get_dataset, kb.dataset_id)
        assert [(one.operation, one.method) for one in watch.exchanges] == [
            ("RAGFlow.get_dataset", "GET"),
            ("RAGFlow.retrieve", "POST"),
        ]
        assert all(one.ended for one in watch.exchanges)


def test_a_stream_is_seen_line_by_line(kb: KnowledgeBase) -> None:
    """Whether it was read to its end, or broken off."""
    with watched(kb.client) as watch:
        list(watch.client.chat(kb.chat_id).ask(kb.question, stream=True))
        with watch.client.chat(kb.chat_id).ask(kb.question, stream=True) as stream:
            next(stream)
        whole, left = watch.streams
        assert (whole.ended, whole.closed, left.ended, left.closed) == (True, True, False, True)
        assert 0 < left.lines < whole.lines


async def test_a_held_stream_fails_after_a_while(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync and async, so that a test does not hang."""
    monkeypatch.setattr(watching, "_PATIENCE", 0.05)
    with watched(kb.client) as watch:
        watch.hold_streams()
        with pytest.raises(TimeoutError, match="held"):
            await asyncio.to_thread(lambda: list(watch.client.chat(kb.chat_id).ask(kb.question, stream=True)))
        stream = await watch.client.as_async().chat(kb.chat_id).ask(kb.question, stream=True)
        with pytest.raises(TimeoutError, match="held"):
            await anext(stream)


async def test_requests_are_kept_until_they_are_together(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as were wanted, in tasks or threads; with fewer they fail."""
    with watched(kb.client) as watch, ThreadPoolExecutor(4) as pool:
        retrieve = watch.client.as_async().retrieve
        watch.keep_until(8)
        await asyncio.gather(*(retrieve(kb.topic, [kb.dataset_id]) for _ in range(8)))
        assert watch.most_at_once >= 8
        watch.keep_until(4)
        await asyncio.to_thread(
            lambda: list(pool.map(lambda _: watch.client.retrieve(kb.topic, [kb.dataset_id]), range(4)))
        )
        assert watch.most_at_once == 4
        monkeypatch.setattr(watching, "_PATIENCE", 0.05)
        watch.keep_until(2)
        with pytest.raises(TimeoutError, match="1 requests were under way at once, not 2"):
            await retrieve(kb.topic, [kb.dataset_id])
