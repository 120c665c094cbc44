"""The component that gives variables other values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from . import checks
from .component import Checked, Row
from .problems import AgentFailed
from .references import braced

__all__ = ["VariableAssigner"]

_ALONE = ("clear", "remove_first", "remove_last")
_BY_NAME = ("overwrite", "append", "extend")


class VariableAssigner(Checked):
    """Sets, extends, shortens and reckons with variables, one after another."""

    name = "VariableAssigner"
    defaults: ClassVar[Row] = {"variables": []}

    @classmethod
    def check(cls, params: Row) -> None:
        checks.rows(params["variables"], "[VariableAssigner] variables")

    def texts(self) -> Sequence[str]:
        given = (
            each.get("parameter") for each in self.params["variables"] if each.get("operator") in _BY_NAME
        )
        return [braced(each) for each in given if isinstance(each, str)]

    def form(self) -> Row:
        return {"items": {"type": "json", "name": "Items"}}

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        for each in self.params["variables"]:
            variable, operator = each.get("variable"), each.get("operator")
            if not variable or not operator or (operator not in _ALONE and each.get("parameter") is None):
                raise AgentFailed("Variable is not complete.")
            if operator not in _OPERATORS:
                raise AgentFailed(f"Not supported operator: {operator}")
            value = self.canvas.value_of(variable)
            try:
                new = _OPERATORS[operator](value, self._parameter(operator, each.get("parameter")))
            except (TypeError, ValueError, ArithmeticError) as error:
                raise AgentFailed(
                    f"the variable {variable} cannot be changed by {operator}: {error}"
                ) from None
            self.canvas.set_value(variable, new)

    def thoughts(self) -> str:
        return "Noting this down."

    def _parameter(self, operator: str, given: Any) -> Any:
        if operator in _BY_NAME:
            return self.canvas.value_of(given)
        return self.canvas.filled(given) if operator == "set" and isinstance(given, str) else given


def _list(value: Any, like: Sequence[Any] = ()) -> list[Any]:
    """A list whose items are of the kind of the first of another."""
    if value is not None and not isinstance(value, list):
        raise TypeError(f"it should be a list, and is {type(value).__name__}")
    if like and value and not isinstance(value[0], type(like[0])):
        raise TypeError(f"an item of {type(like[0]).__name__} is wanted, and {type(value[0]).__name__} given")
    return list(value or ())


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"it should be a number, and is {type(value).__name__}")
    return value


def _finite(value: int | float) -> int | float:
    if not math.isfinite(value):  # OverflowError for a whole number that is too large
        raise OverflowError("the number is too large")
    return value


def _extended(value: Any, more: Any) -> list[Any]:
    items = _list(value)
    return items + _list(more, like=items)


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "overwrite": lambda value, given: given,
    "set": lambda value, given: given,
    "clear": lambda value, given: None if value is None else type(value)(),
    "append": lambda value, given: _extended(value, [given]),
    "extend": _extended,
    "remove_first": lambda value, given: _list(value)[1:],
    "remove_last": lambda value, given: _list(value)[:-1],
    "+=": lambda value, given: _finite(_number(value) + _number(given)),
    "-=": lambda value, given: _finite(_number(value) - _number(given)),
    "*=": lambda value, given: _finite(_number(value) * _number(given)),
    "/=": lambda value, given: _finite(_number(value) / _number(given)),
}
