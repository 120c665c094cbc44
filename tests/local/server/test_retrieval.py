"""Retrieval with models, Dify's retrieval, the search in datasets, and search applications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice, Reasoning
from tests.local.server.api import Api, Json

MOON, CITY = "The moon is made of green cheese.", "The capital of Atlantis is Poseidonia."


class Scripted:
    """A language model that says what it is told to, and keeps what it was asked."""

    name = "scripted"

    def __init__(self) -> None:
        self.says = ""
        self.asked: list[str] = []

    def chat(self, messages: Sequence[Json], **settings: Any) -> Any:
        self.asked.append(messages[-1]["content"])
        yield Reasoning("I wonder.")
        yield self.says


def longest_first(question: str, texts: Sequence[str]) -> list[float]:
    return [len(text) / 100 for text in texts]


@pytest.fixture
def llm() -> Scripted:
    return Scripted()


@pytest.fixture
async def asked(llm: Scripted) -> AsyncIterator[Api]:
    """The application over an engine with models."""
    engine = await asyncio.to_thread(Engine, ":memory:", Choice(llm=llm, reranker=longest_first))
    called = Api(engine)
    yield called
    await called.http.aclose()
    await asyncio.to_thread(engine.close)


async def filled(api: Api) -> str:
    """A dataset with two documents."""
    dataset = await api.dataset()
    await api.tagged(dataset, "moon.txt", MOON, kind="sky")
    await api.tagged(dataset, "city.txt", CITY, kind="sea")
    return dataset


async def contents(api: Api, dataset: str, question: str, **more: Any) -> list[str]:
    body = {"dataset_ids": [dataset], "question": question, **more}
    answer = await api("POST", "/retrieval", body)
    assert answer["code"] == 0, answer
    return [chunk["content"] for chunk in answer["data"]["chunks"]]


async def test_keywords_and_languages(asked: Api, llm: Scripted) -> None:
    """A model's terms and translations find what the question's own words do not; its thoughts do not count."""
    dataset = await filled(asked)
    assert await contents(asked, dataset, "Käse") == []
    llm.says = "cheese, dairy"
    for more in ({"keyword": True}, {"cross_languages": ["English", "Latin"]}):
        assert await contents(asked, dataset, "Käse", **more) == [MOON]
    assert "Käse" in llm.asked[0]
    assert "English, Latin" in llm.asked[1]


async def test_rerank(asked: Api) -> None:
    """The reranker's scores take the place of the vectors', and the mixed score is made of them."""
    dataset = await filled(asked)
    body = {"dataset_ids": [dataset], "question": "moon", "rerank_id": "BAAI/bge-reranker-v2-m3"}
    answer = await asked(
        "POST", "/retrieval", {**body, "vector_similarity_weight": 1, "similarity_threshold": 0}
    )
    chunks = answer["data"]["chunks"]
    assert [chunk["content"] for chunk in chunks] == [CITY, MOON]
    assert [chunk["vector_similarity"] for chunk in chunks] == [len(CITY) / 100, len(MOON) / 100]
    assert [chunk["similarity"] for chunk in chunks] == [chunk["vector_similarity"] for chunk in chunks]
    unknown = await asked("POST", "/retrieval", {**body, "rerank_id": "zz"})
    assert (unknown["code"], unknown["message"]) == (100, "LookupError('Provider  not found for model zz.')")


async def test_contents(asked: Api, llm: Scripted) -> None:
    """A model picks sections by their headings; what it picks is found besides, and nonsense changes nothing."""
    dataset = await asked.dataset()
    document = await asked.document(dataset)
    path = f"/datasets/{dataset}/documents/{document}/chunks"
    for text in ("# Harbours\nAtlantis had three.", "# Weather\nIt rained a lot.", "# Food\nFish."):
        await asked("POST", path, {"content": text})
    plain = await contents(asked, dataset, "Atlantis")
    assert [text[:10] for text in plain] == ["# Harbours"]
    llm.says = 'Sure: [{"section": 2, "score": 9}, {"section": 99, "score": 10}]'
    found = await contents(asked, dataset, "Atlantis", toc_enhance=True)
    assert [text[:6] for text in found] == ["# Weat", "# Harb"]
    assert "# Weather" in llm.asked[-1]
    for nonsense in ("[1, 2]", "none", '[{"section": "x"}]'):
        llm.says = nonsense
        assert await contents(asked, dataset, "Atlantis", toc_enhance=True) == plain


@pytest.mark.parametrize(
    "more",
    [{"keyword": True}, {"cross_languages": ["German"]}, {"toc_enhance": True}, {"use_kg": True}],
)
async def test_what_takes_a_model_names_it(api: Api, more: Json) -> None:
    """Without a language model (and for graphs always) the request is refused, by the name of what it asks for."""
    answer = await api("POST", "/retrieval", {"dataset_ids": [await filled(api)], "question": "moon", **more})
    assert (answer["code"], f"`{next(iter(more))}`" in answer["message"]) == (102, True)
    assert "RAGFlow server" in answer["message"]


async def test_datasets_of_different_models(api: Api) -> None:
    """Datasets whose models have different names are refused as RAGFlow refuses them."""
    first = await api.dataset()
    body = {"name": "second", "embedding_model": "embedding-3@ZHIPU-AI"}
    second = (await api("POST", "/datasets", body))["data"]["id"]
    answer = await api("POST", "/retrieval", {"dataset_ids": [first, second], "question": "x"})
    said = "Datasets use different embedding models: ['hashed-512@Builtin', 'embedding-3@ZHIPU-AI']"
    assert (answer["code"], answer["message"]) == (102, said)


async def test_dify(api: Api) -> None:
    """A dataset is Dify's external knowledge, by body and by query, narrowed by metadata; health needs no dataset."""
    dataset = await filled(api)
    body: Json = {"knowledge_id": dataset, "query": "moon", "retrieval_setting": {"top_k": 1}}
    [record] = (await api("POST", "/dify/retrieval", body))["records"]
    assert (record["content"], record["title"], set(record)) == (
        MOON,
        "moon.txt",
        {"content", "score", "title", "metadata"},
    )
    query = {"knowledge_id": dataset, "query": "moon", "top_k": "1", "score_threshold": "0.2"}
    assert (await api("GET", "/dify/retrieval", params=query))["records"] == [record]
    condition = {"conditions": [{"name": "kind", "comparison_operator": "is", "value": "sea"}]}
    found = await api("POST", "/dify/retrieval", {**body, "metadata_condition": condition})
    assert [each["title"] for each in found["records"]] == ["city.txt"]
    assert (await api("GET", "/dify/retrieval/health"))["data"] is True


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ({}, 400, 101, "required arguments are missing: knowledge_id,query; "),
        ({"knowledge_id": "x"}, 400, 101, "required arguments are missing: query; "),
        ({"knowledge_id": "x", "query": "y"}, 404, 404, "Knowledgebase not found!"),
        (
            {"knowledge_id": "x", "query": "y", "retrieval_setting": []},
            400,
            101,
            "invalid or malformed arguments: retrieval_setting must be an object; ",
        ),
        (
            {"knowledge_id": "x", "query": "y", "retrieval_setting": {"top_k": "many"}},
            400,
            101,
            "invalid or malformed arguments: top_k must be integer and score_threshold must be numeric; ",
        ),
    ],
)
async def test_dify_errors_have_a_status(api: Api, body: Json, status: int, code: int, message: str) -> None:
    """Dify goes by HTTP status, so errors have one here."""
    answer = await api.http.post("/dify/retrieval", json=body)
    assert (answer.status_code, answer.json()) == (status, {"code": code, "message": message})


