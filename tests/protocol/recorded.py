"""What a real RAGFlow v0.27.0 server was asked and answered, for tests to replay."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ragflow_integrations.protocol.wire import Request, Response

FOLDER = Path(__file__).parents[1] / "data" / "recordings"


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer."""

    name: str
    method: str
    path: str
    request_body: Any
    status: int
    content_type: str
    body: Any
    raw: str | None

    @property
    def request(self) -> Request:
        return Request(self.method, self.path)

    @property
    def response(self) -> Response:
        return Response(self.status, {"content-type": self.content_type}, self.sent)

    @property
    def sent(self) -> bytes:
        """The answer's bytes: exact for a stream, the same JSON otherwise."""
        if self.raw is not None:
            return self.raw.encode()
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, ensure_ascii=False).encode() + b"\n"


@cache
def exchanges() -> dict[str, Exchange]:
    """All of them by name; of a name that comes twice, the first."""
    found: dict[str, Exchange] = {}
    for file in sorted(FOLDER.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            exchange = Exchange(
                row["name"],
                row["method"],
                row["path"],
                row["request_body"],
                row["status"],
                row["response_headers"].get("content-type", ""),
                row["response_body"],
                row.get("response_raw"),
            )
            found.setdefault(exchange.name, exchange)
    return found


def recorded(name: str) -> Exchange:
    """The exchange of this name."""
    return exchanges()[name]
