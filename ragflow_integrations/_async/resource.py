"""What every object that belongs to a client has: the client, and a way to take over fresh fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import PrivateAttr

from ..models import Model

if TYPE_CHECKING:
    from .client import AsyncRAGFlow

__all__ = ["AsyncResource"]


class AsyncResource(Model):
    """A server object with methods; equal to one with the same fields that came from the same client."""

    _client: AsyncRAGFlow = PrivateAttr()

    @classmethod
    def _of(cls, client: AsyncRAGFlow, fields: Model) -> Self:
        resource = cls.model_validate(_sent(fields))
        resource._client = client
        return resource

    def _take(self, fields: Model) -> Self:
        """Become what the server now says this object is."""
        for name, value in _sent(fields).items():
            setattr(self, name, value)
        return self


def _sent(fields: Model) -> dict[str, Any]:
    """What the server really sent, without the defaults of what it left out."""
    return {name: getattr(fields, name) for name in fields.model_fields_set}
