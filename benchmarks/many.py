"""Cost of many meters in one gateway: CPU, memory, start, and the time from last byte to register.

    python -m benchmarks.many [N ...] [--seconds S]

Each meter is a TCP connection of its own, sends one telegram per second in one piece, and has a unit of its own. The
meters are spread evenly over the second. The power of a telegram is the moment at which it was sent, in steps of
0.1 ms. A client polls one unit after the other: when its power changes, the difference of the two moments is the time
from last byte to register. CPU is measured before that, without clients. The gateway runs on one core, the meters and
the client on another. CPU for each telegram is that for each one that the gateway took: an overloaded one takes fewer
than the meters send.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import random
import re
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.client import Client, connect
from benchmarks.feed import telegrams
from benchmarks.footprint import cpu_s, resident_mb
from benchmarks.measure import machine
from benchmarks.running import LOAD_CORE, Program, free_port, on_core
from gateway.protocol.crc16 import crc16, use_library

COUNTS = (1, 10, 100, 1000, 2000, 5000)
UNITS_PER_PORT = 240
POLL_EVERY_S = 0.0002
POWER_ADDRESS, NUMBER_ADDRESS = 102, 208
"""Registers with the moment of a telegram, and with the number of its meter in kWh."""
TELEGRAMS_ADDRESS = 4
"""Registers with the number of telegrams that were accepted."""
METERS_COUNTED = 50
"""Number of meters whose telegrams are counted."""
STEP_S = 0.0001
WRAP = 99_999
"""Largest power of a telegram in W, and so the number of steps after which the moment begins again."""
LATEST_S = 2.0
SETTLING_S = 10.0
"""Pause after the start: what thousands of meters sent meanwhile is still read in its first seconds."""
START_LIMIT_S = 120.0
FILES = 20_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("counts", type=int, nargs="*", metavar="N", help="numbers of meters")
    options.add_argument("--seconds", type=float, default=20.0, help="duration of each of the two measurements")
    given = options.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES) if most > 0 else FILES, most))
    print(machine())
    print("meters  start s  CPU %  taken %  us/telegram     MB  kB/meter  p50 ms  p99 ms  max ms")
    base_mb = 0.0
    for count in given.counts or COUNTS:
        row = measure(count, given.seconds)
        base_mb = base_mb or row["mb"]
        each_kb = 1024 * (row["mb"] - base_mb) / max(1, count - 1)
        print(
            f"{count:6} {row['start']:8.2f} {row['cpu']:6.1f} {row['taken']:8.1f} {row['us']:12.0f} {row['mb']:6.1f}"
            f" {each_kb:9.0f} {row['p50']:7.2f} {row['p99']:7.2f} {row['max']:7.2f}",
            flush=True,
        )


def measure(count: int, seconds: float) -> dict[str, float]:
    with TemporaryDirectory(prefix="dsmr-gateway-") as folder, on_core(LOAD_CORE), meters(count) as port:
        ports = [free_port() for _ in range(-(-count // UNITS_PER_PORT))]
        config = Path(folder) / "gateway.yaml"
        config.write_text(configuration(count, port, ports))
        command = [Path(sys.executable).with_name("dsmr-gateway"), "run", config]
        with Program(command, Path(folder), ports[-1]) as gateway:
            gateway.wait_for_port()
            start_s = wait_for_all(gateway, count, ports)
            time.sleep(SETTLING_S)
            counted, accepted = time.monotonic(), telegrams_accepted(count, ports)
            begun, used = time.monotonic(), cpu_s(gateway)
            time.sleep(seconds)
            took, used = time.monotonic() - begun, cpu_s(gateway) - used
            taken = (telegrams_accepted(count, ports) - accepted) / (time.monotonic() - counted)
            resident = resident_mb(gateway)
            samples = sample(count, ports, seconds)
    return {
        "start": start_s,
        "cpu": 100 * used / took,
        "taken": 100 * taken,
        "us": 1e6 * used / took / (count * taken),
        "mb": resident,
        **quantiles(samples),
    }


def quantiles(samples: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the largest of some seconds, in ms; not a number without samples."""
    found = sorted(samples) or [float("nan")]
    chosen = {"p50": found[len(found) // 2], "p99": found[int(0.99 * (len(found) - 1))], "max": found[-1]}
    return {name: 1e3 * value for name, value in chosen.items()}


def configuration(count: int, port: int, ports: list[int]) -> str:
    """Return a configuration in JSON, which is YAML."""
    sources = {f"m{n}": {"host": address_of(n), "port": port, "dsmr_version": "5"} for n in range(count)}
    servers = [
        {
            "listen": f"127.0.0.1:{each}",
            "allow": ["127.0.0.0/8"],
            "units": {
                str(n % UNITS_PER_PORT + 1): {"meter": f"m{n}"}
                for n in range(index * UNITS_PER_PORT, min(count, (index + 1) * UNITS_PER_PORT))
            },
        }
        for index, each in enumerate(ports)
    ]
    return json.dumps({"meters": sources, "modbus": servers})


def address_of(number: int) -> str:
    """Return the address of a meter: each has its own, as in a real network."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def wait_for_all(gateway: Program, count: int, ports: list[int]) -> float:
    """Wait until the last unit has readings; return the seconds since the start of the gateway."""
    with asking(ports, count - 1) as client:
        while time.monotonic() < gateway.started + START_LIMIT_S:
            if client.uint32(POWER_ADDRESS) is not None:
                return time.monotonic() - gateway.started
            time.sleep(0.05)
    raise SystemExit(f"the last of {count} meters has no readings after {START_LIMIT_S} s")


def asking(ports: list[int], number: int) -> Client:
    """Return a client of the unit of a meter."""
    return connect(ports[number // UNITS_PER_PORT], unit=number % UNITS_PER_PORT + 1)


def telegrams_accepted(count: int, ports: list[int]) -> float:
    """Return the mean number of telegrams that the gateway has accepted from some meters."""
    numbers = random.Random(2).sample(range(count), min(count, METERS_COUNTED))
    found = []
    for number in numbers:
        with asking(ports, number) as client:
            found.append(client.uint32(TELEGRAMS_ADDRESS) or 0)
    return sum(found) / len(found)


def sample(count: int, ports: list[int], seconds: float) -> list[float]:
    """Return the seconds from last byte to register of some telegrams, one meter after the other."""
    samples: list[float] = []
    numbers = random.Random(1)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with asking(ports, numbers.randrange(count)) as client:
            before, limit = client.uint32(POWER_ADDRESS), time.monotonic() + LATEST_S
            while (new := client.uint32(POWER_ADDRESS)) == before and time.monotonic() < limit:
                time.sleep(POLL_EVERY_S)
            if new is not None and new != before:
                samples.append((round(time.monotonic() / STEP_S) - new) % WRAP * STEP_S)
    return samples


@contextmanager
def meters(count: int) -> Iterator[int]:
    """Run the meters in a process of their own, and yield their port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve_meters, args=(count, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def serve_meters(count: int, pipe: multiprocessing.connection.Connection) -> None:
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    listener.setblocking(False)
    use_library()  # the checksums of thousands of telegrams would keep the core busy
    pipe.send(listener.getsockname()[1])
    asyncio.run(send_all(listener, count))


async def send_all(listener: socket.socket, count: int) -> None:
    """Send the telegrams of all connected meters, evenly over each second."""
    loop = asyncio.get_running_loop()
    connected: dict[str, socket.socket] = {}

    async def accept() -> None:
        while True:
            reader, _ = await loop.sock_accept(listener)
            reader.setblocking(False)
            reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected[reader.getsockname()[0]] = reader

    task = loop.create_task(accept())
    plain = telegrams(1)[0]
    begun, clock = loop.time(), datetime(2026, 1, 5, 12, tzinfo=UTC)
    second = 0
    while not task.done():
        text = with_clock(plain, clock + timedelta(seconds=second))
        for number in range(count):
            due = begun + second + number / count
            if (pause := due - loop.time()) > 0.001 or number % 20 == 0:
                await asyncio.sleep(max(0.0, pause))
            reader = connected.get(address_of(number))
            if reader:
                kilowatts = round(time.monotonic() / STEP_S) % WRAP / 1000
                body = text % {b"number": number, b"kilowatts": kilowatts}
                with contextlib.suppress(OSError):
                    reader.send(body + b"%04X\r\n" % crc16(body))
        second = max(second + 1, int(loop.time() - begun))  # what is late stays unsent: a meter sends one a second


def with_clock(telegram: bytes, moment: datetime) -> bytes:
    """Return a telegram without its checksum, with places for the number of its meter (twice) and its power."""
    text = telegram[: telegram.rindex(b"!") + 1].replace(b"%", b"%%")
    text = re.sub(rb"(?<=0-0:1\.0\.0\()[0-9]{12}[SW]", moment.strftime("%y%m%d%H%M%SW").encode(), text)
    text = re.sub(rb"(?<=0-0:96\.1\.1\()[0-9A-F]+", b"%(number)020d", text)
    text = re.sub(rb"(?<=1-0:1\.8\.1\()[0-9.]+", b"%(number)06d.000", text)
    return re.sub(rb"(?<=1-0:1\.7\.0\()[0-9.]+", b"%(kilowatts)06.3f", text)


if __name__ == "__main__":
    main()
