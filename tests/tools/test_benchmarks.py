"""The benchmark does what it says: the same work for every client, right statistics, goals that can be missed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from benchmarks import fixtures, stub, worker
from benchmarks.__main__ import measured
from benchmarks.experiments import EXPERIMENTS, Comparison, Figure, Row, Setting
from benchmarks.harness import Failure, Summary, Worker, check_same_work, ratio, summary, take_turns
from benchmarks.report import DOCUMENTATION, RESULTS, documented, table

PAGES = 3


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """A stub in its own process."""
    with stub.serving() as base_url:
        yield base_url


@pytest.fixture(scope="module", params=["ours", "sdk", "raw_httpx", "floor"])
def client(request: pytest.FixtureRequest, base_url: str) -> Iterator[Worker]:
    """Each of the clients that are compared, in its process."""
    with Worker(request.param, base_url) as client:
        yield client


@pytest.mark.parametrize(
    ("operation", "arguments", "read"),
    [
        ("retrieve", [], [fixtures.CHUNKS, fixtures.CHUNKS * fixtures.CHUNK_LENGTH]),
        (
            "list_documents",
            [str(PAGES)],
            [PAGES * 100, sum(len(f"document {n}.txt") for n in range(PAGES * 100))],
        ),
        ("stream_delta", [], [1, fixtures.ANSWER_LENGTH]),
        ("stream_cumulative", [], [1, fixtures.ANSWER_LENGTH]),
    ],
)
def test_every_client_reads_all(
    client: Worker, operation: str, arguments: list[str], read: list[int]
) -> None:
    """The stub answers each client what it expects: all get the same chunks, documents and text."""
    assert client.tell("cost", operation, *arguments)["results"] == [read]


def test_models_alone(base_url: str) -> None:
    """Without a client the same documents become models."""
    with Worker("models", base_url) as models, Worker("ours", base_url) as ours:
        read = [worker.tell("cost", "list_documents", "2")["results"] for worker in (models, ours)]
    assert read[0] == read[1]


@pytest.mark.parametrize("name", ["ours_async", "raw_httpx_async"])
def test_async_clients_read_all(base_url: str, name: str) -> None:
    """However many tasks share the calls, each call's chunks arrive."""
    with Worker(name, base_url) as client:
        read = [client.tell("cost", "retrieve_at_once", tasks)["results"][0] for tasks in ("1", "16")]
    assert read == [[128 * fixtures.CHUNKS, 128 * fixtures.CHUNKS * fixtures.CHUNK_LENGTH]] * 2


@pytest.mark.parametrize("name", ["ours", "ours_async", "raw_httpx"])
def test_uploads_arrive(base_url: str, name: str, tmp_path: Path) -> None:
    """The whole file comes to the stub, which counts it."""
    file = tmp_path / "large.txt"
    file.write_bytes(bytes(3_000_000))
    before = stub.stats(base_url)
    with Worker(name, base_url) as client:
        assert client.tell("cost", "upload", str(file))["results"] == [[1, 3_000_000]]
    assert 3_000_000 < stub.stats(base_url).received - before.received < 3_001_000


def test_first_piece_comes_before_the_rest(base_url: str) -> None:
    """The paced stream's first piece is there before the stub has sent its second."""
    with Worker("floor", base_url) as client:
        taken = client.tell("cost", "first_piece", count=5)
    assert 0 < min(taken["results"]) < taken["wall"]
    assert taken["wall"] >= stub.PAUSE


def test_stub_counts_requests_and_connections(base_url: str) -> None:
    """Three calls over one kept connection are three requests and one connection; asking counts as nothing."""
    before = stub.stats(base_url)
    with Worker("floor", base_url) as client:
        client.tell("cost", "retrieve", count=3)
    after = stub.stats(base_url)
    assert (after.requests - before.requests, after.connections - before.connections) == (3, 1)
    assert after.sent - before.sent > 3 * len(fixtures.retrieval())


