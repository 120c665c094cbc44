"""The settings of a dataset that have limits, checked before they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidRequestError
from .checks import check_choice, check_number, check_object, check_text

__all__ = ["CHUNK_METHODS", "checked_parser_config", "checked_settings"]

CHUNK_METHODS = (
    "naive", "book", "email", "laws", "manual", "one", "paper", "picture", "presentation", "qa", "table", "tag",
    "resume",
)  # fmt: skip
_NAME = 128
_LONG_TEXT = 65535
_IMAGES = ("data:image/png;base64,", "data:image/jpeg;base64,")
_OWN_MODEL = "BAAI/bge-large-zh-v1.5@BAAI"  # what the reference names as default: the server's own is meant
_NUMBERS: dict[str, tuple[float, float | None, bool]] = {  # least, most, whole
    "auto_keywords": (0, 32, True),
    "auto_questions": (0, 10, True),
    "chunk_token_num": (1, 2048, True),
    "filename_embd_weight": (0, 1, False),
    "task_page_size": (1, None, True),
    "topn_tags": (1, 10, True),
}
_RAPTOR_NUMBERS: dict[str, tuple[float, float | None, bool]] = {
    "max_cluster": (1, 1024, True),
    "max_token": (1, 2048, True),
    "random_seed": (0, None, True),
    "threshold": (0, 1, False),
    "clustering_threshold": (0, 1, False),
}


def checked_settings(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset's fields as they may be sent; fields not named here are left to the server to judge."""
    sent = dict(fields)
    if "name" in sent:
        _check_name(sent["name"])
    if sent.get("embedding_model") == _OWN_MODEL:
        del sent["embedding_model"]
    for name in ("avatar", "description"):
        _check_length(name, sent.get(name), _LONG_TEXT)
    _check_length("embedding_model", sent.get("embedding_model"), 255)
    if sent.get("avatar") and not sent["avatar"].startswith(_IMAGES):
        raise InvalidRequestError(
            f"avatar={sent['avatar'][:40]!r}: give a picture as '{_IMAGES[0]}…' or '{_IMAGES[1]}…'"
        )
    if "permission" in sent:
        check_choice("permission", sent["permission"], ("me", "team"))
    if "chunk_method" in sent:
        check_choice("chunk_method", sent["chunk_method"], CHUNK_METHODS)
    if "pagerank" in sent:
        check_number("pagerank", sent["pagerank"], 0, 100, whole=True)
    _check_pipeline(sent)
    if sent.get("parser_config") is not None:
        sent["parser_config"] = checked_parser_config(sent["parser_config"])
    return sent


def checked_parser_config(config: Any) -> dict[str, Any]:
    """A parser configuration as it may be sent.

    ``layout_recognize`` is a text; ``True`` and ``False``, as the reference has it, mean ``DeepDOC`` and
    ``Plain Text``.
    """
    sent = check_object("parser_config", config, "{'chunk_token_num': 256}")
    _check_numbers("parser_config", sent, _NUMBERS)
    if isinstance(sent.get("raptor"), Mapping):
        _check_numbers("parser_config.raptor", sent["raptor"], _RAPTOR_NUMBERS)
    if sent.get("delimiter") == "":
        raise InvalidRequestError("parser_config.delimiter='': give at least one character")
    if isinstance(sent.get("layout_recognize"), bool):
        sent["layout_recognize"] = "DeepDOC" if sent["layout_recognize"] else "Plain Text"
    return sent


def _check_numbers(
    where: str, given: Mapping[str, Any], limits: Mapping[str, tuple[float, float | None, bool]]
) -> None:
    for name, (least, most, whole) in limits.items():
        if given.get(name) is not None:
            check_number(f"{where}.{name}", given[name], least, most, whole=whole)


def _check_name(name: Any) -> None:
    size = len(check_text("name", name).encode())
    if size > _NAME:
        raise InvalidRequestError(
            f"name={name[:20] + '…'!r}: give at most {_NAME} bytes of UTF-8 (these are {size})"
        )


def _check_length(name: str, value: Any, most: int) -> None:
    if value is None:
        return
    if len(check_text(name, value, empty=True)) > most:
        raise InvalidRequestError(f"{name}={value[:20] + '…'!r}: give at most {most} characters")


def _check_pipeline(fields: Mapping[str, Any]) -> None:
    """A pipeline takes the place of a chunk method, and needs to be told how to parse."""
    pipeline, kind = fields.get("pipeline_id"), fields.get("parse_type")
    if kind is not None:
        check_number("parse_type", kind, 0, 64, whole=True)
    if pipeline is None:
        return
    if not isinstance(pipeline, str) or len(pipeline) != 32:
        raise InvalidRequestError(f"pipeline_id={pipeline!r}: give the id of a pipeline, 32 characters")
    if kind is None or fields.get("chunk_method") is not None:
        raise InvalidRequestError("pipeline_id: give parse_type with it, and no chunk_method")
