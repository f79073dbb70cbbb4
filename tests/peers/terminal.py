"""Commands out of the documentation, typed one after another as they stand there."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

import pytest

from tests.peers.harness import Program, wait_until
from tests.peers.machine import Machine

CONFIG = "gateway.yaml"
NOT_TYPED = {
    r"make test": "it is what runs this",
    r"pipx? install .*": "it downloads; tests/test_packaging.py installs the wheel in an environment of its own",
    r"sudo .*": "it changes a real machine",
    r"(apt|apt-get|systemctl|journalctl|udevadm|docker|usermod) .*": "it is about a real machine",
}
"""Commands that no test types → why not."""

_RELOADED = r"info reloaded: "
_LISTENS = re.compile(r"connect to (\S+):([0-9]+)")


class Terminal:
    """A user at a machine: one gateway runs, or none."""

    def __init__(self, machine: Machine, installed: Callable[[], None] | None = None) -> None:
        """Sit down.

        Args:
            machine: where.
            installed: does what `pipx install` would; without it that is not typed.

        """
        self.machine = machine
        self._installed = installed
        self._gateway: Program | None = None
        self._started = 0

    def write(self, text: str) -> None:
        """Write the configuration."""
        (self.machine.home / CONFIG).write_text(text)

    def reload(self) -> None:
        """Have the gateway take up what was written, or start one."""
        if self._gateway is None:
            self.run()
            return
        done = len(re.findall(_RELOADED, self._gateway.log))
        self._gateway.signal(signal.SIGHUP)
        self._gateway.wait_for_log(_RELOADED, times=done + 1)

    def type(self, command: str) -> str:
        """Type a command, which must do what it promises; what it shows."""
        command = command.strip()
        for pattern, act in _ACTS.items():
            if re.fullmatch(pattern, command):
                return act(self, command)
        if any(re.fullmatch(pattern, command) for pattern in NOT_TYPED):
            return ""
        pytest.fail(f"{command}: say in tests/peers/terminal.py how to try this, or why not")

    def stop(self) -> None:
        """End the gateway, as with Ctrl+C."""
        if self._gateway:
            self._gateway.end()
            wait_until(lambda: not self.machine.listens(502) and not self.machine.listens(5020), "closed ports")
            self._gateway = None

    def run(self, command: str = f"dsmr-gateway run {CONFIG}") -> str:
        """Start a gateway, in place of the one that runs, and wait until readings are served; what it has logged."""
        self.stop()
        self._started += 1
        self._gateway = gateway = self.machine.start(command, f"gateway-{self._started}")
        gateway.wait_for_log(_LISTENS.pattern)
        gateway.wait_for_log(r"telegrams come in over|node=\S+/parser: found")
        # The first telegram is served after a quiet moment.
        wait_until(lambda: self.machine.run("dsmr-gateway health --meters").returncode == 0, "fresh readings")
        return gateway.log

    @property
    def port(self) -> int:
        """Where the gateway's first Modbus server listens."""
        assert self._gateway
        return int(_LISTENS.findall(self._gateway.log)[0][1])

    def _ends(self, command: str) -> str:
        result = self.machine.run(command)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout

    def _ends_beside_the_gateway(self, command: str) -> str:
        if self._gateway is None:
            self.run()
        return self._ends(command)

    def _ends_without_a_gateway(self, command: str) -> str:
        self.stop()
        return self._ends(command)

    def _saves(self, command: str) -> str:
        """Choose the first of the two meters of this machine, and replace what is there, as a user who is asked."""
        return self._ends_without_a_gateway(f"{command} --choose 1{' --replace' if ' setup' in command else ''}")

    def _goes_on(self, command: str) -> str:
        """Until it has shown something."""
        if self._gateway is None:
            self.run()
        shown = self.machine.start(command, "shown")
        try:

            def shows() -> str:
                with self.machine.client(self.port) as client:
                    client.read(3, 1)
                return shown.log if shown.log.strip() else ""

            return wait_until(shows, f"{command} to show something")
        finally:
            shown.end()

    def _install(self, _command: str) -> str:
        if self._installed:
            self._installed()
        return ""


_ACTS: dict[str, Callable[[Terminal, str], str]] = {
    r"make run( CONFIG=\S+)?|dsmr-gateway run( \S+)?": Terminal.run,
    r"pipx install '\.\[mdns\]'": Terminal._install,
    r"\S*dsmr-gateway (probe --save \S+|setup)": Terminal._saves,
    r"dsmr-gateway probe.*": Terminal._ends_without_a_gateway,
    r"dsmr-gateway \S+ .*(--follow|-f|--watch|-w)|nc .*": Terminal._goes_on,
    r"dsmr-gateway (check|maps|map|export|schema|import-ser2net|--version|--help)\b.*": Terminal._ends,
    r"openssl .*|chmod .*": Terminal._ends,
    r"mbpoll .*|dsmr-gateway .*|\.venv/bin/python \S+": Terminal._ends_beside_the_gateway,
}
"""How each command is tried."""
