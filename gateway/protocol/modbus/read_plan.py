"""How a client reads the registers of a map: in as few requests as the specification and the map allow."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.protocol.modbus.tcp import MAX_READ_REGISTERS
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap


def read_plan(register_map: RegisterMap, registers: Sequence[Register]) -> list[list[Register]]:
    """`registers`, in order of address, in groups that one request reads: of one block, at most 125 words."""
    requests: list[list[Register]] = []
    for block in register_map.blocks:
        request: list[Register] = []
        for register in registers:
            if not block.address <= register.address < block.end:
                continue
            if request and register.end - request[0].address > MAX_READ_REGISTERS:
                requests.append(request)
                request = []
            request.append(register)
        if request:
            requests.append(request)
    return requests
