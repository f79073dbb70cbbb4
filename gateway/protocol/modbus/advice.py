"""Find the likely mistake behind a request that got an exception response, or a number that means nothing.

Most users meet the same few mistakes: a manual's register number as address, an address that is one off, the wrong
unit id or the wrong map. `advise` tries these in turn, against the registers of the configured units.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.pdu import (
    ADDRESSES,
    MAX_READ_REGISTERS,
    READ_FUNCTION_CODES,
    ExceptionCode,
    ReadRequest,
    decode_read,
    exception_in,
)
from gateway.protocol.modbus.responder import UnitTable
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

MANUAL_BASES = (40_001, 30_001, 400_001, 300_001)
"""Numbers that manuals add to the address of a holding or input register."""


class Mistake(StrEnum):
    """A kind of mistake."""

    UNIT_ID = "unit id"
    """No unit is configured on that unit id."""
    ONE_OFF = "one off"
    """The address is one more or one less than the address of a register."""
    MANUAL_NUMBER = "manual number"
    """The client uses the number of a manual, such as 40108, as the address."""
    OTHER_UNIT = "other unit"
    """Another unit id has a register at that address."""
    OTHER_FUNCTION = "other function"
    """The unit has a register at that address, which another function code reads."""
    MAP = "map"
    """No unit has a register at that address: the client expects another register map."""
    FUNCTION = "function"
    """The map is not read with that function code, or the request is a write."""
    QUANTITY = "quantity"
    """The request asks for no registers, or for more than one response can hold."""
    ABSENT_VALUE = "absent value"
    """The client made no mistake: the telegram does not contain the value, and the map has no code for absent."""
    SILENT_METER = "silent meter"
    """The client made no mistake: there is no fresh telegram."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A likely mistake, with what the client should send instead."""

    mistake: Mistake
    instead: int | None = None
    """Address, unit id or function code to use; None if none is known."""
    register: str | None = None
    """Name of the register that the client probably wants."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an advice, by its code and the values in it, for a translation."""

    code: str
    values: dict[str, str | int]
    text: str
    """In English."""


TEXTS = {
    Mistake.UNIT_ID: (
        "Read unit {instead} instead of unit {unit}.",
        "Unit {unit} is not configured.",
    ),
    Mistake.ONE_OFF: (
        "Read {register} at address {instead} instead of {address}.",
        "Address {address} is off by one. Some programs count addresses from 1, the gateway counts from 0.",
    ),
    Mistake.MANUAL_NUMBER: (
        "Read {register} at address {instead} instead of {address}.",
        "{address} is a number from a manual, which counts from 40001 or 30001. Addresses count from 0.",
    ),
    Mistake.OTHER_UNIT: (
        "Read unit {instead} instead of unit {unit}.",
        "Unit {unit} has no register at address {address}. Unit {instead} has {register} there.",
    ),
    Mistake.OTHER_FUNCTION: (
        "Read {register} with function code {instead} instead of {function}.",
        "The register map has another table of registers for function code {function}.",
    ),
    Mistake.MAP: (
        "Choose the register map that this client expects.",
        "No unit has a register at address {address}.",
    ),
    Mistake.FUNCTION: (
        "Use function code {instead} instead of {function}.",
        "Function code {function} is not supported.",
    ),
    Mistake.QUANTITY: (
        "Read 1 to {instead} registers with one request.",
        "The request asks for {count} registers.",
    ),
    Mistake.ABSENT_VALUE: (
        "The request is valid.",
        "The meter does not send {register}.",
    ),
    Mistake.SILENT_METER: (
        "The request is valid.",
        "The meter is offline.",
    ),
}
"""For each mistake, the sentence about what to change, and the one with the reason."""
OPEN_TEXTS = {
    Mistake.UNIT_ID: "Read a unit that is configured.",
    Mistake.FUNCTION: "Turn this request off in the client, if that is possible.",
}
"""Sentences about the change for mistakes whose `instead` is not known."""
BLAMELESS = frozenset((Mistake.ABSENT_VALUE, Mistake.SILENT_METER))
"""The outcomes that are no mistake of the client."""


