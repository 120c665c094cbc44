"""Uploads are read while they are sent: the same bytes from everywhere, little memory, no loop that waits."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from python_multipart import parse_form

from ragflow_integrations import AsyncRAGFlow, ConnectError, InvalidRequestError, RAGFlow, TransportError
from ragflow_integrations.config import resolve
from ragflow_integrations.protocol.wire import FilePart, Request, Response
from ragflow_integrations.transport.http import AsyncHTTPTransport, HTTPTransport
from ragflow_integrations.transport.upload import Upload

from .raw_server import Received, free_port, http, serving

MEBIBYTE = 1 << 20
DONE = http({"code": 0, "data": []})
Content = bytes | Path | IO[bytes]
Make = Callable[[bytes], Content]


def request(*contents: Content) -> Request:
    parts = (FilePart("file", f"{number}.bin", content) for number, content in enumerate(contents))
    return Request("POST", "/api/v1/datasets/d/documents", files=tuple(parts))


def sync_send(url: str, *requests: Request, **options: Any) -> list[Response]:
    transport = HTTPTransport(resolve("key", url, **options))
    try:
        return [transport.send(each, timeout=5) for each in requests]
    finally:
        transport.close()


def async_send(url: str, *requests: Request, **options: Any) -> list[Response]:
    async def main() -> list[Response]:
        transport = AsyncHTTPTransport(resolve("key", url, **options))
        return [await transport.send(each, timeout=5) for each in requests]

    return asyncio.run(main())


@pytest.fixture(params=[sync_send, async_send], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable[..., list[Response]]:
    """``send(url, request, …)`` by one transport of the one kind or the other."""
    chosen: Callable[..., list[Response]] = request.param
    return chosen


@pytest.fixture(params=["bytes", "path", "file", "spooled"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a content that holds these bytes."""
    opened: list[IO[bytes]] = []

    def made(content: bytes) -> Content:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
        path.write_bytes(content)
        if request.param == "path":
            return path
        if request.param == "bytes":
            return content
        opened.append(path.open("rb") if request.param == "file" else io.BytesIO(content))
        return opened[-1]

    yield made
    for each in opened:
        each.close()


def files_of(received: Received) -> list[bytes]:
    """What a server's multipart parser finds in the body."""
    found = []

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        found.append(file.file_object.read())
        file.close()

    headers = {
        "Content-Type": received.headers["content-type"].encode(),
        "Content-Length": received.headers["content-length"].encode(),
    }
    parse_form(headers, io.BytesIO(received.body), lambda field: pytest.fail(f"a field: {field}"), on_file)
    return found


SIZES = [0, 1, 70_000, MEBIBYTE - 1, MEBIBYTE, 2 * MEBIBYTE + 1]


def test_the_same_bytes_from_everywhere(send: Any, make: Make) -> None:
    """Bytes, a path or a file object, large and small, arrive unchanged and in order."""
    contents = [os.urandom(size) for size in SIZES]
    with serving(DONE) as (server, url):
        (answer,) = send(url, request(*map(make, contents)))
    assert answer.status == 200
    (received,) = server.requests
    assert received.headers["content-length"] == str(len(received.body))
    assert files_of(received) == contents


def test_small_files_go_together() -> None:
    """Many small files are few pieces, a large one is pieces of a mebibyte: what one call to the network costs."""
    many = list(Upload(request(*[b"x" * 100] * 300)))
    assert len(many) <= 3
    large = list(Upload(request(b"x" * (3 * MEBIBYTE))))
    assert [len(piece) for piece in large if len(piece) > 1000] == [MEBIBYTE] * 3


def test_a_file_object_is_left_as_it_was(send: Any) -> None:
    """It is sent from where it stands, and stands there afterwards, so that it can be sent again."""
    with io.BytesIO(b"header and content") as file, serving(DONE) as (server, url):
        file.seek(7)
        send(url, request(file), request(file))
        assert [files_of(received) for received in server.requests] == [[b"and content"]] * 2
        assert file.tell() == 7


