"""Datasets, documents, chunks, chats: what is stored, changed, deleted, counted and shared."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from ragflow_integrations.local.conversation import Question
from ragflow_integrations.local.embed import HashedEmbedder
from ragflow_integrations.local.engine import Delta, Engine, Final, Retrieval, open_engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.problems import InUse, Missing, Refused
from tests.local.knowledge import ALL, NEWEST, TEXTS, check_truth, filled, parsed

OLDEST = {**NEWEST, "desc": False}


class OtherEmbedder(HashedEmbedder):
    """The built-in embedder under another name."""

    name = "other"


@pytest.fixture(params=["memory", "folder"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty engine, in memory and in a folder."""
    with Engine(":memory:" if request.param == "memory" else tmp_path / "kb") as engine:
        yield engine


def names(listed: tuple[list[dict[str, Any]], int]) -> list[str]:
    """The names of the rows of a list."""
    return [row["name"] for row in listed[0]]


# Datasets


def test_a_dataset_has_the_servers_fields_and_defaults(engine: Engine) -> None:
    """A new dataset shows ids, dates and defaults as RAGFlow v0.27 does, and the settings that were given."""
    made = engine.create_dataset(
        {"name": "kb", "description": "d", "embedding_model": "embedding-3@ZHIPU-AI"}
    )
    assert re.fullmatch(r"[0-9a-f]{12}1[0-9a-f]{19}", made["id"])
    assert (made["chunk_method"], made["permission"], made["status"]) == ("naive", "me", "1")
    assert (made["similarity_threshold"], made["vector_similarity_weight"]) == (0.2, 0.3)
    assert (made["description"], made["embedding_model"]) == ("d", "embedding-3@ZHIPU-AI")
    assert made["parser_config"]["chunk_token_num"] == 512
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", made["create_date"])
    assert made["create_time"] == made["update_time"] > 1_600_000_000_000
    assert made["tenant_id"] == made["created_by"] == engine.tenant_id
    assert engine.get_dataset(made["id"]) == made
    assert engine.create_dataset({"name": "x"})["embedding_model"] == engine.embedding_model


def test_taken_names_are_counted_up(engine: Engine) -> None:
    """A taken name gets a number, upper and lower case alike, in front of a file's suffix."""
    made = [engine.create_dataset({"name": name})["name"] for name in ("kb", "kb", "KB", "kb(1)")]
    assert made == ["kb", "kb(1)", "KB(2)", "kb(3)"]
    dataset = engine.list_datasets(**OLDEST)[0][0]
    added = [
        engine.add_document(dataset["id"], name, b"x")["name"] for name in ("a.txt", "a.txt", "A.txt", ".env")
    ]
    assert added == ["a.txt", "a(1).txt", "A(2).txt", ".env"]


def test_datasets_are_listed_in_pages(engine: Engine) -> None:
    """Pages, order, and the filters by id, ids and name; the total counts what fits."""
    ids = [engine.create_dataset({"name": name})["id"] for name in ("b", "a", "c")]
    assert names(engine.list_datasets(**NEWEST)) == ["c", "a", "b"]
    assert names(engine.list_datasets(page=1, page_size=2, orderby="name", desc=False)) == ["a", "b"]
    page = engine.list_datasets(page=2, page_size=2, orderby="name", desc=False)
    assert (names(page), page[1]) == (["c"], 3)
    assert names(engine.list_datasets(**NEWEST, id=ids[1])) == ["a"]
    assert names(engine.list_datasets(**NEWEST, ids=ids[:2])) == ["a", "b"]
    assert engine.list_datasets(**NEWEST, ids=[])[1] == 0
    assert engine.list_datasets(**NEWEST, name="none") == ([], 0)
    with pytest.raises(Refused, match="invalid orderby field: size"):
        engine.list_datasets(page=1, page_size=1, orderby="size", desc=True)


