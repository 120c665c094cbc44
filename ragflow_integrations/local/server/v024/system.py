"""What v0.24 has under ``/v1``, the paths of its web application, that API keys open as well."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..call import Call, Routes
from ..datasets import NICKNAME
from ..envelope import succeeded
from ..system import create_token, delete_token, healthz, ping, status, tokens, user

__all__ = ["OPEN_ROUTES", "ROUTES", "VERSION"]

Row = dict[str, Any]

VERSION = "v0.24.0"
_METHODS = (
    "naive:General,qa:Q&A,resume:Resume,manual:Manual,table:Table,paper:Paper,book:Book,laws:Laws,"
    "presentation:Presentation,picture:Picture,one:One,audio:Audio,email:Email,tag:Tag"
)
_RAW = {"document_count": "doc_num", "chunk_count": "chunk_num", "chunk_method": "parser_id"}
_IN_LISTS = "id avatar name language description tenant_id permission document_count token_num chunk_count"


def version(call: Call) -> Response:
    """``GET /v1/system/version``: the version this API is that of."""
    return succeeded(VERSION)


def config(call: Call) -> Response:
    """``GET /v1/system/config``: nobody registers here, keys are all there is."""
    return succeeded({"registerEnabled": 0})


def info(call: Call) -> Response:
    """``GET /v1/user/info``: whose key it is; without password and access token, of which there are none."""
    return succeeded(user(call))


def tenant(call: Call) -> Response:
    """``GET /v1/user/tenant_info``: the models that are used where none is named."""
    models = call.engine.default_models()
    used = {"embd_id": models["embedding"], "llm_id": models["chat"], "rerank_id": models["rerank"]}
    unused = {"asr_id": "", "img2txt_id": "", "tts_id": None}
    owner = {"name": NICKNAME, "role": "owner", "tenant_id": call.engine.tenant_id}
    return succeeded({**used, **unused, **owner, "parser_ids": _METHODS})


def models(call: Call) -> Response:
    """``GET /v1/llm/my_llms``: the engine's own models, by their providers."""
    providers: dict[str, Row] = {}
    for kind, known_as in call.engine.default_models().items():
        name, _, provider = known_as.rpartition("@")
        listed = providers.setdefault(provider, {"llm": [], "tags": "LLM,TEXT EMBEDDING,TEXT RE-RANK"})["llm"]
        listed.append({"name": name, "status": "1", "type": kind, "used_token": 0})
    return succeeded(providers)


def datasets(call: Call) -> Response:
    """``POST /v1/kb/list``: the datasets; all of them unless the query has a ``page`` and a ``page_size``."""
    page, size = call.number("page", 0), call.number("page_size", 0)
    rows, total = call.engine.list_datasets(
        page=max(page, 1),
        page_size=size if page > 0 and size > 0 else 10_000,
        orderby="create_time",
        desc=call.query.get("desc", "true").lower() != "false",
        keywords=call.query.get("keywords") or None,
        chunk_method=call.query.get("parser_id") or None,
    )
    return succeeded({"kbs": [_listed(row) for row in rows], "total": total})


def _listed(row: Row) -> Row:
    fields = [*_IN_LISTS.split(), "chunk_method", "update_time"]
    shown = {_RAW.get(key, key): row[key] for key in fields}
    return {**shown, "embd_id": row["embedding_model"], "nickname": NICKNAME, "tenant_avatar": None}


ROUTES: Routes = {
    "/v1/kb/list": {"POST": datasets},
    "/v1/llm/my_llms": {"GET": models},
    "/v1/system/new_token": {"POST": create_token},
    "/v1/system/status": {"GET": status},
    "/v1/system/token/{token}": {"DELETE": delete_token},
    "/v1/system/token_list": {"GET": tokens},
    "/v1/system/version": {"GET": version},
    "/v1/user/info": {"GET": info},
    "/v1/user/tenant_info": {"GET": tenant},
}
OPEN_ROUTES: Routes = {
    "/v1/system/config": {"GET": config},
    "/v1/system/healthz": {"GET": healthz},
    "/v1/system/ping": {"GET": ping},
}
