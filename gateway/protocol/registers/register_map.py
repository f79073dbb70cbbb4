"""A compiled register map: what a server needs of a map file, with the encoders of its snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import Evaluate
from gateway.protocol.registers.register import Block, Register
from gateway.protocol.registers.snapshot import SnapshotEncoder


class RegisterMap:
    """A checked and compiled map: blocks in order of address, none overlapping, and the registers in them."""

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
        remarks: Sequence[str] = (),
    ) -> None:
        self.description = description
        self.remarks = tuple(remarks)
        """Remarks for the author of the map, each with its place in the file."""
        self.clients = tuple(clients)
        self.unit_id = unit_id
        """Unit id on which its clients look for it."""
        self.accept_writes = accept_writes
        """Addresses where a write gets a normal response and is ignored, because a client insists on writing."""
        self.requires = dict(requires or {})
        """Expressions that must be present in a telegram, else the map does not show it: its clients know no code for
        absent."""
        self.name = name
        self.title = title
        self.source = source
        self.function_codes = function_codes
        self.blocks = tuple(blocks)
        self.registers = tuple(registers)
        self.readings = SnapshotEncoder([block for block in blocks if not block.is_status], registers)
        """Encoder of the readings of a telegram."""
        self.status = SnapshotEncoder([block for block in blocks if block.is_status], registers)
        """Encoder of the gateway's own state."""
        self.inside: Mapping[int, range] = {
            address: range(register.address, register.end)
            for register in registers
            for address in range(register.address + 1, register.end)
        }
        """The addresses inside a value of several registers, with all addresses of that value: a read that begins or
        ends there splits it."""

    def splits(self, address: int, count: int) -> bool:
        """Return True if a read of `count` registers from `address` on gets only a part of a value."""
        return address in self.inside or address + count in self.inside

    def lacking(self, values: Mapping[str, Value]) -> list[str]:
        """Return the required expressions that are absent in `values`."""
        return [text for text, evaluate in self.requires.items() if evaluate(values) is None]
