"""Components that a language model answers for: alone, or as an agent that may look things up first."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

from ..answer import answer
from ..chats import EMPTY_RESPONSE
from ..models import Reasoning
from ..problems import Refused
from ..tokens import count_tokens
from . import checks
from .component import END_OF_THINKING, START_OF_THINKING, Component, Row
from .problems import AgentFailed
from .search import Retrieval

__all__ = ["LLM", "Agent"]

Asked = list[dict[str, str]]

_CITE = (
    "\n\nEnd each sentence that draws on one of the excerpts with its ID, as in [ID:0], or [ID:0] [ID:2] for two."
    " Cite nothing else."
)
_SETTINGS = {
    "temperature": "temperatureEnabled",
    "top_p": "topPEnabled",
    "presence_penalty": "presencePenaltyEnabled",
    "frequency_penalty": "frequencyPenaltyEnabled",
    "max_tokens": "maxTokensEnabled",
}


class LLM(Component):
    """Answers its prompts. Without a language model it quotes what was found before it, with citations."""

    name = "LLM"
    defaults: ClassVar[Row] = {
        "llm_id": "",
        "sys_prompt": "",
        "prompts": [{"role": "user", "content": "{sys.query}"}],
        "max_tokens": 0,
        "temperature": 0,
        "top_p": 0,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "output_structure": None,
        "cite": True,
        "visual_files_var": None,
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.fraction(params["temperature"], "[Agent] Temperature")
        checks.fraction(params["presence_penalty"], "[Agent] Presence penalty")
        checks.fraction(params["frequency_penalty"], "[Agent] Frequency penalty")
        checks.fraction(params["top_p"], "[Agent] Top P")
        checks.filled(params["llm_id"], "[Agent] LLM")
        checks.filled(params["prompts"], "[Agent] User prompt")
        checks.natural(params.get("max_retries", 0), "[Agent] Max retries")

    def texts(self) -> Sequence[str]:
        return [self.params["sys_prompt"] or "", *(each["content"] for each in self._prompts())]

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        if self._schema() is not None:
            self.set_output("structured", self._structured())
            return
        self.pending = self._answer()
        if not self._feeds_a_message():
            self.output("content")

    def thoughts(self) -> str:
        self.canvas.host.models.llm(self.params["llm_id"])  # an unknown one is said before anything else
        return f"Thinking about: {self.canvas.filled(self._prompts()[-1]['content'])}"

    def answered(self, asked: Asked, feature: str) -> str:
        """The whole answer of the language model, without its thoughts."""
        self.canvas.host.models.needed_llm(feature, self.params["llm_id"])
        return "".join(each for each in self.model_says(asked) if not isinstance(each, Reasoning))

    def model_says(self, asked: Asked) -> Iterator[str]:
        """The deltas of the language model, which are counted."""
        llm = self.canvas.host.models.needed_llm(f"the agent component {self.id}", self.params["llm_id"])
        usage, said = self.canvas.usage, ""
        for delta in llm.chat(asked, **self._settings()):
            said += delta
            yield delta
        usage["calls"] += 1
        usage["prompt_tokens"] += sum(count_tokens(each["content"]) for each in asked)
        usage["completion_tokens"] += count_tokens(said)
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

    def conversation(self) -> Asked:
        """What the model is given: its instruction, the turns before, its prompts with their variables filled in."""
        prompts = [{**each, "content": self.filled(each["content"])} for each in self._prompts()]
        turns = self.canvas.messages(self.params["message_history_window_size"])
        if turns and turns[-1]["role"] == prompts[0]["role"]:
            turns.pop()
        system = self.filled(self.params["sys_prompt"] or "")
        if self.params["cite"] and self.canvas.reference["chunks"]:
            system += _CITE
        first = [{"role": "system", "content": system}] if system else []
        return [*first, *turns, *prompts]

    def quoted(self, question: str) -> Iterator[str]:
        """Sentences of what was found; ``Refused`` if nothing was looked for, since that takes a language model."""
        chunks = [each["content"] for each in self.canvas.reference["chunks"].values()]
        if not self.canvas.searched:
            self.canvas.host.models.needed_llm(f"the agent component {self.id}", self.params["llm_id"])
        sentences = answer(question, chunks, cite=bool(self.params["cite"]))
        first = next(sentences, None)
        return chain([EMPTY_RESPONSE] if first is None else [first], sentences)

    def _answer(self) -> Iterator[str]:
        asked = self.conversation()
        if self.canvas.host.models.llm(self.params["llm_id"]) is None:
            return self.quoted(self.canvas.text_of("sys.query") or asked[-1]["content"])
        return marked(self.model_says(asked))

    def _structured(self) -> Any:
        form = json.dumps(self._schema(), ensure_ascii=False)
        task = f"Answer with one JSON value of this schema and nothing else:\n{form}"
        asked = [{"role": "system", "content": task}, *self.conversation()]
        for _ in range(self.params["max_retries"] + 1):
            said = self.answered(asked, f"the structured output of {self.id}")
            start, end = said.find("{"), said.rfind("}")
            try:
                return json.loads(said[start : end + 1])
            except ValueError:
                continue
        raise AgentFailed("The answer cannot be parsed as JSON")

    def _schema(self) -> Row | None:
        declared = self.params["outputs"].get("structured")
        return declared if isinstance(declared, dict) and declared.get("properties") else None

    def _prompts(self) -> Asked:
        prompts = self.params["prompts"]
        return [{"role": "user", "content": prompts}] if isinstance(prompts, str) else prompts

    def _settings(self) -> Row:
        return {
            name: self.params[name]
            for name, switch in _SETTINGS.items()
            if self.params.get(switch) and self.params.get(name)
        }

    def _feeds_a_message(self) -> bool:
        following = [self.canvas.components.get(each) for each in self.node.get("downstream") or ()]
        goes_elsewhere = self.params["exception_method"] and self.params["exception_goto"]
        return any(each is not None and each.name == "Message" for each in following) and not goes_elsewhere


class Agent(LLM):
    """A language model that may search with its Retrieval tools before it answers.

    It asks for a search by answering with ``{"search": …}``, so that any model can, whether it knows of tools or not.
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

    @classmethod
    def check(cls, params: Row) -> None:
        super().check(params)
        checks.natural(params["max_rounds"], "[Agent] Max rounds")

    def _answer(self) -> Iterator[str]:
        tools = self._tools()
        if not tools:
            return super()._answer()
        if self.canvas.host.models.llm(self.params["llm_id"]) is None:
            question = self.canvas.text_of("sys.query") or self.conversation()[-1]["content"]
            for tool in tools:
                tool.found(question)
            return self.quoted(question)
        return marked(self._searching(tools))

    def _searching(self, tools: Sequence[Retrieval]) -> Iterator[str]:
        asked = self.conversation()
        told = {"role": "system", "content": _HOW_TO_SEARCH}
        for round_ in range(self.params["max_rounds"] + 1):
            may_search = round_ < self.params["max_rounds"]
            said = self.model_says([told, *asked] if may_search else asked)
            query = yield from _spoken(said)
            if query is None:
                return
            found = "\n\n".join(filter(None, (tool.found(query) for tool in tools))) or "nothing was found"
            asked = [
                *asked,
                {"role": "assistant", "content": json.dumps({"search": query}, ensure_ascii=False)},
                {
                    "role": "user",
                    "content": f"Found for {query!r}:\n\n{found}{_CITE if self.params['cite'] else ''}",
                },
            ]
        raise AgentFailed(
            f"the agent component {self.id} has not answered in {self.params['max_rounds']} rounds"
        )

    def _tools(self) -> list[Retrieval]:
        if self.params["mcp"]:
            raise Refused("the local engine does not have MCP tools of Agent; a RAGFlow server has them")
        tools = []
        for number, each in enumerate(self.params["tools"]):
            name = each.get("component_name")
            if name != Retrieval.name:
                raise Refused(
                    f"the local engine does not have the tool {name} of Agent ({self.id}); a RAGFlow server has it"
                )
            tools.append(Retrieval(self.canvas, f"{self.id}-->{number}", {"obj": each}))
        return tools


