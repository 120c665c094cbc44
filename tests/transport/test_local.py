"""The local engine in this process: true streaming, breaking off, loops, threads, forks, and one engine for many."""

from __future__ import annotations

import asyncio
import importlib.util
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    RAGFlow,
    RequestTimeoutError,
    StreamInterruptedError,
    TransportError,
)
from ragflow_integrations.protocol.wire import Request
from ragflow_integrations.transport.local import AsyncLocalTransport, LocalApp, LocalTransport

from .acts import python

GET = Request("GET", "/api/v1/x", (("a", "1"), ("a", "2 ü")))
POST = Request("POST", "/api/v1/x", body={"a": 1})
START = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]}
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Scripted(LocalApp):
    """An engine whose application is written by the test: ``work(scope, receive, send)``."""

    def __init__(self, work: Callable[..., Awaitable[None]]) -> None:
        super().__init__(":memory:")
        self._work = work

    def _opened(self) -> Callable[..., Awaitable[None]]:
        return self._work


def piece(content: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


class TwoPieces:
    """Sends a piece, waits until it was read, and sends another."""

    def __init__(self) -> None:
        self.read = threading.Event()
        self.app = Scripted(self.work)

    async def work(self, scope: Any, receive: Any, send: Send) -> None:
        await send(START)
        await send(piece(b"first"))
        assert await asyncio.to_thread(self.read.wait, 5)
        await send(piece(b""))
        await send(piece(b"second", more=False))


class Endless:
    """Sends a piece and goes on until it is cancelled."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.app = Scripted(self.work)

    async def work(self, scope: Any, receive: Any, send: Send) -> None:
        await send(START)
        await send(piece(b"first"))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.stopped.set()


def test_pieces_come_as_they_are_made() -> None:
    """The first is read before the application has made the second."""
    script = TwoPieces()
    stream = LocalTransport(script.app).open(GET, timeout=5)
    assert (stream.status, dict(stream.headers)) == (200, {"content-type": "text/plain"})
    pieces = iter(stream)
    assert next(pieces) == b"first"
    script.read.set()
    assert list(pieces) == [b"second"]


async def test_pieces_come_as_they_are_made_async() -> None:
    """So it is in an event loop, which is free meanwhile."""
    script = TwoPieces()
    stream = await AsyncLocalTransport(script.app).open(GET, timeout=5)
    pieces = aiter(stream)
    assert await anext(pieces) == b"first"
    script.read.set()
    assert [each async for each in pieces] == [b"second"]


def test_breaking_off_stops_the_application() -> None:
    """``close`` cancels what nobody reads any more, also before the first piece was read."""
    for pieces in (0, 1):
        script = Endless()
        stream = LocalTransport(script.app).open(GET, timeout=5)
        reading = iter(stream)
        assert [next(reading) for _ in range(pieces)] == [b"first"] * pieces
        stream.close()
        assert script.stopped.wait(5)


async def test_breaking_off_stops_the_application_async() -> None:
    """``aclose`` does, and so does cancelling the task that reads."""
    script = Endless()
    stream = await AsyncLocalTransport(script.app).open(GET, timeout=5)
    await stream.aclose()
    assert await asyncio.to_thread(script.stopped.wait, 5)

    script = Endless()
    task = asyncio.create_task(AsyncLocalTransport(script.app).send(GET, timeout=None))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(script.stopped.wait, 5)


def test_closing_from_another_thread_ends_the_reading() -> None:
    """A reader that waits for the next piece is woken up."""
    stream = LocalTransport(Endless().app).open(GET, timeout=None)
    with ThreadPoolExecutor(1) as threads:
        pieces = iter(stream)
        assert next(pieces) == b"first"
        rest = threads.submit(list, pieces)
        stream.close()
        assert rest.result(timeout=5) == []


def test_too_slow() -> None:
    """Silence for longer than the timeout is an error that names the call; the application is stopped."""
    for act in (
        lambda app: LocalTransport(app).send(GET, timeout=0.05),
        lambda app: asyncio.run(AsyncLocalTransport(app).send(GET, timeout=0.05)),
    ):
        script = Endless()
        with pytest.raises(RequestTimeoutError, match=r"did not answer GET /api/v1/x within 0.05 s"):
            act(script.app)
        assert script.stopped.wait(5)


@pytest.mark.parametrize("begun", [False, True])
def test_an_application_that_fails(begun: bool) -> None:
    """Its exception reaches the caller, as the cause of a typed one; in mid-answer as an interruption."""

    async def work(scope: Any, receive: Any, send: Send) -> None:
        if begun:
            await send(START)
            await send(piece(b"first"))
        raise LookupError("broken")

    kind = StreamInterruptedError if begun else TransportError
    for act in (LocalTransport(Scripted(work)).send, asyncio_send(Scripted(work))):
        with pytest.raises(
            kind, match=r"the local engine failed at POST /api/v1/x: LookupError\('broken'\)"
        ) as caught:
            act(POST, timeout=5)
        assert isinstance(caught.value.__cause__, LookupError)


def asyncio_send(app: LocalApp) -> Callable[..., Any]:
    return lambda request, timeout: asyncio.run(AsyncLocalTransport(app).send(request, timeout=timeout))


def test_an_application_that_says_nothing() -> None:
    """No answer is an error, not an endless wait."""

    async def work(scope: Any, receive: Any, send: Send) -> None:
        return

    with pytest.raises(TransportError, match="ended without an answer"):
        LocalTransport(Scripted(work)).send(GET, timeout=5)


def test_what_the_application_gets() -> None:
    """The same method, path, query and body as over HTTP; a second ``receive`` waits, as a connection does."""
    seen: dict[str, Any] = {}

    async def work(scope: Any, receive: Any, send: Send) -> None:
        seen.update(scope, message=await receive())
        await send(START)
        await send(piece(b"done", more=False))

    transport = LocalTransport(Scripted(work))
    assert transport.send(GET, timeout=5).body == b"done"
    assert (seen["method"], seen["path"], seen["query_string"]) == ("GET", "/api/v1/x", b"a=1&a=2+%C3%BC")
    assert transport.send(POST, timeout=5).status == 200
    assert seen["message"] == {"type": "http.request", "body": b'{"a": 1}', "more_body": False}
    assert (b"content-type", b"application/json") in seen["headers"]


# --- the engine ---------------------------------------------------------------------------------------


def names(client: RAGFlow) -> list[str]:
    return sorted(dataset.name for dataset in client.list_datasets())


@pytest.fixture
def client() -> Iterator[RAGFlow]:
    with RAGFlow.local() as client:
        yield client


async def test_the_sync_client_in_a_running_loop(client: RAGFlow) -> None:
    """Notebooks have a running loop: the sync client works there."""
    client.create_dataset("a")
    assert names(client) == ["a"]


def test_one_async_client_in_several_loops() -> None:
    """Each ``asyncio.run`` sees what the one before did."""
    client = AsyncRAGFlow.local()

    async def add(name: str) -> int:
        await client.create_dataset(name)
        return len(await client.list_datasets())

    assert [asyncio.run(add(name)) for name in "abc"] == [1, 2, 3]
    asyncio.run(client.aclose())


async def test_many_calls_at_once() -> None:
    """Concurrent calls are all answered, each with its own answer."""
    async with AsyncRAGFlow.local() as client:
        made = await asyncio.gather(*(client.create_dataset(f"n{number}") for number in range(20)))
        assert [dataset.name for dataset in made] == [f"n{number}" for number in range(20)]
        found = await asyncio.gather(*(client.get_dataset(dataset.id) for dataset in made))
        assert [dataset.name for dataset in found] == [dataset.name for dataset in made]


def test_threads(client: RAGFlow) -> None:
    """Threads share a client."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(client.create_dataset, [f"n{number}" for number in range(24)]))
    assert names(client) == sorted(dataset.name for dataset in made)


def test_twins_share_an_engine() -> None:
    """``as_async`` and ``as_sync`` are on the same engine, which lives until the client that opened it is closed."""
    client = RAGFlow.local()
    twin = client.as_async()
    assert (client.as_sync(), client.as_async(), twin.as_sync()) == (client, twin, client)
    client.create_dataset("a")

    async def check() -> None:
        async with twin:
            assert [dataset.name for dataset in await twin.list_datasets()] == ["a"]
        assert names(client) == ["a"]
        client.close()
        client.close()
        with pytest.raises(ConfigurationError, match="closed with the client that opened it; make a new one"):
            await twin.list_datasets()

    asyncio.run(check())
    with pytest.raises(ConfigurationError, match="closed with the client that opened it"):
        client.list_datasets()


def test_memories_are_their_own(client: RAGFlow) -> None:
    """Each ``:memory:`` is another knowledge base, by whatever name it was asked for."""
    client.create_dataset("a")
    with RAGFlow(base_url=":memory:") as other, RAGFlow.local(":memory:") as third:
        assert names(other) == names(third) == []


def test_a_folder_is_one_knowledge_base(tmp_path: Path) -> None:
    """However its path is written, clients in a process share it, and it is there for the next ones."""
    folder = tmp_path / "kb"
    with RAGFlow.local(str(folder)) as one, RAGFlow(base_url=f"local:{tmp_path}/x/../kb") as two:
        one.create_dataset("a")
        two.create_dataset("b")
        assert names(one) == names(two) == ["a", "b"]
    with RAGFlow.local(str(folder)) as later:
        assert names(later) == ["a", "b"]


def test_nothing_is_made_before_the_first_call(tmp_path: Path) -> None:
    """A client that is made and closed leaves no folder behind."""
    RAGFlow.local(str(tmp_path / "kb")).close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_used(tmp_path: Path) -> None:
    """A file in the folder's place is said once, by its path, as a wrong setting."""
    (tmp_path / "kb").write_text("not a folder")
    said = "the local engine cannot be opened: .*kb"
    with RAGFlow.local(str(tmp_path / "kb")) as client, pytest.raises(ConfigurationError, match=said):
        client.list_datasets()


def test_pickling_keeps_the_folder(tmp_path: Path) -> None:
    """What is unpickled opens the same folder."""
    with RAGFlow.local(str(tmp_path / "kb")) as client:
        client.create_dataset("a")
        with pickle.loads(pickle.dumps(client)) as again:  # noqa: S301 - our own
            assert names(again) == ["a"]


def test_memory_is_not_pickled(client: RAGFlow) -> None:
    """What is unpickled would be another, empty knowledge base: refused, with what to do."""
    with pytest.raises(ConfigurationError, match="cannot be pickled; give RAGFlow.local\\(\\) a folder"):
        pickle.dumps(client)


def test_objects_are_equal_within_a_client(tmp_path: Path) -> None:
    """The same dataset, fetched twice, is equal; fetched by another client it is not: it would act through that."""
    with RAGFlow.local(str(tmp_path / "kb")) as client, RAGFlow.local(str(tmp_path / "kb")) as other:
        made = client.create_dataset("a")
        assert client.get_dataset(made.id) == client.get_dataset(made.id)
        assert client.get_dataset(made.id) != other.get_dataset(made.id)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigurationError, match=r"needs apsw, numpy, .*pip install 'ragflow-integrations\[local\]'"
    ):
        RAGFlow.local()


