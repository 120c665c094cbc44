"""HTTP against servers that behave badly: typed errors, no POST twice, no key anywhere, nothing left open."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import ssl
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import pytest

from ragflow_integrations import (
    APIError,
    AsyncRAGFlow,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    NotFoundError,
    RAGFlow,
    RAGFlowError,
    RequestTimeoutError,
    ServerError,
    StreamInterruptedError,
    TransportError,
)

from .acts import (
    DATASET,
    EMPTY,
    END,
    created,
    endless,
    failing,
    frame,
    listed,
    python,
    searched,
    streamed,
    uploaded,
)
from .conftest import KEY, async_client, sync_client
from .raw_server import Connection, chunk, free_port, http, serving, stream_head

pytestmark = pytest.mark.realtime

Run = Callable[..., Any]


@pytest.mark.parametrize("act", [listed, created])
def test_nobody_there(run: Run, act: Run) -> None:
    """A refused connection is a ``ConnectError`` with the address and what to look at."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(
        ConnectError, match=rf"^no RAGFlow server answers at {url} \(.*\); is it running, and is base_"
    ):
        run(url, act, max_retries=0)


def test_no_such_host(run: Run) -> None:
    """So is a name that does not resolve."""
    with pytest.raises(ConnectError, match=r"at https://no-such-host\.invalid"):
        run("https://no-such-host.invalid", listed, max_retries=0)


def test_refused_then_there(run: Run) -> None:
    """A server that comes up in time is found, by a POST too: the refused try sent nothing."""
    port = free_port()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(run, f"http://127.0.0.1:{port}", created)
        time.sleep(0.15)  # the first try is refused by now; the next comes after at least 0.25 s
        with serving(DATASET, port=port) as (server, _):
            assert call.result().id == "d1"
            assert len(server.requests) == 1


@pytest.mark.parametrize("act", [listed, created])
def test_too_slow(run: Run, act: Run) -> None:
    """No answer in time is a ``RequestTimeoutError``; it is not tried again, since the server may be at work."""
    with serving(Connection.wait_for_end) as (server, url):
        with pytest.raises(
            RequestTimeoutError, match=rf"^{url} did not answer (GET|POST) /api/v1/datasets in time"
        ):
            run(url, act, timeout=0.2)
        assert server.wait_for_ends()
        assert len(server.requests) == 1


@pytest.mark.parametrize("act", [created, uploaded])
@pytest.mark.parametrize(
    "bad", [None, http({"code": 0})[:-3], http(b"", "503 Busy")], ids=["closes", "cut", "503"]
)
def test_a_post_goes_out_once(run: Run, act: Run, bad: bytes | None) -> None:
    """Once bytes went out a POST that changes something is never sent again, whatever came back."""

    def answer(connection: Connection) -> None:
        if bad:
            connection.send(bad)
        connection.close()

    with serving(answer) as (server, url):
        with pytest.raises((TransportError, ServerError), match="POST /api/v1/datasets"):
            run(url, act)
        assert [received.line.split()[0] for received in server.requests] == ["POST"]


@pytest.mark.parametrize("act", [listed, searched])
@pytest.mark.parametrize(
    "bad", [None, http(b"", "503 Busy"), http(b"<h1>", "502 Bad")], ids=["closes", "503", "502"]
)
def test_idempotent_calls_are_tried_again(run: Run, act: Run, bad: bytes | None) -> None:
    """A listing or a search that failed on the way is sent again, and the second answer counts."""
    good = EMPTY if act is listed else http({"code": 0, "data": {"chunks": [], "total": 0, "doc_aggs": []}})
    with serving(bad, good) as (server, url):
        assert run(url, act) == []
        assert len(server.requests) == 2


def test_tries_end(run: Run) -> None:
    """After ``max_retries`` more tries the last failure is the caller's."""
    with serving(None) as (server, url):
        with pytest.raises(TransportError, match=rf"^GET /api/v1/datasets at {url} broke off: "):
            run(url, listed, max_retries=1)
        assert len(server.requests) == 2


