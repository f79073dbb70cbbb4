"""Freshness: the age of readings against a limit, judged in one place.

Readings are fresh until their telegram is older than a limit. The age counts from the moment at which the meter wrote
the telegram, as far as `gateway.protocol.p1.age` can tell, on one monotonic clock. When a telegram is served,
`fresh_until` turns its age limit into a moment; each request then compares that moment with the clock.

Bytes do not always arrive when they are read. While the process is stopped or the machine is suspended, they wait in
the kernel. A meter's clock shows how long. For a meter without one, `ArrivalClock` assumes the longest possible time:
its bytes count as having arrived when the gateway last ran.
"""

from __future__ import annotations

NEVER, FOREVER = float("-inf"), float("inf")
"""Ends of freshness: of readings that do not exist, and of values that do not age, such as a test pattern."""

STALL_S = 1.0
"""Longest time between two ticks of a gateway that runs; after a longer one, the next bytes may have waited."""
PAUSE_S = 0.1
"""Time without new bytes after which no more waiting bytes can follow: those are available at once."""

MAX_CATCH_UP_S = 5.0
"""Longest time for which bytes count as having waited, after a standstill on a line that never pauses.

All that a kernel holds for a line is read in less time, and no suspicion lasts for ever.
"""


def fresh_until(measured: float, stale_after_s: float) -> float:
    """Return the last moment at which readings that were measured at `measured` are fresh, on the same clock."""
    return measured + stale_after_s


def is_fresh(until: float, now: float) -> bool:
    """Return True while readings that are fresh until `until` may be served."""
    return now <= until


class ArrivalClock:
    """Determines when the bytes of one line arrived. Times are seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self._last_tick = now
        self._waiting_since: float | None = None
        self._woken = now

    @property
    def is_behind(self) -> bool:
        """Return True while the bytes that are read may have waited; `pause` ends that."""
        return self._waiting_since is not None

    def tick(self, now: float) -> None:
        """Note that the gateway runs; call it several times in each `STALL_S`."""
        if now - self._last_tick > STALL_S:
            self._woken = now
            if self._waiting_since is None:
                self._waiting_since = self._last_tick
        elif self._waiting_since is not None and now - self._woken > MAX_CATCH_UP_S:
            self._waiting_since = None
        self._last_tick = now

    def date(self, now: float) -> float:
        """Return the moment at which bytes that are read now count as having arrived."""
        self.tick(now)
        return now if self._waiting_since is None else self._waiting_since

    def pause(self) -> None:
        """Note that there was nothing to read for `PAUSE_S`: bytes that come from now on have not waited.

        The time between two reads does not show this, since handling the first read, or another meter's, takes time.
        """
        self._waiting_since = None
