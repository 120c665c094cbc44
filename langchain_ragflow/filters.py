"""Filters on the metadata of documents, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from ragflow_integrations import Scope

__all__ = ["RAGFlowCondition", "RAGFlowFilter"]

Operator = Literal[
    "is", "=", "not is", "!=", "≠", ">", "<", ">=", "≥", "<=", "≤",
    "contains", "not contains", "in", "not in", "start with", "end with",
]  # fmt: skip
Value = str | int | float | list[str | int | float]


class RAGFlowCondition(BaseModel):
    """One comparison of a metadata field.

    ``value`` is a text or a number, for ``in`` and ``not in`` a list of these; for ``>``, ``<``, ``≥`` and ``≤`` a
    number or a date (``YYYY-MM-DD``). Upper and lower case are the same. A document without the field never
    fits, not even ``not is``; of a field with several values one is enough.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    comparison_operator: Operator
    value: Value

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._scope  # noqa: B018 - what it is made of is checked in making it
        return self

    @cached_property
    def _scope(self) -> Scope:
        """The client's own reading of conditions."""
        return Scope(metadata={"conditions": [self.model_dump()]})

    def fits(self, meta_fields: Mapping[str, Any] | None) -> bool:
        """Whether a document with this metadata does."""
        return self._scope.has_document("", meta_fields)


def _kind(part: Any) -> str:
    """So that an error is told of what was meant."""
    nested = "conditions" in part if isinstance(part, Mapping) else isinstance(part, RAGFlowFilter)
    return "filter" if nested else "condition"


class RAGFlowFilter(BaseModel):
    """Which documents to search: conditions on their metadata that must all fit, or (``"or"``) one of them.

        recent = RAGFlowFilter.where("year", "≥", 2025)
        ours = RAGFlowFilter.where("team", "in", ["crew", "board"])
        retriever.invoke("How many days of leave?", filter=recent & ours)

    The same as a dict: ``{"logic": "and", "conditions": [{"name": "year", "comparison_operator": "≥", "value":
    2025}, …]}``, and instead of a condition there may be another filter. Raises pydantic's ``ValidationError`` for
    an unknown operator, a value that it cannot compare and no condition at all. ``empty`` and ``not empty`` are
    not taken: servers differ on them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    logic: Literal["and", "or"] = "and"
    conditions: list[
        Annotated[
            Annotated[RAGFlowCondition, Tag("condition")] | Annotated[RAGFlowFilter, Tag("filter")],
            Discriminator(_kind),
        ]
    ] = Field(min_length=1)

    @classmethod
    def where(cls, name: str, comparison_operator: Operator, value: Value) -> Self:
        """A filter of one condition."""
        return cls(
            conditions=[RAGFlowCondition(name=name, comparison_operator=comparison_operator, value=value)]
        )

    def __and__(self, other: RAGFlowFilter) -> RAGFlowFilter:
        """What fits both."""
        return self._joined("and", other)

    def __or__(self, other: RAGFlowFilter) -> RAGFlowFilter:
        """What fits one of them."""
        return self._joined("or", other)

    def _joined(self, logic: Literal["and", "or"], other: RAGFlowFilter) -> RAGFlowFilter:
        if not isinstance(other, RAGFlowFilter):
            return NotImplemented
        parts = [part for each in (self, other) for part in each._parts(logic)]
        return RAGFlowFilter(logic=logic, conditions=parts)

    def _parts(self, logic: str) -> list[RAGFlowCondition | RAGFlowFilter]:
        """Its conditions if they can stand beside others that are joined in this way, else itself."""
        return [*self.conditions] if self.logic == logic or len(self.conditions) == 1 else [self]

    def fits(self, meta_fields: Mapping[str, Any] | None) -> bool:
        """Whether a document with this metadata does."""
        combined = any if self.logic == "or" else all
        return combined(each.fits(meta_fields) for each in self.conditions)

    def as_condition(self) -> dict[str, Any] | None:
        """As servers read it, a ``metadata_condition``; ``None`` for filters in filters, which they cannot read."""
        if any(isinstance(each, RAGFlowFilter) for each in self.conditions):
            return None
        return self.model_dump()
