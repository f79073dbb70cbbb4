"""Four new users, each with the commands from an empty folder to what they came for.

The number of commands is part of each test: one that needs more is a worse way.
"""

from __future__ import annotations

import http.client
import re
import shlex
import textwrap
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.tools import probing
from tests.cli.calling import invoke
from tests.conftest import own_telegram
from tests.peers.harness import LIMIT_S, Program, SerialPort, free_port, gateway_command, running, wait_until

TELEGRAM = own_telegram("v50_sagemcom-t210d")


class User:
    """A user at a terminal in an empty folder, who starts at most one gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = 0
        self._stack = ExitStack()

    def type(self, command: str) -> str:
        """Type a command that ends by itself and has to succeed; return its output."""
        self.commands += 1
        result = invoke(*shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
        return result.output

    def start(self, command: str) -> Program:
        """Type a command that goes on; return the program."""
        self.commands += 1
        arguments = shlex.split(command)[1:]
        gateway = Program(
            [gateway_command(), *arguments], self.folder, "gateway", {"XDG_RUNTIME_DIR": str(self.folder)}
        )
        self._stack.enter_context(running(gateway))
        gateway.wait_for_log("connect to ")
        return gateway

    def is_fresh(self) -> bool:
        """Return whether all meters are online, as the page shows it."""
        return invoke("health", "--meters").exit_code == 0

    def leave(self) -> None:
        """End the gateway."""
        self._stack.close()


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """Give a user on a machine without a service and without serial ports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(probing, "serial_ports", list)
    user = User(tmp_path)
    yield user
    user.leave()


def page(port: int, path: str, password: str = "") -> tuple[int, str]:
    """Return the status and the text of the response to a browser."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    login = {"Authorization": f"Basic {b64encode(f'any:{password}'.encode()).decode()}"} if password else {}
    connection.request("GET", path, headers=login)
    response = connection.getresponse()
    status, text = response.status, response.read().decode()
    connection.close()
    return status, text


def shows_health(port: int) -> bool:
    """Return whether the page is there, and all meters are online."""
    with suppress(ConnectionRefusedError):
        return page(port, "/healthz")[0] == 200
    return False


def test_a_homeowner_opens_the_page_from_the_sofa_after_two_commands(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modbus, shown_on = free_port(), free_port()
    with SerialPort(tmp_path / "p1") as port, port.sending(TELEGRAM):
        monkeypatch.setattr(probing, "serial_ports", lambda: [str(port.link)])
        shown = user.type(f"dsmr-gateway setup --search 0 --port {modbus} --page-port {shown_on}")
        gateway = user.start(re.search(r"Start the gateway: +(.*)", shown)[1])
        assert user.commands == 2
        wait_until(lambda: shows_health(shown_on), "fresh readings")
        address = re.search(r"Open the page: +(http://\S+)", shown)[1]
        assert address in gateway.log
        assert page(shown_on, "/")[0] == 401
        password = re.search(r"any user name, and (\S+), which", shown)[1]
        assert page(shown_on, "/", password)[0] == 200
        assert "power_net" in user.type("dsmr-gateway read")


def test_an_integrator_finds_the_mistake_of_a_plc_with_three_commands(user: User) -> None:
    port = free_port()
    Path("gateway.yaml").write_text(f'meter: {{simulate: true}}\nmodbus: [{{listen: "127.0.0.1:{port}"}}]\n')
    user.start("dsmr-gateway run gateway.yaml")
    table = user.type("dsmr-gateway export tia")
    assert "power_net" in table
    # The PLC reads the number of the manual instead of the address.
    result = invoke("read", f"127.0.0.1:{port}", "--map", "abb-b23")
    assert result.exit_code == 1
    advice = user.type("dsmr-gateway requests")
    assert "exception 0x02" in advice
    assert user.commands == 3


def test_the_owner_of_an_inverter_adds_the_meter_that_it_supports_with_three_commands(user: User) -> None:
    port = free_port()
    config: dict[str, Any] = {
        "meter": {"simulate": True},
        "modbus": [{"listen": f"127.0.0.1:{port}", "units": {1: {"map": "dsmr"}}}],
    }
    Path("gateway.yaml").write_text(yaml.safe_dump(config))
    user.start("dsmr-gateway run gateway.yaml")
    wait_until(user.is_fresh, "fresh readings")
    before = user.commands
    shown = user.type("dsmr-gateway clients fronius")
    first = re.search(r"(?:^ {4}.*\n)+", shown, re.MULTILINE)
    part = yaml.safe_load(textwrap.dedent(first[0]))
    config["modbus"][0]["units"] |= part["modbus"][0]["units"]
    Path("gateway.yaml").write_text(yaml.safe_dump(config))
    assert "modbus[0].units.240" in user.type("dsmr-gateway reload")
    assert "register map sunspec-213" in user.type("dsmr-gateway read --unit 240")
    assert user.commands - before == 3


FLATS = 40
FLEET = """\
meters_file: meters.csv
defaults:
  meter: {{dsmr_version: "5"}}
  unit: {{map: dsmr}}
modbus:
  - listen: "127.0.0.1:{port}"
status_page: {{listen: "127.0.0.1:{page}"}}
"""


def test_an_operator_of_forty_buildings_goes_from_a_spreadsheet_to_a_fleet_with_three_commands(user: User) -> None:
    rows = [f"flat{number},true,{number}," for number in range(1, FLATS + 1)]
    Path("meters.csv").write_text("\n".join(["name,simulate,unit,stale_after", *rows, ""]))
    shown_on = free_port()
    Path("gateway.yaml").write_text(FLEET.format(port=free_port(), page=shown_on))
    assert "40 meters, 40 units" in user.type("dsmr-gateway check")
    user.start("dsmr-gateway run gateway.yaml")
    wait_until(lambda: shows_health(shown_on), "forty meters with fresh readings")
    families = {each.name: each for each in text_string_to_metric_families(page(shown_on, "/metrics")[1])}
    assert sum(sample.value for sample in families["dsmr_gateway_meter_fresh"].samples) == FLATS
    # A row changes; the others stay as they are.
    rows[6] = rows[6] + "20s"
    Path("meters.csv").write_text("\n".join(["name,simulate,unit,stale_after", *rows, ""]))
    reloaded = user.type("dsmr-gateway reload")
    assert reloaded == f"Reloaded {Path('gateway.yaml').absolute()}: settings: meters.flat7.stale_after\n"
    assert user.commands == 3
