"""Who may import whom: the order of the layers is walked in the sources, so that no import goes up again."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = "ragflow_integrations"
ADAPTERS = {"langchain_ragflow": ("langchain", "langgraph"), "llamaindex_ragflow": ("llama_index",)}
PACKAGES = [CORE, *ADAPTERS]
LAYERS = [  # a module imports from its own layer and from those above it in this list
    {"errors", "config", "_compat", "redaction"},
    {"models", "scope", "sources", "progress"},
    {"protocol"},
    {"transport", "telemetry"},
    {"_async", "_sync", "_base"},
    {"__init__"},
    {"adapting"},
    {"transfer", "evaluate", "mcp", "cli", "__main__", "testing"},
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
LOCAL_MAY_USE = {"errors", "config", "local"}
LOCAL_MAY_BE_USED_BY = {"transport.local", "cli", "testing"}
HTTP_LIBRARIES = {"httpx", "httpcore", "h11", "httpx2", "httpcore2", "aiohttp", "httpx_aiohttp"}
HTTP_MODULES = {"transport.http", "transport.server", "transport.pool", "transport.network"}
FRAMEWORKS = tuple(name for names in ADAPTERS.values() for name in names)
NOT_SHIPPED = {"tools", "tests", "benchmarks", "notebooks"}


@dataclass(frozen=True)
class Import:
    """One import statement's target; ``lazy`` if it does not run when the module is imported."""

    module: str
    line: int
    target: str
    lazy: bool

    @property
    def library(self) -> str:
        return self.target.partition(".")[0]


