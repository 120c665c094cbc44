"""The exceptions: the tree as it is drawn, and errors that travel."""

from __future__ import annotations

import copy
import pickle

import pytest

from ragflow_integrations import APIError, ParseFailedError, RAGFlowError, StreamInterruptedError, errors


def drawn() -> dict[str, str]:
    """Each class's parent by the drawing in the module's text."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = words.split()[0] if words.strip() else ""
        if name in errors.__all__:
            depth = len(words) - len(words.lstrip())
            path = [step for step in path if step[0] < depth]
            parents[name] = path[-1][1] if path else "Exception"
            path.append((depth, name))
    return parents


def test_the_tree_is_as_drawn() -> None:
    """Every exception is in the drawing, below the class it derives from."""
    assert sorted(drawn()) == sorted(errors.__all__)
    for name, parent in drawn().items():
        bases = [base.__name__ for base in getattr(errors, name).__bases__]
        assert bases[0] == parent


SAMPLES: list[RAGFlowError] = [
    *(getattr(errors, name)("what went wrong") for name in errors.__all__ if name != "ParseFailedError"),
    APIError("m", code=102, status_code=200, method="GET", path="/x", data={"a": [1]}),
    ParseFailedError([("a.txt", "empty")], [("id", "FAIL", 0, 0)]),
    StreamInterruptedError("broke off", "Hello"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_travel(error: RAGFlowError) -> None:
    """Pickled to another process or copied, an error is the same in type, text and attributes."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (APIError("m"), "m"),
        (APIError("m", code=102), "m (code 102)"),
        (APIError("m", code=0, status_code=200, method="GET", path="/x"), "m (code 0, GET /x)"),
        (APIError("m", status_code=502, method="GET", path="/x"), "m (HTTP 502, GET /x)"),
        (
            ParseFailedError([("a.txt", "empty"), ("b.md", "blank")]),
            "2 document(s) could not be parsed: a.txt: empty; b.md: blank",
        ),
    ],
)
def test_text(error: RAGFlowError, text: str) -> None:
    """The message, then what is known of the answer and the request."""
    assert str(error) == text