def test_updating_a_dataset(engine: Engine) -> None:
    """Values replace, parser_config is merged in depth, another method brings its own defaults, names stay unique."""
    dataset = engine.create_dataset({"name": "kb", "parser_config": {"raptor": {"max_token": 99}}})
    engine.create_dataset({"name": "other"})
    config = {"chunk_token_num": 64, "raptor": {"max_cluster": 7}}
    changed = engine.update_dataset(
        dataset["id"], {"name": "KB", "description": "new", "parser_config": config}
    )
    assert (changed["name"], changed["description"]) == ("KB", "new")
    assert changed["parser_config"]["chunk_token_num"] == 64
    assert changed["parser_config"]["raptor"]["max_token"] == 99
    assert changed["parser_config"]["raptor"]["max_cluster"] == 7
    assert changed["parser_config"]["delimiter"] == "\n"
    assert engine.update_dataset(dataset["id"], {"description": None})["description"] is None
    assert "delimiter" not in engine.update_dataset(dataset["id"], {"chunk_method": "book"})["parser_config"]
    with pytest.raises(Refused, match="Dataset name 'OTHER' already exists"):
        engine.update_dataset(dataset["id"], {"name": "OTHER"})
    with pytest.raises(Missing, match="You don't own the dataset nothing"):
        engine.update_dataset("nothing", {"name": "x"})


def test_deleting_datasets(engine: Engine) -> None:
    """Deleted datasets take everything with them; an unknown id, and nothing is deleted; None means all."""
    kept, gone = filled(engine), filled(engine)
    with pytest.raises(Missing, match="nothing"):
        engine.delete_datasets([gone["id"], "nothing"])
    assert engine.delete_datasets([]) == 0
    assert engine.delete_datasets([gone["id"], gone["id"]]) == 1
    assert engine.get_dataset(gone["id"]) is None
    assert engine.get_dataset(kept["id"]) == kept
    with pytest.raises(Missing):
        engine.retrieve(Retrieval("zebra", [gone["id"]]))
    check_truth(engine)
    assert engine.delete_datasets(None) == 1
    assert engine.list_datasets(**NEWEST) == ([], 0)
    check_truth(engine)


# Documents


def test_a_document_keeps_its_bytes(engine: Engine) -> None:
    """Any bytes come back as they were, and the row tells size, suffix, type and the dataset's settings."""
    dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 64}})
    data = bytes(range(256)) * 300
    document = engine.add_document(dataset["id"], "Über uns.PDF", data)
    assert engine.read_document(document["id"]) == data
    assert (document["size"], document["suffix"], document["type"]) == (len(data), "PDF", "pdf")
    assert document["parser_config"] == dataset["parser_config"]
    assert engine.get_document(document["id"]) == document
    assert engine.dataset_size(dataset["id"]) == len(data)
    assert engine.get_dataset(dataset["id"])["document_count"] == 1  # type: ignore[index]
    with pytest.raises(Missing, match="document not found"):
        engine.read_document("nothing")
    with pytest.raises(Missing, match="You don't own the dataset nothing"):
        engine.add_document("nothing", "a.txt", b"")


def test_equal_files_are_stored_once(engine: Engine) -> None:
    """The bytes of a file stay as long as one document has them, and no longer."""
    dataset = engine.create_dataset({"name": "kb"})
    first, second = (engine.add_document(dataset["id"], "a.txt", b"same") for _ in range(2))
    check_truth(engine)
    assert engine.delete_documents(dataset["id"], [first["id"]]) == 1
    assert engine.read_document(second["id"]) == b"same"
    engine.delete_documents(dataset["id"], [second["id"]])
    check_truth(engine)


def test_documents_are_filtered(engine: Engine) -> None:
    """Lists are narrowed by id, ids, name, part of the name, state, suffix and type."""
    dataset = filled(engine)
    new = engine.add_document(dataset["id"], "photo.png", b"x")

    def found(**filters: Any) -> list[str]:
        listed, total = engine.list_documents(dataset["id"], **OLDEST, **filters)
        assert total == len(listed)
        return [row["name"] for row in listed]

    assert found() == [*TEXTS, "photo.png"]
    assert found(id=new["id"]) == found(ids=[new["id"], "nothing"]) == found(run=["UNSTART"]) == ["photo.png"]
    assert found(types=["visual"]) == found(suffix=["png", "gif"]) == found(keywords="PHOTO") == ["photo.png"]
    assert found(name="moon.md") == found(keywords="oo", run=["DONE"]) == ["moon.md"]
    assert found(run=["DONE"], suffix=["txt"]) == ["atlantis.txt", "zebra.txt"]
    assert found(keywords="%") == []
    assert engine.list_documents("nothing", **NEWEST) == ([], 0)


