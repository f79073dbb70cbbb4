"""Demand of a Belgian meter: the mean power of the current quarter of an hour, and the highest one of each month.

The demand of the current quarter is its energy so far, divided by a quarter of an hour, so it increases until the
quarter ends. The time of a peak is the end of its quarter (e-MUCS P1 1.7.1, "average demand"). Every week of the
household is the same, so the peak of a month is found by searching one week.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from gateway.simulation.household import HOUR_S, SLOT_S, WEEK_S, Week
from gateway.simulation.wall_clock import WallClock, WallTime

QUARTER_S = HOUR_S // 4
MONTHS = 13
"""Number of months in the history."""
_QUARTERS_PER_WEEK = WEEK_S // QUARTER_S
_SLOTS_PER_QUARTER = QUARTER_S // SLOT_S
_MAX_CACHED_PEAKS = 64


class Demand:
    """Demand of a house, as its meter sends it."""

    def __init__(self, week: Week, clock: WallClock) -> None:
        """Compute the quarters of `week`; `clock` gives the months."""
        parts = zip(week.sums("energy_import_low"), week.sums("energy_import_normal"), strict=True)
        self._imported = [low + normal for low, normal in parts]
        self._quarters = [
            (after - before) // _SLOTS_PER_QUARTER for before, after in pairwise(self._imported[::_SLOTS_PER_QUARTER])
        ]
        self._clock = clock
        self._peak = lru_cache(maxsize=_MAX_CACHED_PEAKS)(self._find_peak)

    def running(self, second: int) -> int:
        """Return the demand in W of the current quarter, from its energy so far."""
        slot, elapsed_s = divmod(second % WEEK_S, SLOT_S)
        used = self._imported[slot] - self._imported[slot // _SLOTS_PER_QUARTER * _SLOTS_PER_QUARTER]
        rate = self._imported[slot + 1] - self._imported[slot]
        return (used * SLOT_S + rate * elapsed_s) // QUARTER_S

    def of_month(self, now: WallTime) -> dict[str, int | str]:
        """Return the highest demand of the month so far and its time; zero while there is none yet."""
        begins = self._clock.month_begins(now.year, now.month)
        power, at = self._peak(begins, now.second // QUARTER_S * QUARTER_S)
        return {"demand_peak": power, "demand_peak_time": self._clock.stamp(at)}

    def history(self, now: WallTime) -> str:
        """Return the value groups of 0-0:98.1.0: the end, the time of the peak and the peak of each month before."""
        groups = ""
        for month in range(now.month, now.month - MONTHS, -1):
            ends = self._clock.month_begins(now.year, month)
            power, at = self._peak(self._clock.month_begins(now.year, month - 1), ends)
            stamps = f"({self._clock.stamp(ends)})({self._clock.stamp(at)})"
            groups += f"{stamps}({power // 1000:02}.{power % 1000:03}*kW)"
        return f"({MONTHS})(1-0:1.6.0)(1-0:1.6.0){groups}"

    def _find_peak(self, begins: int, ends: int) -> tuple[int, int]:
        """Return the power in W and the end, in seconds of the wall clock, of the highest quarter between two times."""
        best = (0, begins)
        # All weeks are the same, so one is enough.
        for begun in range(begins, min(ends, begins + WEEK_S), QUARTER_S):
            power = self._quarters[begun // QUARTER_S % _QUARTERS_PER_WEEK]
            if power > best[0] and self._clock.has(begun):
                best = power, begun + QUARTER_S
        return best
