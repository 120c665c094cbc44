"""What a RAGFlow v0.27.0 server made of Python 3.11's language reference: its chunks and their scores."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest

from ragflow_integrations.local.chunk import chunk_document

CONFIG = {"chunk_token_num": 128, "delimiter": "\n"}
_RECORDED = "853505944682f68394b4bac08996a977b0d71f01cb49ef646ad8f8150e5779d6"
_FOUND = hashlib.sha256("\0".join(f"{k}\0{topics[k]}" for k in sorted(topics)).encode()).hexdigest()

same_topics = pytest.mark.skipif(
    _FOUND != _RECORDED,
    reason="this Python's pydoc_data.topics are not the texts that were recorded (3.11.7's)",
)


def recorded(name: str) -> list[dict[str, Any]]:
    """The lines of a recording in tests/data."""
    path = Path(__file__).parents[1] / "data" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def chunks() -> dict[tuple[str, int], str]:
    """All 844 chunks, by document name and number."""
    found = {}
    for topic in sorted(topics):
        name, data = f"{topic}.txt", topics[topic].encode()
        for number, text in enumerate(chunk_document(name, data, chunk_method="naive", parser_config=CONFIG)):
            found[name, number] = text
    return found
