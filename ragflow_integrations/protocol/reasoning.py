"""Reasoning that stands in an answer's text: ``<think>…</think>`` at its start.

Servers from v0.25.2 to v0.26 write how they searched, if a chat has ``reasoning``, before that as
``<retrieving>…</retrieving>``. An agent has a ``<think>`` for each of its components that thinks.
"""

from __future__ import annotations

import re

from ..errors import UnsupportedError

__all__ = ["RETRIEVED", "RETRIEVING", "Splitter", "split", "split_all", "unfinished"]

RETRIEVING, RETRIEVED = "<retrieving>", "</retrieving>"
_THOUGHTS = re.compile("<think>(.*?)</think>", re.DOTALL)
_TAGS = ((RETRIEVING, RETRIEVED), ("<think>", "</think>"))  # in the order in which they come


def split(text: str | None) -> tuple[str, str]:
    """The reasoning and the answer of a whole text; tags elsewhere, and one that never closes, are text."""
    reasoning, content = "", text or ""
    for opening, closing in _TAGS:
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
        self._to_come: tuple[tuple[str, str], ...] = _TAGS
        self._closing = ""  # the tag that ends the reasoning which the text is in

    def feed(self, text: str, *, last: bool = False) -> tuple[str, str]:
        """What is new of the reasoning and of the answer; all that is left with the ``last`` piece."""
        text, self.held, reasoning = self.held + text, "", ""
        while self._closing or self._to_come:
            if not self._closing and not last and any(tags[0].startswith(text) for tags in self._to_come):
                self.held = text
                return reasoning, ""
            inside, text = self._inside(text, last) if self._closing else ("", self._opened(text))
            reasoning += inside
            if self._closing and not text:
                return reasoning, ""
        return reasoning, text

    def _opened(self, text: str) -> str:
        """The text after the tag that it begins with; without one, all of it is the answer."""
        for place, (opening, closing) in enumerate(self._to_come):
            if text.startswith(opening):
                self._closing, self._to_come = closing, self._to_come[place + 1 :]
                return text.removeprefix(opening)
        self._to_come = ()
        return text

    def _inside(self, text: str, last: bool) -> tuple[str, str]:
        """The reasoning, and what comes after its end."""
        reasoning, closed, after = text.partition(self._closing)
        if closed:
            self._closing = ""
        elif not last:
            half = _half_of(self._closing, reasoning)
            reasoning, self.held = reasoning[: len(reasoning) - half], reasoning[len(reasoning) - half :]
        return reasoning, after


def _half_of(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)
