"""RAGFlow's envelope ``{"code", "message", "data"}``: its data, or the right exception.

An error is HTTP 200 with ``code`` other than 0, except 401 (key) and 404 (route); ``data`` and
``message`` may be missing. Unknown ids and other accounts' ids answer alike, so both are
``NotFoundError``. (Recorded on v0.27.0 and v0.24.0.)
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PartialError,
    PermissionDeniedError,
    RAGFlowError,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from .wire import Request, Response

__all__ = ["envelope", "error_for", "no_such_route", "payload"]

_NOT_FOUND = re.compile(
    r"not found|no authorization|lacks permission|(do|does)(n't| not) own|cannot access|do not belong|doesn't exist"
    r"|can't find|(document|session) does not belong|^rm_chunk deleted",
    re.IGNORECASE,
)
_CONFLICT = re.compile(
    r"already exists|duplicated|currently being processed|not started or already completed|already running"
    r"|progress at 0 or 1|doesn't own parsed file",
    re.IGNORECASE,
)
_BAD_VALUE = re.compile(
    r"^(ValueError|KeyError|TypeError|LookupError)\(|not been supported|not allowed|can't be changed|No file part"
    r"|BadRequest",
    re.IGNORECASE,
)
_NO_ROUTE = re.compile(r"<(MethodNotAllowed '405|NotFound '404)")  # as servers say it with HTTP 200
_ROUTELESS = (
    "This server has no such route; check base_url and the server's version (a local engine may lack it)"
)
_UNSUPPORTED = re.compile(r"\bthe local engine does not (have|read)\b")  # its own words, not a caller's
_AUTHENTICATION = re.compile(
    r"API key|Authentication error|Token is not valid|`Authorization`|authorization format"
)
_KIND_BY_STATUS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    413: InvalidRequestError,
    429: RateLimitError,
}


def payload(request: Request, response: Response) -> Any:
    """``data`` of a successful answer (``None`` if it has none)."""
    return envelope(request, response).get("data")


def envelope(request: Request, response: Response) -> dict[str, Any]:
    """The whole answer object of a success; raises the fitting ``APIError`` otherwise."""
    body = _object(request, response)
    code = body.get("code", body.get("retcode"))
    if not isinstance(code, int) or isinstance(code, bool):
        raise _error(
            ServerError,
            "the answer is JSON, but not RAGFlow's: it has no code; check base_url",
            request,
            response,
        )
    message = body.get("message", body.get("retmsg"))
    refused = code == 0 and body.get("data") is False and isinstance(message, str)
    if code != 0 or (refused and _AUTHENTICATION.search(str(message))):
        raise error_for(request, response.status, code, message, body.get("data"))
    return body


def error_for(request: Request, status: int, code: int, message: Any, data: Any = None) -> RAGFlowError:
    """The exception for an error answer or an error event inside a stream."""
    told = message and message is not True  # v0.24 says so for a memory that is not there
    text = str(message) if told else f"the server gave no message for code {code}"
    if _UNSUPPORTED.search(text) and not data:
        return UnsupportedError(text)
    kind = _kind(status, code, text, data)
    if kind is NotFoundError and (status == 404 or _NO_ROUTE.match(text)):
        text = f"{text.rstrip('.! ')}. {_ROUTELESS}"
    elif kind is NotFoundError:
        text = f"{text.rstrip('.! ')}. The id or name is unknown, or belongs to another account"
    if kind is AuthenticationError:
        text = f"the server refuses the API key: {text}. Check api_key= or RAGFLOW_API_KEY"
    return kind(text, code=code, status_code=status, method=request.method, path=request.path, data=data)


def no_such_route(error: BaseException) -> bool:
    """Whether the server has not the path that was asked for, or not this verb for it."""
    return isinstance(error, NotFoundError) and (
        error.status_code == 404 or bool(_NO_ROUTE.match(error.message))
    )


def _kind(status: int, code: int, text: str, data: Any) -> type[APIError]:
    if status == 401 or code == 401 or (code in (0, 109) and _AUTHENTICATION.search(text)):
        return AuthenticationError
    if status == 429 or code == 429:
        return RateLimitError
    if isinstance(data, list) and data:
        return PartialError
    if code == 101 or text.startswith("Field: <"):  # its text repeats the caller's value: not to be searched
        return InvalidRequestError
    if code == 409 or _CONFLICT.search(text):
        return ConflictError
    if status == 404 or code in (404, 109) or _NO_ROUTE.match(text) or _NOT_FOUND.search(text):
        return NotFoundError
    if status == 403 or code in (403, 103, 108):
        return PermissionDeniedError
    if code == 102 or _BAD_VALUE.search(text):
        return InvalidRequestError
    return ServerError


def _object(request: Request, response: Response) -> dict[str, Any]:
    location = response.headers.get("location")
    if 300 <= response.status < 400 and location:
        raise _error(
            ServerError,
            f"the server redirects to {location}; the key is sent to base_url only: if you trust that place, "
            "give it as base_url",
            request,
            response,
        )
    try:
        body = response.json()
    except ValueError:
        raise _not_json(request, response) from None
    if not isinstance(body, dict):
        raise _error(ServerError, "the answer is JSON, but not an object; check base_url", request, response)
    return body


def _not_json(request: Request, response: Response) -> APIError:
    content_type = response.headers.get("content-type") or "no content type"
    start = response.body[:80].decode("utf-8", "replace").strip()
    found = f"not JSON but {content_type} (it starts {start!r})" if start else "empty"
    hint = (
        "the request is larger than a proxy or the server takes"
        if response.status == 413
        else "this is not RAGFlow's API, or a proxy answered; check base_url"
    )
    kind = _KIND_BY_STATUS.get(response.status, ServerError)
    return _error(kind, f"the answer is {found}: {hint}", request, response)


def _error(kind: type[APIError], text: str, request: Request, response: Response) -> APIError:
    return kind(text, status_code=response.status, method=request.method, path=request.path)
