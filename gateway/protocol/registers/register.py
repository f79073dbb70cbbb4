"""Registers: what stands at an address, and how a value becomes its bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.data_type import (
    GREATEST,
    DataType,
    Order,
    encode_text,
    is_exact_power_of_ten,
    number_packer,
    reorder,
)
from gateway.protocol.registers.expression import Evaluate

Encode = Callable[[Value], tuple[bytes, bool]]
"""Value → its bytes, and whether it had to be limited to the range of its type."""

Gaps = Literal["exception", "zero", "absent"]
GAP_WORD = {"zero": b"\0\0", "absent": b"\xff\xff"}


@dataclass(frozen=True, slots=True)
class Register:
    """One value in a map; `length` registers from `address` on."""

    address: int
    length: int
    name: str
    evaluate: Evaluate
    encode: Encode
    absent: bytes
    pattern: bytes
    """What a unit's test pattern shows here: the address, in the register's own type and order."""
    uses: frozenset[str]
    """Names of the readings it is made of."""
    type_name: str
    unit: str | None = None
    description: str = ""
    value: str = ""
    """What its map says that it shows."""
    scale: Decimal = Decimal(1)
    """What one step is worth, in `unit`."""
    offset: Decimal = Decimal(0)
    """Added to the steps."""
    word_order: Order = "big"
    byte_order: Order = "big"

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.length


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses `address` to `end` - 1 that can be read in one piece, whatever registers they hold."""

    address: int
    end: int
    fill: bytes
    """What stands where no register is, as long as the block."""
    is_status: bool = False
    """Whether it tells of the gateway itself, and so can be read when there is no fresh telegram."""


def number_encoding(
    data_type: DataType, per_unit: Decimal, offset: Decimal, word_order: Order, byte_order: Order
) -> Encode:
    """Encodes a number in base units.

    Args:
        data_type: the type of the register.
        per_unit: how many base units one step of the register is: 1000 for a register in kWh, 0.1 for
            one in tenths of a volt.
        offset: added after that, in steps.
        word_order: of the register.
        byte_order: of the register.

    """
    pack = number_packer(data_type, word_order, byte_order)
    scale = _scaling(per_unit, offset)
    lowest, highest = data_type.lowest, data_type.highest
    if lowest is None or highest is None:
        greatest = GREATEST[data_type.name]
        least = greatest.copy_negate()

        def encode_float(value: Value) -> tuple[bytes, bool]:
            number = scale(value)
            if least <= number <= greatest:
                # Nothing plus nothing has no sign: -0, as of 0 times an export, would show one that is not there.
                return pack(float(number) + 0.0), False
            return pack(float(least if number < least else greatest)), True

        return encode_float

    def encode(value: Value) -> tuple[bytes, bool]:
        number = round(scale(value))
        if lowest <= number <= highest:
            return pack(number), False
        return pack(lowest if number < lowest else highest), True

    return encode


def _scaling(per_unit: Decimal, offset: Decimal) -> Callable[[Value], Decimal]:
    if per_unit == 1 and not offset:
        return lambda value: value  # type: ignore[return-value]
    # A power of ten multiplies without loss, so that a value is rounded once, from the telegram's decimals.
    if is_exact_power_of_ten(per_unit):
        factor = 1 / per_unit
        return lambda value: value * factor + offset  # type: ignore[operator]
    return lambda value: value / per_unit + offset  # type: ignore[operator]


def text_encoding(registers: int) -> Encode:
    """Encodes a text, cut to length."""
    return lambda value: (encode_text(str(value), registers), len(str(value)) > 2 * registers)


def bits_encoding(registers: int, word_order: Order, byte_order: Order) -> Encode:
    """Encodes a whole number as the bits it is made of."""
    return lambda value: (reorder(int(value).to_bytes(2 * registers, "big"), word_order, byte_order), False)


def manual_number(address: int, function_code: int = 3) -> int:
    """The number in manuals that count from 1 behind the table's digit, of five digits as far as those go."""
    return (4 if function_code == 3 else 3) * (10_000 if address < 9_999 else 100_000) + address + 1