def test_updating_a_document(engine: Engine) -> None:
    """Name, metadata and settings change; a taken name and an unknown document are refused."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST, name="moon.md")[0][0]
    changes = {"name": "luna.md", "meta_fields": {"year": 2024}, "parser_config": {"chunk_token_num": 9}}
    changed = engine.update_document(document["id"], changes)
    assert (changed["name"], changed["meta_fields"]) == ("luna.md", {"year": 2024})
    assert changed["parser_config"]["chunk_token_num"] == 9
    assert changed["parser_config"]["delimiter"] == "\n"
    assert engine.update_document(document["id"], {"meta_fields": {}})["meta_fields"] == {}
    with pytest.raises(Refused, match="Duplicated document name"):
        engine.update_document(document["id"], {"name": "Zebra.txt"})
    with pytest.raises(Missing, match="you don't own the document nothing"):
        engine.update_document("nothing", {})
    check_truth(engine)


def test_a_new_name_is_found(engine: Engine) -> None:
    """The words of a document's name count in the search, and follow when it is renamed."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST, name="moon.md")[0][0]
    words = Retrieval("giraffe", [dataset["id"]], vector_similarity_weight=0.0)
    assert {chunk["term_similarity"] for chunk in engine.retrieve(words).chunks} <= {0.0}
    engine.update_document(document["id"], {"name": "giraffe.md"})
    best = engine.retrieve(words).chunks[0]
    assert (best["document_keyword"], best["term_similarity"] > 0) == ("giraffe.md", True)


def test_deleting_documents(engine: Engine) -> None:
    """Deleted documents are gone from list, search and counters; one foreign id, and nothing is deleted."""
    dataset, other = filled(engine), filled(engine)
    ids = {row["name"]: row["id"] for row in engine.list_documents(dataset["id"], **NEWEST)[0]}
    foreign = engine.list_documents(other["id"], **NEWEST)[0][0]["id"]
    with pytest.raises(Missing, match=f"Document not found: {foreign}"):
        engine.delete_documents(dataset["id"], [ids["zebra.txt"], foreign])
    assert engine.delete_documents(dataset["id"], [ids["zebra.txt"]]) == 1
    found = engine.retrieve(Retrieval("Where do zebras live?", [dataset["id"]], similarity_threshold=0.0))
    assert "zebra.txt" not in {chunk["document_keyword"] for chunk in found.chunks}
    check_truth(engine)
    assert engine.delete_documents(dataset["id"], None) == 2
    emptied = engine.get_dataset(dataset["id"])
    assert emptied is not None
    assert (emptied["document_count"], emptied["chunk_count"], emptied["token_num"]) == (0, 0, 0)
    assert engine.get_dataset(other["id"]) == other
    check_truth(engine)


# Chunks


def test_added_chunks_are_listed_first_and_found(engine: Engine) -> None:
    """An added chunk is there at once, in front of the parsed ones, with its keywords and questions."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST, name="zebra.txt")[0][0]
    first = engine.add_chunk(
        document["id"], "Okapis hide.", important_keywords=["okapi"], questions=["Who hides?"]
    )
    second = engine.add_chunk(document["id"], "Quaggas are extinct.")
    assert re.fullmatch(r"[0-9a-f]{16}", first["id"])
    assert (first["important_keywords"], first["questions"]) == (["okapi"], ["Who hides?"])
    listed, total = engine.list_chunks(document["id"], **ALL)
    assert [chunk["id"] for chunk in listed[:2]] == [second["id"], first["id"]]
    assert (total, listed[2]["content"].strip()) == (3, TEXTS["zebra.txt"].decode())
    assert engine.retrieve(Retrieval("Who hides?", [dataset["id"]])).chunks[0]["id"] == first["id"]
    check_truth(engine)


def test_the_same_content_replaces_a_chunk(engine: Engine) -> None:
    """The same text in the same document is the same chunk, with what was given last; elsewhere it is another.

    It counts each time, as recorded of RAGFlow, until the document is parsed again.
    """
    dataset = filled(engine)
    one, two, *_ = engine.list_documents(dataset["id"], **NEWEST)[0]
    old = engine.add_chunk(one["id"], "Same.", important_keywords=["old"])
    new = engine.add_chunk(one["id"], "Same.")
    assert (new["id"], new["important_keywords"]) == (old["id"], [])
    assert engine.list_chunks(one["id"], **ALL)[1] == 2
    assert engine.add_chunk(two["id"], "Same.")["id"] != new["id"]
    check_truth(engine, added_again=True)
    assert counters(engine, dataset["id"], one["id"]) == (dataset["chunk_count"] + 3, one["chunk_count"] + 2)
    parsed(engine, [one["id"]])
    check_truth(engine)


def counters(engine: Engine, dataset_id: str, document_id: str) -> tuple[int, int]:
    """How many chunks the dataset and its document say they have."""
    dataset, document = engine.get_dataset(dataset_id), engine.get_document(document_id)
    assert dataset is not None
    assert document is not None
    return dataset["chunk_count"], document["chunk_count"]


def test_chunks_are_searched_within_a_document(engine: Engine) -> None:
    """``keywords`` and ``id`` narrow the list of chunks; words that are no words find nothing."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST, name="zebra.txt")[0][0]
    added = engine.add_chunk(document["id"], "Quaggas are extinct.")
    assert [chunk["id"] for chunk in engine.list_chunks(document["id"], **ALL, keywords="quagga")[0]] == [
        added["id"]
    ]
    assert engine.list_chunks(document["id"], **ALL, keywords="moon") == ([], 0)
    assert engine.list_chunks(document["id"], **ALL, keywords='"!" AND (') == ([], 0)
    assert engine.list_chunks(document["id"], **ALL, id=added["id"])[1] == 1
    assert len(engine.list_chunks(document["id"], page=2, page_size=1)[0]) == 1


