"""Data types of registers: how a number or text becomes 16-bit words.

Word order of a value of several registers, A being its most significant byte:

| word order | byte order | on the wire |
| --- | --- | --- |
| big | big | ABCD |
| little | big | CDAB |
| big | little | BADC |
| little | little | DCBA |
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Order = Literal["big", "little"]

MAX_STRING_REGISTERS = 125
"""A longer text could not be read in one request (Modbus V1.1b3, 6.3)."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A type with a fixed length."""

    name: str
    registers: int
    code: str
    """The type's letter in `struct`."""
    lowest: int | None = None
    """Least and greatest value, the code for "absent" left out; None for floating point."""
    highest: int | None = None

    @property
    def is_integer(self) -> bool:
        """Whether values are rounded and limited to a range."""
        return self.lowest is not None

    def absent(self) -> bytes:
        """Unsigned: all ones; signed: the most negative value; floating point: a quiet NaN."""
        if not self.is_integer:
            return struct.pack(">" + self.code, math.nan)
        most_negative = -(1 << (16 * self.registers - 1))
        return struct.pack(">" + self.code, most_negative) if self.lowest else b"\xff\xff" * self.registers


def _unsigned(bits: int, code: str) -> DataType:
    return DataType(f"uint{bits}", bits // 16, code, 0, (1 << bits) - 2)


def _signed(bits: int, code: str) -> DataType:
    return DataType(f"int{bits}", bits // 16, code, 1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1)


TYPES: dict[str, DataType] = {
    data_type.name: data_type
    for data_type in (
        _unsigned(16, "H"),
        _unsigned(32, "I"),
        _unsigned(64, "Q"),
        _signed(16, "h"),
        _signed(32, "i"),
        _signed(64, "q"),
        DataType("float32", 2, "f"),
        DataType("float64", 4, "d"),
    )
}

GREATEST = {"float32": Decimal((2 - 2**-23) * 2.0**127), "float64": Decimal(sys.float_info.max)}
"""Floating-point type → its greatest finite value."""


def reorder(data: bytes, word_order: Order, byte_order: Order) -> bytes:
    """Big-endian `data` in the word and byte order of a map."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if byte_order == "little":
        words = [word[::-1] for word in words]
    if word_order == "little":
        words.reverse()
    return b"".join(words)


def number_packer(data_type: DataType, word_order: Order, byte_order: Order) -> Callable[[float], bytes]:
    """A function from a number within the type's range to its bytes on the wire."""
    pack = struct.Struct(">" + data_type.code).pack
    if byte_order == "big" and (word_order == "big" or data_type.registers == 1):
        return pack
    return lambda number: reorder(pack(number), word_order, byte_order)


def encode_text(text: str, registers: int) -> bytes:
    """ASCII, two characters a register, cut to length and filled up with NUL."""
    return text.encode("ascii", "replace")[: 2 * registers].ljust(2 * registers, b"\0")


def is_exact_power_of_ten(number: Decimal) -> bool:
    """Whether multiplying by `1 / number` is exact."""
    return number.normalize().as_tuple().digits == (1,)
