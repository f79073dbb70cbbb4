"""The three CRC-16 of P1 telegrams and Modbus RTU frames.

CRC-16/ARC of P1 and the checksum of Modbus RTU share the polynomial 0x8005, reflected. They differ only in the start
value: P1 starts at 0, Modbus RTU at 0xFFFF. CRC-16/X-25, which some Hungarian meters send, has the polynomial 0x1021,
reflected. Each function can continue from an earlier result.

Tables compute them. For many meters the library fastcrc is faster, where it has wheels for the processor.
`use_library` imports it, since it takes memory that one meter does not repay.
"""

from __future__ import annotations

from typing import Protocol

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

_functions: dict[str, Crc16] = {"crc16": crc16_in_python, "crc16_x25": crc16_x25_in_python}


def use_library() -> bool:
    """Compute with fastcrc from now on; return False where it is not installed."""
    try:
        from fastcrc import crc16 as library  # noqa: PLC0415 - only where there are many meters
    except ImportError:
        return False
    _functions.update(crc16=library.arc, crc16_x25=library.mcrf4xx)
    return True


def crc16(data: bytes | bytearray, crc: int = 0) -> int:
    """Return the CRC-16 of `data`, continued from `crc`; the result is not inverted."""
    return _functions["crc16"](data, crc)


def crc16_x25(data: bytes | bytearray, crc: int = X25_START) -> int:
    """Return the CRC-16/X-25 of `data`, continued from `crc`, before its last inversion."""
    return _functions["crc16_x25"](data, crc)
