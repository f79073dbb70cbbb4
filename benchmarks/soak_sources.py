"""Hours in real time: one gateway reads every kind of source of `sources.py`, and each response is checked.

The power of a telegram is the moment at which it was sent, in milliseconds, so that the age of each response is known.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from itertools import count as count_from
from pathlib import Path
from typing import Any

import yaml

from benchmarks.client import Client, connect
from benchmarks.feed import NOON, with_power
from benchmarks.p1_line import cpu_s
from benchmarks.running import LOAD_CORE, Program, free_port, on_core
from benchmarks.sources import GATEWAY_ADDRESS, KINDS, Source
from benchmarks.steadiness import Steadiness
from benchmarks.viewers import Viewers
from gateway.simulation.forms import simulated_meter

WRAP = 99_999
"""Number of milliseconds after which the moments begin again, and largest power in W."""
ACCEPTED = 4
"""Address of the number of accepted telegrams in the native map."""
POLL_EVERY_S = 0.2
LIMIT_S, RESOLUTION_S = 5.0, 1.5
LOOKS = 40
SETTLE_S = 300.0
"""Time after which the memory may grow no more than the limit; a tenth of a run that is shorter than 50 minutes."""


class Watched:
    """A source with the client that reads its unit."""

    def __init__(self, source: Source, client: Client) -> None:
        self.source = source
        self.client = client
        self.seen = Counter[str]()
        self.longest_s = 0.0
        """Longest time without a fresh value, after the first one."""
        self._fresh_at: float | None = None
        self._sent: dict[int, float] = {}
        """Power → the moment at which it was sent, of the last seconds."""

    def send(self, telegram: bytes) -> None:
        """Send a telegram that shows the moment."""
        moment = time.monotonic()
        watts = int(1000 * moment) % WRAP
        self._sent[watts] = moment
        while len(self._sent) > WRAP // 1000 // 2:
            del self._sent[next(iter(self._sent))]
        self.source.send(with_power(telegram, watts))
        self.seen["sent"] += 1

    def poll(self) -> None:
        """Read the power and check it."""
        watts, moment = self.client.uint32(GATEWAY_ADDRESS), time.monotonic()
        self.seen["responses"] += 1
        if watts is None:
            self.seen["exceptions"] += 1
            return
        sent = self._sent.get(watts)
        self.seen["wrong"] += sent is None or moment - sent > LIMIT_S + RESOLUTION_S
        if self._fresh_at is not None:
            self.longest_s = max(self.longest_s, moment - self._fresh_at)
        self._fresh_at = moment


def start(stack: ExitStack, folder: Path) -> tuple[Program, dict[str, Watched], int]:
    """Start a gateway with a meter and a unit for each kind of source, and a page; return the page's port too."""
    port, page = free_port(), free_port()
    with on_core(LOAD_CORE):
        sources = {name: kind(stack, folder) for name, kind in KINDS.items()}
    units = {unit: {"map": "dsmr", "meter": f"meter-{unit}"} for unit in range(1, len(sources) + 1)}
    configuration: dict[str, Any] = {
        "meters": {f"meter-{unit}": {"dsmr_version": "5", **s.settings} for unit, s in enumerate(sources.values(), 1)},
        "modbus": [{"listen": f"127.0.0.1:{port}", "units": units}],
        "status_page": {"listen": f"127.0.0.1:{page}"},
    }
    for source in sources.values():
        configuration |= source.more
    (folder / "gateway.yaml").write_text(yaml.safe_dump(configuration))
    command = [Path(sys.executable).with_name("dsmr-gateway"), "run", folder / "gateway.yaml"]
    gateway = stack.enter_context(Program(command, folder, port))
    gateway.wait_for_port()
    clients = (stack.enter_context(connect(port, unit=unit)) for unit in units)
    watched = {name: Watched(source, next(clients)) for name, source in sources.items()}
    return gateway, watched, page


def send_each_second(watched: dict[str, Watched], over: threading.Event) -> None:
    """Send the telegrams of each second; a second that is over before its turn is left out."""
    household, begun = simulated_meter("5"), time.monotonic()
    in_order = sorted(watched.values(), key=lambda each: each.source.is_slow)
    for second in count_from():
        if over.wait(max(0.0, begun + second - time.monotonic())):
            return
        if time.monotonic() - begun < second + 1:
            telegram = household.telegram(NOON + second)
            for each in in_order:
                each.send(telegram)


def run_hours(folder: Path, hours: float) -> None:
    """Run the sources and the clients for some hours, and print what clients saw."""
    with ExitStack() as stack:
        gateway, watched, page = start(stack, folder)
        over, viewers = threading.Event(), Viewers()
        sending = threading.Thread(target=send_each_second, args=(watched, over))
        sending.start()
        stack.callback(sending.join)
        stack.callback(over.set)
        stack.enter_context(viewers.looking(page, 1))
        steadiness, used = Steadiness(gateway, len(watched)), cpu_s(gateway.pid)
        begun, seconds = time.monotonic(), 3600 * hours
        settled, looks = min(SETTLE_S, seconds / 10), 0
        while (elapsed := time.monotonic() - begun) < seconds:
            for each in watched.values():
                each.poll()
            if elapsed >= settled + looks * (seconds - settled) / LOOKS:
                steadiness.look()
                looks += 1
                print(f"after {elapsed:5.0f} s: {steadiness}", flush=True)
            time.sleep(POLL_EVERY_S)
        share = (cpu_s(gateway.pid) - used) / (time.monotonic() - begun)
        for each in watched.values():
            each.seen["accepted"] = each.client.uint32(ACCEPTED) or 0
        show(watched, hours, share, viewers.events, steadiness)


def show(watched: dict[str, Watched], hours: float, share: float, events: int, steadiness: Steadiness) -> None:
    """Print what clients saw of each source, and whether it is as promised."""
    names = ("sent", "accepted", "responses", "exceptions", "wrong")
    print(f"{'source':<22}" + "".join(f"{name:>12}" for name in names) + "  longest without, s")
    for name, each in watched.items():
        print(f"{name:<22}" + "".join(f"{each.seen[column]:>12}" for column in names) + f"{each.longest_s:>20.1f}")
    whole = sum((each.seen for each in watched.values()), Counter[str]())
    works = all(each.seen["responses"] > each.seen["exceptions"] for each in watched.values())
    is_kept = steadiness.is_kept and works and not whole["wrong"]
    print(f"page: {events} events; CPU of the gateway: {100 * share:.1f} % of a core\n{steadiness.summary()}")
    print(
        f"{len(watched)} kinds of source for {hours:g} h: {whole['responses']} responses, {whole['exceptions']} "
        f"exceptions, {whole['wrong']} old or never sent\nverdict: {'as promised' if is_kept else 'NOT AS PROMISED'}"
    )
