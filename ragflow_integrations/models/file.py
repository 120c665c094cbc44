"""Files of the server's file manager."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Model, Page

__all__ = ["FileFields", "FilePage"]


class FileFields(Model):
    """A file or folder. ``type`` is ``folder``, ``doc``, ``pdf``, ``visual`` …; ``size`` is in bytes.

    ``kbs_info`` has the datasets that it is linked to.
    """

    id: str = ""
    name: str = ""
    parent_id: str | None = None
    type: str = ""
    size: int = 0
    location: str | None = None
    source_type: str | None = None
    kbs_info: list[dict[str, Any]] = Field(default_factory=list)
    has_child_folder: bool | None = None
    created_by: str | None = None
    tenant_id: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether files can be in it."""
        return self.type == "folder"


class FilePage(Page[FileFields]):
    """A page of what is in a folder, with the folder as ``parent_folder``."""

    def __init__(self, items: list[FileFields], total: int | None, parent_folder: FileFields | None) -> None:
        super().__init__(items, total)
        self.parent_folder = parent_folder
