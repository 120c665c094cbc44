"""RAGFlowQueryEngine: answers, streams, sources."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.llms import MockLLM
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.settings import Settings

from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever
from llamaindex_ragflow.events import CitationResolved
from llamaindex_ragflow.testing.scripted import ScriptedLLM, answers
from ragflow_integrations import (
    APIError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    Scope,
    StreamInterruptedError,
    UnsupportedError,
)
from tests.llamaindex.conftest import HARBOUR, QUESTION, Call, KnowledgeBase, Seen, build
from tests.llamaindex.scripted import COMPLETIONS, Script, chunk, frame, streamed


def helpdesk(kb: KnowledgeBase, **options: Any) -> RAGFlowQueryEngine:
    """The assistant of the small dataset."""
    return RAGFlowQueryEngine(chat_id=kb.chat_id, **kb.clients, **options)


async def pieces(response: Any) -> list[str]:
    """What a streamed response hands out."""
    if isinstance(response, AsyncStreamingResponse):
        return [piece async for piece in response.async_response_gen()]
    assert isinstance(response, StreamingResponse)
    return await asyncio.to_thread(list, response.response_gen)


# --- a chat assistant answers -------------------------------------------------------------------------


async def test_an_answer_with_its_sources(kb: KnowledgeBase, call: Call) -> None:
    """The text, all chunks it rests on in the markers' order, and where it cites which."""
    response = await call(helpdesk(kb), "query", QUESTION)
    assert isinstance(response, Response)
    assert "six weeks" in str(response)
    assert response.source_nodes[0].metadata["document_name"] == "notice.txt"
    metadata = response.metadata or {}
    assert (metadata["chat_id"], metadata["session_id"]) == (kb.chat_id, None)
    assert metadata["citations"]
    for citation in metadata["citations"]:
        marker = str(response)[citation["start"] : citation["end"]]
        assert marker == f"[ID:{citation['index']}]"
        assert citation["node_id"] == response.source_nodes[citation["index"]].node_id
    cited = [node.node_id for node in response.source_nodes if node.metadata["cited"]]
    assert sorted(cited) == sorted(metadata["cited_node_ids"])


async def test_a_stream_ends_as_the_whole_answer(kb: KnowledgeBase, call: Call) -> None:
    """Pieces joined are the answer; sources and metadata, empty before, are the same objects filled."""
    whole = await call(helpdesk(kb), "query", QUESTION)
    response = await call(helpdesk(kb, streaming=True), "query", QUESTION)
    sources, metadata = response.source_nodes, response.metadata
    assert (sources, metadata["citations"], metadata["chat_id"]) == ([], [], kb.chat_id)
    got = await pieces(response)
    assert len(got) > 1
    assert "".join(got) == str(whole)
    assert response.source_nodes is sources
    assert sources == whole.source_nodes
    assert metadata == whole.metadata


async def test_streams_as_llama_index_reads_them(kb: KnowledgeBase, call: Call) -> None:
    """``get_response`` and ``str`` of a streamed response give the whole answer with its sources."""
    whole = await call(helpdesk(kb), "query", QUESTION)
    response = await call(helpdesk(kb, streaming=True), "query", QUESTION)
    if isinstance(response, AsyncStreamingResponse):
        read = await response.get_response()
    else:
        read = await asyncio.to_thread(response.get_response)
    assert (str(read), read.source_nodes, read.metadata) == (str(whole), whole.source_nodes, whole.metadata)
    assert await asyncio.to_thread(str, response) == str(whole)


def test_a_stream_outlives_the_loop_it_was_asked_in(kb: KnowledgeBase) -> None:
    """Nothing is open before the first piece, so a response may be read in another loop."""
    engine = helpdesk(kb, streaming=True)
    response = asyncio.run(engine.aquery(QUESTION))
    assert "six weeks" in "".join(asyncio.run(pieces(response)))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("version", ["0.24", "0.27"])
async def test_each_dialect(call: Call, version: str, streaming: bool) -> None:
    """The oldest server answers as the newest, also where it needs a session for that, of which none is left."""

    def opened() -> KnowledgeBase:
        return build(RAGFlow.local(api_version=version))

    kb = await asyncio.to_thread(opened)
    engine = helpdesk(kb, streaming=streaming, citation_style="numeric", cited_only=True)
    response = await call(engine, "query", QUESTION)
    text = "".join(await pieces(response)) if streaming else str(response)
    assert "six weeks. [1]" in text
    assert [node.metadata["document_name"] for node in response.source_nodes] == ["notice.txt"]
    assert response.metadata["session_id"] is None
    chat = await asyncio.to_thread(kb.client.get_chat, kb.chat_id)
    assert await asyncio.to_thread(sessions_of, chat) == []
    await asyncio.to_thread(kb.client.close)


