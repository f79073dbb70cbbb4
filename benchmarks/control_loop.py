"""Close a control loop over the gateway: a battery that holds the power at the meter at zero.

    python -m benchmarks.control_loop [--seconds S] [--gain G]

The load of a house changes in steps. A controller reads the power at the meter, adds a share of it to the power of the
battery, and pauses for 200 ms: it integrates, and polls at 5 Hz. The meter sends once per second. The controller reads
through a gateway with `repeat: serve` and through one with `repeat: wait`. Beside them are ideal meters, which hand the
controller each new sample without any delay, 5 per second and 1 per second. All of them run at the same time, each
with a house of its own and the same steps.

A command is a change of the battery's power. Its dead time is the time since the meter measured what it is based on;
the jitter of the dead time is the difference between its 1st and its 99th percentile. The age at the client is the
time from the last byte of a telegram to the response. The overshoot is how far the power at the meter goes beyond zero
after a step, as a share of the step.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.client import connect
from benchmarks.feed import NOON, Feed
from benchmarks.measure import MS, machine, percentile
from benchmarks.running import start_gateway
from gateway.protocol.crc16 import crc16

POLL_S = 0.2
CADENCE_S = 1.0
STEP_EVERY_S = 12.0
STEP_W = 2000
BATTERY_LAG_S = 0.1
"""Time constant with which the battery follows its command."""
ADDRESS, COUNT = 100, 26
"""One request for the net power (100) and the voltage (124), which numbers the samples."""
VOLTAGE_AT = 2 * 24
FIRST_SAMPLE, SAMPLES = 2000, 500
"""The voltage of the first sample in 0.1 V, and the number of samples that have a voltage of their own."""
SETTLED = 0.1
"""Share of a step below which the power at the meter counts as settled."""
SETTINGS = {"serve": "", "wait": ", repeat: wait, wait_up_to: 900ms"}


class House:
    """A load that changes in steps, and a battery. All moments are of `time.monotonic`."""

    def __init__(self, begun: float, steps: list[tuple[float, int]]) -> None:
        self._begun = begun
        self._steps = steps
        self._command = self._battery = 0.0
        self._at = begun
        self._lock = threading.Lock()
        self.trace: list[tuple[float, float]] = []
        """Seconds since the begin, and the power at the meter then."""

    def measure(self) -> float:
        """Return the power at the meter now, import positive."""
        with self._lock:
            return self._measure()

    def add(self, watts: float) -> None:
        """Give the battery a new command: that much more than before."""
        with self._lock:
            self._measure()
            self._command += watts

    def _measure(self) -> float:
        now = time.monotonic()
        share = math.exp((self._at - now) / BATTERY_LAG_S)
        self._battery = self._command + (self._battery - self._command) * share
        self._at = now
        load = next((watts for at, watts in reversed(self._steps) if now - self._begun >= at), 0)
        grid = load - self._battery
        self.trace.append((now - self._begun, grid))
        return grid


class Sample(NamedTuple):
    number: int
    watts: float
    age_s: float
    """Time since the telegram's last byte, or since the ideal meter's sample."""
    measured: float


class Run:
    """One controller with its house, and what it did."""

    def __init__(self, house: House, gain: float) -> None:
        self.house = house
        self._gain = gain
        self.ages: list[float] = []
        self.dead_times: list[float] = []
        self.repeated = 0
        self._newest = -1

    def act(self, sample: Sample) -> None:
        """Change the battery's power by a share of what the meter shows."""
        self.house.add(self._gain * sample.watts)
        self.ages.append(sample.age_s)
        self.dead_times.append(time.monotonic() - sample.measured)
        self.repeated += sample.number == self._newest
        self._newest = sample.number


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=300.0)
    options.add_argument("--gain", type=float, default=0.35, help="share of the power that a command corrects")
    given = options.parse_args()
    print(machine())
    numbers = random.Random(1)
    steps, at, load = list[tuple[float, int]](), 3.0, 0
    while at < given.seconds - STEP_EVERY_S:
        load = STEP_W - load
        steps.append((at, load))
        at += STEP_EVERY_S + numbers.random()
    runs: dict[str, Run] = {}
    threads: list[threading.Thread] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        ports: dict[str, tuple[Feed, int]] = {}
        for name, keys in SETTINGS.items():
            feed = stack.enter_context(Feed())
            gateway = stack.enter_context(start_gateway(folder / name, feed.port, unit_keys=keys))
            feed.accept()
            gateway.wait_for_port()
            ports[name] = feed, gateway.port
        begun = time.monotonic()
        end = begun + given.seconds

        def start(name: str, work: Callable[[Run], None]) -> None:
            run = runs[name] = Run(House(begun, steps), given.gain)
            threads.append(threading.Thread(target=work, args=(run,), name=name))

        for name, (feed, port) in ports.items():
            start(f"repeat: {name}", lambda run, f=feed, p=port: through_gateway(run, f, p, end))  # type: ignore[misc]
        start("ideal meter, 5 Hz", lambda run: ideal(run, POLL_S, end))
        start("ideal meter, 1 Hz", lambda run: ideal(run, CADENCE_S, end))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    show(runs, steps)


