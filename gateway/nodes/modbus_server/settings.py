"""The settings of one Modbus server."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.protocol.p1.variants import SerialSettings
from gateway.transport.addresses import place_of
from gateway.transport.clients import Admission


class Transport(StrEnum):
    """The way requests reach a server."""

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
    """The address or device that a server listens on, and the clients that it admits."""

    transport: Transport
    host: str = ""
    """Address to listen on, empty for all."""
    port: int = 0
    serial: SerialPort | None = None
    admission: Admission = field(default_factory=Admission)

    def __str__(self) -> str:
        if self.serial:
            return f"{self.serial.device} {self.serial.line}"
        return place_of(self.host, self.port)
