"""RAGFlowRetriever on the local engine, and what it sends."""

from __future__ import annotations

import asyncio
import base64
import inspect
import threading
import time
from typing import Any
from uuid import uuid4

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.schema import ImageNode, QueryBundle

from llamaindex_ragflow import RAGFlowRetriever
from llamaindex_ragflow._client import Connection
from llamaindex_ragflow.retriever import _OPTIONS
from ragflow_integrations import ConfigurationError, InvalidRequestError, NotFoundError, Scope
from tests.llamaindex.conftest import HARBOUR, QUESTION, SHIPS, Call, KnowledgeBase, Seen
from tests.llamaindex.scripted import RETRIEVAL, Script, chunk, found


def retriever(kb: KnowledgeBase, **options: Any) -> RAGFlowRetriever:
    """On the small dataset, unless told otherwise."""
    where = {} if "dataset_names" in options else {"dataset_ids": [kb.dataset_id]}
    return RAGFlowRetriever(**{**where, **kb.clients, **options})


async def test_the_right_chunk_comes_first(kb: KnowledgeBase, call: Call) -> None:
    """A plain question finds its document, from text or bundle, with the score the server ranked by."""
    for question in (QUESTION, QueryBundle(QUESTION)):
        best, *_ = await call(retriever(kb), "retrieve", question)
        assert best.metadata["document_name"] == "notice.txt"
        assert best.node.ref_doc_id == kb.documents["notice.txt"]
        assert best.score == best.metadata["similarity"] > 0.2


async def test_sync_and_async_are_equal(kb: KnowledgeBase) -> None:
    """Both ways give equal nodes in the same order, and each chunk of the server is one node."""
    both = retriever(kb)
    plain = await asyncio.to_thread(both.retrieve, HARBOUR)
    assert plain == await both.aretrieve(HARBOUR)
    chunks = await asyncio.to_thread(kb.client.retrieve, HARBOUR, [kb.dataset_id], page_size=10)
    assert [node.node_id for node in plain] == [chunk.id for chunk in chunks]
    assert len(plain) >= 3


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (100, 100), (101, 101), (500, SHIPS)])
async def test_similarity_top_k_is_the_number_of_results(
    kb: KnowledgeBase, call: Call, limit: int, expected: int
) -> None:
    """Also beyond the 100 of one page, where the best still come first and none comes twice."""
    ships = retriever(kb, dataset_ids=[kb.ships_id], similarity_top_k=limit, similarity_threshold=0.0)
    nodes = await call(ships, "retrieve", "Which ship lies in the harbour?")
    assert len({node.node_id for node in nodes}) == len(nodes) == expected
    scores = [node.score for node in nodes]
    assert scores == sorted(scores, reverse=True)


async def test_datasets_by_name(kb: KnowledgeBase, call: Call) -> None:
    """Names are looked up once; several datasets are searched together."""
    named = retriever(kb, dataset_names=["handbook", "ships"], similarity_threshold=0.0, similarity_top_k=100)
    nodes = await call(named, "retrieve", HARBOUR)
    assert {node.metadata["dataset_id"] for node in nodes} == {kb.dataset_id, kb.ships_id}
    assert named._known == {"handbook": kb.dataset_id, "ships": kb.ships_id}


async def test_document_ids(kb: KnowledgeBase, call: Call) -> None:
    """They narrow the search; an empty list is nothing, not everything."""
    only = kb.documents["boats.txt"]
    nodes = await call(retriever(kb, document_ids=[only]), "retrieve", HARBOUR)
    assert {node.node.ref_doc_id for node in nodes} == {only}
    assert await call(retriever(kb, document_ids=[]), "retrieve", HARBOUR) == []


async def test_threshold_weight_and_highlight(kb: KnowledgeBase, call: Call) -> None:
    """What is tuned has its effect on the server's side."""
    assert await call(retriever(kb, similarity_threshold=0.99), "retrieve", QUESTION) == []
    (words, *_) = await call(retriever(kb, vector_similarity_weight=0.0), "retrieve", QUESTION)
    assert words.score == pytest.approx(words.metadata["term_similarity"])
    (vectors, *_) = await call(retriever(kb, vector_similarity_weight=1.0), "retrieve", QUESTION)
    assert vectors.score == pytest.approx(vectors.metadata["vector_similarity"])
    (marked, *_) = await call(retriever(kb, highlight=True), "retrieve", QUESTION)
    assert "<em>notice</em>" in marked.metadata["highlight"]
    assert "<em>" not in marked.text


