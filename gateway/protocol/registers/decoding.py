"""Words on the wire → what a register says: the opposite of encoding, for tables, pages and commands that read."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

from gateway.protocol.registers.data_type import TYPES, reorder
from gateway.protocol.registers.register import Register

FLOAT_DIGITS = {"float32": 7, "float64": 15}
"""Decimal digits that survive the way through the type."""


def absent_number(register: Register) -> int:
    """What a client that knows nothing of absent values takes the code for it to be, where that is a whole number."""
    return int(_number(register, register.absent))


def decode(register: Register, raw: bytes) -> Decimal | int | str | None:
    """What `raw`, the bytes of `register`, says in the register's own unit; None for its code for absent.

    A number is a Decimal, a bitfield an int, a text a str.
    """
    if register.type_name == "bitfield":
        # Zeros are bits that are off: what a bitfield says is always told.
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
