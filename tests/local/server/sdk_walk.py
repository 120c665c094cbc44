"""Every public method of the installed ragflow-sdk, called on a server; run by a Python that has the SDK alone.

    python tests/local/server/sdk_walk.py http://127.0.0.1:9380 ragflow-…

Each call's outcome is asserted. Prints which methods were called, and which the SDK has besides:
``{"sdk": "0.27.3", "called": ["Agent.create_session", …], "forgotten": []}``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import ragflow_sdk

SDK = tuple(int(part) for part in version("ragflow-sdk").split(".")[:2])
NEW = SDK >= (0, 25)  # v0.25 changed chats, deletes and agents
MEMORIES = SDK >= (0, 24)

ZEBRAS = b"Zebras live in the savannas of Africa.\n\nThey eat grass."
LONG = b"Whales live in the sea, and sing to each other over a hundred miles. " * 15_000
QUESTION = "Where do zebras live?"
ANSWER = "Zebras live in the savannas of Africa."


def component(name: str, downstream: list[str], upstream: list[str], **params: Any) -> dict[str, Any]:
    return {"obj": {"component_name": name, "params": params}, "downstream": downstream, "upstream": upstream}


ECHO: dict[str, Any] = {
    "components": {
        "begin": component("Begin", ["Message:0"], [], mode="conversational", prologue="Hello!"),
        "Message:0": component("Message", [], ["begin"], content=["You said: {sys.query}"]),
    },
    "globals": {"sys.query": "", "sys.user_id": "", "sys.conversation_turns": 0, "sys.files": []},
    "graph": {"nodes": [], "edges": []},
    "history": [],
    "messages": [],
    "path": [],
    "retrieval": [],
}


def methods() -> Iterator[tuple[type, str]]:
    """The public methods of all classes of the SDK, where they are defined."""
    for module in pkgutil.walk_packages(ragflow_sdk.__path__, "ragflow_sdk."):
        for thing in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(thing) and thing.__module__ == module.name:
                for name, value in vars(thing).items():
                    if inspect.isfunction(value) and not name.startswith("_"):
                        yield thing, name


def watched(called: set[str], owner: type, name: str) -> str:
    """Has the method noted when it is called; its name as it is printed."""
    method, shown = vars(owner)[name], f"{owner.__name__}.{name}"

    @functools.wraps(method)
    def noting(*arguments: Any, **named: Any) -> Any:
        called.add(shown)
        return method(*arguments, **named)

    setattr(owner, name, noting)
    return shown


@contextmanager
def fails(kind: type[Exception], *words: str) -> Iterator[None]:
    """What is in the block fails so, in these words."""
    told = None
    try:
        yield
    except kind as error:
        told = str(error)
    assert told is not None, f"expected {kind.__name__} {words}"
    assert all(word in told for word in words), told


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something."""
    for _ in range(300):
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("not there after 30 s")


def ids(things: list[Any]) -> list[str]:
    return [thing.id for thing in things]


def datasets(rag: Any) -> Any:
    config = ragflow_sdk.DataSet.ParserConfig(rag, {"chunk_token_num": 256, "delimiter": "\n"})
    dataset = rag.create_dataset("walk", description="animals", parser_config=config)
    assert (dataset.name, dataset.chunk_method) == ("walk", "naive")
    assert dataset.parser_config.chunk_token_num == 256
    assert json.loads(json.dumps(dataset.to_json()))["id"] == dataset.id
    dataset.update({"description": "wild animals"})
    assert rag.get_dataset(name="walk").description == "wild animals"
    assert ids(rag.list_datasets(1, 30, "create_time", True, dataset.id)) == [dataset.id]
    spare = rag.create_dataset("spare")
    assert ids(rag.list_datasets(page_size=1)) == [spare.id]
    rag.delete_datasets(ids=[spare.id])
    assert ids(rag.list_datasets()) == [dataset.id]
    with fails(Exception, "lacks permission for dataset 'spare'"):
        rag.get_dataset(name="spare")
    with fails(Exception, "Field: <name>", "at least 1 character"):
        rag.create_dataset("")
    if NEW:
        field = {"key": "author", "type": "string", "description": "who wrote it"}
        dataset.update_auto_metadata(metadata=[field])
        assert [each["key"] for each in dataset.get_auto_metadata()["metadata"]] == ["author"]
    return dataset


