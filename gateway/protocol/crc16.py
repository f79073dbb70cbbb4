"""The three CRC-16 of P1 telegrams and Modbus RTU frames, from two tables.

CRC-16/ARC of P1 and the checksum of Modbus RTU share the table of the polynomial 0x8005, reflected. They differ only
in the start value: P1 starts at 0, Modbus RTU at 0xFFFF. CRC-16/X-25, which some Hungarian meters send, has the table
of the polynomial 0x1021, reflected. Each function can continue from an earlier result.
"""

from __future__ import annotations

_REFLECTED_8005 = 0xA001
_REFLECTED_1021 = 0x8408

X25_START = 0xFFFF
"""Start value of `crc16_x25`."""
X25_INVERSION = 0xFFFF
"""Bits that are inverted in the result of `crc16_x25`, to get the checksum as it is sent."""


def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _table(_REFLECTED_8005)
_TABLE_X25 = _table(_REFLECTED_1021)


def crc16(data: bytes | bytearray, crc: int = 0) -> int:
    """Return the CRC-16 of `data`, continued from `crc`; the result is not inverted."""
    table = _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def crc16_x25(data: bytes | bytearray, crc: int = X25_START) -> int:
    """Return the CRC-16/X-25 of `data`, continued from `crc`, before its last inversion."""
    table = _TABLE_X25
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
