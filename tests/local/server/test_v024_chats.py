"""Chats, sessions and answers as RAGFlow v0.24 has them: by its own SDK, and where the recordings do not say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import openai
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.serve import running_server
from tests.local.knowledge import filled
from tests.local.server.api import Json
from tests.local.server.replay import frames

QUESTION = "What is the capital of Atlantis?"
with_sdk = pytest.mark.skipif(sys.version_info >= (3, 13), reason="ragflow-sdk 0.22.1 needs Python < 3.13")


class Served:
    """A running server of the v0.24 dialect over an engine with a dataset."""

    def __init__(self, engine: Engine, base_url: str, api_key: str) -> None:
        self.engine, self.base_url, self.api_key = engine, base_url, api_key
        self.dataset = filled(engine)["id"]
        headers = {"Authorization": f"Bearer {api_key}"}
        self.http = httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=30)

    def __call__(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        return dict(self.http.request(method, path, json=body, **more).json())

    def chat(self, **fields: Any) -> Json:
        answer = self("POST", "/chats", {"name": "c", "dataset_ids": [self.dataset], **fields})
        assert answer["code"] == 0, answer
        return dict(answer["data"])

    def shown(self, chat: Json) -> Json:
        [found] = self("GET", f"/chats?id={chat['id']}")["data"]
        return dict(found)

    def session(self, chat: Json) -> str:
        return str(self("POST", f"/chats/{chat['id']}/sessions", {})["data"]["id"])


@pytest.fixture
def served() -> Iterator[Served]:
    """Over HTTP, without a language model."""
    with Engine(":memory:") as engine, running_server(engine, api_version="0.24") as server:
        served = Served(engine, server.base_url, server.api_key)
        yield served
        served.http.close()


@with_sdk
def test_the_sdks_walk_through_chats(served: Served) -> None:
    """ragflow-sdk 0.22.1 creates, lists, changes and deletes chats and sessions, and asks in both ways."""
    from ragflow_sdk import RAGFlow

    rag = RAGFlow(served.api_key, served.base_url)
    chat = rag.create_chat("animals", dataset_ids=[served.dataset])
    assert (chat.name, chat.prompt.top_n, chat.llm.temperature) == ("animals", 8, 0.1)
    chat.update({"name": "cities", "prompt": {"opener": "Servus"}, "dataset_ids": [served.dataset]})
    [listed] = rag.list_chats(name="cities")
    assert (listed.id, listed.prompt.opener) == (chat.id, "Servus")
    session = chat.create_session("first")
    assert session.messages == [{"role": "assistant", "content": "Servus"}]
    [answer] = session.ask(QUESTION)
    assert "Poseidonia" in answer.content
    assert answer.reference[0]["document_name"] == "atlantis.txt"
    streamed = list(session.ask(QUESTION, stream=True))
    assert "".join(each.content for each in streamed) == answer.content
    assert streamed[-1].reference == answer.reference
    session.update({"name": "renamed"})
    [again] = chat.list_sessions(name="renamed")
    assert [each["role"] for each in again.messages] == ["assistant", "user"] * 2 + ["assistant"]
    chat.delete_sessions(ids=[session.id])
    assert chat.list_sessions() == []
    rag.delete_chats(ids=[chat.id])
    with pytest.raises(Exception, match="The chat doesn't exist"):
        rag.list_chats(id=chat.id)


@with_sdk
def test_what_the_sdk_is_told(served: Served) -> None:
    """Refusals reach the SDK's caller with that version's words."""
    from ragflow_sdk import RAGFlow

    rag = RAGFlow(served.api_key, served.base_url)
    chat = rag.create_chat("a")
    for refused, words in [
        (lambda: rag.create_chat("A"), "Duplicated chat name in creating chat."),
        (lambda: rag.create_chat("b", dataset_ids=["zz"]), "You don't own the dataset zz"),
        (lambda: chat.update({"name": ""}), "`name` cannot be empty."),
        (lambda: chat.update({"llm": {"model_name": "zz"}}), "`model_name` zz doesn't exist"),
        (lambda: rag.delete_chats(ids=["zz"]), "Assistant.zz. not found."),
        (lambda: chat.delete_sessions(ids=["zz"]), "The chat doesn't own the session zz"),
        (lambda: chat.create_session(""), "`name` can not be empty."),
        (lambda: list(chat.create_session().ask("Who are you?")), "data"),
    ]:
        with pytest.raises(Exception, match=words):
            refused()


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"name": "x", "dataset_ids": 5}, 100, "TypeError(\"'int' object is not iterable\")"),
        ({"name": "x", "dataset_ids": {"zz": 1}}, 102, "You don't own the dataset zz"),
        ({"name": "x", "llm": {"model_name": ""}}, 102, "`model_name`  doesn't exist"),
        (
            {"name": "x", "prompt": {"variables": None}},
            100,
            "TypeError(\"'NoneType' object is not iterable\")",
        ),
        ({"name": "x", "dataset_ids": [5]}, 102, "You don't own the dataset 5"),
        ({"name": "", "dataset_ids": ["zz"]}, 102, "You don't own the dataset zz"),
        ({"name": "x", "tenant_id": "t"}, 102, "`tenant_id` must not be provided."),
        ({"name": "x", "prompt": {"rerank_model": 5}}, 102, "`rerank_model` 5 doesn't exist"),
        ({"name": "x", "prompt": {"prompt": "Hi."}}, 102, "Parameter 'knowledge' is not used"),
        (
            {"name": "x", "prompt": {"prompt": 5}},
            100,
            "AttributeError(\"'int' object has no attribute 'find'\")",
        ),
        ({"name": "x", "prompt": {"variables": [{"key": "knowledge"}]}}, 100, None),
        ({"name": "x", "prompt": {"similarity_threshold": "a"}}, 100, None),
        ({"name": "x", "prompt": {"top_n": None}}, 100, None),
        ({"name": "x", "prompt_config": {"system": "Hi."}}, 102, "Parameter 'knowledge' is not used"),
        ({"name": "x", "prompt_config": None}, 100, None),
        ({"name": "x", "llm_setting": "x"}, 100, None),
        (
            {"name": "x", "rerank_id": None},
            100,
            "IntegrityError(1048, \"Column 'rerank_id' cannot be null\")",
        ),
    ],
)
def test_wrong_settings(served: Served, body: Json, code: int, message: str | None) -> None:
    """A wrong setting is refused in v0.24's order and words, and no chat is made."""
    answer = served("POST", "/chats", body)
    assert answer["code"] == code
    assert message is None or answer["message"] == message
    assert served("GET", "/chats") == {"code": 0, "data": []}


