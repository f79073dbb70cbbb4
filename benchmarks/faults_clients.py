"""Meters and clients of the fault matrix: each number shows the moment at which it was sent, so its age is known."""

from __future__ import annotations

import re
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, Self

from benchmarks.client import Client
from benchmarks.soak_telegrams import VALUES, Telegrams, stamp
from tests.protocol.p1.stream import resealed

STEP_S = 0.005
"""Step of the moments: they begin again after 100 s, longer than any reading may count as fresh."""
WRAP_S = VALUES * STEP_S
LIMIT_S, RESOLUTION_S = 5.0, 1.5
AHEAD_S = 1.0
"""A number that seems to be of the future by less than this is not wrong: it was rounded."""
POWER, PHASES = 102, 112
"""Addresses of the import power and of that of the phases in the native map."""
COUNT = PHASES + 6 - POWER
COUNTER = re.compile(rb"(?<=1-0:1\.8\.1\()[0-9.]+")
POLL_EVERY_S = 0.1
RESPONSE_LIMIT_S = 2.0


class Cable(Protocol):
    """The meter's end of a line."""

    def offer(self, data: bytes) -> bool:
        """Send bytes if the line takes them."""


class Meters:
    """Meters that send a telegram per second, each on its own line, as each of them is set."""

    def __init__(self, cables: dict[str, Cable]) -> None:
        self._cables = cables
        self._telegrams, self._noise = Telegrams(), Random(1)
        self.silent: set[str] = set()
        self.noisy: set[str] = set()
        self.garbled: set[str] = set()
        self.clock_s = 0
        """Seconds by which the clocks of the meters are wrong."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, name="meters")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1.0, time.monotonic())
            number = int(time.monotonic() / STEP_S) % VALUES
            telegram = self._telegrams.telegram(number, stamp(time.time() + self.clock_s))
            # By a counter that rises, the gateway distinguishes a clock that was set back from old telegrams.
            telegram = resealed(COUNTER.sub(b"%010.3f" % (12_000 + time.monotonic() / 1000 % 1000), telegram))
            for name, cable in self._cables.items():
                with suppress(OSError):
                    for piece in self._pieces(name, telegram):
                        cable.offer(piece)

    def _pieces(self, name: str, telegram: bytes) -> Iterable[bytes]:
        if name in self.silent:
            return ()
        if name in self.garbled:
            # What a port gets that reads at a twelfth of the speed: few bytes, and none as it was sent.
            return (bytes(self._noise.choice((0x00, 0x80, 0xE0, 0xF8, 0xFE)) for _ in range(len(telegram) // 12)),)
        if name in self.noisy:
            at = self._noise.randrange(100, len(telegram))
            noise = self._noise.randbytes(30)
            changed = self._noise.choice((telegram[:at] + noise, telegram[:at] + noise + telegram[at:], telegram))
            return (noise, changed, noise)
        return (telegram,)


@dataclass
class Seen:
    """Responses that the clients of a unit got since the beginning of a fault."""

    results: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    """Longest time without a fresh number."""
    fresh_sent_at: float = 0.0
    """The moment at which the newest number was sent."""
    fresh_at: float = 0.0
    """The moment at which it was first read."""


class Clients:
    """Two clients of a unit: one that stays connected, and one that connects for each request."""

    def __init__(self, port: int, units: dict[str, int]) -> None:
        self.seen = {name: Seen() for name in units}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._read, args=(name, port, unit, stays), name=f"client of {name}")
            for name, unit in units.items()
            for stays in (True, False)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def restart(self) -> None:
        """Begin to note again."""
        for name, each in self.seen.items():
            self.seen[name] = Seen(fresh_sent_at=each.fresh_sent_at, fresh_at=each.fresh_at)

    def _read(self, name: str, port: int, unit: int, stays: bool) -> None:
        while not self._over.is_set():
            try:
                with Client(port, unit, RESPONSE_LIMIT_S) as client:
                    while not self._over.wait(POLL_EVERY_S):
                        data = client.read(POWER, COUNT)
                        with self._lock:
                            self._note(self.seen[name], data, time.monotonic())
                        if not stays:
                            break
            except (OSError, EOFError):
                self.seen[name].results["no connection"] += 1
                self._over.wait(POLL_EVERY_S)

    def _note(self, seen: Seen, data: bytes | None, moment: float) -> None:
        if data is None:
            seen.results["exception"] += 1
            return
        seen.results["value"] += 1
        number, *_, one, two, three = struct.unpack(f">{COUNT // 2}I", data)
        if (one, two, three) != (number // 3, number // 3, number - 2 * (number // 3)):
            seen.wrong.append(f"torn: {number} W, {one} W, {two} W, {three} W")
            return
        age_s = (moment - number * STEP_S) % WRAP_S
        if age_s > WRAP_S - AHEAD_S:
            age_s = 0.0
        if age_s > LIMIT_S + RESOLUTION_S:
            seen.wrong.append(f"old: {age_s:.1f} s")
            return
        sent_at = moment - age_s
        if sent_at > seen.fresh_sent_at + STEP_S:
            if seen.fresh_at:
                seen.longest_s = max(seen.longest_s, moment - seen.fresh_at)
            seen.fresh_sent_at, seen.fresh_at = sent_at, moment
