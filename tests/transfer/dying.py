"""A process that ends at some request: nothing that it would have sent after that is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from ragflow_integrations import RAGFlow


class Killed(BaseException):
    """As if the process had ended here."""


def died(client: RAGFlow, requests: int, run: Callable[[], object]) -> bool:
    """Let ``run`` die when the client's request of this number has been answered; whether it came to that."""
    transport: Any = client._transport
    send, left = transport.send, requests

    def dying(request: Any, *, timeout: float | None) -> Any:
        nonlocal left
        if left <= 0:
            raise Killed
        answer = send(request, timeout=timeout)
        left -= 1
        if left == 0:
            raise Killed
        return answer

    with patch.object(transport, "send", dying):
        try:
            run()
        except Killed:
            return True
    return False
