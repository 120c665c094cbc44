"""What a RAGFlow v0.27.0 server made of Python 3.11's language reference: its chunks and their scores.

The texts are those of Python 3.11.7's ``pydoc_data.topics`` (© Python Software Foundation, PSF licence), kept here
because other Pythons bring other ones.
"""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

from ragflow_integrations.local.parsing import chunk_document

CONFIG = {"chunk_token_num": 128, "delimiter": "\n"}
_DATA = Path(__file__).parents[1] / "data"

TOPICS: dict[str, str] = json.loads(lzma.decompress((_DATA / "topics_3.11.7.json.xz").read_bytes()))


def recorded(name: str) -> list[dict[str, Any]]:
    """The lines of a recording in tests/data."""
    text = (_DATA / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@cache
def chunks() -> dict[tuple[str, int], str]:
    """All 844 chunks, by document name and number."""
    found = {}
    for topic in sorted(TOPICS):
        name, data = f"{topic}.txt", TOPICS[topic].encode()
        cut = chunk_document(name, data, chunk_method="naive", parser_config=CONFIG)
        found |= {(name, number): chunk.content for number, chunk in enumerate(cut)}
    return found
