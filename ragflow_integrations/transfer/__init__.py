"""Whole knowledge bases: a folder kept in step with a dataset, export, import, and from one server to another.

    from ragflow_integrations.transfer import export, import_, push, sync_folder

    sync_folder(dataset, "~/handbook")            # new, changed and removed files
    export(client, "knowledge.zip")               # everything as NDJSON, with the original files
    push(RAGFlow.local("./kb"), RAGFlow())        # from the laptop to the server

All of it goes through the public API, so that a RAGFlow server and the local engine can stand on either side.
"""

from .archive import export
from .move import import_, pull, push
from .report import SyncReport, TransferProgress, TransferReport
from .sync import sync_files, sync_folder

__all__ = [
    "SyncReport",
    "TransferProgress",
    "TransferReport",
    "export",
    "import_",
    "pull",
    "push",
    "sync_files",
    "sync_folder",
]
