"""What may import what, so that a newcomer finds each thing in one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "gateway"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 320

IMPURE = {
    "asyncio",
    "socket",
    "time",
    "logging",
    "os",
    "pathlib",
    "threading",
    "subprocess",
    "io",
    "ssl",
    "sys",
}
"""What the pure core does without: I/O, clocks, logs. Chance has a seed."""
PURE_EXCEPTIONS = {("data_type.py", "sys")}
"""`sys.float_info` is a number."""

ALLOWED = {
    "gateway/problems": {"gateway.problems"},
    "gateway/protocol": {"gateway.protocol"},
    "gateway/exports": {"gateway.protocol", "gateway.exports", "gateway.maps.table"},
    "gateway/config": {
        "gateway.config",
        "gateway.protocol",
        "gateway.maps.load",
        "gateway.files.validation",
        "gateway.files.yaml_file",
        "gateway.problems",
    },
    "gateway/simulation": {
        "gateway.protocol",
        "gateway.simulation",
        "gateway.files.validation",
        "gateway.files.yaml_file",
        "gateway.problems",
    },
    "gateway/ser2net": {"gateway.ser2net", "gateway.config", "gateway.files.yaml_file", "gateway.problems"},
}
"""Folder → what its modules import of the gateway; nodes and the command line may import what lies beneath."""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, and whether when it is imported itself."""
    tree = ast.parse(path.read_text())
    inner = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(outer)
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            yield name, id(node) not in inner


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((PACKAGE / "protocol").rglob("*.py")), ids=named)
def test_the_core_is_pure(path: Path) -> None:
    for name, _ in imports(path):
        root = name.partition(".")[0]
        assert root not in IMPURE or (path.name, root) in PURE_EXCEPTIONS, name
        assert root in {"gateway", "dsmr_parser", "sys"} or root in sys.stdlib_module_names, name


@pytest.mark.parametrize(
    "path", [path for path in MODULES if any(named(path).startswith(f) for f in ALLOWED)], ids=named
)
def test_imports_point_downward(path: Path) -> None:
    (allowed,) = (names for folder, names in ALLOWED.items() if named(path).startswith(f"{folder}/"))
    for name, _ in imports(path):
        if name.startswith("gateway."):
            assert any(name == each or name.startswith(f"{each}.") for each in allowed), name


@pytest.mark.parametrize("path", sorted((PACKAGE / "nodes").rglob("*.py")), ids=named)
def test_nodes_know_neither_the_configuration_nor_the_command_line(path: Path) -> None:
    for name, _ in imports(path):
        assert not f"{name}.".startswith(("gateway.cli.", "gateway.config."))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_module_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_is_evaluated_that_was_read(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        assert not is_call or node.func.id not in ("eval", "exec", "compile", "__import__")  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", [path for path in MODULES if "cli" not in path.parts], ids=named)
def test_only_the_command_line_prints_and_exits(path: Path) -> None:
    text = path.read_text()
    for word in ("print(", "sys.exit(", "click.echo(", "basicConfig("):
        assert word not in text, word


SELDOM = (
    "serialx",
    "cryptography.x509",
    "zeroconf",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "gateway.nodes.passthrough",
)
"""What a gateway with a meter over TCP and a Modbus/TCP server has no use for."""


def test_what_is_not_configured_is_not_imported() -> None:
    imports = "import sys, gateway.cli.run, gateway.config, gateway.service.wiring"
    program = f"{imports}; print([name for name in {SELDOM!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
