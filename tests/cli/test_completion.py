"""`dsmr-gateway completion`: what a shell completes, and its scripts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from gateway.cli.completion import SHELLS
from gateway.maps.load import map_names
from gateway.protocol.p1.variants import VARIANTS
from tests.cli.calling import invoke
from tests.conftest import program
from tests.peers.harness import gateway_command


def completed(words: str, folder: Path) -> list[str]:
    """Return the completions of bash for the last of `words`."""
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
def test_every_shell_accepts_its_script(shell: str, tmp_path: Path) -> None:
    script = invoke("completion", shell)
    assert script.exit_code == 0
    (tmp_path / "script").write_text(script.stdout)
    result = subprocess.run(
        [program(shell), "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "_DSMR_GATEWAY_COMPLETE" in script.stdout
    assert shell in invoke("completion", "--help").stdout


def test_bash_completes_with_it(tmp_path: Path) -> None:
    script = invoke("completion", "bash").stdout
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