def advice_sentences(advice: Advice, exchange: Exchange) -> tuple[Sentence, Sentence]:
    """Return an advice for a request: what to change, and the reason."""
    read = decode_read(exchange.request)
    values = {
        "unit": exchange.unit_id,
        "function": exchange.request[0],
        "address": read.address if read else "—",
        "count": read.count if read else "—",
        "instead": "—" if advice.instead is None else advice.instead,
        "register": advice.register or "—",
    }
    code = f"advice-{advice.mistake.replace(' ', '-')}"
    change, reason = TEXTS[advice.mistake]
    is_open = advice.instead is None and advice.mistake in OPEN_TEXTS
    if is_open:
        change = OPEN_TEXTS[advice.mistake]
    return (
        Sentence(f"{code}-open" if is_open else code, values, change.format(**values)),
        Sentence(f"{code}-reason", values, reason.format(**values)),
    )


def advice_text(advice: Advice, exchange: Exchange) -> str:
    """Return an advice for a request in English: what to change, and the reason."""
    return " ".join(sentence.text for sentence in advice_sentences(advice, exchange))


def advise(exchange: Exchange, units: UnitTable) -> Advice | None:
    """Return the likely mistake in a request; None if there is none."""
    unit = units.by_id[exchange.unit_id]
    function_code = exchange.request[0]
    code = exception_in(exchange.response)
    if unit is None:
        return Advice(Mistake.UNIT_ID, units.wired[0] if len(units.wired) == 1 else None)
    if exchange.response is None or code == ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND:
        return Advice(Mistake.SILENT_METER)
    if code == ExceptionCode.ILLEGAL_FUNCTION:
        return Advice(Mistake.FUNCTION, min(unit.function_codes) if function_code in READ_FUNCTION_CODES else None)
    read = decode_read(exchange.request)
    if read is None:
        return None
    if code == ExceptionCode.ILLEGAL_DATA_VALUE or not 1 <= read.count <= MAX_READ_REGISTERS:
        return Advice(Mistake.QUANTITY, MAX_READ_REGISTERS)
    if code == ExceptionCode.SERVER_DEVICE_FAILURE:
        return Advice(Mistake.ABSENT_VALUE, register=_refused(read, unit))
    if code == ExceptionCode.ILLEGAL_DATA_ADDRESS:
        return _elsewhere(read, unit, units)
    return _inside(read, unit.register_map) if code is None else None


def _refused(read: ReadRequest, unit: Unit) -> str | None:
    """Return the name of the first register in a read that is not served because it is absent.

    If the telegram has come after the request and lacks none of them, it is the first one that can be refused.
    """
    place = unit.register_map.place(read.function_code, read.address, read.count)
    refusing = [
        register
        for register in unit.register_map.registers
        if register.refuses_absent and register.place < place + read.count and place < register.place + register.length
    ]
    absent = {each.start for each in unit.snapshot.refused} if unit.snapshot else set()
    chosen = next((each for each in refusing if each.place in absent), next(iter(refusing), None))
    return chosen.name if chosen else None


def _elsewhere(read: ReadRequest, unit: Unit, units: UnitTable) -> Advice:
    """Return the likely mistake in a read at an address where the unit has no register."""
    address = read.address
    meant = _at(address, unit.register_map)
    if meant and not meant.is_read_by(read.function_code):
        return Advice(Mistake.OTHER_FUNCTION, meant.function_code, meant.name)
    for base in MANUAL_BASES:
        meant = _at(address - base, unit.register_map)
        if meant:
            return Advice(Mistake.MANUAL_NUMBER, meant.address, meant.name)
    for shift in (-1, 1):
        meant = _at(address + shift, unit.register_map)
        if meant and meant.length == read.count:
            return Advice(Mistake.ONE_OFF, meant.address, meant.name)
    for unit_id in units.wired:
        other = units.by_id[unit_id]
        meant = _at(address, other.register_map) if other and other is not unit else None
        if meant:
            return Advice(Mistake.OTHER_UNIT, unit_id, meant.name)
    return Advice(Mistake.MAP)


def _inside(read: ReadRequest, register_map: RegisterMap) -> Advice | None:
    """Return the mistake in a read that begins inside a number of several registers, if it is one.

    A client that reads whole blocks may begin there. One that reads exactly as many registers as the number has
    is one off.
    """
    value = register_map.inside.get(register_map.place(read.function_code, read.address, read.count))
    if value is None or read.count != len(value):
        return None
    register = next(each for each in register_map.registers if each.place == value.start)
    return None if register.type_name == "string" else Advice(Mistake.ONE_OFF, register.address, register.name)


def _at(address: int, register_map: RegisterMap) -> Register | None:
    """Return the register that begins at `address`."""
    if not 0 <= address < ADDRESSES:
        return None
    return next((register for register in register_map.registers if register.address == address), None)
