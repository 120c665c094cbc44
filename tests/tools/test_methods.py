"""The table of methods is what the code says, and nothing that speaks to a server is missing in it."""

from __future__ import annotations

import inspect

import pytest

import ragflow_integrations as package
from ragflow_integrations.protocol.versions import COMPOSED, OPERATIONS, Version, route
from tools import methods

NAMES = [*OPERATIONS, *COMPOSED]
CLASSES = sorted({name.partition(".")[0] for name in NAMES})


def test_the_page_is_current() -> None:
    """``python tools/methods.py`` has been run."""
    assert methods.PAGE.read_text("utf-8") == methods.page()


@pytest.mark.parametrize("owner", CLASSES)
def test_every_method_is_in_the_table(owner: str) -> None:
    """Each public method of the async class that asks the server is an operation of the table, or made of some."""
    kind = getattr(package, f"Async{owner}")
    waiting = {
        name
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_") and (inspect.iscoroutinefunction(value) or name.startswith("iter_"))
    }
    assert {f"{owner}.{name}" for name in waiting - {"aclose"}} == {
        name for name in NAMES if name.startswith(f"{owner}.")
    }


def test_classes_with_methods_are_in_the_table() -> None:
    """No public class that talks to a server is left out."""
    owners = {
        name.removeprefix("Async")
        for name in package.__all__
        if name.startswith("Async") and name != "AsyncStream"
    }
    assert owners == set(CLASSES)


def test_what_methods_are_made_of_exists() -> None:
    """A composed method names operations."""
    assert {part for parts in COMPOSED.values() for part in parts} <= set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_newest_first(operation: str) -> None:
    """So that the first route a server has is the one to take."""
    since = [each.since for each in OPERATIONS[operation]]
    assert since == sorted(since, reverse=True)
    assert route(operation, Version(0, 27)) is OPERATIONS[operation][0]