async def test_foreign_knowledge(api: Api) -> None:
    """Another tenant's dataset is not Dify's either."""
    other = await asyncio.to_thread(
        lambda: api.engine.add_tenant("another-key").create_dataset({"name": "theirs"})
    )
    answer = await api.http.post("/dify/retrieval", json={"knowledge_id": other["id"], "query": "x"})
    assert (answer.status_code, answer.json()) == (403, {"code": 109, "message": "no authorization"})


async def test_search_in_datasets(api: Api) -> None:
    """The search routes have the index's names and count the page; wrong bodies are code 101."""
    dataset = await filled(api)
    answer = (await api("POST", f"/datasets/{dataset}/search", {"question": " moon ", "size": "1"}))["data"]
    assert (answer["total"], answer["labels"], answer["chunks"][0]["content_with_weight"]) == (1, None, MOON)
    assert {"chunk_id", "doc_id", "docnm_kwd", "kb_id"} <= answer["chunks"][0].keys()
    for path, body, code, message in (
        (
            f"/datasets/{dataset}/search",
            {},
            101,
            "Field: <question> - Message: <Field required> - Value: <{}>",
        ),
        ("/datasets/search", {"question": "x", "dataset_ids": []}, 101, "at least 1 item"),
        ("/datasets/x/search", {"question": "x"}, 102, "Only owner of dataset x authorized"),
        (f"/datasets/{dataset}/search", {"question": "x", "search_id": "x"}, 102, "Invalid search_id"),
    ):
        answer = await api("POST", path, body)
        assert (answer["code"], message in answer["message"]) == (code, True), answer