def test_settings_under_their_old_names(served: Served) -> None:
    """The keywords' weight is kept as the vector's, the rest as it is called; unknown keys are passed over."""
    prompt = {
        "prompt": "{knowledge}!",
        "opener": "Hi",
        "keywords_similarity_weight": 0.6,
        "top_n": 3,
        "top_k": 9,
    }
    chat = served.chat(prompt=prompt, llm={"temperature": 0.9}, avatar="a", zz=1)
    stored = served.engine.get_chat(chat["id"])
    assert stored is not None
    assert (stored["vector_similarity_weight"], stored["top_n"], stored["top_k"]) == (0.6, 3, 9)
    assert (stored["llm_setting"], stored["icon"]) == ({"temperature": 0.9}, "a")
    assert chat["prompt"]["keywords_similarity_weight"] == pytest.approx(0.4)
    assert "top_k" not in chat
    shown = served.shown(chat)
    assert (shown["top_k"], shown["datasets"][0]["id"]) == (9, served.dataset)
    assert {key: shown["prompt"][key] for key in ("prompt", "opener", "top_n")} == {
        "prompt": "{knowledge}!",
        "opener": "Hi",
        "top_n": 3,
    }


def test_settings_under_their_later_names(served: Served) -> None:
    """They are kept as they are sent: the model is not looked for, the prompt's names are not translated."""
    chat = served.chat(
        llm_id="none@Nobody",
        llm_setting={"temperature": 0.9, "model_name": "zz"},
        prompt_config={"system": "{knowledge}!", "opener": "old name", "top_n": 3, "top_k": 9},
        top_n=4,
        icon="passed over",
        show_quotation="passed over",
        avatar="a",
    )
    assert chat["llm"] == {"temperature": 0.9, "model_name": "none@Nobody"}
    shown = {key: chat["prompt"][key] for key in ("prompt", "opener", "top_n", "top_k")}
    opener = "Hi! I'm your assistant. What can I do for you?"
    assert shown == {"prompt": "{knowledge}!", "opener": opener, "top_n": 4, "top_k": 9}
    assert (chat["avatar"], chat["do_refer"]) == ("a", "1")
    asked = served("POST", f"/chats/{chat['id']}/completions", {"question": QUESTION, "stream": False})
    session = asked["data"]["session_id"]
    body = {"question": QUESTION, "stream": False, "session_id": session}
    answer = served("POST", f"/chats/{chat['id']}/completions", body)
    assert "none@Nobody" in answer["message"]
    more = {"llm_id": "other", "prompt_config": {"prologue": "Ahoy"}, "icon": "b", "show_quotation": "0"}
    assert served("PUT", f"/chats/{chat['id']}", more)["code"] == 0
    changed = served.shown(chat)
    assert (changed["llm"]["model_name"], changed["prompt"]["opener"]) == ("other", "Ahoy")
    assert (changed["avatar"], changed["do_refer"], changed["prompt"]["prompt"]) == ("b", "0", "{knowledge}!")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"zz": 1}, 100, "ValueError('Unrecognized field name: \"zz\"')"),
        ({"llm": {}}, 100, "ValueError('Unrecognized field name: \"llm\"')"),
        ({"prompt": {}}, 100, "ValueError('Unrecognized field name: \"prompt\"')"),
        ({"tenant_id": "t"}, 102, "`tenant_id` must not be provided."),
        ({"prompt": {"prompt": "Hi."}}, 102, "Parameter 'knowledge' is not used"),
        ({"prompt": {"top_n": "x"}}, 100, None),
        ({"llm": "x"}, 100, None),
        ({"llm": {"model_name": None}}, 100, "IntegrityError(1048, \"Column 'llm_id' cannot be null\")"),
        ({"dataset_ids": [""]}, 102, "You don't own the dataset "),
    ],
)
def test_wrong_updates(served: Served, body: Json, code: int, message: str | None) -> None:
    """What is wrong with an update is said, and the chat stays as it was, its datasets too."""
    chat = served.chat()
    before = served.shown(chat)
    answer = served("PUT", f"/chats/{chat['id']}", body)
    assert answer["code"] == code
    assert message is None or answer["message"] == message
    assert served.shown(chat) == before


