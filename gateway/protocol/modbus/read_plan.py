"""Group the registers of a map into requests: as few as the specification and the blocks of the map allow."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.protocol.modbus.pdu import MAX_READ_REGISTERS
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap


def read_plan(register_map: RegisterMap, registers: Sequence[Register]) -> list[list[Register]]:
    """Return `registers`, given in order of address, in groups: each of one block and short enough for one request."""
    requests: list[list[Register]] = []
    for block in register_map.blocks:
        request: list[Register] = []
        for register in registers:
            if not block.address <= register.place < block.end:
                continue
            if request and register.end - request[0].address > MAX_READ_REGISTERS:
                requests.append(request)
                request = []
            request.append(register)
        if request:
            requests.append(request)
    return requests
