"""What a status page is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.transport.listening import Network, place_of


@dataclass(frozen=True, slots=True)
class StatusPageSettings:
    """Where the page is served, and to whom."""

    host: str
    """Address to listen on, empty for all."""
    port: int
    password_file: Path | None = None
    allow: tuple[Network, ...] = ()
    """Networks whose browsers are served; empty for all."""
    trust: tuple[Network, ...] = ()
    """Networks whose browsers need no password."""
    framed_by: tuple[str, ...] = ()
    """Origins whose pages may show this one in a frame; `self` for its own."""
    host_names: tuple[str, ...] = ()
    """Names under which the page may be asked for without a password, besides localhost."""

    def __str__(self) -> str:
        return place_of(self.host, self.port)