async def test_searches(api: Api) -> None:
    """Search applications are made, listed, changed by merging, used and deleted."""
    made = (await api("POST", "/searches", {"name": " Über uns "}))["data"]["search_id"]
    again = (await api("POST", "/searches", {"name": "über uns"}))["data"]["search_id"]
    listed = (await api("GET", "/searches", params={"keywords": "ÜBER", "orderby": "name", "desc": "false"}))[
        "data"
    ]
    assert (listed["total"], {each["id"] for each in listed["search_apps"]}) == (2, {made, again})
    changed = await api(
        "PUT", f"/searches/{made}", {"name": "b", "search_config": {"similarity_threshold": 0.9, "x": 1}}
    )
    assert (changed["data"]["name"], changed["data"]["search_config"]["top_k"]) == ("b", 1024)
    shown = (await api("GET", f"/searches/{made}"))["data"]
    assert shown["search_config"]["x"] == 1
    dataset = await filled(api)
    body = {"question": "moon", "search_id": made}
    assert (await api("POST", f"/datasets/{dataset}/search", body))["data"]["total"] == 0
    assert (await api("DELETE", f"/searches/{made}"))["data"] is True
    assert (await api("GET", f"/searches/{made}"))["code"] == 103
    assert (await api("DELETE", f"/searches/{made}")) == {
        "code": 109,
        "data": False,
        "message": "no authorization",
    }


async def test_a_search_narrowed_by_metadata(asked: Api, llm: Scripted) -> None:
    """Conditions count as they are given or as a model reads them out of the question."""
    dataset = await filled(asked)
    path = f"/datasets/{dataset}/search"
    manual = {"method": "manual", "manual": [{"key": "kind", "op": "=", "value": "sea"}]}
    llm.says = '{"conditions": [{"key": "kind", "op": "=", "value": "sky"}]}'
    for narrowing, content in ((manual, CITY), ({"method": "auto"}, MOON)):
        found = await asked("POST", path, {"question": "what is", "meta_data_filter": narrowing})
        assert [chunk["content_with_weight"] for chunk in found["data"]["chunks"]] == [content]


async def test_a_search_answers(api: Api) -> None:
    """A search application answers from its own datasets or those of the request, as a stream with its reference."""
    dataset = await filled(api)
    made = (await api("POST", "/searches", {"name": "s"}))["data"]["search_id"]
    path = f"/searches/{made}/completions"
    question: Json = {"question": "What is the capital of Atlantis?"}
    assert (await api("POST", path, question))["message"] == "`kb_ids` is required."
    assert (await api("POST", path, {"kb_ids": [dataset]}))["code"] == 101
    assert (await api("POST", path, {**question, "kb_ids": ["x"]}))[
        "message"
    ] == "You don't own the dataset x"
    stream = (await api.http.post(path, json={**question, "kb_ids": [dataset]})).text
    assert "Poseidonia" in stream
    assert '"final": true' in stream
    assert stream.endswith('data:{"code": 0, "message": "", "data": true}\n\n')


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({}, 101, "required argument are missing: name; "),
        ({"name": 1}, 102, "Search name must be string."),
        ({"name": " "}, 102, "Search name can't be empty."),
        ({"name": "x" * 256}, 102, "Search name length is 256 which is large than 255."),
        ({"name": "x", "search_config": []}, 102, "search_config must be a JSON object"),
    ],
)
async def test_searches_that_are_refused(api: Api, body: Json, code: int, message: str) -> None:
    """A search without a usable name or configuration is refused in RAGFlow's words."""
    answer = await api("POST", "/searches", body)
    assert (answer["code"], answer["message"]) == (code, message)


async def test_names_beyond_ascii(api: Api) -> None:
    """Upper and lower case are the same in a filter by name, in any script."""
    dataset = await api.dataset()
    for name in ("Über uns.txt", "Straße.txt", "Τέλος.txt", "abc.txt"):
        await api.document(dataset, name)
    for keywords, name in (("über", "Über uns.txt"), ("STRASSE", "Straße.txt"), ("τέλοσ", "Τέλος.txt")):
        found = await api("GET", f"/datasets/{dataset}/documents", params={"keywords": keywords})
        assert [each["name"] for each in found["data"]["docs"]] == [name]


