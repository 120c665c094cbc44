"""Ready steps in workflows, the examples, and what instrumentation and OpenTelemetry see of a run."""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.workflow import Context, StartEvent, step
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span import SimpleSpan
from llama_index_instrumentation.span_handlers import SimpleSpanHandler
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever, RAGFlowToolSpec, RunContext
from llamaindex_ragflow.testing.scripted import agents
from llamaindex_ragflow.workflows import (
    AnswerDeltaEvent,
    AnswerStep,
    QuestionEvent,
    RerankedEvent,
    RerankStep,
    RetrievedEvent,
    RetrieveStep,
)
from ragflow_integrations import InvalidRequestError, NotFoundError, RAGFlow, Scope
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from tests.llamaindex.conftest import HARBOUR, QUESTION, KnowledgeBase, build
from tests.llamaindex.test_scope import files

ROOT = Path(__file__).resolve().parents[2]


class Handbook(RetrieveStep, RerankStep, AnswerStep):
    """All three."""


class Backwards(BaseNodePostprocessor):
    """The worst first, of the best two."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        return nodes[:2][::-1]


def handbook(kb: KnowledgeBase, **options: Any) -> Handbook:
    """On the handbook; the assistant answers."""
    given: dict[str, Any] = {
        "retriever": RAGFlowRetriever([kb.dataset_id], client=kb.client, similarity_threshold=0.0),
        "engine": RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client),
        **options,
    }
    return Handbook(**given)


async def test_retrieve_rerank_answer(kb: KnowledgeBase) -> None:
    """The sources on their way are in the stream of events, as each step left them; the answer has citations."""
    run = handbook(kb, postprocessors=[Backwards()]).run(question=QUESTION)
    seen = [event async for event in run.stream_events()]
    (found,) = [event for event in seen if isinstance(event, RetrievedEvent)]
    (ranked,) = [event for event in seen if isinstance(event, RerankedEvent)]
    assert len(found.nodes) == 4
    assert [one.node_id for one in ranked.nodes] == [one.node_id for one in found.nodes[:2]][::-1]
    response: Any = await run
    assert "six weeks" in str(response)
    cited = {node.node_id for node in response.source_nodes} & set(response.metadata["cited_node_ids"])
    assert cited
    assert {node.node.ref_doc_id for node in response.source_nodes} <= {
        node.node.ref_doc_id for node in ranked.nodes
    }


async def test_an_engine_that_streams(kb: KnowledgeBase) -> None:
    """Its pieces are in the stream of events, the result is whole, with its sources."""
    engine = RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client, streaming=True)
    run = handbook(kb, engine=engine).run(question=QUESTION)
    pieces = [event.delta async for event in run.stream_events() if isinstance(event, AnswerDeltaEvent)]
    response: Any = await run
    assert "".join(pieces) == str(response)
    assert response.source_nodes
    assert response.metadata["citations"]


async def test_a_model_of_llamaindex_answers(kb: KnowledgeBase) -> None:
    """From exactly the nodes that were left."""
    retriever = RAGFlowRetriever([kb.dataset_id], client=kb.client)
    engine = RAGFlowQueryEngine(retriever=retriever, llm=MockLLM())
    response: Any = await handbook(kb, engine=engine, postprocessors=[Backwards()]).run(question=QUESTION)
    assert len(response.source_nodes) == 2
    assert all(node.text.strip() in str(response) for node in response.source_nodes)


async def test_nothing_is_found(kb: KnowledgeBase) -> None:
    """No reranker is asked, and the assistant answers from no document, not from all."""

    class Never(Backwards):
        def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> Any:
            raise AssertionError("asked")

    nothing = RAGFlowRetriever([kb.dataset_id], client=kb.client, similarity_threshold=1.0)
    response: Any = await handbook(kb, retriever=nothing, postprocessors=[Never()]).run(question=QUESTION)
    assert (str(response), response.source_nodes) == ("Empty Response", [])
    cut = SimilarityPostprocessor(similarity_cutoff=1.0)
    response = await handbook(kb, postprocessors=[cut, cut]).run(question=QUESTION)
    assert response.source_nodes == []


async def test_failures_end_the_run(kb: KnowledgeBase) -> None:
    """With their own errors, from each step."""
    with pytest.raises(InvalidRequestError, match="question"):
        await handbook(kb).run(question=" ")
    unknown = RAGFlowRetriever(["0" * 32], client=kb.client)
    with pytest.raises(NotFoundError):
        await handbook(kb, retriever=unknown).run(question=QUESTION)
    gone = RAGFlowQueryEngine(chat_id="0" * 32, client=kb.client)
    with pytest.raises(NotFoundError):
        await handbook(kb, engine=gone).run(question=QUESTION)
    with pytest.raises(TypeError, match="retriever"):
        Handbook(engine=gone)  # type: ignore[call-arg]


@pytest.mark.parametrize("kb", ["loopback"], indirect=True)
async def test_runs_beside_one_another(kb: KnowledgeBase) -> None:
    """Each with its own context, which says what may be seen; thirty-two at once."""

    async def theirs(run: RunContext) -> Scope:
        return Scope([kb.dataset_id], [kb.documents[f"{await run.context.store.get('user')}.txt"]])

    workflow = handbook(
        kb,
        retriever=RAGFlowRetriever(client=kb.client, scope=theirs, similarity_threshold=0.0),
        engine=RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client, scope=theirs),
    )

    async def ask(user: str) -> set[str]:
        context: Any = Context(workflow)
        await context.store.set("user", user)
        response: Any = await workflow.run(ctx=context, question=HARBOUR)
        return files(response.source_nodes)

    users = ["boats", "lamps", "leave", "notice"] * 8
    assert await asyncio.gather(*map(ask, users)) == [{f"{user}.txt"} for user in users]


async def test_with_steps_of_ones_own(kb: KnowledgeBase) -> None:
    """Between the ready ones, by the events."""

    class Asked(StartEvent):
        text: str

    class Own(RetrieveStep, AnswerStep):
        @step
        async def begin(self, event: Asked) -> QuestionEvent:
            return QuestionEvent(question=event.text.split(":")[-1])

        @step
        async def best(self, event: RetrievedEvent) -> RerankedEvent:
            return RerankedEvent(question=event.question, nodes=event.nodes[:1])

    own = Own(
        retriever=RAGFlowRetriever([kb.dataset_id], client=kb.client),
        engine=RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client),
    )
    response: Any = await own.run(start_event=Asked(text=f"Please tell: {QUESTION}"))
    assert files(response.source_nodes) == {"notice.txt"}


# --- examples ----------------------------------------------------------------------------------------


def shown(example: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints when it is run as a program."""
    runpy.run_path(str(ROOT / "examples" / example), run_name="__main__")
    return capsys.readouterr().out


