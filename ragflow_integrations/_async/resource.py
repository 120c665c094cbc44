"""What every object that belongs to a client has: the client, and a way to take over fresh fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from ..errors import InvalidRequestError
from ..models import Model, Page

if TYPE_CHECKING:
    from .client import AsyncRAGFlow

__all__ = ["AsyncResource"]


class AsyncResource(Model):
    """A server object with methods; equal to one with the same fields that came from the same client."""

    @classmethod
    def _of(cls, client: AsyncRAGFlow, fields: Model) -> Self:
        """``fields`` themselves, which are valid already."""
        return cls._all_of(client, [fields])[0]

    @classmethod
    def _all_of(cls, client: AsyncRAGFlow, found: Sequence[Model]) -> list[Self]:
        """The same of many: a page has a hundred, and a copy of each takes time.

        What holds the client is shared by them, since nothing changes it: ``_bind`` puts another in its place.
        """
        put, private = object.__setattr__, {"_client": client}
        for fields in found:
            put(fields, "__class__", cls)
            put(fields, "__pydantic_private__", private)
        return cast("list[Self]", list(found))

    @classmethod
    def _page_of(cls, client: AsyncRAGFlow, found: Page[Any]) -> Page[Self]:
        page = Page(cls._all_of(client, found), found.total)
        if found._following is not None:
            page._following = cls._all_of(client, found._following)
        return page

    def _bind(self, client: AsyncRAGFlow) -> None:
        object.__setattr__(self, "__pydantic_private__", {"_client": client})

    @property
    def _client(self) -> AsyncRAGFlow:
        """Kept where pydantic keeps private attributes, so that comparing, copying and pickling include it."""
        client = (self.__pydantic_private__ or {}).get("_client")
        if client is None:
            kind = type(self).__name__
            raise InvalidRequestError(f"this {kind} was not made by a client and cannot reach a server")
        return cast("AsyncRAGFlow", client)

    def _take(self, fields: Model) -> Self:
        """Become what the server now says this object is; what it left out stays.

        Not by ``setattr``: a field that is called like a method would take its place.
        """
        sent = fields.__pydantic_fields_set__
        self.__dict__.update((name, value) for name, value in fields.__dict__.items() if name in sent)
        self.__pydantic_extra__ = {**(self.__pydantic_extra__ or {}), **(fields.__pydantic_extra__ or {})}
        self.__pydantic_fields_set__ |= sent
        return self
