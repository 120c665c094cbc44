"""``RAGFlowRetriever`` against the local engine, in this process and over loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_core.tools import create_retriever_tool
from pydantic import ValidationError

from langchain_ragflow import ChatRAGFlow, RAGFlowRetriever, RAGFlowSearchTool
from ragflow_integrations import AsyncRAGFlow, InvalidRequestError, NotFoundError, RAGFlow
from tests.langchain.conftest import HARBOUR, QUESTION, SHIPS, TEXTS, KnowledgeBase, on_both
from tests.langchain.scripted import Script

kb = on_both()


@pytest.fixture
def retriever(kb: KnowledgeBase) -> RAGFlowRetriever:
    return RAGFlowRetriever(client=kb.client, dataset_ids=[kb.dataset_id])


@pytest.fixture
def ships(kb: KnowledgeBase) -> RAGFlowRetriever:
    """Finds more than a page of chunks."""
    return RAGFlowRetriever(client=kb.client, dataset_ids=[kb.ships_id], similarity_threshold=0.0)


class Requests(BaseCallbackHandler):
    """Notes what tracers are told."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.found: list[Document] = []

    def on_retriever_start(self, *args: Any, metadata: dict[str, Any], **kwargs: Any) -> None:
        self.metadata = metadata

    def on_retriever_end(self, documents: Any, **kwargs: Any) -> None:
        self.found = list(documents)


def names(documents: list[Document]) -> list[str]:
    return [document.metadata["source"] for document in documents]


def test_the_best_document_comes_first_with_all_its_facts(
    kb: KnowledgeBase, retriever: RAGFlowRetriever
) -> None:
    """The right text, its ids, and a score that is made of its parts as RAGFlow does."""
    best, *_ = retriever.invoke(QUESTION)
    facts = best.metadata
    assert best.page_content.strip() == TEXTS["notice.txt"]
    assert best.id == facts["chunk_id"]
    assert facts["source"] == facts["document_name"] == "notice.txt"
    assert (facts["document_id"], facts["dataset_id"]) == (kb.documents["notice.txt"], kb.dataset_id)
    assert facts["score"] == facts["similarity"]
    parts = 0.7 * facts["term_similarity"] + 0.3 * facts["vector_similarity"]
    assert facts["score"] == pytest.approx(parts, abs=1e-6)


def test_sync_async_and_the_client_agree(kb: KnowledgeBase, retriever: RAGFlowRetriever) -> None:
    """The same chunks in the same order, whichever way."""
    sync = retriever.invoke(HARBOUR)
    assert asyncio.run(retriever.ainvoke(HARBOUR)) == sync
    direct = kb.client.retrieve(HARBOUR, [kb.dataset_id], page_size=5)
    assert [document.id for document in sync] == [chunk.id for chunk in direct]


@pytest.mark.parametrize("way", ["constructor", "call", "bind", "configurable", "batch"])
def test_k_in_every_way(kb: KnowledgeBase, retriever: RAGFlowRetriever, way: str) -> None:
    """``k`` is the number of results wherever it is given."""
    assert len(retriever.invoke(HARBOUR)) == 4
    field = retriever.configurable_fields(k=ConfigurableField(id="k"))
    found = {
        "constructor": lambda: RAGFlowRetriever(
            client=kb.client, dataset_ids=[kb.dataset_id], k=2, top_k=50
        ).invoke(HARBOUR),
        "call": lambda: retriever.invoke(HARBOUR, k=2, top_k=50),
        "bind": lambda: retriever.bind(k=2).invoke(HARBOUR),
        "configurable": lambda: field.invoke(HARBOUR, {"configurable": {"k": 2}}),
        "batch": lambda: retriever.batch([HARBOUR], k=2)[0],
    }[way]()
    assert names(found) == names(retriever.invoke(HARBOUR))[:2]


