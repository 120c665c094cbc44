"""A request's body: JSON as bytes, an upload as the pieces that stand around its files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from ..errors import InvalidRequestError
from .wire import FilePart, Request

__all__ = ["encode", "multipart"]

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def encode(request: Request) -> tuple[str | None, bytes]:
    """The content type and the body of a request without files (``None`` and empty where there is none)."""
    if request.body is None:
        return None, b""
    try:
        return "application/json", _JSON.encode(request.body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"an argument does not fit into JSON: {error}", method=request.method, path=request.path
        ) from None


def multipart(parts: Iterable[FilePart]) -> tuple[str, list[bytes | FilePart]]:
    """The content type of an upload and its body in order; a part stands for its content."""
    boundary = os.urandom(16).hex()
    body: list[bytes | FilePart] = []
    for part in parts:
        body += [f"--{boundary}\r\n{_head(part)}\r\n".encode(), part, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", [*body, f"--{boundary}--\r\n".encode()]


def _head(part: FilePart) -> str:
    disposition = f'Content-Disposition: form-data; name="{part.name}"'
    if not part.filename:
        return f"{disposition}\r\n"
    return f'{disposition}; filename="{_quoted(part.filename)}"\r\nContent-Type: application/octet-stream\r\n'


def _quoted(name: str) -> str:
    """As browsers do it: a quote or line break inside the name is percent-encoded."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
