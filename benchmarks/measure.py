"""Shared by all measurements: samples taken in turns, their table, and a description of the machine.

Two subjects that are measured one after the other see different machines: clock speeds change, and other programs come
and go. Subjects that are compared therefore take turns within one run. The table shows the minimum beside the median:
the minimum is the cost of the code when nothing disturbs it.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

US = 1e6
MS = 1e3


def machine() -> str:
    """Describe the machine that the figures come from in one line."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} cores ({_processor()}), {platform.system()} {platform.release()}, {python}, load {load:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def take_turns(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call each subject once per round and return its samples. A call before the first round is not counted."""
    for work in subjects.values():
        work()
    gc.collect()
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, work in subjects.items():
            samples[name].append(work())
    return samples


def timed(work: Callable[[], object], per: int = 1) -> Callable[[], float]:
    """Return a function that calls `work` and returns the seconds that it took, divided by `per`."""

    def call() -> float:
        begun = time.perf_counter()
        work()
        return (time.perf_counter() - begun) / per

    return call


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that is at least as large as `share` of all samples."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def show(title: str, samples: Mapping[str, Sequence[float]], scale: float, unit: str, against: str = "") -> None:
    """Print a table. The medians of all rows are also shown as a ratio to that of the row `against`."""
    width = max([len(title), *map(len, samples)]) + 2
    ratio = f"{'to ' + against:>{len(against) + 6}}" if against else ""
    print(f"\n{title:<{width}}{'n':>6}{'min':>10}{'median':>10}{'p99':>10} {unit}{ratio}")
    for name, values in samples.items():
        if not values:
            print(f"{name:<{width}}{0:>6}")
            continue
        figures = (min(values), statistics.median(values), percentile(values, 0.99))
        line = f"{name:<{width}}{len(values):>6}" + "".join(f"{scale * figure:>10.2f}" for figure in figures)
        if against:
            share = figures[1] / statistics.median(samples[against])
            line += f" {'':{len(unit)}}{share:>{len(against) + 5}.2f}x"
        print(line)
