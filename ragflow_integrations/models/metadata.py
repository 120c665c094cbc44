"""What is known of the documents' own metadata, and how a server is to find more."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from .base import Model, spelled

__all__ = ["AutoMetadata", "AutoMetadataField", "MetadataField", "MetadataUpdate"]


class MetadataField(Model):
    """One key of the documents' metadata: its ``type`` (``string``, ``number``, ``list`` or ``time``) and its
    ``values`` as ``(value, number of documents)``, the most frequent first."""

    type: str = "string"
    values: list[tuple[str, int]] = Field(default_factory=list)


class MetadataUpdate(NamedTuple):
    """What a change of metadata has done: how many documents were meant, and how many are different now."""

    matched_docs: int
    updated: int


class AutoMetadataField(Model):
    """A key that the server's language model fills in while parsing; ``type`` is ``string``, ``list``, ``time``
    or ``number``, ``enum`` the values to choose from."""

    key: str = spelled("key", "name", default="")
    type: str = "string"
    description: str | None = None
    enum: list[str] | None = None


class AutoMetadata(Model):
    """Which metadata the server finds by itself: your own keys, and RAGFlow's."""

    metadata: list[AutoMetadataField] = Field(default_factory=list)
    built_in_metadata: list[AutoMetadataField] = Field(default_factory=list)
