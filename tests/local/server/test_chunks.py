"""One chunk over HTTP: read, changed, switched off and on, and how lists and the search follow at once."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.local.server.api import ATLANTIS, Api, Json


class Document:
    """A document with three added chunks."""

    def __init__(self, api: Api, dataset: str, path: str, ids: list[str]) -> None:
        self.api, self.dataset, self.path, self.ids = api, dataset, path, ids

    @classmethod
    async def made(cls, api: Api) -> Document:
        dataset = await api.dataset()
        path = f"/datasets/{dataset}/documents/{await api.document(dataset)}/chunks"
        contents = (ATLANTIS, "Zebras live in Africa.", "Whales live in the sea.")
        ids = [(await api("POST", path, {"content": each}))["data"]["chunk"]["id"] for each in contents]
        return cls(api, dataset, path, ids)

    async def found(self, question: str) -> list[str]:
        """The contents that a retrieval finds."""
        body = {"question": question, "dataset_ids": [self.dataset]}
        return [each["content"] for each in (await self.api("POST", "/retrieval", body))["data"]["chunks"]]

    async def listed(self, **query: Any) -> list[Json]:
        return list((await self.api("GET", self.path, params=query))["data"]["chunks"])


@pytest.fixture
async def document(api: Api) -> Document:
    """Chunks about Atlantis, zebras and whales."""
    return await Document.made(api)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_changed_chunk(document: Document, method: str) -> None:
    """A change is searchable at once under the same id and place; what is not sent stays; counters stay true."""
    zebras = document.ids[1]
    before = await document.listed()
    assert await document.api(method, f"{document.path}/{zebras}", {"content": "Okapis hide in Congo."}) == {
        "code": 0
    }
    assert (await document.found("Where do okapis hide?"))[0] == "Okapis hide in Congo."
    assert "Zebras live in Africa." not in await document.found("zebras")
    await document.api(
        method, f"{document.path}/{zebras}", {"important_keywords": ["giraffid"], "questions": ["Q?"]}
    )
    assert await document.found("giraffid") == ["Okapis hide in Congo."]
    after = await document.listed()
    assert [chunk["id"] for chunk in after] == [chunk["id"] for chunk in before]
    [changed] = await document.listed(id=zebras)
    assert (changed["content"], changed["important_keywords"]) == ("Okapis hide in Congo.", ["giraffid"])
    [dataset] = (await document.api("GET", "/datasets"))["data"]
    assert dataset["chunk_count"] == 3


async def test_one_chunk(document: Document) -> None:
    """A single chunk has the names of RAGFlow's index; one of another document is not found."""
    chunk = (await document.api("GET", f"{document.path}/{document.ids[1]}"))["data"]
    assert (chunk["id"], chunk["content_with_weight"]) == (document.ids[1], "Zebras live in Africa.")
    assert (chunk["kb_id"], chunk["docnm_kwd"], chunk["available_int"]) == (document.dataset, "a.txt", 1)
    assert f"/documents/{chunk['doc_id']}/" in document.path
    other = await document.api.document(document.dataset)
    path = f"/datasets/{document.dataset}/documents/{other}/chunks/{document.ids[1]}"
    assert await document.api("GET", path) == {"code": 102, "message": "Chunk not found!"}
    message = f"Can't find this chunk {document.ids[1]}"
    assert await document.api("PATCH", path, {"content": "x"}) == {"code": 102, "message": message}


async def test_switched_chunks(document: Document) -> None:
    """Chunks that are off are listed but not found; on again they are found; each way of saying it works."""
    zebras, whales = document.ids[1:]
    switched = await document.api("PATCH", document.path, {"chunk_ids": [zebras, whales], "available": False})
    assert switched == {"code": 0, "data": True}
    assert await document.found("zebras whales live") == []
    assert [chunk["id"] for chunk in await document.listed(available="false")] == [whales, zebras]
    assert [chunk["id"] for chunk in await document.listed(available="true")] == [document.ids[0]]
    await document.api("PATCH", document.path, {"chunk_ids": [zebras], "available_int": 1})
    await document.api("PATCH", f"{document.path}/{whales}", {"available": True})
    assert len(await document.found("zebras whales live")) == 2
    await document.api("PATCH", f"{document.path}/{whales}", {"available": 0, "content": "Whales sing."})
    assert await document.found("whales sing") == []


async def test_switching_a_document_switches_its_chunks(document: Document) -> None:
    """A document that is disabled and enabled again has all its chunks on."""
    await document.api("PATCH", document.path, {"chunk_ids": document.ids[:1], "available": False})
    path = document.path.removesuffix("/chunks")
    await document.api("PATCH", path, {"enabled": 0})
    assert await document.found("Atlantis zebras whales") == []
    await document.api("PATCH", path, {"enabled": 1})
    assert {chunk["available"] for chunk in await document.listed()} == {True}
    assert len(await document.found("Atlantis zebras whales")) == 3