WORKFLOW = """\
sources: notice.txt, leave.txt
The notice period is six weeks. [ID:0]
characters 32 to 38 cite notice.txt
1 citations were resolved
"""
AGENT = """\
monday, ann: My boat is called Albatross. What colour must it have?
  search: boats.txt
  Boats in the harbour are painted blue. A boat needs a licence from the harbour master.
tuesday, ann: What is my boat called?
  User Input: My boat is called Albatross. What colour must it have? Agent Response: Boats in the harbour are \
painted blue. A boat needs a licence from the harbour master.
"""


@pytest.fixture
def served() -> Iterator[tuple[dict[str, str], RAGFlow]]:
    """An engine on loopback, by environment and by client."""
    engine = open_engine(":memory:")
    with running_server(engine) as server, RAGFlow(server.api_key, server.base_url) as client:
        yield {"RAGFLOW_BASE_URL": server.base_url, "RAGFLOW_API_KEY": server.api_key}, client
    engine.close()


@agents
@pytest.mark.parametrize(
    ("example", "output"),
    [("llamaindex_workflow.py", WORKFLOW), ("llamaindex_agent.py", AGENT)],
)
def test_the_examples_run(
    served: tuple[dict[str, str], RAGFlow],
    example: str,
    output: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the engine in their own process and on a server, where they leave nothing behind."""
    environment, client = served
    monkeypatch.setattr(sys, "argv", [example])
    monkeypatch.delenv("RAGFLOW_BASE_URL", raising=False)
    assert shown(example, capsys) == output
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert shown(example, capsys) == output
    left = [client.list_datasets(), client.list_chats(), client.list_memory()["memory_list"]]
    assert left == [[], [], []]


# --- instrumentation ---------------------------------------------------------------------------------


class Exporter(SimpleSpanHandler):
    """LlamaIndex's spans as OpenTelemetry's, with all that a handler is given of a call."""

    def __init__(self, provider: TracerProvider) -> None:
        super().__init__()
        self._tracer = provider.get_tracer("test")
        self._told: dict[str, str] = {}

    def new_span(self, id_: str, bound_args: Any, instance: Any = None, **kwargs: Any) -> SimpleSpan | None:
        facts = getattr(instance, "__dict__", {})
        self._told[id_] = f"{bound_args!r} {instance!r} {facts!r} {kwargs!r}"
        return super().new_span(id_, bound_args, instance, **kwargs)

    def prepare_to_exit_span(
        self, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **kwargs: Any
    ) -> SimpleSpan | None:
        self._export(id_, result)
        return super().prepare_to_exit_span(id_, bound_args, instance, result, **kwargs)

    def prepare_to_drop_span(
        self, id_: str, bound_args: Any, instance: Any = None, err: BaseException | None = None, **kwargs: Any
    ) -> SimpleSpan | None:
        self._export(id_, err)
        return super().prepare_to_drop_span(id_, bound_args, instance, err, **kwargs)

    def _export(self, id_: str, result: Any) -> None:
        with self._tracer.start_as_current_span(id_.rpartition("-")[0].split("-")[0]) as span:
            span.set_attribute("told", self._told.pop(id_, ""))
            span.set_attribute("result", f"{result!r} {getattr(result, '__dict__', {})!r}")


class Events(BaseEventHandler):
    """LlamaIndex's events as spans of their own."""

    def __init__(self, provider: TracerProvider) -> None:
        super().__init__()
        self._tracer = provider.get_tracer("test")

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        with self._tracer.start_as_current_span(event.class_name()) as span:
            span.set_attribute("event", event.model_dump_json(exclude={"tags"}))
            span.set_attribute("tags", f"{event.tags}")  # by LlamaIndex, of what a workflow's step was given


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """What OpenTelemetry's exporter is handed of a test."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    root, handlers = get_dispatcher(), (Exporter(provider), Events(provider))
    root.add_span_handler(handlers[0])
    root.add_event_handler(handlers[1])
    yield exporter
    root.span_handlers.remove(handlers[0])
    root.event_handlers.remove(handlers[1])
    provider.shutdown()


async def test_what_is_exported(
    served: tuple[dict[str, str], RAGFlow], exported: InMemorySpanExporter
) -> None:
    """The steps, the retrieval, the tools and our own events; nowhere the key, and in our events no text."""
    environment, client = served
    kb = await asyncio.to_thread(build, client)
    workflow = handbook(kb)
    await workflow.run(question=QUESTION)
    (search,) = RAGFlowToolSpec([kb.dataset_id], client=client).to_tool_list(["search"])
    await search.acall(question=QUESTION)
    with pytest.raises(NotFoundError):
        await handbook(kb, retriever=RAGFlowRetriever(["0" * 32], client=client)).run(question=QUESTION)
    spans = exported.get_finished_spans()
    told = [
        f"{span.name} {dict(span.attributes or {})} {[e.attributes for e in span.events]}" for span in spans
    ]
    names = {span.name for span in spans}
    assert {
        "RetrieveStep.retrieve",
        "RAGFlowRetriever.aretrieve",
        "RAGFlowTool.acall",
        "CitationResolved",
    } <= names
    ours = [str((one.attributes or {})["event"]) for one in spans if one.name == "CitationResolved"]
    assert ours
    assert kb.documents["notice.txt"] in ours[0]
    assert [text for text in ours if "six weeks" in text or QUESTION in text] == []
    assert "six weeks" in "".join(told)  # LlamaIndex's own spans have what was found
    assert [text for text in told if environment["RAGFLOW_API_KEY"] in text] == []