def test_retry_after(run: Run) -> None:
    """The server's wish is kept: the second try comes no earlier."""
    with serving(http(b"", "503 Busy", retry_after="1"), EMPTY) as (server, url):
        began = time.monotonic()
        assert run(url, listed) == []
        assert time.monotonic() - began >= 1
        assert len(server.requests) == 2


def test_html(run: Run) -> None:
    """A web page is no answer: the error shows its start and says what to check."""
    with (
        serving(http(b"<html>Welcome to nginx</html>")) as (_, url),
        pytest.raises(
            ServerError, match=r"not JSON but text/html \(it starts '<html>Welcome.*check base_url"
        ),
    ):
        run(url, listed)


def test_wrong_key(run: Run) -> None:
    """401 says which setting to check; the key itself is not repeated."""
    refusal = http(
        {"code": 401, "message": "<Unauthorized '401: Unauthorized'>", "data": None}, "401 Unauthorized"
    )
    with serving(refusal) as (server, url):
        with pytest.raises(AuthenticationError, match="Check api_key= or RAGFLOW_API_KEY") as caught:
            run(url, listed)
        assert server.requests[0].headers["authorization"] == f"bearer {KEY}"
        assert KEY not in str(caught.value)


def test_chunked(run: Run) -> None:
    """An answer in chunks is read whole."""
    pieces = [b'{"code": 0, "da', b'ta": [{"id": "d1", "name": "x"}], "total', b'_datasets": 9}', b""]
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    with serving(answer + b"".join(map(chunk, pieces))) as (_, url):
        page = run(url, listed)
    assert ([dataset.id for dataset in page], page.total) == (["d1"], 9)


def test_what_is_sent(run: Run) -> None:
    """The caller's headers, ours, the key, and the query as RAGFlow reads it."""
    with serving(EMPTY) as (server, url):
        run(
            f"{url}/ragflow/api/v1/",
            lambda client: client.list_datasets(name="a&b ü", desc=False),
            headers={"X-A": "1"},
        )
    (received,) = server.requests
    path, _, query = received.line.removeprefix("GET ").removesuffix(" HTTP/1.1").partition("?")
    assert path == "/ragflow/api/v1/datasets"
    assert dict(parse_qsl(query)) == {
        "page": "1", "page_size": "30", "orderby": "create_time", "desc": "False", "name": "a&b ü",
    }  # fmt: skip
    assert received.headers["x-a"] == "1"
    assert received.headers["user-agent"].startswith("ragflow-integrations")


def test_redirects_are_not_followed(run: Run) -> None:
    """A redirect is an error that names its target; nothing, least of all the key, goes there."""
    with serving(EMPTY) as (other, target):
        answer = http(b"", "302 Found", location=f"{target}/api/v1/datasets")
        said = f"redirects to {target}/api/v1/datasets.*HTTP 302"
        with serving(answer) as (_, url), pytest.raises(ServerError, match=said):
            run(url, listed)
        assert other.connections == 0


# --- connections --------------------------------------------------------------------------------------


def test_one_connection_for_many_calls() -> None:
    """Calls in a row reuse it."""
    with serving(EMPTY) as (server, url), RAGFlow(KEY, url) as client:
        for _ in range(20):
            client.list_datasets()
        assert (server.connections, len(server.requests)) == (1, 20)


async def test_one_connection_for_many_async_calls() -> None:
    """So do awaited ones."""
    with serving(EMPTY) as (server, url):
        async with AsyncRAGFlow(KEY, url) as client:
            for _ in range(20):
                await client.list_datasets()
        assert (server.connections, len(server.requests)) == (1, 20)


def test_a_loop_after_the_other() -> None:
    """One async client lives through several ``asyncio.run``: each has its connections, closed at its end."""
    with serving(EMPTY) as (server, url):
        client = AsyncRAGFlow(KEY, url)

        async def twice() -> None:
            await client.list_datasets()
            await client.list_datasets()

        for number in range(1, 4):
            asyncio.run(twice())
            assert server.wait_for_ends()
            assert (server.connections, len(server.requests)) == (number, 2 * number)
        gc.collect()  # a connection left open would warn here


