"""What may import what, so that a newcomer finds each thing in one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "gateway"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300

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
"""Modules that the pure core may not import: input and output, clocks, logs."""
PURE_EXCEPTIONS = {("data_type.py", "sys"), ("dsmr_library.py", "sys")}
"""`sys.float_info` is a number."""


class Room(NamedTuple):
    """A folder of the gateway."""

    rule: str
    uses: str = ""
    """The other rooms that its modules may import, also inside of functions."""


CORE = "problems protocol"
ROOMS = {
    "problems": Room("A problem is data; imports nothing else of the gateway."),
    "protocol": Room("Pure: no input or output, no clock, no log.", "problems"),
    "files": Room("Reads YAML with the place of every value, and validates it.", "problems"),
    "maps": Room("Turns a file into a register map.", f"{CORE} files"),
    "config": Room("The keys of the configuration, and what is wrong with them.", f"{CORE} files maps"),
    "exports": Room("Configurations for other programs, made from register maps and readings.", "protocol maps"),
    "ser2net": Room("Turns a ser2net configuration into one of the gateway.", "problems files config"),
    "simulation": Room("Meters and households that do not exist; takes the time as an argument.", f"{CORE} files"),
    "runtime": Room("What every node runs on; knows no type of node.", CORE),
    "transport": Room("Sockets, TLS and devices; knows neither telegrams nor registers.", "files problems runtime"),
    "lines": Room("The kinds of line that a meter is read from.", f"{CORE} runtime transport"),
    "nodes": Room(
        "One folder or module per type of node; none imports another, the configuration or the command line.",
        f"{CORE} exports lines maps runtime simulation transport version",
    ),
    "service": Room(
        "Makes the nodes of a configuration, connects them and runs them.",
        f"{CORE} config exports files lines maps nodes runtime simulation transport version",
    ),
    "tools": Room(
        "What the commands do besides running the gateway; prints nothing.",
        f"{CORE} config files lines maps nodes runtime service transport",
    ),
    "cli": Room(
        "The command line: the only room that prints and exits.",
        f"{CORE} config exports files lines maps nodes runtime ser2net service simulation tools transport version",
    ),
}
"""Room to its one rule and the rooms it may use."""
CORE_ROOMS = ["p1", "registers", "modbus", "fleet"]
"""The rooms in `protocol`: readings, their registers, requests for registers, and telegrams over MQTT."""
LOOSE = {"__init__", "__main__", "version"}
"""Modules in `gateway/` itself."""

CLOCKS = {
    *("time.time", "time.monotonic", "time.perf_counter", "time.clock_gettime", "time.time_ns", "time.monotonic_ns"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "loop.time", "get_running_loop().time"),
}
"""Expressions that read a clock, as they end in the source."""


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether when it is imported itself."""
    tree = ast.parse(path.read_text())
    inner = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(outer)
        for node in ast.walk(outer)
    }
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [(name, id(node) not in inner) for name in names]
    return found


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((PACKAGE / "protocol").rglob("*.py")), ids=named)
def test_the_core_is_pure(path: Path) -> None:
    for name, _ in imports(path):
        root = name.partition(".")[0]
        assert root not in IMPURE or (path.name, root) in PURE_EXCEPTIONS, name
        assert root in {"gateway", "dsmr_parser", "fastcrc", "sys"} or root in sys.stdlib_module_names, name


def room_of(module: str) -> str:
    """The room of a module such as `gateway.nodes.control`."""
    return module.split(".")[1]


def node_of(module: str) -> str:
    """The type of node that a module of the room `nodes` belongs to."""
    return module.split(".")[2]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_every_folder_is_a_room_with_a_rule() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == ROOMS.keys()
    assert all(set(room.uses.split()) <= ROOMS.keys() | LOOSE for room in ROOMS.values())


def test_no_module_lies_outside_of_the_rooms() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_no_two_rooms_use_each_other() -> None:
    order = list(ROOMS)
    assert all(
        order.index(used) < order.index(name) for name, room in ROOMS.items() for used in set(room.uses.split()) - LOOSE
    )


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent != PACKAGE], ids=named)
def test_a_room_uses_only_the_rooms_it_may_use(path: Path) -> None:
    name = path.relative_to(PACKAGE).parts[0]
    used = {room_of(module) for module, _ in imports(path) if module.startswith("gateway.")}
    assert used - {name} <= set(ROOMS[name].uses.split()), ROOMS[name].rule


@pytest.mark.parametrize("path", sorted((PACKAGE / "protocol").rglob("*/*.py")), ids=named)
def test_a_room_of_the_core_uses_only_the_rooms_before_it(path: Path) -> None:
    allowed = CORE_ROOMS[: CORE_ROOMS.index(path.relative_to(PACKAGE).parts[1]) + 1]
    for module, _ in imports(path):
        room = module.removeprefix("gateway.protocol.").partition(".")[0]
        assert room not in CORE_ROOMS or room in allowed, module


@pytest.mark.parametrize("path", sorted((PACKAGE / "nodes").rglob("*.py")), ids=named)
def test_no_node_imports_another(path: Path) -> None:
    own = module_of(path)
    for module, _ in imports(path):
        if module.startswith("gateway.nodes."):
            assert node_of(module) == node_of(own), module


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "clock.py"], ids=named)
def test_only_the_clock_module_reads_a_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert not ast.unparse(node).endswith(tuple(CLOCKS)), f"line {node.lineno}: use gateway.runtime.clock"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert {alias.name for alias in node.names} <= {"sleep"}


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
    "cryptography",
    "dlms_cosem",
    "zeroconf",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "gateway.nodes.passthrough",
    "gateway.nodes.decryption",
    "aiohttp",
    "gateway.lines.http",
    "gateway.lines.homewizard",
    "paho",
    "gateway.nodes.mqtt_broker",
    "gateway.service.fleet",
)
"""What a gateway with a meter over TCP and a Modbus/TCP server has no use for."""


def test_what_is_not_configured_is_not_imported() -> None:
    imports = "import sys, gateway.cli.run, gateway.config, gateway.service.wiring"
    program = f"{imports}; print([name for name in {SELDOM!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