async def test_every_search_field_reaches_the_server(
    scripted: dict[str, Any], script: Script, call: Call
) -> None:
    """As given and under RAGFlow's own names; what is not given is not sent."""
    script.answers[RETRIEVAL] = lambda body: found([])
    author = {"name": "author", "comparison_operator": "is", "value": "Ann"}
    condition = {"logic": "and", "conditions": [author]}
    full = RAGFlowRetriever(
        ["d"],
        similarity_top_k=7,
        candidate_top_k=50,
        similarity_threshold=0.0,
        vector_similarity_weight=0.0,
        highlight=False,
        rerank_id="r",
        keyword=True,
        cross_languages=["German"],
        use_kg=True,
        toc_enhance=True,
        metadata_condition=condition,
        **scripted,
    )
    await call(full, "retrieve", "Why?")
    await call(RAGFlowRetriever(["d"], document_ids=["x"], **scripted), "retrieve", "Why?")
    everything, little = script.bodies
    assert everything == {
        "question": "Why?",
        "dataset_ids": ["d"],
        "page": 1,
        "page_size": 7,
        "top_k": 50,
        "similarity_threshold": 0.0,
        "vector_similarity_weight": 0.0,
        "highlight": False,
        "rerank_id": "r",
        "keyword": True,
        "cross_languages": ["German"],
        "use_kg": True,
        "toc_enhance": True,
        "metadata_condition": condition,
    }
    assert little == {
        "question": "Why?",
        "dataset_ids": ["d"],
        "document_ids": ["x"],
        "page": 1,
        "page_size": 10,
    }


async def test_pages_are_merged_best_first(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """The server sorts within a page only: the results are sorted, and an empty page is the last one asked for."""
    pages = {
        1: [chunk(number, 0.5 - number / 1000) for number in range(100)],
        2: [chunk(100, 0.9), chunk(0, 0.5)],
    }
    script.answers[RETRIEVAL] = lambda body: found(pages.get(body["page"], []))
    nodes = await call(RAGFlowRetriever(["d"], similarity_top_k=1000, **scripted), "retrieve", "Why?")
    assert [node.node_id for node in nodes[:2]] == ["chunk100", "chunk0"]
    assert len(nodes) == 101
    assert [body["page"] for body in script.bodies] == [1, 2, 3]


async def test_coroutines_are_in_flight_at_once(scripted: dict[str, Any], script: Script) -> None:
    """Five retrievals reach the server before the first is answered: it answers only when all five are there."""
    barrier = threading.Barrier(5)

    def together(body: dict[str, Any]) -> dict[str, Any]:
        barrier.wait(timeout=5)
        return found([chunk(1)])

    script.answers[RETRIEVAL] = together
    five = RAGFlowRetriever(["d"], **scripted)
    results = await asyncio.gather(*(five.aretrieve(f"Why {number}?") for number in range(5)))
    assert [len(nodes) for nodes in results] == [1] * 5


async def test_the_loop_is_not_kept_waiting(scripted: dict[str, Any], script: Script) -> None:
    """While the server takes its time, other tasks of the loop run."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    def slowly(body: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.3)
        return found([])

    script.answers[RETRIEVAL] = slowly
    ticking = asyncio.create_task(tick())
    await RAGFlowRetriever(["d"], **scripted).aretrieve("Why?")
    ticking.cancel()
    assert ticks >= 10


def test_plain_calls_inside_a_running_loop(kb: KnowledgeBase) -> None:
    """As in a notebook: the call waits for its answer, nothing is nested and nothing hangs."""

    async def cell() -> Any:
        return retriever(kb).retrieve(QUESTION)

    assert asyncio.run(cell())[0].metadata["document_name"] == "notice.txt"


def test_one_retriever_in_several_loops_and_threads(kb: KnowledgeBase) -> None:
    """LlamaIndex calls ``asyncio.run`` again and again, and tools run in threads."""
    shared = retriever(kb)
    expected = shared.retrieve(QUESTION)
    assert [asyncio.run(shared.aretrieve(QUESTION)) for _ in range(3)] == [expected] * 3
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(shared.retrieve(QUESTION))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


async def test_events_and_callbacks(kb: KnowledgeBase, call: Call, seen: Seen) -> None:
    """A retrieval is told by a start and an end with its nodes, in the new way and in the old."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    nodes = await call(
        retriever(kb, callback_manager=CallbackManager([debug])), "retrieve", QueryBundle(QUESTION)
    )
    start, end = seen.events
    assert [start.class_name(), end.class_name()] == ["RetrievalStartEvent", "RetrievalEndEvent"]
    assert end.nodes == nodes  # type: ignore[attr-defined]
    ((before, after),) = debug.get_event_pairs(CBEventType.RETRIEVE)
    assert before.payload == {"query_str": QUESTION}
    assert after.payload == {"nodes": nodes}


async def test_failures_are_raised(kb: KnowledgeBase, call: Call, seen: Seen) -> None:
    """An unknown dataset or name, an empty question: typed, never an empty list, and no end is told."""
    unknown = "0" * 32
    with pytest.raises(NotFoundError, match=unknown):
        await call(retriever(kb, dataset_ids=[unknown]), "retrieve", QUESTION)
    with pytest.raises(NotFoundError, match="nobody"):
        await call(retriever(kb, dataset_names=["nobody"]), "retrieve", QUESTION)
    with pytest.raises(InvalidRequestError, match="question"):
        await call(retriever(kb), "retrieve", " ")
    told = {event.class_name() for event in seen.events}
    assert told == {"RetrievalStartEvent", "SpanDropEvent"}


