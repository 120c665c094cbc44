"""What is beside documents and chats: items, agents, searches; and that what stays behind is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ragflow_integrations import RAGFlow, Scope
from ragflow_integrations.protocol.wire import Request, Response
from ragflow_integrations.transfer import export, import_, push

ITEMS = 230


def make(client: RAGFlow) -> None:
    """A dataset with items, one that gets its tags, an agent and a search on it, files in and outside of datasets."""
    words = client.create_dataset("words", description="of all kinds")
    put = {"op": "put", "namespace": ["users", "Ann é"]}
    words.item_operations([{**put, "key": f"{n}", "value": {"n": n}} for n in range(ITEMS)])
    client.create_dataset("a tagged one", parser_config={"tag_kb_ids": [words.id]})
    retrieval = {"component_name": "Retrieval", "params": {"kb_ids": [words.id], "query": "sys.query"}}
    components = {
        "begin": {"obj": {"component_name": "Begin", "params": {}}, "downstream": ["Retrieval:0"]},
        "Retrieval:0": {"obj": retrieval, "downstream": [], "upstream": ["begin"]},
    }
    client.create_agent("helper", {"components": components, "graph": {"nodes": []}}, "It helps.")
    client.upload_file(b"free", name="free.txt")
    if client.server_info().version.startswith("v0.27"):
        search = client.create_search("finder", "It finds.")
        search.update({"search_config": {"kb_ids": [words.id], "top_k": 7}})


def items(client: RAGFlow) -> list[int]:
    (found,) = client.get_dataset(name="words").item_operations(
        [{"op": "list", "prefix": ["users", "Ann é"], "limit": 1000, "offset": 0}]
    )
    return [item["value"]["n"] for item in found]


def check(client: RAGFlow) -> None:
    """All of it is there, once, with the new ids."""
    words = client.get_dataset(name="words")
    assert items(client) == list(range(ITEMS))
    tagged = client.get_dataset(name="a tagged one")
    assert tagged.parser_config is not None
    assert tagged.parser_config["tag_kb_ids"] == [words.id]
    (listed,) = client.iter_agents()
    agent = client.get_agent(listed.id)
    assert (agent.title, agent.description) == ("helper", "It helps.")
    assert agent.dsl is not None
    assert agent.dsl["components"]["Retrieval:0"]["obj"]["params"]["kb_ids"] == [words.id]
    assert agent.dsl["graph"] == {"nodes": []}


def check_search(client: RAGFlow) -> None:
    (listed,) = client.iter_searches()
    search = client.get_search(listed.id)
    assert (search.name, search.description) == ("finder", "It finds.")
    assert search.search_config["kb_ids"] == [client.get_dataset(name="words").id]
    assert search.search_config["top_k"] == 7


def test_through_an_archive(client: RAGFlow, target: RAGFlow, tmp_path: Path) -> None:
    """Exported, imported, and imported again; what is deleted is made again, what was changed is left alone."""
    make(client)
    written = export(client, tmp_path / "archive")
    assert written.done == {"dataset": 2, "item": ITEMS, "agent": 1, "search": 1}
    assert written.left == {"file": 1}
    report = import_(target, tmp_path / "archive")
    assert (report.done, report.left) == (written.done, written.left)
    assert [note for note in report.notes if note.startswith("file ")] == report.notes
    check(target)
    check_search(target)
    put = {"op": "put", "namespace": ["users", "Ann é"]}
    last = {**put, "key": f"{ITEMS - 1}", "value": None}
    target.get_dataset(name="words").item_operations([{**put, "key": "0", "value": {"n": -1}}, last])
    again = import_(target, tmp_path / "archive")
    assert again.done == {"item": 1}
    assert again.kept == {"dataset": 2, "item": ITEMS - 1, "agent": 1, "search": 1}
    assert items(target) == [-1, *range(1, ITEMS)]


@pytest.mark.parametrize(("of", "to"), [("0.24", "0.27"), ("0.27", "0.24")])
def test_between_versions(of: str, to: str) -> None:
    """From the one to the other; settings that 0.24 does not have are one note per dataset."""
    with RAGFlow.local(api_version=of) as source, RAGFlow.local(api_version=to) as goal:
        make(source)
        report = push(source, goal)
        assert report.complete, report.notes
        assert {kind: n for kind, n in report.done.items() if kind != "search"} == {
            "dataset": 2,
            "item": ITEMS,
            "agent": 1,
        }
        check(goal)
        settings = [note for note in report.notes if "parser_config" in note]
        if of == "0.24":
            assert not settings
        else:
            assert len(settings) == 2
            assert all("graphrag.retry_attempts" in note and "raptor," not in note for note in settings)
            assert report.left == {"search": 1, "file": 1}
            assert [note for note in report.notes if "'finder'" in note and "v0.25.1" in note]


def test_to_a_server_that_has_no_items(client: RAGFlow, target: RAGFlow) -> None:
    """They are counted as left and told once; the rest arrives."""
    make(client)
    transport: Any = target._transport
    send = transport.send

    def without_items(request: Request, *, timeout: float | None) -> Response:
        if request.path.endswith("/items"):
            gone = b'{"code": 404, "message": "Not Found", "data": null, "error": "Not Found"}'
            return Response(404, {"content-type": "application/json"}, gone)
        answer: Response = send(request, timeout=timeout)
        return answer

    with patch.object(transport, "send", without_items):
        report = push(client, target)
    assert report.complete
    assert report.left == {"item": ITEMS, "file": 1}
    told = [note for note in report.notes if note.startswith("items ")]
    assert len(told) == 1, report.notes
    assert "local engine" in told[0]
    check_search(target)


def test_what_a_scope_hides_is_told(client: RAGFlow, tmp_path: Path) -> None:
    """A client that may see one dataset's documents only exports these, and says what it could not look at."""
    make(client)
    words = client.get_dataset(name="words")
    (document,) = words.upload(b"Ann knows words.", name="words.txt")
    narrow = client.scoped(Scope(dataset_ids=[words.id], document_ids=[document.id]))
    report = export(narrow, tmp_path / "archive")
    assert report.done == {"dataset": 1, "document": 1}
    assert sorted(note.split(" ")[0] for note in report.notes) == [
        "agent",
        "file",
        "item",
        "memory",
        "search",
    ]
