"""Anything that ``/openapi.json`` allows, and much that it does not: always an answer, never a failure inside."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.local.server.process import served

__all__ = ["ask_anything"]

_PATIENCE = 30  # seconds a request may take


def ask_anything(folder: Path, examples: int) -> int:
    """Send each route ``examples`` requests; ``AssertionError`` shows one that is answered badly. Returns how many."""
    import schemathesis  # here, since every process that collects the tests would wait for it

    sent = 0
    for version in ("0.27", "0.24"):
        with served(folder / version, "--api-version", version) as server:
            schema = schemathesis.openapi.from_url(f"{server.base_url}/openapi.json")
            headers = {"Authorization": f"Bearer {server.api_key}"}
            for operation in schema.get_all_operations():
                sent += _ask(operation.ok(), headers, examples)
            assert server.process.poll() is None, "the server is gone"
    return sent


def _ask(operation: Any, headers: dict[str, str], examples: int) -> int:
    sent = 0

    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal sent
        sent += 1
        began = time.monotonic()
        answer = case.call(headers=headers, timeout=_PATIENCE)
        assert time.monotonic() - began < _PATIENCE
        assert answer.status_code < 500, answer.text
        assert "Traceback" not in answer.text

    logging.getLogger("schemathesis").setLevel(logging.ERROR)
    ask()
    return sent
