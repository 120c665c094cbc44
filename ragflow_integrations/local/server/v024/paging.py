"""Pages as v0.24 reads them: numbers strictly."""

from __future__ import annotations

from ...store import Paging
from ..call import Call, Page
from ..envelope import EXCEPTION, Fail

__all__ = ["ONE_ROW", "page_of"]

ONE_ROW: Paging = {"page": 1, "page_size": 1, "orderby": "create_time", "desc": True}
"""For those who want to know whether a list has any row."""
_MOST = 10_000  # rows a page; v0.24 itself has no limit


def page_of(call: Call, default_size: int = 30) -> Page:
    """``page`` and ``page_size`` of a list; page 0 is the first one, ``Fail`` 100 for what is below or huge."""
    page, size = call.number("page", 1), call.number("page_size", default_size)
    if page < 0 or not 0 <= size <= _MOST:
        message = f"`page` should be 1 or more and `page_size` up to {_MOST}, got {page} and {size}"
        raise Fail(message, EXCEPTION, data=None)
    return {"page": page or 1, "page_size": size}
