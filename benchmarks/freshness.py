"""Time from the last byte of a telegram until a polling Modbus client reads the new value, beside a Node-RED flow.

    python -m benchmarks.freshness [--seconds N] [--without-node-red]

A meter over TCP sends telegrams in pieces as a serial line does, each telegram with another import power. The time
starts just before the last piece is handed to the system. From then on a client reads the power without a pause until
it is the new one. Each meter sends one telegram per second, as its clock says: telegrams that come faster than the
meter's clock were held back on their way, and are not served. The subjects take turns within each second. They run on
one core, the meters and the client on another.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.client import Client, connect
from benchmarks.feed import Feed, telegrams, with_power
from benchmarks.measure import MS, machine, show
from benchmarks.running import (
    ASYNCIO,
    LOAD_CORE,
    PEERS,
    UVLOOP,
    Program,
    free_port,
    has_uvloop,
    install_npm,
    on_core,
    start_gateway,
)

GATEWAY_ADDRESS = 102
"""Address of the import power in the native map."""
NODE_RED_ADDRESS = 0
PIECE_BYTES, PIECE_EVERY_S = 100, 0.002
LAST_BYTES = 8
"""Size of the last piece: a USB adapter hands over a few bytes at a time."""
CADENCE_S = 1.0
WARM_UP = 10
"""Number of telegrams before the first measured one."""
LOST_AFTER_S = 0.5
NODE_RED = ("node-red@4.1.15", "node-red-contrib-modbus@5.23.3")


class Subject(NamedTuple):
    feed: Feed
    client: Client
    address: int


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=60, help="number of telegrams of each meter")
    options.add_argument("--uvloop", action="store_true", help="measure the gateway on uvloop as well")
    options.add_argument("--without-node-red", action="store_true", help="do not install Node-RED by npm")
    given = options.parse_args()
    print(machine())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        subjects = {}
        for loop in (ASYNCIO, UVLOOP) if given.uvloop and has_uvloop() else (ASYNCIO,):
            feed = stack.enter_context(Feed())
            program = stack.enter_context(start_gateway(folder / loop, feed.port, loop=loop))
            subjects[f"gateway, {loop}"] = connected(stack, feed, program, GATEWAY_ADDRESS)
        if not given.without_node_red and install_npm(folder / "node-red", *NODE_RED):
            feed = stack.enter_context(Feed())
            program = stack.enter_context(start_node_red(folder / "node-red", feed.port))
            subjects["Node-RED flow"] = connected(stack, feed, program, NODE_RED_ADDRESS)
        stack.enter_context(on_core(LOAD_CORE))
        samples = measure(subjects, given.seconds)
    show("last byte to new value", samples, MS, "ms", against=next(iter(samples)))
    for name, values in samples.items():
        if lost := given.seconds - len(values):
            print(f"{name}: the values of {lost} telegrams did not appear within {LOST_AFTER_S} s")


def start_node_red(folder: Path, feed_port: int) -> Program:
    port = free_port()
    subprocess.run(["node", PEERS / "nodered_flow.js", str(feed_port), str(port)], cwd=folder, check=True)
    (folder / "settings.js").write_text("module.exports = { httpAdminRoot: false, httpNodeRoot: false }\n")
    start = folder / "node_modules" / "node-red" / "red.js"
    return Program(["node", start, "--userDir", folder, "--port", str(free_port()), "flows.json"], folder, port)


def connected(stack: ExitStack, feed: Feed, program: Program, address: int) -> Subject:
    feed.accept()
    program.wait_for_port()
    return Subject(feed, stack.enter_context(connect(program.port)), address)


def measure(subjects: dict[str, Subject], seconds: int) -> dict[str, list[float]]:
    """Return the seconds from last byte to new value; a telegram whose value never appears has no sample."""
    numbers = random.Random(1)
    plain = telegrams(seconds + WARM_UP)
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    begun = time.perf_counter()
    for second, telegram in enumerate(plain):
        for turn, (name, subject) in enumerate(subjects.items()):
            due = begun + (second + turn / len(subjects)) * CADENCE_S
            time.sleep(max(0.0, due - time.perf_counter()))
            watts = numbers.randrange(2, 99_999)
            sent = send_slowly(subject.feed, with_power(telegram, watts))
            if wait_for(subject, watts, sent + LOST_AFTER_S / len(subjects)) and second >= WARM_UP:
                samples[name].append(time.perf_counter() - sent)
    return samples


def send_slowly(feed: Feed, telegram: bytes) -> float:
    """Send in pieces; return the time just before the last one."""
    body, last = telegram[:-LAST_BYTES], telegram[-LAST_BYTES:]
    for at in range(0, len(body), PIECE_BYTES):
        feed.send(body[at : at + PIECE_BYTES])
        time.sleep(PIECE_EVERY_S)
    begun = time.perf_counter()
    feed.send(last)
    return begun


def wait_for(subject: Subject, watts: int, deadline: float) -> bool:
    while subject.client.uint32(subject.address) != watts:
        if time.perf_counter() > deadline:
            return False
    return True


if __name__ == "__main__":
    main()
