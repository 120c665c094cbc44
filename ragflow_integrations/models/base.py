"""The base of every model: RAGFlow's own field names, and whatever else the server sends."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

T = TypeVar("T")

__all__ = ["Model", "Page", "spelled"]


class Model(BaseModel):
    """An object as the server sent it; fields this library does not know stay readable as attributes."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())


class Page(list[T]):
    """One page of a listing: a plain list that also knows ``total``, the number on all pages.

    ``total`` is ``None`` where the server does not tell.
    """

    def __init__(self, items: list[T], total: int | None = None) -> None:
        super().__init__(items)
        self.total = total


def spelled(*names: str, default: Any = None) -> Any:
    """A field that the wire spells in several ways, the model's own name first."""
    return Field(default=default, validation_alias=AliasChoices(*names))
