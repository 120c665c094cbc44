"""Events of our own: what LlamaIndex's instrumentation is told besides its own."""

from __future__ import annotations

from llamaindex_ragflow.events import CitationResolved, ParseProgress, dispatcher
from tests.llamaindex.conftest import KnowledgeBase, Seen, add


def test_progress_of_parsing(kb: KnowledgeBase, seen: Seen) -> None:
    """What the client's callback is handed becomes an event, to the last look at the finished documents."""
    dataset = kb.client.create_dataset("progress")
    names = [add(dataset, f"{number}.txt", "The lamps are lit at dusk.") for number in range(2)]
    dataset.parse_documents(
        names, interval=0.02, progress=lambda progress: dispatcher.event(ParseProgress.of(progress))
    )
    last = seen.events[-1]
    assert isinstance(last, ParseProgress)
    assert sorted(last.document_ids) == sorted(names)
    assert (last.finished, last.total, last.fraction) == (2, 2, 1.0)


def test_nothing_but_places_is_told() -> None:
    """An exported event has ids, numbers and spans: no field could hold a text or a key."""
    fields = {"index", "start", "end", "node_id", "document_id"}
    exported = CitationResolved(index=0, start=1, end=2).model_dump()
    assert exported.keys() - {"timestamp", "id_", "span_id", "tags", "class_name"} == fields
    assert exported["class_name"] == "CitationResolved"
    told = {"document_ids", "finished", "total", "fraction"}
    assert set(ParseProgress.model_fields) - {"timestamp", "id_", "span_id", "tags"} == told
