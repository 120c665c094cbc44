"""What can be wrong with an agent."""

from __future__ import annotations

from ..problems import Problem, Refused

__all__ = ["WRONG_KINDS", "AgentFailed", "NotRunnable", "Stopped", "WrongParameter"]


class NotRunnable(Refused):
    """The DSL describes no canvas: a part of it is missing or of another kind."""


class WrongParameter(Refused):
    """A component's parameter has a value that it cannot have."""


WRONG_KINDS = (TypeError, AttributeError, LookupError, ValueError)
"""What Python says where a part of a DSL is of another kind than a component takes."""


class AgentFailed(Problem):
    """A component failed while the agent ran."""


class Stopped(AgentFailed):
    """Nobody waits for the turn any more."""
