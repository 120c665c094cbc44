"""The reader: whole documents or chunks, lazily, by plain calls and in coroutines; documents as resources."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.readers.base import BaseReader, ResourcesReaderMixin
from llama_index.core.schema import Document, MetadataMode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from pydantic import ValidationError

from llamaindex_ragflow import RAGFlowReader, RAGFlowRetriever, RunContext
from llamaindex_ragflow._run import called_with
from ragflow_integrations import (
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from ragflow_integrations.testing import watched
from tests.llamaindex.conftest import SHIPS, TEXTS, Call, KnowledgeBase


def reader(kb: KnowledgeBase, **fields: Any) -> RAGFlowReader:
    """On the small dataset, unless told otherwise."""
    where = (
        {} if {"dataset_names", "dataset_ids", "scope"} & fields.keys() else {"dataset_ids": [kb.dataset_id]}
    )
    return RAGFlowReader(**{**where, **kb.clients, **fields})


def where(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:
    """A filter of one condition."""
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


async def test_documents(kb: KnowledgeBase, call: Call) -> None:
    """Each with its id, its text, what is known of it, and nothing for a language model but its name."""
    documents = await call(reader(kb), "load_data")
    assert {document.id_: document.text for document in documents} == {
        kb.documents[name]: text for name, text in TEXTS.items()
    }
    notice = next(one for one in documents if one.metadata["document_name"] == "notice.txt")
    assert notice.metadata == {
        "document_id": kb.documents["notice.txt"],
        "document_name": "notice.txt",
        "file_name": "notice.txt",
        "dataset_id": kb.dataset_id,
        "run": "DONE",
        "chunk_count": 1,
    }
    assert notice.get_content(MetadataMode.LLM) == f"document_name: notice.txt\n\n{TEXTS['notice.txt']}"


async def test_chunks(kb: KnowledgeBase, call: Call) -> None:
    """Each chunk once, in the document's order, more than a page of them, with the ids that a retriever finds."""
    chunks = await call(reader(kb, dataset_ids=[kb.ships_id], granularity="chunk"), "load_data")
    assert [chunk.text.strip() for chunk in chunks] == [
        f"Ship number {number} lies in the harbour of Atlantis." for number in range(SHIPS)
    ]
    found = await RAGFlowRetriever([kb.ships_id], **kb.clients).aretrieve("Ship number 7")
    by_id = {chunk.id_: chunk for chunk in chunks}
    assert len(by_id) == SHIPS
    assert by_id[found[0].node_id].text == found[0].text
    assert (chunks[0].metadata["document_name"], chunks[0].ref_doc_id) == ("ships.txt", None)


def test_lazily() -> None:
    """Nothing is asked for before it is used: 101 documents take two pages, and each its chunks."""
    with RAGFlow.local() as client:
        dataset = client.create_dataset("notes")
        dataset.upload_documents([{"display_name": f"{n}.txt", "blob": b"Lamps."} for n in range(101)])
        with watched(client) as watch:
            lazy = RAGFlowReader(dataset_ids=[dataset.id], client=watch.client).lazy_load_data()
            assert watch.exchanges == []
            next(lazy)
            first = ["RAGFlow.get_dataset", "DataSet.list_documents", "Document.list_chunks"]
            assert [one.operation for one in watch.exchanges] == first
            assert len(list(lazy)) == 100
            sent = Counter(one.operation for one in watch.exchanges)
        assert (sent["DataSet.list_documents"], sent["Document.list_chunks"]) == (2, 101)


async def test_lazily_async(kb: KnowledgeBase) -> None:
    """An asynchronous iterator of our own; LlamaIndex's ``alazy_load_data`` gives what needs no more waiting."""
    ships = reader(kb, dataset_ids=[kb.ships_id], granularity="chunk")
    seen = ships.aiter_data()
    first = await anext(seen)
    await seen.aclose()  # type: ignore[attr-defined]
    ready = await ships.alazy_load_data()
    assert (first, len(ready)) == (ready[0], SHIPS)


async def test_what_is_read(kb: KnowledgeBase, call: Call) -> None:
    """Datasets by name, of a scope, or several; documents by id in the order given, and by a filter."""
    boats, lamps = kb.documents["boats.txt"], kb.documents["lamps.txt"]
    for fields, expected in (
        ({"dataset_names": ["handbook"]}, set(kb.documents.values())),
        ({"scope": Scope([kb.dataset_id], [boats])}, {boats}),
        ({"filters": where("file_name", FilterOperator.IN, ["lamps.txt", "boats.txt"])}, {boats, lamps}),
        ({"filters": where("colour", FilterOperator.EQ, "blue")}, set()),
        ({"document_ids": []}, set()),
    ):
        assert set(await call(reader(kb, **fields), "list_resources")) == expected
    some = reader(kb, dataset_ids=[kb.ships_id, kb.dataset_id], document_ids=[boats, lamps])
    assert [one.id_ for one in await call(some, "load_data")] == [boats, lamps]
    with pytest.raises(NotFoundError, match="unknown"):
        await call(reader(kb, document_ids=["unknown"]), "load_data")
    with pytest.raises(InvalidRequestError, match="no dataset"):
        await call(RAGFlowReader(**kb.clients), "load_data")


