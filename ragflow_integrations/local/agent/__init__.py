"""Runs agents: a canvas of components, which hand their outputs on and tell what they do as events."""

from __future__ import annotations

from .canvas import Canvas, Host
from .components import check_components
from .problems import AgentFailed, NotRunnable
from .run import Event, Question, run

__all__ = ["AgentFailed", "Canvas", "Event", "Host", "NotRunnable", "Question", "check_components", "run"]
