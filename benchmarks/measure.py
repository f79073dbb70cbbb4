"""What the measurements share: samples taken in turns, their table, and the machine they were taken on.

Two things measured one after the other see a different machine: clocks change, neighbours come and go. So
whatever is compared takes turns within one run, and the minimum stands beside the median, being what the code
costs when nobody disturbs it.
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
    """One line about where the figures come from."""
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
    """Samples of each subject, which is called once in each round."""
    for work in subjects.values():
        work()
    gc.collect()
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, work in subjects.items():
            samples[name].append(work())
    return samples


def timed(work: Callable[[], object], per: int = 1) -> Callable[[], float]:
    """What calls `work` and gives the seconds it took, divided by `per`."""

    def call() -> float:
        begun = time.perf_counter()
        work()
        return (time.perf_counter() - begun) / per

    return call


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that is not less than `share` of them."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def show(title: str, samples: Mapping[str, Sequence[float]], scale: float, unit: str, against: str = "") -> None:
    """Print a table; `against` is the row whose median the others are compared with."""
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
