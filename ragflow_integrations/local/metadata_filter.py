"""A chat's ``meta_data_filter``: which documents may answer, by fixed conditions or by those a model reads out of
the question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .fields import given_json
from .metadata import Condition, Filter, matching, summary
from .models import LLM
from .wording import asked_of

__all__ = ["chosen", "wanted"]

_MOST = 20  # values of a field that the model is shown
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_PROMPT = (
    "Documents have these fields, with values like these:\n{fields}\n\nWhich conditions on them does the question "
    'below state? Answer with JSON alone: {{"logic": "and" or "or", "conditions": [{{"key": field, "op": one of '
    '= ≠ > < ≥ ≤ contains "not contains" in "not in" "start with" "end with", "value": text}}]}}, with an empty '
    "list if it states none.\n\n{question}"
)


def wanted(given: Mapping[str, Any] | None) -> list[str]:
    """What a filter is set to that takes a model."""
    by_model = (given or {}).get("method") in ("auto", "semi_auto")
    return ["`meta_data_filter`"] if by_model else []


def chosen(
    given: Mapping[str, Any],
    held: Mapping[str, Mapping[str, Any]],
    question: str,
    llm: LLM | None,
    document_ids: Sequence[str] | None,
) -> Sequence[str] | None:
    """The documents that may answer, of ``document_ids``; None for all.

    ``held`` is the metadata of the documents. ``method`` is ``manual`` with ``manual`` (a list of ``key op value``)
    and ``logic``, ``auto``, or ``semi_auto`` with the names of the fields; any other does not narrow. If the model
    reads no conditions out of the question, or such that nothing fits, they do not count.
    """
    if given.get("method") == "manual":
        conditions = _conditions(given.get("manual"))
        return (
            matching(held, Filter(conditions, str(given.get("logic") or "and")))
            if conditions
            else document_ids
        )
    if given.get("method") not in ("auto", "semi_auto") or llm is None or not held:
        return document_ids
    fields = _names(given.get("semi_auto")) if given["method"] == "semi_auto" else None
    return matching(held, _stated(llm, question, held, fields)) or document_ids


def _stated(
    llm: LLM, question: str, held: Mapping[str, Mapping[str, Any]], fields: Sequence[str] | None
) -> Filter:
    """The conditions that a model reads out of the question."""
    values = {
        name: [text for text, _ in found["values"][:_MOST]]
        for name, found in summary(held.values()).items()
        if fields is None or name in fields
    }
    lines = "\n".join(f"- {name}: {', '.join(texts)}" for name, texts in values.items())
    said = _OBJECT.search(asked_of(llm, _PROMPT.format(fields=lines, question=question), temperature=0))
    try:
        read = given_json(said[0]) if said else {}
    except ValueError:
        read = {}
    conditions = [each for each in _conditions(read.get("conditions")) if each.name in values]
    return Filter(conditions, "or" if read.get("logic") == "or" else "and")


def _conditions(given: Any) -> list[Condition]:
    """RAGFlow's spelling of conditions; what is none is passed over."""
    found = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    return [
        Condition(str(each["key"]), str(each.get("op", "=")), each.get("value", ""))
        for each in found
        if "key" in each
    ]


def _names(given: Any) -> list[str]:
    listed = given if isinstance(given, list) else []
    return [str(each.get("key")) if isinstance(each, dict) else str(each) for each in listed]
