"""Cost of viewers of the status page for the Modbus clients.

    python -m benchmarks.viewers [--uvloop] [--viewers N] [--rounds N] [--seconds S]

100 Modbus connections read 100 registers at full speed, in turns without viewers and with viewers that receive every
telegram. The gateway runs on one core, the load and the viewers on another.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from benchmarks.feed import Feed
from benchmarks.footprint import resident_mb
from benchmarks.measure import machine
from benchmarks.requests import MAX_CLIENTS, Load, Result, measure, wait_for_registers
from benchmarks.running import ASYNCIO, HERE, LOAD_CORE, UVLOOP, build, free_port, has_uvloop, on_core, start_gateway

LOAD = Load("100 connections", 100, 1)
REQUEST = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
READ_BYTES = 65_536


class Viewers:
    """Browsers that receive every event, and count them."""

    def __init__(self) -> None:
        self.events = 0

    @contextmanager
    def looking(self, port: int, count: int) -> Iterator[None]:
        """Keep `count` viewers connected while the block runs."""
        stop = Event()
        with selectors.DefaultSelector() as selector, ExitStack() as stack:
            for _ in range(count):
                viewer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                viewer.sendall(REQUEST)
                selector.register(viewer, selectors.EVENT_READ)

            def take() -> None:
                while not stop.is_set():
                    for key, _ in selector.select(0.1):
                        assert isinstance(key.fileobj, socket.socket)
                        self.events += key.fileobj.recv(READ_BYTES).count(b"data: ")

            thread = Thread(target=take)
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--uvloop", action="store_true", help="measure the gateway on uvloop as well")
    options.add_argument("--viewers", type=int, default=100)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--seconds", type=float, default=3.0, help="duration of each turn")
    given = options.parse_args()
    print(machine())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        loadgen = build(HERE / "loadgen.c", folder)
        if loadgen is None:
            raise SystemExit(1)
        for loop in (ASYNCIO, UVLOOP) if given.uvloop and has_uvloop() else (ASYNCIO,):
            compare(folder / loop, loadgen, loop, given)


def compare(folder: Path, loadgen: Path, loop: str, given: argparse.Namespace) -> None:
    page_port = free_port()
    with (
        Feed() as feed,
        start_gateway(folder, feed.port, loop=loop, max_clients=MAX_CLIENTS, page_port=page_port) as gateway,
    ):
        feed.accept()
        gateway.wait_for_port()
        results: dict[str, list[Result]] = {"no viewers": [], f"{given.viewers} viewers": []}
        viewers = Viewers()
        with on_core(LOAD_CORE), feed.every_second():
            wait_for_registers(gateway)
            for _ in range(given.rounds):
                for name, rounds in results.items():
                    with viewers.looking(page_port, given.viewers if name != "no viewers" else 0):
                        rounds.append(measure(loadgen, gateway.port, LOAD, given.seconds))
            with viewers.looking(page_port, 1):
                memory = resident_mb(gateway)
    print(f"\n{loop}: {viewers.events} events received; {memory:.1f} MB with one viewer")
    base = [result.p99_us for result in results["no viewers"]]
    for name, rounds in results.items():
        p99 = [result.p99_us for result in rounds]
        ratio = statistics.median(one / other for one, other in zip(p99, base, strict=True))
        rate = statistics.median(result.per_second for result in rounds)
        print(f"{name:<14}{rate:>9.0f} /s{min(p99):>10.0f} min p99{statistics.median(p99):>10.0f} us p99{ratio:>8.3f}x")


if __name__ == "__main__":
    main()
