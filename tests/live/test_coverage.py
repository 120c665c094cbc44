"""Every operation of the client has a scenario, and both clients have the same ones."""

from __future__ import annotations

from ragflow_integrations.protocol.versions import COMPOSED, OPERATIONS
from tests.live._async import test_scenarios as in_async
from tests.live._sync import test_scenarios as in_sync
from tests.live.scenario import covered_by

NOT_TRIED = {
    # it needs a picture that the server makes of a PDF
    "Document.thumbnail",
    # no RAGFlow server has it
    "DataSet.item_operations",
    # it needs a web page that the server can reach
    "DataSet.upload_url",
    # minutes of a language model's time
    "DataSet.run_graphrag",
    "DataSet.run_raptor",
}


def test_every_operation_has_a_scenario() -> None:
    """All but the named ones; none of those has one after all."""
    tried = {operation for each in vars(in_async).values() for operation in covered_by(each)}
    assert tried | NOT_TRIED == {*OPERATIONS, *COMPOSED}
    assert tried & NOT_TRIED == set()


def test_both_clients_have_them() -> None:
    """The sync scenarios are the async ones."""
    names = [
        {name for name, each in vars(module).items() if covered_by(each)} for module in (in_async, in_sync)
    ]
    assert names[0] == names[1] != set()
