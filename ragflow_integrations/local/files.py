"""Files and folders of a tenant beside its datasets, and the datasets as folders among them.

The folder ``.knowledgebase`` shows the datasets as folders and their documents as files, under their own ids; both
are changed through their datasets only. A file that is linked to datasets is a document in each of them, of the
same bytes. Names are only names: nothing here is a path on a disk.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import Any, Unpack

import apsw

from . import blobs, datasets, documents, store
from .fields import dated, dumped, free_name, new_id, now_ms
from .problems import Missing, Refused
from .store import Paging, Row, row, rows, scalar

__all__ = [
    "FOLDER",
    "Listing",
    "add",
    "ancestors",
    "create_folder",
    "delete",
    "get",
    "is_foreign",
    "link",
    "listed",
    "move",
    "read",
    "root",
]

FOLDER = "folder"
_KNOWLEDGE = "knowledgebase"
_ORDER = ("create_time", "update_time", "name", "size", "type", "id")
_COLUMNS = (
    "id, tenant_id, parent_id, name, type, location, size, source_type, create_time, update_time, sha256"
)
# one table of files, datasets and documents; what is linked is there once, as the file
_TREE = f"""(
    SELECT rowid, {_COLUMNS} FROM file
    UNION ALL
    SELECT dataset.rowid, dataset.id, dataset.tenant_id, knowledge.id, dataset.name, '{FOLDER}', '', 0,
        '{_KNOWLEDGE}', dataset.create_time, dataset.update_time, NULL
    FROM dataset JOIN file AS knowledge
        ON knowledge.tenant_id = dataset.tenant_id AND knowledge.source_type = '{_KNOWLEDGE}'
    UNION ALL
    SELECT document.rowid, document.id, dataset.tenant_id, dataset.id, document.name, document.type,
        document.location, document.size, '{_KNOWLEDGE}', document.create_time, document.update_time, document.sha256
    FROM document JOIN dataset ON dataset.id = document.dataset_id
    WHERE document.id NOT IN (SELECT document_id FROM file_link)
)"""
_BELOW = f"""WITH RECURSIVE tree AS {_TREE}, below(id) AS (
    VALUES (?) UNION SELECT tree.id FROM tree JOIN below ON tree.parent_id = below.id
)"""


class Listing(Paging, total=False):
    """Which files of a folder; ``keywords`` is a part of the name, looked for in its subfolders if ``deep``."""

    keywords: str | None
    deep: bool


def root(db: apsw.Connection, tenant_id: str) -> Row:
    """The tenant's root folder, made with the folder of the datasets if there is none."""
    found = row(db, "SELECT id FROM file WHERE tenant_id = ? AND parent_id = id", (tenant_id,))
    if found is None:
        root_id = new_id()
        _insert(
            db, {"id": root_id, "tenant_id": tenant_id, "parent_id": root_id, "name": "/", "type": FOLDER}
        )
        inside = {"tenant_id": tenant_id, "parent_id": root_id, "type": FOLDER}
        _insert(db, {**inside, "id": new_id(), "name": f".{_KNOWLEDGE}", "source_type": _KNOWLEDGE})
        return get(db, tenant_id, root_id)
    return get(db, tenant_id, found["id"])


def get(db: apsw.Connection, tenant_id: str, file_id: str) -> Row:
    """One file or folder; ``Missing`` if there is none with this id."""
    found = row(db, f"SELECT {_COLUMNS} FROM {_TREE} WHERE id = ? AND tenant_id = ?", (file_id, tenant_id))
    if found is None:
        raise Missing(f"there is no file {file_id}")
    return _wire(found)


def is_foreign(db: apsw.Connection, tenant_id: str, file_id: str) -> bool:
    """Whether there is such a file, but another tenant's."""
    return row(db, f"SELECT 1 FROM {_TREE} WHERE id = ? AND tenant_id <> ?", (file_id, tenant_id)) is not None


