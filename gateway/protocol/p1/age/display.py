"""The telegram that is shown, the one that waits to be shown, and the rule for telegrams without a usable clock.

Without a usable clock, only the gap before a telegram shows whether it is new. A telegram that comes at the meter's own
pace is shown at once. A telegram may be part of a backlog if it comes too soon, after a pause, or first on a new
connection. Then it is pending, and is shown when the line is quiet for a moment: in a backlog, the next telegram would
follow at once. If a line keeps a faster pace than expected for a minute, that is the meter's pace.
"""

from __future__ import annotations

from gateway.protocol.p1.age.verdict import Arrival, Kind, Shown, Verdict

SHORTEST_GAP, LONGEST_GAP = 0.5, 1.6
"""Bounds of a gap at the meter's own pace, in cadences. Jitter makes a gap shorter; a lost telegram doubles it."""
QUIET = 0.75
"""Number of cadences without a telegram that end a burst; between two telegrams in time there is about one."""
FIRST_QUIET_S = 0.5
"""Seconds without a telegram after which the very first one is shown; the rest of a backlog follows sooner."""
STEADY_S = 60.0
STEADY_TELEGRAMS = 16
STEADY_WITHIN = 1.5
"""Conditions for a faster pace than expected: its time in seconds, its number of telegrams, and the largest factor
between two of its gaps. Only a backlog of hours could come as steadily as this."""


class Display:
    """The shown and the pending telegram of one meter."""

    def __init__(self, cadence_s: float) -> None:
        self.cadence_s = cadence_s
        self.shown: Shown | None = None
        self.pending: Shown | None = None
        self.ripe = 0.0
        """The moment at which the pending telegram is shown."""
        self._pace: tuple[float, float, int] | None = None
        self._steady_since = 0.0

    def at(self, now: float) -> Shown | None:
        """Return the telegram that is shown at `now`."""
        return self.pending if self.pending and now >= self.ripe else self.shown

    def ripen(self, now: float) -> bool:
        """Show the pending telegram if its moment has come, and return True then."""
        if not self.pending or now < self.ripe:
            return False
        self.shown, self.pending = self.pending, None
        return True

    def show(self, item: Arrival, kind: Kind, delay: float = 0.0) -> Verdict:
        """Show a telegram that came late by `delay` seconds."""
        self.shown, self.pending = Shown(item.token, item.arrived - delay), None
        return Verdict(item.token, kind, self.shown.measured, delay, is_shown=True)

    def postpone(
        self, item: Arrival, quiet: float = QUIET, cadence_s: float | None = None, delay: float = 0.0
    ) -> Verdict:
        """Show a telegram that came late by `delay` seconds after `quiet` cadences, if no other one comes before."""
        self.pending = Shown(item.token, item.arrived - delay)
        self.ripe = item.arrived + quiet * (cadence_s or self.cadence_s)
        return Verdict(item.token, Kind.PENDING, self.pending.measured, delay)

    def withdraw(self) -> None:
        """Show nothing."""
        self.shown = self.pending = None

    def by_pace(self, item: Arrival, gap: float | None, pace_s: float) -> Verdict:
        """Date a telegram by its arrival, if telegrams come each `pace_s` seconds; see `by_arrival`."""
        if gap is not None and not item.is_first and SHORTEST_GAP * pace_s <= gap <= LONGEST_GAP * pace_s:
            return self.show(item, Kind.FRESH)
        return self.postpone(item, QUIET, pace_s)

    def by_arrival(
        self, item: Arrival, gap: float | None, shortest: float = SHORTEST_GAP, delay: float = 0.0
    ) -> Verdict:
        """Date a telegram by its arrival, and show it at once where it came at the meter's own pace.

        Args:
            item: the telegram.
            gap: seconds since the telegram before; None for the first.
            shortest: smallest gap at the meter's own pace, in cadences.
            delay: seconds by which it certainly came late.

        """
        if gap is not None and not item.is_first:
            pace = self._steady_pace(item.arrived, gap) or self.cadence_s
            if shortest * pace <= gap <= LONGEST_GAP * pace:
                return self.show(item, Kind.LATE if delay else Kind.FRESH, delay)
        if gap is None and item.clock is None:
            return self.postpone(item, min(QUIET, FIRST_QUIET_S / self.cadence_s))
        return self.postpone(item, delay=delay)

    def _steady_pace(self, arrived: float, gap: float) -> float | None:
        """Return the mean gap of a line that has kept a faster pace than expected, for long enough."""
        if gap >= SHORTEST_GAP * self.cadence_s:
            self._pace = None
            return None
        low, high, count = self._pace or (gap, gap, 0)
        low, high = min(low, gap), max(high, gap)
        if not count or high > low * STEADY_WITHIN:
            low, high, count = gap, gap, 0
            self._steady_since = arrived - gap
        self._pace = low, high, count + 1
        is_steady = count >= STEADY_TELEGRAMS and arrived - self._steady_since >= STEADY_S
        return (low + high) / 2 if is_steady else None
