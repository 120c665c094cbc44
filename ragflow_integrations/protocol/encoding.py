"""A request's body as bytes: JSON, or multipart for uploads."""

from __future__ import annotations

import json
import uuid

from ..errors import InvalidRequestError
from .wire import FilePart, Request

__all__ = ["encode"]


def encode(request: Request) -> tuple[str | None, bytes]:
    """The content type and the body (``None`` and empty where there is none)."""
    if request.files:
        boundary = uuid.uuid4().hex
        return f"multipart/form-data; boundary={boundary}", _multipart(request.files, boundary.encode())
    if request.body is not None:
        return "application/json", _json(request)
    return None, b""


def _json(request: Request) -> bytes:
    try:
        return json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"an argument does not fit into JSON: {error}", method=request.method, path=request.path
        ) from None


def _multipart(parts: tuple[FilePart, ...], boundary: bytes) -> bytes:
    pieces: list[bytes] = []
    for part in parts:
        disposition = f'form-data; name="{part.name}"; filename="{_quoted(part.filename)}"'
        pieces += [
            b"--" + boundary,
            b"Content-Disposition: " + disposition.encode(),
            b"Content-Type: application/octet-stream",
            b"",
            part.content,
        ]
    return b"\r\n".join([*pieces, b"--" + boundary + b"--", b""])


def _quoted(name: str) -> str:
    """As browsers do it: a quote or line break inside the name is percent-encoded."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
