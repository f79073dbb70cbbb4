"""What a server is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from gateway.protocol.variants import SerialSettings

Network = IPv4Network | IPv6Network


class Transport(StrEnum):
    """How requests come."""

    TCP = "tcp"
    RTU_OVER_TCP = "rtu_over_tcp"
    UDP = "udp"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Modbus/TCP Security: PEM files."""

    certificate: Path
    key: Path
    client_ca: Path | None
    """Who signs the clients' certificates; without it any client may connect."""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial device and its settings."""

    device: str
    line: SerialSettings


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens, and to whom."""

    transport: Transport
    host: str = ""
    """Address to listen on, empty for all."""
    port: int = 0
    tls: TlsFiles | None = None
    serial: SerialPort | None = None
    max_clients: int = 32
    """Past it, the client that was silent longest is closed."""
    allow: tuple[Network, ...] = ()
    """Networks whose clients are served; empty for all."""
    priority: tuple[Network, ...] = ()
    """Networks whose clients are never closed to make room."""
    idle_timeout_s: float | None = None
    """A client that asks nothing for so long is closed."""

    def __str__(self) -> str:
        if self.serial:
            return f"{self.serial.device} {self.serial.line}"
        return f"{f'[{self.host}]' if ':' in self.host else self.host or '*'}:{self.port}"