def test_loops_at_the_same_time() -> None:
    """Loops of several threads share a client."""
    with serving(EMPTY) as (server, url):
        client = AsyncRAGFlow(KEY, url)

        async def many() -> int:
            return len(await asyncio.gather(*(client.list_datasets() for _ in range(5))))

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda _: asyncio.run(many()), range(4))) == [5] * 4
        assert len(server.requests) == 20


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the loops, which end untidily
def test_loops_closed_without_their_generators() -> None:
    """After a plain ``close()`` of a loop its connections are let go, with the next loop or with the client."""
    with serving(EMPTY) as (server, url):
        client = AsyncRAGFlow(KEY, url)

        for _ in range(2):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(client.list_datasets())
            loop.close()
        gc.collect()
        assert server.wait_for_ends()
        del client
        gc.collect()
        assert server.wait_for_ends()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # as above
def test_loops_that_end_while_others_begin() -> None:
    """Letting go of ended loops, a thread does not stumble over the loops of another."""

    class Slow(asyncio.SelectorEventLoop):
        def is_closed(self) -> bool:
            time.sleep(0.002)
            return super().is_closed()

    with serving(EMPTY) as (_, url):
        client = AsyncRAGFlow(KEY, url)

        def often(client: AsyncRAGFlow) -> list[Any]:
            found: list[Any] = []
            for _ in range(5):
                loop = Slow()
                found += loop.run_until_complete(client.list_datasets(page_size=1))
                loop.close()
            return found

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(often, [client] * 8)) == [[]] * 8
        del client
        gc.collect()
        gc.collect()  # what the first one has let go of


def test_threads() -> None:
    """Threads share a client and its connections."""
    with serving(EMPTY) as (server, url), RAGFlow(KEY, url) as client, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: client.list_datasets(), range(80))) == [[]] * 80
        assert server.connections <= 8


def test_closing_is_not_the_end(run: Run) -> None:
    """``close`` frees the connections and may be called twice; a later call opens new ones."""
    with serving(EMPTY) as (server, url), RAGFlow(KEY, url) as client:
        client.list_datasets()
        client.close()
        assert server.wait_for_ends()
        client.close()
        client.list_datasets()
        assert server.connections == 2


FORKING = """
import os, sys
from ragflow_integrations import RAGFlow
client = RAGFlow("key", sys.argv[1])
client.list_datasets()
child = os.fork()
client.list_datasets()
if child == 0:
    client.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
client.list_datasets()
client.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


FORKING_BETWEEN_LOOPS = """
import asyncio, os, sys
from ragflow_integrations import AsyncRAGFlow
client = AsyncRAGFlow("key", sys.argv[1])
asyncio.run(client.list_datasets())
child = os.fork()
asyncio.run(client.list_datasets())
if child == 0:
    os._exit(0)
_, status = os.waitpid(child, 0)
asyncio.run(client.list_datasets())
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize(("program", "connections"), [(FORKING, 2), (FORKING_BETWEEN_LOOPS, 4)])
def test_fork(program: str, connections: int) -> None:
    """Parent and child never speak on the same connection; each has its own, and one for each of its loops."""
    with serving(EMPTY) as (server, url):
        done = python(program, url)
        assert (done.returncode, done.stderr) == (0, "")
        assert (server.connections, len(server.requests)) == (connections, 4)


async def test_cancelling_a_call_closes_its_connection() -> None:
    """A cancelled call does not go on behind the caller's back: the server sees the end."""
    with serving(Connection.wait_for_end) as (server, url):
        async with AsyncRAGFlow(KEY, url) as client:
            task = asyncio.create_task(client.list_datasets())
            assert await asyncio.to_thread(server.wait_for_request)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.wait_for_ends)


# --- streams ------------------------------------------------------------------------------------------