def listed(
    db: apsw.Connection, tenant_id: str, folder_id: str, **filters: Unpack[Listing]
) -> tuple[list[Row], int]:
    """One page of what is in a folder, and how much is in it; folders have the size of all that is below them."""
    keywords = filters.get("keywords") or None
    inside = _ids_below(db, folder_id) if keywords and filters.get("deep") else [folder_id]
    tests = {
        "tenant_id = ?": tenant_id,
        "parent_id IN": inside,
        "id <> ?": folder_id,
        "instr(lower(name), lower(?))": keywords,
    }
    found, total = store.listed(db, _TREE, tests, filters, _ORDER)
    return [_described(db, _wire(each)) for each in found], total


def ancestors(db: apsw.Connection, tenant_id: str, file_id: str) -> list[Row]:
    """The file itself, the folder it is in, and so on to the root."""
    chain = [get(db, tenant_id, file_id)]
    while chain[-1]["parent_id"] != chain[-1]["id"]:
        chain.append(get(db, tenant_id, chain[-1]["parent_id"]))
    return chain


def read(db: apsw.Connection, tenant_id: str, file_id: str) -> bytes:
    """A file's bytes; folders have none."""
    sql = f"SELECT sha256 FROM {_TREE} WHERE id = ? AND tenant_id = ?"
    found = row(db, sql, (file_id, tenant_id))
    if found is None:
        raise Missing(f"there is no file {file_id}")
    return blobs.read(db, found["sha256"]) if found["sha256"] else b""


def add(db: apsw.Connection, tenant_id: str, folder_id: str, name: str, data: bytes) -> Row:
    """Keep a file; folders in its name (``a/b.txt``) are made, and a name that is taken becomes ``stem(1).suffix``."""
    *folders, last = [part for part in name.split("/") if part] or [name]
    folder = _own_folder(db, tenant_id, folder_id)
    for each in folders:
        folder = _subfolder(db, folder, each)
    values: Row = {
        "id": new_id(),
        "tenant_id": tenant_id,
        "parent_id": folder["id"],
        "name": free_name(last, lambda name: _in_folder(db, folder["id"], name) is not None),
        "type": documents.kind_of(last),
        "location": _free_location(db, folder["id"], last),
        "size": len(data),
        "sha256": blobs.store(db, data),
    }
    _insert(db, values)
    return get(db, tenant_id, values["id"])


def create_folder(db: apsw.Connection, tenant_id: str, folder_id: str, name: str, kind: str = FOLDER) -> Row:
    """A new folder (or a ``virtual`` file) in a folder; ``Refused`` if the name is taken."""
    folder = _own_folder(db, tenant_id, folder_id)
    if _in_folder(db, folder["id"], name):
        raise Refused("Duplicated folder name in the same folder.")
    values = {"id": new_id(), "tenant_id": tenant_id, "parent_id": folder["id"], "name": name, "type": kind}
    _insert(db, values)
    return get(db, tenant_id, values["id"])


def delete(db: apsw.Connection, tenant_id: str, file_id: str) -> int:
    """Delete a file with the documents it is linked to, or a folder with all below it; how many files and folders.

    What belongs to datasets stays, and does not count.
    """
    entry = get(db, tenant_id, file_id)
    if entry["source_type"] == _KNOWLEDGE or entry["parent_id"] == entry["id"]:
        return 0
    gone = _ids_below(db, file_id)
    found = rows(
        db, "SELECT id, sha256 FROM file WHERE id IN (SELECT value FROM json_each(?))", (dumped(gone),)
    )
    for each in found:
        _unlink(db, each["id"])
    for identifier in reversed(gone):  # what is deepest first: a folder goes after what is in it
        db.execute("DELETE FROM file WHERE id = ?", (identifier,))
    blobs.drop_unused(db, [each["sha256"] for each in found if each["sha256"]])
    return len(found)


