"""An upload or a replacement that breaks off at any of its steps: nothing untagged is found, nothing is lost."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ragflow_integrations import DataSet, RAGFlow, TransportError
from ragflow_integrations.protocol.wire import Request, Response

TAGS = {"author": "Ada"}
CUT = {"chunk_token_num": 7}
STATES = {"eel.txt": "green", "cod.txt": "grey"}
LONGEST = 20  # steps: none of the things that are done here takes so many, unless the machine is slow


@dataclass
class BreakingOff:
    """A transport that fails once, at its n-th request, before it is sent or after the answer has come."""

    real: Any
    at: int
    error: type[BaseException]
    after: bool
    sent: int = 0

    def send(self, request: Request, *, timeout: float | None) -> Response:
        self.sent += 1
        if self.sent == self.at and not self.after:
            raise self.error("before")
        response: Response = self.real.send(request, timeout=timeout)
        if self.sent == self.at:
            raise self.error("after")
        return response


def files(words: str = "is {}, as is said of it.") -> list[io.BytesIO]:
    found = []
    for name, colour in STATES.items():
        file = io.BytesIO("\n".join(f"Number {n} {words.format(colour)}" for n in range(9)).encode())
        file.name = name
        found.append(file)
    return found


def broken_off(client: RAGFlow, run: Callable[[], object], *how: Any) -> BaseException | None:
    """What the caller is told when it breaks off there; ``None`` if it has fewer steps."""
    real, client._transport = client._transport, BreakingOff(client._transport, *how)
    try:
        run()
    except (KeyboardInterrupt, TransportError) as error:
        return error
    finally:
        client._transport = real
    return None


def state(dataset: DataSet) -> list[tuple[str, str, Any]]:
    rows = dataset.list_documents(orderby="name", desc=False)
    return [(row.name, row.run, row.meta_fields) for row in rows]


WAYS = [
    (at, error, after)
    for at in range(1, LONGEST)
    for error in (KeyboardInterrupt, TransportError)
    for after in (False, True)
]


def test_an_upload() -> None:
    """What is parsed is tagged; done again, each file is there once, parsed and tagged."""
    whole = [("cod.txt", "DONE", TAGS), ("eel.txt", "DONE", TAGS)]
    steps = set()
    with RAGFlow.local() as client:
        client = client.with_options(max_retries=0)
        for way in WAYS:
            dataset = client.create_dataset("eels")

            def upload(dataset: DataSet = dataset) -> None:
                dataset.upload(files(), meta_fields=TAGS, interval=0.01)

            if broken_off(client, upload, *way) is None:
                break
            steps.add(way[0])
            assert all(meta == TAGS for _, run, meta in state(dataset) if run == "DONE"), way
            upload()
            assert state(dataset) == whole, way
    assert {1, 2, 3, 4, 5, 6, 7, 8} <= steps < set(range(LONGEST))


def test_other_parser_settings() -> None:
    """Done again, every document is cut anew, whenever the first try broke off."""
    steps = set()
    with RAGFlow.local() as client:
        client = client.with_options(max_retries=0)
        for way in WAYS:
            dataset = client.create_dataset("eels")
            dataset.upload(files(), interval=0.01)

            def upload(dataset: DataSet = dataset) -> None:
                dataset.upload(files(), parser_config=CUT, interval=0.01)

            if broken_off(client, upload, *way) is None:
                break
            steps.add(way[0])
            upload()
            assert [row.chunk_count for row in dataset.list_documents()] == [9, 9], way
    assert {1, 2, 3, 4, 5, 6, 7, 8} <= steps < set(range(LONGEST))


def test_other_parser_settings_while_it_is_parsed() -> None:
    """A server starts nothing that is running, be it since an answer was lost: it is stopped, and then cut anew."""
    go = threading.Event()
    go.set()

    def embedding(texts: list[str]) -> list[list[float]]:
        assert go.wait(20)
        return [[1.0, 0.0]] * len(texts)

    with RAGFlow.local(embedding=embedding) as client:
        dataset = client.create_dataset("eels")
        found = dataset.upload(files(), parse=False)
        go.clear()
        dataset.async_parse_documents([document.id for document in found])
        again = dataset.upload(files(), parser_config=CUT, interval=0.01, progress=lambda _: go.set())
        assert [(row.id, row.run, row.chunk_count) for row in again] == [(row.id, "DONE", 9) for row in found]


def test_a_replacement() -> None:
    """Until the first old version is removed they are all there, and no new one can be found; then the ids are told.

    Done again, whatever the first try left of its uploads is taken up.
    """
    steps = set()
    with RAGFlow.local() as client:
        client = client.with_options(max_retries=0)
        for way in WAYS:
            dataset = client.create_dataset("eels")
            old = {row.id for row in dataset.upload(files(), meta_fields=TAGS, interval=0.01)}
            new = dict(zip(old, (b"The eel is black.", b"The cod is black."), strict=True))
            error = broken_off(
                client, lambda dataset=dataset, new=new: dataset.replace(new, interval=0.01), *way
            )
            if error is None:
                break
            steps.add(way[0])
            rows = dataset.list_documents()
            told = "".join(getattr(error, "__notes__", []))
            done = {row.id for row in rows if row.run == "DONE"}
            assert old <= done or "new versions are parsed" in told, way
            assert done == old or all(one in told for one in done | old), way
            assert all(row.meta_fields == TAGS for row in rows if row.run == "DONE"), way
            if done == old:
                dataset.replace(new, interval=0.01)
                assert sorted(state(dataset)) == [(name, "DONE", TAGS) for name in sorted(STATES)], way
    assert {1, 2, 3, 4, 5, 6, 7, 8, 9} <= steps < set(range(LONGEST))
