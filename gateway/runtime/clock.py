"""The clocks of the gateway. No other module reads a clock, so that a simulation can replace all of them here."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

if hasattr(time, "CLOCK_BOOTTIME"):
    now: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    """Return the seconds of a clock that never jumps and, unlike CLOCK_MONOTONIC, goes on during suspend.

    A gateway that wakes after an hour must know that its newest telegram is an hour old.
    """
else:
    now = time.monotonic


def unix_time(moment: float) -> float:
    """Return the wall clock's time of a moment of `now`, to be shown."""
    return unix_now() - (now() - moment)


def unix_now() -> float:
    """Return the time of the wall clock in unix seconds, to be shown; it never decides what is fresh."""
    return time.time()


def utc_now() -> datetime:
    """Return the date and time of the wall clock."""
    return datetime.fromtimestamp(unix_now(), UTC)


def monotonic_us() -> int:
    """Return the microseconds of CLOCK_MONOTONIC, which the service manager compares with its own."""
    return time.monotonic_ns() // 1000
