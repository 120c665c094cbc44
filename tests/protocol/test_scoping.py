"""What a client with a scope sends, and what it does with answers that are not within it: no server, no socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ragflow_integrations.errors import (
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    StreamInterruptedError,
    UnsupportedError,
)
from ragflow_integrations.models import ChunkFields, DocumentFields
from ragflow_integrations.protocol import (
    chats,
    chunks,
    converse,
    datasets,
    documents,
    indexing,
    memories,
    metadata,
    openai,
    parsing,
    retrieval,
    sessions,
)
from ragflow_integrations.protocol.paging import Pages
from ragflow_integrations.protocol.scoping import ANSWERS, RULES, Guard
from ragflow_integrations.protocol.versions import NEWEST, OPERATIONS, Version, request
from ragflow_integrations.protocol.wire import Call, Flow, Request, Streamed, T
from ragflow_integrations.scope import Scope
from tests.protocol.driving import Server

OLD = Version(0, 24)
RED = {"logic": "and", "conditions": [{"name": "team", "comparison_operator": "is", "value": "red"}]}
BLUE = {"logic": "and", "conditions": [{"name": "team", "comparison_operator": "is", "value": "blue"}]}
EITHER = {"logic": "or", "conditions": RED["conditions"] + BLUE["conditions"]}  # type: ignore[operator]
MANY = Scope(["a"], [str(number) for number in range(240)])
WHOLE, SOME, TAGGED = Scope(["a", "b"]), Scope(["a"], ["1", "2"]), Scope(["a"], metadata=RED)
NARROW = {"documents": SOME, "metadata": TAGGED}
DATASET = {
    "id": "a",
    "name": "a",
    "parser_config": {},
    "document_count": 9,
    "chunk_count": 99,
    "token_num": 999,
}
CHAT = {"id": "c", "name": "c", "dataset_ids": ["a"], "prompt_config": {}, "meta_data_filter": {}}
OLD_CHAT = {"id": "c", "datasets": [{"id": "a"}], "prompt": {}, "meta_data_filter": {}}
QUESTION: dict[str, Any] = {
    "model": "model",
    "reference_metadata": None,
    "metadata_condition": None,
    "sampling": {},
}


def within(guard: Guard, flow: Flow[T] | Call[T]) -> Flow[T]:
    """The flow as a client with this guard drives it."""
    if isinstance(flow, Call):
        return (yield from guard.narrowed(flow))
    try:
        step = next(flow)
        while True:
            try:
                answer = (yield from guard.narrowed(step)) if isinstance(step, Call) else (yield step)
            except BaseException as error:  # noqa: BLE001 - the flow raises it again
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def asked(
    scope: Scope | Guard, flow: Flow[T] | Call[T], *answers: Any, version: Version = NEWEST
) -> tuple[T, list[Request]]:
    """What comes of it, and what was sent; every prepared answer was asked for."""
    server = Server(list(answers), version)
    guard = scope if isinstance(scope, Guard) else Guard(scope)
    return server.drive(within(guard, flow)), server.requests


def refused(
    kind: type[Exception],
    scope: Scope | Guard,
    flow: Flow[Any] | Call[Any],
    *answers: Any,
    version: Version = NEWEST,
    sent: int = 0,
) -> str:
    """It is; the message, after that many requests."""
    server = Server(list(answers), version)
    guard = scope if isinstance(scope, Guard) else Guard(scope)
    with pytest.raises(kind) as caught:
        server.drive(within(guard, flow))
    assert (len(server.requests), server.answers) == (sent, [])
    return str(caught.value)


def found(*rows: Any, **more: Any) -> dict[str, Any]:
    """An answer of ``/retrieval``: ``(dataset, document)`` or whole chunks."""
    listed = [row if isinstance(row, dict) else {"dataset_id": row[0], "document_id": row[1]} for row in rows]
    return {"total": len(listed), "chunks": listed, "doc_aggs": [], **more}


def rows(*ids: str, team: str = "red", total: int | None = None) -> dict[str, Any]:
    """An answer of the listing of documents."""
    docs = [{"id": one, "name": one, "dataset_id": "a", "meta_fields": {"team": team}} for one in ids]
    return {"docs": docs, "total": len(docs) if total is None else total}


USER = {"role": "user", "content": "q"}


def retrieve(**options: Any) -> Flow[Any]:
    """A question to the datasets a, b and c."""
    return retrieval.retrieve("q", **{"dataset_ids": ["a", "b", "c"], **options})


# --- every operation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_has_a_rule_or_is_refused(operation: str) -> None:
    """What nobody has thought about is not sent, whole or streamed."""
    names: dict[str, Any] = dict.fromkeys(
        ("dataset_id", "document_id", "chat_id", "session_id", "chunk_id", "image_id"), "x"
    )
    names |= dict.fromkeys(("agent_id", "memory_id", "message_id", "file_id", "search_id", "task_id"), "x")
    sent = request(operation, NEWEST, body={}, **names)
    if operation in {"RAGFlow.add_message", "RAGFlow.search_message", "RAGFlow.get_recent_messages"}:
        assert operation in refused(UnsupportedError, WHOLE, Call(sent, lambda *_: None))
    if operation not in {*RULES, *ANSWERS}:
        said = refused(UnsupportedError, WHOLE, Call(sent, lambda *_: None))
        assert said.startswith(f"{operation} cannot be kept within a scope")
    if operation not in ANSWERS:
        with pytest.raises(UnsupportedError, match=operation):
            Server().drive(Guard(WHOLE).narrowed_stream(Streamed(sent, openai.CompletionDecoder)))


def test_rules_are_of_operations() -> None:
    """No rule is for something that there is not, and none is there twice."""
    assert {*RULES, *ANSWERS} <= set(OPERATIONS)
    assert not RULES.keys() & ANSWERS.keys()
    refused_ones = set(OPERATIONS) - {*RULES, *ANSWERS}
    assert {
        "RAGFlow.create_dataset",
        "RAGFlow.delete_datasets",
        "RAGFlow.create_chat",
        "Agent.ask",
    } <= refused_ones


# --- memories -----------------------------------------------------------------------------------------

REMEMBERING = Scope(["a"], memory_ids=["m", "n"])


def message(memory_id: str) -> dict[str, Any]:
    """One of an answer."""
    return {"memory_id": memory_id, "message_id": 1, "agent_id": "u", "content": "x"}


def memory_calls(*memory_ids: str) -> list[Flow[Any] | Call[Any]]:
    """Everything that may be done with memories in a scope."""
    return [
        memories.recent([*memory_ids], limit=5, agent_id="u", session_id=None),
        memories.search(
            "x",
            [*memory_ids],
            similarity_threshold=0.2,
            keywords_similarity_weight=0.7,
            top_n=5,
            agent_id="u",
            session_id=None,
            user_id=None,
        ),
        memories.add_message(
            [*memory_ids], agent_id="u", session_id="s", user_input="x", agent_response="", user_id=""
        ),
    ]


@pytest.mark.parametrize("call", range(3))
def test_memories_are_those_that_the_scope_names(call: int) -> None:
    """Others are not there, alone or beside those that are; without any nothing is sent."""
    answer: Any = [message("m")] if call < 2 else "All add to task."
    _, (sent,) = asked(REMEMBERING, memory_calls("m", "n")[call], answer)
    assert sent.operation.startswith("RAGFlow.")
    for wanted in (("x",), ("m", "x")):
        assert "no memory x" in refused(NotFoundError, REMEMBERING, memory_calls(*wanted)[call])
    assert "memory_ids=" in refused(UnsupportedError, WHOLE, memory_calls("m")[call])


@pytest.mark.parametrize("call", range(2))
def test_messages_of_other_memories_are_not_handed_out(call: int) -> None:
    """Nor one that does not say of which memory it is."""
    for wrong in (message("x"), message("")):
        refused(PermissionDeniedError, REMEMBERING, memory_calls("m")[call], [message("m"), wrong], sent=1)


# --- retrieval ----------------------------------------------------------------------------------------


def test_datasets_are_cut_to_the_scope() -> None:
    """Those outside are not sent; nothing is where none is left."""
    result, (sent,) = asked(WHOLE, retrieve(), found(("a", "1"), ("b", "2")))
    assert sent.body["dataset_ids"] == ["a", "b"]
    assert [chunk.document_id for chunk in result] == ["1", "2"]
    result, none = asked(WHOLE, retrieve(dataset_ids=["c"]))
    assert (list(result), result.total, result.doc_aggs, none) == ([], 0, [], [])


def test_documents_are_cut_to_the_scope() -> None:
    """To what was asked for and is within; nothing is sent where nothing is left."""
    inside = {"dataset_ids": ["a"]}
    _, (sent,) = asked(SOME, retrieve(document_ids=["2", "3"], **inside), found(("a", "2")))
    assert sent.body["document_ids"] == ["2"]
    result, none = asked(SOME, retrieve(document_ids=["3"], **inside))
    assert (list(result), none) == ([], [])


def test_documents_of_datasets_that_are_left_out() -> None:
    """Servers refuse ids of datasets that are not asked: those that are there are looked up."""
    listed = [rows("1"), rows()]
    _, (*looked, sent) = asked(WHOLE, retrieve(document_ids=["1", "9"]), *listed, found(("a", "1")))
    assert [each.operation for each in looked] == ["DataSet.list_documents"] * 2
    assert sent.body["document_ids"] == ["1"]


def test_all_documents_of_the_scope() -> None:
    """Servers refuse ids of other datasets: those of the scope that are there are looked up."""
    _, (looked, sent) = asked(SOME, retrieve(), rows("2"), found(("a", "2")))
    assert [pair for pair in looked.query if pair[0] == "ids"] == [("ids", "1"), ("ids", "2")]
    assert (sent.body["dataset_ids"], sent.body["document_ids"]) == (["a"], ["2"])
    result, (_,) = asked(SOME, retrieve(), rows())
    assert list(result) == []


def test_a_server_that_passes_over_ids() -> None:
    """v0.24 lists all: what is not asked for is left out here, and all pages are read."""
    every = [rows(*(str(n) for n in range(start, start + 100)), total=150) for start in (100, 0)]
    _, (_, _, sent) = asked(SOME, retrieve(), *every, found(("a", "1")), version=OLD)
    assert sent.body["document_ids"] == ["1", "2"]


def test_metadata_becomes_a_condition() -> None:
    """The scope's and the caller's, both of which a document must fit."""
    chunk = {"dataset_id": "a", "document_id": "1", "document_metadata": {"team": "red"}}
    _, (sent,) = asked(TAGGED, retrieve(), found(chunk))
    assert sent.body["metadata_condition"] == RED
    assert "document_ids" not in sent.body
    year = {"conditions": [{"name": "year", "comparison_operator": ">", "value": "2020"}]}
    _, (sent,) = asked(TAGGED, retrieve(metadata_condition=year), found(chunk))
    names = [each["name"] for each in sent.body["metadata_condition"]["conditions"]]
    assert (names, sent.body["metadata_condition"]["logic"]) == (["team", "year"], "and")


@pytest.mark.parametrize(
    ("scope", "options", "version"),
    [
        (TAGGED, {"document_ids": ["1", "9"]}, NEWEST),
        (TAGGED, {"metadata_condition": EITHER}, NEWEST),
        (Scope(["a"], metadata=EITHER) & TAGGED, {}, NEWEST),
        (TAGGED, {}, OLD),
        (TAGGED, {"metadata_condition": BLUE}, OLD),
        (SOME, {"metadata_condition": RED}, NEWEST),
        (SOME & TAGGED, {}, NEWEST),
        (SOME & TAGGED, {"document_ids": ["1"]}, OLD),
        (SOME & TAGGED, {"metadata_condition": BLUE}, NEWEST),
    ],
)
def test_what_a_condition_cannot_say_is_looked_up(
    scope: Scope, options: dict[str, Any], version: Version
) -> None:
    """The documents are found first and only their ids go out: beside ids a condition would not count."""
    listed = rows("1")["docs"] + rows("2", team="blue")["docs"]
    answers: list[Any] = [{"docs": listed, "total": 2}, found(("a", "1"))]
    if scope == SOME:
        answers[0] = rows("1", "9")
    _, (looked, sent) = asked(scope, retrieve(**options), *answers, version=version)
    assert sent.body["document_ids"] == ["1"]
    assert "metadata_condition" not in sent.body
    if "metadata_condition" in options:
        assert json.loads(dict(looked.query)["metadata_condition"]) == options["metadata_condition"]


@pytest.mark.parametrize(
    ("scope", "chunk"),
    [
        (WHOLE, {"dataset_id": "c", "document_id": "1"}),
        (WHOLE, {"document_id": "1"}),
        (WHOLE, {"dataset_id": "a"}),
        (WHOLE, {"content": "of the knowledge graph"}),
        (TAGGED, {"dataset_id": "a", "document_id": "1", "document_metadata": {"team": "blue"}}),
        (TAGGED, {"dataset_id": "a", "document_id": "1", "document_metadata": {}}),
    ],
)
def test_one_foreign_chunk_spoils_the_answer(scope: Scope, chunk: dict[str, Any]) -> None:
    """A server that answers with something outside: an error, nothing is handed out, and nothing of it is told."""
    good = {"dataset_id": "a", "document_id": "2", "document_metadata": {"team": "red"}}
    said = refused(PermissionDeniedError, scope, retrieve(), found(good, chunk), sent=1)
    assert said == (
        "the server answered with something outside the scope of this client; nothing of it is handed out"
    )


def test_a_foreign_document_spoils_the_answer() -> None:
    """One that was not among the ids that went out, though the dataset is right."""
    asked_for = retrieve(dataset_ids=["a"], document_ids=["1"])
    refused(PermissionDeniedError, SOME, asked_for, found(("a", "2")), sent=1)


def test_metadata_that_the_server_does_not_tell_is_looked_up() -> None:
    """v0.25 sends none with a chunk: its documents are read, those of one dataset at once."""
    version = Version(0, 25, 6)
    answer = found(("a", "1"), ("a", "2"), ("a", "1"))
    result, (sent, looked) = asked(TAGGED, retrieve(), answer, rows("1", "2"), version=version)
    assert (len(result), "reference_metadata" in sent.body) == (3, False)
    assert [value for name, value in looked.query if name == "ids"] == ["1", "2"]
    refused(PermissionDeniedError, TAGGED, retrieve(), answer, rows("1"), version=version, sent=2)
    refused(
        PermissionDeniedError,
        TAGGED,
        retrieve(),
        answer,
        rows("1", "2", team="blue"),
        version=version,
        sent=2,
    )


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (None, None),
        (False, None),
        (True, {"team": "red", "year": 2024}),
        ({"include": True, "fields": ["year", "other"]}, {"year": 2024}),
    ],
)
def test_metadata_is_shown_as_it_was_asked_for(wanted: Any, shown: Any) -> None:
    """What is asked for to check it does not show."""
    chunk = {"dataset_id": "a", "document_id": "1", "document_metadata": {"team": "red", "year": 2024}}
    result, (sent,) = asked(TAGGED, retrieve(reference_metadata=wanted), found(chunk))
    assert sent.body["reference_metadata"] == {"include": True}
    assert result[0].document_metadata == shown


def test_documents_are_counted_that_were_checked() -> None:
    """The names in ``doc_aggs`` are of documents whose chunks are there."""
    counted = [{"doc_id": "1", "doc_name": "mine"}, {"doc_id": "9", "doc_name": "a secret merger.pdf"}]
    result, _ = asked(WHOLE, retrieve(), found(("a", "1"), doc_aggs=counted))
    assert [each.document_name for each in result.doc_aggs] == ["mine"]


def test_the_knowledge_graph_is_not_searched() -> None:
    """It is made of all documents."""
    assert "use_kg" in refused(UnsupportedError, WHOLE, retrieve(use_kg=True))


# --- datasets -----------------------------------------------------------------------------------------


def test_a_dataset() -> None:
    """One within the scope is got; of one outside nothing is asked, on any version."""
    for version, answer in ((NEWEST, DATASET), (OLD, [DATASET])):
        dataset, _ = asked(WHOLE, datasets.get("a"), answer, version=version)
        assert dataset.document_count == 9
        refused(NotFoundError, WHOLE, datasets.get("c"), version=version)
    refused(NotFoundError, WHOLE, datasets.get("a"), [], version=OLD, sent=1)


@pytest.mark.parametrize("scope", NARROW.values(), ids=NARROW)
def test_counts_are_not_told(scope: Scope) -> None:
    """To whom sees some documents only: not how many there are."""
    dataset, _ = asked(scope, datasets.get("a"), DATASET)
    (listed,), _ = asked(
        scope, datasets.listing(page=1, page_size=30), [DATASET | {"parsing_status": {"done": 9}}]
    )
    for each in (dataset, listed):
        assert (each.document_count, each.chunk_count, each.token_num) == (0, 0, 0)
        assert not hasattr(each, "parsing_status")


def test_a_list_of_datasets() -> None:
    """Those within, with their own number, page by page as asked for."""
    every = [{"id": one, "name": one} for one in "abcd"]
    scope = Scope(["a", "c", "d"])
    page, (sent,) = asked(scope, datasets.listing(page=2, page_size=2), every)
    assert ([one.id for one in page], page.total) == (["d"], 3)
    assert dict(sent.query)["page_size"] == "100"
    page, (sent,) = asked(scope, datasets.listing(page=1, page_size=9, ids=["b", "c"]), [every[2]])
    assert [value for name, value in sent.query if name == "ids"] == ["c"]
    page, none = asked(scope, datasets.listing(page=1, page_size=9, ids=["b"]))
    assert (list(page), page.total, none) == ([], 0, [])


def test_a_name_outside_is_like_one_that_nothing_has() -> None:
    """The same error, word for word."""
    outside = refused(NotFoundError, WHOLE, datasets.named("x"), [{"id": "z", "name": "x"}], sent=1)
    unknown = refused(
        NotFoundError, WHOLE, datasets.named("x"), NotFoundError("User lacks permission"), sent=1
    )
    assert outside == unknown
    refused(NotFoundError, WHOLE, datasets.listing(page=1, page_size=1, id="z"))


@pytest.mark.parametrize(
    "change",
    [
        lambda dataset: datasets.update(dataset, {"name": "new"}),
        lambda dataset: documents.upload(dataset, [{"display_name": "a.txt", "blob": b"a"}]),
        lambda dataset: documents.delete(dataset, ["1"]),
        lambda dataset: documents.delete(dataset, None),
        lambda dataset: documents.update(dataset, "1", {"name": "a.txt"}),
        lambda dataset: parsing.parse(dataset, ["1"]),
        lambda dataset: parsing.cancel(dataset, ["1"]),
        lambda dataset: metadata.change_documents(dataset, [{"key": "a", "value": "b"}], None, ["1"], None),
        lambda dataset: metadata.summary(dataset, None),
        lambda dataset: metadata.get_auto_metadata(dataset),
        lambda dataset: indexing.tags(dataset),
        lambda dataset: indexing.graph(dataset),
        lambda dataset: indexing.run(dataset, "graph"),
        lambda dataset: indexing.trace(dataset, "raptor"),
        lambda dataset: chunks.add(dataset, "1", content="new"),
        lambda dataset: chunks.delete(dataset, "1", ["x"]),
        lambda dataset: chunks.switch(dataset, "1", ["x"], False),
        lambda dataset: chunks.update(
            ChunkFields(id="x", dataset_id=dataset, document_id="1"), {"content": "new"}
        ),
    ],
)
def test_what_changes_or_sums_up_a_dataset(change: Any) -> None:
    """Outside nothing is sent; in a scope of some documents it is refused."""
    refused(NotFoundError, WHOLE, change("c"))
    for scope in NARROW.values():
        assert "whole datasets" in refused(UnsupportedError, scope, change("a"))


def test_what_is_written_goes_to_documents_of_the_dataset() -> None:
    """v0.24 deletes documents of any dataset under the path of one: they are looked at before."""
    _, sent = asked(WHOLE, documents.delete("a", ["1", "2"]), rows("1", "2"), None)
    assert [each.method for each in sent] == ["GET", "DELETE"]
    refused(NotFoundError, WHOLE, documents.delete("a", ["1", "9"]), rows("1"), version=OLD, sent=1)
    refused(NotFoundError, WHOLE, parsing.parse("a", ["9"]), rows(), sent=1)
    refused(NotFoundError, WHOLE, documents.update("a", "9", {"name": "x"}), rows(), sent=1)
    _, sent = asked(WHOLE, documents.delete("a", None), None)
    assert sent[0].body == {"delete_all": True}


# --- documents and chunks -----------------------------------------------------------------------------


def three_pages(**last: Any) -> list[dict[str, Any]]:
    """250 documents, as many of which as a server may be asked for at once."""
    pages = [
        rows(*map(str, range(start, start + size)), total=250)
        for start, size in ((0, 100), (100, 100), (200, 50))
    ]
    pages[-1]["docs"][39] |= last
    return pages


def test_reading_on() -> None:
    """All pages are read for the first one already: who iterates asks for no more of them."""
    first = documents.listing("a", page=1, page_size=100)
    page, sent = asked(MANY, first, *three_pages())
    assert (len(page), page.total, len(sent)) == (100, 240, 3)
    reader = Pages()
    assert [row.id for row in reader.new(page)] == [str(number) for number in range(240)]
    assert reader.next is None
    page, _ = asked(MANY, documents.listing("a", page=3, page_size=100), *three_pages())
    assert [row.id for row in page] == [str(number) for number in range(200, 240)]


def test_what_is_read_along_is_checked() -> None:
    """A document of another dataset is refused on whatever page it is, as are the numbers of datasets."""
    first = documents.listing("a", page=1, page_size=100)
    refused(PermissionDeniedError, MANY, first, *three_pages(dataset_id="b"), sent=3)
    listed = [{"id": one, "name": one, "document_count": 9} for one in ("a", "b")]
    both = Scope(["a", "b"], metadata=RED)
    flow = datasets.listing(page=1, page_size=1)
    page, _ = asked(both, flow, listed)
    assert [each.document_count for each in Pages().new(page)] == [0, 0]


def test_a_list_of_documents() -> None:
    """Those within, with their own number; what the server can sort out is asked of it."""
    mixed = {"docs": rows("1", "2")["docs"] + rows("3", team="blue")["docs"], "total": 3}
    page, (sent,) = asked(TAGGED, documents.listing("a", page=2, page_size=1), mixed)
    assert ([one.id for one in page], page.total) == (["2"], 2)
    assert json.loads(dict(sent.query)["metadata_condition"]) == RED
    page, (sent,) = asked(SOME, documents.listing("a", page=1, page_size=9), mixed)
    assert ([one.id for one in page], dict(sent.query)["ids"]) == (["1", "2"], "2")
    page, (sent,) = asked(WHOLE, documents.listing("a", page=1, page_size=9), mixed | {"total": 77})
    assert (len(page), page.total, dict(sent.query)["page_size"]) == (3, 77, "9")
    refused(NotFoundError, WHOLE, documents.listing("c", page=1, page_size=1))


@pytest.mark.parametrize(
    "filters",
    [
        {"metadata_condition": EITHER},
        {"metadata": {"team": ["red"]}},
        {"return_empty_metadata": True},
        {"ids": ["1", "3"]},
        {"create_time_from": 10**12},
    ],
)
def test_filters_of_the_caller_stay(filters: dict[str, Any]) -> None:
    """They reach the server as they are: nothing is added that would switch one off."""
    mixed = {"docs": rows("1")["docs"] + rows("3", team="blue")["docs"], "total": 2}
    unscoped = Server([mixed])
    unscoped.drive(documents.listing("a", page=1, page_size=100, **filters))
    for scope in (TAGGED, SOME):
        page, (sent,) = asked(scope, documents.listing("a", page=1, page_size=100, **filters), mixed)
        assert [one.id for one in page] == ["1"]
        assert set(unscoped.requests[0].query) <= set(sent.query)


def test_a_document_outside_is_like_one_that_is_not_there() -> None:
    """The same error, word for word, whatever the server says."""
    flow: Callable[[], Flow[Any]] = lambda: documents.listing("a", page=1, page_size=1, id="3")  # noqa: E731
    outside = refused(NotFoundError, TAGGED, flow(), rows("3", team="blue"), sent=1)
    unknown = refused(NotFoundError, TAGGED, flow(), NotFoundError("you don't own the document 3"), sent=1)
    assert outside == unknown
    file = documents.download
    outside = refused(NotFoundError, TAGGED, file("a", "3"), rows("3", team="blue"), sent=1)
    unknown = refused(
        NotFoundError, TAGGED, file("a", "3"), NotFoundError("you don't own the document 3"), sent=1
    )
    assert outside == unknown == refused(NotFoundError, SOME, file("a", "3"))


@pytest.mark.parametrize("scope", [WHOLE, SOME, TAGGED])
def test_reading_a_document(scope: Scope) -> None:
    """It is looked at before each time; a dataset outside is not asked."""
    server = Server([rows("1"), {}])
    with pytest.raises(
        ServerError, match="neither a file nor an error"
    ):  # the file itself is not tested here
        server.drive(within(Guard(scope), documents.download("a", "1")))
    shown, sent = asked(scope, documents.preview("1"), rows("1"), b"%PDF")
    assert shown == b"%PDF"
    for looked, read in (server.requests, sent):
        assert (looked.operation, dict(looked.query)["id"]) == ("DataSet.list_documents", "1")
        assert read.operation in ("Document.download", "Document.preview")
    refused(NotFoundError, scope, documents.download("c", "1"))


def test_a_preview_looks_for_the_document() -> None:
    """In each dataset of the scope; a scope without datasets cannot say where."""
    none = NotFoundError("you don't own the document 9")
    refused(NotFoundError, WHOLE, documents.preview("9"), none, rows(), sent=2)
    assert "dataset_ids" in refused(UnsupportedError, Scope(document_ids=["1"]), documents.preview("1"))


def test_pictures() -> None:
    """An id of a picture names any file of any dataset: only pictures of documents within are got."""
    source = {
        "docs": [{"id": "1", "meta_fields": {"team": "red"}, "thumbnail": "/documents/images/a-t.png"}],
        "total": 1,
    }
    mine = DocumentFields(id="1", dataset_id="a", thumbnail_source="/documents/images/a-t.png")
    other = DocumentFields(id="1", dataset_id="a", thumbnail_source="/documents/images/a-contract.pdf")
    foreign = DocumentFields(id="1", dataset_id="c", thumbnail_source="/documents/images/c-t.png")
    for scope in NARROW.values():
        refused(NotFoundError, scope, documents.thumbnail(other), source, sent=1)
        refused(NotFoundError, scope, documents.thumbnail(foreign))
        server = Server([source, {}])
        with pytest.raises(Exception, match="picture"):
            server.drive(within(Guard(scope), documents.thumbnail(mine)))
    refused(NotFoundError, WHOLE, documents.thumbnail(foreign))


def test_an_empty_scope_sends_nothing() -> None:
    """Nothing can come of it, so that nobody is asked."""
    no_documents = Scope(["a"], [])
    assert asked(Scope([]), datasets.listing(page=1, page_size=9)) == ([], [])
    assert asked(no_documents, documents.listing("a", page=1, page_size=9)) == ([], [])
    assert asked(no_documents, retrieve()) == ([], [])
    assert asked(Scope([]), retrieve()) == ([], [])
    refused(NotFoundError, no_documents, documents.listing("a", page=1, page_size=9, name="n"))
    refused(NotFoundError, Scope([]), datasets.named("n"))
    refused(NotFoundError, no_documents, chunks.listing("a", "1", page=1, page_size=9))


@pytest.mark.parametrize("scope", [WHOLE, SOME, TAGGED])
def test_documents_of_another_dataset(scope: Scope) -> None:
    """A server that lists them under this one's path says something that nobody may rely on."""
    foreign = rows("1")
    foreign["docs"][0]["dataset_id"] = "z"
    refused(PermissionDeniedError, scope, documents.listing("a", page=1, page_size=9), foreign, sent=1)


