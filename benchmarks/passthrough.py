"""Readers of one P1 line through the gateway and through ser2net, side by side.

    python -m benchmarks.passthrough [latency] [cpu] [many] [day] [--seconds S] [--telegrams N]

Each has a serial line of its own (a pseudo terminal), and they are fed in turns. The servers run on one core, the meter
and the readers on another. ser2net is the one of Debian, configured only to accept enough readers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import MS, machine, percentile
from benchmarks.p1_line import RAW, SER2NET, TELEGRAMS, Line, Readers, Subject, cpu_s, memory_mb, serving, telegrams
from benchmarks.running import LOAD_CORE, missing, on_core

ALL = (SER2NET, TELEGRAMS, RAW)
ROUNDS = 5
PER_ROUND = 30
GAP_S = 0.02
QUIET_S = 1.0
SECONDS = 30
MANY = 500
DAY_TELEGRAMS, DAY_READERS = 86_400, 20
AHEAD = 16
"""Largest number of telegrams between meter and slowest reader: half of what the gateway buffers per reader."""
STALLED_S = 10.0


def latency(folder: Path, _given: argparse.Namespace) -> None:
    """Measure from the last piece of a telegram on the line until a reader has its last byte."""
    print("\nlast byte of a telegram at 115200 baud, ms          readers       n    median       p99   reads")
    for count in (1, 20):
        with ExitStack() as stack:
            served = {what: stack.enter_context(serving(what, folder / what / str(count), count)) for what in ALL}
            samples: dict[str, list[float]] = {what: [] for what in ALL}
            reads = dict.fromkeys(ALL, 0)
            for _ in range(ROUNDS):
                for what, (subject, readers) in served.items():
                    taken, pieces = sample(subject.line, readers)
                    samples[what] += taken
                    reads[what] += pieces
            for what, values in samples.items():
                figures = MS * statistics.median(values), MS * percentile(values, 0.99)
                print(
                    f"{what:<52}{count:>8}{len(values):>8}{figures[0]:>10.2f}{figures[1]:>10.2f}"
                    f"{reads[what] / len(values):>8.1f}"
                )


def sample(line: Line, readers: Readers) -> tuple[list[float], int]:
    """Return the latencies of one round in seconds, and the number of pieces received."""
    stream = telegrams(PER_ROUND)
    size, expected = len(stream[0]), memoryview(b"".join(stream))
    ends: list[float] = []

    def feed() -> None:
        for telegram in stream:
            ends.append(line.send_paced(telegram))
            time.sleep(GAP_S)

    readers.restart()
    meter = threading.Thread(target=feed, name="meter")
    meter.start()
    arrivals: list[tuple[float, int]] = []
    pieces, quiet_since = 0, time.monotonic()
    while readers.slowest() < len(expected):
        for moment, before, after in readers.read(expected, QUIET_S):
            pieces += 1
            arrivals += [(moment, number) for number in range(before // size, after // size)]
            quiet_since = moment
        if time.monotonic() - quiet_since > STALLED_S:
            raise SystemExit("telegrams are missing")
    meter.join()
    assert not readers.wrong
    return [moment - ends[number] for moment, number in arrivals], pieces


def cpu(folder: Path, given: argparse.Namespace) -> None:
    """Measure the CPU at one telegram per second."""
    print(f"\nCPU at one telegram per second, {given.seconds} s              readers     % of a core     RSS MB")
    with ExitStack() as stack:
        for count in (1, 20):
            subjects = {what: stack.enter_context(serving(what, folder / what / str(count), count)) for what in ALL}
            used = feed_every_second(list(subjects.values()), given.seconds)
            for (what, (subject, _)), seconds in zip(subjects.items(), used, strict=True):
                pid = subject.program.pid
                print(f"{what:<44}{count:>12}{100 * seconds / given.seconds:>16.2f}{memory_mb(pid):>11.1f}")


def feed_every_second(served: list[tuple[Subject, Readers]], seconds: int) -> list[float]:
    """Feed all subjects a telegram per second; return the CPU time of each in seconds."""
    stream = telegrams(seconds)
    expected = memoryview(b"".join(stream))
    for _, readers in served:
        readers.restart()
    before = [cpu_s(subject.program.pid) for subject, _ in served]
    begun = time.monotonic()
    for number, telegram in enumerate(stream):
        for subject, _ in served:
            subject.line.send_paced(telegram)
        while (left := begun + number + 1 - time.monotonic()) > 0:
            for _, readers in served:
                for _ in readers.read(expected, left / len(served)):
                    pass
    used = [cpu_s(subject.program.pid) - spent for (subject, _), spent in zip(served, before, strict=True)]
    for _, readers in served:
        assert not readers.wrong
        assert readers.slowest() == len(expected), f"{len(expected) - readers.slowest()} bytes are missing"
    return used


def many(folder: Path, given: argparse.Namespace) -> None:
    """Measure many readers at one telegram per second."""
    for what in (TELEGRAMS, RAW):
        with serving(what, folder / what, MANY) as (subject, readers):
            (used,) = feed_every_second([(subject, readers)], given.seconds)
            print(
                f"\n{what}: {MANY} readers received each of {given.seconds} telegrams, byte for byte; "
                f"{100 * used / given.seconds:.1f} % of a core, {memory_mb(subject.program.pid):.1f} MB"
            )


def day(folder: Path, given: argparse.Namespace) -> None:
    """Send the telegrams of a day at full speed: the meter waits only for the slowest reader."""
    total = given.telegrams
    stream = telegrams(total)
    size, expected = len(stream[0]), memoryview(b"".join(stream))
    for what in ALL:
        with serving(what, folder / what, DAY_READERS) as (subject, readers):
            pid = subject.program.pid
            readers.restart()
            begun, spent, memory = time.monotonic(), cpu_s(pid), [memory_mb(pid)]
            for number, telegram in enumerate(stream):
                subject.line.send(telegram)
                feed_until(readers, expected, (number - AHEAD) * size)
                if number % (total // 8) == total // 16:
                    memory.append(memory_mb(pid))
            feed_until(readers, expected, len(expected))
            took, used = time.monotonic() - begun, cpu_s(pid) - spent
            memory.append(memory_mb(pid))
            assert not readers.wrong
            print(
                f"\n{what}: {DAY_READERS} readers received each of {total} telegrams, byte for byte, in {took:.0f} s"
                f" ({total / took:.0f} per second, {1e6 * used / total:.0f} us of CPU each);"
                f" memory, MB: {' '.join(f'{each:.1f}' for each in memory)}"
            )


def feed_until(readers: Readers, expected: memoryview, count: int) -> None:
    """Read until the slowest reader has `count` bytes."""
    since = time.monotonic()
    while readers.slowest() < count:
        for moment, _, _ in readers.read(expected, QUIET_S):
            since = moment
        if time.monotonic() - since > STALLED_S:
            raise SystemExit(f"{count - readers.slowest()} bytes are missing")


MEASURES: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "latency": latency,
    "cpu": cpu,
    "many": many,
    "day": day,
}


def main() -> None:
    """Run the given measurements, or all."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("measures", nargs="*", metavar="measure", help=f"{', '.join(MEASURES)}; by default all")
    options.add_argument("--seconds", type=int, default=SECONDS, help="duration of cpu and many")
    options.add_argument("--telegrams", type=int, default=DAY_TELEGRAMS, help="number of telegrams of day")
    given = options.parse_args()
    if unknown := set(given.measures) - MEASURES.keys():
        options.error(f"there is no {', '.join(sorted(unknown))}")
    if missing("ser2net"):
        raise SystemExit("ser2net is not installed; try: apt install ser2net")
    print(machine())
    for name in given.measures or MEASURES:
        with tempfile.TemporaryDirectory() as folder, on_core(LOAD_CORE):
            MEASURES[name](Path(folder) / name, given)


if __name__ == "__main__":
    main()
