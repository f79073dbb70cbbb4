"""A register map, compiled once; per telegram its images encode a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import Evaluate
from gateway.protocol.registers.register import Block, Register
from gateway.protocol.registers.snapshot import SnapshotEncoder


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
        self.readings = SnapshotEncoder([block for block in blocks if not block.is_status], registers)
        """Encodes what the telegram says."""
        self.status = SnapshotEncoder([block for block in blocks if block.is_status], registers)
        """Encodes what the gateway knows of itself."""

    def lacking(self, values: Mapping[str, Value]) -> list[str]:
        """What the map requires and `values` do not tell."""
        return [text for text, evaluate in self.requires.items() if evaluate(values) is None]