def test_the_document_of_a_page_of_chunks() -> None:
    """It is told with them: another one is not handed out."""
    for doc in ({"id": "9", "dataset_id": "a"}, {"id": "1", "dataset_id": "z"}):
        page = {"chunks": [], "total": 0, "doc": doc}
        refused(PermissionDeniedError, SOME, chunks.listing("a", "1", page=1, page_size=9), page, sent=1)


def test_pictures_of_chunks() -> None:
    """A chunk's picture is its document's: the chunk is looked for in those within."""
    chunk = ChunkFields(id="x", dataset_id="a", document_id="1", image_id="a-x")
    page = {
        "chunks": [{"id": "x", "document_id": "1", "dataset_id": "a", "image_id": "a-x"}],
        "total": 1,
        "doc": {},
    }
    for scope in NARROW.values():
        server = Server([rows("1"), page, {}])
        with pytest.raises(Exception, match="picture"):
            server.drive(within(Guard(scope), chunks.image(chunk)))
        assert server.asked[2][1].endswith("/a-x")
        refused(
            NotFoundError, scope, chunks.image(chunk), rows("1"), NotFoundError("Chunk not found"), sent=2
        )
        refused(NotFoundError, scope, chunks.image(chunk), rows(), sent=1)
    refused(NotFoundError, WHOLE, chunks.image(ChunkFields(id="x", image_id="c-x")))


