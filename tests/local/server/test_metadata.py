"""Metadata over HTTP: filters of retrieval and of document lists, references that show it, summary and batch update."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.server.api import Api, Json
from tests.local.server.replay import frames


class Library:
    """A dataset with three documents of which two have metadata, and a chat over it."""

    def __init__(self, api: Api, dataset: str, documents: dict[str, str], chat: str) -> None:
        self.api, self.dataset, self.documents, self.chat = api, dataset, documents, chat

    @classmethod
    async def made(cls, api: Api) -> Library:
        dataset = await api.dataset()
        text = "The harbour of {0} is older than the city."
        documents = {
            "ann": await api.tagged(
                dataset, "a.txt", text.format("Ys"), author="Ann", year=2024, tags=["x", "y"]
            ),
            "bob": await api.tagged(dataset, "b.txt", text.format("Tyre"), author="Bob", year=1999),
            "none": await api.tagged(dataset, "c.txt", text.format("Troy")),
        }
        chat = (await api("POST", "/chats", {"name": "c", "dataset_ids": [dataset]}))["data"]["id"]
        return cls(api, dataset, documents, chat)

    async def found(self, **more: Any) -> list[str]:
        """Whose documents a retrieval finds."""
        return self.names(chunk["document_id"] for chunk in (await self.retrieved(**more))["chunks"])

    async def retrieved(self, **more: Any) -> Json:
        body = {"question": "Which harbour is older than the city?", "dataset_ids": [self.dataset], **more}
        answer = await self.api("POST", "/retrieval", body)
        assert answer["code"] == 0, answer
        return dict(answer["data"])

    async def listed(self, **query: Any) -> Json:
        return await self.api("GET", f"/datasets/{self.dataset}/documents", params=query)

    async def listed_names(self, **query: Any) -> list[str]:
        """Whose documents a list has; its total must be their number."""
        data = (await self.listed(**query))["data"]
        assert data["total"] == len(data["docs"])
        return self.names(row["id"] for row in data["docs"])

    async def metadata(self) -> dict[str, Json]:
        names = {identifier: name for name, identifier in self.documents.items()}
        return {names[row["id"]]: row["meta_fields"] for row in (await self.listed())["data"]["docs"]}

    def names(self, ids: Any) -> list[str]:
        wanted = set(ids)
        return [name for name, identifier in self.documents.items() if identifier in wanted]


@pytest.fixture
async def library(api: Api) -> Library:
    """Three documents about harbours."""
    return await Library.made(api)


def condition(name: str, operator: str, value: Any, logic: str = "and") -> Json:
    """A ``metadata_condition`` of one condition."""
    return {"logic": logic, "conditions": [{"name": name, "comparison_operator": operator, "value": value}]}


async def test_retrieval_within_a_condition(library: Library) -> None:
    """Only documents that the condition fits are searched, and total and doc_aggs know no others."""
    assert await library.found() == ["ann", "bob", "none"]
    assert await library.found(metadata_condition=condition("author", "is", "ann")) == ["ann"]
    assert await library.found(metadata_condition=condition("author", "≠", "ann")) == ["bob"]
    data = await library.retrieved(metadata_condition=condition("year", "<", "2000"))
    assert data["total"] == 1
    assert data["doc_aggs"] == [{"doc_name": "b.txt", "doc_id": library.documents["bob"], "count": 1}]


@pytest.mark.parametrize(
    "wanted",
    [
        condition("author", "is", "Eve"),
        condition("nothing", "≠", "x"),
        condition("author", "?", "Ann"),
        {"logic": "or"},
    ],
)
async def test_retrieval_without_a_fitting_document(library: Library, wanted: Json) -> None:
    """If no document fits, nothing is found, in RAGFlow's shape for it: never everything."""
    assert await library.retrieved(metadata_condition=wanted) == {"total": 0, "chunks": [], "doc_aggs": {}}


async def test_ids_switch_a_condition_off(library: Library) -> None:
    """With document ids a condition does not count, as on RAGFlow; an empty list of ids is none, {} no condition."""
    no_one = condition("author", "is", "Eve")
    ids = [library.documents["bob"]]
    assert await library.found(metadata_condition=no_one, document_ids=ids) == ["bob"]
    assert await library.found(metadata_condition=no_one, document_ids=[]) == []
    assert await library.found(metadata_condition={}) == ["ann", "bob", "none"]


