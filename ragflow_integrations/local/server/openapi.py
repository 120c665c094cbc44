"""``/openapi.json``: the route table and the models that requests are held against, in OpenAPI's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from .call import Handler, accepted
from .dialect import Dialect

__all__ = ["document"]

Row = dict[str, Any]

_IN_PATH = re.compile(r"\{(\w+)\}")
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
_SECURITY: dict[str, list[Row]] = {"api": [{"apiKey": []}], "embed": [{"embedKey": []}], "": []}
_SCHEMES = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "embedKey": {"type": "http", "scheme": "bearer", "description": "An embed key (beta)."},
}
_ENVELOPE = {
    "type": "object",
    "required": ["code"],
    "properties": {
        "code": {"type": "integer", "description": "0, or what kind of error it is."},
        "message": {"description": "What is wrong; on success text, true, or not there."},
        "data": {"description": "What was asked for."},
    },
}
_STREAM: Row = {"text/event-stream": {}}
_FILE: Row = {"*/*": {}}
_OBJECT: Row = {"application/json": {"schema": {"type": "object"}}}
_BESIDES: Mapping[str, Row] = {
    "post .*/(completions?|ask)": _STREAM,
    "post .*(openai/.*|/agents/.*completions)": _OBJECT,
    "(get|post) .*/(dify/retrieval|healthz)": _OBJECT,
    "get .*/documents/({document_id}(/preview)?|images/.*)": _FILE,
    "get .*/(files/{file_id}|(document|file)/get/.*)": _FILE,
    "get .*/ping": {"text/html": {}},
}
"""What operations (``verb path``) send besides the envelope: streams, files, and JSON of another form."""


def document(dialect: Dialect) -> Row:
    """All routes of a version that the engine serves, those too that only say that it cannot."""
    schemas: Row = {"Envelope": _ENVELOPE}
    paths: dict[str, Row] = {}
    for wanted, table in dialect.tables().items():
        for path, verbs in table.items():
            for verb, handler in verbs.items():
                operation = _operation(path, verb, handler, schemas) | {"security": _SECURITY[wanted]}
                paths.setdefault(path, {})[verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"RAGFlow {dialect.version}, as ragflow-integrations' local engine serves it",
            "version": dialect.version.removeprefix("v"),
        },
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _operation(path: str, verb: str, handler: Handler, schemas: Row) -> Row:
    models = accepted(handler)
    names = _IN_PATH.findall(path)
    parameters = [
        {"in": "path", "name": name, "required": True, "schema": {"type": "string"}} for name in names
    ]
    operation: Row = {
        "operationId": re.sub(r"\W+", "_", f"{verb.lower()}{path}").strip("_"),
        "summary": _summary(handler),
        "parameters": parameters + (_query(models.query, schemas) if models.query else []),
        "responses": _responses(f"{verb.lower()} {path}"),
    }
    if verb in _WITH_BODY:
        operation["requestBody"] = _body(models.body, names, schemas)
    return operation


def _summary(handler: Handler) -> str:
    """The first line of a handler's docstring, without the route that it begins with."""
    line = (handler.__doc__ or "").strip().partition("\n")[0]
    return re.sub(r"^``[A-Z]+ .*?``(?: and ``[^`]*``)*:? ?", "", line)


def _responses(operation: str) -> Row:
    envelope: Row = {"application/json": {"schema": {"$ref": "#/components/schemas/Envelope"}}}
    content = envelope.copy()
    for pattern, besides in _BESIDES.items():
        content |= besides if re.fullmatch(pattern, operation) else {}
    return {
        "200": {"description": "Success, or an error whose `code` is not 0.", "content": content},
        "default": {
            "description": "An error of the request itself: no key, no such path.",
            "content": envelope,
        },
    }


def _query(model: type[BaseModel], schemas: Row) -> list[Row]:
    schema = _schema(model, schemas)
    required = schema.get("required", ())
    return [
        {"in": "query", "name": name, "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _body(model: type[BaseModel] | None, names: list[str], schemas: Row) -> Row:
    schema: Row = {"type": "object"}
    if model is not None:
        whole = _schema(model, schemas)
        inside = {name: each for name, each in whole["properties"].items() if name not in names}
        needed = [name for name in whole.get("required", ()) if name in inside]
        schemas[model.__name__] = {**whole, "properties": inside, "required": needed}
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"required": model is not None, "content": {"application/json": {"schema": schema}}}


def _schema(model: type[BaseModel], schemas: Row) -> Row:
    """The model's schema; what it refers to is put among ``schemas``."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs", {})
    return schema
