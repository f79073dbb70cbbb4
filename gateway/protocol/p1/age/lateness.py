"""The delay of a line, how long it has lasted, and what this machine's clock shows about it.

A line that is suddenly late by a constant delay looks like a meter whose clock was set back. Two things can show which
it is. A new connection drops the bytes that wait in the gateway's socket, so the gateway tries one. And this machine's
clock helps if it is synchronised and the meter's clock was close to it: a corrected clock comes closer to this
machine's clock, and the stamps of a late line move away from it.
"""

from __future__ import annotations

from gateway.protocol.p1.age.candidate import NEAR_S, Run
from gateway.protocol.p1.age.display import SHORTEST_GAP
from gateway.protocol.p1.age.verdict import LATE_S, Arrival

CARRIED_FOR = 5
"""Largest gap, in cadences, after which a late line still counts as late by the same time."""
CONSTANT_S = 60.0
"""Seconds for which a delay must stay the same before a new connection is tried: it will not end by itself."""
SYNCHRONISED_S = 5.0
"""Largest difference of the meter's clock from this machine's, in seconds, for which the two are compared."""
STEPPED_S = 0.5
"""Step of this machine's clock against the monotonic clock, in seconds, from which on it counts as set and proves
nothing."""


class Lateness:
    """The delay of one meter's line."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        """Number of telegrams in time that end the lateness."""
        self.delay = 0.0
        """Seconds that the newest telegram came late."""
        self.is_late = False
        """True while telegrams come late, until several are in time, so that the status does not flicker."""
        self.is_certain = False
        """True if this machine's clock shows that the line is late."""
        self._in_time = 0
        self._level: float | None = None
        self._since = 0.0
        self._last = 0.0
        self._was_tried = False
        self._off_s: float | None = None
        self._ahead_s = 0.0

    def follow(self, item: Arrival, clock: int, delay: float) -> None:
        """Note the delay of a telegram."""
        self.delay = delay
        self._last = item.arrived
        if delay < LATE_S:
            self._in_time += 1
            self._level = None
            if self._in_time >= self.needed:
                self.is_late = self._was_tried = False
            self._off_s = None
            if item.machine_clock is not None:
                self._off_s = item.machine_clock.unix - clock
                self._ahead_s = item.machine_clock.unix - item.arrived
            return
        self._in_time = 0
        self.is_late = True
        if self._level is None or abs(delay - self._level) > LATE_S:
            self._level, self._since = delay, item.arrived
        self._was_tried = self._was_tried or item.is_first
        off = self._off_now(item, clock)
        self.is_certain = off is not None and abs(off) > abs(self._off_s or 0.0) + LATE_S

    @property
    def reconnection_is_due(self) -> bool:
        """Return whether to try a new connection: the delay is constant, and none was tried because of it."""
        if self._was_tried or self._level is None or self.delay < NEAR_S:
            return False
        return self._last - self._since >= CONSTANT_S

    def note_reconnection(self) -> None:
        """Note that a new connection is tried."""
        self._was_tried = True

    def carry(self, item: Arrival, gap: float | None, cadence_s: float, run: Run | None) -> float:
        """Return the delay that stays when the clock changes: the line goes on at its own pace, as late as before.

        Args:
            item: the first telegram of the other clock.
            gap: seconds since the telegram before; None for the first.
            cadence_s: the meter's cadence.
            run: the candidate that the telegram does not fit either; None if there is none.

        """
        if gap is None or item.is_first or not SHORTEST_GAP <= gap / cadence_s <= CARRIED_FOR:
            return 0.0
        if run:
            return run.carry
        return self.delay if self.delay >= LATE_S else 0.0

    def is_corrected(self, item: Arrival, clock: int) -> bool:
        """Return whether this stamp went back because the meter's clock was corrected.

        The clock must now be correct within the granularity, and must have been wrong by more than that before. It is
        not enough that it is closer than before: a delay does the same if the clock was ahead.
        """
        off = self._off_now(item, clock)
        return off is not None and abs(off) < LATE_S and abs(off) + LATE_S < abs(self._off_s or 0.0)

    def _off_now(self, item: Arrival, clock: int) -> float | None:
        """Return the seconds by which this machine's clock is ahead of the stamp; None if that proves nothing."""
        if item.machine_clock is None or self._off_s is None or abs(self._off_s) > SYNCHRONISED_S:
            return None
        if (
            abs(item.machine_clock.unix - item.arrived - self._ahead_s) > STEPPED_S
            or not item.machine_clock.is_synchronised()
        ):
            return None
        return item.machine_clock.unix - clock
