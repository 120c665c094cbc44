"""What the recordings do not show: limits of the local engine, odd requests, and that nothing blocks the loop."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.server.api import ATLANTIS, Api, Json
from tests.local.server.replay import GatedEmbedder, frames


async def test_slow_work_does_not_block_others(tmp_path: Path, embedder: GatedEmbedder) -> None:
    """While a retrieval waits for its embedding, other calls are answered."""
    engine = await asyncio.to_thread(Engine, tmp_path, Choice(embedding=embedder))
    api = Api(engine)
    dataset = await api.dataset()
    embedder.gate.clear()
    slow = asyncio.create_task(api("POST", "/retrieval", {"question": "Atlantis", "dataset_ids": [dataset]}))
    assert await asyncio.to_thread(embedder.reached.wait, 10)
    assert (await api("GET", "/datasets"))["total_datasets"] == 1
    assert not slow.done()
    embedder.gate.set()
    assert (await slow)["code"] == 0
    await api.http.aclose()
    await asyncio.to_thread(engine.close)


async def test_upload_keeps_what_can_be_read(api: Api) -> None:
    """Of several files those of a kind that RAGFlow takes are stored; the others are named."""
    dataset = await api.dataset()
    files = [("file", (name, b"text")) for name in ("a.txt", "b.pdf", "c.xyz", "d.xyz")]
    answer = await api("POST", f"/datasets/{dataset}/documents", files=files)
    assert answer["code"] == 500
    assert [document["name"] for document in answer["data"]] == ["a.txt", "b.pdf"]
    assert answer["message"].splitlines() == [
        "c.xyz: This type of file has not been supported yet!",
        "d.xyz: This type of file has not been supported yet!",
    ]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ('{"table_column_mode": "manual", "chunk_token_num": 7}', {"table_column_mode": "manual"}),
        ('{"table_column_roles": {"a": "metadata"}}', {"table_column_roles": {"a": "metadata"}}),
        ('{"table_column_mode": "sideways"}', {}),
        ("[1]", {}),
        ("{", {}),
    ],
)
async def test_an_upload_says_how_columns_are_read(api: Api, given: str, taken: Json) -> None:
    """Of ``parser_config`` in the form only that is taken, as on v0.27; the rest is the dataset's."""
    dataset = await api.dataset()
    path = f"/datasets/{dataset}/documents"
    plain, told = [
        (await api("POST", path, files={"file": ("a.csv", b"a,b")}, data=form))["data"][0]["parser_config"]
        for form in ({}, {"parser_config": given})
    ]
    assert told == plain | taken


