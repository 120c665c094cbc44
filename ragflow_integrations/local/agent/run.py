"""One turn of an agent: its components one after another, and what they do as RAGFlow's events.

Components run in waves: those that follow on the last wave, in their order. A text that goes into a Message is made
while the message is sent, so such a component is finished after it. A UserFillUp ends the turn until the user has
answered; the canvas keeps where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..fields import new_id
from ..problems import Problem
from .canvas import Canvas
from .component import END_OF_THINKING, START_OF_THINKING, Component
from .dialogue import Message, UserFillUp
from .loops import Container, Round
from .order import is_early
from .problems import WRONG_KINDS, AgentFailed

__all__ = ["Event", "Question", "run"]

Event = dict[str, Any]

_log = logging.getLogger(__name__)
_MOST = 1000  # components in a turn; what goes in a circle ends
_MARKS = {START_OF_THINKING: "start_to_think", END_OF_THINKING: "end_to_think"}


@dataclass(frozen=True)
class Question:
    """What the user says in a turn: a text (``query``), and the fields of a form (``inputs``)."""

    query: Any = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    user_id: str = ""


def run(canvas: Canvas, question: Question) -> Iterator[Event]:
    """The events of a turn: ``{"event", "message_id", "created_at", "task_id", "data"}``.

    Raises ``AgentFailed``, in the middle, if a component fails that has no way out of its own.
    """
    try:
        yield from _Turn(canvas, question).events()
    except WRONG_KINDS:
        _log.exception("the agent %s failed", canvas.agent_id)
        raise AgentFailed("the agent cannot be run: a part of its DSL is of the wrong kind") from None


class _Turn:
    def __init__(self, canvas: Canvas, question: Question) -> None:
        self._canvas, self._question = canvas, question
        self._message_id, self._at = new_id(), int(time.time())
        self._begun = time.perf_counter()
        self._streaming: list[Component] = []

    def events(self) -> Iterator[Event]:
        canvas = self._canvas
        resumed = bool(canvas.path) and type(canvas.components.get(canvas.path[0])) is UserFillUp
        self._prepare(resumed=resumed)
        if not resumed:
            yield self._event("workflow_started", {"inputs": self._question.inputs})
        done = 0
        while done < len(canvas.path):
            yield from self._wave(done)
            done = self._done
            if (asked := self._asked(done)) is not None:
                yield self._event("user_inputs", asked)
                return
        yield self._event("workflow_finished", self._result())
        canvas.answer(canvas.component(canvas.path[-1]).outputs())
        if resumed:
            canvas.path.insert(0, "begin")  # it does not wait for the form any more

    def _prepare(self, *, resumed: bool) -> None:
        canvas, question = self._canvas, self._question
        if question.query or not resumed:
            canvas.ask(question.query)
            canvas.globals["sys.query"] = question.query
        if question.user_id:
            canvas.globals["sys.user_id"] = question.user_id
        canvas.globals["sys.conversation_turns"] = (canvas.globals["sys.conversation_turns"] or 0) + 1
        if not resumed:
            canvas.start_over()
        for identifier in canvas.path if resumed else canvas.components:
            canvas.component(identifier).reset()

    def _wave(self, done: int) -> Iterator[Event]:
        """Run what has come onto the path; what has to wait for others leaves it, since they will lead there."""
        canvas = self._canvas
        canvas.check_going()
        wave = canvas.path[done:]
        canvas.path[done:] = [each for each in wave if not is_early(canvas, each, wave, canvas.path[:done])]
        self._done = len(canvas.path)
        components = [canvas.component(each) for each in canvas.path[done:]]
        for component in components:
            yield self._event("node_started", self._start(component))
        for component in components:
            self._invoke(component)
        for component in components:
            yield from self._finish(component)

    def _invoke(self, component: Component) -> None:
        begun = time.perf_counter()
        component.begin_anew()
        component.set_output("_created_time", begun)
        try:
            component.invoke(self._question.inputs if isinstance(component, UserFillUp) else {})
        except Exception as error:  # noqa: BLE001 - a component's failure may have a way out
            self._note(component, error)
        component.set_output("_elapsed_time", time.perf_counter() - begun)

    def _note(self, component: Component, error: Exception) -> None:
        said = str(error)
        if not isinstance(error, Problem):
            _log.exception("the agent component %s failed", component.id)
            wrong = "a setting, or what it refers to, is of the wrong kind"
            why = wrong if isinstance(error, WRONG_KINDS) else type(error).__name__
            said = f"the agent component {component.id} cannot be run: {why}"
        component.pending = None
        if component.fallback:
            component.set_output("content", component.fallback)
            component.set_output("result", component.fallback)
        else:
            component.set_output("_ERROR", said)

    def _finish(self, component: Component) -> Iterator[Event]:
        if isinstance(component, Message):
            yield from self._said(component)
        if component.pending is not None:
            self._streaming.append(component)
        elif component.error or not isinstance(component, Container):
            yield self._event("node_finished", self._end(component))
        if isinstance(component, Round) and not component.error and component.ends:
            yield self._event("node_finished", self._end(component.container))
        if component.error and not component.way_out:
            raise AgentFailed(component.error)
        for following in component.following():
            if following not in self._canvas.path[self._done :]:
                self._canvas.path.append(following)
            if len(self._canvas.path) > _MOST:
                raise AgentFailed(f"the agent has run {_MOST} components, which is the most in a turn")

    def _said(self, message: Message) -> Iterator[Event]:
        """A message, piece by piece if it may be, and the ends of the components whose texts it has sent."""
        try:
            for piece in message.deltas() if message.params["stream"] else [message.output("content")]:
                mark = _MARKS.get(piece)
                yield self._event("message", {"content": "", mark: True} if mark else {"content": piece})
        except Exception as error:  # noqa: BLE001 - what the model says is made here
            self._note(message, error)
        reference, status = self._canvas.reference, message.params.get("status")
        end = {"status": status} if status else {}
        yield self._event("message_end", end | ({"reference": reference} if reference["chunks"] else {}))
        for each in [each for each in self._streaming if each.pending is None]:
            self._streaming.remove(each)
            yield self._event("node_finished", self._end(each))

    def _asked(self, done: int) -> Event | None:
        """The form that comes next, if there is one; the run goes on from it when it is filled in."""
        canvas = self._canvas
        forms = [each for each in map(canvas.component, canvas.path[done:]) if type(each) is UserFillUp]
        inputs: Event = {}
        for form in forms:
            form.reset()
            form.invoke({})
            inputs |= form.asked()
        if not inputs:
            return None
        first = [form.id for form in forms]
        canvas.path = [*first, *(each for each in canvas.path[done:] if each not in first)]
        return {"inputs": inputs, "tips": forms[-1].output("tips")}

    def _start(self, component: Component) -> Event:
        times = {"inputs": None, "created_at": int(time.time())}
        return {**times, **self._named(component), "thoughts": component.thoughts()}

    def _end(self, component: Component) -> Event:
        created = component.output("_created_time") or self._begun  # what is inside an Iteration forgets it
        return {
            "inputs": component.input_values(),
            "outputs": component.outputs(),
            **self._named(component),
            "error": component.error,
            "elapsed_time": time.perf_counter() - created,
            "created_at": created,
        }

    def _result(self) -> Event:
        return {
            "inputs": self._question.inputs,
            "outputs": self._canvas.component(self._canvas.path[-1]).outputs(),
            "elapsed_time": time.perf_counter() - self._begun,
            "created_at": self._begun,
            "usage": self._canvas.usage,
        }

    def _named(self, component: Component) -> Event:
        title = self._canvas.title_of(component.id)
        return {"component_id": component.id, "component_name": title, "component_type": component.name}

    def _event(self, name: str, data: Event) -> Event:
        told = {"message_id": self._message_id, "created_at": self._at, "task_id": self._canvas.task_id}
        return {"event": name, **told, "data": data}
