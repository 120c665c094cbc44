"""``ragflow-integrations serve`` as users run it: keys, ports, signals, what it prints."""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from tests.cli.command import Command, Ended
from tests.local.server.process import environment, parsed, served


def _run(folder: Path, *arguments: str | Path) -> Ended:
    """A run that is refused, in this process; one that is not ends at its port, which is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        return Command(folder, {})("serve", "--port", port, "--data-dir", folder / "kb", *arguments)


def test_only_the_key_opens(tmp_path: Path) -> None:
    """No key and a wrong key are 401; the printed key works; ping, version and healthz need none."""
    with served(tmp_path) as server, httpx.Client(base_url=f"{server.base_url}/api/v1") as client:
        assert server.api_key in server.printed
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {server.api_key}x"},
        ):
            assert client.get("/datasets", headers=headers).status_code == 401
        assert (
            client.get("/datasets", headers={"Authorization": f"bearer {server.api_key}"}).json()["code"] == 0
        )
        assert client.get("/datasets", headers={"Authorization": server.api_key}).json()["code"] == 0
        assert client.get("/system/ping").text == "pong"
        assert client.get("/system/version").json()["data"] == "v0.27.0"
        assert client.get("/system/healthz").json()["status"] == "ok"


def test_key_is_kept_and_printed_once(tmp_path: Path) -> None:
    """A made key survives restarts in a file that only its owner can read, and is not printed again."""
    with served(tmp_path) as first:
        key = first.api_key
    assert stat.S_IMODE((tmp_path / "api_key").stat().st_mode) == 0o600
    with served(tmp_path) as second, second.client() as client:
        assert key not in second.printed
        assert str(tmp_path / "api_key") in second.printed
        assert client.get("/datasets", headers={"Authorization": f"Bearer {key}"}).json()["code"] == 0


def test_given_key_is_used_and_not_printed(tmp_path: Path) -> None:
    """``--api-key``, or ``RAGFLOW_API_KEY`` where it is missing, is the key."""
    with served(tmp_path, "--api-key", "from-argument", RAGFLOW_API_KEY="from-environment") as server:
        assert "from-argument" not in server.printed
        assert _status(server.base_url, "from-argument") == 200
        assert _status(server.base_url, "from-environment") == 401
    with served(tmp_path, RAGFLOW_API_KEY="from-environment") as server:
        assert _status(server.base_url, "from-environment") == 200


def _status(base_url: str, key: str) -> int:
    return httpx.get(f"{base_url}/api/v1/datasets", headers={"Authorization": f"Bearer {key}"}).status_code


def test_port_in_use_is_one_line(tmp_path: Path) -> None:
    """A taken port ends the command with one line that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = Command(tmp_path, {}).process("serve", "--port", port, "--data-dir", tmp_path)
    assert ended.code == 1
    [line] = ended.errors.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


