"""A serial line on a pseudo terminal, the programs that offer it over TCP, and many readers."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.running import END_LIMIT_S, Program, free_port
from gateway.protocol.crc16 import crc16
from gateway.simulation.forms import simulated_meter

BAUD = 115_200
SPARE, MOST = 4, 500
"""Connections besides those of the readers, such as the one that tests whether the port is open; and the largest
number of clients that the gateway can be configured for."""
PIECE_BYTES = 12
"""Bytes that a USB adapter hands over at a time."""
NOON = 1_767_610_800
"""Noon of 5 January 2026 in unix seconds."""
SER2NET, TELEGRAMS, RAW = "ser2net", "telegrams", "raw"
"""Subjects: ser2net, and the gateway in its two modes."""

SER2NET_CONFIG = """\
%YAML 1.1
---
connection: &p1
    accepter: tcp,{host},{port}
    connector: serialdev,{device},115200n81,local
    options:
      max-connections: {clients}
"""
GATEWAY_CONFIG = """\
meter: {{port: {device}, dsmr_version: "5"}}
modbus: [{{listen: "127.0.0.1:{modbus}"}}]
passthrough:
  - {{listen: "{host}:{port}", mode: {mode}, max_clients: {clients}}}
"""


def telegrams(count: int) -> list[bytes]:
    """Return `count` telegrams of a household, each with an equipment identifier of its own."""
    template = simulated_meter("5").telegram(NOON)
    at = template.index(b"0-0:96.1.1(") + 11
    head, tail = template[:at], template[at + 8 : template.rindex(b"!") + 1]
    so_far = crc16(head)
    bodies = (b"%08X" % number + tail for number in range(count))
    return [head + body + b"%04X\r\n" % crc16(body, so_far) for body in bodies]


class Line:
    """The meter's end of a serial line."""

    def __init__(self, link: Path) -> None:
        self.meter, slave = os.openpty()
        tty.setraw(slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(self.meter, False)
        self.link = link

    def send(self, data: bytes) -> float:
        """Send at full speed; return the time at which the last byte was accepted."""
        rest = memoryview(data)
        while rest:
            select.select([], [self.meter], [], END_LIMIT_S)
            rest = rest[os.write(self.meter, rest) :]
        return time.monotonic()

    def offer(self, data: bytes) -> bool:
        """Send only if the line accepts the bytes at once, and return whether it did: a stopped server does not."""
        try:
            return os.write(self.meter, data) == len(data)
        except BlockingIOError:
            return False

    def send_paced(self, data: bytes) -> float:
        """Send at the speed of a line of 115200 baud; return the time just before the last piece."""
        begun, last = time.monotonic(), 0.0
        for at in range(0, len(data), PIECE_BYTES):
            wait = begun + 10 * at / BAUD - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            last = time.monotonic()
            self.send(data[at : at + PIECE_BYTES])
        return last


class Subject(NamedTuple):
    """A program that offers a line of its own over TCP."""

    line: Line
    program: Program


def start(stack: ExitStack, folder: Path, what: str, clients: int, host: str = "127.0.0.1") -> Subject:
    """Start a ser2net, or a gateway in one mode, that accepts `clients` readers."""
    folder.mkdir(parents=True, exist_ok=True)
    line, port = Line(folder / "p1"), free_port()
    values = {"host": host, "port": port, "device": line.link, "clients": min(clients + SPARE, MOST)}
    if what == SER2NET:
        config = folder / "ser2net.yaml"
        config.write_text(SER2NET_CONFIG.format(**values))
        command: Sequence[str | Path] = ["ser2net", "-n", "-u", "-c", config]
    else:
        config = folder / "gateway.yaml"
        mode = "raw" if what == RAW else "telegrams"
        config.write_text(GATEWAY_CONFIG.format(**values, mode=mode, modbus=free_port()))
        command = [sys.executable, "-c", "from gateway.cli import main; main()", "run", config]
    program = stack.enter_context(Program(command, folder, port))
    program.wait_for_port()
    return Subject(line, program)


class Readers:
    """Readers of one port. Every byte that they receive is compared with the bytes sent."""

    def __init__(self, port: int, count: int, host: str = "127.0.0.1") -> None:
        self._sockets = [socket.create_connection((host, port)) for _ in range(count)]
        self._poll = select.epoll()
        self._at = {}
        self._socket_of = {sock.fileno(): sock for sock in self._sockets}
        for sock in self._sockets:
            sock.setblocking(False)
            self._poll.register(sock, select.EPOLLIN)
            self._at[sock.fileno()] = 0
        self.wrong = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            sock.close()

    def settle(self, line: Line) -> None:
        """Send telegrams until all readers receive, then discard what they received."""
        (telegram,) = telegrams(1)
        served: set[int] = set()
        while len(served) < len(self._sockets):
            line.send(telegram)
            for number, _ in self._poll.poll(0.1):
                served.add(number)
                self._receive(number)
        while self._poll.poll(0.3):
            for number, _ in self._poll.poll(0):
                self._receive(number)
        self.restart()

    def restart(self) -> None:
        """Restart the comparison at the first byte."""
        self._at = dict.fromkeys(self._at, 0)

    def _receive(self, number: int) -> bytes:
        data = self._socket_of[number].recv(1 << 18)
        if not data:
            raise SystemExit("a reader was closed")
        return data

    def read(self, expected: memoryview, timeout_s: float) -> Iterator[tuple[float, int, int]]:
        """Receive for up to `timeout_s` and compare; give each piece's time and the reader's byte counts around it."""
        for number, _ in self._poll.poll(timeout_s):
            data = self._receive(number)
            moment, before = time.monotonic(), self._at[number]
            self._at[number] = after = before + len(data)
            self.wrong += expected[before:after] != data
            yield moment, before, after

    def slowest(self) -> int:
        """Return the number of bytes that the slowest reader has received."""
        return min(self._at.values())


@contextmanager
def serving(what: str, folder: Path, clients: int) -> Iterator[tuple[Subject, Readers]]:
    """Start a subject with readers that all receive."""
    with ExitStack() as stack:
        subject = start(stack, folder, what, clients)
        readers = stack.enter_context(Readers(subject.program.port, clients))
        readers.settle(subject.line)
        yield subject, readers


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process in seconds, from the scheduler's count."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    for row in Path(f"/proc/{pid}/status").read_text().splitlines():
        if row.startswith("VmRSS:"):
            return int(row.split()[1]) / 1024
    return 0.0
