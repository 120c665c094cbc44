"""Every call of RAGFlow's Python API reference (v0.24), by its names and with its arguments in its order.

    python examples/official_names.py http://localhost:9380 ragflow-…
    RAGFLOW_CLIENT=ragflow_sdk python examples/official_names.py http://localhost:9380 ragflow-…

The second line runs the same calls with the official SDK: the import below is all that differs. A line is printed
for each call: what it saw, that this server has no such call, or that it failed. Where the official SDK is known to
fail on what the reference says, a second line tells why. Everything happens in datasets, chats, agents and memories
of its own, which are deleted at the end. Exits with 0 if nothing failed.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any
from uuid import uuid4

CLIENT = os.environ.get("RAGFLOW_CLIENT", "ragflow_integrations")
ragflow: Any = import_module(CLIENT)

NAME = f"official-names-{uuid4().hex[:8]}"
AGENT, SESSION = "agent", "session"  # whose conversation a memory keeps
ZEBRAS = b"Zebras live in the savannas of Africa.\n\nThey eat grass."
LONG = b"Whales live in the sea, and sing to each other over a hundred miles. " * 15_000
QUESTION = "Where do zebras live?"

# An agent that needs no language model: it repeats what it is told.
DSL: dict[str, Any] = {
    "components": {
        "begin": {
            "obj": {"component_name": "Begin", "params": {"mode": "conversational", "prologue": "Hello!"}},
            "downstream": ["Message:0"],
            "upstream": [],
        },
        "Message:0": {
            "obj": {"component_name": "Message", "params": {"content": ["You said: {sys.query}"]}},
            "downstream": [],
            "upstream": ["begin"],
        },
    },
    "globals": {"sys.query": "", "sys.user_id": "", "sys.conversation_turns": 0, "sys.files": []},
    "graph": {"nodes": [], "edges": []},
    "history": [],
    "messages": [],
    "path": [],
    "retrieval": [],
}

# Why the official SDK (tried: 0.22.1, 0.24.0, 0.26.0, 0.27.3) does not do what the reference says.
OFFICIAL_SDK_FAILS = {
    "RAGFlow.create_dataset (every argument)": "it sends the reference's default model, which few servers have",
    "Document.update (display_name)": "it sends display_name, which no server reads: the field is name",
    "DataSet.list_documents (in order)": "its second argument is name, in later versions ids",
    "DataSet.delete_documents (ids=None)": "it sends null, which servers from v0.25 on refuse",
    "Document.list_chunks (in order)": "its arguments begin with page, not with keywords",
    "Document.delete_chunks (ids=None)": "it sends null, with which servers from v0.25 on delete nothing",
    "RAGFlow.retrieve (in order)": "its arguments begin with dataset_ids, not with question",
    "RAGFlow.create_chat (llm, prompt)": "its llm and prompt are not read from v0.25 on, and gone from it since",
    "RAGFlow.list_chats": "up to 0.24 it expects a bare list, which servers from v0.25 on do not send",
    "Chat.update": "it sends llm and prompt as they are, which servers from v0.25 on do not read",
    "RAGFlow.list_agents": "up to 0.24 it expects a bare list, which servers from v0.25 on do not send",
    "Session.message": "its attribute is messages",
    "Chat.list_sessions": "it does not take the None that the reference has as default",
    "Session.ask (stream=False)": "it returns a generator, not a Message",
    "Message.reference": "it is a list of dicts, not of Chunk objects",
    "Chat.delete_sessions (ids=None)": "it sends null, with which servers from v0.25 on delete nothing",
    "RAGFlow.list_agents (in order)": "from 0.25.1 on it takes neither id nor title",
    "Session.ask (agent, stream=False)": "it returns a generator, not a Message",
    "Session.ask (agent, stream=True)": "up to 0.23 it stumbles over the events of steps, which v0.24 sends",
    "RAGFlow.create_memory": "it has memories from 0.24 on only",
    "Memory.update": "it sends permission, which no server reads: the field is permissions",
    "RAGFlow.list_memory": "it does not take the None that the reference has as default",
    "RAGFlow.search_message": "from 0.27 on its fifth argument is user_id",
}

outcomes: Counter[str] = Counter()


class Call:
    """Prints what came of the calls in its block; a failure is printed and passed over.

    With a call that the server does not have, the section ends; without what is ``needed``, everything.
    """

    def __init__(self, name: str, *, needed: bool = False) -> None:
        self.name = name
        self.needed = needed
        self.seen: tuple[object, ...] = ()

    def __enter__(self) -> Call:
        return self

    def saw(self, *facts: object) -> None:
        """What the line shows if nothing fails."""
        self.seen = facts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            report("ok", self.name, " ".join(map(str, self.seen)))
        elif not isinstance(error, Exception) or no_such_route(error):
            return False
        else:
            report("FAILED", self.name, f"{type(error).__name__}: {str(error)[:200]}")
            if CLIENT == "ragflow_sdk" and self.name in OFFICIAL_SDK_FAILS:
                print(f"{'':14}the official SDK: {OFFICIAL_SDK_FAILS[self.name]}")
            if self.needed:
                raise SystemExit("the other calls need this one") from error
        return True


def report(outcome: str, name: str, told: str) -> None:
    """One line, and one more of its kind."""
    outcomes[outcome] += 1
    print(f"  {outcome:11} {name:42} {' '.join(told.split())}".rstrip(), flush=True)


def no_such_route(error: BaseException) -> bool:
    """Whether the server said that it does not have this call at all."""
    return type(error).__name__ == "UnsupportedError" or "Not Found: /api/" in str(error)


def section(title: str, walk: Callable[..., Any], *arguments: Any) -> Any:
    """Walk over a section of the reference; what it returns is used by the next ones."""
    print(title)
    try:
        return walk(*arguments)
    except Exception as error:
        if not no_such_route(error):
            raise
        report("unsupported", "the rest of this section", str(error).partition(". ")[0])
        return None


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something: servers take a moment to store and to parse."""
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing there after a minute"
        time.sleep(0.5)
    return found


