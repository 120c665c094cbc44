"""Spans and log lines: what they tell, and what they must never tell."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ragflow_integrations import AsyncRAGFlow, ConnectError, InvalidRequestError, NotFoundError, RAGFlow
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server

KEY = "ragflow-a-key-that-must-not-leak"
QUESTION = "How does the moray eel breathe?"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Engine(tmp_path_factory.mktemp("kb")) as engine, running_server(engine, api_key=KEY) as server:
        yield server.base_url


def told(spans: list[ReadableSpan] | tuple[ReadableSpan, ...]) -> str:
    return "\n".join(span.to_json() for span in spans)


def test_a_span_for_each_call(url: str, exporter: InMemorySpanExporter) -> None:
    """Route, status, retries and bytes; neither key nor ids nor text."""
    with RAGFlow(KEY, url) as client:
        dataset = client.create_dataset("eels")
        assert client.retrieve(QUESTION, [dataset.id]) == []
    made, asked = exporter.get_finished_spans()
    assert made.name == "POST /api/v1/datasets"
    assert asked.attributes is not None
    assert asked.attributes["ragflow.operation"] == "RAGFlow.retrieve"
    assert asked.attributes["http.response.status_code"] == 200
    assert asked.attributes["http.request.resend_count"] == 0
    assert int(str(asked.attributes["http.response.body.size"])) > 20
    assert KEY not in told([made, asked])
    assert QUESTION not in told([made, asked])


def test_content_by_opt_in_only(
    url: str, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the standard variable set, a span takes the request's body along; never the key."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    with RAGFlow(KEY, url) as client:
        client.retrieve(QUESTION, [client.create_dataset("eels").id])
    spans = exporter.get_finished_spans()
    assert QUESTION in str((spans[-1].attributes or {})["ragflow.request.body"])
    assert KEY not in told(spans)


async def test_a_failed_call(url: str, exporter: InMemorySpanExporter) -> None:
    """An error answer at HTTP 200 is an error of its span, by kind and code."""
    async with AsyncRAGFlow(KEY, url, server_version="0.27") as client:
        with pytest.raises(NotFoundError):
            await client.get_dataset("0" * 32)
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /api/v1/datasets/{dataset_id}"
    assert span.attributes is not None
    assert (span.attributes["error.type"], span.attributes["ragflow.code"]) == ("NotFoundError", 102)
    assert not span.status.is_ok


@pytest.fixture
def chat_id(url: str) -> str:
    """A chat that knows of eels."""
    with RAGFlow(KEY, url, server_version="0.27") as client:
        dataset = client.create_dataset("eels")
        dataset.upload(b"The moray eel breathes.", name="eel.txt", interval=0.05)
        return client.create_chat(f"eels in {dataset.id}", dataset_ids=[dataset.id]).id


@pytest.mark.parametrize("early", [False, True])
def test_a_stream_is_one_span(url: str, chat_id: str, exporter: InMemorySpanExporter, early: bool) -> None:
    """It ends with the stream, read to its end or closed early, which is no error."""
    with RAGFlow(KEY, url, server_version="0.27") as client:
        chat = client.chat(chat_id)
        exporter.clear()
        with chat.ask(QUESTION, stream=True) as stream:
            next(stream)
            assert exporter.get_finished_spans() == ()
            if not early:
                list(stream)
    (span,) = exporter.get_finished_spans()
    assert span.status.is_ok or span.status.is_unset
    assert int(str((span.attributes or {})["http.response.body.size"])) > 0
    assert "eel" not in told([span]).lower()


@pytest.mark.parametrize("begun", [False, True])
def test_a_dropped_stream(url: str, chat_id: str, exporter: InMemorySpanExporter, begun: bool) -> None:
    """One that nobody holds any more is over, whether a piece of it was read or none."""
    with RAGFlow(KEY, url, server_version="0.27") as client:
        exporter.clear()
        stream = client.chat(chat_id).ask(QUESTION, stream=True)
        if begun:
            next(stream)
        assert exporter.get_finished_spans() == ()
        del stream
        assert len(exporter.get_finished_spans()) == 1


async def test_a_dropped_stream_of_a_loop(url: str, chat_id: str, exporter: InMemorySpanExporter) -> None:
    """The same in an event loop."""
    async with AsyncRAGFlow(KEY, url, server_version="0.27") as client:
        exporter.clear()
        stream = await client.chat(chat_id).ask(QUESTION, stream=True)
        del stream
        assert len(exporter.get_finished_spans()) == 1


async def test_calls_belong_to_their_task(url: str, exporter: InMemorySpanExporter) -> None:
    """A span is within the one of the task, or thread, that makes the call, also where several do at once."""
    tracer = trace.get_tracer("caller")

    async def ask(client: AsyncRAGFlow, name: str) -> None:
        with tracer.start_as_current_span(name):
            await client.list_datasets()
            await asyncio.to_thread(client.as_sync().list_datasets)

    async with AsyncRAGFlow(KEY, url) as client:
        await asyncio.gather(*(ask(client, f"caller {number}") for number in range(3)))
    spans = exporter.get_finished_spans()
    callers = {span.context.span_id for span in spans if span.name.startswith("caller")}
    parents = [span.parent.span_id for span in spans if span.parent]
    assert sorted(parents) == sorted([*callers, *callers])


def test_a_body_that_cannot_be(
    url: str, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling it does not change how it is refused."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    with RAGFlow(KEY, url) as client, pytest.raises(InvalidRequestError, match="ext=.*: give a dict"):
        client.create_dataset("eels", ext={(1, 2): 3})  # type: ignore[dict-item]


def test_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A line for each call at DEBUG, a line for each retry at INFO; no key, no question, no host's secrets."""
    with caplog.at_level(logging.DEBUG, "ragflow_integrations"):
        with RAGFlow(KEY, url) as client:
            client.retrieve(QUESTION, [client.create_dataset("eels").id])
        with RAGFlow(KEY, "http://127.0.0.1:9", max_retries=1) as client, pytest.raises(ConnectError):
            client.list_datasets()
    lines = [record.getMessage() for record in caplog.records if record.name == "ragflow_integrations"]
    assert any(line.startswith("POST /api/v1/retrieval: HTTP 200, ok, ") for line in lines)
    assert any("ConnectError; again in" in line for line in lines)
    assert KEY not in caplog.text
    assert QUESTION not in caplog.text


