"""From one server to another: everything arrives once, wherever a run ends; what cannot arrive is said."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragflow_integrations import AuthenticationError, ConfigurationError, NotFoundError, RAGFlow
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.transfer import pull, push
from ragflow_integrations.transfer.ids import IdMap
from tests.local.server.process import environment
from tests.transfer.dying import died
from tests.transfer.knowledge import contents, make


@pytest.fixture
def server() -> Iterator[RAGFlow]:
    """A server on loopback."""
    with (
        Engine(":memory:") as engine,
        running_server(engine) as running,
        RAGFlow(running.api_key, running.base_url) as client,
    ):
        yield client


def test_push_to_a_server_and_pull_back(client: RAGFlow, server: RAGFlow, target: RAGFlow) -> None:
    """A local knowledge base goes to a server over HTTP, and from there into another folder, unchanged."""
    make(client)
    told: list[tuple[int, int]] = []
    report = push(client, server, progress=lambda state: told.append((state.finished, state.total)))
    assert report.complete
    assert report.done == {"dataset": 2, "document": 5, "chat": 1}
    assert told == [(number, 5) for number in range(1, 6)]
    assert contents(server) == contents(client)
    assert pull(target, server).complete
    assert contents(target) == contents(client)


def test_ids_in_settings_are_the_new_ones(client: RAGFlow, target: RAGFlow) -> None:
    """A chat that was copied asks the copies of its datasets."""
    make(client)
    push(client, target)
    copied = target.get_dataset(name="letters").id
    assert target.get_chat(name="greek").dataset_ids == [copied]
    message = target.get_chat(name="greek").ask("What is letter 1?")
    assert {chunk.dataset_id for chunk in message.reference} == {copied}


def test_nothing_that_is_there_is_changed(client: RAGFlow, target: RAGFlow) -> None:
    """Names that are taken at the target get a number; its own objects stay as they are."""
    target.create_dataset("letters", description="mine")
    target.create_chat("greek")
    make(client)
    push(client, target)
    assert sorted(dataset.name for dataset in target.iter_datasets()) == ["empty", "letters", "letters(1)"]
    assert sorted(chat.name for chat in target.iter_chats()) == ["greek", "greek(1)"]
    assert target.get_dataset(name="letters").description == "mine"
    assert target.get_dataset(name="letters").document_count == 0


def test_again_brings_what_was_added_or_is_gone(client: RAGFlow, target: RAGFlow) -> None:
    """Done again, new documents arrive, and what was deleted at the target is made again."""
    make(client)
    push(client, target)
    client.get_dataset(name="letters").upload(b"Omega is the last.", name="omega.txt")
    copied = target.get_dataset(name="letters")
    copied.delete_documents(ids=[copied.list_documents(name="letter 0.txt")[0].id])
    target.delete_datasets(ids=[target.get_dataset(name="empty").id])
    report = push(client, target)
    assert report.done == {"dataset": 1, "document": 2}
    assert contents(target) == contents(client)


@pytest.mark.parametrize("seed", range(2))
def test_died_anywhere_nothing_is_twice_and_nothing_lost(client: RAGFlow, target: RAGFlow, seed: int) -> None:
    """Runs that die at random requests, then one that does not: as if it had been one run."""
    make(client)
    chance = random.Random(seed)
    while died(target, chance.randrange(3, 25), lambda: push(client, target)):
        pass
    assert push(client, target).complete
    assert contents(target) == contents(client)


def test_dies_right_after_making_something(client: RAGFlow, target: RAGFlow) -> None:
    """A dataset that was made, but whose id was never learnt, is found again by its name and not made twice."""
    client.create_dataset("letters")
    requests = 1
    while died(target, requests, lambda: push(client, target)):
        requests += 1
    assert [dataset.name for dataset in target.iter_datasets()] == ["letters"]


def test_killed_for_real(tmp_path: Path) -> None:
    """``kill -9`` of the command at random moments, then once more: nothing is doubled, nothing is lost."""
    source, goal = tmp_path / "source", tmp_path / "goal"
    with RAGFlow.local(str(source)) as client:
        make(client, documents=40)
        wanted = contents(client)
    command = [
        sys.executable,
        "-m",
        "ragflow_integrations",
        "push",
        f"local:{source}",
        "--base-url",
        f"local:{goal}",
    ]
    env = environment(XDG_STATE_HOME=str(tmp_path / "state"))
    chance = random.Random(7)
    killed = 0
    for _ in range(5):
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0.8, 2.5))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert killed
    with RAGFlow.local(str(goal)) as client:
        assert contents(client) == wanted


def test_what_is_refused_is_said(client: RAGFlow, server: RAGFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that the target has not is replaced by its own, and noted; the rest arrives all the same."""
    make(client)
    listed = type(client).iter_datasets

    def foreign(self: RAGFlow, *args: object, **options: object) -> Iterator[object]:
        for dataset in listed(self, *args, **options):  # type: ignore[arg-type]
            dataset.embedding_model = "no-such-model@nobody"
            yield dataset

    monkeypatch.setattr(type(client), "iter_datasets", foreign)
    report = push(client, server)
    monkeypatch.undo()
    assert report.complete
    assert [
        note
        for note in report.notes
        if "embedding_model is left to the target" in note and "'letters'" in note
    ]
    assert contents(server) == contents(client)


def test_a_target_that_is_none_is_an_error(client: RAGFlow, server: RAGFlow) -> None:
    """A wrong key, or an address that is not RAGFlow's, is raised and no report of failures."""
    make(client)
    with RAGFlow("wrong", server.base_url) as stranger, pytest.raises(AuthenticationError):
        push(client, stranger)
    with (
        RAGFlow("key", f"{server.base_url}/elsewhere") as elsewhere,
        pytest.raises(NotFoundError, match="base_url"),
    ):
        push(client, elsewhere)


def test_two_at_once_are_refused(client: RAGFlow, target: RAGFlow, tmp_path: Path) -> None:
    """The file with the ids belongs to one run at a time."""
    with (
        IdMap.at(tmp_path / "ids"),
        pytest.raises(ConfigurationError, match="running already"),
    ):
        push(client, target, ids=tmp_path / "ids")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("shopping: milk\n", 1),
        ("no line's end", 1),
        ('{"kind": "chat", "old": "a", "new": "b"}\nmilk', 2),
        ('{"name": "x"}', 1),
    ],
)
def test_a_map_that_is_none_is_refused(
    client: RAGFlow, target: RAGFlow, tmp_path: Path, content: str, line: int
) -> None:
    """A file of something else is named with its line, and left as it is."""
    (tmp_path / "ids").write_text(content)
    with pytest.raises(ConfigurationError, match=f"ids, line {line}: this is no map"):
        push(client, target, ids=tmp_path / "ids")
    assert (tmp_path / "ids").read_text() == content