class Collector(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, module: str, is_package: bool, modules: set[str]) -> None:
        self.module, self.modules = module, modules
        self.package = module if is_package else module.rpartition(".")[0]
        self.lazy, self.found = False, list[Import]()

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [Import(self.module, node.lineno, alias.name, self.lazy) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        parents = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
        base = ".".join([*(parents if node.level else []), *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{base}.{alias.name}"
            target = full if full in self.modules else base
            self.found.append(Import(self.module, node.lineno, target, self.lazy))

    def _visit_lazily(self, nodes: list[ast.stmt]) -> None:
        before, self.lazy = self.lazy, True
        for node in nodes:
            self.visit(node)
        self.lazy = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_lazily(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_lazily(node.body)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test).endswith("TYPE_CHECKING"):
            self._visit_lazily(node.body)
        else:
            self.generic_visit(node)


def imports(root: Path) -> Iterator[Import]:
    """Each import in the three packages below ``root``."""
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    names = {path: ".".join(path.relative_to(root).with_suffix("").parts) for path in files}
    modules = {name.removesuffix(".__init__") for name in names.values()}
    for path, name in names.items():
        collector = Collector(name.removesuffix(".__init__"), path.stem == "__init__", modules)
        collector.visit(ast.parse(path.read_text("utf-8"), path))
        yield from collector.found


def broken_rule(found: Import) -> str | None:
    """The rule that an import breaks, in words."""
    if found.library in NOT_SHIPPED:
        return "what is not shipped is not imported"
    package, _, inside = found.module.partition(".")
    return broken_by_core(found, inside) if package == CORE else broken_by_adapter(found, package)


def broken_by_core(found: Import, inside: str) -> str | None:
    """The rule of the core that an import in its module ``inside`` breaks."""
    if found.library in HTTP_LIBRARIES and inside not in HTTP_MODULES:
        return "only transport/http.py and its parts import the HTTP library"
    if found.library.startswith(FRAMEWORKS) or found.library in ADAPTERS:
        return "the core imports no framework and no adapter"
    if found.library != CORE:
        return None
    target = found.target.removeprefix(CORE).removeprefix(".")
    if part(inside) == "local":
        allowed = part(target) in LOCAL_MAY_USE or target == "transport.http"
        return None if allowed else "local/ imports only errors, config and transport/http.py"
    if part(target) == "local":
        allowed = found.lazy and (inside in LOCAL_MAY_BE_USED_BY or part(inside) in LOCAL_MAY_BE_USED_BY)
        return (
            None if allowed else "local/ is imported lazily, by its transport, the command and testing only"
        )
    if missing := {part(inside), part(target)} - set(LAYER):
        return f"{missing.pop()} has no layer yet: give it one in tests/test_architecture.py"
    if {part(inside), part(target)} == {"_async", "_sync"}:
        return "the twins do not import each other"
    return None if LAYER[part(target)] <= LAYER[part(inside)] else "imports go one way"


def broken_by_adapter(found: Import, package: str) -> str | None:
    """The rule of the adapters that an import in ``package`` breaks."""
    allowed = {CORE, f"{CORE}.adapting"}
    if found.module.startswith(f"{package}.testing"):
        allowed |= {f"{CORE}.testing", f"{CORE}.testing.suites"}
    if found.library == CORE and found.target not in allowed:
        return "an adapter imports the public names of ragflow_integrations and its adapting only"
    if found.library in set(ADAPTERS) - {package}:
        return "an adapter does not import the other one"
    if found.library.startswith(FRAMEWORKS) and not found.library.startswith(ADAPTERS[package]):
        return "an adapter imports its own framework only"
    if found.library in HTTP_LIBRARIES:
        return "only transport/http.py and its parts import the HTTP library"
    return None


def part(inside: str) -> str:
    """The part of the core that a module belongs to."""
    return inside.partition(".")[0] or "__init__"


def violations(among: Iterable[Import]) -> list[str]:
    """Each of these imports that breaks a rule, with its place and the rule."""
    return [
        f"{found.module}:{found.line} imports {found.target}: {rule}"
        for found in among
        if (rule := broken_rule(found))
    ]


def loaded_by(statement: str) -> set[str]:
    """What a fresh interpreter has in ``sys.modules`` after ``statement``."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())


def test_imports_go_one_way() -> None:
    """No import in the three packages breaks the order of the layers."""
    ours = list(imports(ROOT))
    assert len(ours) > 100
    assert violations(ours) == []


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("protocol/x.py", "import httpx", "only transport/http.py"),
        ("transport/local.py", "from httpx import Client", "only transport/http.py"),
        ("transport/limit.py", "import httpcore", "only transport/http.py"),
        ("_sync/x.py", "def f():\n    import httpx2.core", "only transport/http.py"),
        ("protocol/x.py", "from ..transport import base", "imports go one way"),
        ("protocol/x.py", "from ragflow_integrations.transport.base import T", "imports go one way"),
        ("protocol/x.py", "def f():\n    from .. import RAGFlow", "imports go one way"),
        ("models/__init__.py", "from ..protocol import wire", "imports go one way"),
        ("errors.py", "from . import models", "imports go one way"),
        ("transport/http.py", "import ragflow_integrations._async.client", "imports go one way"),
        ("_async/x.py", "from ..cli import main", "imports go one way"),
        ("__init__.py", "from .testing import x", "imports go one way"),
        ("_sync/x.py", "from .._async.client import C", "the twins"),
        ("_async/x.py", "class A:\n    async def f(self):\n        from .. import _sync", "the twins"),
        ("local/x.py", "from ..protocol.envelope import read", "local/ imports only"),
        ("local/deep/x.py", "from ...models import Chunk", "local/ imports only"),
        ("local/x.py", "from .. import RAGFlow", "local/ imports only"),
        ("local/x.py", "from ..transport.base import T", "local/ imports only"),
        ("local/x.py", "from langchain_core.embeddings import E", "no framework"),
        ("cli.py", "import llama_index.core", "no framework"),
        ("__init__.py", "from langchain_ragflow import R", "no framework"),
        ("transport/local.py", "from ..local.engine import E", "local/ is imported lazily"),
        (
            "cli.py",
            "try:\n    from .local import serve\nexcept ImportError: ...",
            "local/ is imported lazily",
        ),
        ("_async/x.py", "def f():\n    from ..local import engine", "local/ is imported lazily"),
        ("newcomer.py", "from .errors import E", "newcomer has no layer"),
        ("cli.py", "from tools import unasync", "not shipped"),
        ("../langchain_ragflow/x.py", "from ragflow_integrations._async import C", "public names"),
        ("../langchain_ragflow/x.py", "from ragflow_integrations import protocol", "public names"),
        ("../llamaindex_ragflow/x.py", "import ragflow_integrations.transport.http", "public names"),
        ("../langchain_ragflow/x.py", "from ragflow_integrations.testing import W", "public names"),
        ("../langchain_ragflow/x.py", "import llamaindex_ragflow", "not import the other"),
        ("../langchain_ragflow/x.py", "import llama_index.core", "its own framework"),
        ("../llamaindex_ragflow/x.py", "from langchain_core import tools", "its own framework"),
        ("../llamaindex_ragflow/x.py", "import langgraph", "its own framework"),
        ("../llamaindex_ragflow/x.py", "import httpx", "only transport/http.py"),
        ("../langchain_ragflow/x.py", "from tests.guard import g", "not shipped"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, path: str, source: str, rule: str) -> None:
    """Each rule catches an import that is planted in a small tree, and nothing else in it."""
    plant(tmp_path, path, source)
    (violation,) = violations(imports(tmp_path))
    assert rule in violation


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("transport/http.py", "import httpx"),
        ("transport/pool.py", "import httpcore"),
        ("transport/local.py", "def f():\n    from ..local.engine import E"),
        ("cli.py", "def f():\n    from .local import engine"),
        ("testing/x.py", "if TYPE_CHECKING:\n    from ..local.engine import E"),
        ("cli.py", "from . import RAGFlow, errors\nfrom .transport import base"),
        ("local/x.py", "from ..errors import E\nfrom ..transport.http import H\nfrom .engine import E"),
        ("_base.py", "def f():\n    from ._async.client import A\n    from ._sync.client import B"),
        ("../langchain_ragflow/x.py", "from ragflow_integrations import RAGFlow\nimport langchain_core"),
        ("../langchain_ragflow/testing/x.py", "from ragflow_integrations.testing import W"),
        ("../langchain_ragflow/x.py", "from .y import z\nfrom langgraph.store import base"),
        ("../llamaindex_ragflow/x.py", "from llama_index.core import schema"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, path: str, source: str) -> None:
    """The rules leave room for what the design foresees."""
    plant(tmp_path, path, source)
    assert violations(imports(tmp_path)) == []


def plant(root: Path, path: str, source: str) -> None:
    """A tree that has the modules which the examples import, and one more with ``source``."""
    for name in ("protocol", "transport/base", "transport/http", "models", "errors", "local/engine", "_sync"):
        file = root / CORE / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    file = (root / CORE / path).resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)


@pytest.mark.parametrize("statement", [f"import {CORE}", f"from {CORE} import RAGFlow, AsyncRAGFlow"])
def test_the_core_starts_light(statement: str) -> None:
    """Neither the frameworks nor the local engine, nor any library of its, is loaded with the client."""
    heavy = ("langchain", "langgraph", "llama_index", "apsw", "numpy", "starlette", "uvicorn", "tiktoken")
    loaded = loaded_by(statement)
    assert CORE in loaded
    assert not [name for name in loaded if name.startswith((*heavy, f"{CORE}.local"))]


def test_packages_are_typed() -> None:
    """Type checkers of our users read our annotations: each package has its marker."""
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names(package: str) -> None:
    """``__all__`` is complete, each name in it once, in order (constants, classes, functions), importable."""
    module = importlib.import_module(package)
    names: list[str] = module.__all__
    assert names == sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_documented(package: str) -> None:
    """Each public class, function and method of ours says what it does for its caller."""
    module = importlib.import_module(package)
    public = {name: getattr(module, name) for name in module.__all__}
    assert [name for name, value in public.items() if not inspect.getdoc(value)] == []
    assert [method for value in public.values() for method in undocumented_methods(value)] == []


def undocumented_methods(value: object) -> list[str]:
    """The public methods and properties of a class that are written here and documented nowhere."""
    line = getattr(value, "__mro__", ())
    names = {
        name
        for one in line
        if one.__module__.startswith(tuple(PACKAGES))
        for name, member in vars(one).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
    }
    told = {name for one in line for name, member in vars(one).items() if member.__doc__}
    return [f"{line[0].__name__}.{name}" for name in sorted(names - told)]


def test_undocumented_methods_are_found() -> None:
    """Methods, class methods and properties count; private ones, fields and inherited docstrings do not."""

    class Base:
        def told(self):
            "Text."

    class Silent(Base):
        field = 1

        def told(self): ...
        def method(self): ...
        def _private(self): ...
        @classmethod
        def made(cls): ...
        @property
        def value(self): ...

    Base.__module__ = Silent.__module__ = "ragflow_integrations.x"
    assert undocumented_methods(Silent) == ["Silent.made", "Silent.method", "Silent.value"]


def untold_tests(root: Path) -> list[str]:
    """The tests below ``root`` without a docstring."""
    return [
        f"{path.name}:{node.lineno} {node.name}"
        for path in sorted(root.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not ast.get_docstring(node)
    ]


def test_each_test_says_what_it_proves(tmp_path: Path) -> None:
    """A test without a docstring is named; there is none."""
    source = "def test_a(): ...\nclass TestB:\n    async def test_b(self): ...\ndef test_c():\n    'Told.'\n"
    (tmp_path / "test_x.py").write_text(source)
    assert untold_tests(tmp_path) == ["test_x.py:1 test_a", "test_x.py:3 test_b"]
    assert untold_tests(ROOT / "tests") == []
