"""Finding 12: a hostile ser2net configuration costs little, and its texts stay texts in the result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from gateway.config import load_config
from gateway.files.document import FileError
from gateway.files.yaml_file import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES
from gateway.problems.quoting import MAX_QUOTED_CHARACTERS
from gateway.ser2net import convert
from gateway.ser2net.connection import MAX_CONNECTIONS
from gateway.ser2net.yaml_format import MAX_EXPANDED_CHARACTERS
from tests.cli.calling import invoke

HALF = MAX_FILE_BYTES // 2
PORT = "connection:\n  accepter: tcp,{accepter}\n  connector: {connector}\n"
GOOD = PORT.format(accepter="2001", connector="serialdev,/dev/ttyUSB0,9600")
MANY_OPTIONS = "".join(f"    option{number}: x\n" for number in range(5000))
BOMBS = {
    "alias": f"define: &a {'x' * HALF}\nconnection: &b\n  accepter: {'*a ' * (HALF // 4)}\n",
    "options of all": f"o: &o\n{MANY_OPTIONS}" + (GOOD + "  options: *o\n") * 1000,
    "keys of keys": "a: &a0 [x, x]\n"
    + "".join(f"b{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    + "connection:\n  ? *a59\n  : x\n",
    "levels": "connection: " + "[" * HALF,
    "digits": PORT.format(accepter="9" * HALF, connector="x"),
    "commas": PORT.format(accepter="," * HALF, connector="x"),
    "parentheses": PORT.format(accepter="ssl(" * (HALF // 4), connector="x"),
    "spaces": f"define: &a {' ' * HALF}x{' ' * 1000}\n{PORT.format(accepter='x', connector='x')}",
    "connections": GOOD * (MAX_CONNECTIONS + 1),
    "old digits": "9" * HALF + ":raw:0:/dev/ttyUSB0:9600",
    "old timeout": f"2001:raw:{'9' * HALF}:/dev/ttyUSB0:9600",
    "old commas": "," * HALF + "2001:raw:0:x",
    "old lines": "x\n" * HALF,
    "old ports": "2001:raw:0:/dev/ttyUSB0:9600\n" * (MAX_CONNECTIONS + 1),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_hostile_file_is_a_problem_with_a_short_text(bomb: str) -> None:
    assert len(bomb) <= MAX_FILE_BYTES
    with pytest.raises(FileError) as error:
        convert(bomb, "ser2net")
    assert all(len(problem.what) < 200 + MAX_QUOTED_CHARACTERS for problem in error.value.problems)


def test_the_limits_are_for_hostile_files_only() -> None:
    assert MAX_EXPANDED_CHARACTERS > MAX_FILE_BYTES
    assert MAX_DEPTH > 5
    assert convert(GOOD * 100, "ser2net").count("listen:") == 100


def test_many_different_options_cost_little() -> None:
    options = " ".join(f"o{number}" for number in range(100_000))
    assert "o99999 is dropped" in convert(f"2001:raw:0:/dev/ttyUSB0:{options}", "ser2net")
    connector = f"serialdev,/dev/ttyUSB0,9600,{options.replace(' ', ',')}"
    result = convert(PORT.format(accepter="2001", connector=connector), "ser2net")
    assert "o99999" in result
    assert len(result) < 10 * len(connector), "one short line for each option"


def test_more_options_in_yaml_than_a_file_may_have_are_a_problem() -> None:
    options = "".join(f"    o{number}: x\n" for number in range(MAX_NODES // 2))
    with pytest.raises(FileError, match="keys and values"):
        convert(f"{GOOD}  options:\n{options}", "ser2net")


@pytest.mark.parametrize(
    "device",
    [
        "/dev/a\nmodbus: []",
        "/dev/a #b",
        "/dev/a: b",
        '/dev/"a"',
        "/dev/\\a",
        "/dev/a\u2028b",
        "/dev/a\x85b",
        "/dev/a\U0001f50cb",
        "/dev/a\u202eb",
    ],
)
def test_a_device_stays_one_text(device: str, tmp_path: Path) -> None:
    connector = yaml.safe_dump(f"serialdev,{device},9600", default_style='"', width=10_000).strip()
    result = convert(PORT.format(accepter="2001", connector=connector), "a\nname: x")
    assert all(line.isprintable() for line in result.split("\n"))
    (tmp_path / "gateway.yaml").write_text(result)
    assert yaml.safe_load(result)["meter"]["port"] == device
    assert set(yaml.safe_load(result)) == {"meter", "passthrough"}


@pytest.mark.parametrize("name", ["true", "no", "1e3", "0x10", "1.5", "null", "2026-11-30", "a, b: c}", "~"])
def test_a_file_of_a_certificate_stays_a_text(name: str) -> None:
    accepter = yaml.safe_dump(f"ssl(cert={name.split(',', maxsplit=1)[0]}),tcp,2001", default_style='"').strip()
    text = f"connection: &a\n  accepter: {accepter}\n  connector: serialdev,/dev/ttyUSB0,9600\n"
    tls = yaml.safe_load(convert(text, "ser2net"))["passthrough"][0]["tls"]
    assert tls["certificate"] == name.split(",", maxsplit=1)[0]


def test_the_usual_result_is_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(convert(GOOD, "ser2net.yaml"))
    assert load_config(tmp_path / "gateway.yaml", {}).passthrough


@pytest.mark.parametrize("arguments", [["import-ser2net"], ["map", "dsmr", "--telegram"]], ids=["import", "telegram"])
def test_a_file_that_a_command_reads_whole_is_a_regular_file_of_bounded_size(
    tmp_path: Path, arguments: list[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = invoke(*arguments, str(tmp_path / "pipe"))
    assert (result.exit_code, "this is a pipe" in result.stderr) == (78, True)
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(100_000_000)
    result = invoke(*arguments, str(tmp_path / "large"))
    assert (result.exit_code, "larger than" in result.stderr) == (78, True)