def datasets(rag: Any, made: ExitStack) -> Any:
    """Create, list, update, delete; returns the dataset that the other sections work in."""
    with Call("RAGFlow.create_dataset", needed=True) as it:
        dataset = rag.create_dataset(name=NAME)
        made.callback(rag.delete_datasets, ids=[dataset.id])
        it.saw(dataset.chunk_method, dataset.permission)
    with Call("RAGFlow.create_dataset (every argument)") as it:
        config = ragflow.DataSet.ParserConfig(rag, {"chunk_token_num": 256, "delimiter": "\n"})
        model = "BAAI/bge-large-zh-v1.5@BAAI"
        other = rag.create_dataset(f"{NAME}-2", None, "all given", model, "me", "naive", config)
        made.callback(rag.delete_datasets, ids=[other.id])
        it.saw(other.description, other.parser_config.chunk_token_num)
    with Call("RAGFlow.list_datasets") as it:
        by_id = rag.list_datasets(1, 30, "create_time", True, dataset.id, None)
        by_name = rag.list_datasets(name=NAME)
        assert [one.id for one in by_id] == [one.id for one in by_name] == [dataset.id]
        it.saw(len(by_id), "found")
    with Call("DataSet.update") as it:
        dataset.update({"description": "about animals", "pagerank": 0, "permission": "me"})
        it.saw(rag.list_datasets(id=dataset.id)[0].description)
    with Call("RAGFlow.delete_datasets") as it:
        spare = rag.create_dataset(f"{NAME}-3")
        rag.delete_datasets(ids=[spare.id])
        assert spare.id not in [one.id for one in rag.list_datasets()], "it is still there"
        it.saw("gone")
    report("left out", "RAGFlow.delete_datasets (ids=None)", "it deletes all datasets of the account")
    return dataset