async def test_resources(kb: KnowledgeBase, call: Call) -> None:
    """Documents by their ids, what is known of them, and each by itself; those of others are not there."""
    all_of_it = reader(kb)
    boats = kb.documents["boats.txt"]
    info = await call(all_of_it, "get_resource_info", boats)
    assert {**info, "creation_date": info["creation_date"][:2], "last_modified_date": "20"} == {
        "file_name": "boats.txt",
        "file_size": len(TEXTS["boats.txt"]),
        "creation_date": "20",
        "last_modified_date": "20",
        "dataset_id": kb.dataset_id,
        "run": "DONE",
        "chunk_count": 1,
        "metadata": {},
    }
    assert json.dumps(info)
    assert (await call(all_of_it, "list_resources_with_info"))[boats] == info
    (document,) = await call(all_of_it, "load_resource", boats)
    assert (document.id_, document.text) == (boats, TEXTS["boats.txt"])
    assert await all_of_it.aload_resources([boats]) == {boats: [document]}
    assert await asyncio.to_thread(all_of_it.load_resources, [boats]) == [document]
    for other in (
        reader(kb, document_ids=[kb.documents["lamps.txt"]]),
        reader(kb, dataset_ids=[kb.ships_id]),
    ):
        with pytest.raises(NotFoundError):
            await call(other, "load_resource", boats)
    with pytest.raises(UnsupportedError, match="permissions"):
        await call(all_of_it, "get_permission_info", boats)


def test_metadata_and_what_is_not_parsed() -> None:
    """A document's own metadata, which cannot pretend to be ours; one that is not parsed is empty and says so."""
    with RAGFlow.local() as client:
        dataset = client.create_dataset("notes")
        (made,) = dataset.upload_documents([{"display_name": "a.txt", "blob": b"Lamps."}])
        made.update({"meta_fields": {"team": "crew", "document_id": "forged"}})
        fields: dict[str, Any] = {"client": client, "dataset_ids": [dataset.id]}
        (document,) = RAGFlowReader(**fields).load_data()
        assert (document.text, document.metadata["run"]) == ("", "UNSTART")
        assert (document.metadata["team"], document.metadata["document_id"]) == ("crew", made.id)
        assert RAGFlowReader(**fields, granularity="chunk").load_data() == []
        dataset.parse_documents([made.id], interval=0.02)
        (chunk,) = RAGFlowReader(**fields, granularity="chunk").load_data()
        assert (chunk.text.strip(), chunk.metadata["team"]) == ("Lamps.", "crew")
        assert chunk.metadata["document_id"] == made.id


def test_two_users_on_one_key(kb: KnowledgeBase) -> None:
    """One reader, each user reads what their scope leaves."""
    scopes = {user: Scope([kb.dataset_id], [kb.documents[f"{user}.txt"]]) for user in ("boats", "lamps")}

    def scope(run: RunContext) -> Scope:
        return scopes[run.context]

    for shared in (reader(kb, scope=scope), reader(kb, dataset_names=["handbook"], scope=scope)):
        for user, other in (("boats", "lamps"), ("lamps", "boats")):
            with called_with(user):
                (document,) = shared.load_data()
                (again,) = asyncio.run(shared.aload_data())
                assert document.text == again.text == TEXTS[f"{user}.txt"]
                with pytest.raises(NotFoundError):
                    shared.load_resource(kb.documents[f"{other}.txt"])


def test_settings(tmp_path: Path) -> None:
    """Wrong ones are refused, the key is in no dump, and a pickle reads from the same folder in the same scope."""
    for wrong in (
        {"dataset_ids": ["a"], "dataset_names": ["b"]},
        {"datasets": ["a"]},
        {"granularity": "page"},
    ):
        with pytest.raises(ValidationError):
            RAGFlowReader(base_url=":memory:", **wrong)
    with pytest.raises(ValidationError, match="similarity"):
        RAGFlowReader(base_url=":memory:", filters=where("similarity", FilterOperator.GT, 0))
    with RAGFlowReader(dataset_ids=["a"], base_url="http://127.0.0.1:9", api_key="ragflow-secret") as remote:
        assert "secret" not in repr(remote) + remote.to_json() + str(pickle.dumps(remote))
        assert (remote.is_remote, remote.to_dict()["class_name"]) == (True, "RAGFlowReader")
    with RAGFlow.local(str(tmp_path)) as client:
        dataset = client.create_dataset("notes")
        dataset.upload(b"Lamps.", name="a.txt")
        copy = pickle.loads(pickle.dumps(RAGFlowReader(client=client, scope=Scope([dataset.id]))))  # noqa: S301
        assert [document.text for document in copy.load_data()] == ["Lamps."]
        copy.close()


def test_nothing_asynchronous_is_inherited_that_calls_in_a_thread() -> None:
    """Each coroutine of the base classes that would call its twin in a thread is our own."""
    inherited = {
        name
        for base in (BaseReader, ResourcesReaderMixin)
        for name, method in vars(base).items()
        if inspect.iscoroutinefunction(method) and "to_thread" in inspect.getsource(method)
    }
    assert len(inherited) >= 6
    assert inherited <= vars(RAGFlowReader).keys()


def test_a_document_is_a_document(kb: KnowledgeBase) -> None:
    """Its hash is the same each time it is read, so that a document store sees no change where there is none."""
    first, second = (reader(kb).load_data() for _ in range(2))
    assert [one.hash for one in first] == [one.hash for one in second]
    assert all(isinstance(one, Document) for one in first)