class Broken(io.BytesIO):
    """Fails in the middle."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(b"x" * (4 * MEBIBYTE))
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < 2 * MEBIBYTE:
            return super().read(size)
        if self.error is not None:
            raise self.error
        return b""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "it has become shorter"),
        (OSError(5, "Input/output error"), r"\[Errno 5\] Input/output error"),
        (ValueError("read of closed file"), "read of closed file"),
    ],
)
def test_a_file_that_fails_on_the_way(send: Any, error: Exception | None, said: str) -> None:
    """It is a typed error, the connection is closed in mid-body, so that the server takes nothing, and all goes on."""
    with Broken(error) as file, serving(DONE) as (server, url):
        with pytest.raises(
            TransportError, match=rf"^0\.bin could not be read to its end: {said}; the upload was"
        ):
            send(url, request(file), max_concurrency=1)
        assert server.wait_for_request()
        (received,) = server.requests  # as far as it came, when the connection ended
        assert len(received.body) < int(received.headers["content-length"])
        assert file.tell() == 0
        file.error = None
        assert send(url, request(b"small"), max_concurrency=1)[0].status == 200


@pytest.mark.parametrize("change", [Path.unlink, lambda path: os.truncate(path, 10)], ids=["gone", "shorter"])
def test_a_file_that_vanishes_on_the_way(send: Any, tmp_path: Path, change: Callable[[Path], None]) -> None:
    """A file that is there when the upload begins and changes before its turn comes is a typed error."""

    class Changing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if size and path.exists():
                change(path)
            return super().read(size)

    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000)
    said = r"^1\.bin could not be read to its end: "
    with serving(DONE) as (_, url), Changing(b"first") as first, pytest.raises(TransportError, match=said):
        send(url, request(first, path))


def text_file(folder: Path) -> Any:
    return io.StringIO("text")


def closed_file(folder: Path) -> Any:
    file = io.BytesIO(b"x")
    file.close()
    return file


class Unseekable(io.BytesIO):
    def seek(self, offset: int, whence: int = 0) -> int:
        raise io.UnsupportedOperation("not seekable")


@pytest.mark.parametrize(
    ("make_it", "said"),
    [
        (lambda folder: folder / "no such file", "there is no file .*/no such file$"),
        (lambda folder: folder, "there is no file /"),
        (text_file, "give bytes, a path, or a binary file that can seek; this one is open as text"),
        (closed_file, "give bytes.*; this cannot be read: I/O operation on closed file"),
        (lambda folder: Unseekable(b"x"), "give bytes.*; this cannot be read: not seekable"),
        (lambda folder: 5, "give bytes.*; this cannot be read: 'int' object has no attribute 'tell'"),
    ],
    ids=["missing", "folder", "text", "closed", "not seekable", "no file"],
)
def test_what_cannot_be_sent(send: Any, tmp_path: Path, make_it: Callable[[Path], Any], said: str) -> None:
    """It is an ``InvalidRequestError`` that names the document, before anything is sent."""
    with serving(DONE) as (server, url):
        with pytest.raises(InvalidRequestError, match=rf"^1\.bin: {said}"):
            send(url, request(b"good", make_it(tmp_path)))
        assert server.connections == 0


def test_a_refused_upload_can_be_sent_again(send: Any, make: Make) -> None:
    """After a refused connection, or one that broke in the middle, the same request sends the whole content."""
    content = os.urandom(3 * MEBIBYTE)
    wanted = request(make(content))
    with pytest.raises(ConnectError):
        send(f"http://127.0.0.1:{free_port()}", wanted)
    with refusing() as url, pytest.raises(TransportError, match="broke off"):
        send(url, wanted)
    with serving(DONE) as (server, url):
        send(url, wanted)
        assert files_of(server.requests[0]) == [content]


@contextmanager
def refusing() -> Iterator[str]:
    """A server that closes the connection when the body has begun."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.recv(100_000)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


# --- in an event loop ---------------------------------------------------------------------------------


class Slow(io.BytesIO):
    """Takes its time, as a disk on the network does."""

    def read(self, size: int | None = -1) -> bytes:
        if size:
            reading.set()
            time.sleep(0.1)
        return super().read(size)


reading = threading.Event()


async def test_the_loop_goes_on() -> None:
    """A file that is slow to read makes nobody else wait."""
    with Slow(b"x" * (3 * MEBIBYTE)) as file, serving(DONE) as (server, url):
        transport, beats = AsyncHTTPTransport(resolve("key", url)), 0
        upload = asyncio.create_task(transport.send(request(file), timeout=5))
        while not upload.done():
            await asyncio.sleep(0.005)
            beats += 1
        assert (await upload).status == 200
        assert beats >= 10
        await transport.aclose()
        assert files_of(server.requests[0]) == [file.getvalue()]