async def test_pagerank(api: Api) -> None:
    """A dataset's page rank is added to its chunks' similarity: they come first, over the threshold too."""
    ids = []
    for text in ("The capital of Atlantis is Poseidonia.", "Atlantis has a harbour."):
        ids.append(await api.dataset())
        document = await api.document(ids[-1])
        await api("POST", f"/datasets/{ids[-1]}/documents/{document}/chunks", {"content": text})
    question = {"question": "What is the capital of Atlantis?", "dataset_ids": ids}
    assert [
        each["dataset_id"] for each in (await api("POST", "/retrieval", question))["data"]["chunks"]
    ] == ids
    assert (await api("PUT", f"/datasets/{ids[1]}", {"pagerank": 3}))["code"] == 0
    first, second = (await api("POST", "/retrieval", question))["data"]["chunks"]
    assert [first["dataset_id"], second["dataset_id"]] == ids[::-1]
    assert 3 < first["similarity"] < 4
    assert first["term_similarity"] < 1


async def test_parsing_tags_by_statistics(api: Api) -> None:
    """A chunk whose words stand out in another dataset gets its tags; others have none, and who parses is told."""
    words = (await api("POST", "/datasets", {"name": "words", "chunk_method": "tag"}))["data"]["id"]
    lines = [f"crate {row}\t{','.join(f't{row}.{n}' for n in range(80))}" for row in range(60)]
    lines += [f"{ship} in the harbour\tsea.side" for ship in ("boats", "ships", "ferries")]
    tagged = await api.document(words, "tags.txt", "\n".join(lines))
    config = {"tag_kb_ids": [words], "chunk_token_num": 1}
    asked = (await api("POST", "/datasets", {"name": "asked", "parser_config": config}))["data"]["id"]
    document = await api.document(asked, "a.txt", "Two ships left the harbour.\nCheese is made of milk.")
    assert (await api.parsed(words, tagged))["chunk_count"] == 63
    assert "1 have no tags" in (await api.parsed(asked, document))["progress_msg"]
    chunks = await api.chunks(asked, document)
    assert [(each["tag_kwd"], each["tag_feas"]) for each in chunks] == [([], {"sea_side": 1}), ([], {})]


async def test_tags_weigh(api: Api) -> None:
    """A dataset that takes its tags from another: chunks with the question's tags gain ten times the cosine of both."""
    words, asked, other = [await api.dataset(name) for name in ("words", "asked", "other")]
    tagged = await api.document(words, "tags.txt")
    for text, tags in (("the harbour and its ships", ["sea", "v1.2"]), ("a green cheese", ["food"])):
        chunk = {"content": text, "tag_kwd": tags}
        assert (await api("POST", f"/datasets/{words}/documents/{tagged}/chunks", chunk))["code"] == 0
    document = await api.document(asked)
    chunks = f"/datasets/{asked}/documents/{document}/chunks"
    for text, features in (
        ("Which harbour? None.", {}),
        ("Atlantis has a harbour.", {"sea": 2, "v1_2": 2}),
        ("A harbour in a story.", {"food": 1}),
        ("Harbour food.", {"sea": 1, "food": 1}),
    ):
        chunk = {"content": text} | ({"tag_feas": features} if features else {})
        assert (await api("POST", chunks, chunk))["code"] == 0
    question = {"question": "harbour", "dataset_ids": [asked], "vector_similarity_weight": 0}

    async def similarities() -> dict[str, float]:
        answer = await api("POST", "/retrieval", question)
        return {chunk["content"]: chunk["similarity"] for chunk in answer["data"]["chunks"]}

    before = await similarities()
    assert (await api("PUT", f"/datasets/{asked}", {"parser_config": {"tag_kb_ids": [words]}}))["code"] == 0
    after = await similarities()
    assert next(iter(after)) == "Atlantis has a harbour."
    gained = {text: round(after[text] - before[text], 6) for text in before}
    assert gained == {
        "Which harbour? None.": 0,
        "Atlantis has a harbour.": 10,  # the question's tags are sea and v1.2, with a weight of 1 each
        "A harbour in a story.": 0,
        "Harbour food.": 5,  # 10 * 1 / (sqrt(2) * sqrt(2))
    }
    assert (await api("PUT", f"/datasets/{asked}", {"parser_config": {"tag_kb_ids": [other]}}))["code"] == 0
    assert await similarities() == before