@pytest.mark.parametrize(
    ("wanted", "code", "named"),
    [
        ("x", 100, "AttributeError(\"'str' object has no attribute 'get'\")"),
        ({"conditions": "x"}, 100, "list of objects"),
        ({"conditions": ["x"]}, 100, "list of objects"),
        ({"conditions": [{"name": "a", "value": "x"}]}, 100, "`comparison_operator`"),
        ({"conditions": [{"name": "a", "comparison_operator": "empty"}]}, 100, "`value`"),
        ({"conditions": [{"name": [], "comparison_operator": "is", "value": "x"}]}, 100, "should be text"),
        (condition("author", "is", "Ann", "xor"), 102, "`logic`"),
    ],
)
async def test_conditions_that_are_none(library: Library, wanted: Any, code: int, named: str) -> None:
    """A malformed condition is an error that names its fault, not a search without it."""
    body = {"question": "x", "dataset_ids": [library.dataset], "metadata_condition": wanted}
    answer = await library.api("POST", "/retrieval", body)
    assert answer["code"] == code
    assert named in answer["message"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, None),
        ({"reference_metadata": {"fields": ["author"]}}, None),
        ({"reference_metadata": "x"}, None),
        ({"reference_metadata": {"include": True}}, {"author": "Ann", "year": 2024, "tags": ["x", "y"]}),
        ({"reference_metadata": {"include": True, "fields": ["year", "zz", 1]}}, {"year": 2024}),
        ({"reference_metadata": {"include": True, "fields": []}}, None),
        ({"reference_metadata": {"include": True, "fields": "year"}}, None),
        ({"include_metadata": True, "metadata_fields": ["author"]}, {"author": "Ann"}),
        ({"include_metadata": False, "reference_metadata": {"include": True}}, None),
    ],
)
async def test_chunks_show_metadata_when_asked(library: Library, asked: Json, shown: Json | None) -> None:
    """``document_metadata`` has the fields asked for; a chunk whose document has none of them lacks the key."""
    by_name = {
        library.names([chunk["document_id"]])[0]: chunk
        for chunk in (await library.retrieved(**asked))["chunks"]
    }
    assert by_name["ann"].get("document_metadata") == shown
    assert "document_metadata" not in by_name["none"]


async def test_references_of_answers_show_metadata(library: Library) -> None:
    """A chat's references show metadata if the request or the chat asks for it; what is stored shows the same."""
    asked = {
        "chat_id": library.chat,
        "question": "Which harbour is older than the city?",
        "doc_ids": library.documents["ann"],
    }
    wish = {"reference_metadata": {"include": True, "fields": ["author"]}}

    async def shown(**more: Any) -> Any:
        answer = await library.api("POST", "/chat/completions", {**asked, "stream": False, **more})
        stored = await library.api("GET", f"/chats/{library.chat}/sessions/{answer['data']['session_id']}")
        [chunk] = answer["data"]["reference"]["chunks"]
        assert stored["data"]["reference"][-1]["chunks"] == [chunk]
        return chunk["document_metadata"]

    assert await shown() is None
    assert await shown(**wish) == {"author": "Ann"}
    await library.api("PATCH", f"/chats/{library.chat}", {"prompt_config": wish})
    assert await shown() == {"author": "Ann"}
    assert await shown(reference_metadata={"include": False}) is None


async def test_answers_within_documents(library: Library) -> None:
    """``doc_ids`` of a completion, "a,b" or a list, are the only documents that it searches."""
    ids = [library.documents[name] for name in ("ann", "bob")]
    for doc_ids in (",".join(ids), f" {ids[0]} , {ids[1]} ", ids):
        body = {
            "chat_id": library.chat,
            "question": "Which harbour is older than the city?",
            "doc_ids": doc_ids,
        }
        events = frames((await library.api.http.post("/chat/completions", json=body)).text)
        chunks = events[-2]["data"]["reference"]["chunks"]
        assert library.names(chunk["document_id"] for chunk in chunks) == ["ann", "bob"]
    nowhere = {
        "chat_id": library.chat,
        "question": "Which harbour is older than the city?",
        "doc_ids": "0" * 32,
        "stream": False,
    }
    assert "chunks" in (await library.api("POST", "/chat/completions", nowhere))["data"]["reference"]
    without_effect = {**nowhere, "metadata_condition": condition("author", "is", "Ann")}
    refused = await library.api("POST", "/chat/completions", without_effect)
    assert (refused["code"], "`doc_ids`" in refused["message"]) == (102, True)


async def test_lists_of_documents_within_metadata(library: Library) -> None:
    """Lists are narrowed by a condition, by values, by both, and to documents without any metadata."""
    ann, late = (json.dumps(condition(*each)) for each in (("author", "is", "Ann"), ("year", ">", "1900")))
    values = json.dumps({"author": ["Bob", "Eve"]})
    assert await library.listed_names(metadata_condition=ann) == ["ann"]
    assert await library.listed_names(metadata=values) == ["bob"]
    assert await library.listed_names(metadata=values, metadata_condition=late) == ["bob"]
    assert await library.listed_names(metadata=values, metadata_condition=ann) == []
    assert await library.listed_names(metadata='{"author": []}') == ["ann", "bob", "none"]
    assert await library.listed_names(return_empty_metadata="true", metadata_condition=ann) == ["none"]
    assert await library.listed_names(metadata='{"empty_metadata": true}') == ["none"]
    assert await library.listed_names(metadata_condition=late, keywords="b.", run="UNSTART") == ["bob"]
    assert (await library.listed(metadata_condition=late, page_size=1))["data"]["total"] == 2


