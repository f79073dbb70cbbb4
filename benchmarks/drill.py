"""Bad days of a fleet: its processes die, stand still, are cut off, and have wrong clocks, while clients read.

    python -m benchmarks.drill [--meters N] [FAULT ...]

Two edges with N meters each, two mosquittos in network namespaces of their own, two serving gateways, and HAProxy in
front of them, with the configuration of `docker/fleet`. The power of a telegram is the moment at which it was sent, and
its energy the number of its meter, so a client knows the true age of each number that it gets, and whose it is. Four
clients read each meter about twice a second through HAProxy, which spreads them over both serving gateways. A number
that is older than the limit of 5 s, with 1.5 s for the resolution of the meter's clock, is stale as fresh.

Three kinds of fleet run one after the other: plain ones; brokers that keep a store on a small disk; and processes whose
wall clock can be set (`wallclock.c`).

It needs root, mosquitto, haproxy, iproute2 and gcc. All processes share the cores of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

from benchmarks import many
from benchmarks.client import Client
from benchmarks.drill_fleet import CUT_S, SETTLE_S, STEP_S, STOPPED_S, Fleet, Ground, run_fleet
from benchmarks.measure import machine
from benchmarks.running import missing

METERS = 200
LIMIT_S, RESOLUTION_S = 5.0, 1.5
AHEAD_S = 1.0
"""A number that seems to be of the future by less than this is not wrong: it was rounded."""
READ_EVERY_S = 0.5
RESPONSE_LIMIT_S = 3.0
READERS = 2
"""Number of clients for the meters of each edge, each with a part of them."""
REGISTERS = many.NUMBER_ADDRESS + 4 - many.POWER_ADDRESS
HOUR_S = 3600.0
ONE_TELEGRAM_S, CONNECTION_S = 1.0, 3.0
"""Longest time of a meter without fresh readings when one broker fails, and of a client without a response when a
serving gateway fails."""


class Fault(NamedTuple):
    """A fault of the fleet, and what clients may see of it."""

    happen: Callable[[Fleet], None]
    ground: Ground = Ground()
    gap_s: float | None = None
    """Longest time that a meter may be without fresh readings."""
    silence_s: float | None = None
    """Longest time that a client may be without a response."""


@dataclass
class Seen:
    """The numbers that clients got while a fault was there, and until all meters were fresh again."""

    reads: int = 0
    stale_as_fresh: list[float] = field(default_factory=list)
    wrong: int = 0
    """Number of reads with the numbers of another meter."""
    without_fresh_s: dict[int, float] = field(default_factory=dict)
    """Longest time of each meter without a fresh number."""
    without_response_s: float = 0.0


class Readers:
    """Clients that read meters in turn, each in a thread of its own."""

    def __init__(self, ports: list[int], count: int) -> None:
        self.seen = Seen()
        self.fresh_at = dict.fromkeys(range(len(ports) * count), 0.0)
        self._is_ending = False
        self._round = 0
        self._threads = [
            threading.Thread(target=self._read, args=(port, index * count, range(part, count, READERS)), daemon=True)
            for index, port in enumerate(ports)
            for part in range(READERS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        for thread in self._threads:
            thread.join()

    def spread(self) -> None:
        """Connect all clients again, so that both serving gateways have some."""
        self._round += 1

    def _read(self, port: int, first: int, units: range) -> None:
        responded_at = time.monotonic()
        time.sleep(0.1 * units.start)
        while not self._is_ending:
            with contextlib.suppress(OSError, EOFError), Client(port, patience_s=RESPONSE_LIMIT_S) as client:
                of_round = self._round
                while not self._is_ending and of_round == self._round:
                    began = time.monotonic()
                    for number in units:
                        data = client.of_unit(number + 1).read(many.POWER_ADDRESS, REGISTERS)
                        moment = time.monotonic()
                        self.seen.without_response_s = max(self.seen.without_response_s, moment - responded_at)
                        responded_at = moment
                        self._note(first + number, data, moment)
                    time.sleep(max(0.0, READ_EVERY_S - (time.monotonic() - began)))
            time.sleep(0.05 + 0.1 * units.start)

    def _note(self, number: int, data: bytes | None, moment: float) -> None:
        seen = self.seen
        seen.reads += 1
        if data is None:
            return
        age_s = (round(moment / STEP_S) - int.from_bytes(data[:4])) % many.WRAP * STEP_S
        if LIMIT_S + RESOLUTION_S < age_s < many.WRAP * STEP_S - AHEAD_S:
            seen.stale_as_fresh.append(age_s)
        seen.wrong += int.from_bytes(data[-8:]) != 1000 * number
        if before := self.fresh_at[number]:
            seen.without_fresh_s[number] = max(seen.without_fresh_s.get(number, 0.0), moment - before)
        self.fresh_at[number] = moment

    def all_are_fresh_since(self, moment: float) -> bool:
        """Return whether each meter was fresh after a moment."""
        return all(at > moment for at in self.fresh_at.values())


PARTS = ("edge-1", "broker-a", "broker-b", "serving-1", "serving-2")
PAIRS = (
    ("broker-a", "broker-b"),
    ("broker-a", "serving-1"),
    ("broker-a", "edge-1"),
    ("serving-1", "serving-2"),
    ("edge-1", "edge-2"),
)
CLOCKS = (("edge-1",), ("serving-1",), ("broker-a",), PAIRS[0])
WITH_STORE, WITH_CLOCKS = Ground(has_store=True), Ground(has_clocks=True)


def faults() -> dict[str, Fault]:
    """Return all faults by their names."""
    return {**deaths(), **stores(), **clocks()}


def deaths() -> dict[str, Fault]:
    """Return the faults in which processes die, stand still or are cut off."""
    found = {}
    for names in [*((part,) for part in PARTS), *PAIRS]:
        found[f"kill -9 of {listed(names)}"] = Fault(lambda fleet, names=names: fleet.kill(*names), **limits(names))
    for names in [*((part,) for part in PARTS), PAIRS[0], PAIRS[1]]:
        name = f"SIGSTOP of {listed(names)} for {STOPPED_S:.0f} s"
        found[name] = Fault(lambda fleet, names=names: fleet.stop(*names), **limits(names))
    for names in (("broker-a",), ("broker-b",), PAIRS[0]):
        name = f"network of {listed(names)} cut for {CUT_S:.0f} s"
        found[name] = Fault(lambda fleet, names=names: fleet.cut(*names), **limits(names))
    return found


def stores() -> dict[str, Fault]:
    """Return the faults of brokers with a store."""
    found = {}
    for names in (("broker-a",), PAIRS[0]):
        for word, number in (("kill -9", signal.SIGKILL), ("restart", signal.SIGTERM)):
            found[f"{word} of {listed(names)} with a store"] = Fault(
                lambda fleet, names=names, number=number: fleet.kill(*names, number=number), WITH_STORE, **limits(names)
            )
    for restarts, word in ((False, "full disk at broker-a"), (True, "full disk at broker-a, and kill -9 of it")):
        found[word] = Fault(
            lambda fleet, restarts=restarts: fleet.fill("broker-a", restarts=restarts), WITH_STORE, ONE_TELEGRAM_S
        )
    return found


def clocks() -> dict[str, Fault]:
    """Return the faults of wall clocks: each begins and ends with a jump."""
    found = {}
    for names in CLOCKS:
        for word, offset_s in (("1 h ahead", HOUR_S), ("1 h back", -HOUR_S)):
            found[f"clock of {listed(names)} {word}"] = Fault(
                lambda fleet, names=names, offset_s=offset_s: fleet.jump(*names, offset_s=offset_s),
                WITH_CLOCKS,
                ONE_TELEGRAM_S,
            )
    for names in (("edge-1", "edge-2"), ("serving-1", "serving-2")):
        found[f"clock of {listed(names)} 4 s back, SIGSTOP of both brokers"] = Fault(
            lambda fleet, names=names: fleet.jump(*names, offset_s=-4.0, stopped=PAIRS[0]), WITH_CLOCKS
        )
    return found


def limits(names: tuple[str, ...]) -> dict[str, float]:
    """Return what clients may see at most of a fault of these processes."""
    if len(names) > 1 or names[0].startswith("edge"):
        return {}
    return {"gap_s": ONE_TELEGRAM_S} if names[0].startswith("broker") else {"silence_s": CONNECTION_S}


def listed(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("faults", nargs="*", metavar="FAULT", help="part of the name of a fault; default: all faults")
    options.add_argument("--meters", type=int, default=METERS, help="number of meters of each edge, at most 240")
    given = options.parse_args()
    if absent := missing("mosquitto", "haproxy", "ip", "gcc"):
        sys.exit(f"not installed: {', '.join(absent)}. Try: apt install mosquitto haproxy iproute2 gcc")
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    chosen = {
        name: fault
        for name, fault in faults().items()
        if not given.faults or any(each in name for each in given.faults)
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the namespaces and disks are removed
    print(machine())
    print(f"2 x {given.meters} meters, one telegram a second each; limit {LIMIT_S:.0f} s")
    print("load, without fresh and no response in s; limits that are missed have a !")
    print(
        f"{'fault':62} {'load':>5} {'reads':>6} {'stale':>5} {'wrong':>5} {'without fresh':>13} {'longest':>7}"
        f" {'no response':>12}"
    )
    has_passed = True
    for ground in dict.fromkeys(fault.ground for fault in chosen.values()):
        of_ground = {name: fault for name, fault in chosen.items() if fault.ground == ground}
        has_passed &= run_faults(given.meters, ground, of_ground)
    sys.exit(not has_passed)


def run_faults(meters: int, ground: Ground, chosen: dict[str, Fault]) -> bool:
    """Let faults happen to one fleet; return whether all numbers were correct."""
    has_passed = True
    with (
        TemporaryDirectory(prefix="dsmr-gateway-") as folder,
        run_fleet(Path(folder), meters, ground) as fleet,
        Readers(fleet.fronts, meters) as readers,
    ):
        wait_until_fresh(readers)
        for name, fault in chosen.items():
            fleet.wait_until_healthy()
            readers.spread()
            wait_until_fresh(readers)
            seen = watch(readers, lambda fault=fault: fault.happen(fleet))
            print(line_of(name, fault, seen), flush=True)
            has_passed &= not seen.stale_as_fresh and not seen.wrong
            for broker in fleet.stores:
                if not fleet.runs(broker):
                    print(f"    {broker} did not start again; it starts without its store now")
                    fleet.start_afresh(broker)
    return has_passed


def line_of(name: str, fault: Fault, seen: Seen) -> str:
    """Return the line of a fault."""
    gaps = sorted(seen.without_fresh_s.values())
    # Between two reads nothing is known.
    is_late = fault.gap_s is not None and gaps[-1] > fault.gap_s + READ_EVERY_S
    is_silent = fault.silence_s is not None and seen.without_response_s > fault.silence_s
    return (
        f"{name:62} {os.getloadavg()[0]:5.1f} {seen.reads:6} {len(seen.stale_as_fresh):5} {seen.wrong:5}"
        f" {gaps[len(gaps) // 2]:13.1f} {gaps[-1]:7.1f}{'!' if is_late else ' '}"
        f" {seen.without_response_s:11.1f}{'!' if is_silent else ' '}"
    ).rstrip()


def watch(readers: Readers, fault: Callable[[], None]) -> Seen:
    """Let a fault happen; return what clients saw from then until all meters were fresh again."""
    readers.seen = Seen()
    fault()
    wait_until_fresh(readers)
    return readers.seen


def wait_until_fresh(readers: Readers) -> None:
    begun = time.monotonic()
    while not readers.all_are_fresh_since(begun):
        if time.monotonic() > begun + SETTLE_S:
            sys.exit(f"not all meters are fresh after {SETTLE_S:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
