"""The heap of the C library, the memory that is free after the start, and the work of the garbage collector."""

from __future__ import annotations

import ctypes
import gc

OBJECTS_PER_METER = 50
"""Number of objects that a meter's newest telegram consists of, as the garbage collector counts them."""
_M_ARENA_MAX = -8
"""Number of the option for the largest number of heaps, in glibc's malloc.h."""
_OF_PYTHON = gc.get_threshold()
"""Thresholds of the garbage collector that Python begins with."""


def share_heap() -> None:
    """Let all threads allocate from one heap; call it before any thread is started.

    By default glibc gives each thread a heap of its own, which keeps the most that the thread ever needed. So the
    memory would grow with each thread that does a job for the first time, for days after the start.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl has one heap
    if set_option:
        set_option(_M_ARENA_MAX, 1)


def settle() -> None:
    """Keep the objects that exist now, and return free memory to the system.

    Loading imports libraries and compiles register maps, which leaves some megabytes free inside the process. The
    objects that exist now stay, so the garbage collector need not look at them again.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
    if trim:
        trim(0)


def collect_seldom(meters: int) -> None:
    """Let the garbage collector wait until there may be something to collect, with this number of meters.

    The objects of a telegram live until the next one replaces them. So with a thousand meters, 50,000 objects are
    always young, and by itself the collector would look at all of them whenever some hundreds more exist than before:
    for a tenth of the time, and 26 ms at a time.
    """
    first, *others = _OF_PYTHON
    gc.set_threshold(max(first, OBJECTS_PER_METER * meters), *others)
