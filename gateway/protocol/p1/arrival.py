"""When bytes arrived, for a gateway that may have stood still meanwhile.

Bytes that came while the process was stopped or the machine asleep wait in the kernel, and look as if they came
when they are read. Nothing tells how long they waited, so they count as old as they can be: as having come when
the gateway was last awake.
"""

from __future__ import annotations

STOOD_STILL_S = 1.0
"""A longer time between two signs of life, and what was read afterwards may have waited."""
PAUSE_S = 0.1
"""What waited is there to be read at once; a meter pauses between telegrams."""


class ArrivalClock:
    """Dates the bytes of one line. Times are seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self._awake = now
        self._waiting_since: float | None = None

    @property
    def is_behind(self) -> bool:
        """Whether what is read may have waited; ends with `pause`."""
        return self._waiting_since is not None

    def tick(self, now: float) -> None:
        """A sign of life; due several times in `STOOD_STILL_S`."""
        if now - self._awake > STOOD_STILL_S and self._waiting_since is None:
            self._waiting_since = self._awake
        self._awake = now

    def date(self, now: float) -> float:
        """The moment that bytes read now count as having arrived."""
        self.tick(now)
        return now if self._waiting_since is None else self._waiting_since

    def pause(self) -> None:
        """For `PAUSE_S` there was nothing to read: what comes from now on has not waited.

        The time between two reads does not tell that. It goes by with the telegrams of the first, or with others'.
        """
        self._waiting_since = None
