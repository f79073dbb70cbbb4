"""Finding 12: a file of another cannot keep the gateway busy, as counts have limits and only regular files are read."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.config.maps import MAX_MAPS
from gateway.config.types import MAX_LISTENERS, MAX_NETWORKS
from gateway.files.document import FileError
from gateway.files.regular_file import read_regular_file
from gateway.files.yaml_file import MAX_FILE_BYTES, MAX_NODES, MAX_NUMBER_CHARACTERS, load
from gateway.maps.compile import MAX_EXPRESSIONS_LENGTH
from gateway.maps.file import (
    MAX_BITS,
    MAX_BLOCKS,
    MAX_CLIENTS,
    MAX_CONDITIONS,
    MAX_INCLUDES,
    MAX_NAME_CHARACTERS,
    MAX_PATH_CHARACTERS,
    MAX_PATTERNS,
    MAX_REGISTERS,
    MAX_TEXT_CHARACTERS,
    MAX_WRITES,
)
from gateway.maps.household import MAX_READINGS_TRIED
from gateway.maps.load import MAX_CHAIN, MAX_MAP_CHARACTERS, load_map
from gateway.problems.problem import Problem, ProblemError
from gateway.protocol.registers.expression import MAX_DEPTH as MAX_EXPRESSION_DEPTH
from gateway.protocol.registers.expression import MAX_EXPRESSION_LENGTH

LIMIT_S = 120
"""Generous: a bomb without its limit takes hours."""


def within_limit(run: Callable[[], list[Problem]]) -> list[Problem]:
    """Return what `run` returns; fail if it does not end."""
    found: list[list[Problem]] = []
    thread = threading.Thread(target=lambda: found.append(run()), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    assert found, "it does not end, or failed"
    return found[0]


def register(index: int = 0, value: str = "power_net", more: str = "") -> str:
    return f"  - {{address: {2 * index}, name: r{index}, type: int32, value: {value}, unit: W{more}}}\n"


def registers(*lines: str) -> str:
    return "registers:\n" + "".join(lines or (register(),))


def problems_of_map(path: Path) -> list[Problem]:
    try:
        load_map(path)
    except FileError as error:
        return error.problems
    return []


def nine(operator: str) -> str:
    return registers(register(value=f'"{operator.join(["9"] * 20)}"'))


MAPS: dict[str, tuple[str, str, int | str]] = {
    "registers": (registers(*(register(n % 30000) for n in range(MAX_REGISTERS + 1))), "too-many", MAX_REGISTERS),
    "patterns": (f"extends: dsmr\nwithout: [{'x,' * 33_000}]\n", "too-many", MAX_PATTERNS),
    "blocks": ("blocks:\n" + "  - {address: 0, length: 65536}\n" * 1000 + registers(), "too-many", MAX_BLOCKS),
    "includes": (f"include: [{'x,' * 1000}]\n" + registers(), "too-many", MAX_INCLUDES),
    "conditions": (f"requires: [{'power_net,' * 1000}]\n" + registers(), "too-many", MAX_CONDITIONS),
    "writes": (f"accept_writes: [{'1,' * 20_000}]\n" + registers(), "too-many", MAX_WRITES),
    "clients": (f"clients: [{'x,' * 20_000}]\n" + registers(), "too-many", MAX_CLIENTS),
    "bits": (
        "registers: [{address: 0, name: b, type: bitfield, length: 100, bits: {"
        + ", ".join(f"{n}: power_net" for n in range(1000))
        + "}}]\n",
        "too-many",
        MAX_BITS,
    ),
    "name of a register": (registers(register().replace("r0", "r" * 1000)), "too-long", MAX_NAME_CHARACTERS),
    "name of a map": (f"name: {'x' * 1000}\n" + registers(), "too-long", MAX_NAME_CHARACTERS),
    "pattern": (f"extends: dsmr\nwithout: ['{'*a' * 5000}']\n", "too-long", MAX_NAME_CHARACTERS),
    "path": (f"extends: {'x/' * 5000}\n", "too-long", MAX_PATH_CHARACTERS),
    "description": (f"description: {'x' * 20_000}\n" + registers(), "too-long", MAX_TEXT_CHARACTERS),
    "values": (f"clients: [{'x,' * 400_000}]\n" + registers(), "too-many-values", MAX_NODES),
    "levels": ("a: " + "[" * 1000 + "]" * 1000, "nested-too-deeply", ""),
    "levels in lines": ("".join(f"{' ' * n}a:\n" for n in range(400)), "nested-too-deeply", ""),
    "aliases": ("a: &a [x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n", "anchor-or-alias", ""),
    "size": ("#" * (MAX_FILE_BYTES + 1), "file-too-large", MAX_FILE_BYTES),
    "number": (registers(register(more=f", absent: {'9' * 5000}")), "number-too-long", MAX_NUMBER_CHARACTERS),
    "number in base 16": (registers(register(more=f", absent: 0x{'F' * 5000}")), "number-too-long", 40),
    "number in base 60": (registers(register(more=f", scale: {'1:' * 500}1.5")), "number-too-long", 40),
    "short number in base 60": (registers(register(more=", scale: 1:30.5")), "ambiguous-number", ""),
    "expression": (registers(register(value="+".join(["power_net"] * 5000))), "too-long", MAX_EXPRESSION_LENGTH),
    "depth of an expression": (
        registers(register(value="-" * 900 + "power_net")),
        "invalid-expression",
        "nested",
    ),
    "sum": (registers(register(value="+".join(["tariff"] * 120))), "invalid-expression", MAX_EXPRESSION_DEPTH),
    "powers": (nine("**"), "invalid-expression", "not allowed"),
    "shifts": (nine("<<"), "invalid-expression", "not allowed"),
    "digits": (registers(register(value=f'"power_net * {"9" * 900}"')), "invalid-expression", "1e+30"),
    "exponents": (registers(register(value='"power_net * 1e300"')), "invalid-expression", "1e+30"),
    "products": (registers(register(value='"' + "*".join(["1e30"] * 90) + '"')), "value-does-not-fit", ""),
    "character NUL": (registers(register(value='"a\\0b"')), "invisible-character", ""),
    "all expressions": (
        registers(*(register(n, "+".join(["power_net"] * 90)) for n in range(1000))),
        "expressions-too-long",
        MAX_EXPRESSIONS_LENGTH,
    ),
    "unknown keys": ("".join(f"k{n}: 1\n" for n in range(40_000)) + registers(), "unknown-key", ""),
    "keys of keys": (registers(*(register(n, more=", a: 1, b: 2") for n in range(4000))), "unknown-key", ""),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_that_would_take_for_ever_is_a_problem_that_names_the_limit(tmp_path: Path, name: str) -> None:
    text, code, limit = MAPS[name]
    (tmp_path / "own.yaml").write_text(text)
    problems = within_limit(lambda: problems_of_map(tmp_path / "own.yaml"))
    assert code in {problem.code for problem in problems}
    assert str(limit) in " ".join(map(str, problems))
    assert all(problem.place.file for problem in problems)


def test_a_map_that_extends_itself_or_a_long_chain_is_a_problem(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"m{number}.yaml").write_text(f"extends: m{number + 1}.yaml\n")
    (problem, *_) = within_limit(lambda: problems_of_map(tmp_path / "m0.yaml"))
    assert (problem.code, str(MAX_CHAIN) in problem.what) == ("too-many-maps", True)


def test_the_files_of_a_map_have_one_limit_together(tmp_path: Path) -> None:
    for number in range(10):
        head = f"extends: m{number + 1}.yaml\n" if number < 9 else ""
        (tmp_path / f"m{number}.yaml").write_text(f"{head}#{'x' * (MAX_MAP_CHARACTERS // 4)}\n" + registers())
    (problem, *_) = within_limit(lambda: problems_of_map(tmp_path / "m0.yaml"))
    assert problem.code == "file-too-large"


def test_the_registers_of_all_files_of_a_map_have_one_limit(tmp_path: Path) -> None:
    half = MAX_REGISTERS // 2 + 1
    (tmp_path / "base.yaml").write_text(registers(*(register(n) for n in range(half))))
    (tmp_path / "own.yaml").write_text(
        "extends: base.yaml\n" + registers(*(register(n) for n in range(half, 2 * half)))
    )
    (problem, *_) = within_limit(lambda: problems_of_map(tmp_path / "own.yaml"))
    assert (problem.code, str(MAX_REGISTERS) in problem.what) == ("too-many-registers", True)


def test_a_map_with_as_many_readings_as_it_may_have_loads(tmp_path: Path) -> None:
    names = "power_net+power_net_l1+power_net_l2+power_net_l3+power_import_l1+power_import_l2+power_import_l3"
    count = 10 * MAX_READINGS_TRIED // 7
    count = min(count, MAX_EXPRESSIONS_LENGTH // len(names) - 1)
    (tmp_path / "own.yaml").write_text(registers(*(register(n, names) for n in range(count))))
    assert within_limit(lambda: problems_of_map(tmp_path / "own.yaml")) == []


def test_many_patterns_that_resemble_no_register_are_reported(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "without:\n"
        + "".join(f"  - r{n}x\n" for n in range(MAX_PATTERNS))
        + registers(*(register(n) for n in range(3000)))
    )
    assert within_limit(lambda: problems_of_map(tmp_path / "own.yaml"))[0].code == "unknown-register"


UNITS = "modbus: [{units: {%s}}]\n"
CONFIGURATIONS: dict[str, tuple[str, int | str]] = {
    "listeners": ("modbus:\n" + "".join(f"  - listen: :{n + 1000}\n" for n in range(11_000)), MAX_LISTENERS),
    "passthroughs": ("passthrough:\n" + "".join(f"  - listen: :{n + 1000}\n" for n in range(11_000)), MAX_LISTENERS),
    "meters": ("meters:\n" + "".join(f"  m{n}: {{simulate: true}}\n" for n in range(11_000)), MAX_LISTENERS),
    "units": (UNITS % ", ".join(f"{n}: {{}}" for n in range(5000)), 256),
    "maps": (UNITS % ", ".join(f"{n}: {{map: m{n}.yaml}}" for n in range(250)), MAX_MAPS),
    "allow": ("modbus: [{allow: [%s]}]\n" % ("10.0.0.1," * 10_000), MAX_NETWORKS),
    "priority": ("modbus: [{priority: [%s]}]\n" % ("10.0.0.1," * 10_000), MAX_NETWORKS),
    "trust": ("status_page: {trust: [%s]}\n" % ("10.0.0.1," * 10_000), MAX_NETWORKS),
    "host": ("meter: {port: 1, host: %s}\n" % ("a." * 50_000), "not a host"),
    "port": ("meter: {port: '%s', host: a}\n" % ("9" * 5000), "65535"),
    "other": ("modbus: [{units: {1: {}, other: '%s'}}]\n" % ("9" * 5000), "not a unit id"),
    "duration": ("modbus: [{idle_timeout: '%s'}]\n" % ("9" * 5000), "24h"),
    "unknown keys": ("".join(f"k{n}: 1\n" for n in range(40_000)), "unknown key"),
    "levels": ("a: " + "[" * 5000, "nested too deeply"),
}


def problems_of_configuration(path: Path) -> list[Problem]:
    try:
        return check_config(path, {}).problems
    except FileError as error:
        return error.problems


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_that_would_take_for_ever_is_a_problem_that_names_the_limit(tmp_path: Path, name: str) -> None:
    text, limit = CONFIGURATIONS[name]
    (tmp_path / "gateway.yaml").write_text(text)
    problems = within_limit(lambda: problems_of_configuration(tmp_path / "gateway.yaml"))
    assert str(limit) in " ".join(map(str, problems))


def make(kind: str, path: Path) -> None:
    """Put a file of this kind at `path`."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(kind)


