"""Mistakes at a newcomer's command line are reported with their place, the remedy, and the exit code for them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.calling import invoke
from tests.peers.harness import SIMULATED, Gateway, Program, as_nobody, gateway_command, open_folder, running

FAILURE, USAGE, CONFIGURATION = 1, 2, 78
TOO_LONG = f"{300 * 'x'}.yaml"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the working directory of the commands."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("text\n")
    (tmp_path / "tab.yaml").write_text("meter:\n\tport: /dev/a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["rum"], USAGE, "No such command 'rum'. Did you mean run?"),
        (["run", "--demoo"], USAGE, "Did you mean '--demo'?"),
        (["check", "nowhere.yaml"], CONFIGURATION, "nowhere.yaml: no such file. Check the name"),
        (["check", "folder"], CONFIGURATION, "folder: this is a folder. Give a file in it"),
        (
            ["check", "tab.yaml"],
            CONFIGURATION,
            "tab.yaml:2:1: the line is indented with a tab. Indent it with 2 spaces",
        ),
        (["check", "text.txt"], CONFIGURATION, "text.txt:1:1: keys with values are expected. Write key: value"),
        (["map", "dsrm"], USAGE, "there is no register map 'dsrm'. Did you mean dsmr?"),
        (["map", "tab.yaml"], CONFIGURATION, "tab.yaml:2:1: "),
        (["map", "dsmr", "--telegram", "folder"], USAGE, "'folder' is a directory"),
        (["map", "dsmr", "--telegram", "text.txt"], USAGE, "text.txt has no telegram that can be accepted"),
        (["export", "evcc"], USAGE, "add --host: the address under which the program reaches the gateway"),
        (["export", "evc", "--host", "a"], USAGE, "'evc' is not one of 'home-assistant', 'evcc'"),
        (
            ["read", "127.0.0.1:1"],
            FAILURE,
            "no server on 127.0.0.1:1. Is the gateway running, and is the port correct?",
        ),
        (["check", TOO_LONG], CONFIGURATION, "File name too long"),
        (["map", TOO_LONG], CONFIGURATION, "File name too long"),
        (["probe", "text.txt"], FAILURE, "not a serial device. Look in /dev/serial/by-id"),
        (["probe", "folder"], FAILURE, "not a serial device. Look in /dev/serial/by-id"),
        (["probe", "127.0.0.1:99999"], USAGE, "99999 is not a TCP port. Give one from 1 to 65535, such as 2001"),
        (
            ["probe", "2001"],
            USAGE,
            "port 2001 is a TCP port, and there is no host. Add host, or write a device such",
        ),
        (["probe", "p1..local:2001"], USAGE, "'p1..local' is not a host. Write a name such as p1.local, or an address"),
        (["read", "p1..local"], FAILURE, "no server on p1..local:502. Is the gateway running"),
        (["import-ser2net", "text.txt"], CONFIGURATION, "text.txt:1:1: "),
        (["schema", "maps"], USAGE, "'maps' is not one of 'config', 'map'"),
        (["completion", "tcsh"], USAGE, "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["requests"], FAILURE, "No gateway"),
        (["health"], FAILURE, "Is it running?"),
    ],
)
def test_a_mistake_is_reported_with_the_remedy(
    here: Path, arguments: Sequence[str], exit_code: int, words: str
) -> None:
    result = invoke(*arguments)
    assert words in result.stderr
    assert (result.exit_code, result.stdout) == (exit_code, "")


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_without_permission_to_read_is_reported(command: str) -> None:
    with open_folder() as folder:
        config = folder / "gateway.yaml"
        config.write_text("meter: {simulate: true}\n")
        config.chmod(0)
        arguments = [*as_nobody(folder), gateway_command(), command, str(config)]
        result = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == CONFIGURATION
    assert f"{config}: the user of this program (nobody) may not read it. As root, run: chgrp " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_file_beside_settings_in_the_environment_is_logged(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, SIMULATED)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        assert "There is no" not in gateway.log
    (tmp_path / "gateway.yaml").unlink()
    environment = {
        "DSMR_GATEWAY_METER__SIMULATE": "true",
        "DSMR_GATEWAY_MODBUS__0__LISTEN": f"127.0.0.1:{gateway.port}",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    again = Program([gateway_command(), "run", tmp_path / "gateway.yaml"], tmp_path, "again", environment)
    with running(again):
        again.wait_for_log(f"There is no {tmp_path}/gateway.yaml: using the environment variables, and defaults")
