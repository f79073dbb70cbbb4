"""Belgian demand: the average of the running quarter of an hour, the month's highest, and those of 13 months.

The running average grows through its quarter, since it is the energy so far by a quarter of an hour; a peak
carries the end of its quarter (e-MUCS P1 1.7.1, "average demand").
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from gateway.simulation.household import HOUR_S, SLOT_S, WEEK_S, Week
from gateway.simulation.wall_clock import WallClock, WallTime

QUARTER_S = HOUR_S // 4
MONTHS = 13
_QUARTERS_A_WEEK = WEEK_S // QUARTER_S
_SLOTS = QUARTER_S // SLOT_S
_KEPT = 64


class Demand:
    """What a house's meter says of its quarters of an hour."""

    def __init__(self, week: Week, clock: WallClock) -> None:
        """Go by a week and the clock on the wall."""
        parts = zip(week.sums("energy_import_low"), week.sums("energy_import_normal"), strict=True)
        self._imported = [low + normal for low, normal in parts]
        self._quarters = [(after - before) // _SLOTS for before, after in pairwise(self._imported[::_SLOTS])]
        self._clock = clock
        self._peak = lru_cache(maxsize=_KEPT)(self._find_peak)

    def running(self, second: int) -> int:
        """Average power in W that the quarter reaches if nothing more is used."""
        slot, elapsed_s = divmod(second % WEEK_S, SLOT_S)
        used = self._imported[slot] - self._imported[slot // _SLOTS * _SLOTS]
        rate = self._imported[slot + 1] - self._imported[slot]
        return (used * SLOT_S + rate * elapsed_s) // QUARTER_S

    def of_month(self, now: WallTime) -> dict[str, int | str]:
        """The highest demand of the month so far, and its time; zero at its beginning before there is one."""
        begins = self._clock.month_begins(now.year, now.month)
        power, at = self._peak(begins, now.second // QUARTER_S * QUARTER_S)
        return {"demand_peak": power, "demand_peak_time": self._clock.stamp(at)}

    def history(self, now: WallTime) -> str:
        """The groups of 0-0:98.1.0: of each of the months before, its end, the time of its peak, and the peak."""
        groups = ""
        for month in range(now.month, now.month - MONTHS, -1):
            ends = self._clock.month_begins(now.year, month)
            power, at = self._peak(self._clock.month_begins(now.year, month - 1), ends)
            stamps = f"({self._clock.stamp(ends)})({self._clock.stamp(at)})"
            groups += f"{stamps}({power // 1000:02}.{power % 1000:03}*kW)"
        return f"({MONTHS})(1-0:1.6.0)(1-0:1.6.0){groups}"

    def _find_peak(self, begins: int, ends: int) -> tuple[int, int]:
        """W, and seconds on the wall at its end, of the first of the highest quarters between two times."""
        best = (0, begins)
        # One week is like the other.
        for begun in range(begins, min(ends, begins + WEEK_S), QUARTER_S):
            power = self._quarters[begun // QUARTER_S % _QUARTERS_A_WEEK]
            if power > best[0] and self._clock.has(begun):
                best = power, begun + QUARTER_S
        return best
