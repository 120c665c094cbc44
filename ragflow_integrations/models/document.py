"""A document as the server describes it, and how far its parsing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator

from .base import Model, spelled
from .dataset import ParserConfig

__all__ = ["DocumentFields", "Media", "ParseProgress"]

_RUN_NAMES = {"0": "UNSTART", "1": "RUNNING", "2": "CANCEL", "3": "DONE", "4": "FAIL", "5": "UNSTART"}


class DocumentFields(Model):
    """A document's fields. ``run`` is ``UNSTART``, ``RUNNING``, ``CANCEL``, ``DONE`` or ``FAIL``.

    ``progress`` goes from 0 to 1 and is -1 after a failure; ``progress_msg`` says why. ``size`` is in
    bytes, ``process_duration`` in seconds. ``thumbnail_source`` is what the server sends as ``thumbnail``:
    a ``data:`` URI, or where the picture is.
    """

    id: str = ""
    name: str = ""
    dataset_id: str | None = None
    chunk_method: str | None = "naive"
    parser_config: ParserConfig | None = Field(default_factory=ParserConfig)
    meta_fields: dict[str, Any] | None = Field(default_factory=dict)
    source_type: str | None = "local"
    type: str | None = ""
    suffix: str | None = None
    location: str | None = None
    thumbnail_source: str | None = spelled("thumbnail_source", "thumbnail", default=None)
    created_by: str | None = ""
    size: int = 0
    token_count: int = 0
    chunk_count: int = 0
    progress: float = 0.0
    progress_msg: str | None = ""
    process_begin_at: str | None = None
    process_duration: float | None = 0.0
    run: str = "UNSTART"
    status: str | None = "1"
    content_hash: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None

    @field_validator("run", mode="before")
    @classmethod
    def _run_name(cls, value: Any) -> Any:
        return _RUN_NAMES.get(str(value), value)

    @property
    def finished(self) -> bool:
        """Whether parsing has ended, in whatever way."""
        return self.run in ("DONE", "FAIL", "CANCEL")


class Media(bytes):
    """A file as the server sent it: its bytes, and as ``content_type`` e.g. ``image/png``."""

    content_type: str

    def __new__(cls, content: bytes, content_type: str) -> Self:
        media = super().__new__(cls, content)
        media.content_type = content_type
        return media

    def __getnewargs__(self) -> tuple[bytes, str]:  # type: ignore[override]
        return bytes(self), self.content_type

    def __repr__(self) -> str:
        return f"<Media {self.content_type}, {len(self)} bytes>"


@dataclass(frozen=True, slots=True)
class ParseProgress:
    """How far the parsing of some documents is, handed to a ``progress`` callback at each look."""

    stage: ClassVar[str] = "parsing"
    documents: Sequence[DocumentFields]

    @property
    def total(self) -> int:
        """How many documents are being waited for."""
        return len(self.documents)

    @property
    def finished(self) -> int:
        """How many of them have ended: parsed, failed or cancelled."""
        return sum(document.finished for document in self.documents)

    @property
    def fraction(self) -> float:
        """The mean progress, 0 to 1."""
        done = sum(1.0 if document.finished else max(document.progress, 0.0) for document in self.documents)
        return done / len(self.documents) if self.documents else 1.0
