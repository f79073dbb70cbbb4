"""Decode the bytes of a register: the opposite of its `encode`, for tables, the status page and `dsmr-gateway read`.

`decode(register, raw)` gives the value in the unit of the register, or None if the bytes are the code for absent.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal

from gateway.protocol.registers.data_type import TYPES, reorder
from gateway.protocol.registers.register import Register

FLOAT_DIGITS = {"float32": 7, "float64": 15}
"""Decimal digits that the type keeps."""


def absent_number(register: Register) -> int:
    """Return the code for absent as a number, as a client reads it that does not know the code; for integer types."""
    return int(_number(register, register.absent))


def decode(register: Register, raw: bytes) -> Decimal | int | str | None:
    """Return the value of `raw`, the bytes of `register`, in the unit of the register; None if it is absent.

    A number is a Decimal, a bitfield an int, a text a str. A floating-point number that is not finite is absent.
    """
    if register.type_name == "bitfield":
        # A bitfield has no code for absent: all zeros are bits that are off.
        return int.from_bytes(_in_order(register, raw), "big")
    if raw == register.absent:
        return None
    if register.type_name == "string":
        return raw.rstrip(b"\0 ").decode("latin-1")
    number: float | str = _number(register, raw)
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        number = f"{number:.{FLOAT_DIGITS[register.type_name]}g}"
    return (Decimal(number) - register.offset) * register.scale


def _number(register: Register, raw: bytes) -> float:
    number: float = struct.unpack(">" + TYPES[register.type_name].code, _in_order(register, raw))[0]
    return number


def _in_order(register: Register, raw: bytes) -> bytes:
    # Reversing words or bytes twice gives them back.
    return reorder(raw, register.word_order, register.byte_order)