def documents(dataset: Any) -> Any:
    files = {"zebras.txt": ZEBRAS, "whales.txt": LONG}
    zebras, whales = dataset.upload_documents(
        [{"display_name": name, "blob": blob} for name, blob in files.items()]
    )
    assert [(each.name, each.size, each.run) for each in (zebras, whales)] == [
        (name, len(blob), "UNSTART") for name, blob in files.items()
    ]
    zebras.update({"name": "stripes.txt", "meta_fields": {"author": "Ann"}})
    [listed] = dataset.list_documents(id=zebras.id)
    assert listed.name == "stripes.txt"
    assert ids(dataset.list_documents(keywords="whale", page=1, page_size=5)) == [whales.id]
    assert ids(dataset.list_documents(name="stripes.txt")) == [zebras.id]
    assert zebras.download() == ZEBRAS
    dataset.async_parse_documents([whales.id])
    until(lambda: dataset.list_documents(id=whales.id)[0].run == "RUNNING")
    dataset.async_cancel_parse_documents([whales.id])
    until(lambda: dataset.list_documents(id=whales.id)[0].run == "CANCEL")
    [(parsed, status, chunk_count, token_count)] = dataset.parse_documents([zebras.id])
    assert (parsed, status, chunk_count) == (zebras.id, "DONE", 1)
    assert token_count > 10
    dataset.delete_documents(ids=[whales.id])
    assert ids(dataset.list_documents()) == [zebras.id]
    with fails(Exception, "whales.txt"):
        dataset.list_documents(name="whales.txt")
    return zebras


def chunks(rag: Any, dataset: Any, document: Any) -> None:
    more = {"tag_kwd": ["young"]} if NEW else {}
    foal = document.add_chunk("A foal runs early.", ["foal"], ["When does it run?"], **more)
    assert (foal.content, foal.important_keywords) == ("A foal runs early.", ["foal"])
    assert getattr(foal, "tag_kwd", ["young"]) == ["young"]
    assert ids(document.list_chunks(id=foal.id)) == [foal.id]
    foal.update({"content": "A foal stands early.", "important_keywords": ["calf"]})
    [changed] = document.list_chunks(keywords="stands")
    assert (changed.content, changed.important_keywords) == ("A foal stands early.", ["calf"])
    found = rag.retrieve([dataset.id], [document.id], QUESTION, 1, 10, 0.1, 0.3, 1024)
    assert ANSWER in found[0].content
    assert found[0].similarity >= found[-1].similarity >= 0.1
    author = {"name": "author", "comparison_operator": "is", "value": "Bob"}
    assert rag.retrieve([dataset.id], question=QUESTION, metadata_condition={"conditions": [author]}) == []
    document.delete_chunks([foal.id])
    assert foal.id not in ids(document.list_chunks())
    assert len(document.list_chunks()) == 1


def settings(rag: Any) -> dict[str, Any]:
    """The same settings of a chat, as either generation of the SDK takes them."""
    if NEW:
        prompt = {"prologue": "Ask me.", "system": "Say what {knowledge} says.", "quote": True}
        return {"llm_setting": {"temperature": 0.2}, "prompt_config": prompt, "top_n": 4}
    prompt = {"opener": "Ask me.", "prompt": "Say what {knowledge} says.", "show_quote": True, "top_n": 4}
    variables = {"variables": [{"key": "knowledge", "optional": True}]}
    return {
        "llm": ragflow_sdk.Chat.LLM(rag, {"model_name": None, "temperature": 0.2}),
        "prompt": ragflow_sdk.Chat.Prompt(rag, {**prompt, **variables}),
    }


def shown(chat: Any) -> tuple[Any, ...]:
    """What ``settings`` have become."""
    if NEW:
        return chat.llm_setting.temperature, chat.prompt_config.prologue, chat.top_n
    return chat.llm.temperature, chat.prompt.opener, chat.prompt.top_n


def chats(rag: Any, dataset: Any) -> Any:
    chat = rag.create_chat("walk", dataset_ids=[dataset.id], **settings(rag))
    assert shown(chat) == (0.2, "Ask me.", 4)
    change: dict[str, Any] = {"llm_setting": {"temperature": 0.8}} if NEW else {"llm": {"temperature": 0.8}}
    chat.update({"name": "walked", "dataset_ids": [dataset.id], **change})
    [listed] = rag.list_chats(id=chat.id)
    assert (listed.name, shown(listed)) == ("walked", (0.8, "Ask me.", 4))
    if NEW:
        assert rag.get_chat(chat.id).name == "walked"
    spare = rag.create_chat("spare", dataset_ids=[dataset.id])
    assert ids(rag.list_chats(1, 1)) == [spare.id]
    rag.delete_chats(ids=[spare.id])
    assert ids(rag.list_chats()) == [chat.id]
    with fails(Exception, "name"):
        rag.create_chat("walked", dataset_ids=[dataset.id])
    return chat