async def test_a_chat_by_name(kb: KnowledgeBase, call: Call) -> None:
    """A name is as good as an id; an unknown one is an error that names it."""
    named = RAGFlowQueryEngine(chat_name="helpdesk", **kb.clients)
    assert (await call(named, "query", QUESTION)).metadata["chat_id"] == kb.chat_id
    with pytest.raises(NotFoundError, match="nobody"):
        await call(RAGFlowQueryEngine(chat_name="nobody", **kb.clients), "query", QUESTION)


async def test_nothing_is_stored_on_the_server(kb: KnowledgeBase, call: Call) -> None:
    """A query leaves no session behind."""
    chat = await asyncio.to_thread(kb.client.get_chat, kb.chat_id)
    before = await asyncio.to_thread(sessions_of, chat)
    await call(helpdesk(kb), "query", QUESTION)
    assert await asyncio.to_thread(sessions_of, chat) == before


def sessions_of(chat: Any) -> list[str]:
    """All of a chat's: conversations of other tests have some."""
    return [session.id for session in chat.iter_sessions()]


async def test_retrieve_finds_what_the_answer_rests_on(kb: KnowledgeBase, call: Call) -> None:
    """With the chat's own settings, so the same chunks in the same order."""
    response = await call(helpdesk(kb), "query", HARBOUR)
    nodes = await call(helpdesk(kb), "retrieve", QueryBundle(HARBOUR))
    assert [node.node_id for node in nodes] == [node.node_id for node in response.source_nodes]
    assert len(nodes) > 1


async def test_synthesize_keeps_to_the_nodes_documents(kb: KnowledgeBase, call: Call) -> None:
    """The answer comes from these documents only; additional sources are added at the end."""
    nodes = await call(helpdesk(kb), "retrieve", QueryBundle(HARBOUR))
    boats = [node for node in nodes if node.metadata["document_name"] == "boats.txt"]
    others = [node for node in nodes if node not in boats]
    response = await call(helpdesk(kb), "synthesize", QueryBundle(HARBOUR), boats, others)
    used, added = response.source_nodes[: -len(others)], response.source_nodes[-len(others) :]
    assert {node.node.ref_doc_id for node in used} == {kb.documents["boats.txt"]}
    assert added == others


@pytest.mark.parametrize("streaming", [False, True])
async def test_synthesize_without_nodes_asks_nobody(
    scripted: dict[str, Any], script: Script, call: Call, streaming: bool
) -> None:
    """No document to confine to would mean all of them: the answer says that there is nothing, as LlamaIndex does."""
    engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=streaming)
    response = await call(engine, "synthesize", QueryBundle(QUESTION), [])
    text = "".join(await pieces(response)) if streaming else str(response)
    assert (text, response.source_nodes, script.bodies) == ("Empty Response", [], [])


async def test_synthesize_from_foreign_nodes_is_refused(kb: KnowledgeBase, call: Call) -> None:
    """The server cannot know them."""
    foreign = [NodeWithScore(node=TextNode(text="x"))]
    with pytest.raises(InvalidRequestError, match="none of the 1 names its document"):
        await call(helpdesk(kb), "synthesize", QueryBundle(QUESTION), foreign)


# --- answers that a local engine does not give --------------------------------------------------------


def answer(text: str, chunks: list[dict[str, Any]]) -> Any:
    """A scripted answer, whole or streamed letter by letter."""

    def respond(body: dict[str, Any]) -> Any:
        if body["stream"]:
            return streamed(text, chunks)
        return {"answer": text, "reference": {"chunks": chunks}}

    return respond


@pytest.mark.parametrize("streaming", [False, True])
async def test_markers_cut_by_the_stream_and_beyond_the_sources(
    scripted: dict[str, Any], script: Script, call: Call, streaming: bool
) -> None:
    """A marker in pieces is one citation; one that points nowhere stays in the text and is reported."""
    script.answers[COMPLETIONS] = answer("A [ID:1] b [ID:9].", [chunk(0), chunk(1)])
    engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=streaming)
    response = await call(engine, "query", QUESTION)
    text = "".join(await pieces(response)) if streaming else str(response)
    assert text == "A [ID:1] b [ID:9]."
    assert response.metadata == {
        "chat_id": "c",
        "session_id": None,
        "citations": [{"index": 1, "start": 2, "end": 8, "node_id": "chunk1"}],
        "cited_node_ids": ["chunk1"],
        "unresolved_citations": [{"index": 9, "start": 11, "end": 17}],
    }
    assert [node.metadata["cited"] for node in response.source_nodes] == [False, True]


