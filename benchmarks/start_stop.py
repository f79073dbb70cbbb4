"""Starts and stops of whole gateways in one process, under load: what is left of them afterwards.

    python -m benchmarks.start_stop [--rounds N]

Each round starts a gateway with each type of node, in asyncio's debug mode: meters on a TCP port, a serial port, a
broker, with telegrams that are posted, encrypted and simulated; Modbus over TCP, RTU over TCP, UDP and TLS;
passthroughs, a page, a publisher and the control socket. A meter sends telegrams, a program posts them, and clients of
all listeners connect, ask and leave. The gateway stops at a random moment of this. Then no task, descriptor, thread or
connection of it may be left, no warning and no error that nobody has handled. The memory is measured too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gateway
from benchmarks.measure import machine
from benchmarks.p1_line import memory_mb
from benchmarks.running import missing
from benchmarks.start_stop_load import TELEGRAM_EVERY_S, Load, loaded
from gateway.config import load_config, load_maps
from gateway.service.wiring import Wiring

ROUNDS = 1000
SETTLED = 10
"""The share of the rounds, one in so many, after which nothing more may be left."""
MAX_BLOCKS = 100
"""Largest number of blocks of memory that Python may have in use more after each round, in the mean: lines of the log
and texts of addresses are kept for some time. One gateway consists of about 26,000."""
LONGEST_S = 0.1
"""Longest time that a gateway goes on after it has accepted telegrams."""
LIMIT_S = 60.0
GATEWAY = str(Path(gateway.__file__).parent)
READ_METERS = ("tcp", "serial", "simulated")
"""Meters from which each gateway accepts a telegram before it stops."""


@dataclass
class Left:
    """Tasks, errors, descriptors and threads that gateways have left behind."""

    tasks: Counter[str] = field(default_factory=Counter)
    nameless: Counter[str] = field(default_factory=Counter)
    """Tasks of running gateways that had no name."""
    errors: list[str] = field(default_factory=list)
    """Warnings, errors that nobody handled, and lines of the log about errors."""
    descriptors: int = 0
    threads: int = 0
    memory_mb: list[float] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        """Return whether nothing is left but memory."""
        return not (self.tasks or self.nameless or self.errors or self.descriptors > 0 or self.threads > 0)

    def __str__(self) -> str:
        errors = f": {self.errors[:3]}" if self.errors else ""
        return (
            f"{self.tasks.total()} tasks {dict(self.tasks) or ''}, {self.descriptors:+} descriptors, "
            f"{self.nameless.total()} without a name {dict(self.nameless) or ''}, "
            f"{self.threads:+} threads, {len(self.errors)} warnings and errors{errors}"
        )


async def run_rounds(folder: Path, rounds: int, progress: Callable[[int, Left], None] = lambda *_: None) -> Left:
    """Start and stop gateways under load; return what is left of them."""
    left, chance = Left(), random.Random(1)
    asyncio.get_running_loop().slow_callback_duration = LIMIT_S  # debug mode itself is slow
    async with loaded(folder) as (load, path):
        before: tuple[int, int] | None = None
        for number in range(1, rounds + 1):
            await run_once(path, load, chance, left)
            left.tasks.update(task.get_name() for task in asyncio.all_tasks() if not is_of_load(task))
            gc.collect()
            if before:
                await end_of_threads(before[1])
            now = len(os.listdir("/proc/self/fd")), own_threads()
            # The first gateways start the threads that all of them share.
            before = now if number <= max(1, rounds // SETTLED) else before
            assert before is not None
            left.descriptors, left.threads = now[0] - before[0], now[1] - before[1]
            progress(number, left)
    return left


async def end_of_threads(count: int) -> None:
    """Wait until there are no more than some threads: one that reads a file ends a moment after it is done."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            while own_threads() > count:  # noqa: ASYNC110
                await asyncio.sleep(TELEGRAM_EVERY_S)


def own_threads() -> int:
    """Return the number of threads, without those of the event loop: there are as many as it has needed at one time."""
    of_loop = sum(each.name.startswith("asyncio_") for each in threading.enumerate())
    return len(os.listdir("/proc/self/task")) - of_loop


