"""The settings of one passthrough."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.transport.addresses import place_of
from gateway.transport.clients import Admission


class Mode(StrEnum):
    """The data that readers get."""

    TELEGRAMS = "telegrams"
    """Each accepted telegram, in one piece."""
    RAW = "raw"
    """Every byte as it comes; for a new reader from the beginning of a telegram."""


@dataclass(frozen=True, slots=True)
class PassthroughSettings:
    """The settings of a passthrough."""

    host: str
    """Address to listen on, empty for all."""
    port: int
    mode: Mode = Mode.TELEGRAMS
    is_decrypted: bool = False
    """True to send telegrams in clear text where the meter encrypts them and the gateway has the key."""
    is_telnet: bool = False
    """True for readers that expect a serial port over telnet (RFC 2217)."""
    closes_on_meter_loss: bool = False
    greets_with_newest: bool = False
    is_writable: bool = False
    admission: Admission = field(default_factory=Admission)

    @property
    def stack(self) -> str:
        """Return the layers of a connection, as ser2net writes them."""
        return "telnet(rfc2217),tcp" if self.is_telnet else "tcp"

    def __str__(self) -> str:
        return place_of(self.host, self.port)