STYLES = {
    "ragflow": "A [ID:1] b [ID:9].",
    "numeric": "A [2] b [10].",
    "markdown": "A [^2] b [^10].\n\n[^2]: 1.txt",
    "none": "A b.",
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("style", "written"), STYLES.items())
async def test_citations_as_the_reader_wants_them(
    scripted: dict[str, Any],
    script: Script,
    call: Call,
    seen: Seen,
    style: str,
    written: str,
    streaming: bool,
) -> None:
    """Text, spans and events fit each other in each style, also where the stream cuts the markers."""
    script.answers[COMPLETIONS] = answer("A [ID:1] b [ID:9].", [chunk(0), chunk(1)])
    engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=streaming, citation_style=style)
    response = await call(engine, "query", QUESTION)
    text = "".join(await pieces(response)) if streaming else str(response)
    assert text == written
    (citation,), (unresolved,) = response.metadata["citations"], response.metadata["unresolved_citations"]
    assert (citation["index"], citation["node_id"], unresolved["index"]) == (1, "chunk1", 9)
    shown = [text[one["start"] : one["end"]] for one in (citation, unresolved)]
    assert shown == [word.strip(".") for word in written.split()[1:4:2]] if style != "none" else ["", ""]
    told = [event for event in seen.events if isinstance(event, CitationResolved)]
    assert [(event.index, event.node_id, event.document_id) for event in told] == [
        (1, "chunk1", "document1"),
        (9, None, None),
    ]
    assert [(event.start, event.end) for event in told] == [
        (one["start"], one["end"]) for one in (citation, unresolved)
    ]


@pytest.mark.parametrize("streaming", [False, True])
async def test_only_what_is_cited(
    scripted: dict[str, Any], script: Script, call: Call, streaming: bool
) -> None:
    """``cited_only`` leaves the cited sources, which know the number that cites them."""
    script.answers[COMPLETIONS] = answer("A [ID:2].", [chunk(number) for number in range(4)])
    engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=streaming, cited_only=True)
    response = await call(engine, "query", QUESTION)
    await pieces(response) if streaming else None
    (node,) = response.source_nodes
    assert (node.node_id, node.metadata["citation_index"], node.metadata["cited"]) == ("chunk2", 2, True)
    assert response.metadata["cited_node_ids"] == ["chunk2"]


async def test_what_the_server_tells_is_kept(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """Reasoning, usage and the documents' counts are there if the server sent them, streamed or not."""
    told = {
        "reference": {"chunks": [chunk(0)], "doc_aggs": [{"doc_id": "d", "doc_name": "0.txt", "count": 1}]},
        "usage": {"total_tokens": 7},
        "session_id": "one that was not kept",
    }

    def respond(body: dict[str, Any]) -> Any:
        if not body["stream"]:
            return {"answer": "<think>Hm.</think>Yes.", **told}
        frames: list[dict[str, Any]] = [
            {"answer": "", "start_to_think": True},
            {"answer": "Hm."},
            {"answer": "", "end_to_think": True},
            {"answer": "Yes."},
            {"answer": "", "final": True, **told},
        ]
        return [*(frame({"final": False, **one}) for one in frames), frame(True)]

    script.answers[COMPLETIONS] = respond
    for streaming in (False, True):
        engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=streaming)
        response = await call(engine, "query", QUESTION)
        text = "".join(await pieces(response)) if streaming else str(response)
        metadata = response.metadata
        assert (text, metadata["reasoning"], metadata["usage"]) == ("Yes.", "Hm.", {"total_tokens": 7})
        assert metadata["session_id"] is None
        assert metadata["documents"] == [{"document_id": "d", "document_name": "0.txt", "count": 1}]


