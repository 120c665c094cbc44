"""Chats and sessions as RAGFlow v0.27 has them, where the recordings do not say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.local.server.api import Api, Json
from tests.local.server.replay import frames

QUESTION = "What is the capital of Atlantis?"


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"name": 1}, 102, "chat name must be a string"),
        ({"name": "  "}, 102, "`name` is required"),
        ({"tenant_id": "t"}, 102, "`tenant_id` must not be provided"),
        ({"dataset_ids": ["d"], "llm_id": "zz"}, 102, "You don't own the dataset d"),
        ({"llm_id": 5}, 102, "`llm_id` must be a string"),
        ({"tenant_llm_id": 5}, 102, "`tenant_llm_id` must be a tenant model id"),
        ({"tenant_llm_id": "x"}, 102, "`tenant_llm_id` must be a valid tenant model id"),
        ({"rerank_id": "zz"}, 102, "`rerank_id` zz doesn't exist"),
        ({"prompt_config": []}, 102, "`prompt_config` should be an object."),
        (
            {"prompt_config": {"parameters": [{"key": "a"}, {"key": "a"}]}},
            102,
            "`parameters` contains duplicate key: a",
        ),
        ({"prompt_config": {"parameters": "x"}}, 100, None),
        ({"llm_setting": "x"}, 100, None),
        ({"top_n": "x"}, 100, None),
        ({"similarity_threshold": None}, 100, None),
        ({"do_refer": None}, 100, "IntegrityError(1048, \"Column 'do_refer' cannot be null\")"),
        ({"meta_data_filter": ["x"]}, 100, None),
    ],
)
async def test_wrong_settings(api: Api, settings: Json, code: int, message: str | None) -> None:
    """A wrong setting is refused with RAGFlow's code and text, and no chat is made."""
    answer = await api("POST", "/chats", {"name": "c", **settings})
    assert answer["code"] == code
    assert message is None or answer["message"] == message
    assert (await api("GET", "/chats"))["data"]["total"] == 0


async def test_checks_come_in_ragflows_order(api: Api) -> None:
    """Datasets are looked at before the name is found taken, as on RAGFlow."""
    await api("POST", "/chats", {"name": "c"})
    both = await api("POST", "/chats", {"name": "C", "dataset_ids": ["d"]})
    assert both["message"] == "You don't own the dataset d"
    assert (await api("POST", "/chats", {"name": "C"}))["message"] == "duplicated chat name in creating chat"


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        ({}, ["knowledge", "date"]),
        ({"parameters": [{"key": "tone", "optional": True}]}, ["tone", "date"]),
        ({"parameters": []}, ["knowledge", "date"]),
        ({"parameters": [], "system": "Be brief."}, ["date"]),
    ],
)
async def test_a_new_chats_variables(api: Api, config: Json, keys: list[str]) -> None:
    """``date`` is always there; ``knowledge`` where none are named and the prompt reads it."""
    chat = await api.chat(prompt_config=config)
    assert [each["key"] for each in chat["prompt_config"]["parameters"]] == keys
    assert (
        chat["prompt_config"]["system"] == config.get("system")
        or "{knowledge}" in chat["prompt_config"]["system"]
    )


async def test_an_update_adds_no_variables(api: Api) -> None:
    """``PUT`` keeps the prompt as it is sent."""
    chat = await api.chat()
    answer = await api("PUT", f"/chats/{chat['id']}", {"prompt_config": {"system": "x"}})
    assert answer["data"]["prompt_config"] == {"system": "x"}


@pytest.mark.parametrize(
    ("verb", "body", "code", "message"),
    [
        ("PUT", {"name": None}, 102, "`name` is required"),
        ("PUT", {"name": ""}, 102, "`name` is required"),
        ("PUT", {"tenant_id": "t"}, 102, "`tenant_id` must not be provided"),
        ("PATCH", {"name": None}, 100, None),
        ("PATCH", {"name": " "}, 102, "`name` cannot be empty"),
        ("PATCH", {"llm_setting": []}, 102, "`llm_setting` should be an object."),
        ("PATCH", {"prompt_config": "x"}, 102, "`prompt_config` should be an object."),
        ("PATCH", {"llm_id": "zz"}, 102, "`llm_id` zz doesn't exist"),
    ],
)
async def test_wrong_updates(api: Api, verb: str, body: Json, code: int, message: str | None) -> None:
    """What is wrong with an update is said, and the chat stays as it was."""
    chat = await api.chat()
    answer = await api(verb, f"/chats/{chat['id']}", body)
    assert answer["code"] == code
    assert message is None or answer["message"] == message
    assert (await api("GET", f"/chats/{chat['id']}"))["data"] == chat


