"""Checksums of telegrams: those that the gateway verifies, and those that it only recognises.

The specification demands the CRC-16/ARC of all bytes from `/` to `!` (DSMR 5.0.2 P1, 6.2). Some Hungarian meters send
another one, the CRC-16/X-25 of the same bytes. A checksum in `VERIFIED` is accepted. A checksum in `RECOGNISED` only
gives the refusal a better reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.protocol.crc16 import X25_INVERSION, X25_START, crc16, crc16_x25


class Checksum(NamedTuple):
    """A checksum that a meter may send."""

    name: str
    update: Callable[[bytes | bytearray, int], int]
    """Function from bytes and an earlier result to the result."""
    start: int
    """Result before the first byte."""
    inversion: int
    """Bits of the result that are inverted before the meter sends it."""

    def of(self, data: bytes) -> int:
        """Return the checksum of `data`."""
        return self.update(data, self.start) ^ self.inversion


ARC = Checksum("CRC-16/ARC", crc16, 0x0000, 0x0000)
"""The checksum of the specification."""
VERIFIED = (
    ARC,
    Checksum("CRC-16/X-25", crc16_x25, X25_START, X25_INVERSION),
)
"""Checksums that a telegram may have."""
RECOGNISED = (
    Checksum("CRC-16/KERMIT", crc16_x25, 0x0000, 0x0000),
    Checksum("CRC-16/MODBUS", crc16, 0xFFFF, 0x0000),
    Checksum("CRC-16/USB", crc16, 0xFFFF, 0xFFFF),
)
"""Checksums that a diagnosis names; telegrams with one of them are refused."""
