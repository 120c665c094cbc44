"""Names that differ only in case are one name, whatever their letters, as in RAGFlow's database."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.problems import Refused
from ragflow_integrations.local.schema import APPLICATION_ID, MIGRATIONS
from ragflow_integrations.local.store import Store, scalar
from tests.local.knowledge import NEWEST


@pytest.mark.parametrize(("name", "again"), [("Ärger", "äRGER"), ("Straße", "STRASSE"), ("Ένα", "ένα")])
def test_taken_in_another_case(name: str, again: str) -> None:
    """Datasets, documents and searches get a number, a chat is refused; found is what was meant."""
    with Engine(":memory:") as engine:
        made = engine.create_dataset({"name": name})
        assert engine.create_dataset({"name": again})["name"] == f"{again}(1)"
        assert [each["id"] for each in engine.list_datasets(name=again, **NEWEST)[0]] == [made["id"]]
        names = [engine.add_document(made["id"], f"{each}.txt", b"x")["name"] for each in (name, again)]
        assert names == [f"{name}.txt", f"{again}(1).txt"]
        engine.create_search({"name": name})
        assert engine.create_search({"name": again})["name"] == f"{again}(1)"
        engine.create_chat({"name": name})
        with pytest.raises(Refused):
            engine.create_chat({"name": again})


def test_an_older_file_gets_the_new_order(tmp_path: Path) -> None:
    """Names that ASCII's order had otherwise are found, and the indexes are whole."""
    before = MIGRATIONS[: MIGRATIONS.index("REINDEX NOCASE;")]
    with apsw.Connection(str(tmp_path / "knowledge.db")) as db:
        for script in before:
            db.execute(script)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(before)}")
        columns = "id, tenant_id, name, settings_json, embedder, dimensions, create_time, update_time"
        for number, name in enumerate(["äb", "Äc", "Öa", "öb", "Zz"]):
            db.execute(
                f"INSERT INTO dataset({columns}) VALUES (?, 'me', ?, '{{}}', 'e', 4, 1, 1)",
                (str(number), name),
            )
    db.close()
    store = Store(tmp_path)
    try:
        with store.read() as db:
            assert scalar(db, "PRAGMA integrity_check") == "ok"
            for number, name in enumerate(["ÄB", "äc", "öA", "ÖB", "zZ"]):
                assert scalar(
                    db, "SELECT id FROM dataset WHERE tenant_id = 'me' AND name = ?", (name,)
                ) == str(number)
    finally:
        store.close()