async def test_every_field_works_in_a_call_and_in_a_coroutine(
    kb: KnowledgeBase, retriever: RAGFlowRetriever
) -> None:
    """Fields of a call go over the constructor's, for this call only; sync and async alike."""
    only = {"document_ids": [kb.documents["boats.txt"]], "similarity_threshold": 0.0}
    assert names(await retriever.ainvoke(HARBOUR, **only)) == ["boats.txt"]
    assert names(await asyncio.to_thread(lambda: retriever.invoke(HARBOUR, **only))) == ["boats.txt"]
    assert len(await retriever.ainvoke(HARBOUR)) == 4
    assert await retriever.ainvoke(HARBOUR, document_ids=[]) == []
    (by_vector,) = await retriever.ainvoke(QUESTION, vector_similarity_weight=1.0, k=1)
    assert by_vector.metadata["score"] == pytest.approx(by_vector.metadata["vector_similarity"], abs=1e-6)
    (marked,) = await retriever.ainvoke(QUESTION, highlight=True, k=1)
    assert "<em>" in marked.metadata["highlight"]
    assert marked.page_content.strip() == TEXTS["notice.txt"]
    assert names(await retriever.ainvoke("ship", dataset_ids=[kb.ships_id], k=1)) == ["ships.txt"]


def test_more_than_a_page(ships: RAGFlowRetriever) -> None:
    """``k`` over the server's largest page is fetched page by page: all different, best first, no more than ``k``."""
    found = ships.invoke("Which ships lie in the harbour?", k=110)
    assert len({document.id for document in found}) == len(found) == 110
    scores = [document.metadata["score"] for document in found]
    assert scores == sorted(scores, reverse=True)
    assert asyncio.run(ships.ainvoke("Which ships lie in the harbour?", k=110)) == found
    assert len(ships.invoke("Which ships lie in the harbour?", k=1000)) == SHIPS


@pytest.mark.parametrize("way", ["sync", "async"])
def test_pages_are_merged_best_first(script: Script, scripted: RAGFlow, way: str) -> None:
    """The server sorts within a page only and may repeat a chunk, and adds the knowledge graph's to every page."""
    graph = {"content": "Graph.", "dataset_id": ["d", "e"], "similarity": 1.0}
    low = [chunk(f"low{number:03}", 0.5 - number / 1000) for number in range(99)]
    script.pages = [
        [{"id": "r1", **graph}, *low],
        [{"id": "r2", **graph}, chunk("high", 0.9), chunk("low000", 0.4), chunk("none", None)],
    ]
    retriever = RAGFlowRetriever(client=scripted, dataset_ids=["d"], k=300, use_kg=True)
    found = retriever.invoke("Why?") if way == "sync" else asyncio.run(retriever.ainvoke("Why?"))
    assert [one.id for one in found[:3]] == ["r1", "high", "low000"]
    assert (found[2].metadata["score"], found[-1].id, len(found)) == (0.5, "none", 102)
    assert [body["page"] for body in script.bodies] == [1, 2, 3]
    assert [one.id for one in retriever.invoke("Why?", k=101)] == [one.id for one in found[:101]]


def chunk(id: str, similarity: float | None) -> dict[str, Any]:
    """A chunk as a scripted retrieval sends it."""
    return {"id": id, "content": id, "document_id": "d0", "similarity": similarity}


def test_score_threshold(retriever: RAGFlowRetriever) -> None:
    """Results below it are dropped here, those above are unchanged."""
    every = retriever.invoke(HARBOUR)
    limit = every[1].metadata["score"]
    assert retriever.invoke(HARBOUR, score_threshold=limit) == [
        document for document in every if document.metadata["score"] >= limit
    ]
    assert retriever.invoke(HARBOUR, score_threshold=1.1) == []


def test_names_of_datasets(kb: KnowledgeBase) -> None:
    """A name does what its id does, sync and async; a dataset of a call replaces the constructor's."""
    by_name = RAGFlowRetriever(client=kb.client, dataset_names=["handbook"])
    by_id = RAGFlowRetriever(client=kb.client, dataset_ids=[kb.dataset_id])
    assert by_name.invoke(HARBOUR) == by_id.invoke(HARBOUR)
    fresh = RAGFlowRetriever(client=kb.client, dataset_names=["handbook"])
    assert asyncio.run(fresh.ainvoke(HARBOUR)) == by_id.invoke(HARBOUR)
    both = by_name.invoke("harbour", dataset_names=["handbook", "ships"], k=200)
    assert {document.metadata["dataset_id"] for document in both} == {kb.dataset_id, kb.ships_id}
    assert names(by_name.invoke("harbour", dataset_ids=[kb.ships_id], k=1)) == ["ships.txt"]


def test_a_name_is_looked_up_once() -> None:
    """After the first question the id is kept: a dataset that is renamed is still found."""
    with RAGFlow.local() as client:
        dataset = client.create_dataset("old")
        retriever = RAGFlowRetriever(client=client, dataset_names=["old"])
        assert retriever.invoke("anything") == []
        dataset.update({"name": "new"})
        assert retriever.invoke("anything") == []
        with pytest.raises(NotFoundError):
            RAGFlowRetriever(client=client, dataset_names=["old"]).invoke("anything")


