"""``RAGFlowAutoRetriever``: a model writes the query and the filters, and can only narrow."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, MetadataInfo, VectorStoreInfo

from llamaindex_ragflow import RAGFlowAutoRetriever, RAGFlowRetriever
from llamaindex_ragflow.testing.scripted import ScriptedLLM
from ragflow_integrations import ConfigurationError, InvalidRequestError, RAGFlow
from tests.llamaindex.conftest import Call

QUESTION = "What did Ann write on the harbour since 2024?"
PAPERS = {
    "old.txt": {"author": "Ann", "year": 2019},
    "new.txt": {"author": "Ann", "year": 2025},
    "other.txt": {"author": "Bob", "year": 2025},
}
INFO = VectorStoreInfo(
    content_info="Papers on the harbour",
    metadata_info=[
        MetadataInfo(name="author", type="str", description="Who wrote it"),
        MetadataInfo(name="year", type="int", description="When"),
    ],
)


@pytest.fixture(scope="module", params=["0.27", "0.24"])
def papers(request: pytest.FixtureRequest) -> Iterator[RAGFlowRetriever]:
    """On engines that answer as two versions of the server."""
    with RAGFlow.local(api_version=request.param) as client:
        dataset = client.create_dataset("papers")
        for name, metadata in PAPERS.items():
            dataset.upload(f"The harbour, says {name}.".encode(), name=name, meta_fields=metadata)
        yield RAGFlowRetriever([dataset.id], client=client, similarity_threshold=0.0)


def model(query: str = "harbour", filters: Any = (), **more: Any) -> ScriptedLLM:
    """Writes this query."""
    return saying(f"```json\n{json.dumps({'query': query, 'filters': list(filters), **more})}\n```")


def saying(text: str) -> ScriptedLLM:
    return ScriptedLLM(turns=[lambda messages: ChatMessage(role="assistant", content=text)] * 2)


def names(nodes: list[Any]) -> set[str]:
    return {node.metadata["document_name"] for node in nodes}


BY_ANN = {"key": "author", "value": "Ann", "operator": "=="}
SINCE_2024 = {"key": "year", "value": 2024, "operator": ">="}


async def test_what_the_model_wrote_is_searched(papers: RAGFlowRetriever, call: Call) -> None:
    """Its query, by its filters; the model was shown the question and what there is."""
    llm = model(filters=[BY_ANN, SINCE_2024])
    auto = RAGFlowAutoRetriever(INFO, llm=llm, retriever=papers)
    assert names(await call(auto, "retrieve", QUESTION)) == {"new.txt"}
    shown = str(llm.seen[0][-1].content)
    assert all(part in shown for part in (QUESTION, "Papers on the harbour", '"author"', "When"))


async def test_it_can_only_narrow(papers: RAGFlowRetriever, call: Call) -> None:
    """The developer's filter stays, and there are no more results than the developer wants."""
    own = MetadataFilters(filters=[MetadataFilter(key="author", value="Bob")])
    auto = RAGFlowAutoRetriever(
        INFO, llm=model(filters=[SINCE_2024], top_k=50), retriever=papers.with_options(filters=own)
    )
    assert names(await call(auto, "retrieve", QUESTION)) == {"other.txt"}
    both = RAGFlowAutoRetriever(INFO, llm=model(filters=[BY_ANN]), retriever=papers.with_options(filters=own))
    assert await call(both, "retrieve", QUESTION) == []
    for wanted, found in ((1, 1), (50, 2)):
        two = papers.with_options(similarity_top_k=2)
        auto = RAGFlowAutoRetriever(INFO, llm=model(top_k=wanted), retriever=two)
        assert len(await call(auto, "retrieve", QUESTION)) == found


async def test_without_a_query_or_filters(papers: RAGFlowRetriever, call: Call) -> None:
    """An empty query is the question; without filters everything is searched."""
    auto = RAGFlowAutoRetriever(INFO, llm=model(query=" "), retriever=papers)
    assert names(await call(auto, "retrieve", QUESTION)) == set(PAPERS)


@pytest.mark.parametrize("said", ["I'd rather not.", '{"query": "x", "filters": [{"key": 1}]}', "{}", ""])
async def test_a_model_that_is_not_understood(
    papers: RAGFlowRetriever, call: Call, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    """The question is asked as it is, and the log says so; the developer's filter stays."""
    own = MetadataFilters(filters=[MetadataFilter(key="author", value="Bob")])
    auto = RAGFlowAutoRetriever(INFO, llm=saying(said), retriever=papers.with_options(filters=own))
    with caplog.at_level(logging.WARNING):
        assert names(await call(auto, "retrieve", QUESTION)) == {"other.txt"}
    assert "cannot be read" in caplog.text


async def test_a_field_that_nobody_told_the_model_of(papers: RAGFlowRetriever, call: Call) -> None:
    """Is an error with its name, and no search without the filter."""
    auto = RAGFlowAutoRetriever(INFO, llm=model(filters=[{"key": "owner", "value": "x"}]), retriever=papers)
    with pytest.raises(
        InvalidRequestError, match="filters by 'owner', and vector_store_info has author, year"
    ):
        await call(auto, "retrieve", QUESTION)


def test_the_class(papers: RAGFlowRetriever) -> None:
    """It takes a retriever's arguments as well, its prompt can be exchanged, it closes what it made."""
    client = papers._connection.client
    with RAGFlowAutoRetriever(INFO, llm=model(), dataset_ids=papers._dataset_ids, client=client) as auto:
        auto.update_prompts({"prompt": PromptTemplate("{query_str}!")})
        assert auto.get_prompts()["prompt"].get_template() == "{query_str}!"
        assert auto.retrieve(QUESTION)
    with pytest.raises(TypeError, match="similarity_topk"):
        RAGFlowAutoRetriever(INFO, llm=model(), dataset_ids=["a"], similarity_topk=3)
    with pytest.raises(ConfigurationError, match="retriever= and dataset_ids="):
        RAGFlowAutoRetriever(INFO, llm=model(), retriever=papers, dataset_ids=["a"])
    assert client.list_datasets()
