"""How a file is handed out: its type by its name, and whether a browser may show it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.responses import Response

from ..documents import kind_of

__all__ = ["attached", "shown", "typed"]

_OFFICE = "application/vnd.openxmlformats-officedocument"
_TYPES = (
    dict.fromkeys("txt py js java c cpp h php go ts sh cs kt sql".split(), "text/plain")
    | dict.fromkeys(("md", "markdown", "mdx"), "text/markdown")
    | dict.fromkeys(("htm", "html"), "text/html")
    | {
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": f"{_OFFICE}.wordprocessingml.document",
        "ico": "image/x-icon",
        "jpg": "image/jpeg",
        "ppt": "application/vnd.ms-powerpoint",
        "pptx": f"{_OFFICE}.presentationml.presentation",
        "svg": "image/svg+xml",
        "tif": "image/tiff",
        "xls": "application/vnd.ms-excel",
        "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    }
)
_ACTIVE = {"htm", "html", "shtml", "xht", "xhtml", "xml", "mhtml", "svg"}  # may run what is in them


def attached(name: str, data: bytes, media_type: str | None = None) -> Response:
    """A download, under its own name."""
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    if name.isascii() and '"' not in name and name.isprintable():
        disposition = f'attachment; filename="{name}"'
    media_type = media_type or _type(name)
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    return _response(data, f"{media_type}{charset}", disposition)


def shown(name: str, data: bytes) -> Response:
    """A file to look at; what could run in the browser is a download all the same."""
    if _suffix(name) in _ACTIVE:
        return _response(data, _type(name), "attachment")
    return _response(data, _type(name), f'inline; filename="{re.sub(r"[^A-Za-z0-9_.-]", "_", name)}"')


def typed(name: str, data: bytes) -> Response:
    """A file of its type, which the caller does with as they like."""
    return _response(data, _type(name), "attachment" if _suffix(name) in _ACTIVE else None)


def _response(data: bytes, media_type: str, disposition: str | None) -> Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    if disposition is not None:
        headers["Content-Disposition"] = disposition
    return Response(data, headers={**headers, "Content-Type": media_type})


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix[1:].lower()


def _type(name: str) -> str:
    suffix = _suffix(name)
    if not re.fullmatch("[a-z0-9]+", suffix):
        return "application/octet-stream"
    family = "image" if kind_of(name) == "visual" else "application"
    return _TYPES.get(suffix, f"{family}/{suffix}")