def is_of_load(task: asyncio.Task[Any]) -> bool:
    return task is asyncio.current_task() or task.get_name() == "load" or "Load._accept" in repr(task)


def is_nameless(task: asyncio.Task[Any]) -> bool:
    """Return whether a task of the gateway, and not of a library, has no name of its own."""
    code = getattr(task.get_coro(), "cr_code", None)
    return task.get_name().startswith("Task-") and code is not None and code.co_filename.startswith(GATEWAY)


async def run_once(path: Path, load: Load, chance: random.Random, left: Left) -> None:
    """Run a gateway until it has accepted telegrams, and for a moment more."""
    config = load_config(path, {})
    wiring, stop = Wiring(config, load_maps(config, path.parent), path.parent), asyncio.Event()
    running = asyncio.create_task(wiring.flow.run(stop), name="gateway")
    before = load.responses
    clients = await load.go_on(load.clients())
    async with asyncio.timeout(LIMIT_S):
        while not (load.responses > before and all(wiring.meters[name].accepted for name in READ_METERS)):  # noqa: ASYNC110
            await asyncio.sleep(TELEGRAM_EVERY_S)
    await asyncio.sleep(chance.random() * LONGEST_S)
    left.nameless.update(repr(task.get_coro()) for task in asyncio.all_tasks() if is_nameless(task))
    stop.set()
    await running
    await load.end(clients)
    for _ in range(3):
        await asyncio.sleep(0)  # connections that are closed are released in the turns after that


def is_accepted_too_late(error: BaseException | None) -> bool:
    """Return whether a connection was accepted in the turn of the loop in which its server closed; close it.

    Asyncio asserts that this does not happen (https://github.com/python/cpython/issues/109564, open in 2026). The
    connection then ends when its transport is released, which is a ResourceWarning.
    """
    if not isinstance(error, AssertionError):
        return False
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_attach":
            transport: Any = frame.f_back.f_locals["self"] if frame.f_back else None
            transport._sock.close()  # noqa: SLF001
            transport._sock = transport._server = None  # noqa: SLF001
            return True
    return False


@contextmanager
def noting(errors: list[str]) -> Iterator[None]:
    """Note warnings, errors that nobody handles, and errors in the log, while the block runs."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if (record.name == "asyncio" or error) and not is_accepted_too_late(error):
                errors.append(record.getMessage())

    handler, hook = Handler(logging.WARNING), sys.unraisablehook
    logging.getLogger().addHandler(handler)
    sys.unraisablehook = lambda error: errors.append(f"{error.exc_value!r} in {error.object!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            yield
            gc.collect()
    finally:
        sys.unraisablehook = hook
        logging.getLogger().removeHandler(handler)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = options.parse_args().rounds
    if missing("mosquitto"):
        raise SystemExit("mosquitto is not installed; try: apt install mosquitto")
    print(machine())
    memory: list[float] = []
    blocks: list[int] = []

    def progress(number: int, left: Left) -> None:
        if number >= rounds // SETTLED and number % max(1, rounds // 20) == 0:
            memory.append(memory_mb(os.getpid()))
            blocks.append(sys.getallocatedblocks())
            print(f"after {number:>5} starts and stops: {memory[-1]:.1f} MB, {blocks[-1]} blocks; {left}", flush=True)

    errors: list[str] = []
    with TemporaryDirectory(prefix="dsmr-gateway-") as folder, noting(errors):
        os.environ["XDG_RUNTIME_DIR"] = folder
        left = asyncio.run(run_rounds(Path(folder), rounds, progress), debug=True)
    left.errors = errors
    # Now and then the newest gateway is still referred to for a moment.
    more = (min(blocks[len(blocks) // 2 :]) - blocks[0]) / (rounds - rounds // SETTLED)
    is_kept = left.is_nothing and more < MAX_BLOCKS
    print(f"{rounds} starts and stops under load; left: {left}")
    print(f"memory: {memory[0]:.1f} MB at first, {memory[-1]:.1f} MB at last; {more:.1f} blocks more for each")
    print(f"verdict: {'nothing is left' if is_kept else 'NOT AS PROMISED'}")
    return not is_kept


if __name__ == "__main__":
    sys.exit(main())