async def test_an_answer_that_is_corrected_after_it_was_streamed(
    scripted: dict[str, Any], script: Script, call: Call
) -> None:
    """What was handed out stays; the whole that the server sent afterwards is told with its own citations."""
    script.answers[COMPLETIONS] = lambda body: [
        frame({"answer": "Six weeks."}),
        frame({"answer": "Six [ID:0] weeks.", "reference": {"chunks": [chunk(0)]}, "final": True}),
        frame(True),
    ]
    engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=True, citation_style="markdown")
    response = await call(engine, "query", QUESTION)
    assert "".join(await pieces(response)) == "Six weeks."
    assert response.metadata["citations"] == []
    assert response.metadata["final_text"] == "Six [^1] weeks.\n\n[^1]: 0.txt"
    assert response.metadata["final_citations"] == [{"index": 0, "start": 4, "end": 8, "node_id": "chunk0"}]
    assert response.source_nodes[0].metadata["cited"]


# --- a search application answers ---------------------------------------------------------------------


@pytest.fixture
def search_id(kb: KnowledgeBase) -> Iterator[str]:
    """One on the small dataset."""
    search = kb.client.create_search("finder")
    search.update({"search_config": {"kb_ids": [kb.dataset_id]}})
    yield search.id
    kb.client.delete_search(search.id)


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_search_application(kb: KnowledgeBase, call: Call, search_id: str, streaming: bool) -> None:
    """It answers with sources and citations, and retrieves what it answers from."""
    engine = RAGFlowQueryEngine(search_id=search_id, **kb.clients, streaming=streaming)
    response = await call(engine, "query", QUESTION)
    text = "".join(await pieces(response)) if streaming else str(response)
    assert "six weeks" in text
    assert response.metadata["search_id"] == search_id
    assert response.metadata["citations"]
    nodes = await call(engine, "retrieve", QueryBundle(QUESTION))
    assert [node.node_id for node in nodes] == [node.node_id for node in response.source_nodes]
    with pytest.raises(UnsupportedError, match="cannot be confined"):
        await call(engine, "synthesize", QueryBundle(QUESTION), nodes)
    within = RAGFlowQueryEngine(search_id=search_id, **kb.clients, scope=Scope([kb.dataset_id]))
    with pytest.raises(UnsupportedError, match="scope"):
        await call(within, "query", QUESTION)


async def test_a_search_application_without_datasets(kb: KnowledgeBase, call: Call) -> None:
    """There is nothing to retrieve from, and its question is refused by name."""
    search = await asyncio.to_thread(kb.client.create_search, "empty")
    engine = RAGFlowQueryEngine(search_id=search.id, **kb.clients)
    assert await call(engine, "retrieve", QueryBundle(QUESTION)) == []
    with pytest.raises(InvalidRequestError):
        await call(engine, "query", QUESTION)
    await asyncio.to_thread(kb.client.delete_search, search.id)


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_empty_answer_is_not_none(
    scripted: dict[str, Any], script: Script, call: Call, streaming: bool
) -> None:
    """LlamaIndex would print "None" for an answer without text."""
    script.answers[COMPLETIONS] = answer("", [])
    engine = RAGFlowQueryEngine(chat_id="c", **scripted, streaming=streaming)
    response = await call(engine, "query", QUESTION)
    assert await asyncio.to_thread(str, response) == "Empty Response"


