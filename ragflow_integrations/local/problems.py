"""What the engine refuses, as exceptions; the server turns them into RAGFlow's codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Never

__all__ = ["DifferentEmbedders", "InUse", "Missing", "ModelFailed", "Problem", "Refused", "Taken", "failing"]


class Problem(Exception):
    """The engine could not do what was asked; the message is fit for the caller to read."""


class Missing(Problem):
    """A dataset, document, chunk, chat or session that is named does not exist."""


class Refused(Problem):
    """The request contradicts what is stored, or asks for what this engine cannot do."""


class Taken(Refused):
    """A name that must be unlike all others is another's already."""


class InUse(Problem):
    """Another process holds what is needed, or the document is being parsed; trying again may help."""


class ModelFailed(Problem):
    """A model that was asked did not answer, or not with what a model of its kind answers."""


class DifferentEmbedders(Refused):
    """Datasets whose vectors cannot be compared are to be searched together."""


def failing(problem: Problem) -> Iterator[Never]:
    """Events of an answer that cannot begin: reading the first raises ``problem``."""
    raise problem
    yield  # what makes it a generator
