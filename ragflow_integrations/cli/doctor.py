"""``doctor``: what is installed, which server there is, and what works on it."""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, RAGFlowError, UnsupportedError
from .connection import add_command, connect
from .output import print_json, tell
from .refusal import Refusal

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["add_to"]

_PACKAGE = "ragflow-integrations"
_OK, _MISSING, _FAILED = "ok", "missing", "failed"
_SIGNS = {_OK: ("✓", "green"), _MISSING: ("–", "dim"), _FAILED: ("✗", "bold red")}
_NO_SERVER = "set RAGFLOW_BASE_URL (http://host:9380, or local:./kb for the local engine) or give --base-url"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``missing`` is nothing wrong. ``advice`` says what to do, if there is something."""

    name: str
    status: str
    detail: str
    advice: str = ""


def add_to(commands: Any) -> None:
    """``doctor``."""
    add_command(commands, "doctor", _doctor, "say what is installed, which server there is, and what works")


def _doctor(arguments: argparse.Namespace) -> int:
    checks = []
    for check in _checks(arguments):
        checks.append(check)
        if not arguments.json:
            _show(check)
    well = all(check.status != _FAILED for check in checks)
    if arguments.json:
        print_json({"ok": well, "checks": [asdict(check) for check in checks]})
    return 0 if well else 1


def _show(check: Check) -> None:
    sign, style = _SIGNS[check.status]
    tell(f"{sign} {check.name}: {check.detail}", style if check.status != _OK else "")
    if check.advice:
        tell(f"    {check.advice}")


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    yield Check("python", _OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Check(_PACKAGE, _OK, version(_PACKAGE))
    yield from _extras()
    yield _setting("base URL", arguments.base_url, "RAGFLOW_BASE_URL")
    yield _setting("API key", arguments.api_key, "RAGFLOW_API_KEY")
    if not (arguments.base_url or os.environ.get("RAGFLOW_BASE_URL")):
        yield Check("server", _FAILED, "none is set", _NO_SERVER)
        return
    try:
        client = connect(arguments)
    except (RAGFlowError, Refusal) as error:
        yield Check("server", _FAILED, str(error))
        return
    with client:
        yield from _server(client)


# --- what is installed --------------------------------------------------------------------------------


def _extras() -> Iterator[Check]:
    """Each extra with the packages that it brings; what is not there is no fault."""
    for extra in metadata(_PACKAGE).get_all("Provides-Extra") or ():
        names = _requirements(extra)
        if not names or extra == "all":
            continue
        there = {name: installed for name in names if (installed := _installed(name))}
        lacking = [name for name in names if name not in there]
        detail = ", ".join([f"{name} {installed}" for name, installed in there.items()])
        if not lacking:
            yield Check(f"[{extra}]", _OK, detail)
        else:
            missing = f"not installed: {', '.join(lacking)}"
            yield Check(f"[{extra}]", _MISSING, missing, f"pip install '{_PACKAGE}[{extra}]', if you want it")


def _requirements(extra: str) -> list[str]:
    """The names of the packages that an extra of ours asks for."""
    wanted = re.compile(rf"""^([\w.-]+)[^;]*;.*extra\s*==\s*['"]{re.escape(extra)}['"]""")
    found = (wanted.match(each) for each in requires(_PACKAGE) or ())
    return [match[1] for match in found if match and match[1] != _PACKAGE]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _setting(name: str, argument: str | None, variable: str) -> Check:
    """Where it comes from, and not what it is: a key may have been put in the address's place."""
    if argument or os.environ.get(variable):
        return Check(name, _OK, "given" if argument else f"from {variable}")
    return Check(name, _MISSING, f"neither given nor in {variable}")


# --- what works ---------------------------------------------------------------------------------------


def _server(client: RAGFlow) -> Iterator[Check]:
    """Real calls that change nothing; no further ones where the server cannot be reached."""
    reached = _tried("server", lambda: _version(client))
    yield reached
    if reached.status == _FAILED:
        return
    yield _tried("health", lambda: _health(client), needed=False)
    datasets = _tried("datasets", lambda: f"{client.list_datasets(page_size=1).total} can be seen")
    yield datasets
    if datasets.status == _FAILED:
        return
    yield _tried("retrieval", lambda: _retrieval(client))
    yield _tried("chats", lambda: _count(client.list_chats(page_size=1).total))
    yield _tried("agents", lambda: _count(client.list_agents(page_size=1).total), needed=False)
    yield _tried("memories", lambda: _count(client.list_memory(page_size=1)["total_count"]), needed=False)


def _version(client: RAGFlow) -> str:
    began = time.perf_counter()
    info = client.server_info()
    milliseconds = round(1000 * (time.perf_counter() - began))
    spoken = f", spoken to as {info.api_version}" if info.api_version else ""
    return f"{client.base_url} is {info.version or 'of an unknown version'}{spoken} ({milliseconds} ms)"


def _health(client: RAGFlow) -> str:
    health = client.health()
    parts = {**health.__dict__, **(health.model_extra or {})}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if isinstance(value, str))


def _retrieval(client: RAGFlow) -> str:
    filled = next((each for each in client.list_datasets(page_size=100) if each.chunk_count), None)
    if filled is None:
        return "not tried: no dataset has chunks"
    began = time.perf_counter()
    found = client.retrieve("test", dataset_ids=[filled.id], page_size=1, similarity_threshold=0)
    milliseconds = round(1000 * (time.perf_counter() - began))
    return f"{len(found)} chunk of {filled.name!r} in {milliseconds} ms"


def _count(total: int | None) -> str:
    return "can be listed" if total is None else f"{total} can be seen"


def _tried(name: str, call: Callable[[], str], *, needed: bool = True) -> Check:
    """What the call says; ``needed`` says whether a server without it is ill."""
    try:
        return Check(name, _OK, call())
    except UnsupportedError as error:
        return Check(name, _MISSING, str(error))
    except NotFoundError as error:
        return Check(
            name,
            _FAILED if needed else _MISSING,
            "the server has no such calls" if not needed else str(error),
        )
    except RAGFlowError as error:
        return Check(name, _FAILED, str(error), _advice(error))


def _advice(error: RAGFlowError) -> str:
    from ..errors import AuthenticationError, ConnectError, RequestTimeoutError

    if isinstance(error, AuthenticationError):
        return "make a key in RAGFlow (avatar > API > RAGFlow API key) and put it into RAGFLOW_API_KEY"
    if isinstance(error, ConnectError):
        return "is the server running, and are host and port right? `ragflow-integrations serve` starts a local one"
    if isinstance(error, RequestTimeoutError):
        return "the server is there but does not answer: look at its load and its log"
    return ""
