"""Words on the wire → what a register says: the opposite of encoding, for tables, pages and commands that read."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

from gateway.protocol.data_type import TYPES, reorder
from gateway.protocol.registers import Register

FLOAT_DIGITS = {"float32": 7, "float64": 15}
"""Decimal digits that survive the way through the type."""


def decode(register: Register, raw: bytes) -> Decimal | int | str | None:
    """What `raw`, the bytes of `register`, says in the register's own unit; None for its code for absent.

    A number is a Decimal, a bitfield an int, a text a str.
    """
    if raw == register.absent:
        return None
    if register.type_name == "string":
        return raw.rstrip(b"\0 ").decode("latin-1")
    # Reversing words or bytes twice gives them back.
    ordered = reorder(raw, register.word_order, register.byte_order)
    if register.type_name == "bitfield":
        return int.from_bytes(ordered, "big")
    number = struct.unpack(">" + TYPES[register.type_name].code, ordered)[0]
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        number = f"{number:.{FLOAT_DIGITS[register.type_name]}g}"
    return (Decimal(number) - register.offset) * register.scale
