"""Requests per second and their round trips, beside other Modbus/TCP servers.

    python -m benchmarks.requests [--uvloop] [--rounds N] [--seconds S]

The servers run on one core, the load (`loadgen.c`) on another. The servers take turns. The gateway has its limits,
allow list, counters and monitor on, and receives a telegram per second; the others serve registers that never change.
`--uvloop` measures the gateway on uvloop too, which must be installed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.client import Client
from benchmarks.feed import Feed
from benchmarks.measure import machine
from benchmarks.running import (
    ASYNCIO,
    CORES,
    HERE,
    LOAD_CORE,
    UVLOOP,
    Program,
    build,
    has_uvloop,
    on_core,
    start_gateway,
    start_peers,
)

ADDRESS, COUNT = 100, 100
MAX_CLIENTS = 128


class Load(NamedTuple):
    label: str
    connections: int
    in_flight: int


LOADS = (
    Load("1 connection", 1, 1),
    Load("100 connections", 100, 1),
    Load("4 connections, 16 in flight on each", 4, 16),
)


class Result(NamedTuple):
    responses: int
    per_second: float
    median_us: float
    p99_us: float
    wrong: int
    """Exception responses, and responses to a request that was not sent."""
    skipped: int
    """Responses to another request than the oldest one that waits, by their transaction id."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--uvloop", action="store_true", help="measure the gateway on uvloop as well")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.5, help="duration of each server in each round")
    given = options.parse_args()
    print(machine())
    if len(CORES) < 2:
        print("there is only one core: the load takes time from the servers")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        loadgen = build(HERE / "loadgen.c", folder)
        if loadgen is None:
            raise SystemExit(1)
        feed = stack.enter_context(Feed())
        servers: dict[str, Program] = {}
        for loop in (ASYNCIO, UVLOOP) if given.uvloop and has_uvloop() else (ASYNCIO,):
            gateway = start_gateway(folder / loop, feed.port, loop=loop, max_clients=MAX_CLIENTS)
            servers[f"gateway, {loop}"] = stack.enter_context(gateway)
            feed.accept()
            gateway.wait_for_port()
        servers |= start_peers(stack, folder)
        stack.enter_context(on_core(LOAD_CORE))
        stack.enter_context(feed.every_second())
        for server in servers.values():
            wait_for_registers(server)
        for load in LOADS:
            results: dict[str, list[Result]] = {name: [] for name in servers}
            for _ in range(given.rounds):
                for name, server in servers.items():
                    results[name].append(measure(loadgen, server.port, load, given.seconds))
            show(load, results)


def wait_for_registers(server: Program) -> None:
    with Client(server.port) as client:
        while client.read(ADDRESS, COUNT) is None:
            pass


def measure(loadgen: Path, port: int, load: Load, seconds: float) -> Result:
    """Measure one server under a load."""
    numbers = (port, load.connections, load.in_flight, ADDRESS, COUNT, seconds)
    done = subprocess.run([loadgen, *map(str, numbers)], stdout=subprocess.PIPE, text=True, check=True)
    responses, took, median, p99, exceptions, wrong, skipped, _ = map(float, done.stdout.split())
    return Result(int(responses), responses / took, median, p99, int(exceptions + wrong), int(skipped))


def show(load: Load, results: dict[str, list[Result]]) -> None:
    reference = "libmodbus" if "libmodbus" in results else next(iter(results))
    bases = [result.per_second for result in results[reference]]
    title = f"{load.label}, {COUNT} registers"
    print(
        f"\n{title:<52}{'best':>9}{'median':>9} /s{'to ' + reference:>13}{'(worst, best)':>16}"
        f"{'round trip':>12}{'p99':>9} us"
    )
    for name, rounds in results.items():
        rates = [result.per_second for result in rounds]
        ratios = [rate / base for rate, base in zip(rates, bases, strict=True)]
        median_us = statistics.median(result.median_us for result in rounds)
        p99_us = statistics.median(result.p99_us for result in rounds)
        spread = f"({min(ratios):.2f}, {max(ratios):.2f})"
        print(
            f"{name:<52}{max(rates):>9.0f}{statistics.median(rates):>9.0f}   {statistics.median(ratios):>11.2f}x"
            f"{spread:>16}{median_us:>12.1f}{p99_us:>9.1f}"
        )
        if wrong := sum(result.wrong for result in rounds):
            print(f"    {wrong} of its responses were exceptions or wrong")
        if skipped := sum(result.skipped for result in rounds):
            responses = sum(result.responses for result in rounds)
            print(
                f"    {skipped} of its {responses} responses were not to the oldest waiting request: lost or overtaken"
            )


if __name__ == "__main__":
    main()