async def test_lists_of_some_chunks(document: Document) -> None:
    """``chunk_ids``, repeated or separated by commas, narrow a list; over a hundred are an error."""
    first, second, _ = document.ids
    for wanted in (f"{first},{second}", [first, second]):
        assert [chunk["id"] for chunk in await document.listed(chunk_ids=wanted)] == [second, first]
    ids = ",".join(f"{number:016x}" for number in range(101))
    answer = await document.api("GET", document.path, params={"chunk_ids": ids})
    assert answer == {"code": 101, "message": "chunk_ids must contain at most 100 IDs"}


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"chunk_ids": ["zz"], "available": False}, 102, "Can't find this chunk zz"),
        ({"chunk_ids": ["{}", "zz"], "available": False}, 102, "Can't find this chunk zz"),
        ({"chunk_ids": ["{}"]}, 102, "`available_int` or `available` is required."),
        ({"chunk_ids": ["{}"], "available_int": "x"}, 100, "invalid literal for int() with base 10: 'x'"),
        ({"chunk_ids": [1], "available": False}, 102, "Can't find this chunk 1"),
        ({"chunk_ids": [[1]], "available": False}, 100, "TypeError(\"unhashable type: 'list'\")"),
    ],
)
async def test_switches_that_fail(document: Document, body: Json, code: int, named: str) -> None:
    """A switch that names an unknown chunk, or nothing to do, switches none."""
    ids = [str(each).format(document.ids[1]) if isinstance(each, str) else each for each in body["chunk_ids"]]
    answer = await document.api("PATCH", document.path, {**body, "chunk_ids": ids})
    assert (answer["code"], named in answer["message"]) == (code, True)
    assert {chunk["available"] for chunk in await document.listed()} == {True}


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"important_keywords": [1]}, 100, "sequence item 0: expected str instance, int found"),
        ({"positions": [[1, 2, 3]]}, 102, "`positions` should be a list of lists of 5 whole numbers"),
        ({"tag_kwd": "t"}, 102, "`tag_kwd` should be a list"),
        ({"tag_kwd": [1]}, 102, "`tag_kwd` must be a list of strings"),
        ({"tag_feas": "x"}, 102, "`tag_feas` must be an object mapping string tags to finite numeric scores"),
        ({"tag_feas": {" ": 1}}, 102, "`tag_feas` keys must be non-empty strings"),
        ({"tag_feas": {"t": "x"}}, 102, "`tag_feas` values must be finite numbers greater than 0"),
        ({"tag_feas": {"t": True}}, 102, "`tag_feas` values must be finite numbers greater than 0"),
        ({"tag_feas": {"t": 10**400}}, 100, "int too large to convert to float"),
        ({"tag_feas": {"t": 0}}, 102, "`tag_feas` values must be finite numbers greater than 0"),
        ({"image_base64": "x"}, 102, "Invalid `image_base64`"),
        ({"image_base64": ""}, 102, "`image_base64` must be a non-empty string"),
    ],
)
async def test_changes_that_are_refused(document: Document, body: Json, code: int, named: str) -> None:
    """What cannot be kept is refused by name, and nothing of the request is done."""
    path = f"{document.path}/{document.ids[1]}"
    answer = await document.api("PATCH", path, {"content": "Other.", **body})
    assert (answer["code"], named in answer["message"]) == (code, True)
    assert (await document.api("GET", path))["data"]["content_with_weight"] == "Zebras live in Africa."


PNG = b"\x89PNG\r\n\x1a\n..."


async def test_tags_positions_and_images(document: Document) -> None:
    """They are kept with a chunk, shown where RAGFlow shows them, and stay when its text changes."""
    body = {
        "content": "A picture of a zebra.",
        "tag_kwd": ["animal"],
        "tag_feas": {"animal": 0.5},
        "questions": ["  What is it? ", " "],
        "image_base64": base64.b64encode(PNG).decode(),
    }
    made = (await document.api("POST", document.path, body))["data"]["chunk"]
    assert (made["tag_kwd"], made["doc_type_kwd"], made["questions"]) == (
        ["animal"],
        "image",
        ["What is it?"],
    )
    path = f"{document.path}/{made['id']}"
    await document.api("PATCH", path, {"content": "A photo of a zebra.", "positions": [[1, 2, 3, 4, 5]]})
    [listed] = await document.listed(id=made["id"])
    assert (listed["tag_kwd"], listed["tag_feas"]) == (["animal"], {"animal": 0.5})
    assert (listed["positions"], listed["image_id"]) == ([[1, 2, 3, 4, 5]], made["image_id"])
    image = await document.api.http.get(f"/documents/images/{made['image_id']}")
    assert (image.content, image.headers["content-type"]) == (PNG, "image/png")
    dataset = listed["dataset_id"]
    found = await document.api("POST", "/retrieval", {"question": "photo", "dataset_ids": [dataset]})
    assert found["data"]["chunks"][0]["image_id"] == made["image_id"]
    await document.api("DELETE", document.path, {"chunk_ids": [made["id"]]})
    gone = await document.api("GET", f"/documents/images/{made['image_id']}")
    assert gone == {"code": 102, "message": "Image not found."}


async def test_pairs_of_questions_and_answers(api: Api) -> None:
    """A chunk of a document of pairs stays a pair."""
    dataset = (await api("POST", "/datasets", {"name": "qa", "chunk_method": "qa"}))["data"]["id"]
    document = await api.document(dataset, "qa.csv", "a,b")
    path = f"/datasets/{dataset}/documents/{document}/chunks"
    made = (await api("POST", path, {"content": "Question: Where?\tAnswer: Here."}))["data"]["chunk"]["id"]
    answer = await api("PATCH", f"{path}/{made}", {"content": "Question: Where?"})
    assert (answer["code"], answer["message"]) == (102, "Q&A must be separated by TAB/ENTER key.")
    assert (await api("PATCH", f"{path}/{made}", {"content": "Question: Who?\tAnswer: I."}))["code"] == 0
