"""The component that may look things up, or hand work to agents of its own, before it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..models import Calling, Reasoning, Tool, ToolCall, Turn, result_of
from ..problems import Problem, Refused
from . import checks
from .component import Row
from .generation import CITE, LLM, Asked
from .problems import AgentFailed, Stopped
from .references import as_text
from .search import Retrieval

__all__ = ["Agent"]

_AT_ONCE = 8  # calls of one answer that are made
_SEARCH = ("search", "search_my_dateset")  # ours, and what RAGFlow's editor writes down for every search
_ORDER = {
    "user_prompt": "what to do",
    "reasoning": "why this agent is asked, and what is expected of it",
    "context": "all that it has to know for it: what has been said and found so far",
}


@dataclass(frozen=True)
class _Bound:
    """A tool, what a call of it does with its arguments, and the component that does it."""

    tool: Tool
    call: Callable[[Mapping[str, str]], str]
    component: Retrieval | Agent


class Agent(LLM):
    """A language model with tools: Retrieval, and further agents, to which it gives orders.

    Without a language model the question itself is searched for.
    """

    name = "Agent"
    defaults: ClassVar[Row] = {
        **LLM.defaults,
        "tools": [],
        "mcp": [],
        "max_rounds": 5,
        "function_name": "agent",
    }
    _tools: Sequence[_Bound] = ()

    @classmethod
    def check(cls, params: Row) -> None:
        super().check(params)
        checks.natural(params["max_rounds"], "[Agent] Max rounds")

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        self.equip()
        super().invoke(inputs)

    def equip(self) -> None:
        """Make its tools, and theirs; ``Refused`` for those that the engine does not have."""
        if self.params["mcp"]:
            raise Refused("the local engine does not have MCP tools of Agent; a RAGFlow server has them")
        tools: dict[str, _Bound] = {}
        checks.rows(self.params["tools"] or [], f"the tools of {self.id}")
        checks.natural(self.params["max_rounds"], "[Agent] Max rounds")
        for node in self.params["tools"] or ():
            bound = self._bound(node, tools)
            tools[bound.tool.name] = bound
        self._tools = list(tools.values())

    def quoted(self, question: str) -> Iterator[str]:
        for search in self._searches():
            search.found(question)
        return super().quoted(question)

    def model_says(self, asked: Asked) -> Iterator[str]:
        if not self._tools:
            yield from super().model_says(asked)
            return
        turns: Sequence[Turn] = asked
        calling = Calling(self.llm())
        for left in range(self.params["max_rounds"], -1, -1):
            tools = [each.tool for each in self._tools]
            answer = calling.chat(turns, tools, may_call=left > 0, **self.settings())
            called = None
            for delta in self.counted(turns, answer):
                if isinstance(delta, str):
                    yield delta
                else:
                    called = delta
            if called is None:
                return
            turns = [*turns, called, *self._results(called.calls if left else ())]
        raise AgentFailed(
            f"the agent component {self.id} has not answered in {self.params['max_rounds']} rounds"
        )

    def ordered(self, arguments: Mapping[str, str]) -> str:
        """What it answers to another agent's order, whose words are taken as they are."""
        order = arguments["user_prompt"]
        about = [
            f"{key.capitalize()}:\n{arguments[key]}" for key in ("reasoning", "context") if arguments[key]
        ]
        text = "\n\n".join([*about, f"Task:\n{order}"]) if about else order
        asked = self.conversation([{"role": "user", "content": text}])
        return "".join(each for each in self.answer_to(asked, order) if not isinstance(each, Reasoning))

    def _searches(self) -> Iterator[Retrieval]:
        for each in self._tools:
            if isinstance(each.component, Agent):
                yield from each.component._searches()
            else:
                yield each.component

    def _results(self, calls: Sequence[ToolCall]) -> Iterator[Turn]:
        tools = {each.tool.name: each for each in self._tools}
        for number, call in enumerate(calls):
            late = f"not done: no more than {_AT_ONCE} calls at once"
            said = self._result(call, tools) if number < _AT_ONCE else late
            cite = CITE if self.params["cite"] and self.canvas.reference["chunks"] else ""
            yield result_of(call, said + cite)

    def _result(self, call: ToolCall, tools: Mapping[str, _Bound]) -> str:
        """What a call has brought, or what is wrong with it, for the model to read."""
        bound = tools.get(call.name)
        if bound is None:
            return f"there is no tool {call.name!r}; there are: {', '.join(tools)}"
        parameters = bound.tool.parameters
        given = {name: as_text((call.arguments or {}).get(name)) for name in parameters}
        if not given[next(iter(parameters))].strip():
            return f"{call.name} needs a JSON object with {', '.join(parameters)}"
        try:
            return bound.call(given) or "nothing was found"
        except (Refused, Stopped):
            raise  # the author has asked for what is not here, or nobody waits any more
        except Problem as error:
            return f"{call.name} failed: {error}"

    def _bound(self, node: Row, taken: Collection[str]) -> _Bound:
        kind, params = node.get("component_name"), node.get("params") or {}
        checks.rows([params], f"`params` of the tools of {self.id}")
        about = str(params.get("description") or "")
        if kind == Retrieval.name:
            search = Retrieval(self.canvas, f"{self.id}-->{len(taken)}", {"obj": node})
            Retrieval.check(search.params)
            wanted = str(params.get("function_name") or _SEARCH[0])
            name = _free(_SEARCH[0] if wanted in _SEARCH else wanted, taken)
            tool = Tool(name, about or "searches the user's documents", {"query": "words to look for"})
            return _Bound(tool, lambda arguments: search.found(arguments["query"]), search)
        if kind == Agent.name:
            name = _free(str(node.get("name") or "agent"), taken)
            agent = Agent(self.canvas, f"{self.id}-->{name}", {"obj": node})
            self.canvas.host.models.llm(agent.params["llm_id"])  # an unknown one is said before anything else
            agent.equip()
            return _Bound(
                Tool(name, about or "an agent for a part of the work", _ORDER), agent.ordered, agent
            )
        raise Refused(
            f"the local engine does not have the tool {kind} of Agent ({self.id}); a RAGFlow server has it"
        )


def _free(wanted: str, taken: Collection[str]) -> str:
    """A name that models can write, unlike those that are taken."""
    name = re.sub(r"[^a-zA-Z0-9_-]+", "_", wanted).strip("_")[:60] or "tool"
    names = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 2))]
    return next(each for each in names if each not in taken)
