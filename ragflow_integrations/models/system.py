"""What a server says of itself."""

from __future__ import annotations

from .base import Model

__all__ = ["Health", "ServerInfo"]


class ServerInfo(Model):
    """``version`` as the server names it (e.g. ``v0.27.0``, ``nightly``; empty if it does not tell), and
    ``api_version``, whose dialect is spoken with it, e.g. ``0.27.0``."""

    version: str = ""
    api_version: str = ""


class Health(Model):
    """``ok`` or ``nok`` for the whole (``status``) and for each part."""

    status: str = "nok"
    db: str | None = None
    redis: str | None = None
    doc_engine: str | None = None
    storage: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all parts are well."""
        return self.status == "ok"
