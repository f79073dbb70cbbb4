"""What a server is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.protocol.p1.variants import SerialSettings
from gateway.transport.clients import Admission
from gateway.transport.listening import place_of


class Transport(StrEnum):
    """How requests come."""

    TCP = "tcp"
    RTU_OVER_TCP = "rtu_over_tcp"
    UDP = "udp"
    SERIAL = "serial"


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
    serial: SerialPort | None = None
    admission: Admission = field(default_factory=Admission)

    @property
    def place(self) -> str:
        """What is opened, in short."""
        return self.serial.device if self.serial else f"port {self.port}"

    def __str__(self) -> str:
        if self.serial:
            return f"{self.serial.device} {self.serial.line}"
        return place_of(self.host, self.port)
