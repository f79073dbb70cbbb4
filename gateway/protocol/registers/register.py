"""A register: its address and length, the expression of its value, and the function that encodes the value.

"Register" here means one value of a map, which takes one or more 16-bit registers. The `..._encoding` functions make
the encoder of a register once, when its map is loaded, so that encoding a telegram does no look-ups. A number is
scaled as a decimal and rounded once. A number outside the range of its type is absent: the nearest number that fits
would look like a measured one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.data_type import (
    GREATEST,
    TYPES,
    DataType,
    Order,
    Pack,
    encode_text,
    is_exact_power_of_ten,
    number_packer,
    reorder,
)
from gateway.protocol.registers.expression import Evaluate

Encode = Callable[[Value], tuple[bytes, bool]]
"""Function from a value to its bytes, and whether the value fits the type of the register.

The bytes of a number that does not fit are the code for absent, or the nearest number that fits if the register says
`overflow: limit`. A text that does not fit is cut.
"""

Scale = Callable[[Value], Decimal]
"""Function from a value in base units to a number of steps."""

Overflow = Literal["absent", "limit"]
"""Content of a register whose value does not fit: the code for absent, or the nearest number that fits."""

Gaps = Literal["exception", "zero", "absent"]
"""Response to a read of addresses without register."""
GAP_FILL = {"zero": b"\0\0", "absent": b"\xff\xff"}
"""Bytes of one address without register, by `Gaps`."""


TABLE = 0x10000
"""Number of places of a table of registers: that of the addresses in a request."""


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a map, in the `length` 16-bit registers from `address` on."""

    address: int
    length: int
    name: str
    evaluate: Evaluate
    encode: Encode
    absent: bytes
    pattern: bytes
    """Bytes in a unit's test pattern: the address, in the type and order of the register."""
    uses: frozenset[str]
    """Names of the readings in its expression."""
    type_name: str
    unit: str | None = None
    description: str = ""
    value: str = ""
    """The `value` in its map."""
    scale: Decimal = Decimal(1)
    """Size of one step, in `unit`."""
    offset: Decimal = Decimal(0)
    """Number of steps that is added."""
    word_order: Order = "big"
    byte_order: Order = "big"
    identifies: bool = False
    """True if its value may identify a meter or its user."""
    has_pseudonym: bool = False
    """True if clients that may not read identifiers get a pseudonym, and not the code for absent."""
    function_code: int | None = None
    """The only function code that reads it; None for all of the map's."""
    is_alone: bool = False
    """True if only a read of exactly its registers gets it."""
    refuses_absent: bool = False
    """True if reads that include it get an exception while it is absent: its clients know no code for absent."""
    conditions: frozenset[frozenset[str]] = frozenset()
    """For each `unless()` in its expression, the names of the readings that must all be absent."""
    place: int = field(init=False)
    """Its first place: its address, counted on through the tables of its map."""

    def __post_init__(self) -> None:
        place = TABLE * table_of(self.function_code, is_alone=self.is_alone) + self.address
        object.__setattr__(self, "place", place)

    @property
    def end(self) -> int:
        """Return the first address after it."""
        return self.address + self.length

    def is_read_by(self, function_code: int) -> bool:
        """Return whether reads with this function code get it, if its map has that function code at all."""
        return self.function_code in (None, function_code)


def table_of(function_code: int | None, *, is_alone: bool = False) -> int:
    """Return the number of a table: 0 is common to all function codes.

    A map may have a table for each function code, and values that only a read of exactly their registers gets. The
    tables follow each other, with 65536 places each, so that a snapshot, a latch or a block needs a place only. In the
    common table, places are addresses.
    """
    return (3 if is_alone else 0) + (function_code - 2 if function_code else 0)


