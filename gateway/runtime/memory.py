"""The memory that is free after a configuration was loaded."""

from __future__ import annotations

import ctypes
import gc


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
