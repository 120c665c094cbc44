"""The public surface: complete, documented, and the same for the sync and the async client."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ragflow_integrations as package
from tools.unasync import RENAMES

TWINS = [name for name in package.__all__ if f"Async{name}" in package.__all__]


def test_all() -> None:
    """``__all__`` is sorted, has each name once, and is what ``dir`` and a star import give."""
    assert package.__all__ == sorted(set(package.__all__))
    assert dir(package) == package.__all__
    namespace: dict[str, Any] = {}
    exec("from ragflow_integrations import *", namespace)  # noqa: S102 - a star import is not allowed in a function
    assert sorted(namespace.keys() - {"__builtins__"}) == package.__all__


def test_type_checkers_see_the_same_names() -> None:
    """What is loaded lazily is imported for type checkers, name by name."""
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    typed = {alias.name: node.module for node in imports for alias in node.names}
    assert sorted(typed) == package.__all__
    for name, module in typed.items():
        home = inspect.getmodule(getattr(package, name))
        assert home is not None
        assert home.__name__.startswith(f"{package.__name__}.{module}"), name


def test_an_unknown_name() -> None:
    """It is an ``AttributeError`` as from any module."""
    with pytest.raises(AttributeError, match="module 'ragflow_integrations' has no attribute 'Nothing'"):
        package.Nothing  # noqa: B018


def own_members(kind: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that this library defines, inherited ones too."""
    for base in kind.__mro__:
        if base.__module__.startswith(package.__name__):
            for name, member in vars(base).items():
                function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                if not name.startswith("_") and (
                    inspect.isfunction(function) or isinstance(function, property)
                ):
                    yield name, function


@pytest.mark.parametrize("name", package.__all__)
def test_everything_is_documented(name: str) -> None:
    """Each public class says what it is; each of its methods and properties what it does for the caller."""
    kind = getattr(package, name)
    assert vars(kind).get("__doc__"), name
    assert [
        f"{name}.{each}" for each, member in own_members(kind) if not (member.__doc__ or "").strip()
    ] == []


def surface(kind: type) -> dict[str, list[tuple[str, Any, Any]] | str]:
    """Each public member with its parameters, by the sync client's names."""
    return {
        RENAMES.get(name, name): "property" if isinstance(member, property) else parameters(member)
        for name, member in own_members(kind)
    }


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", TWINS)
def test_twins_are_equal(name: str) -> None:
    """The same members with the same parameters and defaults; nothing of the sync one is awaited."""
    sync = getattr(package, name)
    assert surface(sync) == surface(getattr(package, f"Async{name}"))
    assert [method for method, member in own_members(sync) if inspect.iscoroutinefunction(member)] == []


def test_there_are_twins() -> None:
    """The pairs above are found, and what talks to the server is awaited, or iterated over, in one of each."""
    assert TWINS == [
        "Agent",
        "AgentSession",
        "Chat",
        "Chunk",
        "DataSet",
        "Document",
        "Memory",
        "RAGFlow",
        "Search",
        "Session",
        "StoredAgentMessage",
        "StoredMessage",
        "Stream",
    ]
    awaited = {
        name
        for name, member in own_members(package.AsyncRAGFlow)
        if inspect.iscoroutinefunction(member) or name.startswith("iter_")
    }
    plain = {name for name, _ in own_members(package.AsyncRAGFlow)} - awaited
    assert plain == {
        "agent",
        "agent_session",
        "as_async",
        "as_sync",
        "base_url",
        "chat",
        "chunk",
        "fingerprint",
        "local",
        "scope",
        "scoped",
        "session",
        "with_options",
    }