async def test_what_the_local_engine_cannot_do_is_said(kb: KnowledgeBase, call: Call) -> None:
    """It does not pretend to have a model that nobody gave it."""
    with pytest.raises(Exception, match="not found for model some-model"):
        await call(retriever(kb, rerank_id="some-model"), "retrieve", QUESTION)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either dataset_ids= or dataset_names="),
        ({"dataset_ids": ["a"], "dataset_names": ["b"]}, "either dataset_ids= or dataset_names="),
        ({"dataset_ids": "abc"}, "dataset_ids='abc': give a list"),
        ({"dataset_ids": []}, r"dataset_ids=\[\]"),
        ({"dataset_names": []}, r"dataset_names=\[\]"),
        ({"dataset_ids": ["a"], "similarity_top_k": 0}, "similarity_top_k=0"),
        ({"dataset_ids": ["a"], "similarity_top_k": True}, "similarity_top_k=True"),
        ({"dataset_ids": ["a"], "similarity_threshold": 20}, "similarity_threshold=20: give a number from 0"),
        ({"dataset_ids": ["a"], "vector_similarity_weight": -0.1}, "vector_similarity_weight=-0.1"),
        (
            {"dataset_ids": ["a"], "document_ids": ["b"], "metadata_condition": {"logic": "and"}},
            "document_ids= and metadata_condition=",
        ),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    """They are refused when the retriever is made, with what would be right."""
    with pytest.raises(ConfigurationError, match=message):
        RAGFlowRetriever(base_url=":memory:", **arguments)


def test_a_typo_is_refused() -> None:
    """No argument is swallowed."""
    with pytest.raises(TypeError, match="similarity_topk"):
        RAGFlowRetriever(["a"], base_url=":memory:", similarity_topk=3)  # type: ignore[call-arg]


def test_the_class() -> None:
    """It is a retriever of LlamaIndex's, with a native coroutine of its own."""
    assert issubclass(RAGFlowRetriever, BaseRetriever)
    assert not RAGFlowRetriever.__abstractmethods__
    assert RAGFlowRetriever._aretrieve is not BaseRetriever._aretrieve


async def test_other_options_for_one_question(kb: KnowledgeBase, call: Call) -> None:
    """On the same connection and within the same scope; names that were looked up are not looked up again."""
    named = retriever(kb, dataset_names=["handbook"], similarity_top_k=1)
    assert len(await call(named, "retrieve", HARBOUR)) == 1
    wide = named.with_options(similarity_top_k=3)
    assert wide._known is named._known
    assert len(await call(wide, "retrieve", HARBOUR)) == 3
    ships = wide.with_options(dataset_ids=[kb.ships_id], similarity_threshold=0.0)
    assert {node.metadata["dataset_id"] for node in await call(ships, "retrieve", HARBOUR)} == {kb.ships_id}
    boats = Scope(document_ids=[kb.documents["boats.txt"]])
    narrow = retriever(kb, scope=boats).with_options(similarity_threshold=0.0)
    assert {node.metadata["document_name"] for node in await call(narrow, "retrieve", HARBOUR)} == {
        "boats.txt"
    }
    for wrong in ("similarity_topk", "scope", "client"):
        with pytest.raises(TypeError, match=f"{wrong}=: with_options takes dataset_ids"):
            named.with_options(**{wrong: None})


def test_options_are_all_arguments_but_the_servers() -> None:
    """A new argument of the constructor is one of ``with_options``, too."""
    arguments = set(inspect.signature(RAGFlowRetriever).parameters)
    connection = set(inspect.signature(Connection).parameters)
    assert set(_OPTIONS) == arguments - connection


async def test_image_nodes(kb: KnowledgeBase, call: Call) -> None:
    """A chunk with a picture is an image node if asked for; the picture is loaded when it is asked for."""
    gif = base64.b64decode("R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=")

    def drawn() -> Any:
        dataset = kb.client.create_dataset(f"drawings {uuid4()}")
        (document,) = dataset.upload_documents([{"display_name": "lions.txt", "blob": b"Text."}])
        document.add_chunk("A lion roars.", image_base64=gif)
        document.add_chunk("A lion sleeps.")
        return dataset

    dataset = await asyncio.to_thread(drawn)
    pictures = retriever(kb, dataset_ids=[dataset.id], similarity_threshold=0.0, image_nodes=True)
    found = {node.text: node for node in await call(pictures, "retrieve", "lion")}
    plain, image = found["A lion sleeps."], found["A lion roars."]
    assert isinstance(image.node, ImageNode)
    assert not isinstance(plain.node, ImageNode)
    assert image.node.image is None
    assert (await call(pictures, "load_image", image)).node.resolve_image().read()
    assert image.node.image_mimetype.startswith("image/")
    again = ImageNode.from_dict(image.node.to_dict())
    assert (again.node_id, again.ref_doc_id) == (image.node_id, image.node.ref_doc_id)
    with pytest.raises(InvalidRequestError, match="image_nodes=True"):
        await call(pictures, "load_image", plain)
    without = pictures.with_options(image_nodes=False)
    assert not any(isinstance(one.node, ImageNode) for one in await call(without, "retrieve", "lion"))
    await asyncio.to_thread(kb.client.delete_datasets, [dataset.id])
