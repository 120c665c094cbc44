"""Graphs with our store and our middlewares, killed in the middle and resumed by another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

AGENT = """
import asyncio, os, signal, sys
from pathlib import Path
from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.messages import AIMessage
from langchain_ragflow import (
    RAGFlowMemoryMiddleware, RAGFlowRetrievalMiddleware, RAGFlowSearchTool, RAGFlowStore
)
from ragflow_integrations import RAGFlow
from tests.langchain.agents import ScriptedModel, answers, calls, told
from tests.langchain.file_saver import FileSaver

folder, way, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
client = RAGFlow.local(folder)
store = RAGFlowStore(client=client, dataset_name="notes", user="ann")
if step == "begin":
    store.setup()
    dataset = client.create_dataset("handbook")
    dataset.upload(b"The notice period is six weeks.", name="notice.txt")
    memory = client.create_memory("memory", ["raw"], "hashed-512@Builtin", "extractive@Builtin")
else:
    dataset, memory = client.get_dataset(name="handbook"), client.list_memory()["memory_list"][0]

@tool
def note(text: str, runtime: ToolRuntime) -> str:
    "Notes something."
    runtime.store.put(("notes",), "one", {"text": text})
    return "noted"

def dies(messages):
    os.kill(os.getpid(), signal.SIGKILL)

search = RAGFlowSearchTool(client=client, dataset_ids=[dataset.id], k=1)
turns = [calls(("note", {"text": "Ask for six weeks."}), (search.name, {"query": "notice"})), dies]
model = ScriptedModel(turns=turns if step == "begin" else [answers("Six weeks.")])
agent = create_agent(
    model,
    [note, search],
    middleware=[
        RAGFlowMemoryMiddleware(client=client, memory_ids=[memory.id], user="ann"),
        RAGFlowRetrievalMiddleware(client=client, dataset_ids=[dataset.id], k=1),
    ],
    store=store,
    checkpointer=FileSaver(folder / "checkpoints"),
)
thread = {"configurable": {"thread_id": "t"}}
asked = {"messages": [("user", "How long is the notice period?")]} if step == "begin" else None
# each step is on disk before the next begins
if way == "async":
    state = asyncio.run(agent.ainvoke(asked, thread, durability="sync"))
else:
    state = agent.invoke(asked, thread, durability="sync")
first = model.seen[0][0].text
print(state["messages"][-1].text)
print([message.status for message in told(state["messages"])])
print(state["ragflow_sources"][0]["metadata"]["source"], "six weeks" in first)
print(store.search(("notes",), query="How many weeks?")[0].value)
print([message.content for message in client.search_message("notice period", [memory.id])])
client.close()
"""

GRAPH = """
import os, signal, sys
from pathlib import Path
from typing import TypedDict
from langchain_core.documents import Document
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langchain_ragflow import RAGFlowRetriever, RAGFlowStore
from ragflow_integrations import RAGFlow
from tests.langchain.file_saver import FileSaver

folder, way, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
client = RAGFlow.local(folder)
store = RAGFlowStore(client=client, dataset_name="notes")
if step == "begin":
    store.setup()
    client.create_dataset("handbook").upload(b"The notice period is six weeks.", name="notice.txt")
retriever = RAGFlowRetriever(client=client, dataset_names=["handbook"], k=1)

class State(TypedDict, total=False):
    question: str
    documents: list[Document]
    answer: str

def retrieve(state: State, runtime: Runtime) -> State:
    runtime.store.put(("asked",), "question", {"text": state["question"]})
    return {"documents": retriever.invoke(state["question"])}

def answer(state: State, runtime: Runtime) -> State:
    if step == "begin":
        os.kill(os.getpid(), signal.SIGKILL)
    asked = runtime.store.get(("asked",), "question")
    return {"answer": asked.value["text"] + " " + state["documents"][0].page_content.strip()}

builder = StateGraph(State)
builder.add_node("retrieve", retrieve)
builder.add_node("answer", answer)
builder.add_edge(START, "retrieve")
builder.add_edge("retrieve", "answer")
builder.add_edge("answer", END)
graph = builder.compile(store=store, checkpointer=FileSaver(folder / "checkpoints"))
asked = {"question": "How long is the notice period?"} if step == "begin" else None
print(graph.invoke(asked, {"configurable": {"thread_id": "t"}}, durability="sync")["answer"])
client.close()
"""


def ran(code: str, strict: str, *args: Any) -> subprocess.CompletedProcess[str]:
    """A process of its own, to which every warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, args)],
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": strict},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("way", "strict"), [("sync", "false"), ("async", "true")])
def test_an_agent(tmp_path: Path, way: str, strict: str) -> None:
    """Killed when its tools are done: another process answers, with what was found, noted and will be remembered."""
    killed = ran(AGENT, strict, tmp_path, way, "begin")
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    done = ran(AGENT, strict, tmp_path, way, "resume")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "Six weeks.",
        "['success', 'success']",
        "notice.txt True",
        "{'text': 'Ask for six weeks.'}",
        "['User Input: How long is the notice period?\\nAgent Response: Six weeks.']",
    ]


@pytest.mark.parametrize("strict", ["true", "false"])
def test_a_graph(tmp_path: Path, strict: str) -> None:
    """The same of a plain graph, whose state has documents."""
    killed = ran(GRAPH, strict, tmp_path, "sync", "begin")
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    done = ran(GRAPH, strict, tmp_path, "sync", "resume")
    assert (done.stdout, done.stderr) == (
        "How long is the notice period? The notice period is six weeks.\n",
        "",
    )