def test_chunks_of_a_document() -> None:
    """Only its own: v0.24 has any chunk under the path of any document."""
    page = {"chunks": [{"id": "x", "document_id": "1", "dataset_id": "a"}], "total": 1, "doc": {}}
    foreign = {"chunks": [{"id": "x", "document_id": "9", "dataset_id": "z"}], "total": 1, "doc": {}}
    for scope, before in ((WHOLE, []), (SOME, []), (TAGGED, [rows("1")])):
        flow = chunks.listing("a", "1", page=1, page_size=9)
        found_ones, _ = asked(scope, flow, *before, page)
        assert [chunk.id for chunk in found_ones] == ["x"]
        flow = chunks.listing("a", "1", page=1, page_size=9, id="x")
        refused(NotFoundError, scope, flow, *before, foreign, version=OLD, sent=1 + len(before))
        flow = chunks.listing("a", "1", page=1, page_size=9)
        refused(PermissionDeniedError, scope, flow, *before, foreign, sent=1 + len(before))
    refused(NotFoundError, SOME, chunks.listing("a", "9", page=1, page_size=9))
    refused(NotFoundError, TAGGED, chunks.get("a", "9", "x"), rows("9", team="blue"), sent=1)
    change = chunks.update(ChunkFields(id="x", dataset_id="a", document_id="1"), {"content": "new"})
    refused(NotFoundError, WHOLE, change, rows("1"), foreign, version=OLD, sent=2)


