"""The clients that are compared: a module each, with a ``Client`` that a worker drives.

An operation of a ``Client`` returns what it has read, as a count and a number of characters or bytes, so that the
harness can see that all of them did the same work.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["KEY", "PAGE_SIZE", "QUESTION", "Read"]

Read = Sequence[int]
"""How many things were read, and how many characters or bytes."""

KEY = "ragflow-benchmark"
QUESTION = "How many days of leave do I have?"
PAGE_SIZE = 100