@pytest.mark.parametrize("name", ["a.txt", "Über uns.txt", 'say "hi".txt', "中文.md"])
async def test_download_is_the_file(api: Api, name: str) -> None:
    """A download has the file's bytes and carries its name, so that it cannot be taken for an error."""
    dataset = await api.dataset()
    document = await api.document(dataset, name.replace('"', "%22"), '{"code": 102, "message": "no error"}')
    for path in (f"/datasets/{dataset}/documents/{document}", f"/documents/{document}"):
        response = await api.http.get(path)
        assert response.json() == {"code": 102, "message": "no error"}
        assert response.headers["content-disposition"].startswith("attachment; filename")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/retrieval"), ("POST", "/chats"), ("DELETE", "/chats"), ("POST", "/chat/completions")],
)
@pytest.mark.parametrize("body", [b"{bad", b"[1]", b'"text"', b"\xff"])
async def test_malformed_bodies(api: Api, method: str, path: str, body: bytes) -> None:
    """What is no JSON object is code 100, as on RAGFlow, and never a crash."""
    response = await api.http.request(
        method, path, content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 200
    assert response.json()["code"] == 100


async def test_broken_multipart(api: Api) -> None:
    """A multipart body without a boundary is code 100."""
    dataset = await api.dataset()
    headers = {"Content-Type": "multipart/form-data"}
    response = await api.http.post(f"/datasets/{dataset}/documents", content=b"x", headers=headers)
    assert response.json()["code"] == 100


@pytest.mark.parametrize("path", ["/chats", "/datasets/{dataset}/documents"])
async def test_page_size_has_a_limit(api: Api, path: str) -> None:
    """Over 100 rows a page are an error, not a cut."""
    answer = await api("GET", path.format(dataset=await api.dataset()), params={"page_size": 101})
    assert (answer["code"], "less than or equal to 100" in answer["message"]) == (100, True)


async def test_embedding_models_by_their_names(api: Api) -> None:
    """The names of RAGFlow's documents stand for the engine's own model, and are kept as they were sent."""
    own = (await api("POST", "/datasets", {"name": "a"}))["data"]["embedding_model"]
    for name in (own, "BAAI/bge-large-zh-v1.5@BAAI", "embedding-3@test@ZHIPU-AI", "BAAI/bge-m3@Builtin"):
        answer = await api("POST", "/datasets", {"name": "b", "embedding_model": name})
        assert answer["data"]["embedding_model"] == name


async def test_chat_settings_round_trip(api: Api) -> None:
    """What a chat shows can be sent back; PATCH merges its objects and PUT replaces them."""
    chat = await api.chat()
    sent = {
        key: chat[key] for key in ("name", "llm_id", "llm_setting", "prompt_config", "dataset_ids", "top_n")
    }
    assert (await api("PUT", f"/chats/{chat['id']}", sent))["code"] == 0
    patched = await api("PATCH", f"/chats/{chat['id']}", {"prompt_config": {"prologue": "Servus"}})
    assert patched["data"]["prompt_config"] == {**chat["prompt_config"], "prologue": "Servus"}
    replaced = await api("PUT", f"/chats/{chat['id']}", {"llm_setting": {"temperature": 0.1}})
    assert replaced["data"]["llm_setting"] == {"temperature": 0.1}


async def _stream(api: Api, chat: Json, question: str, **more: Any) -> list[Json]:
    body = {"chat_id": chat["id"], "question": question, **more}
    return [dict(each) for each in frames((await api.http.post("/chat/completions", json=body)).text)]


async def test_stream_answers_and_cites(api: Api) -> None:
    """Deltas make the text, the final frame has the reference, ``true`` ends; the session has kept both messages."""
    chat = await api.chat()
    *deltas, final, end = await _stream(api, chat, "What is the capital of Atlantis?")
    text = "".join(each["data"]["answer"] for each in deltas)
    assert "Poseidonia" in text
    assert "[ID:0]" in text
    assert (final["data"]["final"], final["data"]["answer"]) == (True, "")
    assert "Poseidonia" in final["data"]["reference"]["chunks"][0]["content"]
    assert end["data"] is True
    session = await api("GET", f"/chats/{chat['id']}/sessions/{final['data']['session_id']}")
    spoken = [(message["role"], message["content"]) for message in session["data"]["messages"][1:]]
    assert spoken == [("user", "What is the capital of Atlantis?"), ("assistant", text)]
    assert session["data"]["messages"][-1]["id"] == final["data"]["id"]


@pytest.mark.parametrize("stream", [True, False])
async def test_answer_without_quotes(api: Api, stream: bool) -> None:
    """With ``quote`` false, in the request or the chat, an answer has neither citations nor a reference."""
    chat = await api.chat(prompt_config={"quote": False})
    for more in ({}, {"quote": False}):
        body = {
            "chat_id": chat["id"],
            "question": "What is the capital of Atlantis?",
            "stream": stream,
            **more,
        }
        text = (await api.http.post("/chat/completions", json=body)).text
        assert "Poseidonia" in text
        assert "[ID:" not in text


async def test_legacy_stream_repeats_the_text(api: Api) -> None:
    """With ``legacy`` each frame has the answer so far, and the final one the whole."""
    chat = await api.chat()
    *deltas, final, _ = await _stream(api, chat, "What is the capital of Atlantis?", legacy=True)
    texts = [each["data"]["answer"] for each in deltas]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert final["data"]["answer"] == texts[-1]


async def test_empty_response_comes_twice(api: Api) -> None:
    """Without a hit the chat's empty response is the delta, and the final frame repeats it, as RAGFlow does."""
    chat = await api.chat(prompt_config={"empty_response": "Sorry nothing"}, similarity_threshold=0.5)
    delta, final, end = await _stream(api, chat, "xxyyzz qqq")
    assert delta["data"]["answer"] == final["data"]["answer"] == "Sorry nothing"
    assert final["data"]["reference"] == {"total": 0, "chunks": [], "doc_aggs": []}
    assert end["data"] is True
    question = {"chat_id": chat["id"], "question": "xxyyzz qqq", "stream": False}
    whole = (await api("POST", "/chat/completions", question))["data"]
    told = {
        "answer": "Sorry nothing",
        "reference": {"chunks": []},
        "prompt": "",
        "audio_binary": None,
        "final": False,
    }
    assert whole == {**told, "chat_id": chat["id"], "id": whole["id"], "session_id": whole["session_id"]}


async def test_completion_without_storing(api: Api) -> None:
    """With the history in the request and nothing to be stored, no session is made."""
    chat = await api.chat()
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    messages.append({"role": "user", "content": "What is the capital of Atlantis?"})
    flags = {"stream": False, "pass_all_history_messages": True, "store_history_messages": False}
    answer = await api("POST", "/chat/completions", {"chat_id": chat["id"], "messages": messages, **flags})
    assert "Poseidonia" in answer["data"]["answer"]
    assert answer["data"]["session_id"] is None
    assert (await api("GET", f"/chats/{chat['id']}/sessions"))["data"] == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"messages": [{"role": "assistant", "content": "x"}]}, "user message"),
        ({"messages": [{"role": "user"}]}, "`role` and `content`"),
        ({"messages": [{"role": "user", "content": [1]}]}, "should be a string"),
        ({"question": "x", "doc_ids": 5}, "no attribute 'split'"),  # RAGFlow's words
        ({"question": "x", "files": [{"id": "f"}]}, "files"),
        ({"question": "x", "metadata_condition": {"logic": "and"}}, "metadata_condition"),
        ({"question": "x", "store_history": "false"}, "pass_all_history_messages"),
        ({"question": "x", "reasoning": 2}, "reasoning"),
    ],
)
async def test_completions_refused_before_the_stream(api: Api, body: Json, named: str) -> None:
    """What is wrong with a request is a JSON answer even where a stream was asked for, and leaves no session."""
    chat = await api.chat()
    answer = await api("POST", "/chat/completions", {"chat_id": chat["id"], **body})
    assert answer["code"] in (100, 101, 102)
    assert named in answer["message"]
    assert (await api("GET", f"/chats/{chat['id']}/sessions"))["data"] == []


