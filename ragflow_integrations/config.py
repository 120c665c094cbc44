"""Where a setting comes from: explicit argument, then environment, then default. Decided here only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from .errors import ConfigurationError

__all__ = [
    "DEFAULT_MAX_CONCURRENCY",
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "Settings",
    "check_max_retries",
    "check_timeout",
    "local_model",
    "resolve",
]

DEFAULT_TIMEOUT = 60.0
DEFAULT_MAX_RETRIES = 2
DEFAULT_MAX_CONCURRENCY = 32

_FOR_EVER = 10**9  # seconds: clocks and locks of the system take little more
_LOCAL_PREFIX = "local:"
_MEMORY = ":memory:"
_VERSION = re.compile(r"v?\d{1,4}\.\d{1,4}(\.\d{1,4})?", re.ASCII)
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach one RAGFlow server, or one local engine.

    ``local_path`` is ``None`` for a server, ``":memory:"`` or a folder for the local engine.
    ``timeout`` is in seconds (``None``: wait for ever); ``max_retries`` counts the tries after the first.
    ``server_version`` (e.g. ``0.24.0``) pins the dialect; ``None``: the server is asked when it matters.
    ``max_concurrency`` is how many requests of the process the server gets at once.
    """

    base_url: str
    api_key: SecretStr | None
    timeout: float | None = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    server_version: str | None = None
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY

    @property
    def local_path(self) -> str | None:
        if self.base_url == _MEMORY:
            return _MEMORY
        if self.base_url.startswith(_LOCAL_PREFIX):
            return self.base_url.removeprefix(_LOCAL_PREFIX)
        return None


def resolve(
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    *,
    timeout: float | None = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    headers: Mapping[str, str] | None = None,
    verify: bool | str = True,
    proxy: str | None = None,
    server_version: str | None = None,
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
) -> Settings:
    """Settings from arguments and, where these are ``None``, ``RAGFLOW_BASE_URL`` and ``RAGFLOW_API_KEY``.

    Raises ``ConfigurationError`` for a missing or malformed value, naming it.
    """
    url = _base_url(base_url if base_url is not None else os.environ.get("RAGFLOW_BASE_URL"))
    key = _api_key(api_key if api_key is not None else os.environ.get("RAGFLOW_API_KEY"))
    settings = Settings(
        url,
        key,
        check_timeout(timeout),
        check_max_retries(max_retries),
        _headers({} if headers is None else headers),
        _verify(verify),
        _proxy(proxy),
        _server_version(server_version),
        _max_concurrency(max_concurrency),
    )
    if settings.local_path is None and key is None:
        raise ConfigurationError(
            f"no API key for {url}: pass api_key= or set RAGFLOW_API_KEY "
            "(in RAGFlow: avatar > API > RAGFlow API key)"
        )
    return settings


def local_model(argument: str) -> str | dict[str, Any] | None:
    """The local engine's ``llm``, ``embedding`` or ``reranker`` by the environment, None if it says nothing.

    ``RAGFLOW_LOCAL_LLM`` (and ``_EMBEDDING``, ``_RERANKER``) is ``http://host/v1#model`` or the name of a built-in
    model; the key for an address is in ``RAGFLOW_LOCAL_LLM_API_KEY``.
    """
    variable = f"RAGFLOW_LOCAL_{argument.upper()}"
    text = os.environ.get(variable, "").strip()
    key = os.environ.get(f"{variable}_API_KEY", "").strip()
    if not text:
        return None
    if not key:
        return text
    base_url, _, model = text.partition("#")
    return {"base_url": base_url, "model": model, "api_key": SecretStr(key)}


def check_timeout(value: Any) -> float | None:
    """Seconds above 0, or ``None``."""
    if value is not None and not (_is_number(value, int, float) and 0 < value < _FOR_EVER):
        raise ConfigurationError(f"timeout={value!r}: give seconds above 0, or None to wait for ever")
    checked: float | None = value
    return checked


def check_max_retries(value: Any) -> int:
    """A whole number from 0."""
    if not _is_number(value, int) or value < 0:
        raise ConfigurationError(f"max_retries={value!r}: give 0 or more")
    return int(value)


def _max_concurrency(value: Any) -> int:
    if not _is_number(value, int) or value < 1:
        raise ConfigurationError(f"max_concurrency={value!r}: give 1 or more")
    return int(value)


def _verify(value: Any) -> bool | str:
    if not isinstance(value, (bool, str)):
        raise ConfigurationError(
            f"verify={value!r}: give True, False, or a file or folder of CA certificates"
        )
    return value


def _proxy(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"proxy: give its address as text, not {type(value).__name__}")
    return value


def _server_version(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _VERSION.fullmatch(value)):
        raise ConfigurationError(f"server_version={value!r}: give it as '0.24.0' or '0.27', as text")
    return value


def _headers(headers: Any) -> dict[str, str]:
    """By lower-case name. A value may be a secret: no message repeats it."""
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers of type {type(headers).__name__}: give a dict of names and values")
    for name, value in headers.items():
        if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in (name, value)):
            raise ConfigurationError(f"headers[{name!r}]: name and value must be printable ASCII text")
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(
                f"headers[{name!r}]: a name has letters, digits and '-', without a colon"
            )
    return {name.lower(): value for name, value in headers.items()}


def _is_number(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _api_key(value: str | SecretStr | None) -> SecretStr | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(f"api_key: give the key as text, not {type(text).__name__}")
    if text is None or not text.strip():
        return None
    text = text.strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError("api_key: give the key alone, without 'Bearer', spaces or line breaks")
    return SecretStr(text)


def _base_url(value: str | None) -> str:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"base_url={value!r}: give the address as text")
    if value is None or not value.strip():
        raise ConfigurationError(
            "no server: pass base_url= or set RAGFLOW_BASE_URL, e.g. 'http://localhost:9380'; "
            "without a server use RAGFlow.local('./kb') or base_url='local:./kb'"
        )
    url = value.strip()
    if url == _MEMORY:
        return url
    if url.startswith(_LOCAL_PREFIX):
        return _local_url(url)
    return _http_url(url)


def _local_url(url: str) -> str:
    path = url.removeprefix(_LOCAL_PREFIX).removeprefix("//")
    if not path:
        raise ConfigurationError(f"base_url={url!r}: name a folder after 'local:', e.g. 'local:./kb'")
    return path if path == _MEMORY else _LOCAL_PREFIX + path


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isprintable()
        )
    except ValueError:  # a bracket or a port that is none
        parts, usable = urlsplit(""), False
    if not usable:
        raise ConfigurationError(
            f"base_url={_without_secrets(url)!r}: give 'http://host:port', 'https://host', "
            "'local:folder' or ':memory:'; the key goes into api_key="
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"base_url={_without_secrets(url)!r}: leave out user, password, query and fragment; "
            "the key goes into api_key="
        )
    path = parts.path.rstrip("/").removesuffix("/v1").removesuffix("/api")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _without_secrets(url: str) -> str:
    """For error messages: a key may stand before an ``@``, behind a ``?`` or ``#``, or in the address's place."""
    if not re.search(r"[@?#]|^[\w-]{20,}$", url):
        return url
    scheme = re.match("[a-z]+://", url)
    return f"{scheme[0] if scheme else ''}***"
