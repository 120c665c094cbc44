"""``/system`` as v0.24 has it."""

from __future__ import annotations

from starlette.responses import Response

from ..call import Call, Routes
from ..envelope import succeeded
from ..system import healthz, ping, status

__all__ = ["OPEN_ROUTES", "ROUTES", "VERSION"]

VERSION = "v0.24.0"


def version(call: Call) -> Response:
    """``GET /v1/system/version``: the version this API is that of."""
    return succeeded(VERSION)


ROUTES: Routes = {"/v1/system/version": {"GET": version}, "/v1/system/status": {"GET": status}}
OPEN_ROUTES: Routes = {"/v1/system/ping": {"GET": ping}, "/v1/system/healthz": {"GET": healthz}}