def test_pieces_come_as_they_are_made() -> None:
    """The first delta is there before the server has made the second."""
    read = threading.Event()

    def answer(connection: Connection) -> None:
        connection.send(stream_head() + frame(answer="a"))
        connection.send((frame(answer="b") if read.wait(5) else b"") + END)

    with serving(answer) as (server, url), sync_client(url) as client:
        stream = client.chat("c").ask("q", stream=True)
        assert next(stream).content == "a"
        read.set()
        assert [message.content for message in stream] == ["b", ""]
        assert [message.content for message in stream] == []
        assert server.requests[0].headers["content-type"] == "application/json"


async def test_pieces_come_as_they_are_made_async() -> None:
    """So it is for an event loop, which does other things in between."""
    read = threading.Event()

    def answer(connection: Connection) -> None:
        connection.send(stream_head() + frame(answer="a"))
        connection.send((frame(answer="b") if read.wait(5) else b"") + END)

    with serving(answer) as (_, url):
        async with async_client(url) as client, await client.chat("c").ask("q", stream=True) as stream:
            assert (await anext(stream)).content == "a"
            read.set()
            assert [message.content async for message in stream] == ["b", ""]


def test_leaving_a_stream_closes_its_connection() -> None:
    """By ``with``, by ``close``, and the client goes on working."""
    with serving(endless, endless, EMPTY) as (server, url), sync_client(url) as client:
        with client.chat("c").ask("q", stream=True) as stream:
            assert next(stream).content == "a"
        assert server.wait_for_ends()
        stream = client.chat("c").ask("q", stream=True)
        stream.close()
        assert server.wait_for_ends()
        assert list(stream) == []
        assert client.list_datasets() == []


async def test_leaving_an_async_stream_closes_its_connection() -> None:
    """By ``async with``, by breaking off a loop in it, by cancelling: the server sees the end."""
    with serving(endless) as (server, url):
        async with async_client(url) as client:
            async with await client.chat("c").ask("q", stream=True) as stream:
                async for message in stream:
                    assert message.content == "a"
                    break
            assert await asyncio.to_thread(server.wait_for_ends)

            async def read() -> None:
                async with await client.chat("c").ask("q", stream=True) as stream:
                    async for _ in stream:
                        arrived.set()

            arrived = asyncio.Event()
            task = asyncio.create_task(read())
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.wait_for_ends)


def test_a_stream_left_open_ends_with_its_loop() -> None:
    """Who forgets to close one leaves nothing behind after ``asyncio.run``."""
    with serving(endless) as (server, url):

        async def main() -> None:
            stream = await async_client(url).chat("c").ask("q", stream=True)
            assert (await anext(stream)).content == "a"

        asyncio.run(main())
        assert server.wait_for_ends()
        gc.collect()


@pytest.mark.parametrize("reads", [0, 1])
def test_a_dropped_stream_closes_at_once(reads: int) -> None:
    """Read or not, without waiting for the garbage collector, which might come while the pool is locked."""
    gc.disable()
    try:
        with serving(endless) as (server, url), sync_client(url) as client:
            stream = client.chat("c").ask("q", stream=True)
            assert [next(stream).content for _ in range(reads)] == ["a"] * reads
            del stream
            assert server.wait_for_ends()
    finally:
        gc.enable()


@pytest.mark.parametrize("reads", [0, 1])
async def test_a_dropped_async_stream_closes_at_once(reads: int) -> None:
    """Read or not, in its loop, without waiting for the garbage collector."""
    gc.disable()
    try:
        with serving(endless) as (server, url):
            async with async_client(url) as client:
                stream = await client.chat("c").ask("q", stream=True)
                assert [(await anext(stream)).content for _ in range(reads)] == ["a"] * reads
                del stream
                assert await asyncio.to_thread(server.wait_for_ends)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "cut", [frame(answer="Hello"), frame(answer="Hello") + b"5\r\nda", frame(answer="Hello")[:-9]]
)
def test_a_stream_that_breaks(cut: bytes) -> None:
    """Between frames or inside one: ``StreamInterruptedError`` with what had arrived whole."""

    def answer(connection: Connection) -> None:
        connection.send(stream_head() + cut)
        connection.close()

    with serving(answer) as (server, url), sync_client(url) as client:
        with pytest.raises(
            StreamInterruptedError, match=rf"POST /api/v1/chat/completions at {url} broke off"
        ) as caught:
            list(client.chat("c").ask("q", stream=True))
        assert caught.value.partial in ("Hello", "")
        assert (caught.value.partial == "Hello") == (len(cut) >= len(frame(answer="Hello")))
        assert len(server.requests) == 1


