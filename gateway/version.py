"""The version of the installed gateway."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """Return the version; it is looked up once, because the look-up is slow and the page needs it at each telegram."""
    return metadata.version("dsmr-modbus-gateway")
