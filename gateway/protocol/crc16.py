"""CRC-16 with the polynomial 0x8005, reflected, as P1 telegrams and Modbus RTU frames use it.

The two differ only in the start value: P1 starts at 0 (CRC-16/ARC), Modbus RTU at 0xFFFF. The checksum is computed
byte by byte from a table of 256 entries, and can be continued from an earlier result.
"""

from __future__ import annotations

_REFLECTED_POLYNOMIAL = 0xA001


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ _REFLECTED_POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _table()


def crc16(data: bytes | bytearray, crc: int = 0) -> int:
    """Return the CRC-16 of `data`, continued from `crc`; the result is not inverted."""
    table = _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