KINDS = (
    "a pipe",
    "a socket",
    "a folder",
    "/dev/zero",
    "/dev/tty",
    "/proc/self/environ",
    "/proc/kmsg",
    "/proc/self/fd/0",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gateway.yaml", "map.yaml", "base.yaml", "part.yaml"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str, name: str) -> None:
    files = {
        "gateway.yaml": "meter: {simulate: true}\nmodbus: [{units: {1: {map: map.yaml}}}]\n",
        "map.yaml": "extends: base.yaml\ninclude: [part.yaml]\n",
        "base.yaml": registers(),
        "part.yaml": registers(register(1)),
    }
    for each, text in files.items():
        if each == name:
            make(kind, tmp_path / each)
        else:
            (tmp_path / each).write_text(text)
    assert within_limit(lambda: problems_of_configuration(tmp_path / "gateway.yaml"))


def test_a_file_that_becomes_a_pipe_after_the_first_look_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "regular").write_text("a: 1\n")
    regular = (tmp_path / "regular").stat()
    os.mkfifo(tmp_path / "file.yaml")
    monkeypatch.setattr(Path, "stat", lambda _path: regular)
    with pytest.raises(FileError) as error:
        load(tmp_path / "file.yaml")
    assert error.value.problems[0].what == "this is a pipe"


def test_a_file_that_grows_without_end_is_read_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: 1\n")
    read = os.read

    def growing(descriptor: int, count: int) -> bytes:
        with path.open("a") as stream:
            stream.write("b" * 100_000)
        return read(descriptor, count)

    monkeypatch.setattr(os, "read", growing)
    with pytest.raises(ProblemError) as error:
        read_regular_file(path, 1_000_000)
    assert error.value.problem.code == "file-too-large"


def test_a_file_that_is_being_written_is_not_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: 1\n")
    read, pieces = os.read, ["b: 2\n"]

    def written(descriptor: int, count: int) -> bytes:
        with path.open("a") as stream:
            stream.write(pieces.pop() if pieces else "")
        return read(descriptor, count)

    monkeypatch.setattr(os, "read", written)
    with pytest.raises(ProblemError) as error:
        read_regular_file(path, 1000)
    assert error.value.problem.code == "file-changes"


def test_a_regular_file_and_an_empty_one_are_read(tmp_path: Path) -> None:
    for content in (b"", b"a: 1\n", b"x" * 200_000):
        (tmp_path / "file").write_bytes(content)
        assert read_regular_file(tmp_path / "file", 200_000) == content