async def test_patches_at_the_same_time_all_count(api: Api) -> None:
    """Ten ``PATCH`` of different keys of one object: none is lost."""
    chat = await api.chat()
    patches = [
        api("PATCH", f"/chats/{chat['id']}", {"llm_setting": {f"key{number}": number}})
        for number in range(10)
    ]
    await asyncio.gather(*patches)
    setting = (await api("GET", f"/chats/{chat['id']}"))["data"]["llm_setting"]
    assert setting == {f"key{number}": number for number in range(10)}


async def test_chats_of_other_owners(api: Api) -> None:
    """``owner_ids`` shows the caller's chats among those owners', never another's; over 100 are refused."""
    chat = await api.chat()
    own = await api("GET", f"/chats?owner_ids={chat['tenant_id']}&owner_ids=other")
    assert [each["id"] for each in own["data"]["chats"]] == [chat["id"]]
    assert (await api("GET", "/chats?owner_ids=other"))["data"] == {"chats": [], "total": 0}
    many = "&".join(f"owner_ids={number}" for number in range(101))
    assert (await api("GET", f"/chats?{many}"))["code"] == 101


async def _conversation(api: Api, turns: int) -> tuple[str, list[str]]:
    """The path of a session in which questions were answered, and the ids of their messages."""
    chat = await api.chat()
    session = (await api("POST", f"/chats/{chat['id']}/sessions", {}))["data"]["id"]
    asked: Json = {"chat_id": chat["id"], "session_id": session, "question": QUESTION, "stream": False}
    ids = [(await api("POST", "/chat/completions", asked))["data"]["id"] for _ in range(turns)]
    return f"/chats/{chat['id']}/sessions/{session}", ids


async def test_a_message_is_deleted_with_its_answer(api: Api) -> None:
    """The question, its answer and the answer's reference go; an unknown id changes nothing."""
    path, ids = await _conversation(api, 3)
    before = (await api("GET", path))["data"]
    assert (await api("DELETE", f"{path}/messages/zz"))["data"]["messages"] == before["messages"]
    after = (await api("DELETE", f"{path}/messages/{ids[1]}"))["data"]
    assert [each.get("id") for each in after["messages"]] == [None, ids[0], ids[0], ids[2], ids[2]]
    assert after["reference"] == [before["reference"][0], before["reference"][2]]
    assert (await api("GET", path))["data"]["messages"] == after["messages"]


async def test_an_answer_is_rated(api: Api) -> None:
    """A comment is kept with a bad mark and goes with a good one; the mark must be a boolean."""
    path, [message] = await _conversation(api, 1)
    rate = f"{path}/messages/{message}/feedback"
    bad = await api("PUT", rate, {"thumbup": False, "feedback": "too short"})
    assert {"thumbup": False, "feedback": "too short"}.items() <= bad["data"]["messages"][-1].items()
    assert "thumbup" not in bad["data"]["messages"][-2]
    good = (await api("PUT", rate, {"thumbup": True, "feedback": "x"}))["data"]["messages"][-1]
    assert (good["thumbup"], "feedback" in good) == (True, False)
    assert (await api("PUT", rate, {"thumbup": "yes"})) == {
        "code": 102,
        "message": "thumbup must be a boolean",
    }
    assert (await api("PUT", f"{path}x/messages/m/feedback", {}))["message"] == "Session not found!"


async def test_history_in_the_request_takes_the_place_of_the_session(api: Api) -> None:
    """With ``pass_all_history_messages`` the session holds what was sent, and the answer."""
    path, _ = await _conversation(api, 1)
    chat, session = path.split("/")[2], path.split("/")[4]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": QUESTION, "id": "mine"},
    ]
    flags = {"pass_all_history_messages": True, "stream": False}
    await api(
        "POST", "/chat/completions", {"chat_id": chat, "session_id": session, "messages": messages, **flags}
    )
    stored = (await api("GET", path))["data"]["messages"]
    assert stored[:-1] == messages
    assert (stored[-1]["role"], stored[-1]["id"]) == ("assistant", "mine")


