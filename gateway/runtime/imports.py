"""Keeps a library from importing another one that it can do without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Make importing a module fail, unless it is imported already; afterwards it can be imported as before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # a module that cannot be imported (Python reference, 5.3.1)
    try:
        yield
    finally:
        del sys.modules[name]
