"""How far an upload is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["UploadProgress"]


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How many of ``total`` files are on the server, handed to a ``progress`` callback after each.

    ``name`` is the file that came last.
    """

    stage: ClassVar[str] = "uploading"
    finished: int
    total: int
    name: str

    @property
    def fraction(self) -> float:
        """The part that is done, 0 to 1."""
        return self.finished / self.total if self.total else 1.0