def move(
    db: apsw.Connection, tenant_id: str, ids: Sequence[str], folder_id: str | None, name: str | None
) -> None:
    """Move files and folders into a folder (None: leave them where they are), one of them under a new name."""
    entries = [_own(db, tenant_id, each) for each in ids]
    folder = _own_folder(db, tenant_id, folder_id) if folder_id else None
    if name:
        _check_name(db, entries[0], folder["id"] if folder else entries[0]["parent_id"], name)
    above = {each["id"] for each in ancestors(db, tenant_id, folder["id"])} if folder else set()
    for entry in entries:
        if folder and entry["id"] == folder["id"]:
            raise Refused("Cannot move a folder to itself.")
        if entry["id"] in above:
            raise Refused("Cannot move a folder into its own subfolder.")
    for entry in entries:
        if folder:
            _move(db, entry, folder["id"], name or entry["name"])
        if name:
            _rename(db, tenant_id, entry["id"], name)


def link(
    db: apsw.Connection, tenant_id: str, ids: Sequence[str], dataset_ids: Sequence[str], *, replace: bool
) -> list[Row]:
    """Make documents of files (and of all in folders) in datasets: ``[{"file_id": …, "document_id": …}]``.

    With ``replace`` the documents they are linked to go; without, datasets that have the file keep theirs.
    """
    targets = [datasets.get(db, tenant_id, each) for each in dataset_ids]
    links = []
    for file in _files_of(db, tenant_id, ids):
        held: Collection[str] = ()
        if replace:
            _unlink(db, file["id"])
        else:
            held = {each["dataset_id"] for each in _linked(db, file["id"])}
        data = read(db, tenant_id, file["id"])
        for dataset in targets:
            if dataset["id"] not in held:
                made = documents.add(db, tenant_id, dataset, file["name"], data)
                db.execute("INSERT INTO file_link VALUES (?, ?)", (file["id"], made["id"]))
                links.append({"file_id": file["id"], "document_id": made["id"]})
    return links


def _insert(db: apsw.Connection, values: dict[str, Any]) -> None:
    now = now_ms()
    values = {"location": "", "size": 0, "create_time": now, "update_time": now, **values}
    db.execute(
        f"INSERT INTO file({', '.join(values)}) VALUES ({', '.join(f':{key}' for key in values)})", values
    )


def _own(db: apsw.Connection, tenant_id: str, file_id: str) -> Row:
    entry = get(db, tenant_id, file_id)
    if entry["source_type"] == _KNOWLEDGE or entry["parent_id"] == entry["id"]:
        raise Refused(f"{entry['name']} belongs to the datasets, which move and rename it")
    return entry


def _own_folder(db: apsw.Connection, tenant_id: str, folder_id: str) -> Row:
    folder = get(db, tenant_id, folder_id)
    if folder["source_type"] == _KNOWLEDGE:
        raise Refused(f"{folder['name']} shows the datasets: files come in by upload or link to a dataset")
    if folder["type"] != FOLDER:
        raise Refused(f"{folder['name']} is no folder")
    return folder


def _in_folder(db: apsw.Connection, folder_id: str, name: str) -> Row | None:
    sql = "SELECT id, type FROM file WHERE parent_id = ? AND name = ? AND id <> parent_id"
    return row(db, sql, (folder_id, name))


def _subfolder(db: apsw.Connection, folder: Row, name: str) -> Row:
    found = _in_folder(db, folder["id"], name)
    if found is None:
        return create_folder(db, folder["tenant_id"], folder["id"], name)
    return _own_folder(db, folder["tenant_id"], found["id"])


def _free_location(db: apsw.Connection, folder_id: str, location: str) -> str:
    taken = "SELECT 1 FROM file WHERE parent_id = ? AND location = ?"
    while row(db, taken, (folder_id, location)):
        location += "_"
    return location


