"""How the engine is spoken to: the routes of one RAGFlow version, and what it answers to whom it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .call import Body, Handler, Routes
from .envelope import Fail

__all__ = ["Dialect", "Look", "joined", "names_first"]

Look = Callable[[Body], object]
"""Looks at a body and raises ``Fail`` for what is wrong with it."""


@dataclass(frozen=True)
class Dialect:
    """A version of the API. Paths are under ``/api/v1`` unless they begin with ``/v1``.

    ``routes`` want an API key, ``bot_routes`` an embed key ("beta"), ``open_routes`` none. ``refusing`` are
    handlers that only say that the engine cannot do it, ``elsewhere`` are the features that it has nothing of, by
    where their paths begin. ``key_in`` takes the key out of the header ``Authorization`` (None without one) of a
    request for a path, or raises the answer to a request without key; ``wrong_key`` makes the answer to a wrong
    one. The next two are the same for bot routes. ``before_key`` are the paths whose bodies are looked at before
    the key is, and how.
    """

    version: str
    routes: Routes
    open_routes: Routes
    key_in: Callable[[str | None, str], str]
    wrong_key: Callable[[str], Fail]
    embed_key_in: Callable[[str | None], str]
    wrong_embed_key: Callable[[], Fail]
    bot_routes: Routes = field(default_factory=dict)
    refusing: frozenset[Handler] = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    before_key: Mapping[str, Look] = field(default_factory=dict)

    def tables(self) -> Mapping[str, Routes]:
        """All routes by the key they want, their paths in full."""
        tables = {"api": self.routes, "embed": self.bot_routes, "": self.open_routes}
        return {key: {_full(path): verbs for path, verbs in routes.items()} for key, routes in tables.items()}

    def looking_first(self, path: str) -> Look | None:
        """How bodies sent to a path in full are looked at before the key is; None if they are not."""
        return next((look for given, look in self.before_key.items() if _full(given) == path), None)

    def absent(self) -> Mapping[str, str]:
        """The features that the engine has nothing of, by the paths in full where theirs begin."""
        return {_full(path): feature for path, feature in self.elsewhere.items()}


def joined(*tables: Routes) -> Routes:
    """One table of several; a path may be in more than one, a verb of a path may not."""
    whole: dict[str, dict[str, Handler]] = {}
    for path, verbs in (item for table in tables for item in table.items()):
        twice = whole.setdefault(path, {}).keys() & verbs.keys()
        if twice:
            raise ValueError(f"{path} has two handlers for {', '.join(twice)}")
        whole[path] |= verbs
    return whole


def names_first(path: str) -> list[bool]:
    """The order in which paths are tried: one with a name in some place comes before one with an id there."""
    return [part.startswith("{") for part in path.split("/")]


def _full(path: str) -> str:
    return path if path.startswith("/v1/") else f"/api/v1{path}"
