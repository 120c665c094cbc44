"""What a language model is given of a long conversation, and of much that was found: as much as it can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.llms import MockLLM

from ragflow_integrations.local.conversation import Delta, Final, Question
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.fitting import excerpts_within, newest_within, room_for
from ragflow_integrations.local.models import Choice, Models
from ragflow_integrations.local.tokens import beginning, count_tokens
from tests.local.agents import ASK, SAY, Json, agent, asked, canvas, node
from tests.local.knowledge import NEWEST, filled

CATEGORIES = {"any": {"to": ["Message:0"]}}
QUESTION = "Tell me of Atlantis, the moon and zebras"


class Model:
    """A model of a small context, which notes what it was told."""

    name = "small"

    def __init__(self, context: int) -> None:
        self.context = context
        self.told: list[Sequence[Json]] = []

    def chat(self, messages: Sequence[Json], **settings: Any) -> Iterator[str]:
        self.told.append(messages)
        yield "Well [ID:2]."


def test_what_fits() -> None:
    """The newest messages, the best excerpts; of a first one that is too long its beginning."""
    messages = [{"role": "user", "content": word} for word in ("a b", "c d", "e f", "g")]
    assert newest_within(5, messages) == messages[1:]
    assert newest_within(0, messages) == []
    assert excerpts_within(5, ["a b c", "d e", "f"]) == ["a b c", "d e"]
    assert excerpts_within(4, ["a b c", "d e", "f"]) == ["a b c"]
    assert excerpts_within(2, ["a b c", "d"]) == ["a b"]
    assert beginning("Ünï 漢字漢字漢字", 6) == beginning("Ünï 漢字漢字漢字", 6).replace("\ufffd", "")
    assert room_for(None, "a b c") == 7782 - 3


class Wide(MockLLM):
    """One that says how much it holds."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=32_000)


class Nameless(MockLLM):
    """One that knows no model of its name, as OpenAI's class of LlamaIndex says it."""

    @property
    def metadata(self) -> LLMMetadata:
        raise ValueError("Unknown model 'x'")


@pytest.mark.parametrize(
    ("model", "context"),
    [
        (Wide(), 32_000),
        (Nameless(), 8192),
        (GenericFakeChatModel(messages=iter(()), profile={"max_input_tokens": 1000}), 1000),
        (GenericFakeChatModel(messages=iter(())), 8192),
        ({"base_url": "http://127.0.0.1:9/v1", "model": "m", "context": 4096}, 4096),
        ("http://127.0.0.1:9/v1#m", 8192),
        (lambda prompt: prompt, 8192),
    ],
)
def test_models_say_what_they_hold(model: Any, context: int) -> None:
    """Each in its own way; where nothing is said it is as much as RAGFlow takes."""
    models = Models(Choice(llm=model))
    assert room_for(models.llm()) == int(context * 0.95)
    models.close()


@pytest.mark.parametrize(("context", "given"), [(120, [0]), (150, [0, 1]), (8192, [0, 1, 2])])
def test_excerpts_fit(context: int, given: list[int]) -> None:
    """A small model sees the best excerpts only, and cannot cite others; the reference has all that was found."""
    model = Model(context)
    with Engine(":memory:", Choice(llm=model)) as engine:
        settings = {"dataset_ids": [filled(engine)["id"]], "similarity_threshold": 0, "top_n": 3}
        chat = engine.create_chat({"name": "c", **settings, "prompt_config": {"system": "{knowledge}"}})
        *deltas, final = engine.converse(chat, Question([{"role": "user", "content": QUESTION}]))
    assert isinstance(final, Final)
    assert final.reference is not None
    assert len(final.reference["chunks"]) == 3
    said = "".join(each.text for each in deltas if isinstance(each, Delta))
    assert said == ("Well [ID:2]." if 2 in given else "Well.")
    system, question = model.told[-1]
    assert [int(each) for each in re.findall(r"^ID: (\d)", system["content"], re.MULTILINE)] == given
    assert count_tokens(system["content"] + question["content"]) <= context


def test_metadata_are_told_with_excerpts() -> None:
    """What a reference shows of a document, the model sees too."""
    model = Model(8192)
    with Engine(":memory:", Choice(llm=model)) as engine:
        dataset = filled(engine)["id"]
        for document in engine.list_documents(dataset, **NEWEST)[0]:
            engine.update_document(document["id"], {"meta_fields": {"author": "Ann", "tags": ["x", "y"]}})
        chat = engine.create_chat({"name": "c", "dataset_ids": [dataset], "similarity_threshold": 0})
        for fields in ((), None):
            question = Question([{"role": "user", "content": QUESTION}], metadata_fields=fields)
            list(engine.converse(chat, question))
    without, told = (messages[0]["content"] for messages in model.told)
    assert 'author: Ann\ntags: ["x","y"]\nContent:\n' in told
    assert "author" not in without


@pytest.mark.parametrize(
    ("component", "told"),
    [
        (node("LLM", ["Message:0"], **ASK), ["Well", "second", "Well", "third"]),
        (
            node("Categorize", **ASK, category_description=CATEGORIES, message_history_window_size=9),
            ["Say", "said", "second", "said", "third"],
        ),
    ],
)
def test_turns_of_an_agent_fit(component: Json, told: list[str]) -> None:
    """The oldest turns are not told again when they are too many; prompts always are."""
    model = Model(40)
    with Engine(":memory:", Choice(llm=model)) as engine:
        say = SAY if component["obj"]["component_name"] == "LLM" else node("Message", content=["said"])
        agent_id = agent(engine, canvas(["LLM:0"], LLM_0=component, Message_0=say))
        events = asked(engine, agent_id, "first " * 20)
        for query in ("second", "third " * 9):
            session = engine.get_agent_session(events[0]["session_id"])
            asked(engine, agent_id, query, session=session)
    assert [each["content"].split()[0] for each in model.told[-1]] == told
