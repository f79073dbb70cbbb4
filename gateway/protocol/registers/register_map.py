"""A compiled register map: what a server needs of a map file, with the encoders of its snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from gateway.protocol.p1.identifiers import identifies, pseudonym
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import Evaluate
from gateway.protocol.registers.register import TABLE, Block, Register, table_of
from gateway.protocol.registers.snapshot import SnapshotEncoder


@dataclass(eq=False, repr=False)
class RegisterMap:
    """A checked and compiled map: blocks in order of address, none overlapping, and the registers in them."""

    name: str
    title: str
    source: str
    function_codes: frozenset[int]
    blocks: tuple[Block, ...]
    registers: tuple[Register, ...]
    description: str = ""
    clients: tuple[str, ...] = ()
    unit_id: int | None = None
    """Unit id on which its clients look for it."""
    accept_writes: frozenset[int] = frozenset()
    """Addresses where a write gets a normal response and is ignored, because a client insists on writing."""
    requires: Mapping[str, Evaluate] = field(default_factory=dict)
    """Expressions that must be present in a telegram, else the map does not show it: its clients know no code for
    absent."""
    conditions: frozenset[frozenset[str]] = frozenset()
    """Groups of readings of which a meter goes on sending at least one, once it has sent one. For each `unless()`, they
    are the readings that must all be absent for its value: they show that the meter has more than one phase. Each
    reading that the map keeps is a group of its own."""
    settings: Mapping[str, int | float] = field(default_factory=dict)
    """Numbers that a unit may choose, with those that this map is compiled for; `unit_id` if the map shows it."""
    remarks: tuple[str, ...] = ()
    """Remarks for the author of the map, each with its place in the file."""
    digest: bytes = b""
    """Digest of its files: maps with the same digest and settings are the same."""
    shows_identifiers: bool = True
    """False for a map made by `without_identifiers`."""
    readings: SnapshotEncoder = field(init=False)
    """Encoder of the readings of a telegram."""
    status: SnapshotEncoder = field(init=False)
    """Encoder of the gateway's own state."""
    inside: Mapping[int, range] = field(init=False)
    """The places inside a value of several registers, with all places of that value: a read that begins or ends there
    splits it."""
    has_tables: bool = field(init=False)
    """True if the place of a read is not always its address."""

    def __post_init__(self) -> None:
        self._identifying = [_places(each) for each in self.registers if each.identifies]
        self._alone = {each.place: each.length for each in self.registers if each.is_alone}
        self.has_tables = any(block.end > TABLE for block in self.blocks)
        self.readings = SnapshotEncoder([block for block in self.blocks if not block.is_status], self.registers)
        # The state of the gateway can be read always: a client needs it most while there are no readings.
        always = [replace(each, refuses_absent=False) if each.refuses_absent else each for each in self.registers]
        self.status = SnapshotEncoder([block for block in self.blocks if block.is_status], always)
        self.inside = {place: _places(register) for register in self.registers for place in _places(register)[1:]}

    @cached_property
    def without_identifiers(self) -> RegisterMap:
        """Return the map for units whose clients may not read identifiers: they get pseudonyms, or absent."""
        return replace(self, registers=tuple(map(_without_identifiers, self.registers)), shows_identifiers=False)

    def function_code_of(self, register: Register) -> int:
        """Return the lowest function code that reads a register."""
        return register.function_code or min(self.function_codes)

    def place(self, function_code: int, address: int, count: int) -> int:
        """Return the place of a read: `address` in the first table that has all of its `count` registers.

        A value that is served alone is looked for first, then the table of the function code, then the common one.
        """
        if not self.has_tables:
            return address
        for table in (table_of(code, is_alone=True) for code in (function_code, None)):
            if self._alone.get(table * TABLE + address) == count:
                return table * TABLE + address
        own = table_of(function_code) * TABLE + address
        return own if any(block.address <= own and own + count <= block.end for block in self.blocks) else address

    def reveals(self, address: int, count: int) -> bool:
        """Return whether a read of `count` registers from the place `address` on shows identifiers."""
        return self.shows_identifiers and any(
            place.start < address + count and address < place.stop for place in self._identifying
        )

    def splits(self, address: int, count: int) -> bool:
        """Return True if a read of `count` registers from the place `address` on gets only a part of a value."""
        return address in self.inside or address + count in self.inside

    def lacking(self, values: Mapping[str, Value]) -> list[str]:
        """Return the required expressions that are absent in `values`."""
        return [text for text, evaluate in self.requires.items() if evaluate(values) is None]

    def vanished(self, values: Mapping[str, Value], before: Mapping[str, Value]) -> list[str]:
        """Return the readings that a meter no longer sends, if the map would now show zeros or codes in their place.

        Args:
            values: the readings of a telegram.
            before: the readings of an earlier telegram of the same meter.

        """
        sent, known = values.keys(), before.keys()
        return sorted(set().union(*(names & known for names in self.conditions if names.isdisjoint(sent))))


def _places(register: Register) -> range:
    return range(register.place, register.place + register.length)


def _without_identifiers(register: Register) -> Register:
    if not register.identifies:
        return register
    evaluate, names = register.evaluate, [name for name in register.uses if identifies(name)]

    def evaluate_pseudonym(values: Mapping[str, Value]) -> Value | None:
        return evaluate({**values, **{name: pseudonym(values[name]) for name in names if name in values}})

    return replace(register, evaluate=evaluate_pseudonym if register.has_pseudonym else _nothing)


def _nothing(_values: Mapping[str, Value]) -> None:
    return None
