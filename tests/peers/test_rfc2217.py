"""Foreign readers of a passthrough in telnet mode: pyserial, serialx, Home Assistant's dsmr_parser, ser2net."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
import serial
import serialx
from dsmr_parser.clients.protocol import create_dsmr_reader

from tests.conftest import own_telegram, program
from tests.peers.harness import LIMIT_S, Gateway, Program, SerialPort, free_port, running
from tests.peers.test_ser2net import FIRST_NET_W, wait_for_net_power
from tests.waiting import until

FIRST = own_telegram("v50_sagemcom-t210d")
BEGIN = FIRST[: FIRST.index(b"\r\n")]
NET_KW = Decimal(FIRST_NET_W) / 1000


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A passthrough in telnet mode of a meter that sends."""
    with SerialPort(tmp_path / "p1") as port:
        meter = {"port": str(port.link), "dsmr_version": "5"}
        gateway = Gateway(tmp_path, meter, passthrough=[{"telnet": "rfc2217"}])
        with running(gateway):
            gateway.wait_until_connected()
            with port.sending(FIRST):
                yield f"rfc2217://127.0.0.1:{gateway.passthrough_ports[0]}"


def has_telegram(received: bytes) -> bool:
    begin = received.find(BEGIN)
    return begin >= 0 and b"\r\n!" in received[begin:]


def test_pyserial_reads_as_from_a_ser2net(url: str) -> None:
    with serial.serial_for_url(url, baudrate=115200, timeout=1) as port:
        received = b""
        end = time.monotonic() + LIMIT_S
        while not has_telegram(received) and time.monotonic() < end:
            received += port.read(4096)
        assert has_telegram(received)
        assert port.cts
        assert port.dsr
        port.reset_input_buffer()
        port.xonxoff = True
        port.rts = False


def test_pyserial_is_refused_settings_that_are_not_those_of_the_meter(url: str) -> None:
    with pytest.raises(ValueError, match="remote rejected value for option 'baudrate'"):
        serial.serial_for_url(url, baudrate=9600)


@pytest.mark.parametrize("baudrate", [115200, 9600])
async def test_serialx_reads_whatever_settings_it_wants(url: str, baudrate: int) -> None:
    reader, writer = await serialx.open_serial_connection(url, baudrate=baudrate)
    received = b""
    async with asyncio.timeout(LIMIT_S):
        while not has_telegram(received):
            received += await reader.read(4096)
    writer.close()


async def test_home_assistant_reads_it_as_a_serial_port(url: str) -> None:
    telegrams: list[object] = []
    transport, _ = await create_dsmr_reader(url, "5", telegrams.append, loop=asyncio.get_running_loop())
    await until(lambda: telegrams)
    assert telegrams[0].CURRENT_ELECTRICITY_USAGE.value == NET_KW  # type: ignore[attr-defined]
    transport.close()


@contextmanager
def reading(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as reader:
        yield reader


def test_ser2net_reads_it_and_serves_it_on(url: str, tmp_path: Path) -> None:
    tcp_port = free_port()
    configuration = tmp_path / "ser2net.yaml"
    host, _, port = url.removeprefix("rfc2217://").partition(":")
    configuration.write_text(
        f"%YAML 1.1\n---\nconnection: &p1\n    accepter: tcp,127.0.0.1,{tcp_port}\n"
        f"    connector: telnet(rfc2217),tcp,{host},{port}\n"
    )
    ser2net = Program([program("ser2net"), "-n", "-u", "-c", configuration], tmp_path, "ser2net")
    with running(ser2net):
        ser2net.wait_for_port(tcp_port)
        with reading(tcp_port) as reader, suppress(TimeoutError):
            received = b""
            while not has_telegram(received):
                piece = reader.recv(4096)
                assert piece, f"ser2net closed after {received!r}"
                received += piece
    assert has_telegram(received)
    assert b"\xff" not in received


def test_another_gateway_reads_it(url: str, tmp_path: Path) -> None:
    second = Gateway(tmp_path / "second", {"source": url, "dsmr_version": "5"})
    with running(second), second.client() as client:
        wait_for_net_power(client, FIRST_NET_W)