@dataclass(frozen=True, slots=True)
class Block:
    """The places from `address` to `end` - 1: one request may read any part of them, gaps included."""

    address: int
    end: int
    fill: bytes
    """Bytes of the whole block as if it had no registers; they show in its gaps."""
    is_status: bool = False
    """True if it holds the gateway's own state, which can be read without a fresh telegram."""


def number_encoding(
    data_type: DataType,
    per_unit: Decimal,
    offset: Decimal,
    word_order: Order,
    byte_order: Order,
    *,
    absent: bytes | None = None,
) -> Encode:
    """Return the encoder of numbers in base units.

    Args:
        data_type: the type of the register.
        per_unit: base units per step of the register: 1000 for a register in kWh, 0.1 for one in tenths of
            a volt.
        offset: number of steps that is added after scaling.
        word_order: word order of the register.
        byte_order: byte order of the register.
        absent: bytes for a number that does not fit; None for the nearest number that fits.

    """
    pack = number_packer(data_type, word_order, byte_order)
    scale = _scaling(per_unit, offset)
    lowest, highest = data_type.lowest, data_type.highest
    if lowest is None or highest is None:
        return _float_encoding(pack, scale, GREATEST[data_type.name], absent)
    return _whole_number_encoding(pack, scale, lowest, highest, absent)


def _float_encoding(pack: Pack, scale: Scale, greatest: Decimal, absent: bytes | None) -> Encode:
    least = greatest.copy_negate()
    too_low, too_high = (absent, absent) if absent else (pack(float(least)), pack(float(greatest)))

    def encode(value: Value) -> tuple[bytes, bool]:
        number = scale(value)
        if least <= number <= greatest:
            # Adding 0 turns -0, such as 0 W of export with its sign turned, into 0.
            return pack(float(number) + 0.0), True
        return too_low if number < least else too_high, False

    return encode


def _whole_number_encoding(pack: Pack, scale: Scale, lowest: int, highest: int, absent: bytes | None) -> Encode:
    too_low, too_high = (absent, absent) if absent else (pack(lowest), pack(highest))

    def encode(value: Value) -> tuple[bytes, bool]:
        number = round(scale(value))
        if lowest <= number <= highest:
            return pack(number), True
        return too_low if number < lowest else too_high, False

    return encode


def _scaling(per_unit: Decimal, offset: Decimal) -> Scale:
    if per_unit == 1 and not offset:
        return lambda value: value  # type: ignore[return-value]
    # Multiplying by a power of ten is exact, so that the value is rounded only once, from the decimals of the telegram.
    if is_exact_power_of_ten(per_unit):
        factor = 1 / per_unit
        return lambda value: value * factor + offset  # type: ignore[operator]
    return lambda value: value / per_unit + offset  # type: ignore[operator]


def text_encoding(registers: int) -> Encode:
    """Return the encoder of texts, which cuts them to length."""
    return lambda value: (encode_text(str(value), registers), len(str(value)) <= 2 * registers)


def bits_encoding(registers: int, word_order: Order, byte_order: Order) -> Encode:
    """Return the encoder of bits, given as a whole number."""
    return lambda value: (reorder(int(value).to_bytes(2 * registers, "big"), word_order, byte_order), True)


def address_pattern(address: int, type_name: str, length: int, word_order: Order, byte_order: Order) -> bytes:
    """Return the bytes of a register in a unit's test pattern: its address as a number of its type, or as text."""
    data_type = TYPES.get(type_name)
    if type_name == "string":
        return encode_text(str(address), length)
    if data_type is None:
        return reorder(address.to_bytes(2 * length, "big"), word_order, byte_order)
    number = address if data_type.highest is None else min(address, data_type.highest)
    return number_packer(data_type, word_order, byte_order)(number)


def manual_number(address: int, function_code: int = 3) -> int:
    """Return the number of a register in manuals, such as 40108 for address 107: the digit of the table, then from 1.

    It has five digits up to address 9998, and six above.
    """
    return (4 if function_code == 3 else 3) * (10_000 if address < 9_999 else 100_000) + address + 1
