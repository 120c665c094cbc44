"""API keys and whose they are. The owner's own key is in a file beside the database, the others are in it."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import Literal

import apsw

from .fields import new_id, now_ms
from .problems import Refused
from .store import Row, rows, scalar

__all__ = [
    "OWN",
    "add",
    "new",
    "owner",
    "read",
    "remove",
    "same",
    "tenant_for",
    "tenant_of",
    "tokens",
    "write",
]


OWN = ""  # stands in the table for the owner's key, whose embed key it has


def new() -> str:
    """A key nobody can guess, in RAGFlow's form."""
    return f"ragflow-{secrets.token_urlsafe(24)}"


def owner(db: apsw.Connection) -> str:
    """The tenant that a folder belongs to, made when the folder is."""
    db.execute("INSERT OR IGNORE INTO setting VALUES ('tenant_id', ?)", (new_id(),))
    return str(scalar(db, "SELECT value FROM setting WHERE name = 'tenant_id'"))


def same(one: str, other: str) -> bool:
    """Whether two keys are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def tenant_of(db: apsw.Connection, key: str, *, column: Literal["token", "beta"] = "token") -> str | None:
    """The tenant that a key of the database belongs to, or an embed key (``beta``)."""
    found = None
    for token, tenant_id in db.execute(f"SELECT {column}, tenant_id FROM token"):
        if same(key, token) and key != OWN:
            found = str(tenant_id)
    return found


def tenant_for(db: apsw.Connection, key: str) -> str:
    """The tenant of a key, which gets a new one if nobody has the key."""
    tenant_id = tenant_of(db, key)
    if tenant_id is None:
        tenant_id = new_id()
        add(db, tenant_id, key)
    return tenant_id


def add(db: apsw.Connection, tenant_id: str, key: str) -> None:
    """Give a tenant one more key; nothing happens if it has it already."""
    now = now_ms()
    values = (key, secrets.token_hex(16), tenant_id, now, now)
    db.execute("INSERT OR IGNORE INTO token VALUES (?, ?, ?, ?, ?)", values)


def tokens(db: apsw.Connection, tenant_id: str) -> list[Row]:
    """A tenant's keys in the database, oldest first: ``token``, ``beta`` (its embed key), the times in ms."""
    sql = "SELECT token, beta, tenant_id, create_time, update_time FROM token WHERE tenant_id = ?"
    return rows(db, f"{sql} ORDER BY create_time", (tenant_id,))


def remove(db: apsw.Connection, tenant_id: str, key: str) -> None:
    """Take a key of a tenant back; nothing happens if it has none such."""
    db.execute("DELETE FROM token WHERE tenant_id = ? AND token = ?", (tenant_id, key))


def read(file: Path) -> str:
    """The key in a file, empty if there is no file."""
    try:
        return file.read_text("utf-8").strip() if file.exists() else ""
    except UnicodeDecodeError:
        raise Refused(f"{file} holds no key, it is not text: delete it to have a new one made") from None


def write(file: Path, key: str) -> None:
    """Put a key into a file that only its owner can read; there is never half of one."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(key + "\n", "utf-8")
    fresh.replace(file)
