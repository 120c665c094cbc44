"""Who may call: whoever sends the one key, or anyone in-process, where there is no key."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers

from .envelope import UNAUTHORIZED, Fail

__all__ = ["check_key"]


def check_key(headers: Headers, api_key: str | None) -> None:
    """Raise the recorded 401 unless ``Authorization`` carries ``api_key``; ``None`` lets every call through."""
    if api_key is None:
        return
    given = headers.get("authorization", "").strip()
    if given[:7].lower() == "bearer ":
        given = given[7:].strip()
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise Fail("<Unauthorized '401: Unauthorized'>", UNAUTHORIZED, data=None, status=401)