def test_deleting_chunks(engine: Engine) -> None:
    """Chunks go by id or all; ids of other documents are passed over."""
    dataset = filled(engine)
    one, two, *_ = engine.list_documents(dataset["id"], **NEWEST)[0]
    added = [engine.add_chunk(one["id"], f"Chunk {n}.")["id"] for n in range(3)]
    assert engine.delete_chunks(two["id"], added) == 0
    assert engine.delete_chunks(one["id"], []) == 0
    assert engine.delete_chunks(one["id"], [added[0], added[0], "nothing"]) == 1
    assert engine.delete_chunks(one["id"], None) == 3
    assert engine.list_chunks(one["id"], **ALL) == ([], 0)
    check_truth(engine)


# Counters, whatever happens

ACTIONS = (
    *("add", "parse", "chunk", "chunk", "same", "drop", "edit", "toggle", "switch", "rename", "delete"),
    "empty",
)


@hypothesis.given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3)), min_size=5, max_size=25))
@hypothesis.settings(max_examples=25)
def test_counters_are_always_true(actions: list[tuple[str, int]]) -> None:
    """After any sequence of changes all counters equal what is there, and the index holds what the table holds."""
    with Engine(":memory:") as engine:
        dataset = filled(engine)
        for step, (action, which) in enumerate(actions):
            documents = engine.list_documents(dataset["id"], **OLDEST)[0]
            if action == "add" or not documents:
                engine.add_document(dataset["id"], "new.txt", b"Some text of step %d." % which)
                continue
            act(engine, action, documents[which % len(documents)], step)
        check_truth(engine, added_again="same" in dict(actions))


def act(engine: Engine, action: str, document: dict[str, Any], step: int) -> None:
    """One change of a document."""
    identifier = document["id"]
    if action == "parse":
        parsed(engine, [identifier])
    elif action in ("chunk", "same"):
        engine.add_chunk(identifier, "Same." if action == "same" else f"Chunk of step {step}.")
    elif action in ("drop", "edit", "toggle"):
        for chunk in engine.list_chunks(identifier, **ALL)[0][:1]:
            act_on_chunk(engine, action, chunk, step)
    elif action == "switch":
        engine.update_document(identifier, {"enabled": 1 - int(document["status"])})
    elif action == "rename":
        engine.update_document(identifier, {"name": f"name{step}.txt"})
    elif action == "empty":
        engine.delete_chunks(identifier, None)
    else:
        engine.delete_documents(document["dataset_id"], [identifier])


def act_on_chunk(engine: Engine, action: str, chunk: dict[str, Any], step: int) -> None:
    """One change of a chunk."""
    if action == "drop":
        engine.delete_chunks(chunk["document_id"], [chunk["id"]])
    elif action == "edit":
        engine.update_chunk(chunk["id"], {"content": f"Changed in step {step}."})
    else:
        engine.switch_chunks(chunk["document_id"], [chunk["id"]], not chunk["available"])