async def test_what_is_asked(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """The question alone, without a session to keep it in."""
    script.answers[COMPLETIONS] = answer("Yes.", [])
    await call(RAGFlowQueryEngine(chat_id="c", **scripted), "query", QUESTION)
    (body,) = script.bodies
    assert body["chat_id"] == "c"
    assert body["messages"] == [{"role": "user", "content": QUESTION}]
    assert body["store_history_messages"] is False
    assert "doc_ids" not in body


async def test_an_error_inside_the_stream_surfaces(
    scripted: dict[str, Any], script: Script, call: Call
) -> None:
    """What had arrived is handed out, then the error is raised, not swallowed and not shown as text."""
    script.answers[COMPLETIONS] = lambda body: [
        frame({"answer": "Well, "}),
        frame({"answer": "**ERROR**: boom"}, code=500, message="boom"),
    ]
    response = await call(RAGFlowQueryEngine(chat_id="c", **scripted, streaming=True), "query", "Why?")
    got: list[str] = []
    with pytest.raises(APIError, match="boom"):
        await collect(response, got)
    assert got == ["Well, "]


async def test_a_stream_that_breaks_off_surfaces(
    scripted: dict[str, Any], script: Script, call: Call
) -> None:
    """Half an answer is not taken for a whole one."""
    script.answers[COMPLETIONS] = lambda body: [frame({"answer": "Well, "})]
    response = await call(RAGFlowQueryEngine(chat_id="c", **scripted, streaming=True), "query", "Why?")
    with pytest.raises(StreamInterruptedError):
        await collect(response, [])


async def collect(response: Any, got: list[str]) -> None:
    """Reads the raw generator of a streamed response into a list."""
    if isinstance(response, AsyncStreamingResponse):
        async for piece in response.response_gen:
            got.append(piece)
    else:
        await asyncio.to_thread(got.extend, response.response_gen)


def endless(body: dict[str, Any]) -> Any:
    """A stream that ends only when its caller hangs up."""
    return (frame({"answer": "more " * 100}) for _ in itertools.count())


async def test_closing_a_stream_hangs_up(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """``response_gen.close()``, or ``aclose()``, ends the exchange with the server."""
    script.answers[COMPLETIONS] = endless
    response = await call(RAGFlowQueryEngine(chat_id="c", **scripted, streaming=True), "query", "Why?")
    if isinstance(response, AsyncStreamingResponse):
        await anext(response.response_gen)
        await response.response_gen.aclose()
    else:
        await asyncio.to_thread(next, response.response_gen)
        await asyncio.to_thread(response.response_gen.close)
    assert await asyncio.to_thread(script.hung_up.wait, 5)


async def test_forgetting_a_stream_hangs_up(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """So does dropping the response half read."""
    script.answers[COMPLETIONS] = endless
    response = await call(RAGFlowQueryEngine(chat_id="c", **scripted, streaming=True), "query", "Why?")
    if isinstance(response, AsyncStreamingResponse):
        await anext(response.response_gen)
    else:
        await asyncio.to_thread(next, response.response_gen)
    del response
    gc.collect()
    assert await asyncio.to_thread(script.hung_up.wait, 5)


async def test_an_unread_stream_asks_nothing(scripted: dict[str, Any], script: Script, call: Call) -> None:
    """Without a first piece asked for, there is nothing to leave open."""
    script.answers[COMPLETIONS] = endless
    await call(RAGFlowQueryEngine(chat_id="c", **scripted, streaming=True), "query", "Why?")
    assert script.bodies == []


# --- a LlamaIndex LLM answers -------------------------------------------------------------------------


@pytest.fixture
def with_llm(kb: KnowledgeBase) -> RAGFlowQueryEngine:
    """An LLM that repeats its prompt, on the small dataset."""
    return RAGFlowQueryEngine(dataset_names=["handbook"], llm=MockLLM(), **kb.clients)


async def test_an_llm_answers_from_the_retrieved_nodes(with_llm: RAGFlowQueryEngine, call: Call) -> None:
    """Its prompt has the chunks with their documents' names, not their ids and scores."""
    response = await call(with_llm, "query", QUESTION)
    assert "notice period is six weeks" in str(response)
    assert "document_name: notice.txt" in str(response)
    assert "similarity" not in str(response)
    assert response.source_nodes == await call(with_llm, "retrieve", QueryBundle(QUESTION))


async def test_an_llm_streams(kb: KnowledgeBase, call: Call) -> None:
    """With the nodes of any retriever of LlamaIndex's."""
    retriever = RAGFlowRetriever([kb.dataset_id], similarity_top_k=1, **kb.clients)
    engine = RAGFlowQueryEngine(retriever=retriever, llm=MockLLM(), streaming=True)
    response = await call(engine, "query", QUESTION)
    assert "six weeks" in "".join(await pieces(response))
    assert [node.metadata["document_name"] for node in response.source_nodes] == ["notice.txt"]


async def test_synthesize_with_an_llm(with_llm: RAGFlowQueryEngine, call: Call) -> None:
    """From exactly the nodes given."""
    nodes = await call(with_llm, "retrieve", QueryBundle(HARBOUR))
    response = await call(with_llm, "synthesize", QueryBundle(HARBOUR), nodes[-1:], nodes[:1])
    assert nodes[-1].text.strip() in str(response)
    assert response.source_nodes == [nodes[-1], nodes[0]]


async def test_an_llm_without_words(kb: KnowledgeBase, call: Call) -> None:
    """A stream without a piece says so, as an answer without text does."""
    silent = ScriptedLLM(turns=[answers("")])
    engine = RAGFlowQueryEngine(dataset_ids=[kb.dataset_id], llm=silent, streaming=True, **kb.clients)
    response = await call(engine, "query", QUESTION)
    assert "".join(await pieces(response)) == "Empty Response"


def test_settings_llm_is_the_default(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere in LlamaIndex."""
    monkeypatch.setattr(Settings, "_llm", MockLLM())
    engine = RAGFlowQueryEngine(dataset_ids=[kb.dataset_id], **kb.clients)
    assert "six weeks" in str(engine.query(QUESTION))


def test_prompts_of_the_llm_can_be_changed(with_llm: RAGFlowQueryEngine, kb: KnowledgeBase) -> None:
    """They are LlamaIndex's; an assistant's prompt is the server's, so there is none to change."""
    assert "response_synthesizer:text_qa_template" in with_llm.get_prompts()
    assert helpdesk(kb).get_prompts() == {}


# --- both ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["chat", "llm"])
async def test_events_and_callbacks(
    kb: KnowledgeBase, with_llm: RAGFlowQueryEngine, call: Call, seen: Seen, who: str
) -> None:
    """A query is told by a start and an end with its response, in the new way and in the old."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    engine = helpdesk(kb, callback_manager=CallbackManager([debug]))
    if who == "llm":
        engine = RAGFlowQueryEngine(
            dataset_ids=[kb.dataset_id],
            llm=MockLLM(),
            **kb.clients,
            callback_manager=CallbackManager([debug]),
        )
    response = await call(engine, "query", QUESTION)
    names = [event.class_name() for event in seen.events]
    assert (names[0], names[-1]) == ("QueryStartEvent", "QueryEndEvent")
    assert (names.count("QueryStartEvent"), names.count("QueryEndEvent")) == (1, 1)
    assert seen.events[-1].response is response  # type: ignore[attr-defined]
    ((before, after),) = debug.get_event_pairs(CBEventType.QUERY)
    assert before.payload == {"query_str": QUESTION}
    assert after.payload == {"response": response}


@pytest.mark.parametrize("streaming", [False, True])
async def test_failures_are_raised(kb: KnowledgeBase, call: Call, streaming: bool) -> None:
    """An unknown chat, at the latest with the first piece; an empty question at once."""
    unknown = RAGFlowQueryEngine(chat_id="0" * 32, **kb.clients, streaming=streaming)
    with pytest.raises(NotFoundError):
        await pieces(await call(unknown, "query", QUESTION))
    with pytest.raises(NotFoundError):
        await call(unknown, "retrieve", QueryBundle(QUESTION))
    with pytest.raises(InvalidRequestError, match="question=' '"):
        await call(helpdesk(kb, streaming=streaming), "query", " ")


async def test_an_assistant_that_finds_nothing_says_so(kb: KnowledgeBase, call: Call) -> None:
    """Its own words for that are the answer; there are no sources and no citations."""
    strict = RAGFlowQueryEngine(chat_id=kb.strict_chat_id, **kb.clients)
    response = await call(strict, "query", QUESTION)
    assert "No relevant content" in str(response)
    assert (response.source_nodes, response.metadata["citations"]) == ([], [])


def test_plain_calls_inside_a_running_loop(kb: KnowledgeBase) -> None:
    """As in a notebook: the call waits for its answer, nothing is nested and nothing hangs."""

    async def cell() -> str:
        return str(helpdesk(kb, streaming=True).query(QUESTION))

    assert "six weeks" in asyncio.run(cell())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "say who answers.*none of them"),
        ({"chat_id": "a", "dataset_ids": ["b"]}, "given: chat_id, dataset_ids"),
        ({"chat_id": "a", "llm": MockLLM()}, "llm= and chat_id="),
        ({"search_id": "a", "chat_name": "b"}, "given: chat_name, search_id"),
        ({"chat_id": "a", "citation_style": "roman"}, "citation_style='roman': give one of ragflow, numeric"),
        ({"dataset_ids": ["a"], "llm": MockLLM(), "cited_only": True}, "are for answers of the server"),
        ({"dataset_ids": [], "llm": MockLLM()}, r"dataset_ids=\[\]"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    """They are refused when the engine is made, with what would be right."""
    with pytest.raises(ConfigurationError, match=message):
        RAGFlowQueryEngine(base_url=":memory:", **arguments)


def test_a_retriever_has_its_own_connection() -> None:
    """Settings of a server next to it would have no effect."""
    retriever = RAGFlowRetriever(["a"], base_url=":memory:")
    with pytest.raises(ConfigurationError, match="retriever= has its own connection"):
        RAGFlowQueryEngine(retriever=retriever, llm=MockLLM(), base_url=":memory:")


def test_the_class() -> None:
    """It is a query engine of LlamaIndex's, with everything implemented."""
    assert issubclass(RAGFlowQueryEngine, BaseQueryEngine)
    assert not RAGFlowQueryEngine.__abstractmethods__
