"""All attacks at once (`attacks.py`), and their effect on a healthy client, beside jsmodbus.

    python -m benchmarks.siege [--seconds S] [--uvloop]

Meanwhile the gateway receives a thousand telegrams per second. Each telegram puts one number into all registers, so
that a response that mixes two telegrams is detected. jsmodbus, the Modbus server of Node-RED, gets the same attacks at
the same time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import threading
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.attacks import ATTACKS, attack
from benchmarks.client import Client
from benchmarks.feed import Feed, telegrams, with_power
from benchmarks.footprint import resident_mb
from benchmarks.measure import MS, machine, percentile
from benchmarks.running import (
    ASYNCIO,
    LOAD_CORE,
    UVLOOP,
    Program,
    has_uvloop,
    on_core,
    start_gateway,
    start_jsmodbus,
)

REGISTERS = 125
NUMBERS = 1000
TELEGRAM_EVERY_S = 0.001
POLL_EVERY_S = 0.01
QUIET_S = 5.0
MAX_LOG_LINES_PER_MINUTE = 10

MAP = "title: One number everywhere\nsource: benchmarks\nregisters:\n" + "".join(
    f"  - {{address: {address}, name: r{address}, type: uint16, value: power_import, unit: W}}\n"
    for address in range(REGISTERS)
)


@dataclass
class Healthy:
    """A client that reads all registers again and again, and its results."""

    server: Program
    is_gateway: bool
    waits_s: list[float] = field(default_factory=list)
    missed: int = 0
    """Number of responses that did not come or were exceptions."""
    wrong: int = 0
    """Number of responses that mix telegrams."""
    gone_after_s: float | None = None

    def poll(self, seconds: float) -> None:
        """Read until the time is over, or the server has ended."""
        begun = time.monotonic()
        client: Client | None = None
        while (asked := time.monotonic()) < begun + seconds:
            try:
                client = client or Client(self.server.port)
                data = client.read(0, REGISTERS)
            except (OSError, EOFError):
                client = None
                self.missed += 1
                if not self.server.is_running:
                    self.gone_after_s = time.monotonic() - begun
                    return
                continue
            self.waits_s.append(time.monotonic() - asked)
            self.missed += data is None
            self.wrong += self.is_gateway and data is not None and data != data[:2] * REGISTERS
            time.sleep(POLL_EVERY_S)

    def summary(self) -> str:
        """Describe the results in a line."""
        if not self.waits_s:
            return "no response"
        longest, p99 = MS * max(self.waits_s), MS * percentile(self.waits_s, 0.99)
        waits = f"median {MS * statistics.median(self.waits_s):.2f}, p99 {p99:.2f}, longest {longest:.0f} ms"
        end = f"; the server ended after {self.gone_after_s:.1f} s" if self.gone_after_s is not None else ""
        return f"{len(self.waits_s)} responses, {self.missed} missed, {self.wrong} wrong; {waits}{end}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=600.0)
    options.add_argument("--uvloop", action="store_true", help="run the gateway on uvloop")
    given = options.parse_args()
    loop = UVLOOP if given.uvloop and has_uvloop() else ASYNCIO
    print(f"{machine()}; event loop: {loop}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        feed = stack.enter_context(Feed())
        gateway = stack.enter_context(start_gateway(folder / "gateway", feed.port, loop=loop, register_map=MAP))
        feed.accept()
        gateway.wait_for_port()
        servers = {"gateway": gateway}
        if jsmodbus := start_jsmodbus(stack, folder):
            jsmodbus.wait_for_port()
            servers["jsmodbus"] = jsmodbus
        stack.enter_context(on_core(LOAD_CORE))
        stack.enter_context(every_millisecond(feed))
        with Client(gateway.port) as client:
            while client.read(0, 1) is None:
                pass
        watch(servers, QUIET_S, "before")
        memory, lines = resident_mb(gateway), gateway.log_lines
        attackers = [multiprocessing.Process(target=attack, args=(s.port, given.seconds)) for s in servers.values()]
        for attacker in attackers:
            attacker.start()
        seen = watch(servers, given.seconds, f"{given.seconds:.0f} s of {len(ATTACKS)} attacks at once")
        for attacker in attackers:
            attacker.join()
        watch({"gateway": gateway}, QUIET_S, "after")
        logged = gateway.log_lines - lines
        print(f"gateway: {memory:.1f} MB before, {resident_mb(gateway):.1f} MB after; {logged} lines of log in between")
        is_good = gateway.is_running and not seen["gateway"].missed and not seen["gateway"].wrong
        is_quiet = logged <= MAX_LOG_LINES_PER_MINUTE * max(1.0, given.seconds / 60)
        print("verdict: " + ("the healthy client missed no response" if is_good and is_quiet else "NOT AS PROMISED"))


def watch(servers: dict[str, Program], seconds: float, when: str) -> dict[str, Healthy]:
    """Let a healthy client read from each server for `seconds`."""
    clients = {name: Healthy(server, name == "gateway") for name, server in servers.items()}
    threads = [threading.Thread(target=each.poll, args=(seconds,)) for each in clients.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"\n{when}:")
    for name, each in clients.items():
        print(f"  {name}: {each.summary()}")
    return clients


def every_millisecond(feed: Feed) -> AbstractContextManager[None]:
    """Send a telegram per millisecond while the block runs, each with another number."""
    (template,) = telegrams(1)
    return feed.sending(cycle([with_power(template, number) for number in range(NUMBERS)]), TELEGRAM_EVERY_S)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
