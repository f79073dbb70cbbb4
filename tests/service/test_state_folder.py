"""The folder of what is remembered: configured, or the one of systemd."""

from __future__ import annotations

from pathlib import Path

from gateway.config import Config
from gateway.service.state_folder import state_folder


def test_the_configured_folder_comes_before_that_of_systemd() -> None:
    folder, environment = Path("/etc/gateway"), {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}
    assert state_folder(Config(state_dir=Path("state")), folder, environment) == Path("/etc/gateway/state")
    assert state_folder(Config(state_dir=Path("/srv/state")), folder, environment) == Path("/srv/state")
    assert state_folder(Config(), folder, environment) == Path("/var/lib/one")
    assert state_folder(Config(), folder, {}) is None
