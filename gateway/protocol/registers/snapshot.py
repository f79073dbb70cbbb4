"""Encode readings as a snapshot: all registers of a unit, as bytes that never change.

A `SnapshotEncoder` is made once for the registers of a map. For each telegram it encodes a `Snapshot`; a read is a
slice of that, so that no response ever mixes two telegrams. Most readings are the same in the next telegram, so the
encoder begins with the bytes of the last snapshot, and encodes only the registers whose readings have changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from operator import is_not
from typing import NamedTuple

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import Evaluate
from gateway.protocol.registers.register import Block, Encode, Register


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
    """Number of registers whose value is in the telegram and fits."""
    unfit: tuple[str, ...]
    """Names of the registers whose value does not fit their type."""
    values: Mapping[str, Value] = field(default_factory=dict, repr=False, compare=False)
    """The values that it was encoded from."""
    missing: bytes = field(default=b"", repr=False, compare=False)
    """A byte for each register in the encoder's order, which is 1 if the register has no value."""
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
    """The place of a register: its block, and its first byte in the block."""

    block: int
    start: int
    register: Register


class SnapshotEncoder:
    """Encodes the registers of a list of blocks."""

    def __init__(self, blocks: Sequence[Block], registers: Sequence[Register]) -> None:
        self._blocks = tuple(blocks)
        self._registers = tuple(registers)
        self._starts = tuple(block.address for block in blocks)
        inside = (register for block in blocks for register in _within(block, registers))
        self._refusing = tuple(register for register in inside if register.refuses_absent)
        self._plans = [(block.address, *_plan(block, registers)) for block in blocks]
        self._places = [
            _Place(index, 2 * (register.place - block.address), register)
            for index, block in enumerate(blocks)
            for register in _within(block, registers)
        ]
        self._shown_at: dict[str, list[int]] = {}
        """Reading → the positions in `_places` of the registers that use it."""
        for position, place in enumerate(self._places):
            for name in place.register.uses:
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
        if before is not None and before.starts is self._starts:
            return self._encode_changes(values, before)
        segments: list[Segment] = []
        unfit: list[str] = []
        missing = bytearray(len(self._places))
        present, position = 0, -1
        for address, template, slots in self._plans:
            data = bytearray(template)
            for start, stop, evaluate, encode, name in slots:
                position += 1
                value = evaluate(values)
                if value is None:
                    missing[position] = True
                    continue
                data[start:stop], fits = encode(value)
                if fits:
                    present += 1
                else:
                    unfit.append(name)
            segments.append(Segment(address, bytes(data)))
        refused = self._refused(values, unfit)
        return Snapshot(self._starts, tuple(segments), present, tuple(unfit), values, bytes(missing), refused)

    def _refused(self, values: Mapping[str, Value], unfit: Sequence[str]) -> tuple[range, ...]:
        """Return the places of the registers that are absent and then not served."""
        if not self._refusing:
            return ()
        absent = (each for each in self._refusing if each.name in unfit or each.evaluate(values) is None)
        return tuple(range(each.place, each.place + each.length) for each in absent)

    def _encode_changes(self, values: Mapping[str, Value], before: Snapshot) -> Snapshot:
        past = before.values
        # Readings of unchanged lines are the same objects, and comparing identity is quick.
        others = compress(values, map(is_not, values.values(), map(past.get, values)))
        changed = [name for name in others if past.get(name) != values[name]]
        if past.keys() != values.keys():
            changed += past.keys() - values.keys()
        images: dict[int, bytearray] = {}
        present, unfit, missing = before.present, set(before.unfit), bytearray(before.missing)
        for position in {position for name in changed for position in self._shown_at.get(name, ())}:
            index, start, register = self._places[position]
            if index not in images:
                images[index] = bytearray(before.segments[index].data)
            value = register.evaluate(values)
            present -= register.name not in unfit and not missing[position]
            unfit.discard(register.name)
            missing[position] = value is None
            data, fits = (register.absent, True) if value is None else register.encode(value)
            images[index][start : start + 2 * register.length] = data
            if not fits:
                unfit.add(register.name)
            elif value is not None:
                present += 1
        segments = list(before.segments)
        for index, image in images.items():
            segments[index] = Segment(self._starts[index], bytes(image))
        names = tuple(register.name for register in self._registers if register.name in unfit) if unfit else ()
        refused = self._refused(values, names)
        return Snapshot(self._starts, tuple(segments), present, names, values, bytes(missing), refused)

    def test_pattern(self) -> Snapshot:
        """Return a snapshot in which every register shows its own address."""
        segments = []
        for block in self._blocks:
            data = bytearray(block.fill)
            for register in _within(block, self._registers):
                start = 2 * (register.place - block.address)
                data[start : start + 2 * register.length] = register.pattern
            segments.append(Segment(block.address, bytes(data)))
        return Snapshot(self._starts, tuple(segments), len(self._registers), ())


_Slot = tuple[int, int, Evaluate, Encode, str]
"""First byte, end, expression, encoder and name of a register."""


def _plan(block: Block, registers: Sequence[Register]) -> tuple[bytes, list[_Slot]]:
    """Return the bytes of a block whose registers are all absent, and the slot of each register."""
    template = bytearray(block.fill)
    slots: list[_Slot] = []
    for register in _within(block, registers):
        start = 2 * (register.place - block.address)
        stop = start + 2 * register.length
        template[start:stop] = register.absent
        slots.append((start, stop, register.evaluate, register.encode, register.name))
    return bytes(template), slots


def _within(block: Block, registers: Sequence[Register]) -> list[Register]:
    return [register for register in registers if block.address <= register.place < block.end]
