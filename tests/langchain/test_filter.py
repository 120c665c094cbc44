"""``RAGFlowFilter``: checked before it is sent, exact on every server, at a cost that is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.documents import Document
from pydantic import ValidationError

from langchain_ragflow import RAGFlowFilter, RAGFlowRetriever
from ragflow_integrations import InvalidRequestError, RAGFlow
from tests.langchain.conftest import HARBOUR
from tests.langchain.scripted import Script

where = RAGFlowFilter.where
NEW, OLD, CREW = where("year", "≥", 2025), where("year", "<", 2025), where("team", "is", "Crew")
NESTED = (NEW & CREW) | where("team", "in", ["board"])
METADATA: dict[str, dict[str, Any]] = {
    "notice.txt": {"year": "2024", "team": ["crew", "office"]},
    "leave.txt": {"year": "2025", "team": ["office", "crew"]},
    "lamps.txt": {"year": "2026", "team": ["board"]},
    "boats.txt": {},
}


@pytest.fixture(scope="module", params=["0.27", "0.24"])
def tagged(request: pytest.FixtureRequest) -> Any:
    """A retriever of all that a filter lets through, on engines that answer as two versions of the server."""
    with RAGFlow.local(api_version=request.param) as client:
        dataset = client.create_dataset("handbook")
        for name, metadata in METADATA.items():
            dataset.upload(f"The harbour, says {name}.".encode(), name=name, meta_fields=metadata)
        yield RAGFlowRetriever(client=client, dataset_ids=[dataset.id], similarity_threshold=0.0)


def names(documents: list[Document]) -> set[str]:
    return {document.metadata["source"] for document in documents}


FILTERS = [
    (NEW, {"leave.txt", "lamps.txt"}),
    (CREW, {"notice.txt", "leave.txt"}),
    (NEW & CREW, {"leave.txt"}),
    (OLD | where("team", "=", "board"), {"notice.txt", "lamps.txt"}),
    (NESTED, {"leave.txt", "lamps.txt"}),
    (where("year", "not is", "2024"), {"leave.txt", "lamps.txt"}),
    (where("team", "not is", "board"), {"notice.txt", "leave.txt"}),
    (where("year", "is", "1999"), set()),
]


@pytest.mark.parametrize(("wanted", "found"), FILTERS)
async def test_a_filter_is_exact(tagged: RAGFlowRetriever, wanted: RAGFlowFilter, found: set[str]) -> None:
    """As an object and as a dict, in a call and in the constructor; by the server where it can, verified, looked up."""
    assert names(await tagged.ainvoke(HARBOUR, filter=wanted)) == found
    assert names(await tagged.ainvoke(HARBOUR, filter=RAGFlowFilter(conditions=[wanted]))) == found
    assert names(await tagged.ainvoke(HARBOUR, filter=wanted.model_dump(), verify_filter=True)) == found
    always = RAGFlowRetriever(**{**dict(tagged), "filter": wanted})
    assert names(await asyncio.to_thread(always.invoke, HARBOUR)) == found


def test_a_filter_beside_documents(tagged: RAGFlowRetriever) -> None:
    """Both are kept to, which servers do not."""
    ids = {one.metadata["source"]: one.metadata["document_id"] for one in tagged.invoke(HARBOUR)}
    some = [ids["notice.txt"], ids["leave.txt"]]
    assert names(tagged.invoke(HARBOUR, filter=NEW, document_ids=some)) == {"leave.txt"}
    assert tagged.invoke(HARBOUR, filter=NEW, document_ids=[ids["notice.txt"]]) == []
    assert tagged.invoke(HARBOUR, filter=NEW, document_ids=[]) == []


def test_metadata_of_what_is_found() -> None:
    """Only if asked for, also where it was fetched to verify a filter."""
    with RAGFlow.local() as client:
        dataset = client.create_dataset("handbook")
        dataset.upload(b"The harbour.", name="a.txt", meta_fields={"year": "2026"})
        retriever = RAGFlowRetriever(client=client, dataset_ids=[dataset.id], filter=NEW, verify_filter=True)
        (bare,) = retriever.invoke(HARBOUR)
        (full,) = retriever.invoke(HARBOUR, include_document_metadata=True)
    assert "document_metadata" not in bare.metadata
    assert full.metadata["document_metadata"] == {"year": "2026"}


@pytest.mark.parametrize(
    ("name", "operator", "value", "said"),
    [
        ("year", "like", "2025", "comparison_operator"),
        ("year", "empty", "", "comparison_operator"),
        ("year", ">", "soon", "a number or a date"),
        ("year", "in", "2025", "a list"),
        ("year", "is", ["2025"], "value"),
        ("year", "is", " ", "not empty"),
        ("", "is", "x", "name"),
    ],
)
def test_a_wrong_condition_is_refused(name: str, operator: Any, value: Any, said: str) -> None:
    """When it is made, by what is wrong with it."""
    with pytest.raises(ValidationError, match=said):
        RAGFlowFilter.where(name, operator, value)


def test_filters_join() -> None:
    """One list of conditions as long as servers can read it; further ones nest."""
    flat = (NEW & CREW & OLD).as_condition()
    assert flat is not None
    assert [one["value"] for one in flat["conditions"]] == [2025, "Crew", 2025]
    assert NESTED.as_condition() is None
    assert NESTED.fits({"year": "2026", "team": "crew"})
    assert not NESTED.fits({"year": "2024", "team": "crew"})
    assert not NESTED.fits(None)
    assert RAGFlowFilter.model_validate(NESTED.model_dump()) == NESTED


CHUNKS = [
    {"id": f"c{n}", "content": "x", "document_id": f"d{n}", "similarity": 0.5, "document_metadata": held}
    for n, held in enumerate([{"year": "2026"}, {"year": "1999"}])
]


def retriever_of(script: Script, client: RAGFlow, documents: int, **fields: Any) -> RAGFlowRetriever:
    """On a server that returns the same chunks whatever the filter, with so many documents, the first one new."""
    script.pages = [CHUNKS]
    script.documents = {f"d{n}": {"year": "1999" if n else "2026"} for n in range(documents)}
    return RAGFlowRetriever(client=client, dataset_ids=["d"], **fields)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_what_a_filter_costs(script: Script, scripted: RAGFlow, way: str) -> None:
    """Nothing where the server applies it; looked up: a call for the dataset and one for each hundred documents."""
    retriever = retriever_of(script, scripted, 250)
    nested = NEW | (OLD & CREW)
    for wanted, calls in ((NEW, ["retrieval"]), (nested, ["dataset", *["documents"] * 3, "retrieval"])):
        script.calls.clear()
        if way == "sync":
            retriever.invoke("Why?", filter=wanted)
        else:
            asyncio.run(retriever.ainvoke("Why?", filter=wanted))
        assert script.calls == calls


@pytest.mark.parametrize(("documents", "allowed"), [(300, 4), (10, 2)])
def test_beyond_its_cost_it_is_an_error(
    script: Script, scripted: RAGFlow, documents: int, allowed: int
) -> None:
    """With the measured size, before the calls are made; exactly as many as are allowed are made."""
    retriever = retriever_of(script, scripted, documents, max_filter_calls=allowed)
    retriever.invoke("Why?", filter=NESTED)
    script.documents |= {f"more{n}": {} for n in range(100)}
    script.calls.clear()
    said = rf"{documents + 100} documents here take {allowed + 1} calls; max_filter_calls={allowed}"
    with pytest.raises(InvalidRequestError, match=said):
        retriever.invoke("Why?", filter=NESTED)
    assert script.calls == ["dataset", "documents"]


def test_too_many_datasets_are_an_error_at_once(script: Script, scripted: RAGFlow) -> None:
    """Each takes two calls at least; none is made."""
    retriever = retriever_of(script, scripted, 1, max_filter_calls=5)
    with pytest.raises(InvalidRequestError, match="3 datasets here take 6 calls"):
        retriever.invoke("Why?", filter=NESTED, dataset_ids=["d", "e", "f"])
    assert script.calls == []


def test_a_server_that_passes_over_the_filter_is_caught(script: Script, scripted: RAGFlow) -> None:
    """Verifying sees what does not fit, and searches in the documents that do; without, the server is believed."""
    retriever = retriever_of(script, scripted, 2, filter=NEW)
    assert [one.id for one in retriever.invoke("Why?")] == ["c0", "c1"]
    retriever.invoke("Why?", verify_filter=True)
    assert script.bodies[-2]["metadata_condition"] == NEW.as_condition() | {
        "conditions": [{"name": "year", "comparison_operator": "≥", "value": "2025"}]
    }
    assert script.bodies[-1]["document_ids"] == ["d0"]
    assert "metadata_condition" not in script.bodies[-1]


def test_old_servers_are_not_left_to_filter(script: Script, scripted: RAGFlow) -> None:
    """Those before v0.25 compare lists as one text, or return everything: the documents are looked up."""
    script.version = "v0.24.0"
    retriever = retriever_of(script, scripted, 2, filter=NEW)
    retriever.invoke("Why?")
    assert script.calls == ["dataset", "documents", "retrieval"]
    assert script.bodies[-1]["document_ids"] == ["d0"]
