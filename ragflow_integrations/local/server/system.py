"""``/system``: what monitors and version detection ask for, the keys, and whose they are."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import PlainTextResponse, Response

from ..fields import dated, iso
from .call import Call, Routes
from .datasets import NICKNAME
from .envelope import JSON, Fail, answered, succeeded

__all__ = [
    "OPEN_ROUTES",
    "ROUTES",
    "VERSION",
    "create_token",
    "delete_token",
    "healthz",
    "ping",
    "status",
    "tokens",
    "user",
    "version",
]

Row = dict[str, Any]

VERSION = "v0.27.0"
_EMAIL = f"{NICKNAME}@localhost"


def ping(call: Call) -> Response:
    """``GET /system/ping``."""
    return PlainTextResponse("pong", media_type="text/html")


def version(call: Call) -> Response:
    """``GET /system/version``: the version this API is that of."""
    return succeeded(VERSION)


def language(call: Call) -> Response:
    """``GET /language``: what the server is written in."""
    return succeeded({"language": "python"})


def config(call: Call) -> Response:
    """``GET /system/config``: nobody registers or logs in here, keys are all there is."""
    return succeeded({"disablePasswordLogin": True, "registerEnabled": 0})


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


def tokens(call: Call) -> Response:
    """``GET /system/tokens``: the caller's keys, each with its embed key (``beta``)."""
    return succeeded([_shown(each) for each in call.engine.list_keys()])


def create_token(call: Call) -> Response:
    """``POST /system/tokens``: one more key."""
    made = _shown(call.engine.create_key())
    fresh = {"update_time": None, "update_date": None}
    return succeeded(
        {key: value for key, value in made.items() if key not in ("dialog_id", "source")} | fresh
    )


def delete_token(call: Call) -> Response:
    """``DELETE /system/tokens/{token}``: nothing happens if the caller has no such key."""
    call.engine.delete_key(call.path["token"])
    return succeeded(True)


def me(call: Call) -> Response:
    """``GET /users/me``: whose key it is."""
    return succeeded(user(call))


def tenants(call: Call) -> Response:
    """``GET /tenants``: each tenant has itself alone."""
    known = user(call)
    age = (time.time_ns() // 1_000_000 - known["update_time"]) / 1000
    shown = {key: known[key] for key in ("avatar", "email", "nickname", "update_date")}
    tenant = {"tenant_id": call.engine.tenant_id, "role": "owner", "delta_seconds": age}
    return succeeded([{**shown, **tenant}])


def models(call: Call) -> Response:
    """``GET /models``: the engine's own models, or those of a ``type``."""
    if (call.query.get("owner_tenant_id") or call.engine.tenant_id) != call.engine.tenant_id:
        raise Fail("Permission denied")
    listed = [_listed_model(call, *each) for each in call.engine.default_models().items()]
    wanted = call.query.get("type")
    return answered([each for each in listed if not wanted or wanted.lower() in each["model_type"]])


def default_models(call: Call) -> Response:
    """``GET /models/default``: the models of those that name none."""
    return answered({"models": [_default_model(*each) for each in call.engine.default_models().items()]})


def user(call: Call) -> Row:
    """The tenant as RAGFlow shows a user."""
    made = call.engine.list_keys()[0]["create_time"]
    times = dated({"create_time": made, "update_time": made})
    return {
        "avatar": None,
        "color_schema": "Bright",
        "email": _EMAIL,
        "id": call.engine.tenant_id,
        "is_active": "1",
        "is_anonymous": "0",
        "is_authenticated": "1",
        "is_superuser": False,
        "language": "English",
        "last_login_time": iso(made),
        "login_channel": "password",
        "nickname": NICKNAME,
        "status": "1",
        "timezone": "UTC",
        **times,
    }


def _shown(key: Row) -> Row:
    return dated({**key, "dialog_id": None, "source": None})


def _default_model(kind: str, known_as: str) -> Row:
    name, _, provider = known_as.rpartition("@")
    model = {"model_id": "", "model_instance": "default", "model_name": name, "model_provider": provider}
    return {"enable": True, **model, "model_type": kind}


def _listed_model(call: Call, kind: str, known_as: str) -> Row:
    name, _, provider = known_as.rpartition("@")
    return {
        "instance_id": "",
        "instance_name": "default",
        "model_id": "",
        "model_type": [kind],
        "name": name,
        "provider_id": "",
        "provider_name": provider,
        "rank": 500,
        "tenant_id": call.engine.tenant_id,
        "tenant_name": NICKNAME,
    }


def _elapsed(call: Call) -> float:
    """Milliseconds that reading from the knowledge base takes."""
    started = time.perf_counter()
    call.engine.list_datasets(page=1, page_size=1, orderby="create_time", desc=True)
    return (time.perf_counter() - started) * 1000


ROUTES: Routes = {
    "/models": {"GET": models},
    "/models/default": {"GET": default_models},
    "/system/status": {"GET": status},
    "/system/tokens": {"GET": tokens, "POST": create_token},
    "/system/tokens/{token}": {"DELETE": delete_token},
    "/tenants": {"GET": tenants},
    "/users/me": {"GET": me},
}
OPEN_ROUTES: Routes = {
    "/language": {"GET": language},
    "/system/config": {"GET": config},
    "/system/ping": {"GET": ping},
    "/system/version": {"GET": version},
    "/system/healthz": {"GET": healthz},
    "/v1/system/healthz": {"GET": healthz},
}
