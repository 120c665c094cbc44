"""What v0.27 servers send reads into the models without loss."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import AliasChoices

from ragflow_integrations import Chunk, DocumentAggregate, Message, Page, Retrieval
from ragflow_integrations.models import (
    ChatFields,
    DataSetFields,
    DocumentFields,
    Model,
    ParseProgress,
    SessionFields,
)

from .recorded import Exchange, exchanges

Row = dict[str, Any]


def objects() -> Iterator[tuple[type[Model], Row]]:
    """Each object in a recorded success, with its model."""
    for exchange in exchanges("v0.27"):
        if isinstance(exchange.body, dict) and exchange.body.get("code") == 0:
            yield from found_in(exchange, exchange.body.get("data"))


def found_in(exchange: Exchange, data: Any) -> Iterator[tuple[type[Model], Row]]:
    if isinstance(data, dict) and "answer" in data:
        data = data["reference"]
    if isinstance(data, dict):
        lists = {"docs": DocumentFields, "chats": ChatFields, "chunks": Chunk, "doc_aggs": DocumentAggregate}
        for key, kind in lists.items():
            yield from ((kind, row) for row in data.get(key) or [])
        yield from [(Chunk, data["chunk"])] if "chunk" in data else []
    kind_here = kind_of(exchange.path.removeprefix("/api/v1/").split("/"))
    rows = data if isinstance(data, list) else [data]
    yield from ((kind_here, row) for row in rows if kind_here and isinstance(row, dict) and "id" in row)


def kind_of(end: list[str]) -> type[Model] | None:
    match end:
        case ["datasets"] | ["datasets", _]:
            return DataSetFields
        case ["datasets", _, "documents"] | ["datasets", _, "documents", _]:
            return DocumentFields
        case ["chats"] | ["chats", _]:
            return ChatFields
        case ["chats", _, "sessions"] | ["chats", _, "sessions", _]:
            return SessionFields
    return None


def field_of(kind: type[Model], key: str) -> str:
    """The attribute that holds a wire key."""
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices) and key in alias.choices:
            return name
    return key


def plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.model_dump(exclude_unset=True)
    return [plain(each) for each in value] if isinstance(value, list) else value


RUNS = {"0": "UNSTART", "1": "RUNNING", "2": "CANCEL", "3": "DONE", "4": "FAIL"}


def test_every_key_is_reachable() -> None:
    """Each recorded object reads, and each of its keys is an attribute with the value that was sent."""
    kinds: Counter[type[Model]] = Counter()
    for kind, row in objects():
        kinds[kind] += 1
        read = kind.model_validate(row)
        for key, value in row.items():
            sent = RUNS.get(value, value) if key == "run" else value
            assert plain(getattr(read, field_of(kind, key))) == sent, (kind, key)
    assert set(kinds) == {DataSetFields, DocumentFields, ChatFields, SessionFields, Chunk, DocumentAggregate}
    assert min(kinds.values()) > 10


SPELLINGS = [
    {"id": "i", "content": "c", "document_id": "d", "document_keyword": "n", "dataset_id": "k", "image_id": "m",
     "positions": [[1, 2, 3, 4, 5]], "doc_type_kwd": "text", "important_keywords": ["w"], "questions": ["q"]},
    {"chunk_id": "i", "content_with_weight": "c", "doc_id": "d", "docnm_kwd": "n", "kb_id": "k", "img_id": "m",
     "positions": [[1, 2, 3, 4, 5]], "doc_type_kwd": "text", "important_kwd": ["w"], "question_kwd": ["q"]},
    {"id": "i", "content": "c", "document_id": "d", "document_name": "n", "knowledgebase_id": "k", "image_id": "m",
     "position": [[1, 2, 3, 4, 5]], "doc_type": "text", "important_keywords": ["w"], "questions": ["q"]},
]  # fmt: skip


@pytest.mark.parametrize("row", SPELLINGS)
def test_one_chunk_in_all_spellings(row: Row) -> None:
    """Listed, retrieved, raw or cited, by whatever version: a chunk has the same attributes."""
    chunk = Chunk.model_validate(row)
    assert chunk == Chunk(
        id="i", content="c", document_id="d", document_name="n", dataset_id="k", image_id="m",
        positions=[[1, 2, 3, 4, 5]], doc_type="text", important_keywords=["w"], questions=["q"],
    )  # fmt: skip


def test_unknown_fields_stay() -> None:
    """What a newer server adds is there at once."""
    assert Chunk.model_validate({"id": "i", "new_field": [1]}).new_field == [1]  # type: ignore[attr-defined]


def test_a_score_that_was_not_sent() -> None:
    """Absent is ``None``, not 0."""
    chunk = Chunk(id="i")
    assert (chunk.similarity, chunk.vector_similarity, chunk.term_similarity) == (None, None, None)


@pytest.mark.parametrize(
    ("wire", "run", "finished"),
    [("0", "UNSTART", False), (1, "RUNNING", False), ("2", "CANCEL", True), ("3", "DONE", True), ("4", "FAIL", True),
     ("5", "UNSTART", False), ("DONE", "DONE", True)],
)  # fmt: skip
def test_run(wire: Any, run: str, finished: bool) -> None:
    """Older routes send digits; here it is always the name."""
    document = DocumentFields.model_validate({"run": wire})
    assert (document.run, document.finished) == (run, finished)


def test_progress_of_nothing() -> None:
    """No documents are all finished; a failure's -1 counts as ended."""
    assert ParseProgress([]).fraction == 1.0
    failed = DocumentFields(run="FAIL", progress=-1.0)
    assert ParseProgress([failed, DocumentFields(run="RUNNING", progress=0.5)]).fraction == 0.75


def test_pages_are_lists() -> None:
    """A page is a plain list with a total, and survives pickling."""
    page = Page([1, 2], 7)
    assert page == [1, 2]
    found = Retrieval([Chunk(id="a")], 3, [DocumentAggregate(document_id="d", count=1)])
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    assert (again, again.total, again.doc_aggs) == (found, 3, found.doc_aggs)


def test_defaults_are_not_shared() -> None:
    """A list changed on one object is not changed on the next."""
    Chunk().positions.append(1)
    SessionFields().messages.append(Message())
    assert (Chunk().positions, SessionFields().messages) == ([], [])
