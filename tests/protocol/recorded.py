"""What real RAGFlow servers, v0.27.0 and v0.24.0, were asked and answered: 1661 exchanges in ``tests/recordings``.

``recorded("v0.27", "ds.get").body`` is the answer's JSON, ``.response`` and ``.request`` feed a reader,
``.sent`` are the bytes of a stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ragflow_integrations.protocol.wire import Request, Response

FOLDER = Path(__file__).parents[1] / "recordings"
VERSIONS = ("v0.24", "v0.27")
OWNER = "Bearer <KEY>"


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer."""

    version: str
    file: str
    name: str
    method: str
    path: str
    authorization: str | None
    """``Bearer <KEY>`` for the owner's key, ``Bearer <KEY2>`` for another tenant's, ``None`` for no key."""
    query: dict[str, Any]
    request_body: Any
    status: int
    content_type: str
    body: Any
    raw: str | None
    broken_off: bool
    """Whether the server closed the connection before the answer was whole."""

    @property
    def request(self) -> Request:
        return Request(self.method, self.path)

    @property
    def response(self) -> Response:
        return Response(self.status, {"content-type": self.content_type, **self.disposition}, self.sent)

    @property
    def sent(self) -> bytes:
        """The answer's bytes: exact for a stream, the same JSON otherwise."""
        if self.raw is not None:
            return self.raw.encode()
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, ensure_ascii=False).encode() + b"\n"

    @property
    def disposition(self) -> dict[str, str]:
        """The header that real servers send with a document's file, and that was not recorded."""
        is_file = isinstance(self.body, str) and self.method == "GET" and "/documents/" in self.path
        return {"content-disposition": "attachment; filename=a.txt"} if is_file else {}

    @property
    def complete(self) -> bool:
        """Whether the answer was kept: two streams were read by the client that was watched."""
        return not (isinstance(self.body, str) and self.body == "<consumed by the SDK as a stream>")


@cache
def exchanges(version: str, *files: str) -> tuple[Exchange, ...]:
    """All of a version in the order in which they were made, or those of some files (``"09_agents"``)."""
    found = [_exchange(version, path.stem, line) for path in _paths(version, files) for line in _lines(path)]
    return tuple(exchange for exchange in found if exchange.complete)


def recorded(version: str, name: str) -> Exchange:
    """The exchange of this name; of a name that was used again, the first."""
    return all_recorded(version, name)[0]


def all_recorded(version: str, name: str) -> list[Exchange]:
    """Every exchange of this name; there is at least one."""
    found = [exchange for exchange in exchanges(version) if exchange.name == name]
    if not found:
        raise LookupError(f"nothing called {name!r} was recorded from {version}")
    return found


def _paths(version: str, files: tuple[str, ...]) -> list[Path]:
    if version not in VERSIONS:
        raise LookupError(f"version={version!r}: {' or '.join(VERSIONS)}")
    folder = FOLDER / version
    return [folder / f"{file}.jsonl" for file in files] if files else sorted(folder.glob("*.jsonl"))


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def _exchange(version: str, file: str, line: str) -> Exchange:
    row = json.loads(line)
    authorization = row["request_headers"].get("Authorization", row.get("auth", OWNER))
    return Exchange(
        version=version,
        file=file,
        name=row["name"],
        method=row["method"],
        path=row["path"],
        authorization=authorization and authorization.strip(),  # as a header arrives
        query=row["query"] or {},
        request_body=row["request_body"],
        status=row["status"],
        content_type=row["response_headers"].get("content-type", ""),
        body=row["response_body"],
        raw=row.get("response_raw"),
        broken_off="note" in row,
    )
