"""What tracers get of a question: one trace, each step once, what the server counted, and no key.

LangSmith's own client sends its runs to a server on loopback here; OpenTelemetry's in-memory exporter keeps spans.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_ragflow import ChatRAGFlow, RAGFlowRetriever, RAGFlowSearchTool
from langchain_ragflow.middleware import RAGFlowRetrievalMiddleware
from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.testing import KnowledgeBase, knowledge_base
from tests.langchain.agents import ScriptedModel, answers, calls

KEY = "ragflow-a-key-that-must-not-leak"
BATCHES = {
    "use_multipart_endpoint": False,
    "size_limit": 100,
    "size_limit_bytes": 20_000_000,
    "scale_up_nthreads_limit": 1,
    "scale_up_qsize_trigger": 1000,
    "scale_down_nempty_trigger": 4,
}


@dataclass
class LangSmith:
    """LangSmith's client, and what it sent."""

    client: Client
    bodies: list[bytes] = field(default_factory=list)

    @property
    def tracer(self) -> LangChainTracer:
        return LangChainTracer(client=self.client, project_name="tests")

    def runs(self) -> list[dict[str, Any]]:
        """The runs, as they are in the end, in the order in which they began."""
        self.client.flush()
        runs: dict[str, dict[str, Any]] = {}
        for body in self.bodies:
            for run in [one for kind in ("post", "patch") for one in json.loads(body).get(kind, [])]:
                held = runs.setdefault(run["id"], {})
                held.update({name: value for name, value in run.items() if value is not None})
        return list(runs.values())


@pytest.fixture
def langsmith() -> Iterator[LangSmith]:
    """A server on loopback where LangSmith's would be."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield LangSmith(Client(url, api_key="ls-key", info={"batch_ingest_config": BATCHES}), bodies)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def kb() -> Iterator[KnowledgeBase]:
    """On loopback, where there is a key that could be told."""
    with (
        open_engine(":memory:") as engine,
        running_server(engine, api_key=KEY) as server,
        RAGFlow(KEY, server.base_url) as client,
        knowledge_base(client) as made,
    ):
        yield made


def chain(kb: KnowledgeBase, **fields: Any) -> Runnable[Any, Any]:
    """Looks something up and asks."""
    retriever = RAGFlowRetriever(client=kb.client, dataset_ids=[kb.dataset_id])
    prompt = ChatPromptTemplate.from_template("How long is the notice period? {found}")
    model = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, **fields)
    return {"found": retriever} | prompt | model


WAYS: dict[str, Callable[[Any, str, Any], Any]] = {
    "invoke": lambda made, question, config: made.invoke(question, config),
    "ainvoke": lambda made, question, config: asyncio.run(made.ainvoke(question, config)),
    "stream": lambda made, question, config: list(made.stream(question, config)),
    "astream": lambda made, question, config: asyncio.run(_astream(made, question, config)),
    "batch": lambda made, question, config: made.batch([question], config),
}


async def _astream(made: Any, question: str, config: Any) -> None:
    async for _ in made.astream(question, config):
        pass


def names(runs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What was run, and what kind of thing it is."""
    return sorted((run["name"], run["run_type"]) for run in runs)


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_one_trace_at_langsmith(kb: KnowledgeBase, langsmith: LangSmith, way: str) -> None:
    """In every way of asking each step is there once, under one root, and is ended."""
    WAYS[way](chain(kb), kb.question, {"callbacks": [langsmith.tracer]})
    runs = langsmith.runs()
    assert names(runs) == [
        ("ChatPromptTemplate", "prompt"),
        ("ChatRAGFlow", "llm"),
        ("RAGFlowRetriever", "retriever"),
        ("RunnableParallel<found>", "chain"),
        ("RunnableSequence", "chain"),
    ]
    assert len({run["trace_id"] for run in runs}) == 1
    assert [run["name"] for run in runs if "parent_run_id" not in run] == ["RunnableSequence"]
    assert all(run["end_time"] and "error" not in run for run in runs)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("api", ["openai", "native"])
def test_usage_is_what_the_server_counted(
    kb: KnowledgeBase, langsmith: LangSmith, api: str, way: str
) -> None:
    """Where it counts; elsewhere there is none, and never a guess."""
    made = ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, api=api)  # type: ignore[arg-type]
    WAYS[way](made, kb.question, {"callbacks": [langsmith.tracer]})
    (run,) = langsmith.runs()
    message = run["outputs"]["generations"][0][0]["message"]["kwargs"]
    usage = message.get("usage_metadata")
    assert (usage is not None) == (api == "openai")
    if usage:
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    metadata = run["extra"]["metadata"]
    assert (metadata["ls_provider"], metadata["ls_model_name"]) == ("ragflow", kb.chat_id)


