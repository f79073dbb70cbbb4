"""Ways to call `dsmr-gateway` from a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from click.testing import CliRunner, Result

from gateway.cli import main
from tests.peers.harness import LIMIT_S, gateway_command


def run_cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, as a process in `folder`."""
    command = [str(gateway_command()), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False, stdin=subprocess.DEVNULL
    )


def invoke(*arguments: str) -> Result:
    """Run a command that ends by itself within this process, which takes a tenth of the time."""
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)
