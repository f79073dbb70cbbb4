"""The gateway's passthrough beside a real ser2net, on the same bytes: readers cannot tell them apart."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from operator import gt
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self

import pytest
from dsmr_parser.clients.protocol import create_tcp_dsmr_reader

from gateway.protocol.p1.raw_stream import PAUSE_BETWEEN_TELEGRAMS_S
from tests.conftest import own_telegram, program
from tests.nodes.passthrough_bench import numbered
from tests.peers.harness import (
    LIMIT_S,
    Gateway,
    Program,
    SerialPort,
    free_port,
    running,
)
from tests.peers.test_ser2net import Ser2net
from tests.waiting import until

FIRST, SECOND, THIRD = own_telegram("v50_sagemcom-t210d"), own_telegram("v50_iskra-am550-solar"), numbered(3)
TELEGRAM_BYTES = len(THIRD)
BOTH_MODES = ({"mode": "telegrams"}, {"mode": "raw"})
ENCRYPTED_S = 2.5
"""Longer than the watchdog waits for a telegram that can be read."""


class ByteReader:
    """A reader that keeps every byte."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read(self, count: int) -> bytes:
        """So many bytes."""
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except TimeoutError:
                port = self.socket.getpeername()[1]
                pytest.fail(f"port {port} gave {len(data)} of {count} bytes, the last of them {data[-40:]!r}")
            assert piece, f"closed after {len(data)} of {count} bytes"
            data += piece
        return data

    def gets(self, expected: bytes) -> bool:
        """Whether the next bytes are these."""
        return self.read(len(expected)) == expected

    def reset(self) -> None:
        """Leave as a program that crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class SideBySide(NamedTuple):
    """A ser2net and a gateway, each with a serial port that the same meter is plugged into."""

    meters: tuple[SerialPort, SerialPort]
    gateway: Gateway
    tcp_ports: tuple[int, ...]
    """Of the ser2net, then of the gateway in each mode."""

    def send(self, data: bytes) -> None:
        """What the meter sends, in pieces as a USB adapter hands them over."""
        for at in range(0, len(data), 62):
            for meter in self.meters:
                meter.send(data[at : at + 62])


@pytest.fixture
def side_by_side(tmp_path: Path) -> Iterator[SideBySide]:
    port = free_port()
    with SerialPort(tmp_path / "ser2net-p1") as one, SerialPort(tmp_path / "gateway-p1") as other:
        ser2net = Ser2net(tmp_path, one.link, port, max_connections=10)
        gateway = Gateway(tmp_path, {"port": str(other.link), "dsmr_version": "5"}, passthrough=BOTH_MODES)
        with running(ser2net, gateway):
            gateway.wait_until_connected()
            yield SideBySide((one, other), gateway, (port, *gateway.passthrough_ports))


@contextmanager
def readers_of(*ports: int) -> Iterator[list[ByteReader]]:
    """One reader of each port, all of them served."""
    with ExitStack() as stack:
        yield [stack.enter_context(ByteReader(port)) for port in ports]


def wait_until_ser2net_reads(meter: SerialPort, reader: ByteReader) -> None:
    """It opens the device with its first reader; what comes before that is lost."""
    reader.socket.settimeout(0.05)
    got = b""
    while not got.endswith(b"."):
        meter.send(b".")
        with suppress(TimeoutError):
            got += reader.socket.recv(100)
    reader.socket.settimeout(LIMIT_S)


def test_both_pass_the_same_bytes(side_by_side: SideBySide) -> None:
    sent = [FIRST, SECOND, own_telegram("odd_text-2048-digits"), THIRD] * 5
    with readers_of(*side_by_side.tcp_ports) as readers:
        wait_until_ser2net_reads(side_by_side.meters[0], readers[0])
        for telegram in sent:
            side_by_side.send(telegram)
            got = [reader.read(len(telegram)) for reader in readers]
            assert got == [telegram] * len(readers)


async def test_dsmr_parser_reads_the_same_telegrams_from_both(side_by_side: SideBySide) -> None:
    heard: list[list[Any]] = []
    transports = []
    for port in side_by_side.tcp_ports:
        telegrams: list[Any] = []
        heard.append(telegrams)
        coroutine = create_tcp_dsmr_reader("127.0.0.1", port, "5", telegrams.append, keep_alive_interval=60)
        transports.append((await coroutine)[0])
    deadline = time.monotonic() + LIMIT_S
    while not all(heard):
        assert time.monotonic() < deadline, [len(telegrams) for telegrams in heard]
        side_by_side.send(FIRST)
        await asyncio.sleep(0.05)
    for telegram in (SECOND, THIRD):
        side_by_side.send(telegram)
        before = [len(telegrams) for telegrams in heard]
        await until(lambda b=before: all(map(gt, map(len, heard), b)), "telegrams")
    texts = [[json.loads(telegram.to_json()) for telegram in telegrams[-2:]] for telegrams in heard]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0][0]["ELECTRICITY_USED_TARIFF_1"]["value"] > 0
    assert texts[0][0] != texts[0][1]
    for transport in transports:
        transport.close()


def test_readers_are_kept_while_the_device_is_away(tmp_path: Path) -> None:
    with SerialPort(tmp_path / "p1") as meter:
        gateway = Gateway(tmp_path, {"port": str(meter.link), "dsmr_version": "5"}, passthrough=BOTH_MODES)
        with running(gateway), readers_of(*gateway.passthrough_ports) as readers:
            gateway.wait_until_connected()
            meter.send(FIRST)
            assert all(reader.gets(FIRST) for reader in readers)
            meter.unplug()
            meter.plug_in()
            with meter.sending(SECOND, every_s=0.05, as_they_are=True):
                assert all(reader.gets(SECOND) for reader in readers)


def test_readers_that_need_it_are_closed_when_the_device_goes(tmp_path: Path) -> None:
    offers = [{**mode, "on_meter_loss": "close"} for mode in BOTH_MODES]
    with SerialPort(tmp_path / "p1") as meter:
        gateway = Gateway(tmp_path, {"port": str(meter.link), "dsmr_version": "5"}, passthrough=offers)
        with running(gateway), readers_of(*gateway.passthrough_ports) as readers:
            gateway.wait_until_connected()
            meter.send(FIRST)
            assert all(reader.gets(FIRST) for reader in readers)
            meter.unplug()
            assert [reader.socket.recv(1) for reader in readers] == [b"", b""]


def test_encrypted_telegrams_pass_without_a_gap(tmp_path: Path) -> None:
    meter_config = {"dsmr_version": "5", "watchdog": "1s"}
    with SerialPort(tmp_path / "p1") as meter:
        gateway = Gateway(tmp_path, {"port": str(meter.link), **meter_config}, passthrough=[{"mode": "raw"}])
        with running(gateway), readers_of(*gateway.passthrough_ports) as (reader,):
            gateway.wait_until_connected()
            begun, random = time.monotonic(), Random(1)
            while time.monotonic() < begun + ENCRYPTED_S:
                telegram = b"\xdb\x08" + random.randbytes(500)
                meter.send(telegram)
                assert reader.gets(telegram)
                time.sleep(2 * PAUSE_BETWEEN_TELEGRAMS_S)


def test_a_reader_of_any_kind_leaves_the_healthy_one_alone(tmp_path: Path) -> None:
    with SerialPort(tmp_path / "p1") as meter, ExitStack() as stack:
        gateway = Gateway(tmp_path, {"port": str(meter.link), "dsmr_version": "5"}, passthrough=BOTH_MODES)
        with running(gateway), readers_of(*gateway.passthrough_ports) as healthy:
            gateway.wait_until_connected()
            feed(meter, healthy, range(100))
            memory = gateway_memory(gateway)
            for port in gateway.passthrough_ports:
                readers = [stack.enter_context(ByteReader(port)) for _ in range(18)]
                readers[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # and it never reads
                readers[1].socket.shutdown(socket.SHUT_WR)
                readers[2].socket.sendall(bytes(100_000))
                for reader in readers[3:]:
                    reader.reset()
            # Fed until the one that never reads is far behind what may be held for it.
            feed(meter, healthy, range(100, 400))
            assert gateway_memory(gateway) < memory + 4_000_000
            gateway.wait_for_log("reads too slowly and misses telegrams")
            gateway.wait_for_log("reads too slowly and is disconnected")
            gateway.wait_for_log("readers send bytes, which are dropped")


def feed(meter: SerialPort, readers: list[ByteReader], numbers: range) -> None:
    """Send telegrams one by one; each must reach every reader, so none waits for a slow one."""
    for number in numbers:
        telegram = numbered(number)
        meter.send(telegram)
        for reader in readers:
            assert reader.read(len(telegram)) == telegram


def gateway_memory(gateway: Program) -> int:
    """Bytes that it has in memory."""
    (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{gateway.pid}/status").read_text(), re.MULTILINE)
    return 1024 * int(kilobytes)


NAMESPACE, DEVICE, HERE, THERE = f"p1-{os.getpid()}", f"p1v{os.getpid()}", "198.51.100.1", "198.51.100.2"
REMOTE_READER = """
import socket, sys
reader = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("connected", flush=True)
while piece := reader.recv(65536):
    sys.stdout.buffer.write(piece)
    sys.stdout.flush()
