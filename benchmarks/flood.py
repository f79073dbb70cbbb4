"""Floods of everything that is not Modbus, from 250 connections each, and their effect on a Modbus client.

    python -m benchmarks.flood [--seconds S] [--uvloop] [--password] [--real-time] [--only NAME] [--show-log]

The floods come one after another. Each is a process that does one thing from 250 connections as fast as it can: ask for
the page, for `/healthz` or for registers, send bodies without end, pipeline requests without reading the responses,
view events, do TLS handshakes, connect to the passthrough, ask at the control socket. With `--password`, the page has
a password that the floods do not know.

Two cores are needed: the floods would otherwise take the gateway's time, whatever it does. The gateway runs on one
core. The floods, the meter and the Modbus client run on the other, and the floods have a lower priority. With
`--real-time` (as root), the gateway, the meter and the client have real-time priority: on a machine that also runs
other programs, the figures then show what the gateway does, and not what the scheduler does. The meter sends each
second, the client reads 100 registers every 10 ms. A turn without a flood comes before all others.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import ssl
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.client import Client
from benchmarks.feed import Feed, one_per_second
from benchmarks.footprint import resident_mb
from benchmarks.measure import MS, machine, percentile
from benchmarks.running import ASYNCIO, LOAD_CORE, SERVER_CORE, UVLOOP, Program, free_port, has_uvloop, on_core
from tests.certificates import make_certificates

CONNECTIONS = 250
POLL_EVERY_S = 0.01
REGISTERS = 100
FIRST_REGISTER = 100
TELEGRAMS_REGISTER = 4
SETTLE_S = 1.0
MAX_P99_S, MAX_RATIO, MAX_MB = 0.020, 3.0, 110.0
PIECE = 65_536
NICENESS = 10
GATEWAY_PRIORITY, CLIENT_PRIORITY = 1, 2
"""Real-time priorities."""

CONFIG = """\
meter: {{host: 127.0.0.1, port: {feed}, dsmr_version: "5"}}
modbus:
  - {{listen: "127.0.0.1:{modbus}"}}
  - {{listen: "127.0.0.1:{tls}", tls: {{certificate: server.pem, key: server.key}}}}
passthrough:
  - {{listen: "127.0.0.1:{passthrough}"}}
status_page: {{listen: "127.0.0.1:{page}"{password}}}
"""


@dataclass(frozen=True)
class Ports:
    """Where the gateway listens."""

    folder: Path
    feed: int
    modbus: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)
    passthrough: int = field(default_factory=free_port)
    page: int = field(default_factory=free_port)

    @property
    def control(self) -> Path:
        return self.folder / "dsmr-gateway.sock"


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def get(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


async def ask(open_page: Callable[[], Awaitable[Streams]], request: bytes) -> None:
    """Send a request, wait for the beginning of its response, and send it again."""
    reader, writer = await open_page()
    try:
        while True:
            writer.write(request)
            if not await reader.read(PIECE):
                return
    finally:
        writer.transport.abort()


async def send_bodies(open_page: Callable[[], Awaitable[Streams]]) -> None:
    _, writer = await open_page()
    try:
        writer.write(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(PIECE) + b"\r\n")
            await writer.drain()
    finally:
        writer.transport.abort()


async def read_nothing(open_page: Callable[[], Awaitable[Streams]]) -> None:
    _, writer = await open_page()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        while True:
            writer.write(100 * get("/api/registers"))
            await writer.drain()
    finally:
        writer.transport.abort()


async def take(open_one: Callable[[], Awaitable[Streams]], request: bytes = b"") -> None:
    """Send a request once, and read until the other end closes."""
    reader, writer = await open_one()
    try:
        writer.write(request)
        while await reader.read(PIECE):
            pass
    finally:
        writer.transport.abort()


async def shake_hands(port: int, context: ssl.SSLContext) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.transport.abort()


def floods(ports: Ports) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what one connection of each flood does."""
    context = ssl.create_default_context(cafile=str(ports.folder / "ca.pem"))
    context.check_hostname = False
    page = partial(asyncio.open_connection, "127.0.0.1", ports.page)
    passthrough = partial(asyncio.open_connection, "127.0.0.1", ports.passthrough)
    control = partial(asyncio.open_unix_connection, ports.control)
    return {
        "/": partial(ask, page, get("/")),
        "/healthz": partial(ask, page, get("/healthz")),
        "endless bodies": partial(send_bodies, page),
        "pipelining deaf readers": partial(read_nothing, page),
        "events": partial(take, page, get("/events")),
        "/api/registers": partial(ask, page, get("/api/registers")),
        "TLS handshakes": partial(shake_hands, ports.tls, context),
        "passthrough connects": partial(take, passthrough),
        "control socket": partial(take, control, b"requests\n"),
    }