async def test_cancelling_while_a_file_is_read(tmp_path: Path) -> None:
    """The connection ends, the thread comes to its end, and what was opened here is closed."""
    path = tmp_path / "second.bin"
    path.write_bytes(b"x" * MEBIBYTE)
    with Slow(b"x" * (3 * MEBIBYTE)) as file, serving(DONE) as (server, url):
        transport = AsyncHTTPTransport(resolve("key", url, max_concurrency=1))
        reading.clear()
        upload = asyncio.create_task(transport.send(request(path, file), timeout=5))
        assert await asyncio.to_thread(reading.wait, 5)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert await asyncio.to_thread(server.wait_for_request)
        await asyncio.sleep(0.15)  # until the thread has read its piece
        assert file.tell() == 0
        assert (await transport.send(request(b"small"), timeout=5)).status == 200
        await transport.aclose()


# --- the local engine ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RAGFlow, AsyncRAGFlow])
def test_into_the_engine(kind: Any, make: Make) -> None:
    """In this process the engine is given the same pieces; one that fails leaves nothing behind."""
    content = b"Zebras eat grass. " * 100_000

    async def main() -> None:
        client = kind.local()
        dataset = await maybe(client.create_dataset("a"))
        path = f"/api/v1/datasets/{dataset.id}/documents"
        parts = (FilePart("file", "a.txt", make(content)), FilePart("file", "b.txt", make(b"")))
        answer = await maybe(client._transport.send(Request("POST", path, files=parts), timeout=5))
        assert [each["size"] for each in answer.json()["data"]] == [len(content), 0]
        (document,) = await maybe(dataset.list_documents(name="a.txt"))
        assert await maybe(document.download()) == content
        broken = (FilePart("file", "c.txt", b"x"), FilePart("file", "d.txt", Broken(None)))
        with pytest.raises(
            TransportError, match=r"^d\.txt could not be read to its end: it has become shorter"
        ):
            await maybe(client._transport.send(Request("POST", path, files=broken), timeout=5))
        assert (await maybe(dataset.list_documents())).total == 2
        await maybe((client.aclose if kind is AsyncRAGFlow else client.close)())

    asyncio.run(main())


async def maybe(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


# --- memory -------------------------------------------------------------------------------------------

UPLOADING = """
import asyncio, resource, sys
from pathlib import Path
from ragflow_integrations.config import resolve
from ragflow_integrations.protocol.wire import FilePart, Request
from ragflow_integrations.transport.http import AsyncHTTPTransport, HTTPTransport

url, path, kind, how = sys.argv[1:]

def request(content):
    return Request("POST", "/api/v1/datasets/d/documents", files=(FilePart("file", "a.bin", content),))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform != "darwin" else 1024**2)

def sync_sends(*requests):
    transport = HTTPTransport(resolve("key", url))
    for each in requests:
        assert transport.send(each, timeout=30).status == 200
    transport.close()

async def async_sends(*requests):
    transport = AsyncHTTPTransport(resolve("key", url))
    for each in requests:
        assert (await transport.send(each, timeout=30)).status == 200

def sends(*requests):
    sync_sends(*requests) if how == "sync" else asyncio.run(async_sends(*requests))

small = Path(path + ".small")
small.write_bytes(b"x" * 100)
sends(request(small))
before = peak()
with open(path, "rb") as file:
    sends(request(Path(path) if kind == "path" else file))
print(peak() - before)
"""


class Sink:
    """Takes uploads and keeps nothing but the number of their bytes."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def serve(self, listening: socket.socket, connections: int) -> None:
        for _ in range(connections):
            sock, _ = listening.accept()
            with sock, sock.makefile("rb") as stream:
                self._take(sock, stream)

    def _take(self, sock: socket.socket, stream: Any) -> None:
        buffer = memoryview(bytearray(MEBIBYTE))
        while True:
            length = 0
            while (line := stream.readline()) not in (b"", b"\r\n"):
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            if not line:
                return
            left = length
            while left and (count := stream.readinto(buffer[: min(left, MEBIBYTE)])):
                left -= count
            self.taken.append(length - left)
            sock.sendall(DONE)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("kind", ["path", "file"])
def test_memory(tmp_path: Path, kind: str, how: str) -> None:
    """256 MiB are sent with at most 8 MiB more memory, and all of them arrive."""
    size, path, sink = 256 * MEBIBYTE, tmp_path / "large.bin", Sink()
    with path.open("wb") as file:
        file.truncate(size)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=sink.serve, args=(listening, 2), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-c", UPLOADING, url, str(path), kind, how]
        grown = subprocess.check_output(command, cwd=Path(__file__).parents[2], text=True, timeout=60)
        thread.join(20)
    assert int(grown) < 8
    assert size < sink.taken[-1] < size + 1000
