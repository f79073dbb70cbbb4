"""Encode readings as a snapshot: all registers of a unit, as bytes that never change.

A `SnapshotEncoder` is made once for the registers of a map. For each telegram it encodes a `Snapshot`; a read is a
slice of that, so that no response ever mixes two telegrams. Most readings are the same in the next telegram, so the
encoder begins with the bytes of the last snapshot, and encodes only the registers whose readings have changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import compress
from operator import is_not
from types import MappingProxyType
from typing import NamedTuple

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.register import Block, Register

_PRESENT, _MISSING, _UNFIT = range(3)
"""States of a register in a snapshot: the telegram has no value for it, or one that does not fit."""


class Segment(NamedTuple):
    """The bytes of a block."""

    address: int
    data: bytes


class Snapshot(NamedTuple):
    """All registers of a unit at one moment."""

    starts: tuple[int, ...]
    segments: tuple[Segment, ...]
    present: int
    """Number of registers whose value is in the telegram and fits."""
    unfit: tuple[str, ...]
    """Names of the registers whose value does not fit their type."""
    values: Mapping[str, Value] = MappingProxyType({})
    """The values that it was encoded from."""
    states: bytes = b""
    """A byte for each register in the encoder's order: whether its value is in the telegram and fits."""
    refused: tuple[range, ...] = ()
    """Places of the registers that are absent, and whose clients know no code for absent."""

    def read(self, address: int, count: int) -> bytes | None:
        """Return the bytes of `count` registers from the place `address` on.

        None if they are not all in one block, or if some are refused.
        """
        if self.refused and _meet(self.refused, address, count):
            return None
        index = bisect_right(self.starts, address) - 1
        if index < 0:
            return None
        start, data = self.segments[index]
        first = 2 * (address - start)
        last = first + 2 * count
        return data[first:last] if last <= len(data) else None


def _meet(places: tuple[range, ...], address: int, count: int) -> bool:
    """Return whether a read includes one of these places."""
    return any(each.start < address + count and address < each.stop for each in places)


class _Place(NamedTuple):
    """The place of a register: its position among all, its block, and its first byte and its end in the block."""

    position: int
    block: int
    start: int
    stop: int
    register: Register


class SnapshotEncoder:
    """Encodes the registers of a list of blocks."""

    def __init__(self, blocks: Sequence[Block], registers: Sequence[Register]) -> None:
        self._blocks = tuple(blocks)
        self._registers = tuple(registers)
        self._starts = tuple(block.address for block in blocks)
        inside = [(index, register) for index, block in enumerate(blocks) for register in _within(block, registers)]
        self._places = [
            _Place(position, index, *_bytes_of(register, blocks[index]), register)
            for position, (index, register) in enumerate(inside)
        ]
        self._refusing = tuple(place.register for place in self._places if place.register.refuses_absent)
        absent = tuple(Segment(block.address, _without_values(block, registers)) for block in blocks)
        self._blank = Snapshot(self._starts, absent, 0, (), states=bytes([_MISSING]) * len(inside))
        self._shown_at: dict[str, list[int]] = {}
        """Reading → the positions in `_places` of the registers that use it."""
        for position, (_, register) in enumerate(inside):
            for name in register.uses:
                self._shown_at.setdefault(name, []).append(position)

    @cached_property
    def empty(self) -> Snapshot:
        """Return the snapshot without any value."""
        return self.encode({})

    def encode(self, values: Mapping[str, Value], before: Snapshot | None = None) -> Snapshot:
        """Return a snapshot of `values`; a register whose value is missing or does not fit has its code for absent.

        Given the snapshot `before`, if this encoder made it, only the registers whose readings have changed since
        are encoded.
        """
        if before is None or before.starts is not self._starts:
            return self._encode(values, self._blank, self._places)
        names = _changed_names(before.values, values)
        positions = {position for name in names for position in self._shown_at.get(name, ())}
        return self._encode(values, before, [self._places[position] for position in positions])

    def _encode(self, values: Mapping[str, Value], before: Snapshot, places: Iterable[_Place]) -> Snapshot:
        """Return the snapshot `before` with the values of the registers at these places."""
        images: dict[int, bytearray] = {}
        states = bytearray(before.states)
        for position, block, start, stop, register in places:
            if block not in images:
                images[block] = bytearray(before.segments[block].data)
            value = register.evaluate(values)
            if value is None:
                images[block][start:stop] = register.absent
                states[position] = _MISSING
            else:
                images[block][start:stop], fits = register.encode(value)
                states[position] = _PRESENT if fits else _UNFIT
        segments = list(before.segments)
        for block, image in images.items():
            segments[block] = Segment(self._starts[block], bytes(image))
        unfit: tuple[str, ...] = ()
        if _UNFIT in states:
            unfit = tuple(place.register.name for place in self._places if states[place.position] == _UNFIT)
        refused = self._refused(values, unfit) if self._refusing else ()
        present = states.count(_PRESENT)
        return Snapshot(self._starts, tuple(segments), present, unfit, values, bytes(states), refused)

    def _refused(self, values: Mapping[str, Value], unfit: Sequence[str]) -> tuple[range, ...]:
        """Return the places of the registers that are absent and then not served."""
        absent = (each for each in self._refusing if each.name in unfit or each.evaluate(values) is None)
        return tuple(range(each.place, each.place + each.length) for each in absent)

    def test_pattern(self) -> Snapshot:
        """Return a snapshot in which every register shows its own address."""
        segments = []
        for block in self._blocks:
            data = bytearray(block.fill)
            for register in _within(block, self._registers):
                start, stop = _bytes_of(register, block)
                data[start:stop] = register.pattern
            segments.append(Segment(block.address, bytes(data)))
        return Snapshot(self._starts, tuple(segments), len(self._registers), ())


def _bytes_of(register: Register, block: Block) -> tuple[int, int]:
    """Return the first byte of a register in its block, and the end of its bytes."""
    start = 2 * (register.place - block.address)
    return start, start + 2 * register.length


def _without_values(block: Block, registers: Sequence[Register]) -> bytes:
    """Return the bytes of a block whose registers are all absent."""
    data = bytearray(block.fill)
    for register in _within(block, registers):
        start, stop = _bytes_of(register, block)
        data[start:stop] = register.absent
    return bytes(data)


def _changed_names(before: Mapping[str, Value], values: Mapping[str, Value]) -> list[str]:
    """Return the names whose values are not the same as before."""
    if [*before] != [*values]:
        return [name for name in before.keys() | values.keys() if before.get(name) != values.get(name)]
    # Values of unchanged lines are the same objects, and comparing identity is quick.
    others = compress(values, map(is_not, values.values(), before.values()))
    return [name for name in others if before[name] != values[name]]


def _within(block: Block, registers: Sequence[Register]) -> list[Register]:
    return [register for register in registers if block.address <= register.place < block.end]
