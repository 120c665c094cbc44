"""Every fault of a server or of the way there, for every kind of call, by both clients.

Each is a typed error in bounded time; what must not be sent twice is not; no connection and no task is left;
the next call works.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncRAGFlow,
    AuthenticationError,
    ConnectError,
    RAGFlow,
    RAGFlowError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    StreamInterruptedError,
    TransportError,
)
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from tests.faults import proxy as faults
from tests.faults.proxy import FAULTS, HUGE, Exchange, Fault, Proxy, proxying

pytestmark = pytest.mark.realtime

TIMEOUT = 0.4
BOUND = (
    5  # seconds for one call, its second try and a busy machine; stalls and drips would last twice as long
)
Act = Callable[[Any], Any]


@dataclass(frozen=True)
class Place:
    """A knowledge base behind a proxy."""

    proxy: Proxy
    key: str
    dataset_id: str
    chat_id: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An engine on loopback with one parsed document and a chat about it, and the proxy before it."""
    with (
        Engine(tmp_path_factory.mktemp("faults") / "kb") as engine,
        running_server(engine) as server,
        RAGFlow(server.api_key, server.base_url) as client,
        proxying(server.base_url) as proxy,
    ):
        dataset = client.create_dataset("facts")
        text = b"The capital of Atlantis is Poseidonia.\nThe moon over Atlantis is made of green cheese."
        (document,) = dataset.upload_documents([{"display_name": "atlantis.txt", "blob": text}])
        dataset.parse_documents([document.id], interval=0.05)
        chat = client.create_chat("guide", dataset_ids=[dataset.id])
        yield Place(proxy, server.api_key, dataset.id, chat.id)


# --- both clients by one way --------------------------------------------------------------------------


class Caller:
    """A sync client."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.client: Any = RAGFlow(place.key, place.proxy.url, **options)

    def __call__(self, act: Act) -> Any:
        result = act(self.client)
        return list(result) if hasattr(result, "__next__") else result

    def left_behind(self) -> int:
        """Tasks that are still there."""
        return 0

    def close(self) -> None:
        self.client.close()


class AsyncCaller(Caller):
    """An async client and its loop."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.client = AsyncRAGFlow(place.key, place.proxy.url, **options)
        self._runner = asyncio.Runner()

    def __call__(self, act: Act) -> Any:
        async def main() -> Any:
            result = act(self.client)
            result = await result if inspect.isawaitable(result) else result
            return [each async for each in result] if hasattr(result, "__anext__") else result

        return self._runner.run(main())

    def left_behind(self) -> int:
        async def others() -> int:
            return len(asyncio.all_tasks()) - 1

        return self._runner.run(others())

    def close(self) -> None:
        self._runner.run(self.client.aclose())
        self._runner.close()


@pytest.fixture(params=[Caller, AsyncCaller], ids=["sync", "async"])
def calling(request: pytest.FixtureRequest, place: Place) -> Callable[..., Any]:
    """``with calling(timeout=…) as call: call(lambda client: client.list_datasets())``."""

    @contextmanager
    def of(**options: Any) -> Iterator[Caller]:
        with closing(request.param(place, server_version="0.27", **options)) as caller:
            yield caller

    return of


# --- the calls ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A kind of call: what it needs beforehand, and the call."""

    name: str
    before: Callable[[Caller, Place], Any]
    act: Callable[[Any, Any, Place], Any]
    repeatable: bool = False
    stream: bool = False


def nothing(call: Caller, place: Place) -> None:
    return None


def a_dataset(call: Caller, place: Place) -> Any:
    return call(lambda client: client.get_dataset(place.dataset_id))


def a_new_document(call: Caller, place: Place) -> Any:
    dataset = a_dataset(call, place)
    (document,) = call(lambda _: dataset.upload_documents([{"display_name": "x.txt", "blob": b"x"}]))
    return dataset, document


def of(client: Any, dataset: Any) -> Any:
    """The dataset, reached by this client."""
    return type(dataset)._of(client, dataset)


