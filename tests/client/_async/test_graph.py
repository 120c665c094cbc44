"""What is built over a whole dataset: tags, knowledge graph, RAPTOR summaries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    UnsupportedError,
)
from ragflow_integrations.models import DataSetFields
from tests.client._async.conftest import Connect
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import http, serving


def dataset_at(connect: Connect, url: str, id: str = "d", **options: Any) -> AsyncDataSet:
    return AsyncDataSet._of(connect(url, **options), DataSetFields(id=id))


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        ([], {}),
        ([["sea", 3], ["land", 1], ["sea", 2]], {"sea": 5, "land": 1}),
        ([{"value": "sea", "count": 3}], {"sea": 3}),
    ],
)
async def test_tags(connect: Connect, data: Any, counts: dict[str, int]) -> None:
    """Each tag with the number of its chunks, summed over the teams that have it."""
    with serving(http({"code": 0, "data": data})) as (_, url):
        assert await dataset_at(connect, url, server_version="0.27").tags() == counts


async def test_tags_of_another_shape(connect: Connect) -> None:
    """What no server sends is the server's error."""
    with (
        serving(http({"code": 0, "data": ["sea"]})) as (_, url),
        pytest.raises(ServerError, match="a tag has no count"),
    ):
        await dataset_at(connect, url, server_version="0.27").tags()


async def test_change_tags(connect: Connect) -> None:
    """Renamed and taken off all chunks; blank names are refused before anything is sent."""
    answer = http({"code": 0, "data": {}})
    with serving(answer, answer) as (server, url):
        dataset = dataset_at(connect, url, server_version="0.27")
        await dataset.rename_tag("sea", "ocean")
        await dataset.delete_tags(["land"])
        with pytest.raises(InvalidRequestError, match="to_tag=' '"):
            await dataset.rename_tag("sea", " ")
        with pytest.raises(InvalidRequestError, match="tags='land': give a list of texts"):
            await dataset.delete_tags("land")
        sent = [(each.line.split(" ")[0], json.loads(each.body)) for each in server.requests]
    assert sent == [("PUT", {"from_tag": "sea", "to_tag": "ocean"}), ("DELETE", {"tags": ["land"]})]


GRAPH: dict[str, Any] = {
    "graph": {
        "nodes": [{"id": "Atlantis"}, {"id": "sea"}],
        "edges": [{"source": "Atlantis", "target": "sea"}],
    },
    "mind_map": {"id": "root"},
}
TASK = {"id": "t1", "progress": -1.0, "progress_msg": "no model", "task_type": "graphrag", "begin_at": None}


@pytest.mark.parametrize(
    ("version", "path"),
    [("0.27", "/api/v1/datasets/d/graph"), ("0.24", "/api/v1/datasets/d/knowledge_graph")],
)
async def test_graph(connect: Connect, version: str, path: str) -> None:
    """Its nodes and edges, and deleting it, at this version's path: v0.27's old one is broken."""
    with serving(http({"code": 0, "data": GRAPH}), http({"code": 0, "data": True})) as (server, url):
        dataset = dataset_at(connect, url, server_version=version)
        graph = await dataset.knowledge_graph()
        await dataset.delete_knowledge_graph()
        asked = [each.line.rpartition(" ")[0] for each in server.requests]
    assert [node["id"] for node in graph.nodes] == ["Atlantis", "sea"]
    assert graph.edges == GRAPH["graph"]["edges"]
    assert graph.mind_map == {"id": "root"}
    assert asked == [f"GET {path}", f"DELETE {path}"]


@pytest.mark.parametrize("kind", ["graphrag", "raptor"])
@pytest.mark.parametrize("version", ["0.27", "0.24"])
async def test_tasks(connect: Connect, kind: str, version: str) -> None:
    """Started it has an id, looked at it has a state; the paths are this version's."""
    started = {"task_id": "t1"} if version == "0.27" else {f"{kind}_task_id": "t1"}
    answers = [http({"code": 0, "data": data}) for data in (started, TASK, {})]
    with serving(*answers) as (server, url):
        dataset = dataset_at(connect, url, server_version=version)
        assert await getattr(dataset, f"run_{kind}")() == "t1"
        task = await getattr(dataset, f"trace_{kind}")()
        assert await getattr(dataset, f"trace_{kind}")() is None
        asked = [each.line.split(" ")[1].removeprefix("/api/v1/datasets/d/") for each in server.requests]
    assert (task.id, task.finished, task.progress_msg) == ("t1", True, "no model")
    new = f"index?type={'graph' if kind == 'graphrag' else kind}"
    old = [f"run_{kind}", f"trace_{kind}", f"trace_{kind}"]
    assert asked == ([new] * 3 if version == "0.27" else old)


async def test_a_task_that_runs_already(connect: Connect) -> None:
    """It is a conflict, and it is not started again by a repetition."""
    said = "Task t1 in progress with status 0.5. A Graph Task is already running."
    with serving(http({"code": 102, "message": said})) as (server, url):
        with pytest.raises(ConflictError, match="already running"):
            await dataset_at(connect, url, server_version="0.27").run_graphrag()
        assert len(server.requests) == 1


async def test_delete_raptor(connect: Connect) -> None:
    """Its summaries go; v0.24 cannot do that."""
    with serving(http({"code": 0, "data": {}})) as (server, url):
        await dataset_at(connect, url, server_version="0.27").delete_raptor()
        assert server.requests[0].line.startswith("DELETE /api/v1/datasets/d/index?type=raptor ")
        with pytest.raises(UnsupportedError, match="delete_raptor needs RAGFlow v0.25.3"):
            await dataset_at(connect, url, server_version="0.24").delete_raptor()


async def test_a_real_v027(connect: Connect, replay_v027: Replay) -> None:
    """Recorded answers of v0.27.0: nothing is built yet."""
    row = recorded("v0.27", "ds.graph")
    dataset = dataset_at(connect, replay_v027.url, row.path.split("/")[4])
    graph = await dataset.knowledge_graph()
    assert (graph.nodes, graph.edges, graph.mind_map) == ([], [], {})
    assert await dataset.trace_graphrag() is None
    assert await dataset.tags() == {}


async def test_a_real_v024(connect: Connect, replay_v024: Replay) -> None:
    """Recorded answers of v0.24.0: an empty graph, no task, no documents to build from, another's dataset."""
    dataset = dataset_at(connect, replay_v024.url, recorded("v0.24", "ds.knowledge_graph").path.split("/")[4])
    assert (await dataset.knowledge_graph()).graph == {}
    assert await dataset.trace_graphrag() is None
    assert await dataset.trace_raptor() is None
    await dataset.delete_knowledge_graph()
    for method in ("run_graphrag", "run_raptor"):
        with pytest.raises(InvalidRequestError, match="No documents in Dataset"):
            await getattr(dataset, method)()
    unknown = dataset_at(connect, replay_v024.url, "0" * 32)
    with pytest.raises(NotFoundError, match=r"No authorization\. The id or name is unknown"):
        await unknown.trace_raptor()
