"""Retrieval: the right candidates in the right order, windows and pages, filters, other writers, the server's truth."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ragflow_integrations.local import search
from ragflow_integrations.local.engine import Engine, Retrieval
from ragflow_integrations.local.rank import analyse, similarity, term_similarity
from ragflow_integrations.local.store import rows
from tests.local.knowledge import ALL, NEWEST, check_truth, filled
from tests.local.truth import TOPICS

TRUTH = Path(__file__).parents[1] / "data" / "truth_retrieval.jsonl"
QUESTIONS = [
    "How does the yield expression work?",
    "with statement context manager",
    "nonlocal",
    "the",
    "in a of is",
]


@pytest.fixture(params=["memory", "folder"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty engine, in memory and in a folder."""
    with Engine(":memory:" if request.param == "memory" else tmp_path / "kb") as engine:
        yield engine


@pytest.fixture(scope="module")
def pydoc() -> Iterator[tuple[Engine, str]]:
    """Python's own language reference as a dataset."""
    with Engine(":memory:") as engine:
        texts = {f"{name}.txt": text.encode() for name, text in TOPICS.items()}
        yield engine, filled(engine, texts)["id"]


def found(engine: Engine, query: Retrieval) -> list[str]:
    """The names of the documents of the chunks found, in order."""
    return [chunk["document_keyword"] for chunk in engine.retrieve(query).chunks]


def test_a_question_finds_its_document(engine: Engine) -> None:
    """The chunk that answers comes first, complete as on the wire, its score mixed as RAGFlow mixes it."""
    dataset = filled(engine)
    result = engine.retrieve(Retrieval("Where do zebras live?", [dataset["id"]]))
    best = result.chunks[0]
    assert (best["document_keyword"], best["dataset_id"]) == ("zebra.txt", dataset["id"])
    assert best["similarity"] == pytest.approx(
        0.7 * best["term_similarity"] + 0.3 * best["vector_similarity"]
    )
    assert result.total == len(result.chunks)
    assert result.doc_aggs[0] == {"doc_name": "zebra.txt", "doc_id": best["document_id"], "count": 1}
    assert set(best) == {
        *(
            "id",
            "content",
            "content_ltks",
            "document_id",
            "document_keyword",
            "dataset_id",
            "important_keywords",
        ),
        *("image_id", "positions", "similarity", "term_similarity", "vector_similarity", "tag_kwd", "mom_id"),
        *("row_id", "doc_type_kwd"),
    }


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_finds_nothing(engine: Engine, question: str) -> None:
    """No question, no answer, no error."""
    result = engine.retrieve(Retrieval(question, [filled(engine)["id"]]))
    assert (result.total, result.chunks, result.doc_aggs) == (0, [], [])


def test_an_empty_dataset_finds_nothing(engine: Engine) -> None:
    """A dataset without chunks, alone or next to a full one, is searched without ado."""
    empty, full = engine.create_dataset({"name": "empty"})["id"], filled(engine)["id"]
    assert engine.retrieve(Retrieval("zebra", [empty])).total == 0
    assert found(engine, Retrieval("zebra", [empty, full]))[0] == "zebra.txt"


def test_the_threshold_cuts(engine: Engine) -> None:
    """Chunks below the threshold are not counted; with a vector weight of 0 RAGFlow does not apply it."""
    dataset = filled(engine)
    query = Retrieval("Where do zebras live?", [dataset["id"]], similarity_threshold=0.0)
    every = engine.retrieve(query)
    assert every.total == 3
    middle = every.chunks[1]["similarity"] - 1e-6
    assert engine.retrieve(replace(query, similarity_threshold=middle)).total == 2
    assert engine.retrieve(replace(query, similarity_threshold=0.999)).total == 0
    words = replace(query, vector_similarity_weight=0.0, similarity_threshold=0.999)
    assert found(engine, words)[0] == "zebra.txt"


def test_filters(engine: Engine) -> None:
    """Only the datasets and documents asked for are searched."""
    one, two = filled(engine), filled(engine)
    ids = {row["name"]: row["id"] for row in engine.list_documents(one["id"], **NEWEST)[0]}
    query = Retrieval("zebra", [one["id"]], similarity_threshold=0.0)
    assert len(found(engine, query)) == 3
    assert {chunk["dataset_id"] for chunk in engine.retrieve(query).chunks} == {one["id"]}
    assert len(found(engine, replace(query, dataset_ids=[one["id"], two["id"], one["id"]]))) == 6
    wanted = [ids["moon.md"], ids["atlantis.txt"], "nothing"]
    assert sorted(found(engine, replace(query, document_ids=wanted))) == ["atlantis.txt", "moon.md"]
    assert found(engine, replace(query, document_ids=["nothing"])) == []
    assert found(engine, replace(query, document_ids=[])) == []


