"""The component that a language model answers for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, TypeVar

from .. import models
from ..answer import answer
from ..chats import EMPTY_RESPONSE
from ..fields import given_json
from ..fitting import newest_within, room_for
from ..models import Reasoning, ToolCalls, Turn
from ..tokens import count_tokens
from . import checks
from .component import END_OF_THINKING, START_OF_THINKING, Component, Row
from .limits import check_length
from .problems import AgentFailed

__all__ = ["CITE", "LLM", "Asked"]

Asked = list[dict[str, str]]
Delta = TypeVar("Delta", bound=str | ToolCalls)

_MOST_CALLS = 500  # of language models in a turn; agents that keep ordering one another about end

CITE = (
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

    def llm(self) -> models.LLM:
        """Its language model."""
        return self.canvas.host.models.needed_llm(f"the agent component {self.id}", self.params["llm_id"])

    def model_says(self, asked: Asked) -> Iterator[str]:
        """The deltas of the language model, which are counted."""
        yield from self.counted(asked, self.llm().chat(asked, **self.settings()))

    def counted(self, asked: Sequence[Turn], deltas: Iterator[Delta]) -> Iterator[Delta]:
        """The deltas of one answer, which counts as one call of the turn."""
        usage, said = self.canvas.usage, ""
        if usage["calls"] >= _MOST_CALLS:
            raise AgentFailed(
                f"the agent has asked language models {_MOST_CALLS} times, which is the most in a turn"
            )
        usage["calls"] += 1
        self.canvas.check_going()
        for delta in deltas:
            self.canvas.check_going()
            said += delta if isinstance(delta, str) else _written(delta)
            check_length(said, f"an answer to {self.id}")
            if delta:
                yield delta
        usage["prompt_tokens"] += sum(
            count_tokens(_written(each) if isinstance(each, ToolCalls) else each["content"]) for each in asked
        )
        usage["completion_tokens"] += count_tokens(said)
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

    def conversation(self, prompts: Asked | None = None) -> Asked:
        """What the model is given: its instruction, the turns before, and ``prompts``.

        Its own prompts are taken if there are none, with their variables filled in.
        """
        if prompts is None:
            prompts = [{**each, "content": self.filled(each["content"])} for each in self._prompts()]
        turns = self.canvas.messages(self.params["message_history_window_size"])
        if turns and turns[-1]["role"] == prompts[0]["role"]:
            turns.pop()
        system = self.filled(self.params["sys_prompt"] or "")
        if self.params["cite"] and self.canvas.reference["chunks"]:
            system += CITE
        first = [{"role": "system", "content": system}] if system else []
        llm = self.canvas.host.models.llm(self.params["llm_id"])
        room = room_for(llm, system, *(each["content"] for each in prompts))
        return [*first, *newest_within(room, turns), *prompts]

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
        return marked(self.answer_to(asked, self.canvas.text_of("sys.query") or asked[-1]["content"]))

    def answer_to(self, asked: Asked, question: str) -> Iterator[str]:
        """What the model says, or without one what is quoted."""
        if self.canvas.host.models.llm(self.params["llm_id"]) is None:
            return self.quoted(question)
        return self.model_says(asked)

    def _structured(self) -> Any:
        form = json.dumps(self._schema(), ensure_ascii=False)
        task = f"Answer with one JSON value of this schema and nothing else:\n{form}"
        asked = [{"role": "system", "content": task}, *self.conversation()]
        for _ in range(self.params["max_retries"] + 1):
            said = self.answered(asked, f"the structured output of {self.id}")
            start, end = said.find("{"), said.rfind("}")
            try:
                return given_json(said[start : end + 1])
            except ValueError:
                continue
        raise AgentFailed("The answer cannot be parsed as JSON")

    def _schema(self) -> Row | None:
        declared = self.params["outputs"].get("structured")
        return declared if isinstance(declared, dict) and declared.get("properties") else None

    def _prompts(self) -> Asked:
        prompts = self.params["prompts"]
        if isinstance(prompts, str):
            return [{"role": "user", "content": prompts}]
        told = [{"role": "user", **each} for each in prompts]
        if not all(isinstance(each[key], str) for each in told for key in ("role", "content")):
            raise AgentFailed(f"the prompts of {self.id} should have texts as `role` and `content`")
        return told

    def settings(self) -> Row:
        """What it has the model told beside the conversation."""
        return {
            name: self.params[name]
            for name, switch in _SETTINGS.items()
            if self.params.get(switch) and self.params.get(name)
        }

    def _feeds_a_message(self) -> bool:
        following = [self.canvas.components.get(each) for each in self.node.get("downstream") or ()]
        goes_elsewhere = self.params["exception_method"] and self.params["exception_goto"]
        return any(each is not None and each.name == "Message" for each in following) and not goes_elsewhere


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


def _written(calls: ToolCalls) -> str:
    """Calls as a text whose tokens can be counted."""
    return json.dumps([[each.name, dict(each.arguments or {})] for each in calls.calls], ensure_ascii=False)