def test_updating_a_chunk(engine: Engine) -> None:
    """A parsed chunk keeps id and place when it changes, and the matrix in memory knows its new vector."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST, name="zebra.txt")[0][0]
    engine.retrieve(Retrieval("zebra", [dataset["id"]]))
    [chunk] = engine.list_chunks(document["id"], **ALL)[0]
    engine.update_chunk(chunk["id"], {"content": "Okapis hide in Congo."})
    changed = engine.get_chunk(chunk["id"])
    assert changed == {**chunk, "content": "Okapis hide in Congo."}
    words = Retrieval("Okapis hide in Congo.", [dataset["id"]], vector_similarity_weight=1.0)
    best = engine.retrieve(words).chunks[0]
    assert (best["id"], best["vector_similarity"] > 0.8) == (chunk["id"], True)
    check_truth(engine)
    with pytest.raises(Missing, match="nothing"):
        engine.update_chunk("nothing", {"content": "x"})
    assert engine.get_chunk("nothing") is None


# Chats and sessions


def test_chats(engine: Engine) -> None:
    """Chats have RAGFlow's defaults, unique names, datasets with chunks, and values that replace the old ones."""
    dataset, empty = filled(engine), engine.create_dataset({"name": "empty"})
    chat = engine.create_chat(
        {"name": "c", "dataset_ids": [dataset["id"]], "prompt_config": {"quote": False}}
    )
    assert (chat["top_n"], chat["top_k"], chat["similarity_threshold"]) == (6, 1024, 0.1)
    assert (chat["dataset_ids"], chat["kb_names"]) == ([dataset["id"]], ["kb"])
    assert chat["prompt_config"]["quote"] is False
    assert [each["key"] for each in chat["prompt_config"]["parameters"]] == ["knowledge"]
    with pytest.raises(Refused, match="there is a chat C already"):
        engine.create_chat({"name": "C"})
    with pytest.raises(Refused, match=f"The dataset {empty['id']} doesn't own parsed file"):
        engine.create_chat({"name": "d", "dataset_ids": [empty["id"]]})
    with pytest.raises(Missing, match="You don't own the dataset nothing"):
        engine.update_chat(chat["id"], {"dataset_ids": ["nothing"]})
    engine.create_chat({"name": "second"})
    with pytest.raises(Refused, match="there is a chat SECOND already"):
        engine.update_chat(chat["id"], {"name": "SECOND"})
    changed = engine.update_chat(chat["id"], {"name": "new", "top_n": 3, "dataset_ids": []})
    assert (changed["name"], changed["top_n"], changed["kb_names"]) == ("new", 3, [])
    assert engine.get_chat(chat["id"]) == changed
    assert names(engine.list_chats(**NEWEST)) == ["second", "new"]
    assert names(engine.list_chats(**NEWEST, keywords="EC")) == ["second"]
    assert engine.delete_chats([chat["id"], "nothing"]) == 1
    assert engine.get_chat(chat["id"]) is None
    assert engine.delete_chats(None) == 1


def test_a_chat_survives_its_dataset(engine: Engine) -> None:
    """A deleted dataset disappears from the chats that used it."""
    dataset = filled(engine)
    chat = engine.create_chat({"name": "c", "dataset_ids": [dataset["id"]]})
    engine.delete_datasets([dataset["id"]])
    assert engine.get_chat(chat["id"])["dataset_ids"] == []  # type: ignore[index]


def test_sessions(engine: Engine) -> None:
    """Sessions open with the prologue, are listed newest first, renamed, and deleted with their chat."""
    chat = engine.create_chat({"name": "c", "prompt_config": {"prologue": "Servus"}})
    first, second = (engine.create_session(chat["id"], name) for name in ("s1", "s2"))
    assert first["messages"] == [{"role": "assistant", "content": "Servus"}]
    assert (first["chat_id"], first["reference"], first["user_id"]) == (chat["id"], [], engine.tenant_id)
    assert [each["name"] for each in engine.list_sessions(chat["id"], **NEWEST)] == ["s2", "s1"]
    assert engine.list_sessions(chat["id"], **NEWEST, name="s1") == [first]
    assert engine.update_session(first["id"], {"name": "renamed"})["name"] == "renamed"
    with pytest.raises(Missing, match="Session not found!"):
        engine.update_session("nothing", {"name": "x"})
    with pytest.raises(Missing):
        engine.create_session("nothing", "x")
    assert engine.delete_sessions("nothing", [first["id"]]) == 0
    assert engine.delete_sessions(chat["id"], [first["id"]]) == 1
    engine.delete_chats([chat["id"]])
    assert engine.get_session(second["id"]) is None


