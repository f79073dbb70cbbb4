"""SIGHUP: the configuration and its maps are read anew, and nothing that did not change is disturbed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli.run import config_without_file
from gateway.config import Config, Maps, load_maps
from gateway.config.meter import MeterConfig
from gateway.service.broken_configuration import Load
from gateway.service.reload import reload_when_asked
from gateway.service.systemd import ServiceManager
from gateway.service.wiring import Wiring
from tests.config.faults import FOLDER, FOUR_LINES, FOUR_PROBLEMS
from tests.conftest import own_telegram
from tests.peers.harness import (
    LIMIT_S,
    Gateway,
    ModbusClient,
    Program,
    free_port,
    gateway_command,
    is_listened_on,
    running,
    wait_until,
)
from tests.protocol.p1.stream import stamped

MAP = "registers:\n  - {{address: {address}, name: power, type: int32, value: power_net, unit: W}}\n"
TELEGRAM = own_telegram("v50_sagemcom-t210d")
POWER = (0, 2486)


class Bench:
    """A gateway on a pty, and its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newest = b""
        """The telegram that was sent last."""
        self.meter, other = os.openpty()
        tty.setraw(self.meter)
        self.config: dict[str, Any] = {
            "meter": {"port": os.ttyname(other), "dsmr_version": "5", "stale_after": "1h"},
            "modbus": [{"listen": f"127.0.0.1:{free_port()}", "units": {1: {"map": "own.yaml"}}}],
        }
        self.write_map(0)
        self.write()
        self.gateway = Program([gateway_command(), "run", "gateway.yaml"], folder, "gateway")

    @property
    def port(self) -> int:
        return int(self.config["modbus"][0]["listen"].rpartition(":")[2])

    def write(self) -> None:
        (self.folder / "gateway.yaml").write_text(yaml.safe_dump(self.config))

    def write_map(self, address: int) -> None:
        (self.folder / "own.yaml").write_text(MAP.format(address=address))

    def send_until(self, condition: Callable[[], bool], what: str) -> None:
        """Send the telegram with the present time, again and again, until something is so."""

        def is_so() -> bool:
            self.newest = stamped(TELEGRAM, time.time())
            os.write(self.meter, self.newest)
            return condition()

        wait_until(is_so, what)

    def reload(self) -> None:
        """Reload, and wait until it is done."""
        before = self.gateway.log.count("reloaded")
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_for_log("info reloaded", before + 1)

    def reload_in_vain(self) -> str:
        """Reload what cannot be used; what the log says."""
        before = self.gateway.log
        self.gateway.signal(signal.SIGHUP)
        self.gateway.wait_for_log("nothing is changed", before.count("nothing is changed") + 1)
        return self.gateway.log[len(before) :]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A gateway that has had one telegram and gets no other."""
    bench = Bench(tmp_path)
    with running(bench.gateway):
        bench.gateway.wait_for_log("open|no telegram|connecting|connect to")
        bench.gateway.wait_for_port(bench.port)
        with ModbusClient(bench.port) as client:
            bench.send_until(lambda: isinstance(client.read(0, 2), bytes), "the first telegram")
        yield bench
    os.close(bench.meter)


def test_a_changed_map_holds_for_the_next_request_of_a_client_that_stays(bench: Bench) -> None:
    with ModbusClient(bench.port) as client:
        assert client.registers(0, 2) == POWER
        bench.write_map(100)
        bench.reload()
        # No telegram came meanwhile: the last one stands in the new map.
        assert client.registers(100, 2) == POWER
        assert client.read(0, 2) == 2


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (lambda bench: (bench.folder / "own.yaml").write_text(MAP.format(address=70000)), r"own.yaml:2:"),
        (lambda bench: (bench.folder / "own.yaml").unlink(), "there is no file"),
        (lambda bench: (bench.folder / "gateway.yaml").write_text("meter: {prot: a}"), "gateway.yaml:1:9: meter.prot"),
        (lambda bench: (bench.folder / "gateway.yaml").unlink(), "gateway.yaml"),
        (
            lambda bench: (bench.folder / "gateway.yaml").write_text(""),
            "gateway.yaml: the file is empty",
        ),
    ],
    ids=["map", "no map", "configuration", "no configuration", "empty configuration"],
)
def test_what_cannot_be_used_changes_nothing(bench: Bench, breaks: Callable[[Bench], object], told: str) -> None:
    with ModbusClient(bench.port) as client:
        breaks(bench)
        assert told in bench.reload_in_vain()
        assert client.registers(0, 2) == POWER
        bench.write_map(6)
        bench.write()
        bench.reload()
        assert client.registers(6, 2) == POWER


def test_a_reload_reports_the_problems_of_all_stages_at_once(bench: Bench) -> None:
    (bench.folder / "gateway.yaml").write_text(FOUR_PROBLEMS)
    log = bench.reload_in_vain()
    reported = re.findall(r"error reload: (.*)", log.replace(str(bench.folder), FOLDER))
    assert reported == [*FOUR_LINES, "nothing is changed; fix the file and reload again"]


def test_a_file_that_is_gone_is_not_replaced_by_what_the_environment_says(tmp_path: Path) -> None:
    environment = {"DSMR_GATEWAY_MODBUS__0__MAX_CLIENTS": "5"}
    gateway = Gateway(tmp_path, {"simulate": True}, environment=environment)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        kept = (tmp_path / "gateway.yaml").read_text()
        (tmp_path / "gateway.yaml").unlink()
        gateway.signal(signal.SIGHUP)
        gateway.wait_for_log("gateway.yaml: the file is gone. Put it back")
        gateway.wait_for_log("nothing is changed")
        with gateway.client() as client:
            assert client.registers(0, 1) == (1,)
        (tmp_path / "gateway.yaml").write_text(kept)
        gateway.signal(signal.SIGHUP)
        gateway.wait_for_log("info reloaded")


async def ask_twice(load: Load, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """Ask for a reload that fails, wait for what is said of it, and ask again: nothing changes by it."""
    wiring = Wiring(*(config := Config(meter=MeterConfig(simulate=True)), load_maps(config, Path())), Path())
    nodes = list(wiring.flow.nodes)
    asked = asyncio.Event()
    reading = asyncio.create_task(reload_when_asked(wiring, load, asked, ServiceManager({})))
    for count in (1, 2):
        asked.set()
        async with asyncio.timeout(LIMIT_S):
            while caplog.text.count(expected) < count:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
    assert not reading.done()
    assert wiring.flow.nodes == nodes
    reading.cancel()


async def test_without_a_file_the_only_serial_port_may_be_gone_and_nothing_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await ask_twice(lambda: (config_without_file(Path("gateway.yaml"), []), {}), "nothing is changed", caplog)


async def test_after_a_failure_that_nobody_foresaw_it_can_be_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> tuple[Config, Maps]:
        raise RuntimeError("out of the blue")

    await ask_twice(fail, "RuntimeError: out of the blue", caplog)


def test_servers_and_units_come_and_go_while_a_client_of_another_stays(bench: Bench) -> None:
    with ModbusClient(bench.port) as client:
        second = free_port()
        bench.config["modbus"].append({"listen": f"127.0.0.1:{second}"})
        bench.config["modbus"][0]["units"][7] = {"map": "dsmr"}
        bench.write()
        bench.reload()
        bench.gateway.wait_for_port(second)
        assert client.registers(100, 2, unit=7) == POWER
        with ModbusClient(second) as other:
            assert other.registers(100, 2) == POWER

            del bench.config["modbus"][1], bench.config["modbus"][0]["units"][7]
            bench.write()
            bench.reload()
            assert other.is_closed()
        wait_until(lambda: not is_listened_on(second), "the second server to be gone")
        assert client.read(100, 2, unit=7) == 0x0A
        assert client.registers(0, 2) == POWER


def test_a_meter_that_is_exchanged_gives_nothing_until_it_has_sent(bench: Bench) -> None:
    with ModbusClient(bench.port) as client:
        assert client.registers(0, 2) == POWER
        bench.config["meter"]["stale_after"] = "2h"
        bench.write()
        bench.reload()
        assert client.read(0, 2) == 0x0B

        bench.send_until(lambda: client.read(0, 2) != 0x0B, "the first telegram of the new meter")
        assert client.registers(0, 2) == POWER


def test_a_server_moves_to_another_port(bench: Bench) -> None:
    before = bench.port
    bench.config["modbus"][0]["listen"] = f"127.0.0.1:{free_port()}"
    bench.write()
    bench.reload()
    bench.gateway.wait_for_port(bench.port)
    assert not is_listened_on(before)
    with ModbusClient(bench.port) as client:
        assert client.registers(0, 2) == POWER


def test_passthroughs_come_and_go(bench: Bench) -> None:
    port = free_port()
    bench.config["passthrough"] = [{"listen": f"127.0.0.1:{port}", "greet": "newest"}]
    bench.write()
    bench.reload()
    bench.gateway.wait_for_port(port)
    with ModbusClient(port) as reader:
        assert reader.socket.recv(len(TELEGRAM)) == bench.newest
        bench.reload()
        del bench.config["passthrough"]
        bench.write()
        bench.reload()
        wait_until(reader.is_closed, "the reader to be closed")