def _ids_below(db: apsw.Connection, folder_id: str) -> list[str]:
    """The folder itself and all that is below it, the nearest first."""
    return [identifier for (identifier,) in db.execute(f"{_BELOW} SELECT id FROM below", (folder_id,))]


def _files_of(db: apsw.Connection, tenant_id: str, ids: Sequence[str]) -> list[Row]:
    below = dict.fromkeys(each for identifier in ids for each in _ids_below(db, identifier))
    return [entry for each in below if (entry := get(db, tenant_id, each))["type"] != FOLDER]


def _linked(db: apsw.Connection, file_id: str) -> list[Row]:
    sql = "SELECT document.id, dataset_id FROM document JOIN file_link ON document_id = document.id WHERE file_id = ?"
    return rows(db, sql, (file_id,))


def _unlink(db: apsw.Connection, file_id: str) -> None:
    for each in _linked(db, file_id):
        documents.delete(db, each["dataset_id"], [each["id"]])


def _check_name(db: apsw.Connection, entry: Row, folder_id: str, name: str) -> None:
    suffixes = {PurePosixPath(each.lower()).suffix for each in (name, entry["name"])}
    if entry["type"] != FOLDER and len(suffixes) > 1:
        raise Refused("The extension of file can't be changed")
    taken = _in_folder(db, folder_id, name)
    if taken is not None and (taken["id"] != entry["id"] or name == entry["name"]):
        raise Refused("Duplicated file name in the same folder.")


def _move(db: apsw.Connection, entry: Row, folder_id: str, name: str) -> None:
    """A folder of a name that is there already is merged into it, as RAGFlow does."""
    same = _in_folder(db, folder_id, name) if entry["type"] == FOLDER else None
    if same is None or same["type"] != FOLDER:
        location = _free_location(db, folder_id, name) if entry["location"] else ""
        changes = (folder_id, location, now_ms(), entry["id"])
        db.execute("UPDATE file SET parent_id = ?, location = ?, update_time = ? WHERE id = ?", changes)
        return
    if same["id"] == entry["id"]:
        raise Refused("The folder is already in the target location. There is no need to move it.")
    for each in rows(db, "SELECT * FROM file WHERE parent_id = ?", (entry["id"],)):
        _move(db, each, same["id"], each["name"])
    db.execute("DELETE FROM file WHERE id = ?", (entry["id"],))


def _rename(db: apsw.Connection, tenant_id: str, file_id: str, name: str) -> None:
    db.execute("UPDATE file SET name = ?, update_time = ? WHERE id = ?", (name, now_ms(), file_id))
    for each in _linked(db, file_id):
        documents.update(db, tenant_id, each["id"], {"name": name})


def _described(db: apsw.Connection, entry: Row) -> Row:
    """An entry of a list: what a folder holds, and which documents a file is."""
    if entry["type"] == FOLDER:
        size = f"{_BELOW} SELECT coalesce(sum(size), 0) FROM tree WHERE id IN below"
        folders = f"SELECT count(*) FROM {_TREE} WHERE parent_id = ?1 AND type = '{FOLDER}' AND id <> ?1"
        more = {
            "size": scalar(db, size, (entry["id"],)),
            "has_child_folder": scalar(db, folders, (entry["id"],)) > 0,
        }
        return {**entry, **more, "kbs_info": []}
    sql = (
        "SELECT dataset.id AS kb_id, dataset.name AS kb_name, document.id AS document_id"
        " FROM document JOIN dataset ON dataset.id = dataset_id"
        " WHERE document.id = ?1 OR document.id IN (SELECT document_id FROM file_link WHERE file_id = ?1)"
    )
    return {**entry, "kbs_info": rows(db, sql, (entry["id"],))}


def _wire(stored: Row) -> Row:
    shown = {key: value for key, value in stored.items() if key not in ("sha256", "rowid")}
    return dated({**shown, "created_by": stored["tenant_id"]})
