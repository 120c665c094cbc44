"""A warning for an API key that goes over the network where anybody on the way can read it."""

from __future__ import annotations

import warnings
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..config import Settings

__all__ = ["warn_if_exposed"]

_warned: set[str] = set()


def warn_if_exposed(settings: Settings) -> None:
    """Warn, once per server and process, of a key over plain http to another machine."""
    place = urlsplit(settings.base_url)
    if settings.api_key is None or place.scheme == "https" or _is_loopback(place.hostname or ""):
        return
    if settings.base_url not in _warned:
        _warned.add(settings.base_url)
        warnings.warn(
            f"the API key goes to {settings.base_url} unencrypted, for anybody on the way to read; use https",
            stacklevel=2,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")
