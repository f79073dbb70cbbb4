"""The programs' interface keeps to its description, whatever is asked of it: proved by Schemathesis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.peers import pypi
from tests.peers.harness import Gateway, free_port, running

SCHEMATHESIS = "schemathesis==4.32.5"
ENDLESS = "/events"
EXAMPLES = 3
SEED = 1
LIMIT_S = 600
"""Generous: it takes ten seconds of processor time."""


def test_every_answer_is_of_the_form_that_is_described(tmp_path: Path) -> None:
    folder = pypi.packages(SCHEMATHESIS, with_dependencies=True)
    port = free_port()
    servers = {"units": {1: {"map": "dsmr"}, 2: {"map": "abb-b23"}}}
    gateway = Gateway(tmp_path, {"simulate": True}, servers, settings={"status_page": {"listen": f"127.0.0.1:{port}"}})
    with running(gateway):
        gateway.wait_for_port(port)
        gateway.wait_for_telegrams(1)
        origin = f"http://127.0.0.1:{port}"
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{origin}/openapi.json", "--url", origin),
            *("--exclude-path", ENDLESS, "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-color"),
            *("--phases", "examples,coverage,fuzzing"),
        ]
        result = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "Selected: 15/16" in result.stdout
    assert "Tested: 15" in result.stdout