async def test_ids_win_over_metadata_in_lists(library: Library) -> None:
    """As on RAGFlow a list by id or ids passes over a condition."""
    ann, bob = json.dumps(condition("author", "is", "Ann")), library.documents["bob"]
    assert await library.listed_names(metadata_condition=ann, id=bob) == ["bob"]
    assert await library.listed_names(metadata_condition=ann, ids=[bob]) == ["bob"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"metadata_condition": "{x"}, "metadata_condition must be valid JSON: {x."),
        ({"metadata_condition": "[1]"}, "metadata_condition must be an object."),
        ({"metadata": "{x"}, "metadata must be valid JSON."),
        ({"metadata": "[1]"}, "metadata must be an object."),
        ({"metadata": "[" * 10_000}, "metadata must be valid JSON."),
    ],
)
async def test_lists_with_malformed_filters(library: Library, query: Json, message: str) -> None:
    """A filter that cannot be read is code 102 with RAGFlow's words."""
    assert await library.listed(**query) == {"code": 102, "message": message}


async def test_summary(library: Library) -> None:
    """Keys, types and values of a dataset, or of some of its documents."""
    path = f"/datasets/{library.dataset}/metadata/summary"
    everything = (await library.api("GET", path))["data"]["summary"]
    assert everything["year"] == {"type": "number", "values": [["2024", 1], ["1999", 1]]}
    bob = await library.api("GET", path, params={"doc_ids": library.documents["bob"]})
    assert set(bob["data"]["summary"]) == {"author", "year"}
    missing = await library.api("GET", f"/datasets/{'0' * 32}/metadata/summary")
    assert missing == {"code": 102, "message": f"You don't own the dataset {'0' * 32}. "}


@pytest.mark.parametrize(("method", "path"), [("POST", "metadata/update"), ("PATCH", "documents/metadatas")])
async def test_batch_update(library: Library, method: str, path: str) -> None:
    """Both routes change the selected documents, which a condition narrows, and are found by the new values at once."""
    ids = library.documents
    body: Json = {
        "selector": {"document_ids": [ids["ann"], ids["bob"]]},
        "updates": [{"key": "tags", "value": "z"}, {"key": "author", "value": "Rob", "match": "Bob"}],
        "deletes": [{"key": "year"}, {"key": "tags", "value": "x"}],
    }
    url = f"/datasets/{library.dataset}/{path}"
    assert await library.api(method, url, body) == {"code": 0, "data": {"updated": 2, "matched_docs": 2}}
    assert await library.metadata() == {
        "ann": {"author": "Ann", "tags": ["y", "z"]},
        "bob": {"author": "Rob", "tags": "z"},
        "none": {},
    }
    assert await library.found(metadata_condition=condition("author", "is", "Rob")) == ["bob"]
    narrowed = {**body["selector"], "metadata_condition": condition("author", "is", "Ann")}
    again = {"selector": narrowed, "updates": [{"key": "author", "value": "Eve"}]}
    assert (await library.api(method, url, again))["data"] == {"updated": 1, "matched_docs": 1}
    assert (await library.api(method, url, again))["data"] == {"updated": 0, "matched_docs": 0}


@pytest.mark.parametrize("selector", [None, {}, {"metadata_condition": condition("author", "is", "Ann")}])
async def test_batch_update_needs_ids(library: Library, selector: Json | None) -> None:
    """Without document ids nothing is selected, as on RAGFlow 0.24 and later."""
    before = await library.metadata()
    body = {"selector": selector, "updates": [{"key": "author", "value": "Eve"}]}
    answer = await library.api("POST", f"/datasets/{library.dataset}/metadata/update", body)
    assert answer == {"code": 0, "data": {"updated": 0, "matched_docs": 0}}
    assert await library.metadata() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"selector": [1]}, "selector must be an object."),
        ({"updates": {"key": "a"}}, "updates and deletes must be lists."),
        ({"deletes": "a"}, "updates and deletes must be lists."),
        ({"updates": [{"key": "a"}]}, "Each update requires key and value."),
        ({"updates": [{"key": "", "value": 1}]}, "Each update requires key and value."),
        ({"deletes": [{"value": 1}]}, "Each delete requires key."),
        ({"selector": {"document_ids": "x"}}, "document_ids must be a list."),
        ({"selector": {"metadata_condition": "x"}}, "metadata_condition must be an object."),
    ],
)
async def test_malformed_batch_updates(library: Library, body: Json, message: str) -> None:
    """What is no batch update is code 102 with RAGFlow's words, and changes nothing."""
    before = await library.metadata()
    answer = await library.api("POST", f"/datasets/{library.dataset}/metadata/update", body)
    assert answer == {"code": 102, "message": message}
    assert await library.metadata() == before


async def test_batch_update_of_another_dataset(library: Library) -> None:
    """A document of another dataset is named, and no document changes."""
    other = await library.api.document(await library.api.dataset("other"))
    body = {"selector": {"document_ids": [library.documents["ann"], other]}, "deletes": [{"key": "author"}]}
    answer = await library.api("POST", f"/datasets/{library.dataset}/metadata/update", body)
    assert answer == {
        "code": 102,
        "message": f"These documents do not belong to dataset {library.dataset}: {other}",
    }
    assert (await library.metadata())["ann"]["author"] == "Ann"
