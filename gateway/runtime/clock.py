"""The one clock that freshness is measured by."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

if hasattr(time, "CLOCK_BOOTTIME"):
    now: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    """Seconds of a clock that never jumps and, unlike CLOCK_MONOTONIC, does not stop in suspend: a gateway
    that wakes after an hour must know that its newest telegram is an hour old."""
else:
    now = time.monotonic


def unix_time(moment: float) -> float:
    """When that was by the wall clock, for showing."""
    return unix_now() - (now() - moment)


def unix_now() -> float:
    """The wall clock, for showing; never for judging what is fresh."""
    return time.time()
