"""Names that differ only in case are one name, whatever their letters, as in RAGFlow's database."""

from __future__ import annotations

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.problems import Refused
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
