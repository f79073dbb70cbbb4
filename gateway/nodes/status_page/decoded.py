"""The values in a response, decoded by the register map of the unit that sent it."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple
from weakref import WeakKeyDictionary

from gateway.nodes.status_page.client_views import ValueView
from gateway.protocol.modbus.pdu import MAX_READ_REGISTERS, ReadRequest
from gateway.protocol.p1.names import GATEWAY_PREFIX
from gateway.protocol.registers.decoding import decode
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

VALUES_SHOWN = 3
"""Number of values of a response that are shown."""
MASK = "•" * 6
"""Text in place of an identifier."""

_by_place: WeakKeyDictionary[RegisterMap, tuple[list[int], list[Register]]] = WeakKeyDictionary()
"""The registers of a map in the order of their places, with the places."""


class Decoded(NamedTuple):
    """The first values of a response, and how many others it has."""

    values: list[ValueView]
    more: int


def registers_in(register_map: RegisterMap, read: ReadRequest) -> list[Register]:
    """Return the registers that a read gets whole, in their order."""
    if not 1 <= read.count <= MAX_READ_REGISTERS:
        return []
    if register_map not in _by_place:
        ordered = sorted(register_map.registers, key=attrgetter("place"))
        _by_place[register_map] = [each.place for each in ordered], ordered
    places, ordered = _by_place[register_map]
    begin = register_map.place(read.function_code, read.address, read.count)
    end = begin + read.count
    found = ordered[bisect_left(places, begin) : bisect_left(places, end)]
    return [each for each in found if each.place + each.length <= end]


def values_in(register_map: RegisterMap, read: ReadRequest, data: bytes) -> Decoded:
    """Return the first values in the bytes that a read got; identifiers are masked."""
    registers = registers_in(register_map, read)
    begin = register_map.place(read.function_code, read.address, read.count)
    # The gateway's own values, such as the version of the layout, come after what the client is interested in.
    own_last = sorted(registers, key=lambda each: not each.uses or any(n.startswith(GATEWAY_PREFIX) for n in each.uses))
    shown = []
    for register in own_last[:VALUES_SHOWN]:
        start = 2 * (register.place - begin)
        shown.append(value_view(register, data[start : start + 2 * register.length], register_map.shows_identifiers))
    return Decoded(shown, len(registers) - len(shown))


def value_view(register: Register, raw: bytes, shows_identifiers: bool) -> ValueView:
    """Return the value of a register; it is masked if it identifies a meter and the map shows that."""
    value = decode(register, raw)
    if value is None:
        return ValueView(register.name, None, register.unit)
    if register.identifies and shows_identifiers:
        return ValueView(register.name, MASK, None)
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return ValueView(register.name, text, register.unit, set_bits(register, value), unix_time_of(register, value))


def set_bits(register: Register, value: Decimal | int | str) -> list[str]:
    """Return the names of the bits that are set in the value of a register of bits; empty for another register."""
    if register.type_name != "bitfield":
        return []
    named = (part.partition(": ") for part in register.value.split(", "))
    return [name for number, _, name in named if number.isdecimal() and int(value) >> int(number) & 1]


def unix_time_of(register: Register, value: Decimal | int | str) -> int | None:
    """Return the value of a register that holds a time; None for another register."""
    is_time = register.value in register.uses and (register.value == "clock" or register.value.endswith("_time"))
    return int(value) if is_time and register.type_name != "string" else None