@pytest.mark.parametrize("query", ["page=a", "page_size=a", "page=-1", "page_size=-1", "orderby=zz"])
@pytest.mark.parametrize("path", ["/chats", "/chats/{}/sessions"])
def test_wrong_pages(served: Served, path: str, query: str) -> None:
    """Bad numbers and unknown fields are exceptions there, code 100."""
    chat = served.chat()
    assert served("GET", f"{path.format(chat['id'])}?{query}")["code"] == 100


def test_empty_deletions_wipe(served: Served) -> None:
    """No ids mean all: of the caller's chats, and of the chat's sessions; no other tenant's."""
    other = served.engine.add_tenant("ragflow-other")
    kept = other.create_chat({"name": "kept"})
    chat = served.chat()
    for body in ({}, {"ids": []}, {"ids": None}, None):
        served.session(chat)
        assert served("DELETE", f"/chats/{chat['id']}/sessions", body) == {"code": 0}
        assert served("GET", f"/chats/{chat['id']}/sessions")["data"] == []
    assert served("DELETE", "/chats", {}) == {"code": 0}
    assert served("GET", "/chats")["data"] == []
    assert other.get_chat(kept["id"]) is not None


def test_references_stand_one_message_early(served: Served) -> None:
    """As on that server the opener has the reference of the first answer; clients put it right."""
    chat = served.chat()
    session = served.session(chat)
    asked = {"question": QUESTION, "session_id": session, "stream": False}
    assert served("POST", f"/chats/{chat['id']}/completions", asked)["code"] == 0
    [listed] = served("GET", f"/chats/{chat['id']}/sessions")["data"]
    opener, _, answer = listed["messages"]
    assert opener["reference"][0]["document_name"] == "atlantis.txt"
    assert "reference" not in answer
    assert "reference" not in listed


