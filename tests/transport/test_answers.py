"""Answers within bounds, and the way of a request: compression, cookies, proxies, keys in the open."""

from __future__ import annotations

import asyncio
import gzip
import time
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from ragflow_integrations import (
    ConfigurationError,
    ConnectError,
    InvalidRequestError,
    RAGFlow,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from ragflow_integrations.transport import exposed

from .acts import EMPTY, created, listed
from .raw_server import Connection, http, serving

pytestmark = pytest.mark.realtime

Run = Callable[..., Any]


def test_an_error_page_without_end(run: Run) -> None:
    """Of an error no more than its beginning is read, and its connection is closed."""

    def endlessly(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 502 Bad\r\ncontent-type: text/html\r\ncontent-length: 99999999999\r\n\r\n")
        with suppress(OSError):
            for _ in range(100):
                connection.send(b"<p>sorry" * 20_000)
                sent.append(1)

    sent: list[int] = []
    with serving(endlessly) as (server, url):
        with pytest.raises(ServerError, match=r"not JSON but text/html \(it starts '<p>sorry"):
            run(url, created)
        assert server.wait_for_ends()
    assert len(sent) < 100


def test_an_answer_that_dribbles(run: Run) -> None:
    """A byte now and then keeps no call busy for ever: less than 1 KiB a second is a time-out."""

    def slowly(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with suppress(OSError):
            for _ in range(500):
                connection.send(b" ")
                time.sleep(0.01)

    with serving(slowly) as (server, url):
        began = time.monotonic()
        with pytest.raises(
            RequestTimeoutError, match=r"GET /api/v1/datasets is answered too slowly: \d+ bytes in"
        ):
            run(url, listed, timeout=0.2)
        assert time.monotonic() - began < 20
        assert server.wait_for_ends()


@pytest.mark.parametrize("cut", [None, -3])
def test_a_compressed_answer(run: Run, cut: int | None) -> None:
    """Asked for by the caller's own header, or sent unasked, it is unpacked; a broken one is an error."""
    body = gzip.compress(b'{"code": 0, "data": [{"id": "d1", "name": "x"}], "total_datasets": 1}')
    body = body if cut is None else body[:8] + b"\xff" * 40
    with serving(http(body, content_encoding="gzip")) as (_, url):
        if cut is None:
            (dataset,) = run(url, listed, headers={"accept-encoding": "gzip"})
            assert dataset.id == "d1"
        else:
            with pytest.raises(TransportError, match=r"GET /api/v1/datasets at .* broke off"):
                run(url, listed, max_retries=0)


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (gzip.compress(b" " * (100 << 20)), "gzip", r"its \d+ bytes unpack to more than \d+"),
        (gzip.compress(gzip.compress(b" " * (1 << 20))), "gzip, gzip", "it is packed as 'gzip, gzip'"),
        (b"{}", "br", "it is packed as 'br'; ask for 'gzip' in headers="),
        (gzip.compress(b'{"code": 0}')[:-9], "gzip", "what is packed in it is cut off"),
    ],
    ids=["bomb", "twice", "unknown", "cut off"],
)
def test_what_is_not_unpacked(run: Run, body: bytes, encoding: str, said: str) -> None:
    """A bomb, what hides one, what nobody asked for, half of an answer: a clear error."""
    broken = pytest.raises(TransportError, match=f"GET /api/v1/datasets at .* broke off: {said}")
    with serving(http(body, content_encoding=encoding)) as (_, url), broken:
        run(url, listed, max_retries=0)


@pytest.mark.parametrize(("encoding", "pack"), [("deflate", zlib.compress), ("identity", bytes)])
def test_other_ways_to_pack(run: Run, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """``deflate`` is unpacked as well, ``identity`` is none."""
    body = pack(b'{"code": 0, "data": [{"id": "d1", "name": "x"}], "total_datasets": 1}')
    with serving(http(body, content_encoding=encoding)) as (_, url):
        assert [dataset.id for dataset in run(url, listed)] == ["d1"]


def test_no_cookies_are_kept(run: Run) -> None:
    """One key serves many users: nothing that an answer sets comes back with the next request."""
    answer = http({"code": 0, "data": {"id": "d1", "name": "x"}}, set_cookie="session=someone; Path=/")

    def twice(client: Any) -> Any:
        if isinstance(client, RAGFlow):
            return [created(client), created(client)]
        return asyncio.gather(created(client), created(client))

    with serving(answer) as (server, url):
        run(url, twice)
        assert [received.headers.get("cookie") for received in server.requests] == [None, None]


@pytest.mark.parametrize(
    ("variable", "bypassed"),
    [("HTTP_PROXY", None), ("ALL_PROXY", None), ("HTTP_PROXY", "localhost,.invalid")],
)
def test_proxies_of_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, bypassed: str | None
) -> None:
    """``HTTP_PROXY`` and ``ALL_PROXY`` are used, but for the hosts of ``NO_PROXY``."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with serving(EMPTY) as (proxy, address):
        monkeypatch.setenv(variable, address.removeprefix("http://"))
        if bypassed is not None:
            monkeypatch.setenv("NO_PROXY", bypassed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            if bypassed:
                with pytest.raises(ConnectError, match="http://far.invalid"):
                    run("http://far.invalid", listed, max_retries=0)
            else:
                assert run("http://far.invalid", listed) == []
        asked = [received.line for received in proxy.requests]
    assert [line.partition("?")[0] for line in asked] == (
        [] if bypassed else ["GET http://far.invalid/api/v1/datasets"]
    )


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("http://far.invalid", True),
        ("http://192.0.2.1:9", True),
        ("https://far.invalid", False),
        ("http://127.0.0.2:9", False),
        ("http://localhost:9", False),
        ("http://[::1]:9", False),
    ],
)
def test_a_key_in_the_open(run: Run, monkeypatch: pytest.MonkeyPatch, host: str, warned: bool) -> None:
    """Over plain http to another machine it is warned of once per server, with its address and without the key."""
    monkeypatch.setattr(exposed, "_warned", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(TransportError):
                run(host, listed, max_retries=0, timeout=0.2)
    told = [str(each.message) for each in caught]
    assert (
        told
        == [f"the API key goes to {host} unencrypted, for anybody on the way to read; use https"] * warned
    )


def test_addresses(run: Run) -> None:
    """One that is none is refused when the client is made, or before anything is sent; other scripts are fine."""
    with pytest.raises(ConfigurationError, match="^base_url='http://a\\.\\.ü': not a usable address"):
        run("http://a..ü", listed)
    with pytest.raises(ConnectError, match=r"^no RAGFlow server answers at https://bücher\.invalid"):
        run("https://bücher.invalid", listed, max_retries=0)
    with serving(EMPTY) as (server, url):
        with pytest.raises(InvalidRequestError, match="does not fit into an address: .* too long"):
            run(url, lambda client: client.list_datasets(name="x" * 100_000))
        assert server.connections == 0


def test_a_host_of_ones_own(run: Run) -> None:
    """``headers=`` may name the host, for a server behind a name that is not in the network."""
    with serving(EMPTY) as (server, url):
        run(url, listed)
        run(url, listed, headers={"Host": "ragflow.example"})
        hosts = [received.headers["host"] for received in server.requests]
    assert hosts == [url.removeprefix("http://"), "ragflow.example"]