def test_nothing_is_done_where_it_is_not_set_up() -> None:
    """A program that has imported OpenTelemetry, as many libraries do, but not set it up, makes no spans."""
    code = (
        "from opentelemetry import trace\n"
        "from ragflow_integrations.config import Settings\n"
        "from ragflow_integrations.protocol.wire import Request\n"
        "from ragflow_integrations.telemetry import Observed\n"
        "settings = Settings('http://h', None)\n"
        "print(Observed(Request('GET', '/'), settings, None)._span)\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "print(Observed(Request('GET', '/'), settings, None)._span.name)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["None", "GET"]


def test_nothing_is_loaded_for_it() -> None:
    """A program that does not use OpenTelemetry does not import it."""
    code = (
        "import sys, ragflow_integrations as r\n"
        "c = r.RAGFlow('k', 'http://127.0.0.1:9', max_retries=0)\n"
        "try:\n    c.list_datasets()\n"
        "except r.ConnectError:\n    print([m for m in sys.modules if 'opentelemetry' in m])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_stream_that_is_left_until_python_shuts_down(url: str, chat_id: str) -> None:
    """Nothing is imported any more then, and nothing printed."""
    code = (
        "import sys, httpx\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "from ragflow_integrations import RAGFlow\n"
        "client = RAGFlow(sys.argv[1], sys.argv[2])\n"
        "httpx.kept = client.chat(sys.argv[3]).ask(sys.argv[4], stream=True)\n"  # a module goes last
        "next(httpx.kept)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, KEY, url, chat_id, QUESTION], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
