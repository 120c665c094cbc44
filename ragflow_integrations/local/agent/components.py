"""The components that run here, by their names in the DSL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..problems import Refused
from ..store import Row
from .assigning import VariableAssigner
from .branches import Categorize, Switch, VariableAggregator
from .component import Component
from .dialogue import Begin, Message, UserFillUp
from .generation import LLM
from .loops import ExitLoop, Iteration, IterationItem, Loop, LoopItem
from .problems import WRONG_KINDS, NotRunnable, WrongParameter
from .search import Retrieval
from .transform import DataOperations, ListOperations, StringTransform
from .with_tools import Agent

if TYPE_CHECKING:
    from .canvas import Canvas

__all__ = ["check_components", "made"]

_KINDS: dict[str, type[Component]] = {
    kind.name: kind
    for kind in (
        *(Begin, UserFillUp, Message, LLM, Agent, Retrieval),
        *(Categorize, Switch, VariableAggregator, VariableAssigner),
        *(Iteration, IterationItem, Loop, LoopItem, ExitLoop),
        *(StringTransform, ListOperations, DataOperations),
    )
}


def made(canvas: Canvas, identifier: str, node: Row) -> Component:
    """The component that a node of the DSL describes; ``Refused`` if it does not run here."""
    name = _name_in(identifier, node)
    kind = _KINDS.get(name)
    if kind is None:
        raise Refused(
            f"the local engine does not have the agent component {name} ({identifier}); it runs"
            f" {', '.join(_KINDS)}; a RAGFlow server has them all"
        )
    try:
        return kind(canvas, identifier, node)
    except WRONG_KINDS:
        raise NotRunnable(f"a setting of the component {identifier} is of the wrong kind") from None


def check_components(dsl: Row) -> None:
    """Raise ``WrongParameter`` for what no component could be run with; what does not run here is passed over."""
    nodes = dsl.get("components")
    if not isinstance(nodes, dict):
        raise NotRunnable("the agent's DSL has no `components`")
    for identifier, node in nodes.items():
        kind = _KINDS.get(_name_in(identifier, node))
        if kind is None:
            continue
        try:
            kind.check({**kind.defaults, **(node["obj"].get("params") or {})})
        except WrongParameter as error:
            raise WrongParameter(f"{_title(dsl, identifier)}: {error}") from None
        except WRONG_KINDS:
            raise NotRunnable(f"a setting of the component {identifier} is of the wrong kind") from None


def _name_in(identifier: str, node: Row) -> str:
    try:
        return str(node["obj"]["component_name"])
    except (KeyError, TypeError):
        raise NotRunnable(f"the component {identifier} has no `obj` with a `component_name`") from None


def _title(dsl: Row, identifier: str) -> str:
    nodes = (dsl.get("graph") or {}).get("nodes") or ()
    return next((each["data"]["name"] for each in nodes if each.get("id") == identifier), "")