@pytest.mark.parametrize("question", QUESTIONS[:3])
def test_many_documents_are_searched_as_few_are(pydoc: tuple[Engine, str], question: str) -> None:
    """What is found in many documents is what is found in them a few at a time, with the same scores."""
    engine, dataset = pydoc
    ids = [row["id"] for row in engine.list_documents(dataset, **NEWEST)[0]][:30]
    query = Retrieval(question, [dataset], similarity_threshold=0.3, page_size=100)

    def scores(wanted: list[str]) -> dict[str, float]:
        result = engine.retrieve(replace(query, document_ids=wanted))
        assert result.total == len(result.chunks) < 100
        return {chunk["id"]: chunk["similarity"] for chunk in result.chunks}

    assert len(ids) > search._FEW >= 15
    assert scores(ids) == pytest.approx(scores(ids[:15]) | scores(ids[15:]))


def test_switched_off_documents_are_not_found(engine: Engine) -> None:
    """A disabled document is out of the search until it is enabled again; chunks added meanwhile too."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST, name="zebra.txt")[0][0]
    query = Retrieval("zebra", [dataset["id"]], similarity_threshold=0.0)
    before = engine.retrieve(query)
    engine.update_document(document["id"], {"enabled": 0})
    added = engine.add_chunk(document["id"], "Zebras sleep standing up.")
    assert added["available"] is False
    assert "zebra.txt" not in found(engine, query)
    engine.update_document(document["id"], {"enabled": 1})
    engine.delete_chunks(document["id"], [added["id"]])
    assert engine.retrieve(query) == before
    check_truth(engine)


def test_top_k_bounds_the_candidates(engine: Engine) -> None:
    """No more than ``top_k`` chunks take part, the best ones."""
    dataset = filled(engine)
    query = Retrieval("Where do zebras live?", [dataset["id"]], similarity_threshold=0.0, top_k=1)
    assert (found(engine, query), engine.retrieve(query).total) == (["zebra.txt"], 1)


def test_highlight(engine: Engine) -> None:
    """Words of the question are marked in the text, other forms of them too, only if asked for."""
    dataset = filled(engine)
    query = Retrieval("zebra stripe", [dataset["id"]], highlight=True)
    assert (
        "<em>Zebras</em> live in Africa. Their <em>stripes</em>"
        in engine.retrieve(query).chunks[0]["highlight"]
    )
    assert "highlight" not in engine.retrieve(replace(query, highlight=False)).chunks[0]


def test_what_was_just_added_is_found(engine: Engine) -> None:
    """Additions and removals are in the next search, between many searches, without a reload in between."""
    dataset = filled(engine)
    document = engine.list_documents(dataset["id"], **NEWEST)[0][0]
    for number in range(20):
        added = engine.add_chunk(document["id"], f"Vessel number{number} left the harbour.")
        query = Retrieval(f"vessel number{number}", [dataset["id"]])
        assert engine.retrieve(query).chunks[0]["id"] == added["id"]
        if number % 3 == 0:
            engine.delete_chunks(document["id"], [added["id"]])
            assert added["id"] not in {chunk["id"] for chunk in engine.retrieve(query).chunks}


def test_another_engines_changes_are_found(tmp_path: Path) -> None:
    """What another connection or process adds, removes and switches off is seen by the next search."""
    with Engine(tmp_path) as reader, Engine(tmp_path) as writer:
        dataset = filled(writer)
        document = writer.list_documents(dataset["id"], **NEWEST, name="zebra.txt")[0][0]
        query = Retrieval("quagga", [dataset["id"]], vector_similarity_weight=0.0, similarity_threshold=1.0)

        def hits() -> int:
            return sum(chunk["term_similarity"] > 0 for chunk in reader.retrieve(query).chunks)

        assert hits() == 0
        added = [writer.add_chunk(document["id"], f"Quagga {n}")["id"] for n in range(3)]
        assert hits() == 3
        writer.delete_chunks(document["id"], added[:1])
        assert hits() == 2
        writer.update_document(document["id"], {"enabled": 0})
        assert hits() == 0
        writer.update_document(document["id"], {"enabled": 1})
        assert hits() == 2


def test_searches_while_others_write(tmp_path: Path) -> None:
    """Threads that search while chunks come and go always get whole, consistent answers."""
    with Engine(tmp_path) as engine:
        dataset = filled(engine)
        document = engine.list_documents(dataset["id"], **NEWEST)[0][0]
        stop, failures = threading.Event(), list[BaseException]()

        def ask() -> None:
            try:
                while not stop.is_set():
                    result = engine.retrieve(Retrieval("Where do zebras live?", [dataset["id"]]))
                    assert result.chunks[0]["document_keyword"] == "zebra.txt"
            except BaseException as failure:  # noqa: BLE001 - reported by the test itself
                failures.append(failure)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(60):
            added = engine.add_chunk(document["id"], f"Harbour {number}")
            if number % 2:
                engine.delete_chunks(document["id"], [added["id"]])
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        check_truth(engine)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_better_is_left_out(pydoc: tuple[Engine, str], question: str, weight: float) -> None:
    """The chunks of a page are the best of the whole dataset, as scoring every single chunk shows."""
    engine, dataset_id = pydoc
    query = Retrieval(question, [dataset_id], similarity_threshold=0.0, vector_similarity_weight=weight)
    got = [chunk["similarity"] for chunk in engine.retrieve(query).chunks]
    assert got == sorted(got, reverse=True)
    assert got == pytest.approx(sorted(every_similarity(engine, query), reverse=True)[: len(got)], abs=1e-5)


def every_similarity(engine: Engine, query: Retrieval) -> list[float]:
    """The similarity of all chunks to a question, one by one."""
    asked, [vector] = analyse(query.question), engine.models.embedder().embed([query.question])
    with engine._shared.store.read() as db:
        matrix = engine._shared.matrices.get(db, query.dataset_ids[0])
        terms = {each["row"]: each["terms"] for each in rows(db, "SELECT row, terms FROM chunk_index")}
    assert len(terms) == len(matrix.numbers)
    cosines = dict(zip(matrix.numbers.tolist(), (matrix.vectors @ vector).tolist(), strict=True))
    weight = query.vector_similarity_weight
    return [
        similarity(term_similarity(asked, text), cosines[number], weight) for number, text in terms.items()
    ]


def test_pages_make_up_the_whole(pydoc: tuple[Engine, str]) -> None:
    """Pages through all windows hold every chunk once, best first in each window; ``total`` is the window's."""
    engine, dataset_id = pydoc
    query = Retrieval("statement", [dataset_id], page_size=30, similarity_threshold=0.0)
    pages = [engine.retrieve(replace(query, page=page)) for page in range(1, 40)]
    ids = [chunk["id"] for page in pages for chunk in page.chunks]
    chunk_count = engine.get_dataset(dataset_id)["chunk_count"]  # type: ignore[index]
    assert len(ids) == len(set(ids)) == chunk_count > 600
    assert [page.total for page in pages[:3]] == [90, 90, 90]
    assert sum(each["count"] for each in pages[0].doc_aggs) == 90
    best = [chunk["similarity"] for page in pages[:3] for chunk in page.chunks]
    assert best == sorted(best, reverse=True)


