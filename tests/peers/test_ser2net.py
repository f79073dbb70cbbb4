"""The gateway behind a real ser2net, plain and in telnet mode: values, its restarts, and what its error texts mean."""

from __future__ import annotations

import socket
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import own_telegram, program
from tests.peers.harness import (
    TARGET_FAILED,
    Gateway,
    ModbusClient,
    Program,
    SerialPort,
    free_port,
    running,
    wait_until,
)

FIRST, SECOND = own_telegram("v50_sagemcom-t210d"), own_telegram("v50_iskra-am550-solar")
FIRST_NET_W, SECOND_NET_W = 2486, -3127

CONFIGURATION = """\
%YAML 1.1
---
connection: &p1
    accepter: {accepter},127.0.0.1,{port}
    connector: serialdev,{device},{speed},local
    options:
      max-connections: {max_connections}
"""


TCP, TELNET = "tcp", "telnet(rfc2217),tcp"


class Ser2net(Program):
    """A ser2net that serves one device."""

    def __init__(
        self,
        folder: Path,
        device: Path,
        port: int,
        accepter: str = TCP,
        *,
        max_connections: int = 3,
        speed: str = "115200n81",
    ) -> None:
        configuration = folder / "ser2net.yaml"
        text = CONFIGURATION.format(
            accepter=accepter, port=port, device=device, max_connections=max_connections, speed=speed
        )
        configuration.write_text(text)
        # -n: in the foreground; -u: no lock files of other users' making in /var/lock.
        super().__init__([program("ser2net"), "-n", "-u", "-c", configuration], folder, "ser2net")
        self.wait_for_port(port)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[SerialPort]:
    """The serial port that the ser2net has."""
    with SerialPort(tmp_path / "p1") as port:
        yield port


each_accepter = pytest.mark.parametrize("accepter", [TCP, TELNET])
"""For what comes through telnet in another form; what the gateway does after a loss is the same for both."""


def start_gateway(folder: Path, port: int, accepter: str = TCP, **meter: Any) -> Gateway:
    """A gateway that reads from a ser2net here."""
    where = {"host": "127.0.0.1", "port": port} if accepter == TCP else {"source": f"rfc2217://127.0.0.1:{port}"}
    return Gateway(folder, {**where, "dsmr_version": "5", "stale_after": "1s", **meter})


def wait_for_net_power(client: ModbusClient, watts: int) -> None:
    """Wait until the net power is this."""
    expected = watts.to_bytes(4, "big", signed=True)
    wait_until(lambda: client.read(100, 2) == expected, f"{watts} W")


def wait_until_stale(client: ModbusClient) -> None:
    """Wait until readings are refused."""
    wait_until(lambda: client.read(100, 2) == TARGET_FAILED, "stale readings")


@each_accepter
def test_values_come_through_ser2net(tmp_path: Path, port: SerialPort, accepter: str) -> None:
    tcp_port = free_port()
    ser2net = Ser2net(tmp_path, port.link, tcp_port, accepter)
    gateway = start_gateway(tmp_path, tcp_port, accepter)
    with running(ser2net, gateway), gateway.client() as client:
        for telegram, watts in ((FIRST, FIRST_NET_W), (SECOND, SECOND_NET_W)):
            with port.sending(telegram):
                wait_for_net_power(client, watts)
        gateway.wait_for_log(rf"telegrams come in over (rfc2217://)?127\.0\.0\.1:{tcp_port}( 115200 8N1)?\n")
        wait_until_stale(client)


def test_values_return_when_ser2net_is_killed_and_started_again(tmp_path: Path, port: SerialPort) -> None:
    tcp_port = free_port()
    ser2net = Ser2net(tmp_path, port.link, tcp_port)
    gateway = start_gateway(tmp_path, tcp_port)
    with running(ser2net, gateway), gateway.client() as client:
        with port.sending(FIRST):
            wait_for_net_power(client, FIRST_NET_W)
        ser2net.kill()
        wait_until_stale(client)
        wait_until(lambda: client.registers(1, 1)[0] & 0b11 == 0, "a closed P1 port")
        gateway.wait_for_log("the other end closed")
        again = Ser2net(tmp_path, port.link, tcp_port)
        with running(again), port.sending(SECOND):
            wait_for_net_power(client, SECOND_NET_W)
            assert client.registers(1, 1)[0] & 0b11 == 0b11


