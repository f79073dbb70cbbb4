"""All commands: quick help, shell completion, JSON where something is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway import exports
from gateway.cli import COMMANDS, main
from gateway.cli.completion import SHELLS
from gateway.cli.export import FORMATS
from gateway.cli.parameters import DEFAULT_CONFIG, TABLE_FORMATS
from gateway.maps import table as map_table
from gateway.maps.load import map_names
from gateway.protocol.p1.variants import VARIANTS
from tests.conftest import ROOT, program
from tests.peers.harness import Gateway, gateway_command, running

HEAVY = ("asyncio", "pydantic", "pymodbus", "dsmr_parser", "yaml", "serialx", "cryptography", "logging")
"""What no --help and no completion of a command or option has to wait for."""


def loaded_command(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


def test_help_imports_nothing_that_takes_long() -> None:
    modules = ", ".join(sorted({f"gateway.cli.{module}" for module, _ in COMMANDS.values()}))
    code = f"import sys, {modules}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_is_for_in_the_same_words(name: str) -> None:
    assert loaded_command(name).name == name
    shown = CliRunner().invoke(main, [name, "-h"], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "Usage: main" in shown.stdout or f"Usage: dsmr-gateway {name}" in shown.stdout
    assert all(not isinstance(each, click.Option) or each.help for each in loaded_command(name).params)


@pytest.mark.parametrize(
    "name",
    ["check", "probe", "maps", "map", "read", "requests", "report"],
)
def test_what_shows_something_shows_it_as_json_too(name: str) -> None:
    assert any("--json" in each.opts for each in loaded_command(name).params)


def test_choices_are_those_of_what_stands_behind_them() -> None:
    assert tuple(exports.FORMATS) == FORMATS
    assert tuple(map_table.FORMATS) == TABLE_FORMATS


def completed(words: str, folder: Path) -> list[str]:
    """What bash would offer for the last of `words`."""
    typed = words.split(" ")
    variables = {"_DSMR_GATEWAY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(typed) - 1)}
    result = subprocess.run(
        [gateway_command()], env=os.environ | variables, capture_output=True, text=True, check=True, cwd=folder
    )
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_commands_options_maps_formats_and_versions_are_completed(tmp_path: Path) -> None:
    assert set(completed("dsmr-gateway ", tmp_path)) == set(COMMANDS)
    assert completed("dsmr-gateway simul", tmp_path) == ["simulate"]
    assert completed("dsmr-gateway map eastron-sdm", tmp_path) == [
        each for each in sorted(map_names()) if each.startswith("eastron-sdm")
    ]
    assert "dsmr" in completed("dsmr-gateway read host --map ", tmp_path)
    assert completed("dsmr-gateway export home", tmp_path) == ["home-assistant"]
    assert completed("dsmr-gateway map dsmr --format m", tmp_path) == ["markdown"]
    assert completed("dsmr-gateway simulate --dsmr-version ", tmp_path) == list(VARIANTS)
    assert "--speed" in completed("dsmr-gateway simulate --", tmp_path)
    assert completed("dsmr-gateway completion z", tmp_path) == ["zsh"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_takes_its_script(shell: str, tmp_path: Path) -> None:
    script = CliRunner().invoke(main, ["completion", shell], catch_exceptions=False)
    assert script.exit_code == 0
    (tmp_path / "script").write_text(script.stdout)
    result = subprocess.run(
        [program(shell), "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "_DSMR_GATEWAY_COMPLETE" in script.stdout
    assert shell in CliRunner().invoke(main, ["completion", "--help"]).stdout


def test_bash_completes_with_it(tmp_path: Path) -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    (tmp_path / "script").write_text(script)
    typed = 'COMP_WORDS=(dsmr-gateway exp); COMP_CWORD=1; _dsmr_gateway_completion dsmr-gateway; echo "${COMPREPLY[@]}"'
    path = f"{gateway_command().parent}:{os.environ['PATH']}"
    result = subprocess.run(
        [program("bash"), "-c", f"source ./script; {typed}"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "export"


def test_a_map_is_shown_as_json() -> None:
    shown = CliRunner().invoke(main, ["map", "dsmr", "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout)[0]["address"] == "0"
    assert DEFAULT_CONFIG == "gateway.yaml"


def test_a_full_disk_is_told_in_a_line() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [gateway_command(), "maps"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (1, "The output is not whole: No space left on device\n")


@pytest.mark.parametrize("command", ["read 127.0.0.1:{port}", "requests"])
def test_whoever_reads_a_part_hears_no_complaint(tmp_path: Path, command: str) -> None:
    gateway = Gateway(tmp_path, {"simulate": True})
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