@pytest.mark.parametrize(
    ("search", "error"),
    [
        ({"dataset_names": ["nix"]}, NotFoundError),
        ({"dataset_ids": ["0" * 32]}, NotFoundError),
        ({"dataset_ids": []}, InvalidRequestError),
        ({"dataset_ids": ["a/b"]}, InvalidRequestError),
    ],
)
async def test_an_unknown_dataset_is_an_error(
    retriever: RAGFlowRetriever, search: dict[str, Any], error: type[Exception]
) -> None:
    """Never an empty list instead; the client's own exceptions, sync and async."""
    with pytest.raises(error):
        await retriever.ainvoke(QUESTION, **search)
    with pytest.raises(error):
        await asyncio.to_thread(lambda: retriever.invoke(QUESTION, **search))


@pytest.mark.parametrize("question", ["", "  \n"])
async def test_an_empty_question_is_an_error(retriever: RAGFlowRetriever, question: str) -> None:
    """It says which argument was empty."""
    with pytest.raises(InvalidRequestError, match="question"):
        await retriever.ainvoke(question)
    with pytest.raises(InvalidRequestError, match="question"):
        await asyncio.to_thread(retriever.invoke, question)


@pytest.mark.parametrize(
    "option",
    [
        {"keyword": True},
        {"use_kg": True},
        {"cross_languages": ["French"]},
        {"toc_enhance": True},
    ],
)
def test_what_the_engine_cannot_do_it_says(retriever: RAGFlowRetriever, option: dict[str, Any]) -> None:
    """Options go to the server as they are; the local engine names the one it refuses."""
    with pytest.raises(Exception, match=next(iter(option))) as caught:
        retriever.invoke(QUESTION, **option)
    assert type(caught.value).__module__ == "ragflow_integrations.errors"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"topk": 9}, "topk"),
        ({"k": 0}, "k\n"),
        ({"similarity_threshold": 2}, "similarity_threshold"),
        ({"dataset_names": ["a"], "dataset_ids": ["b"]}, "not both"),
        ({"filter": {"conditions": []}}, "filter.conditions"),
        (
            {"filter": {"conditions": [{"name": "a", "comparison_operator": "like", "value": "b"}]}},
            "start with",
        ),
    ],
)
def test_typos_and_impossible_values_are_refused(
    retriever: RAGFlowRetriever, wrong: dict[str, Any], said: str
) -> None:
    """In the constructor as in a call, by the name of the field."""
    with pytest.raises(ValidationError, match=said):
        RAGFlowRetriever(client=retriever.client, **wrong)
    with pytest.raises(ValidationError, match=said):
        retriever.invoke(QUESTION, **wrong)


def test_without_a_dataset_the_call_must_name_one(kb: KnowledgeBase) -> None:
    """A retriever for any dataset is possible; forgetting the dataset is an error, no search in everything."""
    retriever = RAGFlowRetriever(client=kb.client)
    with pytest.raises(InvalidRequestError, match="dataset_ids"):
        retriever.invoke(QUESTION)
    with pytest.raises(InvalidRequestError, match="dataset_names"):
        retriever.invoke(QUESTION, dataset_names=[])
    assert names(retriever.invoke(QUESTION, dataset_names=["handbook"]))[0] == "notice.txt"