def test_a_session_of_a_user(served: Served) -> None:
    """``user_id`` is kept, listed by, and can be changed; what a session does not have is refused."""
    chat = served.chat()
    path = f"/chats/{chat['id']}/sessions"
    session = served("POST", path, {"user_id": "u1"})["data"]
    assert [each["id"] for each in served("GET", f"{path}?user_id=u1")["data"]] == [session["id"]]
    assert served("PUT", f"{path}/{session['id']}", {"user_id": "u2"}) == {"code": 0}
    assert served("GET", f"{path}?user_id=u1")["data"] == []
    assert served("PUT", f"{path}/{session['id']}", {"zz": 1})["code"] == 100


def test_without_a_session_the_opener_comes_back(served: Served) -> None:
    """A session is made and the question not looked at, as a stream or at once."""
    chat = served.chat(prompt={"opener": "Servus"})
    path = f"/chats/{chat['id']}/completions"
    whole = served("POST", path, {"question": QUESTION, "stream": False, "user_id": "u"})["data"]
    assert (whole["answer"], whole["id"], whole["reference"]) == ("Servus", None, {})
    opener, end = frames(served.http.post(path, json={}).text)
    assert (opener["data"]["answer"], end) == ("Servus", {"code": 0, "message": "", "data": True})
    [first, second] = served("GET", f"/chats/{chat['id']}/sessions?desc=false")["data"]
    assert [first["id"], second["id"]] == [whole["session_id"], opener["data"]["session_id"]]
    assert (first["user_id"], len(first["messages"])) == ("u", 1)


def test_answers_narrowed_by_metadata(served: Served) -> None:
    """``metadata_condition`` chooses the documents; the empty response is one frame that ends the answer."""
    chat = served.chat(prompt={"empty_response": "<nothing>"})
    condition = {"conditions": [{"name": "author", "comparison_operator": "is", "value": "Ann"}]}
    asked = {"question": QUESTION, "session_id": served.session(chat), "metadata_condition": condition}
    path = f"/chats/{chat['id']}/completions"
    only, end = frames(served.http.post(path, json=asked).text)
    assert (only["data"]["answer"], only["data"]["final"]) == ("<nothing>", True)
    assert end == {"code": 0, "data": True}
    wrong = served("POST", path, {**asked, "metadata_condition": 5})
    assert wrong["message"] == "metadata_condition must be an object."


def test_answers_from_datasets_alone(served: Served) -> None:
    """``/sessions/ask`` streams an answer without a chat, and checks its datasets."""
    body = {"question": QUESTION, "dataset_ids": [served.dataset]}
    *deltas, final, end = frames(served.http.post("/sessions/ask", json=body).text)
    assert "Poseidonia" in "".join(each["data"]["answer"] for each in deltas)
    assert final["data"]["reference"]["chunks"][0]["document_name"] == "atlantis.txt"
    assert (final["data"]["final"], end["data"]) == (True, True)
    for wrong, message in [
        ({}, "`question` is required."),
        ({"question": "x"}, "`dataset_ids` is required."),
        ({"question": "x", "dataset_ids": "y"}, "`dataset_ids` should be a list."),
        ({"question": "x", "dataset_ids": ["y"]}, "You don't own the dataset y."),
    ]:
        assert served("POST", "/sessions/ask", wrong) == {"code": 102, "message": message}


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    """OpenAI's client for a chat."""
    base_url = f"{served.base_url}/api/v1/chats_openai/{served.chat()['id']}"
    with openai.OpenAI(base_url=base_url, api_key=served.api_key, max_retries=0) as client:
        yield client