async def test_parse_starts_the_known_documents(api: Api) -> None:
    """One unknown id is an error, and the known documents are parsed all the same."""
    dataset = await api.dataset()
    document = await api.document(dataset)
    answer = await api("POST", f"/datasets/{dataset}/chunks", {"document_ids": [document, "0" * 32]})
    assert answer == {"code": 102, "message": f"Documents not found: {['0' * 32]}"}
    listed = await api("GET", f"/datasets/{dataset}/documents", params={"id": document})
    assert listed["data"]["docs"][0]["run"] in ("RUNNING", "DONE")


async def test_failure_inside_is_an_answer(
    api: Api, embedder: GatedEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails in the engine is code 100 and tells its kind, no more; the log has all; the next call works."""
    dataset = await api.dataset()

    def fail(texts: object) -> None:
        raise RuntimeError("no embedding today")

    embedder.embed = fail  # type: ignore[method-assign, assignment]
    answer = await api("POST", "/retrieval", {"question": "Atlantis", "dataset_ids": [dataset]})
    assert answer == {"code": 100, "message": "RuntimeError", "data": None}
    assert "POST /api/v1/retrieval failed" in caplog.text
    assert (await api("GET", "/datasets"))["code"] == 0


async def test_chat_without_datasets_says_what_it_lacks(api: Api) -> None:
    """Only a language model could answer there: that is said, and no session is left behind."""
    chat = (await api("POST", "/chats", {"name": "c"}))["data"]
    answer = await api("POST", "/chat/completions", {"chat_id": chat["id"], "question": "Who are you?"})
    assert (answer["code"], "a language model" in answer["message"]) == (102, True)
    assert (await api("GET", f"/chats/{chat['id']}/sessions"))["data"] == []


async def test_dataset_size_and_parsing_status(api: Api) -> None:
    """A dataset tells the bytes of its files and how many are in which state."""
    dataset = await api.dataset()
    for name in ("a.txt", "b.txt"):
        await api.document(dataset, name)
    assert (await api("GET", f"/datasets/{dataset}"))["data"]["size"] == 2 * len(ATLANTIS)
    listed = await api("GET", "/datasets", params={"include_parsing_status": "true"})
    counts = {"unstart_count": 2, "running_count": 0, "cancel_count": 0, "done_count": 0, "fail_count": 0}
    assert listed["data"][0]["parsing_status"] == counts


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b"1e999", b'"\\ud800"'])
async def test_values_that_json_does_not_have(api: Api, value: bytes) -> None:
    """What could be stored but never be answered again is refused, and nothing is stored."""
    dataset = await api.dataset()
    path = f"/datasets/{dataset}/documents/{await api.document(dataset)}"
    headers = {"Content-Type": "application/json"}
    answer = await api("PATCH", path, content=b'{"meta_fields": {"x": ' + value + b"}}", headers=headers)
    assert answer["code"] == 101
    assert "JSON does not have" in answer["message"]
    listed = await api("GET", f"/datasets/{dataset}/documents")
    assert listed["data"]["docs"][0]["meta_fields"] == {}


async def test_nested_too_deeply(api: Api) -> None:
    """A body of a hundred thousand brackets is as malformed as any other."""
    headers = {"Content-Type": "application/json"}
    answer = await api("POST", "/retrieval", content=b"[" * 100_000, headers=headers)
    assert answer == {"code": 100, "message": "<BadRequest '400: Bad Request'>", "data": None}


@pytest.mark.parametrize("threshold", ["nan", "1e999", "-inf"])
async def test_numbers_that_are_none(api: Api, threshold: object) -> None:
    """What cannot be compared with is named."""
    body = {"question": "x", "dataset_ids": [await api.dataset()], "similarity_threshold": threshold}
    message = (await api("POST", "/retrieval", body))["message"]
    assert message == f"`similarity_threshold` should be a finite number, got {threshold!r}"


@pytest.mark.parametrize(
    ("name", "number", "found"),
    [
        ("similarity_threshold", 1e300, 0),
        ("similarity_threshold", -1e300, 1),
        ("vector_similarity_weight", 1e300, 1),
        ("vector_similarity_weight", -1e300, 0),
    ],
)
async def test_numbers_that_are_huge(api: Api, name: str, number: float, found: int) -> None:
    """They are counted with."""
    dataset = await api.dataset()
    path = f"/datasets/{dataset}/documents/{await api.document(dataset)}/chunks"
    await api("POST", path, {"content": "Zebras live in Africa."})
    body = {"question": "zebras", "dataset_ids": [dataset], name: number}
    answer = await api("POST", "/retrieval", body)
    assert (answer["code"], len(answer["data"]["chunks"])) == (0, found)


async def test_pages_far_beyond_the_end(api: Api) -> None:
    """A page number larger than the database's numbers is an empty page."""
    dataset = await api.dataset()
    await api.document(dataset)
    page = {"page": 10**30}
    assert await api("GET", "/datasets", params=page) == {"code": 0, "data": [], "total_datasets": 1}
    listed = await api("GET", f"/datasets/{dataset}/documents", params=page)
    assert listed["data"] == {"total": 1, "docs": []}


async def test_zero_bytes_are_in_no_term(api: Api) -> None:
    """A zero byte in a search is searched for, and found nowhere."""
    dataset = await api.dataset()
    chunks = f"/datasets/{dataset}/documents/{await api.document(dataset)}/chunks"
    answer = await api("GET", chunks, params={"keywords": "\0"})
    assert (answer["code"], answer["data"]["total"]) == (0, 0)


async def test_many_ids_are_counted_once(api: Api) -> None:
    """Tens of thousands of ids in one request take no more time than their number."""
    dataset = await api.dataset()
    chunks = f"/datasets/{dataset}/documents/{await api.document(dataset)}/chunks"
    begun = time.process_time()
    answer = await api("DELETE", chunks, {"chunk_ids": [f"{number:016x}" for number in range(30_000)]})
    assert answer == {"code": 102, "message": "rm_chunk deleted chunks 0, expect 30000"}
    assert time.process_time() - begun < 5


async def test_stopping_again_stops_the_others(api: Api, embedder: GatedEmbedder) -> None:
    """A document that was stopped before does not keep the other ones of a request running."""
    dataset = await api.dataset()
    first, second = [await api.document(dataset) for _ in range(2)]
    embedder.gate.clear()
    try:
        await api("POST", f"/datasets/{dataset}/chunks", {"document_ids": [first, second]})
        for ids in ([first], [first, second]):
            answer = await api("POST", f"/datasets/{dataset}/documents/stop", {"document_ids": ids})
            assert answer == {"code": 0, "data": {"success_count": len(ids)}}
    finally:
        embedder.gate.set()
    listed = await api("GET", f"/datasets/{dataset}/documents")
    assert {document["run"] for document in listed["data"]["docs"]} == {"CANCEL"}


@pytest.mark.parametrize(
    ("method", "path", "feature"),
    [
        ("PUT", "/providers", "models that are configured over HTTP"),
        ("GET", "/datasets/x/artifacts/topics", "wikis"),
        ("DELETE", "/datasets/x/skills", "skills"),
        ("GET", "/agents/prompts", "RAGFlow's prompts for agents"),
        ("POST", "/agents/x/webhook", "webhooks of agents"),
    ],
)
async def test_what_the_engine_has_nothing_of(api: Api, method: str, path: str, feature: str) -> None:
    """A RAGFlow server's route for what the engine lacks names the feature; an unknown path stays unknown."""
    answer = await api(method, path)
    assert answer["code"] == 102
    assert answer["message"] == f"the local engine does not have {feature} yet; a RAGFlow server has it"
    assert (await api("GET", "/providerss"))["code"] == 404
