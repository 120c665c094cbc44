"""``/chats`` as v0.24 has them: ``llm`` and ``prompt`` in its own words, lists without a count, PUT only.

``keywords_similarity_weight`` is kept as the vector's weight and shown as what is left of 1, as there. What is sent
under the names that all this has later (``llm_id``, ``llm_setting``, ``prompt_config``) is kept as it is: nobody
looks whether there is such a model, and a prompt there has the later names.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...problems import Refused, Taken
from ..call import COLUMNS, Call, Order, Routes, without_repeats
from ..chats import LONGEST_NAME, check_not_null, is_known, settings, text_or_null
from ..envelope import AUTHENTICATION, EXCEPTION, Fail, answered, python_errors
from .paging import ONE_ROW, page_of

__all__ = ["ROUTES", "delete", "deleted", "list_", "order_of", "owned"]

Row = dict[str, Any]

_SHOWN_AS = {"avatar": "icon", "show_quotation": "do_refer"}
_LATER = {  # what v0.24 calls it in a prompt
    "parameters": "variables",
    "prologue": "opener",
    "quote": "show_quote",
    "system": "prompt",
    "rerank_id": "rerank_model",
    "vector_similarity_weight": "keywords_similarity_weight",
}
_RETRIEVAL = ("similarity_threshold", "vector_similarity_weight", "top_n", "rerank_id", "top_k")
_NEW: Row = {
    "llm_setting": {
        "temperature": 0.1,
        "top_p": 0.3,
        "frequency_penalty": 0.7,
        "presence_penalty": 0.4,
        "max_tokens": 512,
    },
    "prompt_config": {},
    "similarity_threshold": 0.2,
}
_NEWER = ("tenant_llm_id", "tenant_rerank_id", "kb_names")
_COLUMNS = {
    *("name", "description", "icon", "avatar", "language", "prompt_type", "do_refer", "show_quotation"),
    *("llm", "llm_id", "llm_setting", "prompt", "prompt_config", "meta_data_filter", "dataset_ids", "kb_ids"),
    *_RETRIEVAL,
}
_DATASET = {  # what v0.24 calls it inside
    "chunk_count": "chunk_num",
    "document_count": "doc_num",
    "chunk_method": "parser_id",
    "embedding_model": "embd_id",
}
_DATASET_FIELDS = (
    *("avatar", "chunk_count", "create_date", "create_time", "created_by", "description", "document_count"),
    *("embedding_model", "graphrag_task_finish_at", "graphrag_task_id", "id", "language"),
    *("mindmap_task_finish_at", "mindmap_task_id", "name", "pagerank", "parser_config", "chunk_method"),
    *("permission", "pipeline_id", "raptor_task_finish_at", "raptor_task_id", "similarity_threshold"),
    *("status", "tenant_id", "token_num", "update_date", "update_time", "vector_similarity_weight"),
)


def create(call: Call) -> Response:
    """``POST /chats``."""
    given = call.json()
    with python_errors():
        wanted = [each for each in given.get("dataset_ids", []) if each]  # of a text each letter, as there
    dataset_ids = _dataset_ids(call, wanted)
    fields = {**_NEW, **_fields(call, {**given, "icon": given.get("avatar", "")}), "dataset_ids": dataset_ids}
    if not fields.get("llm_id"):
        fields.pop("llm_id", None)
    name = _name(given.get("name"), "`name` is required.")
    try:
        chat = call.engine.create_chat({**fields, "name": name}, check=lambda chat: _check_new(given, chat))
    except Taken:
        raise Fail("Duplicated chat name in creating chat.") from None
    row = _renamed(chat)
    del row["top_k"]
    return answered({**row, "dataset_ids": given.get("dataset_ids", [])})


def update(call: Call) -> Response:
    """``PUT /chats/{id}``: ``llm`` and ``prompt`` are laid over the old ones; no ``dataset_ids`` means none."""
    chat = owned(call, "You do not own the chat")
    given = call.json()
    dataset_ids = _dataset_ids(call, given["dataset_ids"]) if given.get("dataset_ids") else []
    fields = {**_fields(call, _under_their_columns(given)), "dataset_ids": dataset_ids}
    if "name" in given:
        fields["name"] = _name(given["name"], "`name` cannot be empty.")
        with python_errors():
            given["name"].lower()
    _check_columns(given)
    check_not_null(fields)
    check = _check_variables if "prompt_config" in fields else None
    try:
        call.engine.update_chat(chat["id"], fields, merged=("prompt_config", "llm_setting"), check=check)
    except Taken:
        raise Fail("Duplicated chat name in updating chat.") from None
    return answered()


def list_(call: Call) -> Response:
    """``GET /chats``: a list; an unknown id or name is an error."""
    identifier, name = call.query.get("id") or None, call.query.get("name") or None
    if (identifier or name) and not call.engine.list_chats(**ONE_ROW, id=identifier, name=name)[1]:
        raise Fail("The chat doesn't exist")
    page, order = page_of(call), order_of(call, "Dialog")
    rows, _ = call.engine.list_chats(**order, **page, id=identifier, name=name)
    return answered([{**_renamed(row), "datasets": _datasets(call, row)} for row in rows])


def delete(call: Call) -> Response:
    """``DELETE /chats``: without ids all of them."""
    ids = call.json().get("ids")
    if not ids:
        call.engine.delete_chats(None)
        return answered()
    wanted, repeats = without_repeats(ids, "assistant")
    known = [each for each in wanted if call.engine.get_chat(each) is not None]
    unknown = [f"Assistant({each}) not found." for each in wanted if each not in known]
    return deleted(call.engine.delete_chats(known) if known else 0, unknown or repeats)


def deleted(count: int, errors: list[str]) -> Response:
    """The answer to a deletion: what went, and what was wrong with the rest."""
    if errors and not count:
        raise Fail("; ".join(errors))
    return answered({"success_count": count, "errors": errors}) if errors else answered()


def owned(call: Call, otherwise: str) -> Row:
    """The chat of the path; ``Fail`` 102 if there is none."""
    chat = call.engine.get_chat(call.path["chat_id"])
    if chat is None:
        raise Fail(otherwise)
    return chat


def order_of(call: Call, table: str) -> Order:
    """``orderby`` and ``desc`` of a list; ``Fail`` 100 for an unknown field."""
    orderby = call.sorted_by(table, COLUMNS | {"name": "name"})
    return {"orderby": orderby, "desc": call.query.get("desc") not in ("False", "false")}


def _dataset_ids(call: Call, given: Any) -> list[str]:
    with python_errors():
        ids = list(given)
    for each in ids:
        if not isinstance(each, str):
            raise Fail(f"You don't own the dataset {each}")
    try:
        call.engine.check_chat_datasets(ids)
    except Refused as refused:
        if "embedding models" in str(refused):
            raise Fail('Datasets use different embedding models."', AUTHENTICATION) from None
        raise
    return ids


def _fields(call: Call, given: Row) -> Row:
    """The settings among ``given`` under their later names, checked in v0.24's order."""
    fields: Row = {}
    if given.get("llm_setting") is not None:
        fields["llm_setting"] = _object(given, "llm_setting")
    if given.get("llm"):
        llm = _object(given, "llm")
        fields["llm_setting"] = {key: value for key, value in llm.items() if key != "model_name"}
        if llm.get("model_name") is not None:
            _check_llm(call, llm["model_name"], llm)
        given = {**given, "llm_id": llm["model_name"]} if "model_name" in llm else given
    if given.get("prompt"):
        fields["prompt_config"], outside = _prompt(_object(given, "prompt"))
        given = {**given, **outside}
    elif "prompt_config" in given:
        fields["prompt_config"] = _object(given, "prompt_config")
    if given.get("rerank_id") and not is_known(call, "rerank", given["rerank_id"]):
        raise Fail(f"`rerank_model` {given['rerank_id']} doesn't exist")
    fields |= {name: text_or_null(given[name]) for name in ("llm_id", "rerank_id") if name in given}
    return fields | settings(given)


