"""The example that walks over RAGFlow's Python API reference, with our client and with the official SDK."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import Chat, DataSet, RAGFlow
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from tests.client.conftest import Place, place_of
from tests.local.server.process import environment
from tests.protocol.recorded import recorded
from tests.transport.raw_server import serving

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "official_names.py"
LINE = re.compile(r"^  (ok|unsupported|left out|FAILED) +(\S+(?: \S+)*)(?: {2,}| ?$)(.*)$")

# What no version of the official SDK does on a server that answers as v0.27, and what older ones do not either.
SDK_FAILS = {
    "Document.update (display_name)",
    "DataSet.list_documents (in order)",
    "Document.list_chunks (in order)",
    "RAGFlow.retrieve (in order)",
    "RAGFlow.create_chat (llm, prompt)",
    "Chat.update",
    "Session.message",
    "Chat.list_sessions",
    "Session.ask (stream=False)",
    "Message.reference",
    "Chat.delete_sessions (ids=None)",
    "Document.delete_chunks (ids=None)",
    "DataSet.delete_documents (ids=None)",
}
# With older SDKs' agents and memories end there; later ones fail further on.
OLDER_SDK_FAILS = {"RAGFlow.list_chats", "RAGFlow.list_agents", "RAGFlow.create_memory"}
NEWER_SDK_FAILS = {
    "RAGFlow.list_agents (in order)",
    "Session.ask (agent, stream=False)",
    "Memory.update",
    "RAGFlow.list_memory",
    "RAGFlow.search_message",
}
# Answers of a real v0.24.0 to the requests that these sections make, in their order.
AGENTS = (
    *("agent.create.llm", "agent.list.title", "agent.list", "agent.list.title", "agent.update.title"),
    *("agent.sess.create", "ac.nostream.session", "ac.stream.session", "agent.sess.list.id"),
    *("agent.sess.delete.delete_all", "agent.sess.list.after_delete_all", "agent.delete.ok"),
)
MEMORIES = (
    *("mem.create.raw_only", "mem.update.perm", "mem.list.keywords", "mem.config", "msg.add.raw"),
    *("msg.recent.session", "mem.messages.keywords", "msg.search.session", "msg.content"),
    *("msg.status", "msg.forget", "mem.delete.foreign"),
)


@dataclass(frozen=True)
class Run:
    """What a run of the example printed, and how it ended."""

    code: int
    out: str
    err: str

    def lines(self) -> dict[str, tuple[str, str]]:
        """``{call: (outcome, what it saw)}`` in the order in which they were printed, with their sections."""
        found: dict[str, tuple[str, str]] = {}
        section = ""
        for line in self.out.splitlines():
            match = LINE.match(line)
            section = section if line.startswith(" ") else line
            if match:
                name = f"{section}: the rest" if match[2] == "the rest of this section" else match[2]
                assert name not in found
                found[name] = match[1], match[3]
        return found

    def having(self, outcome: str) -> set[str]:
        """The calls that ended so."""
        return {name for name, (each, _) in self.lines().items() if each == outcome}


def run(*arguments: str | None, client: str = "ragflow_integrations") -> Run:
    """The example as a process of its own; with our client, warnings are errors."""
    strict = {"PYTHONWARNINGS": "error"} if client == "ragflow_integrations" else {}
    done = subprocess.run(
        [sys.executable, SCRIPT, *filter(None, arguments)],
        env=environment(RAGFLOW_CLIENT=client, **strict),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The local engine on loopback."""
    with place_of("loopback", tmp_path_factory.mktemp("names") / "kb") as place:
        yield place


@pytest.fixture(scope="module")
def ours(place: Place) -> Run:
    """The walk with our client."""
    return run(place.base_url, place.api_key)


def test_our_client_does_what_the_reference_says(ours: Run) -> None:
    """No call fails, and there is none that the local engine does not have."""
    assert (ours.code, ours.err) == (0, ""), ours.out
    assert len(ours.having("ok")) == 63
    assert set(ours.lines()) - ours.having("ok") == ours.having("left out")
    assert ours.having("left out") == {
        "RAGFlow.delete_datasets (ids=None)",
        "RAGFlow.delete_chats (ids=None)",
    }


def test_it_sees_the_same_of_the_version_that_the_reference_describes(ours: Run, tmp_path: Path) -> None:
    """On a server that answers as v0.24, each call sees what it sees on one that answers as v0.27."""
    with Engine(tmp_path) as engine, running_server(engine, api_version="0.24") as server:
        older = run(server.base_url, server.api_key)
    assert (older.code, older.err) == (0, ""), older.out
    assert older.lines() == ours.lines()