def through_gateway(run: Run, feed: Feed, port: int, end: float) -> None:
    """Poll a gateway, whose meter sends the power of the house."""
    sent: dict[int, tuple[float, float]] = {}
    meter = threading.Thread(target=send, args=(run.house, feed, sent, end + 2 * CADENCE_S))
    meter.start()
    with connect(port) as client:
        while time.monotonic() < end:
            data = client.read(ADDRESS, COUNT)
            if data is not None:
                number = int.from_bytes(data[VOLTAGE_AT : VOLTAGE_AT + 2], "big") - FIRST_SAMPLE
                measured, left = sent[number]
                watts = int.from_bytes(data[:4], "big", signed=True)
                run.act(Sample(number, watts, max(0.0, time.monotonic() - left), measured))
            time.sleep(POLL_S)
    meter.join()


def send(house: House, feed: Feed, sent: dict[int, tuple[float, float]], end: float) -> None:
    """Send a telegram per second; note when each was measured, and when its last byte was sent."""
    due, second = time.monotonic(), 0
    while due < end:
        measured = time.monotonic()
        number = second % SAMPLES
        data = telegram(second, round(house.measure()), FIRST_SAMPLE + number)
        sent[number] = measured, time.monotonic()
        feed.send(data)
        second += 1
        due += CADENCE_S
        time.sleep(max(0.0, due - time.monotonic()))


def telegram(second: int, watts: int, decivolts: int) -> bytes:
    """Return a DSMR 5 telegram of a house with one phase."""
    clock = datetime.fromtimestamp(NOON + 3600 + second, UTC)
    taken, given = max(watts, 0) / 1000, max(-watts, 0) / 1000
    lines = (
        *("/XXX5\\INVENTED", "", "1-3:0.2.8(50)", f"0-0:1.0.0({clock:%y%m%d%H%M%S}W)", "0-0:96.1.1(494E56454E544544)"),
        *("1-0:1.8.1(000100.000*kWh)", "1-0:1.8.2(000200.000*kWh)", "1-0:2.8.1(000050.000*kWh)"),
        *("1-0:2.8.2(000060.000*kWh)", "0-0:96.14.0(0002)", f"1-0:1.7.0({taken:06.3f}*kW)"),
        *(f"1-0:2.7.0({given:06.3f}*kW)", f"1-0:32.7.0({decivolts / 10:05.1f}*V)"),
        *(
            f"1-0:31.7.0({round(abs(watts) / 230):03}*A)",
            f"1-0:21.7.0({taken:06.3f}*kW)",
            f"1-0:22.7.0({given:06.3f}*kW)",
        ),
    )
    body = ("\r\n".join(lines) + "\r\n!").encode()
    return body + b"%04X\r\n" % crc16(body)


def ideal(run: Run, cadence_s: float, end: float) -> None:
    """Hand each sample to the controller the moment it is measured."""
    due, number = time.monotonic(), 0
    while due < end:
        measured = time.monotonic()
        run.act(Sample(number, run.house.measure(), 0.0, measured))
        number += 1
        due += cadence_s
        time.sleep(max(0.0, due - time.monotonic()))


def responses_to(trace: list[tuple[float, float]], steps: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """Return the overshoot of each step, as a share of it, and the seconds until the power stayed settled."""
    found = []
    ends = [at for at, _ in steps[1:]] + [math.inf]
    for (at, load), end in zip(steps, ends, strict=True):
        sign = 1 if load else -1
        part = [(moment - at, sign * watts / STEP_W) for moment, watts in trace if at <= moment < end]
        overshoot = max(0.0, -min(watts for _, watts in part))
        settled = max((moment for moment, watts in part if abs(watts) > SETTLED), default=0.0)
        found.append((overshoot, settled))
    return found


def show(runs: dict[str, Run], steps: list[tuple[float, int]]) -> None:
    print(f"\n{len(steps)} steps of {STEP_W} W; percentages of a step, times in ms unless they are in s\n")
    columns = ("overshoot", "worst", "settled, s", "dead time", "jitter", "age", "age p99", "samples", "repeated")
    print(f"{'':<20}" + "".join(f"{column:>12}" for column in columns))
    for name, run in runs.items():
        after = responses_to(run.house.trace, steps)
        overshoots, settled = [step[0] for step in after], [step[1] for step in after]
        dead, ages = run.dead_times, run.ages
        cells = (
            f"{100 * statistics.median(overshoots):.0f} %",
            f"{100 * max(overshoots):.0f} %",
            f"{statistics.median(settled):.1f}",
            f"{MS * statistics.median(dead):.1f}",
            f"{MS * (percentile(dead, 0.99) - percentile(dead, 0.01)):.1f}",
            f"{MS * statistics.median(ages):.1f}",
            f"{MS * percentile(ages, 0.99):.1f}",
            f"{len(dead)}",
            f"{run.repeated}",
        )
        print(f"{name:<20}" + "".join(f"{cell:>12}" for cell in cells))


if __name__ == "__main__":
    main()