def flood(name: str, ports: Ports, seconds: float) -> None:
    """Do one thing from all connections until the time is over."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(NICENESS)

    async def repeat() -> None:
        work = floods(ports)[name]
        while True:
            with suppress(OSError, EOFError, ssl.SSLError):
                await work()
            await asyncio.sleep(0)

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        workers = [asyncio.create_task(repeat()) for _ in range(CONNECTIONS)]
        await asyncio.sleep(seconds)
        for worker in workers:
            worker.cancel()

    with suppress(asyncio.CancelledError):
        asyncio.run(run())


@dataclass
class Turn:
    """What the Modbus client and the meter saw."""

    waits_s: list[float] = field(default_factory=list)
    missed: int = 0
    lost: int = 0
    memory_mb: float = 0.0

    @property
    def p99_s(self) -> float:
        return percentile(self.waits_s, 0.99) if self.waits_s else float("inf")


class Bench:
    """The gateway, its meter and a Modbus client."""

    def __init__(self, gateway: Program, ports: Ports) -> None:
        self.gateway, self.ports = gateway, ports
        self.sent = 0
        self._client = Client(ports.modbus)

    def telegrams(self) -> Iterator[bytes]:
        for telegram in one_per_second():
            self.sent += 1
            yield telegram

    @property
    def lost(self) -> int:
        """Return how many telegrams are sent and not accepted, after the last one has had time to arrive."""
        deadline = time.monotonic() + SETTLE_S
        while (lost := self.sent - (self._client.uint32(TELEGRAMS_REGISTER) or 0)) and time.monotonic() < deadline:
            time.sleep(POLL_EVERY_S)
        return lost

    def turn(self, name: str, seconds: float) -> Turn:
        before, turn = self.lost, Turn()
        flooder = multiprocessing.Process(target=flood, args=(name, self.ports, seconds + SETTLE_S)) if name else None
        if flooder:
            flooder.start()
        time.sleep(SETTLE_S)
        deadline = time.monotonic() + seconds
        while (asked := time.monotonic()) < deadline:
            turn.missed += self._client.read(FIRST_REGISTER, REGISTERS) is None
            turn.waits_s.append(time.monotonic() - asked)
            if not len(turn.waits_s) % 20:
                turn.memory_mb = max(turn.memory_mb, resident_mb(self.gateway))
            time.sleep(POLL_EVERY_S)
        turn.lost = self.lost - before
        if flooder:
            flooder.join()
        time.sleep(SETTLE_S)
        return turn


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=10.0, help="duration of each turn")
    options.add_argument("--uvloop", action="store_true", help="run the gateway on uvloop")
    options.add_argument("--password", action="store_true", help="give the page a password, unknown to the floods")
    options.add_argument("--show-log", action="store_true", help="print the log of the gateway")
    options.add_argument("--real-time", action="store_true", help="give the gateway and its client real-time priority")
    options.add_argument("--only", help="the name of one flood")
    given = options.parse_args()
    if SERVER_CORE == LOAD_CORE:
        raise SystemExit("two cores are needed")
    loop = UVLOOP if given.uvloop and has_uvloop() else ASYNCIO
    print(f"{machine()}; event loop: {loop}", end="")
    print("; the page has a password" if given.password else "", end="")
    print("; real-time priority" if given.real_time else "")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        feed = stack.enter_context(Feed())
        ports = Ports(folder, feed.port)
        make_certificates(folder)
        (folder / "password").write_text("correct horse battery")
        (folder / "password").chmod(0o600)
        password = ", password_file: password" if given.password else ""
        names = {name: getattr(ports, name) for name in ("feed", "modbus", "tls", "passthrough", "page")}
        (folder / "gateway.yaml").write_text(CONFIG.format(password=password, **names))
        more = ["--uvloop"] if loop == UVLOOP else []
        command = [Path(sys.executable).with_name("dsmr-gateway"), "run", *more, "gateway.yaml"]
        gateway = stack.enter_context(Program(command, folder, ports.modbus))
        feed.accept()
        gateway.wait_for_port()
        stack.enter_context(on_core(LOAD_CORE))
        if given.real_time:
            os.sched_setscheduler(gateway.pid, os.SCHED_RR, os.sched_param(GATEWAY_PRIORITY))
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(CLIENT_PRIORITY))
        bench = Bench(gateway, ports)
        stack.enter_context(feed.sending(bench.telegrams(), 1.0))
        time.sleep(2 * SETTLE_S)
        lines = gateway.log_lines
        compare(bench, [given.only] if given.only else list(floods(ports)), given.seconds)
        print(f"{gateway.log_lines - lines} lines of log meanwhile")
        if given.show_log:
            print((folder / "log.txt").read_text())


def compare(bench: Bench, names: list[str], seconds: float) -> None:
    """Let each flood have a turn, and print what the Modbus client saw."""
    print(
        f"\n{'flood':<26}{'reads':>7}{'median':>9}{'p99':>9}{'longest':>9} ms{'p99 to quiet':>14}{'missed':>8}", end=""
    )
    print(f"{'telegrams lost':>16}{'MB':>8}")
    quiet = bench.turn("", seconds)
    is_good = True
    for name in ("", *names):
        turn = bench.turn(name, seconds) if name else quiet
        median, p99, longest = (MS * s for s in (statistics.median(turn.waits_s), turn.p99_s, max(turn.waits_s)))
        ratio = turn.p99_s / quiet.p99_s
        print(f"{name or 'none':<26}{len(turn.waits_s):>7}{median:>9.2f}{p99:>9.2f}{longest:>9.1f}   ", end="")
        print(f"{ratio:>14.2f}{turn.missed:>8}{turn.lost:>16}{turn.memory_mb:>8.1f}", flush=True)
        is_good &= ratio < MAX_RATIO and turn.p99_s < MAX_P99_S and turn.memory_mb < MAX_MB
        is_good &= not turn.missed and not turn.lost
    print("\nverdict: " + ("the Modbus client does not notice" if is_good else "NOT AS PROMISED"))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