def agent(kb: KnowledgeBase) -> Any:
    """Searches by a tool, and before that by middleware."""
    fields: Any = {"client": kb.client, "dataset_ids": [kb.dataset_id]}
    model = ScriptedModel(turns=[calls(("ragflow_search", {"query": kb.topic})), answers("Six weeks.")])
    return create_agent(
        model, tools=[RAGFlowSearchTool(**fields)], middleware=[RAGFlowRetrievalMiddleware(**fields)]
    )


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_an_agents_run_is_one_trace(kb: KnowledgeBase, langsmith: LangSmith, way: str) -> None:
    """The tool and the middleware are steps of it, once each."""
    question: Any = {"messages": [("user", kb.question)]}
    WAYS[way](agent(kb), question, {"callbacks": [langsmith.tracer]})
    runs = langsmith.runs()
    assert len({run["trace_id"] for run in runs}) == 1
    assert len([run for run in runs if "parent_run_id" not in run]) == 1
    steps = [run["name"] for run in runs]
    assert steps.count("ragflow_search") == 1
    assert steps.count("RAGFlowRetrievalMiddleware.before_agent") == 1
    assert steps.count("ScriptedModel") == 2


def test_no_key_is_sent(kb: KnowledgeBase, langsmith: LangSmith) -> None:
    """Neither that of a client nor that of the fields, in the runs of a chain, a tool, an agent and a failure."""
    config: Any = {"callbacks": [langsmith.tracer]}
    chain(kb).invoke(kb.question, config)
    agent(kb).invoke({"messages": [("user", kb.question)]}, config)
    own = RAGFlowRetriever(base_url=kb.client.base_url, api_key=KEY, dataset_ids=[kb.dataset_id])
    with own._sync():
        own.invoke(kb.topic, config)
        with pytest.raises(Exception, match="0000"):
            own.invoke(kb.topic, config, dataset_ids=["0" * 32])
    assert len(langsmith.runs()) > 10
    assert not [body for body in langsmith.bodies if KEY.encode() in body]


def calls_of(spans: tuple[ReadableSpan, ...]) -> list[str]:
    """What the client asked of the server."""
    found = [str((span.attributes or {}).get("ragflow.operation", "")) for span in spans]
    return sorted(filter(None, found))


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_one_trace_of_spans(
    kb: KnowledgeBase, exporter: InMemorySpanExporter, way: str
) -> None:
    """Each request is one span, within the caller's, also in threads and coroutines; none has the key."""
    with trace.get_tracer("tests").start_as_current_span("question") as outer:
        WAYS[way](chain(kb, api="native"), kb.question, {})
    spans = exporter.get_finished_spans()
    assert calls_of(spans) == ["Chat.ask", "RAGFlow.retrieve"]
    assert {span.get_span_context().trace_id for span in spans} == {outer.get_span_context().trace_id}  # type: ignore[union-attr]
    assert KEY not in "".join(span.to_json() for span in spans)


def test_langsmiths_spans_and_ours_are_one_trace(kb: KnowledgeBase, exporter: InMemorySpanExporter) -> None:
    """Where LangSmith writes OpenTelemetry's spans: LangChain's steps and the client's requests, each once."""
    client = Client(
        "http://127.0.0.1:9",
        api_key="ls-key",
        info={"batch_ingest_config": BATCHES},
        tracing_mode="otel",
        otel_tracer_provider=trace.get_tracer_provider(),  # type: ignore[arg-type]
    )
    tracer = LangChainTracer(client=client, project_name="tests")
    with trace.get_tracer("tests").start_as_current_span("question") as outer:
        chain(kb, api="openai").invoke(kb.question, {"callbacks": [tracer]})
    client.flush()
    spans = exporter.get_finished_spans()
    assert sorted(span.name for span in spans if "ragflow.operation" not in (span.attributes or {})) == [
        *("ChatPromptTemplate", "ChatRAGFlow", "RAGFlowRetriever"),
        *("RunnableParallel<found>", "RunnableSequence", "question"),
    ]
    assert calls_of(spans) == ["RAGFlow.chat_completions", "RAGFlow.retrieve"]
    assert {span.get_span_context().trace_id for span in spans} == {outer.get_span_context().trace_id}  # type: ignore[union-attr]
    assert KEY not in "".join(span.to_json() for span in spans)