def test_a_server_that_does_not_start_changes_no_key(tmp_path: Path) -> None:
    """Where the port is taken, a given key does not take the kept one's place, which the other server goes by."""
    with Engine(tmp_path / "kb") as engine:
        key = engine.api_key()
    assert "in use" in _run(tmp_path, "--api-key", "another").errors
    with Engine(tmp_path / "kb") as engine, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), running_server(engine, api_key="another", port=port):
            pass
    assert (tmp_path / "kb" / "api_key").read_text().strip() == key


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_gracefully(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl+C and SIGTERM: exit code 0, nothing on stderr, and what was stored is there afterwards."""
    with served(tmp_path) as server, server.client() as client:
        dataset = client.post("/datasets", json={"name": "kept"}).json()["data"]["id"]
        os.kill(server.process.pid, number)
        _, errors = server.process.communicate(timeout=120)
        assert server.process.returncode == 0
        assert errors == ""
    with served(tmp_path) as server, server.client() as client:
        assert client.get(f"/datasets/{dataset}").json()["data"]["name"] == "kept"


def test_other_machines_only_with_a_key_of_ones_own(tmp_path: Path) -> None:
    """An address that others can reach needs a key that exists, and a warning is printed."""
    ended = _run(tmp_path, "--host", "0.0.0.0")
    assert ended.code == 1
    assert "--api-key" in ended.errors
    with served(tmp_path, "--host", "0.0.0.0", "--api-key", "my-key") as server:
        assert _status(server.base_url.replace("0.0.0.0", "127.0.0.1"), "my-key") == 200
        os.kill(server.process.pid, signal.SIGTERM)
        _, errors = server.process.communicate(timeout=120)
        assert "warning: 0.0.0.0 can be reached from other machines" in errors


@pytest.mark.parametrize("key", ["", "Bearer x", "größe"])
def test_unusable_keys_are_refused(tmp_path: Path, key: str) -> None:
    """A key that no header can carry is refused before anything is stored."""
    ended = _run(tmp_path, "--api-key", key)
    assert ended.code == 1
    assert "--api-key" in ended.errors
    assert not (tmp_path / "kb").exists()


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_bad_ports_are_refused(tmp_path: Path, port: str) -> None:
    """A port out of range is a usage error that says what is right."""
    ended = _run(tmp_path, f"--port={port}")
    assert ended.code == 2
    assert "give 0 to 65535" in ended.errors


def test_foreign_file_is_one_line(tmp_path: Path) -> None:
    """A folder whose knowledge.db is something else is refused in one line that names it."""
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "knowledge.db").write_bytes(b"This is no database. " * 100)
    ended = _run(tmp_path)
    assert ended.code == 1
    [line] = ended.errors.splitlines()
    assert "knowledge.db" in line


def test_missing_extra_is_one_line(tmp_path: Path) -> None:
    """Without the extra's packages the command says what to install."""
    code = "import sys; sys.modules['apsw'] = None; from ragflow_integrations import cli; sys.exit(cli.main(['serve']))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "pip install ragflow-integrations[local]" in line


def test_module_is_the_command() -> None:
    """``python -m ragflow_integrations`` has the same help."""
    ended = subprocess.run(
        [sys.executable, "-m", "ragflow_integrations", "serve", "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0
    assert "--data-dir" in ended.stdout


def test_running_server_for_tests_and_notebooks() -> None:
    """``running_server`` accepts connections at once, hides its key, and leaves the engine open."""
    with Engine(":memory:") as engine:
        with running_server(engine, api_key="secret") as server:
            assert "secret" not in repr(server)
            with httpx.Client(base_url=server.base_url, headers={"Authorization": "Bearer secret"}) as client:
                dataset = client.post("/api/v1/datasets", json={"name": "x"}).json()["data"]["id"]
        assert engine.get_dataset(dataset) is not None
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.base_url)


def test_running_server_that_is_not_used() -> None:
    """A block that ends at once leaves nothing open."""
    with Engine(":memory:") as engine:
        for _ in range(5):
            with running_server(engine):
                pass
    gc.collect()


def test_parses_for_whoever_asks(tmp_path: Path) -> None:
    """A document sent to the process is parsed and found by it."""
    with served(tmp_path) as server, server.client() as client:
        dataset = client.post("/datasets", json={"name": "x"}).json()["data"]["id"]
        files = {"file": ("zebra.txt", b"Zebras live in Africa.")}
        document = client.post(f"/datasets/{dataset}/documents", files=files).json()["data"][0]["id"]
        assert client.post(f"/datasets/{dataset}/chunks", json={"document_ids": [document]}).json() == {
            "code": 0
        }
        assert [each["run"] for each in parsed(client, dataset, 1)] == ["DONE"]


def test_home_is_the_home_folder(tmp_path: Path) -> None:
    """``--data-dir=~/kb``, which no shell expands, is the folder that is printed and that has the key."""
    folder = tmp_path / "kb"
    for start in range(2):
        with served(folder, "--data-dir=~/kb", HOME=str(tmp_path)) as server:
            assert f"data: {folder}\n" in server.printed
            assert (server.api_key in server.printed) == (start == 0)


def test_an_unreadable_key_is_one_line(tmp_path: Path) -> None:
    """A key file that is no text is named, with what to do."""
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "api_key").write_bytes(b"\xff\xfe")
    ended = Command(tmp_path, {}).process("serve", "--port", "0", "--data-dir", tmp_path / "kb")
    assert ended.code == 1
    [line] = ended.errors.splitlines()
    assert str(tmp_path / "kb" / "api_key") in line
    assert "delete it" in line
