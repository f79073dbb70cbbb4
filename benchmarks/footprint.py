"""Footprint of a running gateway: memory, start time, time of --help, CPU, growth over many telegrams, system calls.

    python -m benchmarks.footprint [--seconds S] [--telegrams N] [--uvloop]

The gateway is `dsmr-gateway run` with one meter over TCP. It is started again for each measurement.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from signal import SIGINT
from tempfile import TemporaryDirectory

from benchmarks.client import Client
from benchmarks.feed import Feed, telegrams
from benchmarks.measure import machine
from benchmarks.running import (
    ASYNCIO,
    HERE,
    LOAD_CORE,
    UVLOOP,
    Program,
    build,
    has_uvloop,
    missing,
    on_core,
    start_gateway,
)

STARTS = 7
CLIENTS = 10
POLL_EVERY_S = 1.0
COUNT = 100
ADDRESS = 100
TELEGRAMS_ACCEPTED = 4
"""Address of the number of accepted telegrams in the native map."""
DIFFERENT_TELEGRAMS = 600
BATCH = 10
"""Telegrams sent at a time at full speed; TCP limits the rate."""
WARM_UP_TELEGRAMS = 5000
STEPS = 4
STRACE_S = 3.0
SETTLE_S = 0.5


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60.0, help="duration of the measurement of CPU")
    options.add_argument(
        "--telegrams", type=int, default=200_000, help="number of telegrams of the measurement of growth"
    )
    options.add_argument("--uvloop", action="store_true", help="run the gateway on uvloop")
    given = options.parse_args()
    loop = UVLOOP if given.uvloop and has_uvloop() else ASYNCIO
    print(f"{machine()}; event loop: {loop}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        stack.enter_context(on_core(LOAD_CORE))
        measure_help()
        measure_start(folder, loop)
        with running(folder, loop) as (feed, gateway):
            measure_cpu(feed, gateway, given.seconds)
        with running(folder, loop) as (feed, gateway):
            measure_growth(feed, gateway, given.telegrams)
        measure_system_calls(folder, loop)


@contextmanager
def running(folder: Path, loop: str, max_clients: int = 128) -> Iterator[tuple[Feed, Program]]:
    with Feed() as feed, start_gateway(folder, feed.port, loop=loop, max_clients=max_clients) as gateway:
        feed.accept()
        gateway.wait_for_port()
        yield feed, gateway


def measure_start(folder: Path, loop: str) -> None:
    took, resident = [], []
    for _ in range(STARTS):
        with Feed() as feed, start_gateway(folder, feed.port, loop=loop) as gateway:
            took.append(gateway.wait_for_port())
            feed.accept()
            with feed.every_second():
                wait_for_telegrams(gateway, 1)
                time.sleep(SETTLE_S)
                resident.append(resident_mb(gateway))
    show("start to first bound port, s", took, ".2f")
    show("resident memory after the first telegram, MB", resident, ".1f")


def measure_help() -> None:
    took = []
    for _ in range(STARTS):
        begun = time.monotonic()
        subprocess.run([Path(sys.executable).with_name("dsmr-gateway"), "--help"], capture_output=True, check=True)
        took.append(time.monotonic() - begun)
    show("--help, s", took, ".3f")


def show(label: str, values: Sequence[float], form: str) -> None:
    print(f"{label}: min {min(values):{form}}, median {statistics.median(values):{form}}, max {max(values):{form}}")


def measure_cpu(feed: Feed, gateway: Program, seconds: float) -> None:
    """Measure the CPU with a telegram per second and clients that poll once per second."""
    done = threading.Event()
    with feed.every_second(), ExitStack() as stack:
        wait_for_telegrams(gateway, 1)
        clients = [stack.enter_context(Client(gateway.port)) for _ in range(CLIENTS)]
        polled = [0]

        def poll() -> None:
            # One after another, so that the requests are spread over the second.
            for client in cycle(clients):
                if done.wait(POLL_EVERY_S / CLIENTS):
                    return
                polled[0] += client.read(ADDRESS, COUNT) is not None

        thread = threading.Thread(target=poll, name="clients")
        thread.start()
        time.sleep(SETTLE_S)
        before, begun = cpu_s(gateway), time.monotonic()
        time.sleep(seconds)
        share = (cpu_s(gateway) - before) / (time.monotonic() - begun)
        done.set()
        thread.join()
    print(
        f"a telegram per second and {CLIENTS} clients that poll once per second, for {seconds:.0f} s: "
        f"{100 * share:.2f} % of a core, {polled[0]} responses, {resident_mb(gateway):.1f} MB"
    )


def measure_growth(feed: Feed, gateway: Program, count: int) -> None:
    """Measure the memory while telegrams come as fast as the gateway accepts them."""
    batches = cycle(list(batched(telegrams(DIFFERENT_TELEGRAMS), BATCH)))
    sent = send(feed, batches, WARM_UP_TELEGRAMS)
    wait_for_telegrams(gateway, sent)
    first = resident_mb(gateway)
    print(f"after {sent:>7} telegrams: {first:.1f} MB")
    begun, warm = time.monotonic(), sent
    for _ in range(STEPS):
        sent += send(feed, batches, count // STEPS)
        wait_for_telegrams(gateway, sent)
        print(f"after {sent:>7} telegrams: {resident_mb(gateway):.1f} MB, {resident_mb(gateway) - first:+.2f} MB")
    print(f"{(sent - warm) / (time.monotonic() - begun):.0f} telegrams per second")


def batched(each: list[bytes], size: int) -> Iterator[bytes]:
    for at in range(0, len(each), size):
        yield b"".join(each[at : at + size])


def send(feed: Feed, batches: Iterator[bytes], count: int) -> int:
    number = count // BATCH
    for batch in islice(batches, number):
        feed.send(batch)
    return number * BATCH


def measure_system_calls(folder: Path, loop: str) -> None:
    """Count the system calls per request with strace while `loadgen.c` sends requests."""
    loadgen = None if missing("strace") else build(HERE / "loadgen.c", folder)
    if loadgen is None:
        print("system calls are not counted: strace or gcc is not installed. Try: apt install strace gcc")
        return
    for connections, in_flight in ((1, 1), (100, 1), (4, 16)):
        with running(folder, loop) as (feed, gateway), feed.every_second():
            wait_for_telegrams(gateway, 1)
            calls = count_calls(gateway, [loadgen, gateway.port, connections, in_flight, ADDRESS, COUNT, STRACE_S])
        most = ", ".join(f"{name} {number:.2f}" for name, number in calls.most_common(3))
        load = f"{connections} connections, {in_flight} in flight on each"
        print(f"system calls per request, {load}: {calls.total():.2f} ({most})")


def count_calls(gateway: Program, load: Sequence[object]) -> Counter[str]:
    command = ["strace", "-c", "-f", "-p", str(gateway.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        strace.stderr.readline()  # "Process ... attached"
        done = subprocess.run([str(part) for part in load], stdout=subprocess.PIPE, text=True, check=True)
        strace.send_signal(SIGINT)
        table = strace.stderr.read()
    responses = int(done.stdout.split()[-1])
    rows = re.findall(r"^ *[0-9.]+ +[0-9.]+ +[0-9]+ +([0-9]+) .*?([a-z_0-9]+)$", table, re.MULTILINE)
    return Counter({name: int(number) / responses for number, name in rows if name != "total"})


def wait_for_telegrams(gateway: Program, count: int) -> None:
    with Client(gateway.port) as client:
        while (client.uint32(TELEGRAMS_ACCEPTED) or 0) < count:
            time.sleep(0.05)


def resident_mb(program: Program) -> float:
    status = Path(f"/proc/{program.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+([0-9]+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def cpu_s(program: Program) -> float:
    """Return the CPU time of all its threads in seconds, from the scheduler's count in ns."""
    total = 0
    for thread in Path(f"/proc/{program.pid}/task").iterdir():
        with suppress(FileNotFoundError):
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


if __name__ == "__main__":
    main()