def documents(dataset: Any) -> Any:
    """Upload, update, download, list, parse, delete; returns a parsed document."""
    with Call("DataSet.upload_documents", needed=True) as it:
        files = [{"display_name": "zebras.txt", "blob": ZEBRAS}, {"display_name": "long.txt", "blob": LONG}]
        zebras, long = dataset.upload_documents(files)
        it.saw(zebras.name, zebras.size, long.name, long.size)
    with Call("Document.update") as it:
        zebras.update({"parser_config": {"chunk_token_num": 256}, "meta_fields": {"author": "Ann"}})
        it.saw(dataset.list_documents(id=zebras.id)[0].parser_config.chunk_token_num)
    with Call("Document.update (display_name)") as it:
        zebras.update({"display_name": "stripes.txt"})
        name = dataset.list_documents(id=zebras.id)[0].name
        assert name == "stripes.txt", f"it is called {name}"
        it.saw(name)
        zebras.update({"name": "zebras.txt"})
    with Call("Document.download") as it:
        assert zebras.download() == ZEBRAS, "it is not what was uploaded"
        it.saw(zebras.size, "bytes")
    with Call("DataSet.list_documents") as it:
        found = dataset.list_documents(keywords="txt", page=1, page_size=12)
        it.saw(len(found), "found:", sorted(one.size for one in found))
    with Call("DataSet.list_documents (in order)") as it:
        # The reference also calls orderby order_by, which no client and no server knows.
        found = dataset.list_documents(None, "long", 1, 30, "create_time", True, 0, 0)
        it.saw([one.name for one in found])
    with Call("DataSet.async_parse_documents") as it:
        dataset.async_parse_documents([long.id])
        it.saw(until(lambda: dataset.list_documents(id=long.id)[0].run != "UNSTART"))
    with Call("DataSet.async_cancel_parse_documents") as it:
        dataset.async_cancel_parse_documents([long.id])
        it.saw(until(lambda: dataset.list_documents(id=long.id)[0].run == "CANCEL"))
    with Call("DataSet.parse_documents") as it:
        [(document_id, status, chunk_count, token_count)] = dataset.parse_documents([zebras.id])
        assert document_id == zebras.id
        it.saw(status, chunk_count, token_count)  # the reference's success is DONE, failed FAIL
    with Call("DataSet.delete_documents") as it:
        dataset.delete_documents(ids=[long.id])
        it.saw(len(dataset.list_documents()), "left")
    return zebras


def chunks(rag: Any, dataset: Any, document: Any) -> None:
    """Add, list, update, delete, retrieve."""
    with Call("Document.add_chunk") as it:
        chunk = document.add_chunk("A foal can run within an hour.", ["foal"])
        it.saw(chunk.content, chunk.important_keywords)
    with Call("Document.list_chunks") as it:
        found = document.list_chunks(keywords="foal", page=1, page_size=12)
        it.saw([one.content for one in found])
    with Call("Document.list_chunks (in order)") as it:
        found = document.list_chunks("foal", 1, 30, chunk.id)
        assert [one.id for one in found] == [chunk.id]
        it.saw(len(found), "found")
    with Call("Chunk.update") as it:
        chunk.update({"content": "A foal can stand soon.", "important_keywords": [], "available": True})
        it.saw(document.list_chunks(id=chunk.id)[0].content)
    with Call("RAGFlow.retrieve") as it:
        found = rag.retrieve(question=QUESTION, dataset_ids=[dataset.id], document_ids=[document.id])
        it.saw([f"{one.similarity:.3f}" for one in found], found[0].content)
    with Call("RAGFlow.retrieve (in order)") as it:
        conditions = {"conditions": [{"name": "author", "comparison_operator": "is", "value": "Ann"}]}
        found = rag.retrieve(
            QUESTION, [dataset.id], None, 1, 30, 0.2, 0.3, 1024, None, False, None, conditions
        )
        assert {one.document_id for one in found} == {document.id}
        it.saw(len(found), "found")
    with Call("Document.delete_chunks") as it:
        document.delete_chunks([chunk.id])
        it.saw(len(document.list_chunks()), "left")


def chats(rag: Any, dataset: Any, made: ExitStack) -> Any:
    """Create, update, list, delete; returns a chat assistant."""
    with Call("RAGFlow.create_chat", needed=True) as it:
        chat = rag.create_chat(NAME, dataset_ids=[dataset.id])
        made.callback(rag.delete_chats, ids=[chat.id])
        it.saw(chat.name == NAME)
    with Call("RAGFlow.create_chat (llm, prompt)") as it:
        llm = ragflow.Chat.LLM(rag, {"temperature": 0.2, "top_p": 0.4})
        prompt = ragflow.Chat.Prompt(
            rag, {"opener": "Ask me.", "top_n": 4, "keywords_similarity_weight": 0.6}
        )
        other = rag.create_chat(f"{NAME}-2", "", [dataset.id], llm, prompt)
        made.callback(rag.delete_chats, ids=[other.id])
        now = other.llm.temperature, other.prompt.top_n, other.prompt.keywords_similarity_weight
        assert now == (0.2, 4, 0.6), f"its settings are {now}"
        it.saw(*now)
    with Call("RAGFlow.list_chats") as it:
        found = rag.list_chats(1, 30, "create_time", True, chat.id, None)
        assert [one.id for one in found] == [chat.id]
        it.saw(len(found), "found")
    with Call("Chat.update") as it:
        chat.update({"name": f"{NAME}-3", "llm": {"temperature": 0.8}, "prompt": {"top_n": 3}})
        now = rag.list_chats(id=chat.id)[0]
        it.saw(now.name == f"{NAME}-3", now.llm.temperature, now.prompt.top_n)
    with Call("RAGFlow.delete_chats") as it:
        spare = rag.create_chat(f"{NAME}-4", dataset_ids=[dataset.id])
        rag.delete_chats(ids=[spare.id])
        it.saw("gone")
    report("left out", "RAGFlow.delete_chats (ids=None)", "it deletes all chat assistants of the account")
    return chat


