"""What a caller sets on a chat assistant, in either spelling, as the server's version takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidRequestError
from ..models import Model
from ..models.chat_settings import in_server_names
from .checks import check_flag, check_ids, check_number, check_object, check_text
from .versions import Since, Version

__all__ = ["checked", "for_version"]

_DOCUMENT = ("avatar", "llm", "prompt")
_SERVER = (
    *("icon", "llm_id", "tenant_llm_id", "llm_setting", "prompt_config", "similarity_threshold"),
    *("vector_similarity_weight", "top_n", "top_k", "rerank_id", "tenant_rerank_id"),
)
_EITHER = ("name", "description", "language", "dataset_ids", "prompt_type", "do_refer", "meta_data_filter")
_OBJECTS = ("llm", "prompt", "llm_setting", "prompt_config", "meta_data_filter")
_TEXTS = ("avatar", "icon", "description", "llm_id", "rerank_id")
_FRACTIONS = ("similarity_threshold", "vector_similarity_weight", "keywords_similarity_weight")
_EXAMPLES = {"llm": "Chat.LLM(temperature=0.1)", "prompt": "Chat.Prompt(top_n=6)"}
_LONGEST_NAME = 255


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the names of servers since v0.25; raises ``InvalidRequestError`` for a wrong one."""
    _check_names(given)
    plain = {name: _plain(name, value) for name, value in given.items()}
    _check_numbers(plain)
    fields = in_server_names(plain)
    _check_variables(fields.get("prompt_config", {}).get("parameters"))
    if "name" in fields:
        _check_name(fields["name"])
    if "dataset_ids" in fields:  # servers take null for none
        fields["dataset_ids"] = check_ids("dataset_ids", fields["dataset_ids"], empty=True)
    return fields


def for_version(fields: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """The body that a server of this version reads.

    v0.24 takes ``prompt_config`` and the numbers as they are. It must not see ``prompt``, whose
    ``keywords_similarity_weight`` it stores as the weight of the vectors; of ``llm`` it checks the name.
    """
    if version >= Since.CHAT_SETTINGS:
        return dict(fields)
    body = {name: value for name, value in fields.items() if name not in ("icon", "llm_id", "llm_setting")}
    if "icon" in fields:
        body["avatar"] = fields["icon"]
    llm = dict(fields.get("llm_setting") or {})
    if "llm_id" in fields:
        llm["model_name"] = fields["llm_id"]
    return {**body, "llm": llm} if llm else body


def _check_names(given: Mapping[str, Any]) -> None:
    unknown = [name for name in given if name not in (*_DOCUMENT, *_SERVER, *_EITHER)]
    if unknown:
        raise InvalidRequestError(
            f"{unknown[0]}={given[unknown[0]]!r}: a chat has no setting of this name that can be changed; "
            f"there are {', '.join(sorted((*_SERVER, *_EITHER)))}"
        )
    old, new = ([name for name in names if name in given] for names in (_DOCUMENT, _SERVER))
    if old and new:
        raise InvalidRequestError(
            f"{old[0]}= and {new[0]}= are two spellings of a chat's settings: give either avatar, llm and prompt, "
            "or icon, llm_id, llm_setting, prompt_config and the numbers beside them"
        )


def _plain(name: str, value: Any) -> Any:
    """Objects as dicts; what is ``None`` inside ``Chat.LLM`` and ``Chat.Prompt`` is left as it is."""
    if name in ("llm", "prompt") and isinstance(value, Model):
        return value.model_dump(exclude_none=True)
    if name in _OBJECTS:
        return check_object(name, value, _EXAMPLES.get(name, ""))
    return value if name not in _TEXTS or value is None else check_text(name, value, empty=True)


def _check_name(name: Any) -> None:
    size = len(check_text("name", name).encode("utf-8", "surrogatepass"))
    if size > _LONGEST_NAME:
        raise InvalidRequestError(
            f"name={name!r}: it has {size} bytes, a chat's name at most {_LONGEST_NAME}"
        )


def _check_numbers(given: Mapping[str, Any]) -> None:
    numbers = {**given, **given.get("prompt", {})}
    for name in numbers.keys() & set(_FRACTIONS):
        check_number(name, numbers[name], 0, 1)
    for name in numbers.keys() & {"top_n", "top_k"}:
        check_number(name, numbers[name], 1, whole=True)


def _check_variables(variables: Any) -> None:
    """Servers take one without ``optional``, and fail when they are asked."""
    if variables is None:
        return
    if not isinstance(variables, list) or not all(isinstance(each, Mapping) for each in variables):
        raise InvalidRequestError(f"variables={variables!r}: give a list of {{'key', 'optional'}}")
    for each in variables:
        check_text("the key of a variable", each.get("key"))
        check_flag(f"optional of the variable {each['key']}", each.get("optional"))
