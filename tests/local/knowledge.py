"""What the tests of the engine share: a few texts, waiting for the parser, and the truth about counters."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.store import rows, scalar

ALL: dict[str, Any] = {"page": 1, "page_size": 1000}
NEWEST: dict[str, Any] = {**ALL, "orderby": "create_time", "desc": True}
TEXTS = {
    "atlantis.txt": b"The capital of Atlantis is Poseidonia. Its harbour is older than the city.",
    "moon.md": b"# The moon\n\nThe moon is made of green cheese, as every mouse knows.",
    "zebra.txt": b"Zebras live in Africa. Their stripes keep flies away.",
}

LONG_TEXT = "\n".join(
    f"Sentence number {n} about harbours, ships and the tide." for n in range(2000)
).encode()


def parsed(engine: Engine, document_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Have documents parsed and return them when none of them is in the queue any more."""
    wanted = list(document_ids)
    engine.start_parsing(wanted)
    return [finished(engine, document_id) for document_id in wanted]


def finished(engine: Engine, document_id: str) -> dict[str, Any]:
    """The document, as soon as it is no longer queued or being parsed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        document = engine.get_document(document_id)
        assert document is not None
        if document["run"] != "RUNNING":
            return document
        time.sleep(0.01)
    raise AssertionError(f"still being parsed after two minutes: {document_id}")


def filled(engine: Engine, texts: dict[str, bytes] = TEXTS) -> dict[str, Any]:
    """A dataset with these files, parsed."""
    dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 128}})
    parsed(engine, [engine.add_document(dataset["id"], name, data)["id"] for name, data in texts.items()])
    found = engine.get_dataset(dataset["id"])
    assert found is not None
    return found


def check_truth(engine: Engine, *, added_again: bool = False) -> None:
    """Every counter equals what is there, and table, index and files hold the same things.

    A document to which chunks were ``added_again`` may count more of them than there are, never fewer.
    """
    differs = "<" if added_again else "<>"
    with engine._shared.store.read() as db:
        wrong = rows(
            db,
            "SELECT id, name FROM dataset WHERE"
            " document_count <> (SELECT count(*) FROM document WHERE dataset_id = dataset.id)"
            " OR chunk_count <> (SELECT coalesce(sum(chunk_count), 0) FROM document WHERE dataset_id = dataset.id)"
            " OR token_num <> (SELECT coalesce(sum(token_count), 0) FROM document WHERE dataset_id = dataset.id)"
            " UNION ALL SELECT id, name FROM document WHERE"
            f" chunk_count {differs} (SELECT count(*) FROM chunk WHERE document_id = document.id) OR"
            f" token_count {differs} (SELECT coalesce(sum(token_count), 0) FROM chunk WHERE document_id = document.id)",
        )
        assert wrong == []
        indexed = [number for (number,) in db.execute("SELECT row FROM chunk_index ORDER BY row")]
        assert indexed == [number for (number,) in db.execute("SELECT row FROM chunk ORDER BY row")]
        findable = [number for (number,) in db.execute("SELECT rowid FROM term ORDER BY rowid")]
        assert findable == [
            number for (number,) in db.execute("SELECT row FROM chunk WHERE available ORDER BY row")
        ]
        kept = {key for (key,) in db.execute("SELECT sha256 FROM blob")}
        assert kept == {key for (key,) in db.execute("SELECT sha256 FROM document")}
        assert scalar(db, "PRAGMA integrity_check") == "ok"
