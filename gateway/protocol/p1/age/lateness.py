"""The delay of a line, how long it has lasted, and what this machine's clock shows about it.

A line that is suddenly late by a constant delay and a meter whose clock was set back look the same. Two things can
end the doubt. A new connection empties the gateway's own socket, so that it is worth trying once. And where this
machine's clock is synchronised and the meter's was close to it, a clock that was set comes closer to it, while a late
line takes the stamps away from it.
"""

from __future__ import annotations

from gateway.protocol.p1.age.candidate import NEAR_S
from gateway.protocol.p1.age.verdict import LATE_S, Arrival

CONSTANT_S = 60.0
"""A delay that stays the same for so long will not end by itself."""
SYNCHRONISED_S = 5.0
"""Only a meter's clock that is no further from this machine's tells anything by coming closer."""
STEPPED_S = 0.5
"""This machine's clock was set, and proves nothing, when it moved so much against the monotonic clock."""


class Lateness:
    """The delay of one meter's line."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        """Telegrams in time that end the lateness."""
        self.delay = 0.0
        """Seconds that the newest telegram came late."""
        self.is_late = False
        """Telegrams come late; ends with several in time, so that the status does not flicker."""
        self.is_certain = False
        """This machine's clock shows that the line is late."""
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
                self._off_s = item.machine_clock - clock
                self._ahead_s = item.machine_clock - item.arrived
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
        """Return whether a new connection is worth trying: the delay is constant, and none was tried for it."""
        if self._was_tried or self._level is None or self.delay < NEAR_S:
            return False
        return self._last - self._since >= CONSTANT_S

    def note_reconnection(self) -> None:
        """Note that a new connection is tried."""
        self._was_tried = True

    def is_set_right(self, item: Arrival, clock: int) -> bool:
        """Return whether this stamp is back because the meter's clock was set right.

        It has to be right now, within the granularity, and to have been wrong by more than that before. A delay that
        happens to be as long as the clock was ahead looks the same, so that merely being nearer proves nothing.
        """
        off = self._off_now(item, clock)
        return off is not None and abs(off) < LATE_S and abs(off) + LATE_S < abs(self._off_s or 0.0)

    def _off_now(self, item: Arrival, clock: int) -> float | None:
        """Return how far this machine's clock is ahead of the stamp; None where that is no evidence."""
        if item.machine_clock is None or self._off_s is None or abs(self._off_s) > SYNCHRONISED_S:
            return None
        if abs(item.machine_clock - item.arrived - self._ahead_s) > STEPPED_S:
            return None
        return item.machine_clock - clock
