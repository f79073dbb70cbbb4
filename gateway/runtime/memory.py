"""The memory that is free after a configuration was loaded."""

from __future__ import annotations

import ctypes
import gc

OBJECTS_PER_METER = 50
"""Number of objects that a meter's newest telegram consists of, as the garbage collector counts them."""


def settle(meters: int = 1) -> None:
    """Keep the objects that exist now, and return free memory to the system.

    Loading imports libraries and compiles register maps, which leaves some megabytes free inside the process. The
    objects that exist now stay, so the garbage collector need not look at them again.

    Those of a telegram live until the next one replaces them. So with a thousand meters, 50,000 objects are always
    young, and the collector would look at all of them whenever 700 more exist than before: for a tenth of the time, and
    26 ms at a time. It now waits until there may be something to collect.
    """
    gc.collect()
    gc.freeze()
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, OBJECTS_PER_METER * meters), *others)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
    if trim:
        trim(0)