OPERATIONS = (
    Operation("list", nothing, lambda client, _, place: client.list_datasets(), repeatable=True),
    Operation(
        "retrieve",
        nothing,
        lambda client, _, place: client.retrieve("capital of Atlantis", [place.dataset_id]),
        repeatable=True,
    ),
    Operation("ask", nothing, lambda client, _, place: client.chat(place.chat_id).ask("capital?")),
    Operation(
        "stream",
        nothing,
        lambda client, _, place: client.chat(place.chat_id).ask("capital?", stream=True),
        stream=True,
    ),
    Operation(
        "upload",
        a_dataset,
        lambda client, dataset, place: of(client, dataset).upload_documents(
            [{"display_name": "y.txt", "blob": b"y" * 9}]
        ),
    ),
    Operation(
        "delete",
        a_new_document,
        lambda client, given, place: of(client, given[0]).delete_documents(ids=[given[1].id]),
    ),
)

# What each fault is for the caller: of whole answers and of streams; ``None`` where all is well.
ERRORS: dict[Fault, tuple[type[RAGFlowError] | None, type[RAGFlowError] | None]] = {
    faults.pass_on: (None, None),
    faults.refuse: (ConnectError, ConnectError),
    faults.reset_head: (TransportError, TransportError),
    faults.reset_body: (TransportError, StreamInterruptedError),
    faults.cut_body: (TransportError, StreamInterruptedError),
    faults.clean_end: (ServerError, StreamInterruptedError),
    faults.stall_head: (RequestTimeoutError, RequestTimeoutError),
    faults.stall_body: (RequestTimeoutError, RequestTimeoutError),
    faults.drip: (RequestTimeoutError, RequestTimeoutError),
    faults.bad_gateway: (ServerError, ServerError),
    faults.too_many: (RateLimitError, RateLimitError),
    faults.unauthorized: (AuthenticationError, AuthenticationError),
    faults.bad_json: (ServerError, ServerError),
    faults.web_page: (ServerError, ServerError),
    faults.wrong_type: (None, ServerError),
    faults.huge_error: (ServerError, ServerError),
}
SENT_AGAIN = {
    faults.reset_head,
    faults.reset_body,
    faults.cut_body,
    faults.bad_gateway,
    faults.too_many,
    faults.huge_error,
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
def test_fault(calling: Callable[..., Any], place: Place, fault: Fault, operation: Operation) -> None:
    """The right error in bounded time, sent as often as it may be, nothing left open, and the next call works."""
    kind = ERRORS[fault][operation.stream]
    timeout = TIMEOUT if kind is RequestTimeoutError else BOUND  # seconds: a busy machine is no fault
    with calling(timeout=BOUND) as patient:
        given = operation.before(patient, place)
    with calling(timeout=timeout, max_retries=1) as call:
        with place.proxy.spoiling(fault) as seen:
            began = time.monotonic()
            error = raised(call, lambda client: operation.act(client, given, place))
            seconds = time.monotonic() - began
        assert type(error) is (kind or type(None)), repr(error)
        assert seconds < BOUND
        assert sum(seen.requests.values()) == times_sent(fault, operation), seen
        assert seen.bytes < HUGE // 2  # most of it in the buffers between the two
        assert call(lambda client: client.with_options(timeout=BOUND).list_datasets())[0].name == "facts"
        assert call.left_behind() == 0
        assert place.proxy.settled(1)  # the one that is kept for the next call
    assert place.proxy.settled(0)


def raised(call: Caller, act: Act) -> RAGFlowError | None:
    try:
        call(act)
    except RAGFlowError as error:
        return error
    return None


def times_sent(fault: Fault, operation: Operation) -> int:
    if fault is faults.refuse:
        return 0
    return 2 if operation.repeatable and fault in SENT_AGAIN else 1


def frame_by_frame(exchange: Exchange) -> None:
    """A stream that takes much longer than the timeout, each frame of it in time."""
    real = exchange.real
    exchange.send(real.head())
    for frame in real.body.split(b"\n\n")[:-1]:
        time.sleep(TIMEOUT / 2)
        exchange.send(real.framed(frame + b"\n\n"))
    exchange.send(real.end)


def test_a_stream_may_take_longer_than_the_timeout(calling: Callable[..., Any], place: Place) -> None:
    """What counts is that it goes on: the text of a slow answer is that of a quick one."""
    with calling(timeout=TIMEOUT, max_retries=0) as call:

        def ask(client: Any) -> Any:
            return client.chat(place.chat_id).ask("What is the capital of Atlantis?", stream=True)

        quick = call(ask)
        with place.proxy.spoiling(frame_by_frame):
            began = time.monotonic()
            slow = call(ask)
            assert time.monotonic() - began > 1.4 * TIMEOUT
        assert slow[-1].full_content == quick[-1].full_content != ""
