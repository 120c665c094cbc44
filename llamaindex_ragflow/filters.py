"""LlamaIndex's metadata filters on RAGFlow's documents, exactly as LlamaIndex itself reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from ragflow_integrations import ConfigurationError, InvalidRequestError, UnsupportedError

from .nodes import OF_CHUNKS, OF_DOCUMENTS

__all__ = ["ExactFilter", "judge_of", "narrowed"]

Judge = Callable[[Mapping[str, Any]], bool]

_COMBINED: dict[FilterCondition, Callable[[Iterable[bool]], bool]] = {
    FilterCondition.AND: all,
    FilterCondition.OR: any,
    FilterCondition.NOT: lambda fitting: not any(fitting),
}
_PLAIN = re.compile(r"[A-Za-z](?:[\w ./-]{0,98}\w)?", re.ASCII)
_FIELD = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_LITERALS = {"none", "true", "false"}  # what servers take for something else than text
_EXACT_WHOLE = 2**53


class ExactFilter:
    """A filter whose groups may be nested; each condition is judged by LlamaIndex's own function.

    Raises ``ConfigurationError`` for a field that is a chunk's and not its document's.
    """

    def __init__(self, filters: MetadataFilters) -> None:
        self._judge = judge_of(filters)
        for each in _conditions(filters):
            _check_field(each.key)
        self._filters = filters

    @property
    def lets_all_through(self) -> bool:
        """Whether it has no condition."""
        return not self._filters.filters

    def fits(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a document does, by what its nodes' metadata say of it.

        Raises ``InvalidRequestError`` for values that LlamaIndex does not compare, e.g. a number with a text.
        """
        return self._judge(metadata)

    def as_condition(self) -> dict[str, Any] | None:
        """A ``metadata_condition`` that leaves out nothing that fits; ``None`` if servers have none.

        It may let more through: upper and lower case are the same to servers, and so are 5 and "5".
        """
        condition = self._filters.condition or FilterCondition.AND
        if condition == FilterCondition.NOT:
            return None
        conditions = [_as_condition(each) for each in self._filters.filters]
        known = [each for each in conditions if each is not None]
        return {"logic": condition.value, "conditions": known} if len(known) == len(conditions) else None


def narrowed(filters: MetadataFilters | None, more: MetadataFilters) -> MetadataFilters:
    """What both let through."""
    return more if filters is None else MetadataFilters(filters=[filters, more])


def judge_of(filters: MetadataFilters) -> Judge:
    """Whether metadata fit, whatever they are of; otherwise as ``ExactFilter.fits``."""
    if not isinstance(filters, MetadataFilters):
        raise ConfigurationError(f"filters={filters!r}: give a MetadataFilters of llama_index.core")
    return _group(filters)


def _conditions(filters: MetadataFilters) -> Iterator[MetadataFilter]:
    for each in filters.filters:
        if isinstance(each, MetadataFilters):
            yield from _conditions(each)
        else:
            yield each


def _check_field(key: str) -> None:
    if key in OF_CHUNKS:
        raise ConfigurationError(
            f"filters: {key!r} is of a chunk, and filters choose documents; give a field of the documents' metadata, "
            "or document_id, document_name, file_name or dataset_id"
        )


def _group(filters: MetadataFilters) -> Judge:
    """As LlamaIndex: all parts are judged, also if the first decides; a group without parts fits everything."""
    parts = [
        _group(each) if isinstance(each, MetadataFilters) else _condition(each) for each in filters.filters
    ]
    combined = _COMBINED[filters.condition or FilterCondition.AND]
    return lambda metadata: not parts or combined([judge(metadata) for judge in parts])


def _condition(condition: MetadataFilter) -> Judge:
    # what LlamaIndex takes for a node's id is only handed to this function, which may as well be given the metadata
    judge: Any = build_metadata_filter_fn(lambda metadata: metadata, MetadataFilters(filters=[condition]))  # type: ignore[arg-type, return-value]

    def checked(metadata: Mapping[str, Any]) -> bool:
        try:
            return bool(judge(metadata))
        except (TypeError, AttributeError) as error:  # llama-index-core 0.14.0 asks a number for its lower()
            raise InvalidRequestError(_told(condition, metadata)) from error
        except ValueError as error:
            raise UnsupportedError(f"filters: this version of llama-index-core says: {error}") from error

    return checked


def _told(condition: MetadataFilter, metadata: Mapping[str, Any]) -> str:
    return (
        f"filters: {condition.key} {condition.operator.value} {condition.value!r}: LlamaIndex does not compare it with "
        f"{metadata.get(condition.key)!r}, which the document {metadata.get('document_name')!r} has there; "
        "give a value of that kind, or correct the document's metadata"
    )


def _as_condition(condition: MetadataFilter | MetadataFilters) -> dict[str, Any] | None:
    """What each of the servers' search engines surely reads so that nothing is left out.

    Left out would be: numbers in a field that held whole numbers first (v0.27 on Elasticsearch cuts their fractions),
    dates there, ``in`` with capitals (Infinity), a missing field where a value must not be.
    """
    if isinstance(condition, MetadataFilters) or condition.key in OF_DOCUMENTS:
        return None
    if not _FIELD.fullmatch(condition.key):  # engines read dots and quotes as parts of a path
        return None
    value, said = condition.value, {"name": condition.key}
    match condition.operator:
        case FilterOperator.EQ if _is_plain(value) or (_is_whole(value) and value not in (0, 1)):
            return {**said, "comparison_operator": "=", "value": value}
        case FilterOperator.IN if isinstance(value, list) and value and all(map(_is_plain_and_lower, value)):
            return {**said, "comparison_operator": "in", "value": value}
        case FilterOperator.GTE if (
            _is_whole(value) and value > 1
        ):  # 0 and 1 are false and true, to LlamaIndex
            return {**said, "comparison_operator": "≥", "value": value}
    return None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and bool(_PLAIN.fullmatch(value)) and value.lower() not in _LITERALS


def _is_plain_and_lower(value: Any) -> bool:
    return _is_plain(value) and value == value.lower()


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and abs(value) < _EXACT_WHOLE