@pytest.mark.parametrize(
    ("page_size", "window"), [(1, 30), (2, 64), (10, 70), (30, 90), (64, 64), (100, 100)]
)
def test_the_window_is_the_servers(pydoc: tuple[Engine, str], page_size: int, window: int) -> None:
    """``total`` counts the window of ceil(64 / page_size) pages, or 30 for single chunks, as RAGFlow v0.27 does."""
    engine, dataset_id = pydoc
    query = Retrieval("statement", [dataset_id], page_size=page_size, similarity_threshold=0.0)
    result = engine.retrieve(query)
    assert (result.total, len(result.chunks)) == (window, page_size)


def test_frequent_words_are_given_up_first(
    pydoc: tuple[Engine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a question's words cost too much, the rare ones still find the right document."""
    engine, dataset_id = pydoc
    monkeypatch.setattr(search, "_POSTINGS", 50)
    query = Retrieval("How is the nonlocal statement of a function different?", [dataset_id])
    with engine._shared.store.read() as db:
        chosen = search._affordable(db, analyse(query.question))
    assert "nonloc" in " ".join(chosen)
    assert len(chosen) < len(analyse(query.question).terms)
    assert "nonlocal.txt" in found(engine, query)[:3]


def test_a_recorded_servers_hits_are_found(pydoc: tuple[Engine, str]) -> None:
    """Each chunk that a real server puts clearly in front is in front here: 27 questions, words only."""
    engine, dataset_id = pydoc
    places = placed(engine, dataset_id)
    expected, missed = 0, set[tuple[str, int]]()
    for line in TRUTH.read_text("utf-8").splitlines():
        recorded = json.loads(line)
        if recorded["vector_similarity_weight"]:
            continue
        query = Retrieval(
            recorded["question"], [dataset_id], similarity_threshold=0.0, vector_similarity_weight=0.0
        )
        mine = engine.retrieve(query).chunks
        best = {(each["document"], each["chunk"]): each["term_similarity"] for each in recorded["chunks"]}
        clear = {place for place, score in best.items() if score > mine[-1]["similarity"] + 0.02}
        expected += len(clear)
        missed |= clear - {places[chunk["id"]] for chunk in mine}
    assert expected > 150
    assert missed == set()


def placed(engine: Engine, dataset_id: str) -> dict[str, tuple[str, int]]:
    """Of each chunk the document's name and the place in the document."""
    return {
        chunk["id"]: (document["name"], place)
        for document in engine.list_documents(dataset_id, **NEWEST)[0]
        for place, chunk in enumerate(engine.list_chunks(document["id"], **ALL)[0])
    }


def test_a_page_of_text_as_question(pydoc: tuple[Engine, str]) -> None:
    """A long text pasted as a question is answered in seconds, and finds the document it is from."""
    engine, dataset_id = pydoc
    begun = time.thread_time()
    found = engine.retrieve(
        Retrieval(question="\n".join(TOPICS.values())[:100_000], dataset_ids=[dataset_id])
    )
    assert found.total
    assert time.thread_time() - begun < 15