"""


@pytest.fixture
def link() -> Iterator[Any]:
    """What takes the network of another machine down and up; it has one address, and so has this one."""
    ip = program("ip")

    def run(*words: str) -> bool:
        return subprocess.run([ip, *words], capture_output=True, check=False).returncode == 0

    if not run("netns", "add", NAMESPACE):
        pytest.skip("this machine allows no network namespaces here (ip netns add needs root)")
    try:
        for words in (
            f"link add {DEVICE} type veth peer name far netns {NAMESPACE}",
            f"address add {HERE}/30 dev {DEVICE}",
            f"link set {DEVICE} up",
            f"-n {NAMESPACE} address add {THERE}/30 dev far",
            f"-n {NAMESPACE} link set far up",
        ):
            if not run(*words.split()):
                pytest.skip(f"this machine does not allow: ip {words}")
        yield lambda state: run("-n", NAMESPACE, "link", "set", "far", state)
    finally:
        # A namespace takes its time to go, and its devices with it.
        run("link", "del", DEVICE)
        run("netns", "del", NAMESPACE)


def test_a_reader_whose_link_is_down_holds_nobody_up_and_comes_back(tmp_path: Path, link: Any) -> None:
    port = free_port()
    offer = {"listen": f"0.0.0.0:{port}"}
    with SerialPort(tmp_path / "p1") as meter:
        gateway = Gateway(tmp_path, {"port": str(meter.link), "dsmr_version": "5"}, passthrough=[offer])
        with running(gateway), readers_of(port) as healthy:
            gateway.wait_until_connected()
            command = [program("ip"), "netns", "exec", NAMESPACE, "python3", "-c", REMOTE_READER, HERE, str(port)]
            remote = Program(command, tmp_path, "remote")
            with running(remote):
                remote.wait_for_log("connected")
                feed(meter, healthy, range(50))
                remote.wait_for_log(f"{49:08X}")
                assert link("down")
                feed(meter, healthy, range(50, 300))
                gateway.wait_for_log("reads too slowly and misses telegrams")
                assert link("up")
                number = 300
                while f"({number - 1:08X})" not in remote.log:
                    feed(meter, healthy, range(number, number + 1))
                    number += 1
                    assert number < 2000
                    time.sleep(0.02)
                assert_whole_and_in_order(remote.log.removeprefix("connected\n"), number)


def assert_whole_and_in_order(got: str, sent: int) -> None:
    """Some of the numbered telegrams are missing; the others are whole, and one behind the other."""
    numbers = [int(digits, 16) for digits in re.findall(r"96\.13\.0\(([0-9A-F]{8})\)", got)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < sent
    # Of the last one, not all may have been written to the log yet.
    expected = "".join(numbered(number).decode().replace("\r\n", "\n") for number in numbers)
    assert expected.startswith(got.replace("\r\n", "\n"))
