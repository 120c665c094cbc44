"""What a flow does because something went wrong."""

from __future__ import annotations

from typing import Any

from ..errors import RAGFlowError
from .wire import Flow

__all__ = ["clean_up"]


def clean_up(error: BaseException, work: Flow[Any], otherwise: str) -> Flow[None]:
    """Do this work before ``error`` is raised again, which is what counts.

    If the work fails, a note on ``error`` says what is the case now.
    """
    try:
        yield from work
    except RAGFlowError as failure:
        error.add_note(f"{otherwise}: {failure}")