def test_stub_reads_requests_however_they_are_cut(base_url: str) -> None:
    """A request that arrives byte by byte is answered like one that arrives whole."""
    body = json.dumps({"chat_id": "delta"}).encode()
    head = f"POST /api/v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(base_url.removeprefix("http://").split(":"), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            connection.sendall(bytes([byte]))
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += connection.recv(1 << 16)
    assert received.count(b'"answer"') == fixtures.FRAMES + 1


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/api/v1/datasets")])
def test_stub_says_what_it_does_not_have(base_url: str, method: str, path: str) -> None:
    """An unknown route is a 404 in RAGFlow's envelope."""
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(base_url + path, method=method), timeout=10)
    with caught.value as answer:
        assert (answer.code, json.load(answer)["code"]) == (404, 404)


def test_fixtures_are_the_same_in_every_process(base_url: str) -> None:
    """What the stub sends is what is made here, of the size that real answers have."""
    with urlopen(f"{base_url}/api/v1/retrieval", data=b"{}", timeout=10) as answer:
        sent = answer.read()
    assert sent == fixtures.retrieval()
    assert 60_000 < len(sent) < 80_000
    assert len(fixtures.frames("delta")) == len(fixtures.frames("cumulative")) == fixtures.FRAMES + 2


def test_medians_and_scatter() -> None:
    """Median and MAD are not moved by an outlier, a ratio not by a machine that is slow for some rounds."""
    assert summary([1, 2, 3, 4, 100]) == Summary(3, 1)
    assert ratio([1, 10, 1, 10], [2, 20, 2, 20]) == Summary(0.5, 0)
    assert ratio([1, 3, 4], [10, 10, 10]) == Summary(0.3, pytest.approx(0.1))


def test_clients_take_turns(base_url: str) -> None:
    """Each client has one sample a round, of as many operations as asked for."""
    samples = take_turns(base_url, ["floor", "raw_httpx"], "retrieve", rounds=3, count=2)
    assert {client: [len(sample["results"]) for sample in taken] for client, taken in samples.items()} == {
        "floor": [2, 2, 2],
        "raw_httpx": [2, 2, 2],
    }
    assert all(sample["cpu"] > 0 and sample["wall"] > 0 for taken in samples.values() for sample in taken)


def test_clients_that_read_less_are_found() -> None:
    """Speed by leaving something out is a failure; times may differ."""
    check_same_work("retrieve", {"ours": [30, 18_000], "sdk": [30, 18_000]})
    check_same_work("first_piece", {"ours": 0.1, "floor": 0.2})
    with pytest.raises(Failure, match=r"not read the same in retrieve.*'ours': \[29, 17400\]"):
        check_same_work("retrieve", {"sdk": [30, 18_000], "ours": [29, 17_400]})


def test_a_failing_client_is_named(base_url: str) -> None:
    """What a client raises, and a client that cannot start, are failures that say whose they are."""
    with Worker("floor", base_url) as client:
        with pytest.raises(Failure, match="floor failed in retrieve: TypeError"):
            client.tell("cost", "retrieve", "too much")
        assert client.tell("cost", "retrieve")["results"]  # it goes on
    with Worker("floor", "http://127.0.0.1:1") as client, pytest.raises(Failure, match="its process ended"):
        client.tell("cost", "retrieve")


def test_memory_is_the_peak() -> None:
    """What was held for a moment counts, what was held before does not."""
    held_before = bytearray(40_000_000)
    peak = worker.memory(lambda: len(bytearray(60_000_000)), 1)["bytes"]
    assert 55_000_000 < peak < 70_000_000
    assert len(held_before) == 40_000_000


def test_function_calls_are_counted_per_operation() -> None:
    """C functions count too; a thousand calls are a thousand, whatever the count."""

    def operation() -> None:
        for _ in range(999):
            len("")

    assert worker.calls(operation, 4)["calls"] == pytest.approx(1000, abs=1)


