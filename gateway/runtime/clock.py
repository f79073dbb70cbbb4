"""The clocks of the gateway. No other module reads a clock, so that a simulation can replace all of them here."""

from __future__ import annotations

import ctypes
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


_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` of adjtimex(2), with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


_timex = _Timex()
_adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)


def is_synchronised() -> bool:
    """Return True where the kernel says that the wall clock follows a time server."""
    return _adjtimex is not None and _adjtimex(ctypes.byref(_timex)) >= 0 and not _timex.status & _UNSYNCHRONISED


def unix_time(moment: float) -> float:
    """Return the wall clock's time of a moment of `now`, to be shown."""
    return unix_now() - (now() - moment)


def unix_now() -> float:
    """Return the time of the wall clock in unix seconds, to be shown; it never decides what is fresh."""
    return time.time()


def synchronised_unix_now() -> float | None:
    """Return the wall clock in unix seconds where the kernel says that it is synchronised, else None.

    It is evidence in one case only: whether a meter's clock was set or its line is late.
    """
    return unix_now() if is_synchronised() else None


def utc_now() -> datetime:
    """Return the date and time of the wall clock."""
    return datetime.fromtimestamp(unix_now(), UTC)


def monotonic_us() -> int:
    """Return the microseconds of CLOCK_MONOTONIC, which the service manager compares with its own."""
    return time.monotonic_ns() // 1000
