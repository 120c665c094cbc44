"""An error where servers have no other place for it: an answer that begins with ``**ERROR**:``."""

from __future__ import annotations

from .envelope import error_for
from .wire import Request

__all__ = ["refuse_error_text"]

_MARK = "**ERROR**:"


def refuse_error_text(request: Request, text: str | None) -> None:
    """Raise what such a text tells of; any other is an answer."""
    said = (text or "").strip()
    if said.startswith(_MARK):
        raise error_for(request, 200, 500, said.removeprefix(_MARK).strip())
