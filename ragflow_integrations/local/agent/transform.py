"""Components that make other values of values: of texts, of lists, of lists of objects."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..fields import given_json
from ..problems import Refused
from . import checks
from .component import Checked, Row
from .conditions import TEXT_TESTS
from .limits import joined
from .problems import AgentFailed
from .references import as_text, braced, names, replaced

__all__ = ["DataOperations", "ListOperations", "StringTransform"]

_LONGEST_LITERAL = 100_000  # characters; while Python reads one, nothing else runs


class StringTransform(Checked):
    """Splits a text into a list (``split``), or writes one with values of variables in it (``merge``)."""

    name = "StringTransform"
    defaults: ClassVar[Row] = {
        "method": "split",
        "script": "",
        "split_ref": "",
        "delimiters": [","],
        "outputs": {"result": {"value": "", "type": "string"}},
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.one_of(params["method"], "Support method", ["split", "merge"])
        checks.filled(params["delimiters"], "delimiters")
        checks.texts(params["delimiters"], "[StringTransform] delimiters")
        for name in ("split_ref", "script"):
            checks.text(params[name] or "", f"[StringTransform] {name}")

    def texts(self) -> Sequence[str]:
        splits = self.params["method"] == "split"
        return [braced(self.params["split_ref"]) if splits else str(self.params["script"] or "")]

    def form(self) -> Row:
        return (
            {"line": {"name": "String", "type": "line"}}
            if self.params["method"] == "split"
            else super().form()
        )

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        self.set_output("result", self._split() if self.params["method"] == "split" else self._merged())

    def thoughts(self) -> str:
        return f"Working on the text: {self.params['method']}"

    def _split(self) -> list[str]:
        name = self.params["split_ref"]
        text = self.canvas.value_of(name)
        if text is not None and not isinstance(text, str):
            raise AgentFailed(f"the input variable {name} is not a string but {type(text).__name__}")
        self.set_input(name, text)
        return re.split("|".join(map(re.escape, self.params["delimiters"])), text or "")

    def _merged(self) -> str:
        script = self.texts()[0]
        if "{%" in script:
            raise Refused("the local engine does not fill Jinja templates in; a RAGFlow server does")
        for name in names(script):
            self.set_input(name, self._joined(name))
        return replaced(script, self._joined)

    def _joined(self, name: str) -> str:
        value, between = self.canvas.value_of(name), self.params["delimiters"][0]
        if not isinstance(value, list):
            return as_text(value)
        pieces = (piece for each in value for piece in (between, str(each)))
        return joined(pieces, f"the text of {self.id}").removeprefix(between)


class ListOperations(Checked):
    """Picks from a list, sorts or thins it: ``result``, and of that the ``first`` and the ``last``."""

    name = "ListOperations"
    defaults: ClassVar[Row] = {
        "query": "",
        "operations": "nth",
        "n": 0,
        "strict": False,
        "sort_method": "asc",
        "sort_by": "",
        "filter": {"operator": "=", "value": ""},
        "outputs": {
            "result": {"value": [], "type": "Array of ?"},
            "first": {"value": "", "type": "?"},
            "last": {"value": "", "type": "?"},
        },
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.filled(params["query"], "query")
        checks.text(params["query"], "[ListOperations] query")
        checks.rows([params["filter"]], "[ListOperations] filter")
        checks.one_of(_operation(params), "Support operations", list(_LISTS))

    def texts(self) -> Sequence[str]:
        return [braced(self.params["query"])]

    def form(self) -> Row:
        return {}

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        name = self.params["query"]
        items = self.canvas.value_of(name)
        if not isinstance(items, list):
            raise AgentFailed(f"The input of List Operations should be an array: {name}")
        self.set_input(name, items)
        result = _LISTS[_operation(self.params)](items, self.params)
        self.set_output("result", result)
        self.set_output("first", result[0] if result else None)
        self.set_output("last", result[-1] if result else None)

    def thoughts(self) -> str:
        return f"Working on the list: {_operation(self.params)}"


def _operation(params: Row) -> str:
    """What to do; ``topN`` is what v0.24 calls ``head``."""
    name = str(params["operations"] or "").strip()
    return "head" if name.lower() == "topn" else name or "nth"


def _number(params: Row, low: int, high: int) -> int:
    """``n`` where it is within these; 0 for all others, which ``strict`` refuses."""
    try:
        number = int(params["n"])
    except (TypeError, ValueError):
        number = 0
    if number and low <= number <= high:
        return number
    if str(params["strict"]).strip().lower() in ("1", "true", "yes", "on"):
        operation = _operation(params)
        raise AgentFailed(
            f"{operation} requires n to be within the valid range in strict mode, got {number}."
        )
    return number if number > high and low > 0 else 0


def _nth(items: list[Any], params: Row) -> list[Any]:
    number = _number(params, -len(items), len(items))
    return [items[number - 1 if number > 0 else number]] if number else []


def _head(items: list[Any], params: Row) -> list[Any]:
    return items[: _number(params, 1, len(items))]


def _tail(items: list[Any], params: Row) -> list[Any]:
    number = _number(params, 1, len(items))
    return items[-number:] if number else []


def _filtered(items: list[Any], params: Row) -> list[Any]:
    return [each for each in items if _fits(each, params["filter"], as_text(params["filter"].get("value")))]


def _sorted(items: list[Any], params: Row) -> list[Any]:
    fields = [each.strip() for each in str(params["sort_by"] or "").split(",") if each.strip()]

    def key(item: Any) -> Any:
        return [item[each] for each in fields] if fields and isinstance(item, dict) else _hashable(item)

    try:
        return sorted(items, key=key, reverse=params["sort_method"] == "desc")
    except (TypeError, KeyError) as error:
        raise AgentFailed(f"the items of the list cannot be sorted: {error}") from None


def _distinct(items: list[Any], params: Row) -> list[Any]:
    first: dict[Any, Any] = {}
    for each in items:
        first.setdefault(_hashable(each), each)
    return list(first.values())


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((key, _hashable(each)) for key, each in value.items()))
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


_LISTS: Mapping[str, Callable[[list[Any], Row], list[Any]]] = {
    "nth": _nth,
    "head": _head,
    "tail": _tail,
    "filter": _filtered,
    "sort": _sorted,
    "drop_duplicates": _distinct,
}


class DataOperations(Checked):
    """Makes other objects of objects: those that its variables hold, alone or in lists."""

    name = "DataOperations"
    defaults: ClassVar[Row] = {
        "query": [],
        "operations": "literal_eval",
        "select_keys": [],
        "filter_values": [],
        "updates": [],
        "remove_keys": [],
        "rename_keys": [],
        "outputs": {"result": {"value": [], "type": "Array of Object"}},
    }

    @classmethod
    def check(cls, params: Row) -> None:
        operations = ["select_keys", "literal_eval", "combine", "filter_values"]
        operations += ["append_or_update", "remove_keys", "rename_keys"]
        checks.one_of(params["operations"], "Support operations", operations)
        for name in ("query", "select_keys", "remove_keys"):
            checks.texts(_as_list(params[name] or []), f"[DataOperations] {name}")
        for name in ("filter_values", "updates", "rename_keys"):
            checks.rows(params[name] or [], f"[DataOperations] {name}")

    def texts(self) -> Sequence[str]:
        return [braced(each) for each in self._names()]

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        objects = [each for name in self._names() for each in self._objects(name)]
        operations: Mapping[str, Callable[[], Any]] = {
            "literal_eval": lambda: _evaluated(objects),
            "combine": lambda: _combined(objects),
            "filter_values": lambda: [each for each in objects if self._fits(each)],
            "select_keys": lambda: [_kept(each, self.params["select_keys"]) for each in objects],
            "remove_keys": lambda: [
                _kept(each, set(each) - set(self.params["remove_keys"])) for each in objects
            ],
            "rename_keys": lambda: [self._renamed(each) for each in objects],
            "append_or_update": lambda: [each | self._updates() for each in objects],
        }
        self.set_output("result", operations[self.params["operations"]]())

    def thoughts(self) -> str:
        return f"Working on the data: {self.params['operations']}"

    def _names(self) -> list[str]:
        return _as_list(self.params["query"] or [])

    def _objects(self, name: str) -> list[Row]:
        value = self.canvas.value_of(name)
        self.set_input(name, value)
        return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]

    def _fits(self, held: Row) -> bool:
        return all(
            rule.get("key") in held and _fits(held[rule["key"]], rule, self._filled(rule.get("value")))
            for rule in self.params["filter_values"] or ()
        )

    def _filled(self, value: Any) -> str:
        return self.canvas.filled(as_text(value))

    def _updates(self) -> Row:
        given = [each for each in self.params["updates"] or () if str(each.get("key") or "").strip()]
        return {
            str(each["key"]).strip(): self._filled(value)
            if isinstance(value := each.get("value"), str)
            else value
            for each in given
        }

    def _renamed(self, held: Row) -> Row:
        renamed = dict(held)
        for each in self.params["rename_keys"] or ():
            old, new = (str(each.get(key) or "").strip() for key in ("old_key", "new_key"))
            if old in renamed and new and old != new:
                renamed[new] = renamed.pop(old)
        return renamed


def _kept(held: Row, keys: Any) -> Row:
    return {key: value for key, value in held.items() if key in keys}


def _fits(value: Any, rule: Row, other: str) -> bool:
    operator = str(rule.get("operator"))
    if operator not in TEXT_TESTS:
        raise AgentFailed(f"Not supported operator: {operator}")
    return TEXT_TESTS[operator]("" if value is None else str(value), other)


def _evaluated(value: Any) -> Any:
    """Values in place of the texts that are literals of Python."""
    if isinstance(value, dict):
        return {key: _evaluated(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_evaluated(each) for each in value]
    return _literal(value) if isinstance(value, str) else value


def _literal(text: str) -> Any:
    """The value that a text writes down as Python does, if JSON can hold it; any other text as it is."""
    plain = text.strip()
    looks = plain.startswith(("{", "[", "(", "'", '"')) or plain.replace(".", "").isdigit()
    if not looks and plain.lower() not in ("true", "false", "none"):
        return text
    if len(plain) > _LONGEST_LITERAL:
        raise AgentFailed(f"a literal has more than {_LONGEST_LITERAL} characters")
    try:
        return given_json(json.dumps(ast.literal_eval(plain)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _combined(objects: Sequence[Row]) -> Row:
    """One object of all; what several have under one key becomes a list."""
    result: Row = {}
    for key, value in ((key, value) for each in objects for key, value in each.items()):
        if key in result:
            result[key] = _as_list(result[key]) + _as_list(value)
        else:
            result[key] = value
    return result


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
