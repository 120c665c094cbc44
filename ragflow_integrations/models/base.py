"""The base of every model: RAGFlow's own field names, and whatever else the server sends."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")

__all__ = ["Model", "Page", "spelled"]

_BUILDING = threading.RLock()


class Model(BaseModel):
    """An object as the server sent it; fields this library does not know stay readable as attributes.

    A null where a field has a plain default is that default: servers send it for what was never set. So is
    ``{}`` for a list, as servers write an empty one.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=(), defer_build=True)

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the validator: when it is first needed, since a program uses a few of the models only.

        By one thread at a time, which older versions of pydantic do not see to.
        """
        with _BUILDING:
            return super().model_rebuild(**{**options, "_parent_namespace_depth": 0})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        place: Any = schema
        while "schema" in place and place["type"] != "model-fields":
            place = place["schema"]
        for name, field in place.get("fields", {}).items():
            if field["schema"]["type"] == "default" and field["schema"]["schema"]["type"] != "nullable":
                field["schema"]["schema"] = cls._null_as_default(name, field["schema"]["schema"])
        return schema

    @classmethod
    def _null_as_default(cls, name: str, schema: CoreSchema) -> CoreSchema:
        """As a union, which the validator decides without calling Python for what is not null."""

        def default(_: object) -> Any:
            return cls.model_fields[name].get_default(call_default_factory=True)

        absent: list[CoreSchema] = [core_schema.none_schema()]
        if schema["type"] == "list":
            absent.append(core_schema.dict_schema(max_length=0))
        unnamed = ""  # for the place that an error names
        choices = [core_schema.no_info_after_validator_function(default, each) for each in absent]
        return core_schema.union_schema(
            [(each, unnamed) for each in (schema, *choices)], mode="left_to_right"
        )


class Page(list[T]):
    """One page of a listing: a plain list that also knows ``total``, the number on all pages.

    ``total`` is ``None`` where the server does not tell, or tells no number.
    """

    _following: list[T] | None = None  # what is on later pages, where that was read along

    def __init__(self, items: list[T], total: Any = None) -> None:
        super().__init__(items)
        self.total: int | None = total if type(total) is int else None


def spelled(*names: str, default: Any = None) -> Any:
    """A field that the wire spells in several ways, the model's own name first."""
    alias = AliasChoices(*names)
    if default == []:  # made anew for each object, which costs less than copying it deeply
        return Field(default_factory=list, validation_alias=alias)
    return Field(default=default, validation_alias=alias)