_HOW_TO_SEARCH = (
    "You can search the user's documents. To search, answer with"
    ' {"search": "words to look for"} and nothing else; what is found comes back to you.'
    " When you know enough, answer the user in plain text."
)


def marked(deltas: Iterator[str]) -> Iterator[str]:
    """The deltas with marks around those of the model's thoughts."""
    thinking = False
    for delta in deltas:
        if isinstance(delta, Reasoning) != thinking:
            thinking = not thinking
            yield START_OF_THINKING if thinking else END_OF_THINKING
        yield str(delta)
    if thinking:
        yield END_OF_THINKING


def _spoken(deltas: Iterator[str]) -> Generator[str, None, str | None]:
    """Pass an answer on as it is made; one that asks for a search is held back, and the generator's value."""
    held = ""
    for delta in deltas:
        if isinstance(delta, Reasoning):
            yield delta
            continue
        held += delta
        if held.strip() and not "{".startswith(held.strip()[:1]):
            yield held
            yield from deltas
            return None
    query = _query_in(held)
    if query is None and held:
        yield held
    return query


def _query_in(text: str) -> str | None:
    try:
        asked = json.loads(text)
    except ValueError:
        return None
    query = asked.get("search") if isinstance(asked, dict) else None
    return query if isinstance(query, str) and query.strip() else None