def test_a_chain(kb: KnowledgeBase, retriever: RAGFlowRetriever) -> None:
    """Retriever, prompt and model in LangChain's expression language, sync, async and in a batch."""
    prompt = ChatPromptTemplate.from_template("{question}\n\n{context}")
    model = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id)
    texts = retriever.bind(k=1) | (lambda found: "\n".join(one.page_content for one in found))
    chain = {"context": texts, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
    assert "six weeks" in chain.invoke(QUESTION)
    assert "six weeks" in asyncio.run(chain.ainvoke(QUESTION))
    notice, leave = chain.batch([QUESTION, "How many days of leave has a keeper?"])
    assert "six weeks" in notice
    assert "thirty days" in leave


async def test_many_at_once(retriever: RAGFlowRetriever) -> None:
    """Concurrent coroutines and a threaded batch do not mix up their questions."""
    words = {"notice period six weeks": "notice.txt", "days of leave": "leave.txt", "lamps oil": "lamps.txt"}
    questions = [*words] * 8
    found = await retriever.abatch(questions, k=1)
    assert [names(one) for one in found] == [[words[question]] for question in questions]
    threaded = await asyncio.to_thread(lambda: retriever.batch(questions, k=1))
    assert threaded == found


def test_a_sync_call_inside_a_running_loop(retriever: RAGFlowRetriever) -> None:
    """As in a notebook's cell: the call blocks its loop, but works."""

    async def cell() -> list[Document]:
        return retriever.invoke(QUESTION)

    assert names(asyncio.run(cell()))[0] == "notice.txt"


def test_an_async_client_alone_is_enough(kb: KnowledgeBase) -> None:
    """Each kind of client makes its twin, on the same server or engine."""
    client: AsyncRAGFlow = kb.client.as_async()
    retriever = RAGFlowRetriever(async_client=client, dataset_ids=[kb.dataset_id])
    assert names(retriever.invoke(QUESTION))[0] == "notice.txt"
    assert names(asyncio.run(retriever.ainvoke(QUESTION)))[0] == "notice.txt"
    asyncio.run(client.aclose())


def test_what_tracers_are_told(retriever: RAGFlowRetriever) -> None:
    """LangSmith's parameters, and the documents that were found."""
    seen = Requests()
    found = retriever.invoke(QUESTION, {"callbacks": [seen]})
    assert seen.metadata["ls_retriever_name"] == "ragflow"
    assert seen.metadata["ls_vector_store_provider"] == "ragflow"
    assert seen.found == found


def test_as_a_tool(retriever: RAGFlowRetriever) -> None:
    """What the chat model's refusal of tools recommends works."""
    tool = create_retriever_tool(retriever, "handbook", "Searches the handbook.")
    assert "six weeks" in tool.invoke({"query": QUESTION})


async def test_thirty_two_in_flight(script: Script, scripted_async: AsyncRAGFlow) -> None:
    """None is answered before all wait at the server: none waits for another here, be it retriever, tool or model."""
    script.barrier, script.pages = asyncio.Barrier(32), [[chunk("c", 0.5)]]
    retriever = RAGFlowRetriever(async_client=scripted_async, dataset_ids=["d"])
    found = await asyncio.wait_for(retriever.abatch(["Why?"] * 32), 30)
    assert {len(one) for one in found} == {1}
    script.calls.clear()
    tool = RAGFlowSearchTool(async_client=scripted_async, dataset_ids=["d"])
    told = await asyncio.wait_for(asyncio.gather(*(tool.ainvoke({"query": "Why?"}) for _ in range(32))), 30)
    assert len(set(told)) == 1
    assert len(script.calls) == 32
    script.pieces = ["fine"]
    model = ChatRAGFlow(async_client=scripted_async, chat_id="c1")
    answers = await asyncio.wait_for(model.abatch(["Why?"] * 32), 30)
    assert [one.text for one in answers] == ["fine"] * 32


CONFIGURED = {
    "dataset_ids": ["e"],
    "document_ids": ["d1"],
    "k": 7,
    "top_k": 9,
    "similarity_threshold": 0.4,
    "vector_similarity_weight": 0.6,
    "highlight": True,
    "keyword": True,
    "rerank_id": "r",
    "cross_languages": ["French"],
    "use_kg": True,
    "toc_enhance": True,
    "include_document_metadata": True,
}


@pytest.mark.parametrize("way", ["constructor", "call", "configurable", "batch"])
def test_every_field_arrives_in_every_way(script: Script, scripted: RAGFlow, way: str) -> None:
    """By the name that servers have for it, and nothing else with it: ``k`` is no ``top_k``."""
    plain = RAGFlowRetriever(client=scripted, dataset_ids=["d"])
    plain.invoke("Why?")
    without = script.bodies[-1]
    for name, value in CONFIGURED.items():
        if way == "constructor":
            RAGFlowRetriever(**{"client": scripted, "dataset_ids": ["d"], name: value}).invoke("Why?")
        elif way == "call":
            plain.invoke("Why?", **{name: value})
        elif way == "batch":
            plain.batch(["Why?"], **{name: value})
        else:
            fields: Any = {name: ConfigurableField(id=name)}
            plain.configurable_fields(**fields).invoke("Why?", {"configurable": {name: value}})
        sent = {"k": ("page_size", 7), "include_document_metadata": ("reference_metadata", {"include": True})}
        key, expected = sent.get(name, (name, value))
        assert script.bodies[-1] == {**without, key: expected}
