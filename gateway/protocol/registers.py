"""Readings + register map → snapshot: the register image of one unit as immutable bytes.

A `RegisterMap` is compiled once. Per telegram `RegisterMap.encode` builds a `Snapshot`, and serving a read
is a slice of it, so that no answer ever mixes two telegrams.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from gateway.protocol.data_type import (
    GREATEST,
    DataType,
    Order,
    encode_text,
    is_exact_power_of_ten,
    number_packer,
    reorder,
)
from gateway.protocol.expression import Evaluate
from gateway.protocol.obis import Value

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
    """The word that stands where no register is."""
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
                return pack(float(number)), False
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


class Segment(NamedTuple):
    """The bytes of a block."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All registers of a unit at one moment."""

    starts: tuple[int, ...]
    segments: tuple[Segment, ...]
    present: int
    """How many registers have a value."""
    clamped: tuple[str, ...]
    """Names of the registers whose value did not fit their type."""

    def read(self, address: int, count: int) -> bytes | None:
        """`count` registers from `address` on, or None unless one block holds them all."""
        index = bisect_right(self.starts, address) - 1
        if index < 0:
            return None
        start, data = self.segments[index]
        first = 2 * (address - start)
        last = first + 2 * count
        return data[first:last] if last <= len(data) else None


class Image:
    """Encodes the registers of some blocks."""

    def __init__(self, blocks: Sequence[Block], registers: Sequence[Register]) -> None:
        self._blocks = tuple(blocks)
        self._registers = tuple(registers)
        self._starts = tuple(block.address for block in blocks)
        self._plans = [(block.address, *_plan(block, registers)) for block in blocks]

    def encode(self, values: Mapping[str, Value]) -> Snapshot:
        """A snapshot of `values`; a register whose value is missing keeps its code for absent."""
        segments: list[Segment] = []
        clamped: list[str] = []
        present = 0
        for address, template, slots in self._plans:
            data = bytearray(template)
            for start, stop, evaluate, encode, name in slots:
                value = evaluate(values)
                if value is None:
                    continue
                present += 1
                data[start:stop], was_clamped = encode(value)
                if was_clamped:
                    clamped.append(name)
            segments.append(Segment(address, bytes(data)))
        return Snapshot(self._starts, tuple(segments), present, tuple(clamped))

    def test_pattern(self) -> Snapshot:
        """A snapshot that shows at every register its own address."""
        segments = []
        for block in self._blocks:
            data = bytearray(block.fill * (block.end - block.address))
            for register in _within(block, self._registers):
                start = 2 * (register.address - block.address)
                data[start : start + 2 * register.length] = register.pattern
            segments.append(Segment(block.address, bytes(data)))
        return Snapshot(self._starts, tuple(segments), len(self._registers), ())


_Slot = tuple[int, int, Evaluate, Encode, str]


def _plan(block: Block, registers: Sequence[Register]) -> tuple[bytes, list[_Slot]]:
    """The bytes of a block in which everything is absent, and where each register goes."""
    template = bytearray(block.fill * (block.end - block.address))
    slots: list[_Slot] = []
    for register in _within(block, registers):
        start = 2 * (register.address - block.address)
        stop = start + 2 * register.length
        template[start:stop] = register.absent
        slots.append((start, stop, register.evaluate, register.encode, register.name))
    return bytes(template), slots


def _within(block: Block, registers: Sequence[Register]) -> list[Register]:
    return [register for register in registers if block.address <= register.address < block.end]


class RegisterMap:
    """A map, checked and compiled: blocks in order of address, no two overlapping, registers within them."""

    def __init__(
        self,
        name: str,
        title: str,
        source: str,
        function_codes: frozenset[int],
        blocks: Sequence[Block],
        registers: Sequence[Register],
        *,
        description: str = "",
        clients: Sequence[str] = (),
        unit_id: int | None = None,
        accept_writes: frozenset[int] = frozenset(),
        requires: Mapping[str, Evaluate] | None = None,
    ) -> None:
        self.description = description
        self.clients = tuple(clients)
        self.unit_id = unit_id
        """The unit id that its clients look for."""
        self.accept_writes = accept_writes
        """Addresses to which a write is answered and ignored, because a client insists."""
        self.requires = dict(requires or {})
        """What a telegram must tell to be shown at all, because clients take any code for absent for a number."""
        self.name = name
        self.title = title
        self.source = source
        self.function_codes = function_codes
        self.blocks = tuple(blocks)
        self.registers = tuple(registers)
        self.readings = Image([block for block in blocks if not block.is_status], registers)
        """Encodes what the telegram says."""
        self.status = Image([block for block in blocks if block.is_status], registers)
        """Encodes what the gateway knows of itself."""

    def lacking(self, values: Mapping[str, Value]) -> list[str]:
        """What the map requires and `values` do not tell."""
        return [text for text, evaluate in self.requires.items() if evaluate(values) is None]
