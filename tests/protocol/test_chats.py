"""A chat's settings in both spellings, as each server version takes them and as all give them back."""

from __future__ import annotations

from typing import Any

import pytest

from ragflow_integrations import Chat, ConflictError, InvalidRequestError, NotFoundError, UnsupportedError
from ragflow_integrations.models import ChatFields
from ragflow_integrations.protocol import chats, sessions
from ragflow_integrations.protocol.versions import Version

from .driving import Server
from .recorded import recorded

V24, V27 = Version(0, 24), Version(0, 27)
DOCUMENT = {
    "name": "Ann",
    "avatar": "a",
    "llm": Chat.LLM(model_name="m@p", temperature=0.2),
    "prompt": Chat.Prompt(
        prompt="You know {knowledge}",
        opener="Hi",
        variables=[{"key": "knowledge", "optional": False}],
        show_quote=True,
        empty_response="Sorry",
        similarity_threshold=0.2,
        keywords_similarity_weight=0.7,
        top_n=3,
        top_k=100,
        rerank_model="r",
    ),
}
SERVER = {
    "name": "Ann",
    "icon": "a",
    "llm_id": "m@p",
    "llm_setting": {"temperature": 0.2},
    "prompt_config": {
        "system": "You know {knowledge}",
        "prologue": "Hi",
        "parameters": [{"key": "knowledge", "optional": False}],
        "quote": True,
        "empty_response": "Sorry",
    },
    "similarity_threshold": 0.2,
    "vector_similarity_weight": 0.3,
    "top_n": 3,
    "top_k": 100,
    "rerank_id": "r",
}
NUMBERS = ("similarity_threshold", "vector_similarity_weight", "top_n", "top_k", "rerank_id")
SENT_TO_V24 = {
    "name": "Ann",
    "avatar": "a",
    "llm": {"model_name": "m@p", "temperature": 0.2},
    "prompt_config": SERVER["prompt_config"],
    **{name: SERVER[name] for name in NUMBERS},
}


@pytest.mark.parametrize("fields", [DOCUMENT, SERVER], ids=["document", "server"])
@pytest.mark.parametrize(("version", "sent"), [(V27, SERVER), (V24, SENT_TO_V24)], ids=["v0.27", "v0.24"])
def test_both_spellings(fields: dict[str, Any], version: Version, sent: dict[str, Any]) -> None:
    """Either says the same, and each version is sent its own; v0.24 gets the weight of the vectors."""
    server = Server([{"id": "c"}], version)
    server.drive(chats.create({**fields, "description": None}))
    assert server.requests[0].body == sent


def test_dicts_are_as_good() -> None:
    """``llm`` and ``prompt`` as plain dicts, with what their classes do not name."""
    server = Server([{"id": "c"}])
    server.drive(chats.create({"name": "n", "llm": {"seed": 1}, "prompt": {"top_n": 2, "tts": True}}))
    assert server.requests[0].body == {
        "name": "n", "llm_setting": {"seed": 1}, "prompt_config": {"tts": True}, "top_n": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"avatar": "a", "llm_id": "m"}, "avatar= and llm_id= are two spellings"),
        ({"prompt": {}, "top_n": 3}, "prompt= and top_n= are two spellings"),
        ({"zz": 1}, "zz=1: a chat has no setting of this name"),
        ({"tenant_id": "t"}, "tenant_id='t': a chat has no setting of this name that can be changed"),
        ({"llm": "m"}, r"llm='m': give a dict, e\.g\. Chat\.LLM\("),
        ({"prompt": ["x"]}, r"prompt=\['x'\]: give a dict, e\.g\. Chat\.Prompt\("),
        ({"prompt_config": "x"}, "prompt_config='x': give a dict"),
        ({"dataset_ids": "d"}, "dataset_ids='d': give a list of ids"),
        ({"name": "é" * 128}, "it has 256 bytes, a chat's name at most 255"),
        ({"name": " "}, "name=' ': give a text that is not empty"),
        ({"similarity_threshold": 1.5}, r"similarity_threshold=1\.5: give a number from 0 to 1"),
        (
            {"prompt": {"keywords_similarity_weight": 7}},
            "keywords_similarity_weight=7: give a number from 0 to 1",
        ),
        ({"prompt": {"keywords_similarity_weight": "x"}}, "keywords_similarity_weight='x': give a number"),
        ({"vector_similarity_weight": float("nan")}, "vector_similarity_weight=nan: give a number"),
        ({"top_n": 0}, "top_n=0: give a whole number from 1"),
        ({"prompt": {"top_k": 1.5}}, r"top_k=1\.5: give a whole number from 1"),
        ({"prompt": {"top_n": None}}, "top_n=None: give a whole number from 1"),
        ({"prompt": {"keywords_similarity_weight": None}}, "keywords_similarity_weight=None: give a number"),
        ({"prompt_config": {"parameters": "x"}}, "variables='x': give a list"),
        ({"prompt": {"variables": [{"optional": True}]}}, "the key of a variable=None: give a text"),
        ({"prompt": {"variables": [{"key": "k"}]}}, "optional of the variable k=None: give True or False"),
    ],
)
def test_wrong_settings(fields: dict[str, Any], said: str) -> None:
    """They are refused before anything is sent, made or changed, by their own name."""
    for flow in (chats.create({"name": "n", **fields}), chats.update("c", fields)):
        server = Server([], V24)
        with pytest.raises(InvalidRequestError, match=said):
            server.drive(flow)
        assert server.requests == []


