"""Whose request it is, by the key in ``Authorization``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from .dialect import Dialect

if TYPE_CHECKING:
    from ..engine import Engine
    from ..tenant import Tenant

__all__ = ["Gate"]


class Gate:
    """Lets in who has a key of the kind that a route wants: ``"api"``, ``"embed"``, or ``""`` for none."""

    def __init__(self, engine: Engine, dialect: Dialect, wanted: str) -> None:
        self._engine, self._dialect, self._wanted = engine, dialect, wanted

    async def tenant(self, path: str, headers: Headers) -> Tenant:
        """On whose behalf the request is; raises ``Fail``, as the version words it, without or with a wrong key."""
        if not self._wanted:
            return self._engine
        header = headers.get("authorization")
        header = None if header is None else header.strip()
        if self._wanted == "api":
            look_up, wrong = self._engine.tenant_with, self._dialect.wrong_key(path)
            key = self._dialect.key_in(header, path)
        else:
            look_up, wrong = self._engine.tenant_embedding, self._dialect.wrong_embed_key()
            key = self._dialect.embed_key_in(header)
        found = await run_in_threadpool(look_up, key)
        if found is None:
            raise wrong
        return found


class OpenGate(Gate):
    """For use in-process, where there are no keys: every call is the folder's owner's."""

    async def tenant(self, path: str, headers: Headers) -> Tenant:
        return self._engine