@each_accepter
def test_a_ser2net_without_a_free_connection_is_diagnosed(tmp_path: Path, port: SerialPort, accepter: str) -> None:
    tcp_port = free_port()
    ser2net = Ser2net(tmp_path, port.link, tcp_port, accepter, max_connections=1)
    with running(ser2net), socket.create_connection(("127.0.0.1", tcp_port)) as other:
        with port.sending(FIRST):
            assert other.recv(1)
        gateway = start_gateway(tmp_path, tcp_port, accepter)
        with running(gateway), gateway.client() as client:
            gateway.wait_for_log("'Port already in use': .*max-connections")
            assert client.read(100, 2) == TARGET_FAILED
            assert client.uint32(14) == 0
            other.close()
            with port.sending(SECOND):
                wait_for_net_power(client, SECOND_NET_W)
        assert gateway.log.count("Port already in use") == 1


@each_accepter
def test_a_device_that_is_gone_behind_ser2net_is_diagnosed(tmp_path: Path, port: SerialPort, accepter: str) -> None:
    tcp_port = free_port()
    ser2net = Ser2net(tmp_path, port.link, tcp_port, accepter)
    gateway = start_gateway(tmp_path, tcp_port, accepter)
    with running(ser2net, gateway), gateway.client() as client:
        with port.sending(FIRST):
            wait_for_net_power(client, FIRST_NET_W)
        port.unplug()
        wait_until_stale(client)
        gateway.wait_for_log("'Device open failure': .*Check the cable there")
        port.plug_in()
        with port.sending(SECOND):
            wait_for_net_power(client, SECOND_NET_W)


def test_a_ser2net_that_is_not_there_is_waited_for(tmp_path: Path, port: SerialPort) -> None:
    tcp_port = free_port()
    gateway = start_gateway(tmp_path, tcp_port)
    with running(gateway), gateway.client() as client:
        gateway.wait_for_log(rf"127\.0\.0\.1:{tcp_port}( 115200 8N1)?: .*trying again")
        assert client.read(100, 2) == TARGET_FAILED
        ser2net = Ser2net(tmp_path, port.link, tcp_port)
        with running(ser2net), port.sending(FIRST):
            wait_for_net_power(client, FIRST_NET_W)


def test_the_gateway_reconnects_to_a_silent_ser2net(tmp_path: Path, port: SerialPort) -> None:
    tcp_port = free_port()
    ser2net = Ser2net(tmp_path, port.link, tcp_port)
    gateway = start_gateway(tmp_path, tcp_port, watchdog="1s")
    with running(ser2net, gateway), gateway.client() as client:
        with port.sending(FIRST):
            wait_for_net_power(client, FIRST_NET_W)
        # Alive, connected, and nothing comes: as with a meter that was unplugged at the far end.
        gateway.wait_for_log("no valid telegram for 1 s")
        with port.sending(SECOND):
            wait_for_net_power(client, SECOND_NET_W)


def test_the_version_of_the_meter_sets_the_port_of_the_ser2net(tmp_path: Path, port: SerialPort) -> None:
    tcp_port = free_port()
    # A port that is not set stays at the speed that the ser2net's configuration gives it.
    ser2net = Ser2net(tmp_path, port.link, tcp_port, TELNET, speed="9600e71")
    gateway = start_gateway(tmp_path, tcp_port, TELNET)
    with running(ser2net, gateway), gateway.client() as client, port.sending(FIRST):
        wait_for_net_power(client, FIRST_NET_W)
        assert port.speed() == termios.B115200


@pytest.mark.parametrize(
    ("accepter", "told"),
    [("telnet,tcp", "speaks telnet and refuses RFC 2217"), ("tcp", "does not speak RFC 2217")],
)
def test_a_ser2net_without_rfc2217_is_named(tmp_path: Path, port: SerialPort, accepter: str, told: str) -> None:
    tcp_port = free_port()
    ser2net = Ser2net(tmp_path, port.link, tcp_port, accepter)
    gateway = start_gateway(tmp_path, tcp_port, TELNET)
    with running(ser2net, gateway), port.sending(FIRST):
        gateway.wait_for_log(told)
