"""The data types of registers: encode a number or text as bytes, in any word and byte order.

A register has 16 bits, so a larger value takes several. The table shows the order of the bytes of a 32-bit value, of
which A is the most significant:

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
Pack = Callable[[float], bytes]
"""Function from a number within the range of its type to its bytes."""

MAX_STRING_REGISTERS = 125
"""Longest text that one request can read (Modbus V1.1b3, 6.3)."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A type of number; its length is fixed."""

    name: str
    registers: int
    code: str
    """Letter of the type in `struct`."""
    lowest: int | None = None
    """Least and greatest value, without the code for absent; None for floating point."""
    highest: int | None = None

    @property
    def is_integer(self) -> bool:
        """Return whether values are rounded and limited to a range."""
        return self.lowest is not None

    def absent(self) -> bytes:
        """Return the code for absent: all ones if unsigned, the most negative value if signed, else a quiet NaN."""
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
    """Return big-endian `data` in the given word and byte order; the same call undoes it."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if byte_order == "little":
        words = [word[::-1] for word in words]
    if word_order == "little":
        words.reverse()
    return b"".join(words)


def number_packer(data_type: DataType, word_order: Order, byte_order: Order) -> Pack:
    """Return a function that encodes a number within the range of the type."""
    pack = struct.Struct(">" + data_type.code).pack
    if byte_order == "big" and (word_order == "big" or data_type.registers == 1):
        return pack
    return lambda number: reorder(pack(number), word_order, byte_order)


def encode_text(text: str, registers: int) -> bytes:
    """Encode a text as ASCII, two characters per register, cut to length and filled with NUL."""
    return text.encode("ascii", "replace")[: 2 * registers].ljust(2 * registers, b"\0")


def is_exact_power_of_ten(number: Decimal) -> bool:
    """Return whether multiplying by `1 / number` is exact."""
    return number.normalize().as_tuple().digits == (1,)