def test_openais_client(client: openai.OpenAI) -> None:
    """Any model is taken and said back, in a stream it is called ``model``; references only where asked for."""
    asked: Any = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="zz", messages=asked, stream=False)
    assert (whole.model, whole.choices[0].finish_reason) == ("zz", "stop")
    assert "Poseidonia" in (whole.choices[0].message.content or "")
    assert not hasattr(whole.choices[0].message, "reference")
    chunks = list(
        client.chat.completions.create(
            model="zz", messages=asked, stream=True, extra_body={"extra_body": {"reference": True}}
        )
    )
    assert {chunk.model for chunk in chunks} == {"model"}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    last: Any = chunks[-1].choices[0].delta
    assert ("[ID:0]" in text, last.final_content) == (True, text)
    assert set(last.reference[0]) >= {"document_name", "similarity"}
    assert "row_id" not in last.reference[0]


def test_openais_form_streams_by_default(served: Served) -> None:
    """Without ``stream`` it is one; what is wrong is said as JSON."""
    path = f"/chats_openai/{served.chat()['id']}/chat/completions"
    body: Json = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
    assert served.http.post(path, json=body).text.endswith("data:[DONE]\n\n")
    for wrong, code in [({"messages": []}, 102), ({"messages": [{"role": "user", "content": [1]}]}, 100)]:
        assert served("POST", path, {**body, **wrong})["code"] == code


def test_bots(served: Served) -> None:
    """With an embed key: the opener first, then answers in the same conversation, which no list shows."""
    chat = served.chat(prompt={"opener": "Servus"}, avatar="a")
    beta = {"Authorization": f"Bearer {served.engine.list_keys()[0]['beta']}"}
    path = f"/chatbots/{chat['id']}"
    info = served("GET", f"{path}/info", headers=beta)["data"]
    assert info == {"title": "c", "avatar": "a", "prologue": "Servus", "has_tavily_key": False}
    opener, _ = frames(served.http.post(f"{path}/completions", json={"question": "x"}, headers=beta).text)
    asked: Json = {"question": QUESTION, "session_id": opener["data"]["session_id"]}
    *deltas, final, end = frames(served.http.post(f"{path}/completions", json=asked, headers=beta).text)
    text = "".join(each["data"]["answer"] for each in deltas)
    assert ("Poseidonia" in text, "[ID:" in text, end["message"]) == (True, False, "")
    assert final["data"]["reference"] == {}
    quoted = served("POST", f"{path}/completions", {**asked, "quote": True, "stream": False}, headers=beta)
    assert "[ID:0]" in quoted["data"]["answer"]
    assert served("GET", f"/chats/{chat['id']}/sessions")["data"] == []
    assert served("GET", f"{path}/info")["code"] == 102  # an API key is no embed key
    assert served("GET", "/chatbots/zz/info", headers=beta)["message"] == "Can't find dialog by ID: zz"
    asked["session_id"] = served.session(chat)
    assert served("POST", f"{path}/completions", asked, headers=beta)["code"] == 100


def test_thoughts_have_their_frames() -> None:
    """Between two marks comes what a model thinks; without a dataset no frame ends the answer."""

    def think(messages: Sequence[Json]) -> str:
        return "<think>Hm.</think>Yes."

    with (
        Engine(":memory:", Choice(llm=think)) as engine,
        running_server(engine, api_version="0.24") as server,
    ):
        served = Served(engine, server.base_url, server.api_key)
        for dataset_ids, ends in [([served.dataset], 1), ([], 0)]:
            chat = served.chat(name=f"c{ends}", dataset_ids=dataset_ids)
            asked = {"question": QUESTION, "session_id": served.session(chat)}
            streamed = frames(served.http.post(f"/chats/{chat['id']}/completions", json=asked).text)
            data = [each["data"] for each in streamed[:4]]
            assert [each["answer"] for each in data] == ["", "Hm.", "", "Yes."]
            assert (data[0]["start_to_think"], data[2]["end_to_think"]) == (True, True)
            assert len(streamed) == 5 + ends
        related = served("POST", "/sessions/related_questions", {"question": "x"})
        assert related == {"code": 0, "data": []}
        served.http.close()
