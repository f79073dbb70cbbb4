"""The memory that is free after a configuration was loaded, and the work of the garbage collector."""

from __future__ import annotations

import ctypes
import gc

OBJECTS_PER_METER = 50
"""Number of objects that a meter's newest telegram consists of, as the garbage collector counts them."""
_OF_PYTHON = gc.get_threshold()
"""Thresholds of the garbage collector that Python begins with."""


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