@pytest.mark.parametrize("name", ["dataset_ids", "top_n", "similarity_threshold"])
def test_an_update_with_nothing(name: str) -> None:
    """``None`` would empty a chat's datasets or its numbers, on every version: it is refused."""
    for version in (V24, V27):
        server = Server([], version)
        with pytest.raises(InvalidRequestError, match=f"{name}=None: give"):
            server.drive(chats.update("c", {name: None}))
        assert server.requests == []


@pytest.mark.parametrize("name", ["tenant_llm_id", "tenant_rerank_id"])
def test_settings_that_v024_has_not(name: str) -> None:
    """It would fail over them with words of its own: they are refused."""
    with pytest.raises(UnsupportedError, match=rf"chat\({name}=…\) needs RAGFlow v0\.25\.0 or later"):
        Server([], V24).drive(chats.update("c", {name: "m"}))


def read(version: str, name: str, index: int = 0) -> ChatFields:
    exchange = recorded(version, name)
    page = chats.listing(page=1, page_size=30, id="c")
    server = Server([exchange.sent], V24 if version == "v0.24" else V27)
    found: ChatFields = server.drive(page)[index]
    return found


def test_a_recorded_chat_of_v024() -> None:
    """It has the fields of v0.27, in the meaning that they have there."""
    chat, newer = read("v0.24", "chat.list.id"), read("v0.27", "chat.list.id")
    assert chat.dataset_ids == ["9556792ee58911f1a50002fc00000001"]
    assert (chat.llm_id, (chat.llm_setting or {})["temperature"]) == (
        "fake-chat___OpenAI-API@OpenAI-API-Compatible", 0.1,
    )  # fmt: skip
    assert (chat.vector_similarity_weight, chat.similarity_threshold) == (0.3, 0.2)
    assert (chat.icon, chat.rerank_id, chat.top_n, chat.top_k) == ("", "", 6, 1024)
    assert chat.prompt_config is not None
    assert newer.prompt_config is not None
    assert set(chat.prompt_config) == set(newer.prompt_config)
    assert chat.prompt_config["quote"] is True
    left = {"llm", "prompt", "avatar"} & (set(chat.model_extra or {}) | set(chat.__dict__))
    assert left == set()


def test_the_weight_that_v024_turns_round() -> None:
    """It stores what is called the keywords' weight as the vectors' and reports the rest: 0.7 comes back as 0.3."""
    exchange = recorded("v0.24", "chat.create.prompt")
    assert exchange.request_body["prompt"]["keywords_similarity_weight"] == 0.7
    server = Server([exchange.sent], V24)
    chat = server.drive(chats.create({"name": "n", "vector_similarity_weight": 0.7}))
    assert chat.vector_similarity_weight == 0.7
    assert chat.prompt.keywords_similarity_weight == 0.3


@pytest.mark.parametrize("version", ["v0.24", "v0.27"])
def test_the_documents_views(version: str) -> None:
    """``llm``, ``prompt`` and ``avatar`` are what the document says, whatever the server."""
    chat = read(version, "chat.list.name")
    assert chat.avatar == ""
    assert chat.llm.model_name == chat.llm_id
    config = chat.prompt_config or {}
    assert (chat.prompt.opener, chat.prompt.show_quote) == (config["prologue"], True)
    assert (chat.prompt.prompt, chat.prompt.variables) == (config["system"], config["parameters"])
    assert (chat.prompt.top_n, chat.prompt.rerank_model) == (6, "")
    assert chat.prompt.keywords_similarity_weight == 0.7


