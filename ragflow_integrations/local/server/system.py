"""``/system``: what monitors and version detection ask for."""

from __future__ import annotations

import time

from starlette.responses import PlainTextResponse, Response

from .call import Call, Routes
from .envelope import JSON, succeeded

__all__ = ["OPEN_ROUTES", "ROUTES", "VERSION", "healthz", "ping", "status", "version"]

VERSION = "v0.27.0"


def ping(call: Call) -> Response:
    """``GET /system/ping``."""
    return PlainTextResponse("pong", media_type="text/html")


def version(call: Call) -> Response:
    """``GET /system/version``: the version this API is that of."""
    return succeeded(VERSION)


def healthz(call: Call) -> Response:
    """One file is database, document engine, queue and storage; reading it answers for all four."""
    _elapsed(call)
    return JSON({"db": "ok", "doc_engine": "ok", "redis": "ok", "status": "ok", "storage": "ok"})


def status(call: Call) -> Response:
    """``GET /system/status``: how long reading takes, in milliseconds."""
    green = {"status": "green", "elapsed": f"{_elapsed(call):.1f}"}
    return succeeded(
        {
            "database": {"database": "sqlite", **green},
            "doc_engine": {"type": "sqlite", **green},
            "redis": green,
            "storage": {"storage": "sqlite", **green},
            "task_executor_heartbeats": {},
        }
    )


def _elapsed(call: Call) -> float:
    """Milliseconds that reading from the knowledge base takes."""
    started = time.perf_counter()
    call.engine.list_datasets(page=1, page_size=1, orderby="create_time", desc=True)
    return (time.perf_counter() - started) * 1000


ROUTES: Routes = {"/system/status": {"GET": status}}
OPEN_ROUTES: Routes = {
    "/system/ping": {"GET": ping},
    "/system/version": {"GET": version},
    "/system/healthz": {"GET": healthz},
    "/v1/system/healthz": {"GET": healthz},
}
