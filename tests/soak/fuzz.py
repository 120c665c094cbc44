"""Whatever the routes can be sent, and much that they cannot: always an answer, never a failure inside.

Each route gets what ``/openapi.json`` says of it, as schemathesis reads that, and what real servers were recorded to
be sent there with nonsense in some places. Three times of four the ids are those of things that are there.
"""

from __future__ import annotations

import logging
import multiprocessing
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.local.server.process import served

from .nonsense import Recorded, odd_texts, odd_values, spoilt
from .things import Things

if TYPE_CHECKING:
    from requests import Session

__all__ = ["Fired", "ask_anything"]

_PATIENCE = 30  # seconds a request may take
_STUMBLED = re.compile(r'"code":100,"message":"\w+"')  # at what no handler expects the engine names its class


@dataclass(frozen=True)
class Fired:
    """How many requests were sent, and what is wrong with the answers: a text for each route that has some."""

    requests: int
    findings: tuple[str, ...]


def ask_anything(folder: Path, examples: int, *, at_once: int = 1) -> Fired:
    """Send each route of both versions ``examples`` requests; ``at_once`` servers share the routes of a version."""
    parts = [(version, part) for version in ("0.27", "0.24") for part in range(at_once)]
    fire, each = partial(_fire, folder, examples, at_once), tuple(zip(*parts, strict=True))
    if at_once == 1:
        return _together(map(fire, *each))
    with ProcessPoolExecutor(at_once, multiprocessing.get_context("spawn")) as pool:
        return _together(pool.map(fire, *each))


def _together(parts: Iterable[Fired]) -> Fired:
    fired = list(parts)
    return Fired(sum(each.requests for each in fired), sum((each.findings for each in fired), ()))


def _fire(folder: Path, examples: int, parts: int, version: str, part: int) -> Fired:
    """Every ``parts``-th route of a version, from the ``part``-th on."""
    import requests  # here, since every process that collects the tests would wait for them
    import schemathesis

    logging.getLogger("schemathesis").setLevel(logging.ERROR)
    with (
        served(folder / f"{version}-{part}", "--api-version", version) as server,
        requests.Session() as session,
    ):
        schema = schemathesis.openapi.from_url(f"{server.base_url}/openapi.json")
        operations = sorted((each.ok() for each in schema.get_all_operations()), key=_harm)
        things = Things(server, version)
        routes = [_Route(each, session, things, version) for each in operations[part::parts]]
        findings = [text for route in routes if (text := route.ask(examples))]
        if server.process.poll() is not None:
            findings.append(f"the server is gone: {server.process.returncode}")
        return Fired(sum(route.sent for route in routes), tuple(findings))


def _single(failure: BaseException) -> Iterator[BaseException]:
    """Schemathesis and hypothesis put failures into groups."""
    if isinstance(failure, BaseExceptionGroup):
        for each in failure.exceptions:
            yield from _single(each)
    else:
        yield failure


def _harm(operation: Any) -> tuple[bool, bool, int]:
    """The order in which routes take least away from each other: what is inside before what holds it."""
    method = operation.method.upper()
    return method == "DELETE", method != "GET", -operation.path.count("/")


class _Route:
    """One operation of the description, and how it is asked."""

    def __init__(self, operation: Any, session: Session, things: Things, version: str) -> None:
        from schemathesis.specs.openapi.checks import (
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        )

        self._operation, self._session, self._things = operation, session, things
        self._name = f"{operation.method.upper()} {operation.path}"
        self._version = version
        self._checks = [response_schema_conformance, content_type_conformance, status_code_conformance]
        self._recorded = Recorded.of(version, operation.method.upper(), operation.path)
        self.sent = 0

    def ask(self, examples: int) -> str:
        """What is wrong with the answers: the first bad one, made as small as can be; empty if they are good."""

        @seed(1)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=self._operation.as_strategy(),
            body=st.none() | spoilt(self._recorded.bodies, odd_values),
            query=st.none() | spoilt(self._recorded.queries, odd_texts),
            real=st.sampled_from((True, True, True, False)),
        )
        def asked(case: Any, body: Any, query: Mapping[str, Any] | None, real: bool) -> None:
            if body is not None and case.method not in ("GET", "HEAD"):
                case.body, case.media_type = body, "application/json"
            if query is not None:
                case.query = dict(query)
            self._one(case, real)

        try:
            asked()
        except (Exception, BaseExceptionGroup) as failure:  # noqa: BLE001 - told, and the next route is asked
            return "\n".join(f"{self._version} {self._name}: {each!r}\n{each}" for each in _single(failure))
        return ""

    def _one(self, case: Any, real: bool) -> None:
        path = self._operation.path
        if real:
            for place in ("path_parameters", "query", "body"):
                setattr(case, place, self._things.put_into(getattr(case, place), path))
        self.sent += 1
        key, began = self._things.key_for(path), time.monotonic()
        answer = case.call(
            headers={"Authorization": f"Bearer {key}"}, session=self._session, timeout=_PATIENCE
        )
        case.validate_response(answer, checks=self._checks)
        stumbled = "Traceback" in answer.text or _STUMBLED.search(answer.text)
        if answer.status_code >= 500 or stumbled or time.monotonic() - began >= _PATIENCE:
            raise AssertionError(f"{answer.status_code} {answer.text[:300]}\n{case.as_curl_command()[:2000]}")
