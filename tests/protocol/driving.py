"""Drives a flow by hand: no server, no clock, only the answers that a test has prepared."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from ragflow_integrations.protocol.versions import NEWEST, Version
from ragflow_integrations.protocol.wire import AskVersion, Call, Request, Response


@dataclass
class Server:
    """Answers calls in their order: with ``data``, or by raising an exception."""

    answers: list[Any] = field(default_factory=list)
    version: Version = NEWEST
    requests: list[Request] = field(default_factory=list)

    def drive(self, flow: Generator[Any, Any, Any]) -> Any:
        """The flow's result; every prepared answer must have been asked for."""
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._answer(step)
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            assert not self.answers, f"never asked for: {self.answers}"
            return end.value

    def _answer(self, step: Call[Any] | AskVersion) -> Any:
        if isinstance(step, AskVersion):
            return self.version
        self.requests.append(step.request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        body = answer if isinstance(answer, bytes) else json.dumps({"code": 0, "data": answer}).encode()
        return step.read(step.request, Response(200, {}, body))

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and path of each request."""
        return [(request.method, request.path) for request in self.requests]
