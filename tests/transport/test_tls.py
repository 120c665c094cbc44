"""https, by itself and through a proxy."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from typing import Any

import pytest

from ragflow_integrations import ConnectError, RAGFlow, TransportError

from .acts import EMPTY, END, frame, listed, streamed, uploaded
from .conftest import KEY
from .raw_server import CERTIFICATE, Connection, free_port, http, serving, stream_head

pytestmark = pytest.mark.realtime

Run = Callable[..., Any]
TRUSTING = {"verify": str(CERTIFICATE), "max_retries": 0}
UPLOADED = http({"code": 0, "data": [{"id": "e", "name": "a.txt"}]})


def test_one_encrypted_connection(run: Run) -> None:
    """A server whose certificate is trusted is spoken to on one connection, call after call."""

    def often(client: Any) -> Any:
        if isinstance(client, RAGFlow):
            return [listed(client) for _ in range(5)]
        return await_each(client)

    async def await_each(client: Any) -> list[Any]:
        return [await listed(client) for _ in range(5)]

    with serving(EMPTY, tls=True) as (server, url):
        assert url.startswith("https://")
        assert run(url, often, **TRUSTING) == [[]] * 5
        assert server.connections == 1


def test_an_encrypted_stream(run: Run) -> None:
    """Frames that arrive together and one by one."""
    answer = stream_head() + frame(answer="a") + frame(answer="b") + END
    with serving(answer, tls=True) as (_, url):
        assert [message.content for message in run(url, streamed, **TRUSTING)] == ["a", "b", ""]


def test_an_encrypted_upload(run: Run) -> None:
    """More than the buffers on the way take."""

    def large(client: Any) -> Any:
        return uploaded(client, b"x" * 3_000_000)

    with serving(UPLOADED, tls=True) as (server, url):
        assert len(run(url, large, **TRUSTING)) == 1
        assert b"x" * 3_000_000 in server.requests[0].body


@pytest.mark.parametrize("verify", [True, False])
def test_a_certificate_that_nobody_has_signed(run: Run, verify: bool) -> None:
    """It is refused, unless nothing is to be verified."""
    with serving(EMPTY, tls=True) as (server, url):
        if verify:
            with pytest.raises(ConnectError, match=rf"answers at {url} .*certificate verify failed"):
                run(url, listed, max_retries=0)
        else:
            assert run(url, listed, verify=False) == []
        assert len(server.requests) == (not verify)


@pytest.mark.parametrize("answer", [None, EMPTY[:-3]], ids=["nothing", "half"])
def test_an_encrypted_connection_that_breaks(run: Run, answer: bytes | None) -> None:
    """Without an answer, or in the middle of it."""

    def broken(connection: Connection) -> None:
        connection.send(answer or b"")
        connection.close()

    with serving(broken, tls=True) as (_, url), pytest.raises(TransportError, match="broke off"):
        run(url, listed, **TRUSTING)


def tunnelling(connection: Connection) -> None:
    """As a proxy does: what is asked for is the last request's target."""
    host, _, port = connection.last.line.split()[1].partition(":")
    connection.tunnel(host, int(port))


def test_through_a_proxy(run: Run) -> None:
    """The proxy is asked for the way, with its password, and sees neither the key nor the call."""
    with serving(EMPTY, tls=True) as (server, url), serving(tunnelling) as (proxy, way):
        through = way.replace("http://", "http://user:word@")
        assert run(url, listed, proxy=through, **TRUSTING) == []
        (asked,) = proxy.requests
        assert asked.line == f"CONNECT {url.removeprefix('https://')} HTTP/1.1"
        assert (
            asked.headers["proxy-authorization"] == f"basic {base64.b64encode(b'user:word').decode()}".lower()
        )
        assert "authorization" not in asked.headers
        (received,) = server.requests
        assert received.headers["authorization"] == f"bearer {KEY}"
        assert "proxy-authorization" not in received.headers


def test_a_proxy_that_refuses(run: Run) -> None:
    """It says why, and nothing of it is in the error but that; its connection is closed."""
    refusal = http(b"", "407 Password wanted")
    with serving(refusal) as (proxy, way):
        with pytest.raises(TransportError, match=r"broke off: 407 Password wanted$") as caught:
            run("https://far.invalid", listed, proxy=way.replace("://", "://user:hidden@"), max_retries=0)
        assert proxy.wait_for_ends()
    assert "hidden" not in str(caught.value)


def test_no_proxy_there(run: Run) -> None:
    """A proxy that is not there is an address where nobody answers."""
    with pytest.raises(ConnectError):
        run("https://far.invalid", listed, proxy=f"http://127.0.0.1:{free_port()}", max_retries=0)


def test_a_handshake_that_hangs(run: Run) -> None:
    """A server that takes the connection and says nothing is left after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectError, match=f"answers at {url}"):
            run(url, listed, timeout=0.1, **TRUSTING)
