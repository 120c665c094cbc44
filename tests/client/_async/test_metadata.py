"""The metadata of documents: what there is, changing it for many, and finding it automatically."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AutoMetadata,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
)
from ragflow_integrations.models import DataSetFields, MetadataUpdate
from tests.client._async.conftest import Connect
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import http, serving

ANN = {"logic": "and", "conditions": [{"name": "author", "comparison_operator": "is", "value": "Ann"}]}
OLD = {"conditions": [{"name": "year", "comparison_operator": "<", "value": 2021}]}


async def tagged(facts: AsyncDataSet) -> dict[str, str]:
    """The ids by name; Atlantis and the zebras are Ann's, from 2020 and 2024, tea is Bob's."""
    documents = {document.name: document for document in await facts.list_documents()}
    await documents["atlantis.txt"].update({"meta_fields": {"author": "Ann", "year": 2020, "of": ["sea"]}})
    await documents["zebras.md"].update({"meta_fields": {"author": "Ann", "year": 2024}})
    await documents["tea.mdx"].update({"meta_fields": {"author": "Bob"}})
    return {name: document.id for name, document in documents.items()}


async def metadata_of(facts: AsyncDataSet, name: str) -> dict[str, Any] | None:
    return (await facts.list_documents(name=name))[0].meta_fields


async def test_summary(facts: AsyncDataSet) -> None:
    """Each key with its type and its values, the most frequent first; of all documents or of some."""
    ids = await tagged(facts)
    summary = await facts.metadata_summary()
    assert {name: field.type for name, field in summary.items()} == {
        "author": "string",
        "year": "number",
        "of": "list",
    }
    assert summary["author"].values == [("Ann", 2), ("Bob", 1)]
    assert sorted(summary["year"].values) == [("2020", 1), ("2024", 1)]
    some = await facts.metadata_summary([ids["tea.mdx"]])
    assert {name: field.values for name, field in some.items()} == {"author": [("Bob", 1)]}


async def test_update_some(facts: AsyncDataSet) -> None:
    """A text is replaced, a list gets more, ``match`` changes only what is so; keys and values can go."""
    ids = await tagged(facts)
    updates: list[dict[str, Any]] = [
        {"key": "author", "value": "Cy", "match": "Ann"},
        {"key": "of", "value": ["myth"]},
    ]
    done = await facts.update_metadata(updates, document_ids=[ids["atlantis.txt"], ids["tea.mdx"]])
    assert done == MetadataUpdate(matched_docs=2, updated=2)
    assert await metadata_of(facts, "atlantis.txt") == {"author": "Cy", "year": 2020, "of": ["sea", "myth"]}
    assert await metadata_of(facts, "tea.mdx") == {"author": "Bob", "of": ["myth"]}
    deletes = [{"key": "of", "value": "sea"}, {"key": "year"}]
    await facts.update_metadata(deletes=deletes, document_ids=[ids["atlantis.txt"]])
    assert await metadata_of(facts, "atlantis.txt") == {"author": "Cy", "of": ["myth"]}


async def test_update_by_a_condition(facts: AsyncDataSet) -> None:
    """Those that fit it, though servers change nothing by a condition alone; with ids, those that are both."""
    ids = await tagged(facts)
    seen = [{"key": "seen", "value": "yes"}]
    assert await facts.update_metadata(seen, metadata_condition=ANN) == MetadataUpdate(2, 2)
    assert "seen" not in (await metadata_of(facts, "tea.mdx") or {})
    both = await facts.update_metadata(
        [{"key": "old", "value": "yes"}],
        document_ids=[ids["zebras.md"], ids["atlantis.txt"]],
        metadata_condition=OLD,
    )
    assert both.matched_docs == 1
    assert (await metadata_of(facts, "atlantis.txt") or {})["old"] == "yes"
    nobody = {"conditions": [{"name": "author", "comparison_operator": "is", "value": "Nobody"}]}
    assert await facts.update_metadata(seen, metadata_condition=nobody) == MetadataUpdate(0, 0)


async def test_update_all(facts: AsyncDataSet) -> None:
    """Only by saying so; more than a hundred go in several requests."""
    await facts.upload_documents([{"display_name": f"{n}.txt", "blob": b"x"} for n in range(101)])
    with pytest.raises(InvalidRequestError, match="document_ids=None for all documents"):
        await facts.update_metadata([{"key": "a", "value": "b"}])
    done = await facts.update_metadata([{"key": "a", "value": "b"}], document_ids=None)
    assert done == MetadataUpdate(104, 104)
    assert (await facts.metadata_summary())["a"].values == [("b", 104)]
    assert await facts.update_metadata([{"key": "a", "value": "c"}], document_ids=[]) == MetadataUpdate(0, 0)


async def test_unknown_documents(facts: AsyncDataSet) -> None:
    """One of another dataset, or none at all, is an error."""
    with pytest.raises(NotFoundError, match="0{32}"):
        await facts.update_metadata([{"key": "a", "value": "b"}], document_ids=["0" * 32])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "say whose metadata"),
        ({"document_ids": ["a"]}, "updates, deletes: give at least one change"),
        (
            {"document_ids": "a", "updates": [{"key": "k", "value": 1}]},
            "document_ids='a': give a list of ids",
        ),
        ({"document_ids": 5, "updates": [{"key": "k", "value": 1}]}, "document_ids=5: give a list of ids"),
        (
            {"document_ids": ["a"], "updates": [{"key": "k"}]},
            r"updates\[0\]=.*: give a dict with key and value",
        ),
        ({"document_ids": ["a"], "updates": {"key": "k"}}, "updates=.*: give a list of dicts"),
        ({"document_ids": ["a"], "deletes": [{"key": ""}]}, r"deletes\[0\]\['key'\]=''"),
        ({"document_ids": ["a"], "deletes": ["k"]}, r"deletes\[0\]='k': give a dict with key"),
        ({"document_ids": ["a"], "deletes": [{"key": "k", "value": None}]}, r"deletes\[0\]\['value'\]=None"),
        (
            {"document_ids": ["a"], "deletes": [{"key": "k", "match": "x"}]},
            r"deletes\[0\]\['match'\]: give key, value only",
        ),
        (
            {"document_ids": ["a"], "updates": [{"key": "k", "value": "x", "macth": "y"}]},
            r"updates\[0\]\['macth'\]: give key, value, match only",
        ),
        (
            {"document_ids": ["a"], "updates": [{"key": "k", "value": "x", "match": ""}]},
            r"\['match'\]='': leave it out to change every value",
        ),
        (
            {"document_ids": ["a"], "updates": [{"key": "k", "value": {"x": 1}}]},
            r"updates\[0\]\['value'\]={'x': 1}: give a text, a number, or a list of these",
        ),
        ({"metadata_condition": {"conditions": []}, "deletes": [{"key": "k"}]}, "at least one condition"),
    ],
)
async def test_changes_that_cannot_be(connect: Connect, arguments: dict[str, Any], said: str) -> None:
    """Each is refused before anything is sent."""
    dataset = AsyncDataSet._of(connect("http://127.0.0.1:9"), DataSetFields(id="d"))
    with pytest.raises(InvalidRequestError, match=said):
        await dataset.update_metadata(**arguments)


@pytest.mark.parametrize(("version", "query", "body"), [("0.27", "?doc_ids=a%2Cb", b""), ("0.24", "", b"a")])
async def test_the_summary_of_some(connect: Connect, version: str, query: str, body: bytes) -> None:
    """v0.24 reads the ids from the body, later ones from the query; there may be a hundred."""
    answer = http({"code": 0, "data": {"summary": {"year": {"type": "number", "values": [["2024", 2]]}}}})
    with serving(answer) as (server, url):
        dataset = AsyncDataSet._of(connect(url, server_version=version), DataSetFields(id="d"))
        summary = await dataset.metadata_summary(["a", "b"])
        assert server.requests[0].line.split(" ")[1] == f"/api/v1/datasets/d/metadata/summary{query}"
        assert json.loads(server.requests[0].body or b"null") == ({"doc_ids": ["a", "b"]} if body else None)
        with pytest.raises(InvalidRequestError, match="document_ids: give at most 100"):
            await dataset.metadata_summary([f"{n}" for n in range(101)])
    assert summary["year"].values == [("2024", 2)]


async def test_automatic_metadata(connect: Connect) -> None:
    """What is not given stays as it is, though servers would empty it."""
    present = {"metadata": [{"key": "author", "type": "string"}], "built_in_metadata": []}
    wanted = {"key": "topic", "type": "list", "enum": ["sea", "land"]}
    with serving(http({"code": 0, "data": present}), http({"code": 0, "data": {}})) as (server, url):
        dataset = AsyncDataSet._of(connect(url, server_version="0.27"), DataSetFields(id="d"))
        config = await dataset.update_auto_metadata(built_in_metadata=[wanted])
        assert [each.line.split(" ")[0] for each in server.requests] == ["GET", "PUT"]
        sent = json.loads(server.requests[1].body)
    assert sent == {"metadata": present["metadata"], "built_in_metadata": [wanted]}
    assert config == AutoMetadata.model_validate(sent)
    assert config.built_in_metadata[0].enum == ["sea", "land"]
    with serving(http({"code": 0})) as (server, url):
        dataset = AsyncDataSet._of(connect(url, server_version="0.27"), DataSetFields(id="d"))
        await dataset.update_auto_metadata(config.metadata, [])
        assert json.loads(server.requests[0].body) == present
        with pytest.raises(InvalidRequestError, match="auto_metadata_config={}"):
            await dataset.update_auto_metadata()


async def test_a_real_v027(connect: Connect, replay_v027: Replay) -> None:
    """Recorded answers of v0.27.0: a summary, a change, and no automatic metadata."""
    changed = recorded("v0.27", "doc.metadata.update.post")
    client = connect(replay_v027.url)
    dataset = AsyncDataSet._of(client, DataSetFields(id=changed.path.split("/")[4]))
    summary = await dataset.metadata_summary()
    assert summary["tags"].values == [("x", 1), ("y", 1)]
    done = await dataset.update_metadata(
        changed.request_body["updates"], document_ids=changed.request_body["selector"]["document_ids"]
    )
    assert done == MetadataUpdate(matched_docs=1, updated=1)
    empty = AsyncDataSet._of(
        client, DataSetFields(id=recorded("v0.27", "ds.metadata.config").path.split("/")[4])
    )
    assert await empty.get_auto_metadata() == AutoMetadata(metadata=[], built_in_metadata=[])


async def test_a_real_v024(connect: Connect, replay_v024: Replay) -> None:
    """Recorded answers of v0.24.0, which has no automatic metadata."""
    changed = recorded("v0.24", "doc.metadata.update.post")
    dataset = AsyncDataSet._of(connect(replay_v024.url), DataSetFields(id=changed.path.split("/")[4]))
    assert await dataset.metadata_summary() == {}
    done = await dataset.update_metadata(
        changed.request_body["updates"], document_ids=changed.request_body["selector"]["document_ids"]
    )
    assert done == MetadataUpdate(1, 1)
    with pytest.raises(UnsupportedError, match="get_auto_metadata needs RAGFlow v0.25.1 or later"):
        await dataset.get_auto_metadata()