def sessions(chat: Any) -> None:
    """Create, update, list, ask, delete."""
    with Call("Chat.create_session") as it:
        session = chat.create_session("first")
        assert session.chat_id == chat.id
        it.saw(session.name)
    with Call("Session.message") as it:
        it.saw(len(session.message), "message")
    with Call("Session.update") as it:
        session.update({"name": "renamed"})
        it.saw(chat.list_sessions(id=session.id)[0].name)
    with Call("Chat.list_sessions") as it:
        found = chat.list_sessions(1, 30, "create_time", True, session.id, None)
        assert [one.id for one in found] == [session.id]
        it.saw(len(found), "found")
    with Call("Session.ask (stream=False)") as it:
        message = session.ask(QUESTION, False)
        it.saw(message.content, len(message.reference), "cited")
    with Call("Session.ask (stream=True)") as it:
        # The reference cuts off what came before; servers from v0.24 on send what is new, and so do both clients.
        messages = list(session.ask(QUESTION, stream=True))
        text = "".join(one.content for one in messages)
        it.saw(text, len(messages[-1].reference), "cited")
    with Call("Message.reference") as it:
        [chunk] = messages[-1].reference
        it.saw(chunk.document_name, f"{chunk.similarity:.3f}", chunk.dataset_id == chat.dataset_ids[0])
    with Call("Chat.delete_sessions") as it:
        spare = chat.create_session()
        chat.delete_sessions(ids=[spare.id])
        it.saw(len(chat.list_sessions()), "left")
    with Call("Chat.delete_sessions (ids=None)") as it:
        chat.delete_sessions(ids=None)
        assert not chat.list_sessions(), "they are still there"
        it.saw("gone")


def openai_compatible(base_url: str, api_key: str, chat: Any) -> None:
    """Ask a chat assistant with OpenAI's own client."""
    if find_spec("openai") is None:
        report("left out", "the whole section", "the package openai is not installed")
        return
    from openai import OpenAI

    client = OpenAI(api_key=api_key, base_url=f"{base_url}/api/v1/chats_openai/{chat.id}")
    reference = {"reference": True, "reference_metadata": {"include": True, "fields": ["author"]}}
    request: dict[str, Any] = {
        "model": "model",
        "messages": [{"role": "user", "content": QUESTION}],
        "extra_body": {"extra_body": reference},
    }
    with Call("chat.completions.create (stream=False)") as it:
        answer = client.chat.completions.with_raw_response.create(stream=False, **request)
        message = answer.http_response.json()["choices"][0]["message"]
        it.saw(message["content"], len(message["reference"]), "cited")
    with Call("chat.completions.create (stream=True)") as it:
        pieces = list(client.chat.completions.create(stream=True, **request))
        it.saw("".join(one.choices[0].delta.content or "" for one in pieces if one.choices))


def agents(rag: Any) -> None:
    """Create, list, update, delete; sessions with an agent: create, ask, list, delete."""
    agent = None
    with Call("RAGFlow.create_agent") as it:
        rag.create_agent(NAME, DSL, "repeats")  # in the reference it returns nothing
        it.saw("made")
    with Call("RAGFlow.list_agents") as it:
        [agent] = [one for one in rag.list_agents(page_size=100) if one.title == NAME]
        it.saw(agent.title == NAME)
    if agent is None:
        return
    try:
        with Call("RAGFlow.list_agents (in order)") as it:
            found = rag.list_agents(1, 30, "create_time", True, None, NAME)
            assert [one.id for one in found] == [agent.id]
            it.saw(len(found), "found")
        with Call("RAGFlow.update_agent") as it:
            rag.update_agent(agent.id, NAME, "repeats you", DSL)
            it.saw("changed")
        agent_sessions(agent)
    finally:
        with Call("RAGFlow.delete_agent") as it:
            rag.delete_agent(agent.id)
            it.saw("gone")