def sessions(chat: Any) -> None:
    session = chat.create_session("first")
    assert (session.name, session.chat_id) == ("first", chat.id)
    assert session.messages[0]["content"] == "Ask me."
    session.update({"name": "second"})
    [listed] = chat.list_sessions(id=session.id)
    assert listed.name == "second"
    [whole] = session.ask(QUESTION, stream=False)
    assert ANSWER in whole.content
    assert whole.role == "assistant"
    pieces = list(session.ask(QUESTION, stream=True))
    assert ANSWER in "".join(piece.content for piece in pieces)
    assert [chunk["document_name"] for chunk in pieces[-1].reference] == ["stripes.txt"]
    spare = chat.create_session()
    chat.delete_sessions(ids=[spare.id])
    assert ids(chat.list_sessions()) == [session.id]
    chat.delete_sessions(delete_all=True) if NEW else chat.delete_sessions(ids=None)
    assert chat.list_sessions() == []


def agents(rag: Any) -> None:
    rag.create_agent("walk", ECHO, "repeats")
    with fails(Exception, "walk", "already exists"):
        rag.create_agent("walk", ECHO)
    [agent] = rag.list_agents(page_size=5)
    assert (agent.title, agent.description) == ("walk", "repeats")
    rag.update_agent(agent.id, title="walked", description="repeats you", dsl=ECHO)
    if NEW:
        assert rag.get_agent(agent.id).title == "walked"
    else:
        assert ids(rag.list_agents(title="walked")) == ids(rag.list_agents(id=agent.id)) == [agent.id]
    agent_sessions(agent)
    rag.delete_agent(agent.id)
    assert rag.list_agents() == []


def agent_sessions(agent: Any) -> None:
    session = agent.create_session()
    assert session.agent_id == agent.id
    [whole] = session.ask("hello", stream=False)
    assert whole.content == "You said: hello"
    if MEMORIES:
        said = "".join(piece.content for piece in session.ask("hello", stream=True))
        assert said == "You said: hello"
    else:  # this SDK does not expect the events of steps, which v0.24 sends
        with fails(KeyError, "content"):
            list(session.ask("hello", stream=True))
    assert ids(agent.list_sessions(1, 5, "create_time", True, session.id)) == [session.id]
    agent.delete_sessions(ids=[session.id])
    assert agent.list_sessions() == []


def memories(rag: Any, embedding: str, llm: str) -> None:
    memory = rag.create_memory("walk", ["raw"], embedding, llm)
    assert (memory.name, memory.memory_type) == ("walk", ["raw"])
    memory.update({"name": "walked", "permissions": "team"})
    assert memory.get_config().permissions == "team"
    listed = rag.list_memory(keywords="walked")
    assert (ids(listed["memory_list"]), listed["total_count"]) == ([memory.id], 1)
    messages(rag, memory)
    rag.delete_memory(memory.id)
    assert rag.list_memory()["total_count"] == 0
    with fails(Exception, memory.id):
        memory.get_config()


def messages(rag: Any, memory: Any) -> None:
    said = rag.add_message([memory.id], "agent", "session", QUESTION, ANSWER)
    assert said == "All add to task."
    [message] = until(lambda: rag.get_recent_messages([memory.id], "agent", "session", 5))
    number = message["message_id"]
    assert QUESTION in message["content"]
    listed = memory.list_memory_messages(agent_id="agent", page=1, page_size=5)["messages"]
    assert (listed["total_count"], listed["message_list"][0]["message_id"]) == (1, number)
    found = rag.search_message("zebras", [memory.id], similarity_threshold=0.1, top_n=3)
    assert [each["message_id"] for each in found] == [number]
    assert ANSWER in memory.get_message_content(number)["content"]
    assert memory.update_message_status(number, False) is True
    assert rag.search_message("zebras", [memory.id], similarity_threshold=0.1) == []
    assert memory.forget_message(number) is True


def everything(rag: Any) -> None:
    """Deletes that name nothing delete all, where this SDK has them so."""
    dataset = rag.get_dataset(name="walk")
    [document] = dataset.list_documents()
    if NEW:
        document.delete_chunks(delete_all=True)
        assert document.list_chunks() == []
        dataset.delete_documents(delete_all=True)
    else:
        dataset.delete_documents(ids=None)
    assert dataset.list_documents() == []
    rag.delete_chats(delete_all=True) if NEW else rag.delete_chats(ids=None)
    assert rag.list_chats() == []
    rag.delete_datasets(delete_all=True) if NEW else rag.delete_datasets(ids=None)
    assert rag.list_datasets() == []


def main(base_url: str, api_key: str) -> None:
    """Walk over everything, in an account that has nothing yet."""
    called: set[str] = set()
    has = {watched(called, owner, name) for owner, name in methods()}
    rag = ragflow_sdk.RAGFlow(api_key, base_url)
    dataset = datasets(rag)
    document = documents(dataset)
    chunks(rag, dataset, document)
    chat = chats(rag, dataset)
    sessions(chat)
    agents(rag)
    if MEMORIES:
        memories(rag, dataset.embedding_model, chat.llm_id if NEW else chat.llm.model_name)
    everything(rag)
    told = {"sdk": version("ragflow-sdk"), "called": sorted(called), "forgotten": sorted(has - called)}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
