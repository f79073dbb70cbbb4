"""A month of telegrams through one gateway with all kinds of programs, or hours in real time with all kinds of sources.

    python -m benchmarks.soak [--telegrams N]
    python -m benchmarks.soak --hours H

The first form sends as many telegrams as a meter sends in a month, as fast as they go through a serial port (a pseudo
terminal) into a gateway that runs as a process. The meter's clock is that of this machine, so the gateway serves the
telegrams, though hundreds have the same second. Each has another power, in total and of each phase. Five passthrough
readers compare every byte. A telegram is sent when the slowest of them has received the telegrams up to some before it.
Ten Modbus clients read ten units with ten maps: a response must be that of one telegram, bit for bit, and of one that
was sent in the last seconds, and not older than the one before. A program with a page open receives each event, and a
subscriber of a broker (mosquitto) checks each message. Control+C ends the run early, with the figures until then.

The second form sends a telegram per second from each kind of source of `sources.py` to one gateway, and checks each
response and its age.

Both measure the memory, the file descriptors and the log of the gateway; the first form from the telegrams of the first
hour on, the second one from the first minutes on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.measure import machine
from benchmarks.p1_line import Line, cpu_s
from benchmarks.running import LOAD_CORE, Program, free_port, missing, on_core
from benchmarks.soak_clients import MAPS, all_places, watch
from benchmarks.soak_sources import run_hours
from benchmarks.soak_telegrams import Telegrams
from benchmarks.steadiness import Steadiness, start_mosquitto

MONTH = 2_600_000
"""Number of telegrams of a meter that sends one per second, in 30 days."""
HOUR = 3600
"""Number of telegrams after which the memory may grow no more than the limit: those of an hour."""
READERS = 5
AHEAD = 16
"""Largest number of telegrams between meter and slowest reader: half of what the gateway buffers per reader."""
STALLED_S = 60.0
SHOWN = 20
"""Number of lines that show the progress."""


class Readers:
    """Passthrough readers. Every byte that they receive is compared with the bytes sent."""

    def __init__(self, ports: list[int]) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for port in ports]
        self._poll = select.epoll()
        self._socket_of = {sock.fileno(): sock for sock in self._sockets}
        self._at = dict.fromkeys(self._socket_of, 0)
        self._window, self._first = bytearray(), 0
        """The bytes that were sent and that not all readers have, and the number of bytes before them."""
        for number in self._socket_of:
            self._poll.register(number, select.EPOLLIN)

    def settle(self, send: Callable[[], bytes]) -> None:
        """Send telegrams until all readers receive, then discard what they received."""
        served: set[int] = set()
        while len(served) < len(self._sockets) or self._poll.poll(0.3):
            if len(served) < len(self._sockets):
                send()
            for number, _ in self._poll.poll(0.1):
                served.add(number)
                self._socket_of[number].recv(1 << 18)

    def sent(self, data: bytes) -> None:
        """Note bytes that were sent."""
        self._window += data

    def take(self, count: int) -> None:
        """Receive until each reader has `count` bytes."""
        since = time.monotonic()
        while (slowest := min(self._at.values())) < count:
            for number, _ in self._poll.poll(1.0):
                data = self._socket_of[number].recv(1 << 18)
                at = self._at[number] - self._first
                if not data:
                    raise SystemExit(f"NOT AS PROMISED: a reader was closed after {self._at[number]} bytes")
                if self._window[at : at + len(data)] != data:
                    raise SystemExit(f"NOT AS PROMISED: a reader got other bytes after {self._at[number]}")
                self._at[number] += len(data)
                since = time.monotonic()
            if time.monotonic() - since > STALLED_S:
                raise SystemExit(f"NOT AS PROMISED: {count - slowest} bytes are missing at a reader")
        if slowest - self._first > 1 << 16:
            del self._window[: slowest - self._first]
            self._first = slowest


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--telegrams", type=int, default=MONTH)
    options.add_argument("--hours", type=float, help="run in real time for H hours, with all kinds of sources")
    given = options.parse_args()
    if missing("mosquitto"):
        raise SystemExit("mosquitto is not installed; try: apt install mosquitto")
    print(machine(), flush=True)
    with TemporaryDirectory(prefix="dsmr-gateway-") as folder, on_core(LOAD_CORE):
        try:
            if given.hours:
                run_hours(Path(folder), given.hours)
            else:
                run_month(Path(folder), given.telegrams)
        finally:
            print("log of the gateway:", *(Path(folder) / "log.txt").read_text().splitlines()[-SHOWN:], sep="\n  ")


def start(stack: ExitStack, folder: Path, line: Line) -> tuple[Program, dict[str, int]]:
    """Start a gateway with ten units, two passthroughs, a page and a broker; return it with the ports of all."""
    ports = {name: free_port() for name in ("modbus", "telegrams", "raw", "page", "broker")}
    start_mosquitto(stack, folder, ports["broker"])
    listen = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    configuration = {
        "meter": {"port": str(line.link), "dsmr_version": "5"},
        "modbus": [{"listen": listen["modbus"], "units": {unit: {"map": name} for unit, name in MAPS.items()}}],
        "passthrough": [{"listen": listen["telegrams"]}, {"listen": listen["raw"], "mode": "raw"}],
        "status_page": {"listen": listen["page"]},
        "mqtt": {"brokers": [f"mqtt://{listen['broker']}"], "edge": "soak", "publish": ["telegrams", "readings"]},
        "state_dir": "state",
    }
    (folder / "state").mkdir()
    (folder / "gateway.yaml").write_text(yaml.safe_dump(configuration))
    command: list[str | Path] = [Path(sys.executable).with_name("dsmr-gateway"), "run", folder / "gateway.yaml"]
    gateway = stack.enter_context(Program(command, folder, ports["modbus"]))
    gateway.wait_for_port()
    return gateway, ports


def run_month(folder: Path, total: int) -> None:
    with ExitStack() as stack:
        line, telegrams = Line(folder / "P1"), Telegrams()
        places = all_places(telegrams)
        gateway, ports = start(stack, folder, line)
        readers = Readers([ports["telegrams"]] * 3 + [ports["raw"]] * (READERS - 3))

        def send() -> bytes:
            telegram = telegrams.next()
            line.send(telegram)
            return telegram

        readers.settle(send)
        context = multiprocessing.get_context("fork")
        sent, over, (here, there) = context.Value("Q", telegrams.count), context.Event(), context.Pipe()
        arguments = (ports, places, telegrams, sent, over, there)
        clients = context.Process(target=watch, args=arguments, daemon=True)
        clients.start()
        there.close()  # so that the end of the clients is seen, should they fail
        steadiness = Steadiness(gateway)
        begun, used = time.monotonic(), cpu_s(gateway.pid)
        number, size, step = 0, telegrams.size, max(1, total // SHOWN)
        is_over: list[bool] = []
        signal.signal(signal.SIGINT, lambda *_: is_over.append(True))
        while number < total and not is_over:
            number += 1
            readers.sent(send())
            sent.value = telegrams.count
            readers.take((number - AHEAD) * size)
            if number == HOUR:
                steadiness.begin()
                print(f"after {number:>8} telegrams: {steadiness}", flush=True)
            if number % step == 0:
                steadiness.look()
                rate = number / (time.monotonic() - begun)
                print(f"after {number:>8} telegrams: {steadiness}, {rate:.0f} telegrams per second", flush=True)
        readers.take(number * size)
        steadiness.look()
        took, used = time.monotonic() - begun, cpu_s(gateway.pid) - used
        over.set()
        show(number, took, used, here.recv(), steadiness)


def show(total: int, took: float, used: float, seen: dict[str, Any], steadiness: Steadiness) -> None:
    """Print what was measured, and whether it is as promised."""
    print(
        f"{READERS} readers received each of {total} telegrams, byte for byte, in {took:.0f} s "
        f"({total / took:.0f} per second, {1e6 * used / total:.0f} us of CPU each)"
    )
    print("{clients} clients: {responses} responses, {values} values of one telegram, {exceptions} exceptions, "
          "{torn} torn, {old} old, {back} older than the one before".format_map(seen))  # fmt: skip
    print("page: {events} events; broker: {readings} messages with readings, {telegrams} with a telegram, {strange} "
          "that are not those of one telegram".format_map(seen))  # fmt: skip
    wrong = sum(seen[name] for name in ("torn", "old", "back", "strange"))
    worked = all(seen[name] for name in ("values", "events", "readings", "telegrams"))
    is_kept = steadiness.is_kept and not wrong and worked
    print(f"{steadiness.summary()}\nverdict: {'as promised' if is_kept else 'NOT AS PROMISED'}")


if __name__ == "__main__":
    main()