def test_nothing_is_left_behind(ours: Run, place: Place) -> None:
    """The datasets and chats that the walk made are gone."""
    assert ours.code == 0
    with RAGFlow(place.api_key, place.base_url) as client:
        assert (client.list_datasets(), client.list_chats()) == ([], [])


@pytest.mark.skipif(find_spec("ragflow_sdk") is None, reason="ragflow-sdk is not installed on this Python")
def test_the_official_sdk_sees_the_same(ours: Run, place: Place) -> None:
    """Only the client is exchanged: each call of the official SDK sees the same, or fails for the reason told."""
    theirs = run(place.base_url, place.api_key, client="ragflow_sdk")
    assert (theirs.code, theirs.err) == (1, ""), theirs.out
    failed = theirs.having("FAILED")
    assert SDK_FAILS <= failed <= SDK_FAILS | OLDER_SDK_FAILS | NEWER_SDK_FAILS
    assert theirs.out.count("\n              the official SDK: ") == len(failed)
    seen = {name: line for name, line in theirs.lines().items() if name not in failed}
    assert seen == {name: line for name, line in ours.lines().items() if name in seen}
    unreached = set(ours.lines()) - set(theirs.lines())
    assert not unreached or failed >= {"RAGFlow.list_agents", "RAGFlow.create_memory"}


def test_a_wrong_key_ends_it(place: Place) -> None:
    """Without a dataset there is nothing to walk over: the first failure is told, with no traceback."""
    refused = run(place.base_url, "ragflow-wrong")
    assert refused.code == 1
    assert list(refused.lines()) == ["RAGFlow.create_dataset"]
    assert "AuthenticationError" in refused.out
    assert refused.err == "the other calls need this one\n"


@pytest.mark.parametrize(
    ("section", "arguments", "answers"),
    [("agents", [], AGENTS), ("memories", ["embedder@factory", "model@factory"], MEMORIES)],
)
def test_agents_and_memories_of_a_real_server(
    capsys: pytest.CaptureFixture[str], section: str, arguments: list[str], answers: tuple[str, ...]
) -> None:
    """The calls for agents and memories go to the routes that a real v0.24.0 was asked at, and read its answers."""
    script = loaded()
    script.NAME = recorded("v0.24", "agent.create.llm").request_body["title"]  # the server finds it by that
    script.AGENT, script.SESSION = "a" * 32, "s1"  # of the conversation that was recorded
    with serving(*(_answer(name) for name in answers)) as (server, url):
        with RAGFlow("key", url, server_version="0.24.0") as client:
            getattr(script, section)(client, *arguments)
        asked = [_route(*received.line.split(" ")[:2]) for received in server.requests]
    printed = Run(0, capsys.readouterr().out, "")
    assert printed.having("ok") == set(printed.lines()), printed.out
    assert asked == [_route(each.method, each.path) for each in (recorded("v0.24", name) for name in answers)]


def loaded() -> Any:
    """The example as a module."""
    spec = spec_from_file_location("official_names", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _route(method: str, target: str) -> tuple[str, str]:
    return method, re.sub(r"[0-9a-f]{32}(:\w+)?", "{id}", target.partition("?")[0])


def _answer(name: str) -> bytes:
    exchange = recorded("v0.24", name)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {exchange.content_type}\r\ncontent-length: {len(exchange.sent)}\r\n"
    return head.encode() + b"\r\n" + exchange.sent


def test_settings_in_the_official_spelling() -> None:
    """What the SDK makes of a client and a dict can be made so here, read as attributes, changed and sent."""
    config = DataSet.ParserConfig(None, {"chunk_token_num": 256, "raptor": {"use_raptor": False}})
    assert (config.chunk_token_num, config.raptor.use_raptor) == (256, False)
    config.chunk_token_num, config.raptor.use_raptor = 128, True
    assert config == {"chunk_token_num": 128, "raptor": {"use_raptor": True}}
    with pytest.raises(AttributeError, match="nothing"):
        assert config.nothing
    assert Chat.LLM(None, {"temperature": 0.2}) == Chat.LLM(temperature=0.2)
    assert Chat.Prompt(None, {"top_n": 4}) == Chat.Prompt({"top_n": 4}) == Chat.Prompt(top_n=4)