FORKING = """
import os, sys
from ragflow_integrations import ConfigurationError, RAGFlow

client = RAGFlow.local(sys.argv[1])
client.create_dataset("before")
child = os.fork()
if child == 0:
    try:
        client.create_dataset("in the child")
        print(*sorted(dataset.name for dataset in client.list_datasets()), sep=", ", flush=True)
    except ConfigurationError as error:
        print(error, flush=True)
    client.close()
    os._exit(0)
os.waitpid(child, 0)
print(*sorted(dataset.name for dataset in client.list_datasets()), sep=", ", flush=True)
client.close()
"""


def test_fork_with_a_folder(tmp_path: Path) -> None:
    """Parent and child go on, each with an engine of its own on the same folder."""
    done = python(FORKING, str(tmp_path / "kb"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["before, in the child", "before, in the child"]


def test_fork_with_memory() -> None:
    """What is in memory stays the parent's; the child is told so."""
    done = python(FORKING, ":memory:")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "an engine in memory does not survive a fork; give RAGFlow.local() a folder",
        "before",
    ]


LEFT_OPEN = """
from ragflow_integrations import RAGFlow
client = RAGFlow.local()
dataset = client.create_dataset("a")
(document,) = dataset.upload_documents([{"display_name": "a.txt", "blob": b"text " * 50_000}])
dataset.async_parse_documents([document.id])
"""


def test_a_process_ends_without_closing() -> None:
    """Who does not close anything still gets a process that ends, in silence."""
    done = python(LEFT_OPEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_models_and_dialect(tmp_path: Path) -> None:
    """The arguments about models and version reach the engine; a folder's second client is refused with others."""
    with RAGFlow.local(
        str(tmp_path), embedding=lambda texts: [[1.0, 2.0]] * len(texts), api_version="0.24.0"
    ) as old:
        assert str(old.server_info().version).startswith("v0.24")
        with RAGFlow.local(str(tmp_path)) as client:
            assert str(client.server_info().version).startswith("v0.27")
            dataset = client.create_dataset("kb")
            assert dataset.embedding_model == "test_models_and_dialect.<locals>.<lambda>@Builtin"
        with (
            RAGFlow.local(str(tmp_path), llm=str.upper) as other,
            pytest.raises(ConfigurationError, match="open in this process with another llm="),
        ):
            other.list_datasets()
    with pytest.raises(ConfigurationError, match=r"as RAGFlow 0\.27 or 0\.24, not as 0\.26"):
        RAGFlow.local(str(tmp_path), api_version="0.26")
