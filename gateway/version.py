"""The version of the gateway that is installed."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """Looked up once: it takes longer than all else that a status page is told with each telegram."""
    return metadata.version("dsmr-modbus-gateway")
