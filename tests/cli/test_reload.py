"""`dsmr-gateway reload`: what has changed, or why nothing has; and what health and the log show of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import get_args

import pytest
import yaml

from gateway.cli.run import FORMS, LEVELS
from gateway.config.log import Form, Level
from gateway.transport.control_socket import ANOTHER, SOCKET_NAME, ask
from tests.cli.calling import invoke
from tests.peers.harness import SIMULATED, Gateway, running


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the working directory, where no gateway is running."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_reload_shows_what_has_changed_or_the_problems(here: Path) -> None:
    gateway, path = Gateway(here, SIMULATED), here / "gateway.yaml"
    config = yaml.safe_load(path.read_text())
    with running(gateway):
        gateway.wait_for_telegrams(1)
        nothing = invoke("reload")
        assert (nothing.exit_code, nothing.stdout) == (0, f"Reloaded {path}: nothing has changed\n")

        path.write_text(yaml.safe_dump(config | {"modbsu": []}))
        refused = invoke("reload")
        assert refused.exit_code == 78
        assert "gateway.yaml:3:1: modbsu: unknown key. Did you mean modbus?" in refused.stderr
        assert json.loads(invoke("reload", "--json").stdout)["is_applied"] is False
        # A restart would not help: for a check that restarts the gateway this is a note, for monitoring a problem.
        health = invoke("health")
        assert (health.exit_code, health.stdout[:3]) == (0, "ok,")
        assert health.stdout.endswith(f" ({path})\n")
        assert "the last reload was refused, and nothing is changed: " in health.stderr
        assert invoke("health", "--meters").stdout.startswith("the last reload was refused")

        path.write_text(yaml.safe_dump(config | {"log": {"level": "debug", "format": "json"}}))
        changed = json.loads(invoke("reload", "--json").stdout)
        result = {"is_applied": True, "changes": ["settings: log.level, log.format"], "problems": []}
        assert changed == result | {"configuration": str(path)}
        assert "the last reload" not in invoke("health").stderr
        line = json.loads(gateway.wait_for_log(r"\{.*reloaded.*\}")[-1])
        assert (line["level"], line["message"]) == ("info", "reloaded: settings: log.level, log.format")
        assert line["time"].endswith("Z")

        asyncio.run(ask(here / SOCKET_NAME, ANOTHER, lambda _line: None))
        unclear = invoke("reload")
        assert unclear.exit_code == 1
        expected = f"process {gateway.pid} with {path}, and process {os.getpid()}."
        assert unclear.stderr.startswith(f"Nothing is reloaded. Two gateways of this user run here: {expected}")


def test_without_a_gateway_the_exit_code_says_so() -> None:
    result = invoke("reload")
    assert result.exit_code == 1
    assert "No gateway is running" in result.stderr


def test_the_command_line_has_the_levels_and_forms_of_the_configuration() -> None:

    assert (get_args(Level), get_args(Form)) == (LEVELS, FORMS)