SETTING = Setting("http://nowhere", rounds=1, pages=1, file="", say=lambda line: None)


def costing(**cpu: float) -> Any:
    return lambda setting, clients: {client: [cpu[client]] * 3 for client in clients}


def test_comparisons_are_ratios_to_each_peer() -> None:
    """Ours as a part of each peer's, reached or missed by its goal; a peer without a goal is shown only."""
    rows = Comparison(
        "x",
        "ours",
        {"sdk": 0.5, "raw_httpx": 0.5, "floor": None},
        costing(ours=2, sdk=4, raw_httpx=3, floor=1),
    )
    assert [(row.figure.median, row.reached) for row in rows.rows(SETTING)] == [
        (0.5, True),
        (pytest.approx(2 / 3), False),
        (2, True),
    ]


def test_a_failure_is_no_figure_and_misses() -> None:
    """A client that fails reaches nothing, and it is said why."""
    said: list[str] = []

    def failing(*_: object) -> Any:
        raise Failure("sdk failed")

    setting = replace(SETTING, say=said.append)
    rows = [
        *Comparison("x", "ours", {"sdk": None}, failing).rows(setting),
        *Figure("y", 1, "MB", failing).rows(setting),
    ]
    assert [(row.figure, row.reached) for row in rows] == [(None, False)] * 2
    assert said == ["sdk failed"] * 2


@pytest.mark.parametrize(
    ("figures", "reached", "left"),
    [([1, 9], True, [9]), ([3, 2], True, []), ([3, 4], False, []), ([3, 4, 1], False, [1])],
)
def test_a_missed_goal_has_a_second_chance(figures: list[float], reached: bool, left: list[float]) -> None:
    """Measured again once if missed, and only then; what counts is the second run."""
    experiment = Figure("x", 2, "ms", lambda setting: Summary(figures.pop(0), 0))
    (row,) = measured(experiment, SETTING)
    assert (row.reached, figures) == (reached, left)


def test_table() -> None:
    """Each row has its figure with scatter, its goal and whether that is reached."""
    rows = [
        Row("retrieval", "sdk", 0.4, figure=Summary(0.381, 0.012)),
        Row("retrieval", "floor", None, figure=Summary(5, 0)),
        Row("memory", "", 8, "MB", figure=Summary(9.04, 0)),
        Row("calls", "", 1300, "calls"),
    ]
    assert table(rows).splitlines()[2:] == [
        "| retrieval | sdk     | 0.38 ±0.01 x | ≤ 0.40 x     | reached |",
        "| retrieval | floor   | 5.00 x       |              |         |",
        "| memory    |         | 9.0 MB       | ≤ 8.0 MB     | missed  |",
        "| calls     |         | none         | ≤ 1300 calls | failed  |",
    ]


def test_the_page_keeps_its_text() -> None:
    """Only what stands between the marks is exchanged."""
    page = "# Title\n<!-- results -->\n| old |\n<!-- end of results -->\n| other table |\n"
    rows = [Row("calls", "", 1300, "calls", Summary(900, 0))]
    written = documented(rows, page)
    assert written == page.replace("| old |\n", table(rows))
    assert documented(rows, written) == written


def test_the_kept_tables_have_every_row_and_goal() -> None:
    """docs/performance.md and RESULTS.md show the same run, of these experiments with their goals."""
    planned = [row for experiment in EXPERIMENTS for row in experiment.planned()]
    kept = cells(RESULTS.read_text("utf-8"))
    assert [[what, against, goal] for what, against, _, goal, _ in kept] == [
        [what, against, goal] for what, against, _, goal, _ in cells(table(planned))
    ]
    assert cells(DOCUMENTATION.read_text("utf-8")) == kept


def cells(text: str) -> list[list[str]]:
    """The rows of the tables with five columns."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if len(line) == 5 and "---" not in line[0]]
