"""The one clock that freshness is measured by."""

from __future__ import annotations

import time

if hasattr(time, "CLOCK_BOOTTIME"):

    def now() -> float:
        """Seconds of a clock that never jumps and, unlike CLOCK_MONOTONIC, does not stop in suspend.

        A gateway that wakes after an hour must know that its newest telegram is an hour old.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    now = time.monotonic


def unix_now() -> float:
    """The wall clock, for showing; never for judging what is fresh."""
    return time.time()