def conversation(engine: Engine, **prompt_config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A chat on a filled dataset, and a session."""
    fields = {"name": "c", "dataset_ids": [filled(engine)["id"]], "prompt_config": prompt_config}
    chat = engine.create_chat(fields)
    return chat, engine.create_session(chat["id"], "s")


def test_an_answer_cites_and_is_kept(engine: Engine) -> None:
    """The answer quotes the right document; session and reference are stored once the stream has ended."""
    chat, session = conversation(engine)
    question = {"role": "user", "content": "What is the capital of Atlantis?", "id": "m1"}
    *deltas, final = engine.converse(chat, Question([question]), session=session)
    text = "".join(delta.text for delta in deltas if isinstance(delta, Delta))
    assert isinstance(final, Final)
    assert "Poseidonia" in text
    assert "[ID:0]" in text
    assert final.reference is not None
    assert final.reference["chunks"][0]["document_name"] == "atlantis.txt"
    assert final.reference["doc_aggs"][0]["doc_name"] == "atlantis.txt"
    assert (final.answer, "Poseidonia" in final.prompt) == ("", True)
    stored = engine.get_session(session["id"])
    assert stored is not None
    _, asked, answered = stored["messages"]
    assert asked == question
    assert (answered["role"], answered["content"], answered["id"]) == ("assistant", text, "m1")
    assert stored["reference"] == [final.reference]


def test_a_broken_off_answer_is_not_kept(engine: Engine) -> None:
    """Who stops listening leaves the session as it was."""
    chat, session = conversation(engine)
    question = Question([{"role": "user", "content": "Where do zebras live?"}])
    stream = engine.converse(chat, question, session=session)
    assert isinstance(next(stream), Delta)
    stream.close()  # type: ignore[attr-defined]
    assert engine.get_session(session["id"]) == session


def test_without_a_hit_the_chats_empty_response_is_given(engine: Engine) -> None:
    """Nothing relevant: the chat's own words at the end, and an empty reference."""
    chat, session = conversation(engine, empty_response="Nothing about that.")
    chat = engine.update_chat(chat["id"], {"similarity_threshold": 0.99})
    [final] = engine.converse(chat, Question([{"role": "user", "content": "xxyyzz"}]), session=session)
    assert isinstance(final, Final)
    assert final.answer == "Nothing about that."
    assert final.reference == {"total": 0, "chunks": [], "doc_aggs": []}


def test_what_takes_a_language_model_is_refused(engine: Engine) -> None:
    """A chat without datasets, and a conversation that does not end with the user: said at once."""
    hello = {"role": "user", "content": "Hello?"}
    with pytest.raises(Refused, match="needs a language model"):
        engine.converse(engine.create_chat({"name": "bare"}), Question([hello]))
    for messages in ([], [hello, {"role": "assistant", "content": "Hi."}]):
        with pytest.raises(Refused, match="not from user"):
            Question(messages)


# Files, sharing, keys


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    """A closed and reopened folder holds the same rows, finds the same chunks, and has the same tenant."""

    def state(engine: Engine) -> list[Any]:
        dataset = engine.list_datasets(**NEWEST)[0][0]
        documents = engine.list_documents(dataset["id"], **NEWEST)
        found = engine.retrieve(Retrieval("Where do zebras live?", [dataset["id"]]))
        return [engine.tenant_id, dataset, documents, found, engine.list_chats(**NEWEST)]

    with Engine(tmp_path) as engine:
        conversation(engine)
        before = state(engine)
    with Engine(tmp_path) as engine:
        assert state(engine) == before


def test_one_engine_per_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All who open a folder in a process share one engine, however the path is written; the last one closes it."""
    monkeypatch.chdir(tmp_path)
    first, second = open_engine("kb"), open_engine(tmp_path / "x" / ".." / "kb")
    assert first is second
    first.close()
    second.create_dataset({"name": "still open"})
    second.close()
    with pytest.raises(Refused, match="closed"):
        second.create_dataset({"name": "too late"})
    third = open_engine("kb")
    assert third is not first
    assert names(third.list_datasets(**NEWEST)) == ["still open"]
    third.close()


def test_memory_is_not_shared() -> None:
    """Each opening of ``":memory:"`` is an engine of its own."""
    with open_engine(":memory:") as first, open_engine(":memory:") as second:
        first.create_dataset({"name": "mine"})
        assert second.list_datasets(**NEWEST) == ([], 0)


def test_embedders_are_not_mixed(tmp_path: Path) -> None:
    """A shared folder has one choice of models, and vectors of an absent embedder are neither searched nor added to."""
    with open_engine(tmp_path, Choice(embedding=OtherEmbedder())) as engine:
        dataset = filled(engine)
        document = engine.list_documents(dataset["id"], **NEWEST)[0][0]
        with pytest.raises(Refused, match="open in this process with another embedding="):
            open_engine(tmp_path, Choice(embedding=OtherEmbedder()))
    with Engine(tmp_path) as engine:
        for call in (
            lambda: engine.retrieve(Retrieval("zebra", [dataset["id"]])),
            lambda: engine.add_chunk(document["id"], "x"),
        ):
            with pytest.raises(Refused, match=f"'kb' was made with the embedder {OtherEmbedder.name}"):
                call()
        [failed] = parsed(engine, [document["id"]])
        assert (failed["run"], OtherEmbedder.name in failed["progress_msg"]) == ("FAIL", True)
        assert filled(engine)["chunk_count"] == len(TEXTS)


def test_what_the_built_in_embedder_made_stays_of_use(tmp_path: Path) -> None:
    """With another embedder for new datasets, old ones keep theirs; both at once are not searched."""
    with Engine(tmp_path) as engine:
        old = filled(engine)
    with Engine(tmp_path, Choice(embedding=OtherEmbedder())) as engine:
        assert engine.retrieve(Retrieval("zebra", [old["id"]])).total > 0
        new = engine.create_dataset({"name": "new"})
        said = re.escape(f"different embedding models: ['hashed-512', '{OtherEmbedder.name}']")
        with pytest.raises(Refused, match=said):
            engine.retrieve(Retrieval("zebra", [old["id"], new["id"]]))
        with pytest.raises(Refused, match="embedding_model must remain BAAI/bge-small-en-v1.5@Builtin"):
            engine.update_dataset(old["id"], {"embedding_model": new["embedding_model"]})
        engine.update_dataset(old["id"], {"embedding_model": old["embedding_model"]})
        changed = engine.update_dataset(new["id"], {"embedding_model": "hashed-512@Builtin"})
        assert changed["embedding_model"] == "hashed-512@Builtin"
        engine.retrieve(Retrieval("zebra", [old["id"], new["id"]]))


def test_the_key_is_kept_for_the_owner(tmp_path: Path) -> None:
    """A key is made once and kept where only the owner reads it; a given one takes its place."""
    with Engine(tmp_path) as engine:
        key = engine.api_key()
        assert re.fullmatch(r"ragflow-[\w-]{32}", key)
        assert engine.api_key() == key
        assert (tmp_path / "api_key").stat().st_mode & 0o777 == 0o600
    with Engine(tmp_path) as engine:
        assert engine.api_key() == key
        assert engine.api_key("my-own") == "my-own"
        assert engine.api_key() == "my-own"
        assert (tmp_path / "api_key").stat().st_mode & 0o777 == 0o600
        assert "my-own" not in repr(engine)
    with Engine(":memory:") as engine:
        assert engine.api_key() == engine.api_key() != key


def test_several_processes_have_one_key(tmp_path: Path) -> None:
    """Of two that open a new folder at once the second one takes the first one's key, and waits for it."""
    with Engine(tmp_path) as first, Engine(tmp_path) as second:
        made: list[str] = []
        other = threading.Thread(target=lambda: made.append(second.api_key()))
        with first._shared.store.write():
            other.start()
            other.join(0.3)
            (tmp_path / "api_key").write_text("the first one's\n")
        other.join()
        assert made == [first.api_key()] == ["the first one's"]


def test_another_process_that_writes_for_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that waits too long for another process says so instead of hanging or failing darkly."""
    monkeypatch.setattr("ragflow_integrations.local.store._BUSY_MS", 1000)
    refused = pytest.raises(InUse, match="locked by another process for 1 seconds")
    with Engine(tmp_path) as one, Engine(tmp_path) as two, one._shared.store.write(), refused:
        two.create_dataset({"name": "kb"})


def test_names_that_differ_in_case_only(engine: Engine) -> None:
    """Renaming to a name that another one has is refused, whatever letters fold to; one's own case may change."""
    dataset_id = engine.create_dataset({"name": "Ä"})["id"]
    other = engine.create_dataset({"name": "ä"})["id"]
    first = engine.add_document(dataset_id, "Ä.txt", b"x")["id"]
    second = engine.add_document(dataset_id, "ä.txt", b"y")["id"]
    with pytest.raises(Refused, match="already exists"):
        engine.update_dataset(other, {"name": "Ä"})
    with pytest.raises(Refused, match="Duplicated document name"):
        engine.update_document(second, {"name": "Ä.txt"})
    assert engine.update_document(first, {"name": "Ä.TXT"})["name"] == "Ä.TXT"


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    """Another key's tenant has nothing of the owner's, by whatever id, and may use the same names."""
    with Engine(tmp_path) as owner:
        dataset = filled(owner)
        document = owner.list_documents(dataset["id"], **NEWEST)[0][0]
        chunk = owner.list_chunks(document["id"], page=1, page_size=1)[0][0]
        chat = owner.create_chat({"name": "helper", "dataset_ids": [dataset["id"]]})
        session = owner.create_session(chat["id"], "first")
        other = owner.add_tenant("ragflow-other")
        assert owner.tenant_with("ragflow-other") is not None
        assert other.tenant_id != owner.tenant_id
        assert other.list_datasets(**NEWEST) == other.list_chats(**NEWEST) == ([], 0)
        assert other.list_documents(dataset["id"], **NEWEST) == ([], 0)
        assert other.list_sessions(chat["id"], **NEWEST) == []
        found = [
            other.get_dataset(dataset["id"]),
            other.get_document(document["id"]),
            other.get_chunk(chunk["id"]),
            other.get_chat(chat["id"]),
            other.get_session(session["id"]),
        ]
        assert found == [None] * 5
        for call in (
            lambda: other.retrieve(Retrieval("zebra", [dataset["id"]])),
            lambda: other.read_document(document["id"]),
            lambda: other.metadata([dataset["id"]]),
            lambda: other.dataset_size(dataset["id"]),
            lambda: other.list_chunks(document["id"], page=1, page_size=1),
            lambda: other.add_chunk(document["id"], "mine"),
            lambda: other.update_chunk(chunk["id"], {"content": "mine"}),
            lambda: other.delete_chunks(document["id"], None),
            lambda: other.update_document(document["id"], {"name": "mine.txt"}),
            lambda: other.delete_documents(dataset["id"], None),
            lambda: other.start_parsing([document["id"]]),
            lambda: other.update_dataset(dataset["id"], {"name": "mine"}),
            lambda: other.delete_datasets([dataset["id"]]),
            lambda: other.create_chat({"name": "mine", "dataset_ids": [dataset["id"]]}),
            lambda: other.update_chat(chat["id"], {"name": "mine"}),
            lambda: other.update_session(session["id"], {"name": "mine"}),
        ):
            with pytest.raises(Missing):
                call()
        assert other.delete_chats(None) == other.delete_datasets(None) == 0
        assert other.delete_sessions(chat["id"], None) == 0
        assert other.create_dataset({"name": dataset["name"]})["name"] == dataset["name"]
        assert owner.get_session(session["id"]) is not None
        check_truth(owner)


def test_changes_of_one_chunk_at_once() -> None:
    """Two changes of a chunk that overlap are both there afterwards."""

    class Waiting(OtherEmbedder):
        def embed(self, texts: Any) -> Any:
            if "Changed." in texts[-1] and not self.met.is_set():
                self.met.set()
                engine.update_chunk(chunk["id"], {"important_keywords": ["kept"]})
            return super().embed(texts)

        met = threading.Event()

    with Engine(":memory:", Choice(embedding=Waiting())) as engine:
        document = engine.add_document(engine.create_dataset({"name": "kb"})["id"], "a.txt", b"x")
        chunk = engine.add_chunk(document["id"], "First.")
        engine.update_chunk(chunk["id"], {"content": "Changed."})
        found = engine.get_chunk(chunk["id"])
        assert found is not None
        assert (found["content"], found["important_keywords"]) == ("Changed.", ["kept"])
