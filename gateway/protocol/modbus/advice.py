"""What a client that asks for what is not there most likely has wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.tcp import ADDRESSES, MAX_READ_REGISTERS, UnitTable
from gateway.protocol.modbus.unit import ExceptionCode, Unit
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

MANUAL_BASES = (40_001, 30_001, 400_001, 300_001)
"""What manuals add to the address of a holding or input register."""
_READS = (3, 4)


class Mistake(StrEnum):
    """What is likely wrong."""

    UNIT_ID = "unit id"
    """Nothing is wired to that unit id."""
    ONE_OFF = "one off"
    """The address is one more or one less than that of a register."""
    MANUAL_NUMBER = "manual number"
    """The number of a manual, such as 40108, was given for the address."""
    OTHER_UNIT = "other unit"
    """Another unit id has a register there."""
    MAP = "map"
    """No unit has anything there: another register map is meant."""
    FUNCTION = "function"
    """The map is not read with that function code, or nothing is ever written."""
    QUANTITY = "quantity"
    """More registers than one request can have, or none."""
    SILENT_METER = "silent meter"
    """None of the client's making: there is no fresh telegram."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A likely mistake, with what the client should ask instead."""

    mistake: Mistake
    instead: int | None = None
    """An address, unit id or function code; None where there is none to name."""
    register: str | None = None
    """The register that is meant."""


def advise(exchange: Exchange, units: UnitTable) -> Advice | None:
    """What is likely wrong with a request; None for one with which nothing is."""
    unit = units.by_id[exchange.unit_id]
    function_code = exchange.request[0]
    code = exchange.answer[1] if exchange.answer and exchange.answer[0] & 0x80 else None
    if unit is None:
        return Advice(Mistake.UNIT_ID, units.wired[0] if len(units.wired) == 1 else None)
    if exchange.answer is None or code == ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND:
        return Advice(Mistake.SILENT_METER)
    if code == ExceptionCode.ILLEGAL_FUNCTION:
        return Advice(Mistake.FUNCTION, min(unit.function_codes) if function_code in _READS else None)
    if function_code not in _READS or len(exchange.request) != 5:
        return None
    address, count = (int.from_bytes(exchange.request[at : at + 2], "big") for at in (1, 3))
    if code == ExceptionCode.ILLEGAL_DATA_VALUE or not 1 <= count <= MAX_READ_REGISTERS:
        return Advice(Mistake.QUANTITY, MAX_READ_REGISTERS)
    if code == ExceptionCode.ILLEGAL_DATA_ADDRESS:
        return _elsewhere(address, count, unit, units)
    return _inside(address, count, unit.register_map) if code is None else None


def _elsewhere(address: int, count: int, unit: Unit, units: UnitTable) -> Advice:
    """The address is none of the unit's."""
    for base in MANUAL_BASES:
        meant = _at(address - base, unit.register_map)
        if meant:
            return Advice(Mistake.MANUAL_NUMBER, meant.address, meant.name)
    for shift in (-1, 1):
        meant = _at(address + shift, unit.register_map)
        if meant and meant.length == count:
            return Advice(Mistake.ONE_OFF, meant.address, meant.name)
    for unit_id in units.wired:
        other = units.by_id[unit_id]
        meant = _at(address, other.register_map) if other and other is not unit else None
        if meant:
            return Advice(Mistake.OTHER_UNIT, unit_id, meant.name)
    return Advice(Mistake.MAP)


def _inside(address: int, count: int, register_map: RegisterMap) -> Advice | None:
    """An answer was given, but it begins within a number of several registers.

    A reader of whole blocks rightly does that; one that asks for as many registers as that number has is one off.
    """
    for register in register_map.registers:
        if register.type_name != "string" and register.address < address < register.end and count == register.length:
            return Advice(Mistake.ONE_OFF, register.address, register.name)
    return None


def _at(address: int, register_map: RegisterMap) -> Register | None:
    """The register that begins at `address`."""
    if not 0 <= address < ADDRESSES:
        return None
    return next((register for register in register_map.registers if register.address == address), None)