def agent_sessions(agent: Any) -> None:
    """Sessions with an agent."""
    with Call("Agent.create_session") as it:
        session = agent.create_session()
        assert session.agent_id == agent.id
        it.saw("made")
    with Call("Session.message (agent)") as it:
        it.saw(len(session.message), "message")
    with Call("Session.ask (agent, stream=False)") as it:
        it.saw(session.ask(QUESTION, False).content)
    with Call("Session.ask (agent, stream=True)") as it:
        it.saw("".join(one.content for one in session.ask(QUESTION, stream=True)))
    with Call("Agent.list_sessions") as it:
        it.saw(len(agent.list_sessions(1, 30, "update_time", True, session.id)), "found")
    with Call("Agent.delete_sessions") as it:
        agent.delete_sessions(ids=[session.id])
        it.saw(len(agent.list_sessions()), "left")


def memories(rag: Any, embd_id: str, llm_id: str) -> None:
    """Create, update, list, delete; messages: add, list, search, read, switch, forget."""
    memory = None
    with Call("RAGFlow.create_memory") as it:
        memory = rag.create_memory(NAME, ["raw"], embd_id, llm_id)
        it.saw(memory.memory_type)
    if memory is None:
        return
    try:
        memory_settings(rag, memory)
        memory_messages(rag, memory)
    finally:
        with Call("RAGFlow.delete_memory") as it:
            rag.delete_memory(memory.id)
            it.saw("gone")


def memory_settings(rag: Any, memory: Any) -> None:
    """The memory itself; the reference makes the object from an id."""
    with Call("Memory.update") as it:
        known = ragflow.Memory(rag, {"id": memory.id})
        known.update({"description": "of a walk", "permission": "team"})
        assert known.permissions == "team", f"permissions={known.permissions}"
        it.saw(known.description, known.permissions)
    with Call("RAGFlow.list_memory") as it:
        listed = rag.list_memory(1, 50, None, ["raw"], None, NAME)
        it.saw(len(listed["memory_list"]), "of", listed["total_count"])
    with Call("Memory.get_config") as it:
        config = ragflow.Memory(rag, {"id": memory.id}).get_config()
        it.saw(config.storage_type, config.forgetting_policy)


def memory_messages(rag: Any, memory: Any) -> None:
    """What a memory holds."""
    with Call("RAGFlow.add_message") as it:
        it.saw(rag.add_message([memory.id], AGENT, SESSION, QUESTION, "In Africa.", ""))
    with Call("RAGFlow.get_recent_messages") as it:
        message = until(lambda: rag.get_recent_messages([memory.id], AGENT, SESSION, 10))[0]
        it.saw(message["content"])
    with Call("Memory.list_memory_messages") as it:
        listed = memory.list_memory_messages(AGENT, SESSION, 1, 50)
        it.saw(listed["messages"]["total_count"], "in a", listed["storage_type"])
    with Call("RAGFlow.search_message") as it:
        it.saw(len(rag.search_message("zebras", [memory.id], AGENT, SESSION, 0.2, 0.7, 10)), "found")
    with Call("Memory.get_message_content") as it:
        it.saw(memory.get_message_content(message["message_id"])["content"])
    with Call("Memory.update_message_status") as it:
        it.saw(memory.update_message_status(message["message_id"], False))
    with Call("Memory.forget_message") as it:
        it.saw(memory.forget_message(message["message_id"]))


def delete_all(dataset: Any, document: Any) -> None:
    """``ids=None``, written out, deletes all."""
    with Call("Document.delete_chunks (ids=None)") as it:
        document.delete_chunks(None)
        assert not document.list_chunks(), "they are still there"
        it.saw("gone")
    with Call("DataSet.delete_documents (ids=None)") as it:
        dataset.delete_documents(ids=None)
        assert not dataset.list_documents(), "they are still there"
        it.saw("gone")


def main(base_url: str, api_key: str) -> int:
    """Walk over the reference; 0 if no call failed."""
    rag = ragflow.RAGFlow(api_key, base_url)
    with ExitStack() as made:
        dataset = section("Dataset management", datasets, rag, made)
        document = section("File management within dataset", documents, dataset)
        section("Chunk management within dataset", chunks, rag, dataset, document)
        chat = section("Chat assistant management", chats, rag, dataset, made)
        section("Session management", sessions, chat)
        section("OpenAI-compatible API", openai_compatible, base_url, api_key, chat)
        section("Agent management", agents, rag)
        llm_id = getattr(chat, "llm_id", None) or chat.llm.model_name  # v0.27's name of it, and v0.24's
        section("Memory management", memories, rag, str(dataset.embedding_model), str(llm_id))
        section("Deleting all", delete_all, dataset, document)
    print(f"{CLIENT}:", ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    return 1 if outcomes["FAILED"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: official_names.py BASE_URL API_KEY")
    raise SystemExit(main(*sys.argv[1:]))