# --- chats --------------------------------------------------------------------------------------------


def test_chats_within() -> None:
    """Those all of whose datasets are; the others are like chats that are not there."""
    mixed = [CHAT, CHAT | {"id": "d", "dataset_ids": ["a", "c"]}, CHAT | {"id": "e", "dataset_ids": []}]
    page, _ = asked(WHOLE, chats.listing(page=1, page_size=2), {"chats": mixed, "total": 3})
    assert ([chat.id for chat in page], page.total) == (["c", "e"], 2)
    chat, _ = asked(WHOLE, chats.get("c"), CHAT)
    assert chat.id == "c"
    outside = refused(NotFoundError, WHOLE, chats.get("d"), mixed[1], sent=1)
    assert outside == refused(NotFoundError, WHOLE, chats.get("d"), NotFoundError("no authorization"), sent=1)
    assert outside == refused(NotFoundError, WHOLE, chats.get("d"), [], version=OLD, sent=1)
    foreign = {"id": "d", "datasets": [{"id": "z"}], "prompt": {}}
    assert outside == refused(NotFoundError, WHOLE, chats.get("d"), [foreign], version=OLD, sent=1)


def ask(question: Any = "q", **options: Any) -> Flow[Any]:
    """A question without a session."""
    return converse.ask("c", question, session_id=None, options=options)


