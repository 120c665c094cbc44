"""Graphs that stop in the middle and are resumed, each time by another process on the same folder.

python -m tests.langchain.resumed FOLDER CASE …      what each says when it is resumed
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain.tools import ToolRuntime, tool
from langchain_core.documents import Document
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict

import ragflow_integrations.local.server  # noqa: F401 - here once, and not in each process
from langchain_ragflow import (
    RAGFlowMemoryMiddleware,
    RAGFlowRetrievalMiddleware,
    RAGFlowRetriever,
    RAGFlowSearchTool,
    RAGFlowStore,
    RAGFlowToolkit,
)
from ragflow_integrations import RAGFlow
from tests.langchain.agents import ScriptedModel, answers, calls, told
from tests.langchain.file_saver import FileSaver

QUESTION = "How long is the notice period?"
THREAD: Any = {"configurable": {"thread_id": "t"}}
KILLED = -signal.SIGKILL


def dies(messages: Any) -> Any:
    """A turn of a model, or a node, in which the process is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def handbook(client: RAGFlow, begins: bool) -> str:
    """A dataset with an answer; its id."""
    if not begins:
        return client.get_dataset(name="handbook").id
    dataset = client.create_dataset("handbook")
    dataset.upload(b"The notice period is six weeks.", name="notice.txt")
    return dataset.id


def notes(client: RAGFlow, begins: bool, **fields: Any) -> RAGFlowStore:
    """A store."""
    store = RAGFlowStore(client=client, dataset_name="notes", **fields)
    if begins:
        store.setup()
    return store


@tool
def note(text: str, runtime: ToolRuntime) -> str:
    """Notes something."""
    assert runtime.store is not None
    runtime.store.put(("notes",), "one", {"text": text})
    return "noted"


def an_agent(way: str, client: RAGFlow, folder: Path, begins: bool) -> None:
    """Killed when its tools are done; with a store, a memory and middleware."""
    dataset_id, store = handbook(client, begins), notes(client, begins, user="ann")
    if begins:
        memory_id = client.create_memory("memory", ["raw"], "hashed-512@Builtin", "extractive@Builtin").id
    else:
        memory_id = client.list_memory()["memory_list"][0].id
    search = RAGFlowSearchTool(client=client, dataset_ids=[dataset_id], k=1)
    work = calls(("note", {"text": "Ask for six weeks."}), (search.name, {"query": "notice"}))
    model = ScriptedModel(turns=[work, dies] if begins else [answers("Six weeks.")])
    agent: Any = create_agent(
        model,
        [note, search],
        middleware=[
            RAGFlowMemoryMiddleware(client=client, memory_ids=[memory_id], user="ann"),
            RAGFlowRetrievalMiddleware(client=client, dataset_ids=[dataset_id], k=1),
        ],
        store=store,
        checkpointer=FileSaver(folder / "checkpoints"),
    )
    asked = {"messages": [("user", QUESTION)]} if begins else None
    if way == "async":  # with durability="sync" each step is on disk before the next begins
        state = asyncio.run(agent.ainvoke(asked, THREAD, durability="sync"))
    else:
        state = agent.invoke(asked, THREAD, durability="sync")
    print(state["messages"][-1].text, [message.status for message in told(state["messages"])])
    print(state["ragflow_sources"][0]["metadata"]["source"], "six weeks" in model.seen[0][0].text)
    print(store.search(("notes",), query="How many weeks?")[0].value)
    print([message.content for message in client.search_message("notice period", [memory_id])])


class State(TypedDict, total=False):
    question: str
    documents: list[Document]
    answer: str


def a_graph(client: RAGFlow, folder: Path, begins: bool) -> None:
    """Killed in its second node; its state has documents."""
    handbook(client, begins)
    retriever = RAGFlowRetriever(client=client, dataset_names=["handbook"], k=1)

    def retrieve(state: State, runtime: Runtime[Any]) -> State:
        assert runtime.store is not None
        runtime.store.put(("asked",), "question", {"text": state["question"]})
        return {"documents": retriever.invoke(state["question"])}

    def answer(state: State, runtime: Runtime[Any]) -> State:
        if begins:
            dies(state)
        assert runtime.store is not None
        asked: Any = runtime.store.get(("asked",), "question")
        return {"answer": f"{asked.value['text']} {state['documents'][0].page_content.strip()}"}

    builder: Any = StateGraph(State)
    builder.add_node("retrieve", retrieve)
    builder.add_node("answer", answer)
    builder.add_edge(START, "retrieve")
    builder.add_edge("retrieve", "answer")
    builder.add_edge("answer", END)
    graph = builder.compile(store=notes(client, begins), checkpointer=FileSaver(folder / "checkpoints"))
    asked = {"question": QUESTION} if begins else None
    print(graph.invoke(asked, THREAD, durability="sync")["answer"])


def a_human(client: RAGFlow, folder: Path, begins: bool) -> None:
    """Interrupted before a tool, and resumed when somebody has agreed; artifacts are in the state."""
    tools = RAGFlowToolkit(client=client, dataset_ids=[handbook(client, begins)]).get_tools()
    turns = [calls(("ragflow_search", {"query": "notice"})), calls(("ragflow_list_datasets", {}))]
    agent: Any = create_agent(
        ScriptedModel(turns=turns if begins else [answers("done")]),
        tools,
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"ragflow_list_datasets": True})],
        checkpointer=FileSaver(folder / "checkpoints"),
    )
    if begins:
        agent.invoke({"messages": [("user", "?")]}, THREAD)
    else:
        done = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
        print(done["messages"][-1].text, told(done["messages"])[0].artifact[0]["metadata"]["source"])


CASES: dict[str, tuple[Callable[..., None], int]] = {
    "agent": (partial(an_agent, "sync"), KILLED),
    "agent in coroutines": (partial(an_agent, "async"), KILLED),
    "graph": (a_graph, KILLED),
    "human": (a_human, 0),
}
"""What is run, and how the first process ends."""


def in_a_process(case: Callable[..., None], folder: Path, begins: bool) -> int:
    """Run a step; how its process ended."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended = 1
    try:
        with RAGFlow.local(folder) as client:
            case(client, folder, begins)
        ended = 0
    except BaseException:  # noqa: BLE001 - the test sees it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(ended)


def main(folder: Path, names: list[str]) -> None:
    """Each step in a process of its own, which has nothing but the folder of the one before."""
    for name in names:
        case, ending = CASES[name]
        place = folder / name
        place.mkdir()
        print(f"--- {name}")
        assert in_a_process(case, place, begins=True) == ending
        assert in_a_process(case, place, begins=False) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
