"""What a model thinks before it answers, where it is written into the answer: ``<think>…</think>``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .models import Reasoning

__all__ = ["parted"]

_TAG = re.compile(r"</?think>")
_BEGUN = re.compile(r"</?(?:t(?:h(?:i(?:nk?)?)?)?)?\Z")


def parted(deltas: Iterable[str]) -> Iterator[str]:
    """The deltas without the tags; what stands between them is ``Reasoning``."""
    thinking, held = False, ""
    for delta in deltas:
        if isinstance(delta, Reasoning):
            yield delta
            continue
        text = held + delta
        begun = _BEGUN.search(text)
        cut = begun.start() if begun else len(text)
        text, held = text[:cut], text[cut:]
        start = 0
        for tag in _TAG.finditer(text):
            yield from _piece(text[start : tag.start()], thinking)
            thinking, start = tag[0] == "<think>", tag.end()
        yield from _piece(text[start:], thinking)
    yield from _piece(held, thinking)


def _piece(text: str, thinking: bool) -> Iterator[str]:
    if text:
        yield Reasoning(text) if thinking else text