def answer(*reference: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A whole answer with a reference."""
    return {"answer": "so", "reference": found(*reference), "session_id": None, **more}


def test_a_question_within() -> None:
    """The chat and its datasets are looked at; the documents of the scope go along."""
    message, (_, _, sent) = asked(WHOLE, ask(temperature=0), CHAT, DATASET, answer(("a", "1")))
    assert ("doc_ids" in sent.body, message.content) == (False, "so")
    _, (_, _, sent) = asked(SOME, ask(), CHAT, DATASET, answer(("a", "1")))
    assert sent.body["doc_ids"] == "1,2"
    _, (_, _, sent) = asked(SOME, ask(doc_ids="2,3"), CHAT, DATASET, answer(("a", "2")))
    assert sent.body["doc_ids"] == "2"
    _, (_, _, sent) = asked(SOME, ask(doc_ids=""), CHAT, DATASET, answer())
    assert sent.body["doc_ids"] == "1,2"


@pytest.mark.parametrize(
    ("scope", "chat", "dataset", "said"),
    [
        (WHOLE, {"prompt_config": {"use_kg": True}}, None, "use_kg"),
        (WHOLE, {"prompt_config": {"reasoning": True}}, None, "reasoning"),
        (WHOLE, {"prompt_config": {"reasoning": "2"}}, None, "reasoning"),
        (WHOLE, {"prompt_config": {"tavily_api_key": "k"}}, None, "tavily_api_key"),
        (SOME, {"meta_data_filter": {"method": "auto"}}, None, "meta_data_filter"),
        (WHOLE, {}, {"chunk_method": "table"}, "tables"),
        (WHOLE, {}, {"parser_config": {"field_map": {"price_int": "price"}}}, "tables"),
    ],
)
def test_chats_that_cannot_be_kept_within(
    scope: Scope, chat: dict[str, Any], dataset: dict[str, Any] | None, said: str
) -> None:
    """A knowledge graph, tools, tables and filters of their own: refused before anything is asked."""
    answers = [CHAT | chat] if dataset is None else [CHAT | chat, DATASET | dataset]
    guard = Guard(scope)
    assert said in refused(UnsupportedError, guard, ask(), *answers, sent=len(answers))
    if scope is WHOLE:
        flow = openai.chat("c", [{"role": "user", "content": "q"}], reference=True, **QUESTION)
        assert said in refused(UnsupportedError, guard, flow, *answers, sent=len(answers))


def test_a_filter_of_the_chat_in_whole_datasets() -> None:
    """It only narrows: allowed where no documents are sent."""
    asked(WHOLE, ask(), CHAT | {"meta_data_filter": {"method": "auto"}}, DATASET, answer())


@pytest.mark.parametrize(
    "option",
    [
        {"kb_ids": ["z"]},
        {"files": [{"id": "f"}]},
        {"internet": True},
        {"reasoning": 2},
        {"user_id": "u"},
        {"anything": "else"},
    ],
)
def test_options_that_could_widen_it(option: dict[str, Any]) -> None:
    """Only what is known to be harmless goes out, and the prompt's own variables; these names never are."""
    (name,) = option
    assert name in refused(UnsupportedError, WHOLE, ask(**option), CHAT, DATASET, sent=2)
    if name != "anything":
        chat = CHAT | {"prompt_config": {"parameters": [{"key": name, "optional": True}]}}
        assert name in refused(UnsupportedError, WHOLE, ask(**option), chat, DATASET, sent=2)


def test_a_condition_of_the_caller() -> None:
    """v0.24 takes one, and forgets ``doc_ids`` for it."""
    guard = Guard(SOME)
    guard.sessions["s"] = "c"
    flow = converse.ask("c", "q", session_id="s", options={"metadata_condition": RED})
    said = refused(UnsupportedError, guard, flow, [OLD_CHAT], [DATASET], version=OLD, sent=2)
    assert "metadata_condition" in said


def test_variables_of_the_prompt() -> None:
    """Those that the chat has."""
    chat = CHAT | {"prompt_config": {"parameters": [{"key": "language", "optional": True}]}}
    _, (_, _, sent) = asked(WHOLE, ask(language="German"), chat, DATASET, answer())
    assert sent.body["language"] == "German"


@pytest.mark.parametrize("more", [{"doc_ids": ["9"]}, {"files": ["f"]}])
def test_messages_that_bring_documents(more: dict[str, Any]) -> None:
    """``doc_ids`` of a message would take the place of the scope's: refused, in OpenAI's form as well."""
    message = {"role": "user", "content": "q", **more}
    assert str(*more) in refused(UnsupportedError, SOME, ask([message]), CHAT, DATASET, sent=2)
    flow = openai.chat("c", [message], reference=True, **QUESTION)
    assert str(*more) in refused(UnsupportedError, WHOLE, flow)


@pytest.mark.parametrize("name", ["kb_ids", "doc_ids", "session_id", "tools", "anything"])
def test_options_in_openai_form(name: str) -> None:
    """What is no sampling is refused there too: nobody knows what a server makes of it."""
    options = {**QUESTION, "sampling": {name: ["z"], "temperature": 0.1}}
    assert f"{name}=" in refused(UnsupportedError, WHOLE, openai.chat("c", [USER], reference=True, **options))


def test_nothing_left_to_answer_from() -> None:
    """No ids would mean all documents: nothing is asked."""
    refused(PermissionDeniedError, SOME, ask(doc_ids="9"))
    refused(PermissionDeniedError, Scope(["a"], []), ask())
    refused(NotFoundError, Scope([]), ask(), CHAT, sent=1)


def test_metadata_in_a_question() -> None:
    """RAGFlow's own route takes none; the message says which does."""
    assert "chat_completions()" in refused(UnsupportedError, TAGGED, ask())


def test_the_reference_is_checked() -> None:
    """A foreign chunk in it, and the answer is not handed out."""
    for scope, foreign in ((WHOLE, ("c", "1")), (SOME, ("a", "9"))):
        refused(PermissionDeniedError, scope, ask(), CHAT, DATASET, answer(("a", "1"), foreign), sent=3)


def frames(*data: Any) -> bytes:
    """A stream of RAGFlow's."""
    events = [{"code": 0, "message": "", "data": each} for each in (*data, True)]
    return b"".join(b"data:" + json.dumps(each).encode() + b"\n\n" for each in events)


def streamed(scope: Scope, flow: Flow[Streamed[T]], *answers: Any, version: Version = NEWEST) -> Streamed[T]:
    """The stream as a client with this scope opens it."""
    server, guard = Server(list(answers), version), Guard(scope)

    def both() -> Flow[Streamed[T]]:
        return (yield from guard.narrowed_stream((yield from within(guard, flow))))

    stream: Streamed[T] = server.drive(both())
    return stream


def test_a_stream_is_checked_as_it_comes() -> None:
    """The piece with a foreign reference is not handed out; a good one is."""
    flow: Callable[[], Flow[Any]] = lambda: converse.ask_stream("c", "q", session_id=None, options={})  # noqa: E731
    for reference, good in ((("a", "1"), True), (("a", "9"), False)):
        stream = streamed(SOME, flow(), CHAT, DATASET)
        assert stream.request.body["doc_ids"] == "1,2"
        decoder = stream.decoder(stream.request)
        end = {"answer": "", "reference": found(reference), "final": True}
        pieces: Iterator[Any] = iter(decoder.feed(frames({"answer": "so", "final": False}, end)))
        assert next(pieces).content == "so"
        if good:
            assert next(pieces).final
            assert (list(pieces), list(decoder.end()), decoder.partial) == ([], [], "so")
        else:
            with pytest.raises(PermissionDeniedError):
                next(pieces)
    stream = streamed(SOME, flow(), CHAT, DATASET)
    with pytest.raises(StreamInterruptedError):
        list(stream.decoder(stream.request).end())


# --- sessions -----------------------------------------------------------------------------------------


def test_sessions_are_those_of_this_client() -> None:
    """It asks in, reads, renames, lists and deletes what it made; others are not there."""
    guard = Guard(WHOLE)
    made, _ = asked(guard, sessions.create("c", "mine"), CHAT, {"id": "s", "name": "mine"})
    assert made.id == "s"
    listed = [{"id": "s"}, {"id": "t", "messages": [{"role": "user", "content": "a secret"}]}]
    page, _ = asked(guard, sessions.listing("c", page=1, page_size=9), CHAT, listed)
    assert ([one.id for one in page], page.total) == (["s"], None)
    asked(guard, sessions.get("c", "s"), listed[0])
    asked(guard, sessions.get("c", "s"), [listed[0]], version=OLD)
    asked(guard, sessions.update("c", "s", {"name": "new"}), listed[0])
    question: dict[str, Any] = {"session_id": "s", "options": {}}
    asked(guard, converse.ask("c", "q", **question), CHAT, DATASET, answer(("a", "1")))
    for flow in (
        sessions.get("c", "t"),
        sessions.update("c", "t", {"name": "new"}),
        sessions.delete("c", ["t"]),
    ):
        refused(NotFoundError, guard, flow)
    refused(NotFoundError, guard, converse.ask("c", "q", session_id="t", options={}))
    refused(NotFoundError, Guard(WHOLE), sessions.get("c", "s"))
    _, (sent,) = asked(guard, sessions.delete("c", None), None)
    assert sent.body == {"ids": ["s"]}
    _, none = asked(guard, sessions.delete("c", None))
    assert none == []


def session(*reference: Any) -> dict[str, Any]:
    """One in which a question was answered from these chunks."""
    said = {"role": "assistant", "content": "so"}
    return {"id": "s", "name": "s", "messages": [USER, said], "reference": [found(*reference)]}


@pytest.mark.parametrize(
    ("scope", "reference", "fits"),
    [
        (WHOLE, ("a", "9"), True),
        (WHOLE, ("c", "1"), False),
        (SOME, ("a", "1"), True),
        (SOME, ("a", "9"), False),
        (TAGGED, ("a", "1"), False),
    ],
)
def test_what_others_asked_in_a_session(scope: Scope, reference: Any, fits: bool) -> None:
    """Its stored references are checked, however it is read: others may have asked in it since."""
    guard = Guard(scope)
    guard.sessions["s"] = "c"
    reads: list[tuple[Any, list[Any], Version]] = [
        (lambda: sessions.get("c", "s"), [session(reference)], NEWEST),
        (lambda: sessions.get("c", "s"), [[session(reference)]], OLD),
        (lambda: sessions.update("c", "s", {"name": "n"}), [session(reference)], NEWEST),
        (lambda: sessions.listing("c", page=1, page_size=9), [CHAT, [session(reference)]], NEWEST),
    ]
    for read, answers, version in reads:
        if fits:
            asked(guard, read(), *answers, version=version)
        else:
            refused(PermissionDeniedError, guard, read(), *answers, version=version, sent=len(answers))


def test_another_session_than_asked_for() -> None:
    """A server that answers with another one has nothing to say."""
    guard = Guard(WHOLE)
    guard.sessions["s"] = "c"
    refused(NotFoundError, guard, sessions.get("c", "s"), session() | {"id": "t"}, sent=1)


def test_a_session_of_a_chat_outside() -> None:
    """None is made there."""
    refused(NotFoundError, WHOLE, sessions.create("c", "mine"), CHAT | {"dataset_ids": ["z"]}, sent=1)


def test_a_question_that_needs_a_session() -> None:
    """Before v0.27 one is made for it and deleted; within the scope as well."""
    guard = Guard(SOME)
    answers = [[OLD_CHAT], {"id": "s"}, [OLD_CHAT], [DATASET], answer(("a", "1")), None]
    _, sent = asked(guard, ask(), *answers, version=OLD)
    assert [each.method for each in sent] == ["GET", "POST", "GET", "GET", "POST", "DELETE"]
    assert (sent[4].body["doc_ids"], guard.sessions) == ("1,2", {})


# --- OpenAI's form ------------------------------------------------------------------------------------


def completion(chunk: dict[str, Any] | None = None) -> bytes:
    """A whole answer with one chunk."""
    message = {"role": "assistant", "content": "so", "reference": [] if chunk is None else [chunk]}
    return json.dumps({"choices": [{"index": 0, "message": message}]}).encode()


def test_openai_takes_metadata() -> None:
    """The condition is the scope's and the caller's; what was asked for to check it does not show."""
    chunk = {"dataset_id": "a", "document_id": "1", "document_metadata": {"team": "red"}}
    said = [{"role": "user", "content": "q"}]
    flow = openai.chat("c", said, reference=True, **QUESTION)
    whole, (_, _, sent) = asked(TAGGED, flow, CHAT, DATASET, completion(chunk))
    assert sent.body["extra_body"]["metadata_condition"] == RED
    assert sent.body["extra_body"]["reference_metadata"] == {"include": True}
    assert whole.choices[0].message.reference[0].document_metadata is None
    flow = openai.chat("c", said, reference=False, **QUESTION | {"metadata_condition": BLUE})
    _, (_, _, sent) = asked(TAGGED, flow, CHAT, DATASET, completion())
    values = [each["value"] for each in sent.body["extra_body"]["metadata_condition"]["conditions"]]
    assert (values, "reference_metadata" in sent.body["extra_body"]) == (["red", "blue"], False)
    flow = openai.chat("c", said, reference=False, **QUESTION | {"metadata_condition": EITHER})
    refused(UnsupportedError, TAGGED, flow, CHAT, DATASET, sent=2)
    for held in ({"team": "blue"}, {}, None):
        flow = openai.chat("c", said, reference=True, **QUESTION)
        foreign = completion({**chunk, "document_metadata": held})
        refused(PermissionDeniedError, TAGGED, flow, CHAT, DATASET, foreign, sent=3)


def test_openai_takes_no_documents() -> None:
    """The message says which route does."""
    flow = openai.chat("c", [{"role": "user", "content": "q"}], reference=True, **QUESTION)
    assert "Chat.ask()" in refused(UnsupportedError, SOME, flow)


def test_openai_streams_are_checked() -> None:
    """Nothing of the last piece is handed out if its reference is not within."""
    flow = openai.chat_stream("c", [{"role": "user", "content": "q"}], reference=True, **QUESTION)
    stream = streamed(WHOLE, flow, CHAT, DATASET)
    pieces = [{"content": "so"}, {"reference": [{"dataset_id": "c", "document_id": "1"}]}]
    sent = [b"data:" + json.dumps({"choices": [{"delta": each}]}).encode() + b"\n\n" for each in pieces]
    got = iter(stream.decoder(stream.request).feed(b"".join(sent)))
    assert next(got).choices[0].delta.content == "so"
    with pytest.raises(PermissionDeniedError):
        next(got)


def test_a_mistake_is_still_told() -> None:
    """Arguments are checked as they are without a scope."""
    with pytest.raises(InvalidRequestError):
        within(Guard(WHOLE), retrieve(page=0)).send(None)