async def test_turns_at_the_same_time_are_all_kept(api: Api) -> None:
    """Questions asked at once in one session: each is there with its answer, beside each other."""
    path, _ = await _conversation(api, 0)
    asked: Any = {"session_id": path.split("/")[4], "question": QUESTION, "stream": False}
    calls = [api("POST", f"/chats/{path.split('/')[2]}/completions", asked) for _ in range(8)]
    ids = {answer["data"]["id"] for answer in await asyncio.gather(*calls)}
    stored = (await api("GET", path))["data"]
    pairs = list(zip(stored["messages"][1::2], stored["messages"][2::2], strict=True))
    assert {asked["id"] for asked, _ in pairs} == ids
    assert all(asked["id"] == answer["id"] for asked, answer in pairs)
    assert len(stored["reference"]) == 8


async def test_malformed_deletions_of_sessions(api: Api) -> None:
    """A body that is no JSON is an argument's error on this one route."""
    chat = await api.chat()
    headers = {"Content-Type": "application/json"}
    path = f"/chats/{chat['id']}/sessions"
    answer = await api.http.request("DELETE", path, content=b"{", headers=headers)
    assert answer.json()["code"] == 101
    assert answer.json()["message"].startswith("Malformed JSON syntax")


async def test_chatbots(api: Api) -> None:
    """The opener first, then answers in the same conversation, which is none of the chat's sessions."""
    chat = await api.chat(prompt_config={"prologue": "Servus"}, icon="i")
    path = f"/chatbots/{chat['id']}"
    info = (await api("GET", f"{path}/info"))["data"]
    assert info == {
        "title": "c",
        "avatar": "i",
        "prologue": "Servus",
        "has_tavily_key": False,
        "has_web_search_provider": False,
        "llm_id": chat["llm_id"],
    }
    opener, end = frames((await api.http.post(f"{path}/completions", json={"question": QUESTION})).text)
    assert (opener["data"]["answer"], opener["data"]["id"], end["data"]) == ("Servus", None, True)
    text = await api("POST", f"{path}/completions", {"question": QUESTION, "stream": False})
    [again] = frames(text["data"])
    assert again["data"]["answer"] == "Servus"
    asked: Json = {"question": QUESTION, "session_id": opener["data"]["session_id"], "quote": True}
    *deltas, final, _ = frames((await api.http.post(f"{path}/completions", json=asked)).text)
    assert "[ID:0]" in "".join(each["data"]["answer"] for each in deltas)
    assert ("chat_id" in final["data"], len(final["data"]["reference"]["chunks"])) == (False, 1)
    whole = await api("POST", f"{path}/completions", {**asked, "quote": False, "stream": False})
    assert (whole["data"]["reference"], "[ID:" in whole["data"]["answer"]) == ({}, False)
    assert (await api("GET", f"/chats/{chat['id']}/sessions"))["data"] == []
    denied = {"code": 102, "message": "Authentication error: no access to this chatbot!"}
    assert await api("GET", "/chatbots/zz/info") == denied
    own = (await api("POST", f"/chats/{chat['id']}/sessions", {}))["data"]["id"]
    assert await api("POST", f"{path}/completions", {**asked, "session_id": own}) == denied
    assert (await api("POST", f"{path}/completions", {**asked, "question": 5, "stream": False}))[
        "code"
    ] == 100


async def test_searchbots(api: Api) -> None:
    """An answer from datasets as a stream; other datasets than the caller's are refused; a model's work is named."""
    chat = await api.chat()
    asked = {"question": QUESTION, "kb_ids": chat["dataset_ids"]}
    *deltas, final, end = frames((await api.http.post("/searchbots/ask", json=asked)).text)
    assert "Poseidonia" in "".join(each["data"]["answer"] for each in deltas)
    assert (len(final["data"]["reference"]["chunks"]), final["data"]["final"], end["data"]) == (1, True, True)
    foreign = await api("POST", "/searchbots/ask", {**asked, "kb_ids": ["zz"]})
    assert foreign["message"] == "You don't own the dataset zz"
    missing = await api("POST", "/searchbots/ask", {})
    assert missing["message"] == "required argument are missing: question,kb_ids; "
    for path in ("/searchbots/mindmap", "/searchbots/related_questions", "/chat/recommendation"):
        answer = await api("POST", path, asked)
        assert (answer["code"], "language model" in answer["message"]) == (102, True)