def test_an_update_of_v024() -> None:
    """It would empty the datasets if they were not sent along, and it answers nothing: the chat is read again."""
    row = {"id": "c", "name": "n", "datasets": [{"id": "d"}], "llm": {}, "prompt": {}}
    server = Server([[row], None, [{**row, "name": "m"}]], V24)
    assert server.drive(chats.update("c", {"name": "m"})).name == "m"
    assert [method for method, _ in server.asked] == ["GET", "PUT", "GET"]
    assert server.requests[1].body == {"name": "m", "dataset_ids": ["d"]}
    server = Server([None, [row]], V24)
    server.drive(chats.update("c", {"dataset_ids": []}))
    assert server.requests[0].body == {"dataset_ids": []}


def test_unknown_chats_of_v024() -> None:
    """Listing one is an error there and an empty page later: here it is always the page; getting one is an error."""
    missing = recorded("v0.24", "chat.list.id_missing").sent
    page = Server([missing], V24).drive(chats.listing(page=1, page_size=30, id="x"))
    assert (page, page.total) == ([], 0)
    for flow in (chats.get("x"), chats.update("x", {"name": "n"})):
        with pytest.raises(NotFoundError, match="The chat doesn't exist"):
            Server([missing], V24).drive(flow)
    with pytest.raises(NotFoundError, match="no chat is called 'x'"):
        Server([missing], V24).drive(chats.named("x"))


@pytest.mark.parametrize("filter", [{"keywords": "a"}, {"owner_ids": ["o"]}])
def test_filters_that_v024_has_not(filter: dict[str, Any]) -> None:
    """It would list everything: it is refused."""
    with pytest.raises(UnsupportedError, match=r"needs RAGFlow v0\.25\.0 or later; this server is v0\.24\.0"):
        Server([], V24).drive(chats.listing(page=1, page_size=30, **filter))


def test_by_name() -> None:
    """Exactly one has the name; a server that is less exact, or two owners' chats, are told apart."""
    rows = [{"id": "a", "name": "Ann"}, {"id": "b", "name": "ann"}]
    server = Server([{"chats": rows, "total": 2}])
    assert server.drive(chats.find(None, "ann")).id == "b"
    assert ("name", "ann") in server.requests[0].query
    twice = [rows[0], {"id": "c", "name": "Ann"}]
    with pytest.raises(ConflictError, match="'Ann' is the name of 2 chats; give the id you mean: a, c"):
        Server([{"chats": twice, "total": 2}]).drive(chats.find(None, "Ann"))
    for given in ((None, None), ("a", "Ann")):
        with pytest.raises(InvalidRequestError, match="give one of the two"):
            chats.find(*given)


def test_delete_all_of_v024() -> None:
    """The ids are listed first and sent in hundreds: empty ids, which delete everything, never go out."""
    ids = [f"c{number}" for number in range(101)]
    pages = [[{"id": id} for id in ids[:100]], [{"id": ids[100]}]]
    server = Server([*pages, None, None], V24)
    server.drive(chats.delete(None))
    assert [request.body for request in server.requests[2:]] == [{"ids": ids[:100]}, {"ids": ids[100:]}]
    server = Server([[]], V24)
    server.drive(chats.delete(None))
    assert [request.method for request in server.requests] == ["GET"]


def test_delete_all() -> None:
    """Later servers take the word for it."""
    server = Server([{"success_count": 3}])
    server.drive(chats.delete(None))
    assert server.requests[0].body == {"delete_all": True}


@pytest.mark.parametrize("filters", [{"id": ""}, {"name": " "}, {"id": 7}])
def test_a_filter_that_servers_pass_over(filters: dict[str, Any]) -> None:
    """An empty ``id`` or ``name`` would list every chat: it is refused."""
    with pytest.raises(InvalidRequestError, match=next(iter(filters))):
        chats.listing(page=1, page_size=30, **filters)


@pytest.mark.parametrize("filters", [{"id": ""}, {"name": ""}, {"user_id": ""}])
def test_a_filter_of_sessions_that_servers_pass_over(filters: dict[str, Any]) -> None:
    """So it is for the sessions of a chat."""
    with pytest.raises(InvalidRequestError, match=next(iter(filters))):
        sessions.listing("c", page=1, page_size=30, **filters)
