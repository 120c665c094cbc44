"""``POST /chats_openai/{id}/chat/completions`` as v0.24 has it: a stream unless told otherwise, any ``model``."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..call import Call, Routes
from ..completions import required
from ..envelope import EXCEPTION, Fail, python_errors
from ..openai import Completion, answered, options, owned
from .completions import shown

__all__ = ["ROUTES", "complete"]

Row = dict[str, Any]


def complete(call: Call) -> Response:
    """Answer the last message; in a stream the model is called ``model``, whatever was sent."""
    given = required(call, "model", "messages")
    extra = options(given)
    messages = _messages(given["messages"])
    completion = Completion(owned(call), given["model"] or "", messages, extra, shown, streamed_as="model")
    return answered(call, completion, given, None, stream=bool(given.get("stream", True)))


def _messages(given: Any) -> list[Row]:
    with python_errors():
        if len(given) < 1:
            raise Fail("You have to provide messages.")
    if not isinstance(given, list) or not all(isinstance(each, dict) and "role" in each for each in given):
        raise Fail("`messages` should be a list of objects with `role` and `content`", EXCEPTION, data=None)
    if given[-1]["role"] != "user":
        raise Fail("The last content of this conversation is not from user.")
    if not all(isinstance(each.get("content"), str) for each in given):
        raise Fail("`content` of a message should be a string", EXCEPTION, data=None)
    return given


ROUTES: Routes = {"/chats_openai/{chat_id}/chat/completions": {"POST": complete}}