def test_a_stream_that_stops() -> None:
    """Silence for longer than the timeout is a ``RequestTimeoutError``."""
    with serving(endless) as (server, url), sync_client(url, timeout=0.2) as client:
        with pytest.raises(RequestTimeoutError, match="did not answer POST /api/v1/chat/completions in time"):
            list(client.chat("c").ask("q", stream=True))
        assert server.wait_for_ends()


def test_an_error_inside_a_stream_closes_its_connection(run: Run) -> None:
    """Nobody reads on after it, so nothing is left open, also where nobody closes the stream."""

    with serving(failing) as (server, url):
        with pytest.raises(ServerError, match="no model"):
            run(url, streamed)
        assert server.wait_for_ends()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            http({"code": 109, "message": "no authorization", "data": False}),
            NotFoundError,
            "no authorization",
        ),
        (http(b"<h1>Bad gateway</h1>", "502 Bad"), ServerError, "HTTP 502"),
        (http({"code": 0, "data": {"answer": "whole"}}), TransportError, "not a stream"),
    ],
)
def test_no_stream(run: Run, answer: bytes, kind: type[Exception], said: str) -> None:
    """What comes instead of a stream is read as the error it is."""
    with serving(answer) as (server, url):
        with pytest.raises(kind, match=said):
            run(url, lambda client: client.chat("c").ask("q", stream=True))
        assert len(server.requests) == 1


# --- settings and secrets -----------------------------------------------------------------------------


def test_wrong_settings() -> None:
    """They fail when the client is made, by name, without a proxy's password."""
    with pytest.raises(
        ConfigurationError, match="^verify='/no/such.pem': give a file or folder of CA certificates"
    ):
        RAGFlow(KEY, "https://h", verify="/no/such.pem")
    with pytest.raises(ConfigurationError, match="^proxy: give 'http://host:port'") as caught:
        RAGFlow(KEY, "https://h", proxy="ftp://user:hidden@h")
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_certificates_are_read_for_https_only() -> None:
    """They take a tenth of a second; a client for plain http does without."""
    for url, kind in (("http://127.0.0.1", type(None)), ("https://127.0.0.1", ssl.SSLContext)):
        transport: Any = RAGFlow(KEY, url)._transport
        assert isinstance(transport._server.certificates, kind)


@pytest.mark.parametrize("verify", [True, False])
def test_plain_settings(verify: bool) -> None:
    """Certificates checked or not, through a proxy or not: the client is made, and says nothing of the proxy."""
    assert "hidden" not in repr(RAGFlow(KEY, "https://h", verify=verify, proxy="http://user:hidden@h:1"))


