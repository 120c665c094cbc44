"""Where the scenarios run: on one local engine, in-process and on loopback, as each version, or on a real server.

``make test-live RAGFLOW_BASE_URL=… RAGFLOW_API_KEY=…`` runs them on that server, in datasets, chats and so on of
their own, which are removed at the end in any case. What a server cannot do is reported, never passed over.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import DataSet, NotFoundError, RAGFlow, UnsupportedError
from ragflow_integrations.local.engine import Engine, open_engine
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.protocol.versions import NEWEST, Version
from tests.client.conftest import FILES
from tests.live.scenario import RUN, Server, covered_by, needed_by, unique

BASE_URL = os.environ.get("RAGFLOW_BASE_URL", "")
API_KEY = os.environ.get("RAGFLOW_API_KEY", "")
ON_A_REAL_SERVER = pytest.param(
    ("live",),
    id="live",
    marks=pytest.mark.skipif(
        not (BASE_URL and API_KEY),
        reason="no server given: make test-live RAGFLOW_BASE_URL=… RAGFLOW_API_KEY=…",
    ),
)
# Each version is tried with each client and in each way, and each client in each way.
LOCAL = {
    "sync": [("0.27", "in-process"), ("0.24", "loopback")],
    "async": [("0.27", "loopback"), ("0.24", "in-process")],
}

OUTCOMES: dict[tuple[str, str], str] = {}
"""What came of each operation, by operation and column of the table."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all local servers keep what they are given."""
    return tmp_path_factory.mktemp("live") / "kb"


@pytest.fixture(scope="session")
def engine(folder: Path) -> Iterator[Engine]:
    """The one engine behind all local servers, with a language model that always says the same."""
    with open_engine(folder, Choice(llm=_say)) as engine:
        yield engine


def _say(prompt: str) -> Iterator[str]:
    """Reads as an answer, and as a list of questions."""
    yield "1. Zebras live in Africa.\n"
    yield "2. What do they eat there?\n"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On a real server only when it is asked for: whoever runs all tests may have one in the two variables."""
    if "server" not in metafunc.fixturenames:
        return
    client = "async" if inspect.iscoroutinefunction(metafunc.function) else "sync"
    local = [pytest.param(where, id=" ".join(where)) for where in LOCAL[client]]
    where = [ON_A_REAL_SERVER] if os.environ.get("RAGFLOW_TEST_LIVE") else local
    metafunc.parametrize("server", where, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server; what the scenarios leave behind on it is removed."""
    with ExitStack() as stack:
        settings = _settings(request, stack)
        client = stack.enter_context(RAGFlow(**settings))
        stack.callback(_sweep, client)
        version = Version.parse(client.server_info().api_version) or NEWEST
        yield Server(" ".join(request.param), version, settings, _library(client).id)


def _settings(request: pytest.FixtureRequest, stack: ExitStack) -> dict[str, Any]:
    """How a client is made; on loopback and on a real server it finds out the version by itself."""
    if request.param == ("live",):
        return {"api_key": API_KEY, "base_url": BASE_URL}
    engine: Engine = request.getfixturevalue("engine")
    api_version, way = request.param
    if way == "in-process":
        return {"base_url": f"local:{request.getfixturevalue('folder')}", "server_version": api_version}
    running = stack.enter_context(running_server(engine, api_version=api_version))
    return {"api_key": running.api_key, "base_url": running.base_url}


def _library(client: RAGFlow) -> DataSet:
    dataset = client.create_dataset(unique("library"))
    documents = dataset.upload_documents(
        [{"display_name": name, "blob": blob} for name, blob in FILES.items()]
    )
    dataset.parse_documents([document.id for document in documents], timeout=300)
    return dataset


def _sweep(client: RAGFlow) -> None:
    """Removes what a broken off scenario left; chats first, since they hold datasets."""
    for left, delete in (
        (lambda: client.list_chats(page_size=100), client.delete_chats),
        (lambda: client.list_datasets(page_size=100), client.delete_datasets),
        (lambda: client.list_files(keywords=RUN, page_size=100), client.delete_files),
        (lambda: client.list_agents(page_size=100), _each(client.delete_agent)),
        (lambda: client.list_memory(keywords=RUN)["memory_list"], _each(client.delete_memory)),
        (lambda: client.list_searches(keywords=RUN, page_size=100), _each(client.delete_search)),
    ):
        with suppress(UnsupportedError, NotFoundError):  # what a server does not have, nothing was left in
            delete([one.id for one in left() if _name(one).startswith(RUN)])


def _each(delete: Callable[[str], object]) -> Callable[[list[str]], object]:
    return lambda ids: [delete(id) for id in ids]


def _name(one: Any) -> str:
    return str(getattr(one, "name", None) or getattr(one, "title", None) or "")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, object, object]:
    """Notes what came of a scenario; that a server cannot do it is an expected failure, if it was expected."""
    operations = covered_by(item.function)
    if not operations:
        return (yield)
    server = item.funcargs["server"]
    assert isinstance(server, Server)
    column = f"{server.name} {'async' if item.get_closest_marker('asyncio') else 'sync'}"
    lacking = needed_by(item.function) > server.version
    outcome = "FAILS"
    try:
        result = yield
        outcome = "works"
    except UnsupportedError as error:
        if not lacking:
            raise
        outcome = "unsupported"
        pytest.xfail(f"unsupported: {error}")
    finally:
        OUTCOMES.update({(operation, column): outcome for operation in operations})
    assert not lacking, f"{item.originalname} works on {server.version}, which was thought to lack it"
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of what came of each operation."""
    columns = sorted({column for _, column in OUTCOMES})
    operations = sorted({operation for operation, _ in OUTCOMES})
    if not operations:
        return
    terminalreporter.section("scenarios")
    width = max(map(len, operations))
    terminalreporter.write_line(" " * width + "".join(f"  {column:11}" for column in columns))
    for operation in operations:
        told = (f"  {OUTCOMES.get((operation, column), '-'):{max(11, len(column))}}" for column in columns)
        terminalreporter.write_line(f"{operation:{width}}" + "".join(told))
