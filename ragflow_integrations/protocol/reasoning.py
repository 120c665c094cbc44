"""Reasoning that stands in an answer's text: ``<think>…</think>`` at its start.

Servers from v0.25.2 to v0.26 write how they searched, if a chat has ``reasoning``, before that as
``<retrieving>…</retrieving>``. An agent has a ``<think>`` for each of its components that thinks.
"""

from __future__ import annotations

import re

from ..errors import UnsupportedError

__all__ = ["RETRIEVED", "RETRIEVING", "Splitter", "split", "split_all", "unfinished"]

RETRIEVING, RETRIEVED = "<retrieving>", "</retrieving>"
_OPEN, _CLOSE = "<think>", "</think>"
_THOUGHTS = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)


def split(text: str | None) -> tuple[str, str]:
    """The reasoning and the answer of a whole text; tags elsewhere, and one that never closes, are text."""
    reasoning, content = "", text or ""
    for opening, closing in ((RETRIEVING, RETRIEVED), (_OPEN, _CLOSE)):
        inside, closed, after = content.removeprefix(opening).partition(closing)
        if closed and content.startswith(opening):
            reasoning, content = reasoning + inside, after
    return reasoning, content


def split_all(text: str) -> tuple[str, str]:
    """The same where it may stand anywhere."""
    return "".join(_THOUGHTS.findall(text)), _THOUGHTS.sub("", text)


def unfinished() -> UnsupportedError:
    """The whole answer of such a chat, until v0.26, is its first step."""
    return UnsupportedError(
        "before v0.27 a chat with `reasoning` answers in a stream only: ask with stream=True, or switch it off"
    )


class Splitter:
    """The same of a text that arrives in pieces, however they are cut; what may be half a tag is held back."""

    def __init__(self) -> None:
        self.held = ""
        self._tag = _OPEN  # the one that may come next; none after the second

    def feed(self, text: str, *, last: bool = False) -> tuple[str, str]:
        """What is new of the reasoning and of the answer; all that is left with the ``last`` piece."""
        text, self.held = self.held + text, ""
        if self._tag == _OPEN:
            if not last and _OPEN.startswith(text):
                self.held = text
                return "", ""
            self._tag = _CLOSE if text.startswith(_OPEN) else ""
            text = text.removeprefix(_OPEN)
        if not self._tag:
            return "", text
        reasoning, closed, content = text.partition(_CLOSE)
        if closed:
            self._tag = ""
        elif not last:
            half = _half_of(_CLOSE, reasoning)
            reasoning, self.held = reasoning[: len(reasoning) - half], reasoning[len(reasoning) - half :]
        return reasoning, content


def _half_of(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)
