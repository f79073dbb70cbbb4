"""The command line as a whole: its commands, quick help, JSON, an output that ends early."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from gateway.cli import COMMANDS, main
from tests.cli.calling import invoke, run_cli
from tests.conftest import ROOT
from tests.peers.harness import SIMULATED, Gateway, gateway_command, running

HEAVY = ("asyncio", "pydantic", "pymodbus", "dsmr_parser", "yaml", "serialx", "cryptography", "logging")
"""Modules that --help and completion must not import."""


def loaded_command(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


def test_version(tmp_path: Path) -> None:
    result = run_cli(tmp_path, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert version("dsmr-modbus-gateway") in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["run", "check", "--version"]),
        (["-h"], ["run", "check"]),
        (["run", "--help"], ["--demo", "--verbose", "CONFIG"]),
        (["check", "-h"], ["CONFIG"]),
    ],
)
def test_help(tmp_path: Path, arguments: Sequence[str], words: Sequence[str]) -> None:
    result = run_cli(tmp_path, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    for word in words:
        assert word in result.stdout


def test_an_unknown_command_is_reported(tmp_path: Path) -> None:
    result = run_cli(tmp_path, "rum")
    assert result.returncode == 2
    assert "rum" in result.stderr


def test_help_imports_nothing_that_takes_long() -> None:
    modules = ", ".join(f"gateway.cli.{name.replace('-', '_')}" for name in COMMANDS)
    code = f"import sys, {modules}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_help_text(name: str) -> None:
    assert loaded_command(name).name == name
    shown = invoke(name, "-h")
    assert shown.exit_code == 0
    assert "Usage: main" in shown.stdout or f"Usage: dsmr-gateway {name}" in shown.stdout
    assert all(not isinstance(each, click.Option) or each.help for each in loaded_command(name).params)


@pytest.mark.parametrize(
    "name",
    ["check", "probe", "maps", "map", "read", "requests", "report"],
)
def test_every_command_that_shows_something_has_json(name: str) -> None:
    assert any("--json" in each.opts for each in loaded_command(name).params)


def test_a_full_disk_is_reported_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [gateway_command(), "maps"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (1, "The output is not complete: No space left on device\n")


@pytest.mark.parametrize("command", ["read 127.0.0.1:{port}", "requests"])
def test_a_reader_that_closes_the_output_early_causes_no_message(tmp_path: Path, command: str) -> None:
    gateway = Gateway(tmp_path, SIMULATED)
    with running(gateway), gateway.client() as client:
        client.registers(0, 1)
        words = [str(gateway_command()), *command.format(port=gateway.port).split()]
        read, write = os.pipe()
        os.close(read)
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        result = subprocess.run(
            words, stdout=write, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path, env=environment
        )
        os.close(write)
    assert (result.returncode, result.stderr) == (1, "")