def _under_their_columns(given: Row) -> Row:
    """What a change names as it is shown, under the names that it has in the table."""
    return {**given, **{column: given[name] for name, column in _SHOWN_AS.items() if name in given}}


def _object(given: Row, name: str) -> Row:
    value = given[name]
    if not isinstance(value, dict):
        raise Fail(f"`{name}` should be an object, got {value!r}", EXCEPTION, data=None)
    return value


def _check_llm(call: Call, name: Any, settings: Row) -> None:
    with python_errors():
        name.split("@")
    if not name or settings.get("model_type") == "image2text" or not is_known(call, "chat", name):
        raise Fail(f"`model_name` {name} doesn't exist")


def _prompt(given: Row) -> tuple[Row, Row]:
    """What stays inside a prompt, and the settings of retrieval that v0.24 has there."""
    config = dict(given)
    for later, name in _LATER.items():
        if name in config:
            config[later] = config.pop(name)
    return config, {name: config.pop(name) for name in _RETRIEVAL if name in config}


def _name(name: Any, otherwise: str) -> str:
    if not name:
        raise Fail(otherwise)
    return str(name)[:LONGEST_NAME]


def _check_new(given: Row, chat: Row) -> None:
    if given.get("tenant_id"):
        raise Fail("`tenant_id` must not be provided.")
    _check_variables(chat)
    check_not_null(chat)


def _check_variables(chat: Row) -> None:
    config = chat["prompt_config"]
    with python_errors():
        needed = [each["key"] for each in config["parameters"] if not each["optional"]]
        unused = [key for key in needed if config["system"].find(f"{{{key}}}") < 0]
    if unused:
        raise Fail(f"Parameter '{unused[0]}' is not used")


def _check_columns(given: Row) -> None:
    if given.get("tenant_id"):
        raise Fail("`tenant_id` must not be provided.")
    unknown = [key for key in given if key not in _COLUMNS]
    unknown += [key for key in ("llm", "prompt") if key in given and not given[key]]
    if unknown:
        raise Fail(f"ValueError('Unrecognized field name: \"{unknown[0]}\"')", EXCEPTION, data=None)


def _renamed(chat: Row) -> Row:
    """A chat as v0.24 shows it, without its datasets."""
    row = {key: value for key, value in chat.items() if key not in (*_NEWER, "dataset_ids")}
    config = row.pop("prompt_config")
    prompt = {key: value for key, value in config.items() if key not in _LATER}
    prompt |= {name: config[later] for later, name in _LATER.items() if later in config}
    weight = row.pop("vector_similarity_weight")
    prompt |= {
        "similarity_threshold": row.pop("similarity_threshold"),
        "keywords_similarity_weight": 1 - weight,
        "top_n": row.pop("top_n"),
        "rerank_model": row.pop("rerank_id"),
    }
    llm = {**(row.pop("llm_setting") or {}), "model_name": row.pop("llm_id")}
    return {"avatar": row.pop("icon"), "llm": llm, "prompt": prompt, **row}


def _datasets(call: Call, chat: Row) -> list[Row]:
    found = [call.engine.get_dataset(each) for each in chat["dataset_ids"]]
    return [{_DATASET.get(key, key): row[key] for key in _DATASET_FIELDS} for row in found if row]


ROUTES: Routes = {
    "/chats": {"POST": create, "GET": list_, "DELETE": delete},
    "/chats/{chat_id}": {"PUT": update},
}
