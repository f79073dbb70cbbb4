"""The clocks of the gateway. No other module reads a clock, so that a simulation can replace all of them here."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

if hasattr(time, "CLOCK_BOOTTIME"):
    now: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    """Return the seconds of a clock that never jumps and, unlike CLOCK_MONOTONIC, goes on during suspend.

    A gateway that wakes after an hour must know that its newest telegram is an hour old.
    """
else:
    now = time.monotonic


_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""

TIMESYNC = Path("/run/systemd/timesync/synchronized")
"""File that systemd-timesyncd touches each time it has set the clock by a time server, each 34 minutes at least."""
TIMESYNC_HOLDS_S = 3 * 3600
"""Seconds for which that counts: a crystal of 50 ppm then is 0.5 s off, less than a delay that is reported."""


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
    """Return True where the kernel says that the wall clock follows a time server.

    That is evidence in one case only: whether a meter's clock was set or its line is late. It is not asked otherwise,
    because it takes a system call. If the kernel refuses it, as in a service that may not set the clock, the file of
    systemd's time service counts.
    """
    if _adjtimex is not None and _adjtimex(ctypes.byref(_timex)) >= 0:
        return not _timex.status & _UNSYNCHRONISED
    try:
        return 0 <= unix_now() - TIMESYNC.stat().st_mtime <= TIMESYNC_HOLDS_S
    except OSError:
        return False


def unix_time(moment: float) -> float:
    """Return the wall clock's time of a moment of `now`, to be shown."""
    return unix_now() - (now() - moment)


def unix_now() -> float:
    """Return the time of the wall clock in unix seconds, to be shown.

    It decides what is fresh in one case only, and only if `is_synchronised`.
    """
    return time.time()


def utc_now() -> datetime:
    """Return the date and time of the wall clock."""
    return datetime.fromtimestamp(unix_now(), UTC)


def monotonic_us() -> int:
    """Return the microseconds of CLOCK_MONOTONIC, which the service manager compares with its own."""
    return time.monotonic_ns() // 1000
