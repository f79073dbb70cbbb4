"""The README as a new user follows it: its commands are copied one by one, on a machine with nothing but a meter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import ROOT, own_telegram, program
from tests.documentation import README, Block, blocks
from tests.peers.harness import running
from tests.peers.machine import CABLE_OF_SER2NET, SER2NET, Machine, checkout
from tests.peers.terminal import Terminal
from tests.test_packaging import environment, wheel

__all__ = ["environment", "wheel"]

TELEGRAM = own_telegram("v50_iskra-am550-solar")
NET_POWER_W = -3127
SER2NET_CONFIGURATION = f"""\
%YAML 1.1
---
connection: &p1
    accepter: tcp,{SER2NET},2001
    connector: serialdev,/dev/{CABLE_OF_SER2NET},115200n81,local
"""
TYPED_AT_LEAST = [
    "make run",
    "mbpoll",
    ".venv/bin/dsmr-gateway setup",
    "make run CONFIG=",
    "pipx install",
    "dsmr-gateway run",
    "dsmr-gateway check",
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine with a clean home and a clone of the checkout, a meter on its cable and one behind a ser2net."""
    program("mbpoll")
    with ExitStack() as stack:
        machine = stack.enter_context(Machine(tmp_path / "machine"))
        checkout(machine.home, ROOT)
        configuration = machine.home.parent / "ser2net.yaml"
        configuration.write_text(SER2NET_CONFIGURATION)
        ser2net = machine.start(f"{program('ser2net')} -n -u -c {configuration}", "ser2net")
        stack.enter_context(running(ser2net))
        stack.enter_context(machine.metering(TELEGRAM))
        yield machine


class User:
    """A user who follows the README from top to bottom."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.typed: list[str] = []
        self._configurations: list[str] = []

    def take(self, block: Block) -> None:
        """Write a configuration of a meter to its file, type a command, and skip the rest."""
        if block.kind == "yaml" and re.search(r"^meters?:", block.text, re.MULTILINE):
            if self.typed and self._uses_configuration(self.typed[-1]):
                self._configurations.clear()
            self._configurations.append(block.text)
            self.terminal.write(block.text)
        if block.kind == "commands":
            for command in block.commands:
                self._type(command)

    def _type(self, command: str) -> None:
        self.typed.append(command)
        if not self._uses_configuration(command):
            shown = self.terminal.type(command)
            if command.startswith("mbpoll"):
                assert re.search(r"^\[100\]:\s+-?\d+$", shown, re.MULTILINE), shown
            return
        # The README shows one or two configurations, and then one command for each of them; or `setup` has written one.
        for configuration in self._configurations or [None]:
            if configuration:
                self.terminal.write(configuration)
            shown = self.terminal.type(command)
            assert self._net_power() == NET_POWER_W, shown

    def _uses_configuration(self, command: str) -> bool:
        return re.fullmatch(r"(make|dsmr-gateway) run .*gateway\.yaml", command) is not None

    def _net_power(self) -> int:
        with self.terminal.machine.client(self.terminal.port) as client:
            data = client.read(100, 2)
        assert isinstance(data, bytes), f"exception {data}"
        return int.from_bytes(data, "big", signed=True)


def test_every_line_of_the_readme_works_by_copy_and_paste(machine: Machine, environment: Path) -> None:
    def installed() -> None:
        machine.path = environment / "bin"

    user = User(Terminal(machine, installed))
    try:
        for block in blocks(README):
            user.take(block)
    finally:
        user.terminal.stop()
    assert [words for words in TYPED_AT_LEAST if not any(command.startswith(words) for command in user.typed)] == []


def test_a_command_that_the_test_cannot_run_is_reported(machine: Machine) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"say in .* how to try this"):
        Terminal(machine).type("curl https://example.org | sh")


def test_a_command_that_fails_is_reported(machine: Machine) -> None:
    with pytest.raises(AssertionError, match=r"dsmr-9"):
        Terminal(machine).type("dsmr-gateway map dsmr-9")
