"""The three CRC-16 of P1 telegrams and Modbus RTU frames.

CRC-16/ARC of P1 and the checksum of Modbus RTU share the polynomial 0x8005, reflected. They differ only in the start
value: P1 starts at 0, Modbus RTU at 0xFFFF. CRC-16/X-25, which some Hungarian meters send, has the polynomial 0x1021,
reflected. Each function can continue from an earlier result.

The library fastcrc computes them where it is installed, and tables do elsewhere: it has no wheels for some processors.
"""

from __future__ import annotations

from typing import Protocol

try:
    from fastcrc import crc16 as fastcrc
except ImportError:
    fastcrc = None  # type: ignore[assignment]

_REFLECTED_8005 = 0xA001
_REFLECTED_1021 = 0x8408

X25_START = 0xFFFF
"""Start value of `crc16_x25`."""
X25_INVERSION = 0xFFFF
"""Bits that are inverted in the result of `crc16_x25`, to get the checksum as it is sent."""


class Crc16(Protocol):
    """A function from bytes, and the result for the bytes before them, to a CRC-16."""

    def __call__(self, data: bytes | bytearray, crc: int = ..., /) -> int:
        """Return the CRC-16."""


def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


def _by_table(polynomial: int, start: int) -> Crc16:
    table = _table(polynomial)

    def crc16(data: bytes | bytearray, crc: int = start) -> int:
        for byte in data:
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
        return crc

    return crc16


crc16_in_python = _by_table(_REFLECTED_8005, 0)
crc16_x25_in_python = _by_table(_REFLECTED_1021, X25_START)

crc16: Crc16 = fastcrc.arc if fastcrc else crc16_in_python
"""Return the CRC-16 of bytes, continued from an earlier result or 0; the result is not inverted."""
crc16_x25: Crc16 = fastcrc.mcrf4xx if fastcrc else crc16_x25_in_python
"""Return the CRC-16/X-25 of bytes, continued from an earlier result or `X25_START`, before its last inversion."""
