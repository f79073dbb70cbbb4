"""The counters of a meter since midnight, for the figures of today.

Midnight is that of the meter's country. A day begins at midnight if telegrams came before and after it, and otherwise
with its first telegram. A counter that runs backwards is that of another meter, and the day begins again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.protocol.p1.serving import Received

_ZONE = ZoneInfo("Europe/Amsterdam")
"""Time zone of one hour before UTC; summer time begins and ends at the same moment in all countries of the variants."""
COUNTERS = ("energy_import", "energy_export", "gas_reading")
NEAR_S = 60.0
"""Longest time between the last telegram of a day and midnight after which the next day begins at midnight."""


class Begin(NamedTuple):
    """The begin of a day, as it is kept over a restart."""

    since: float
    counters: Mapping[str, float]
    telegrams: int
    refused: int


class Day:
    """The present day of one meter."""

    def __init__(self) -> None:
        self.since: float | None = None
        """Begin of the figures, in unix seconds; None before the first telegram."""
        self.begin: dict[str, float] = {}
        """Counters at that time."""
        self.newest: dict[str, float] = {}
        """Counters of the newest telegram."""
        self.telegrams = self.refused = 0
        """Number of telegrams since the begin."""
        self._ends = self._noted_at = float("-inf")
        self._offset_h = 1
        self._earlier: Begin | None = None
        """The begin of an earlier run, before the first telegram of this one."""

    def note(self, received: Received) -> None:
        """Add an accepted telegram."""
        at, values = received.arrived_at, received.readings.values
        found = {name: values.get(name) for name in COUNTERS}
        counters = {name: float(value) for name, value in found.items() if isinstance(value, Decimal)}
        if self.since is None or not self.since <= at < self._ends or self._runs_backwards(counters):
            self._start(at, counters, received.variant.utc_offset_h)
        self.begin = {**counters, **self.begin}
        self.newest = counters
        self.telegrams += 1
        if self._earlier:
            earlier, self._earlier = self._earlier, None
            self.restore(earlier)
        self._noted_at = at

    def note_refused(self) -> None:
        """Count a refused telegram."""
        self.refused += 1

    def used(self) -> dict[str, float]:
        """Return how much each counter of the newest telegram has grown since the begin."""
        return {name: value - self.begin[name] for name, value in self.newest.items() if name in self.begin}

    def kept(self) -> Begin | None:
        """Return the begin of the day, which a later run can restore."""
        return self._earlier if self.since is None else Begin(self.since, self.begin, self.telegrams, self.refused)

    def restore(self, earlier: Begin) -> None:
        """Take the begin of this day from an earlier run; before the first telegram, that waits for it."""
        if self.since is None:
            self._earlier = earlier
            return
        since, begin, telegrams, refused = earlier
        if since > self.since or next_midnight(since, self._offset_h) != self._ends:
            return
        if any(self.begin.get(name, value) < value for name, value in begin.items()):
            return
        self.since, self.begin = since, {**self.begin, **begin}
        self.telegrams += telegrams
        self.refused += refused

    def _runs_backwards(self, counters: Mapping[str, float]) -> bool:
        return any(value < self.newest.get(name, value) for name, value in counters.items())

    def _start(self, at: float, counters: Mapping[str, float], offset_h: int) -> None:
        midnight = self._ends
        follows = midnight - NEAR_S <= self._noted_at and midnight <= at < midnight + NEAR_S
        self.since = midnight if follows else at
        self.begin = dict(self.newest) if follows else {}
        if self._runs_backwards(counters):
            self.since, self.begin = at, {}
        self.telegrams = self.refused = 0
        self._offset_h = offset_h
        self._ends = next_midnight(at, offset_h)


def next_midnight(at: float, offset_h: int) -> float:
    """Return the next midnight after a moment in unix seconds, in a country `offset_h` hours before UTC in winter."""
    moved = timedelta(hours=offset_h - 1)
    local = datetime.fromtimestamp(at, _ZONE) + moved
    tomorrow = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - moved).timestamp()