@pytest.mark.parametrize(
    "answer",
    [None, Connection.wait_for_end, http(b"<p>"), http(b"", "302 No", location="/x"), "refused"],
    ids=["closes", "hangs", "html", "redirects", "refused"],
)
@pytest.mark.parametrize("act", [listed, created, uploaded, streamed])
def test_the_key_is_in_no_error(run: Run, act: Run, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the message, repr, pickle, logs at DEBUG, nor in a traceback that shows every local variable."""
    caplog.set_level(logging.DEBUG)
    with serving(None if answer == "refused" else answer) as (_, url):
        there = f"http://127.0.0.1:{free_port()}" if answer == "refused" else url
        with pytest.raises((TransportError, ServerError)) as caught:
            run(there, act, timeout=0.1, max_retries=0)
    error = caught.value
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    told = [str(error), repr(error), repr(pickle.dumps(error)), "".join(shown.format()), caplog.text]
    assert [text for text in told if KEY in text] == []
    assert "httpcore" in caplog.text
    assert error.__cause__ is None
    assert error.__suppress_context__ == (error.__context__ is not None)
    assert [each for each in chain(error) if of_the_library(each) and each.__traceback__] == []


TOKEN = "a-token-for-the-proxy"
REPEATED = f"you sent Bearer {KEY} and {TOKEN}"


@pytest.mark.parametrize(
    "answer",
    [
        http({"code": 102, "message": REPEATED, "data": {KEY: [REPEATED]}}),
        http({"code": 404, "message": REPEATED}, "404 Not Found"),
        http(f"<p>{KEY} {TOKEN}".encode(), "502 Bad Gateway"),
        http(b"", "302 Found", location=f"/login?{KEY}&{TOKEN}"),
        http(
            f'data:{{"code": 500, "message": "{REPEATED}"}}\n\n'.encode(),
            **{"content-type": "text/event-stream"},
        ),
    ],
    ids=["refused", "no route", "html", "redirects", "in a stream"],
)
@pytest.mark.parametrize("act", [listed, uploaded, streamed])
def test_a_key_that_a_server_repeats(run: Run, act: Run, answer: Any) -> None:
    """What a server, or a proxy before it, says of the request it got is in the error without key and headers."""
    with serving(answer) as (_, url), pytest.raises((APIError, TransportError)) as caught:
        run(url, act, max_retries=0, headers={"x-token": TOKEN})
    for error in (caught.value, *chain(caught.value)):
        if isinstance(error, RAGFlowError):
            told = str(error) + repr(error) + repr(pickle.dumps(error)) + repr(vars(error))
            assert [secret for secret in (KEY, TOKEN) if secret in told] == []


def test_an_error_within_a_circle_of_errors(run: Run) -> None:
    """A call may fail while its caller handles errors of which each was raised from the other."""
    first, second = KeyError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    with serving(http(REPEATED.encode(), "502 Bad Gateway")) as (_, url):
        try:
            raise first
        except KeyError:
            with pytest.raises(ServerError) as caught:
                run(url, listed, max_retries=0)
    assert KEY not in str(caught.value)


def chain(error: BaseException | None) -> list[BaseException]:
    """What led to it, and what led to that."""
    found = []
    while (error := error and error.__context__) is not None:
        found.append(error)
    return found


def of_the_library(error: BaseException) -> bool:
    """One whose frames know the request with its headers."""
    return type(error).__module__.startswith(("httpx", "httpcore", "h11"))


def test_the_key_is_in_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in its repr or pickle; what is unpickled takes the key from the environment, or says that it is missing."""
    with serving(EMPTY) as (server, url):
        with RAGFlow(KEY, url, headers={"x-token": "hidden"}, timeout=5, max_retries=1) as client:
            client.list_datasets()
            packed = pickle.dumps([client, client.chat("c")])
            assert KEY not in repr(client) + str(vars(client)) + repr(packed)
            assert b"hidden" not in packed
        with pytest.raises(ConfigurationError, match="RAGFLOW_API_KEY"):
            pickle.loads(packed)  # noqa: S301 - our own
        monkeypatch.setenv("RAGFLOW_API_KEY", "another-key")
        again, chat = pickle.loads(packed)  # noqa: S301 - our own
        with again:
            assert again.list_datasets() == []
        assert chat._client is again
        assert server.requests[-1].headers["authorization"] == "bearer another-key"


def test_a_copy_is_the_client() -> None:
    """What holds a client can be copied, deeply too: the copy shares it."""
    client = RAGFlow(KEY, "http://h")
    chat = client.chat("c")
    assert copy.deepcopy(client) is copy.copy(client) is client
    assert copy.deepcopy(chat)._client is client