async def test_searchbots_of_a_search_application(api: Api) -> None:
    """Its datasets and settings go over those of the request; its detail is shown to its owner."""
    chat = await api.chat()
    config = {"kb_ids": chat["dataset_ids"], "similarity_threshold": 0.99}
    search = await api("POST", "/searches", {"name": "s", "search_config": config})
    named = {"search_id": search["data"]["search_id"]}
    detail = await api("GET", f"/searchbots/detail?search_id={named['search_id']}")
    assert detail["data"]["search_config"] == config
    assert (await api("GET", "/searchbots/detail?search_id=zz"))["code"] == 103
    unnamed = await api("GET", "/searchbots/detail")
    assert (unnamed["code"], unnamed["message"]) == (100, "<BadRequestKeyError '400: Bad Request'>")
    asked = {"question": QUESTION, "kb_ids": [], **named}
    only, _ = frames((await api.http.post("/searchbots/ask", json=asked)).text)
    assert (only["data"]["reference"]["chunks"], only["data"]["final"]) == ([], True)
    test = {"question": QUESTION, "kb_id": chat["dataset_ids"][0]}
    found = (await api("POST", "/searchbots/retrieval_test", test))["data"]
    assert (found["total"], "Atlantis" in found["chunks"][0]["content_with_weight"]) == (1, True)
    assert (await api("POST", "/searchbots/retrieval_test", {**test, **named}))["data"]["total"] == 0
    for wrong, code in [([], 102), ("zz", 103), (5, 100)]:
        assert (await api("POST", "/searchbots/retrieval_test", {**test, "kb_id": wrong}))["code"] == code


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prompt_config": {"use_kg": True}}, "use_kg"),
        ({"prompt_config": {"tts": True}}, "tts"),
        ({"prompt_config": {"reasoning": 2}}, "reasoning"),
        ({"prompt_config": {"keyword": True}}, "keyword"),
        ({"prompt_config": {"cross_languages": ["German"]}}, "cross_languages"),
        ({"prompt_config": {"toc_enhance": True}}, "toc_enhance"),
        ({"meta_data_filter": {"method": "auto"}}, "meta_data_filter"),
    ],
)
async def test_settings_that_cannot_be_followed(api: Api, settings: Json, named: str) -> None:
    """They can be kept, as on RAGFlow; the question is refused by name before a stream or session begins."""
    chat = await api.chat(**settings)
    answer = await api("POST", "/chat/completions", {"chat_id": chat["id"], "question": QUESTION})
    assert (answer["code"], named in answer["message"]) == (102, True)
    assert (await api("GET", f"/chats/{chat['id']}/sessions"))["data"] == []


async def test_a_reranker_orders_what_is_found(api: Api) -> None:
    """The chat's reranker gives the scores that the reference shows."""
    chat = await api.chat(rerank_id="BAAI/bge-reranker-v2-m3")
    body = {"chat_id": chat["id"], "question": QUESTION, "stream": False}
    [chunk] = (await api("POST", "/chat/completions", body))["data"]["reference"]["chunks"]
    await api("PATCH", f"/chats/{chat['id']}", {"rerank_id": ""})
    [plain] = (await api("POST", "/chat/completions", body))["data"]["reference"]["chunks"]
    assert chunk["vector_similarity"] != plain["vector_similarity"]
    assert chunk["term_similarity"] == plain["term_similarity"]


async def test_deletion_of_one_named_chat(api: Api) -> None:
    """``chat_id`` in place of ``ids`` deletes that chat and says so."""
    chat = await api.chat()
    named = {"chat_id": chat["id"]}
    assert (await api("DELETE", "/chats", named))["data"] is True
    assert await api("DELETE", "/chats", named) == {
        "code": 102,
        "message": f"Failed to delete chat {chat['id']}",
    }


async def test_a_message_names_its_documents(api: Api) -> None:
    """``doc_ids`` of the last message narrow as those of the request do."""
    dataset = await api.dataset()
    ids = [
        await api.tagged(dataset, f"{name}.txt", f"{name} knows the capital of Atlantis.")
        for name in ("Ann", "Bob")
    ]
    chat = (await api("POST", "/chats", {"name": "c", "dataset_ids": [dataset]}))["data"]
    message = {"role": "user", "content": QUESTION, "doc_ids": ids[1:]}
    body = {"chat_id": chat["id"], "messages": [message], "stream": False}
    chunks = (await api("POST", "/chat/completions", body))["data"]["reference"]["chunks"]
    assert [chunk["document_name"] for chunk in chunks] == ["Bob.txt"]


async def test_names_in_any_case(api: Api) -> None:
    """``keywords`` finds parts of names whatever their case, umlauts included."""
    await api("POST", "/chats", {"name": "Über uns"})
    assert (await api("GET", "/chats?keywords=über"))["data"]["total"] == 1
