"""A client of an emulated meter: its requests, and how it converts what it reads."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.maps.serving import CODES, Server

Seen = Mapping[str, float | None]
"""Quantity, by the name of its reading → the number in base units that the client has; None for no value."""


class Field(NamedTuple):
    """A number in the response to a read."""

    address: int
    type: str
    """A type of `CODES`, with an l behind for low word first."""
    scale: float = 1


class Read(NamedTuple):
    """A request of each cycle, and the quantities in its response."""

    function: int
    address: int
    count: int
    fields: Mapping[str, Field] = {}


def as_number(_type: str, number: float) -> float | None:
    """Convert nothing: the client takes every code for a number."""
    return number


def nan_is_nothing(_type: str, number: float) -> float | None:
    """Convert NaN to no value."""
    return None if math.isnan(number) else number


def nan_is_zero(_type: str, number: float) -> float | None:
    """Convert NaN to 0."""
    return 0 if math.isnan(number) else number


def unchanged(seen: Seen) -> Seen:
    """Return what was read."""
    return seen


@dataclass(frozen=True)
class Client:
    """A client that reads one map."""

    name: str
    map: str
    source: str
    """Place in the client's source that the facts are from."""
    reads: Sequence[Read]
    acts_on: Sequence[str]
    """Quantities that decide what the client does; it only shows the others."""
    set_up: Sequence[tuple[Read, str]] = ()
    """Requests before the first cycle, with the response that the client goes on with, in hexadecimal."""
    convert: Callable[[str, float], float | None] = as_number
    """Function from the type and the raw number to what the client takes it for."""
    combine: Callable[[Seen], Seen] = unchanged
    """Function from what was read to what the client computes of it."""
    household: str = "one phase exports"
    """A household that its map is made for."""
    served: Sequence[str] | None = None
    """Names of the households that it gets values of; None where a map leaves it open."""
    power_step: float = 1
    """Step of the power that the meter shows, in W."""
    shows_zeros: bool = True
    """Whether a value that it only shows may be 0 where it is not known."""
    expected: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    """Quantity → function from the readings to what the client must have, where it is not that reading."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Largest number that the meter can show of a quantity; beyond it, the client has no value."""
    fails_as_a_whole: bool = False
    """Whether an exception at one request leaves the client without any value."""

    def look(self, server: Server) -> Seen | None:
        """Return what the client has after a cycle; None if it has nothing at all."""
        seen: dict[str, float | None] = {}
        for read in self.reads:
            answer = server.ask(struct.pack(">BHH", read.function, read.address, read.count))
            if answer[0] & 0x80:
                if self.fails_as_a_whole:
                    return None
                seen |= dict.fromkeys(read.fields)
                continue
            for quantity, place in read.fields.items():
                raw = number_in(answer[2:], place, read.address)
                number = self.convert(place.type, raw)
                # A NaN cannot be taken for a measured value; a client that makes a number of it says so in `convert`.
                seen[quantity] = None if number is None or math.isnan(number) else number * place.scale
        return self.combine(seen)


def number_in(data: bytes, place: Field, first: int) -> float:
    """Return the number of a field in the bytes of a response that begins at address `first`."""
    code = CODES[place.type.rstrip("l")]
    start = 2 * (place.address - first)
    part = data[start : start + struct.calcsize(">" + code)]
    if place.type.endswith("l"):
        part = b"".join(part[i : i + 2] for i in reversed(range(0, len(part), 2)))
    number: float = struct.unpack(">" + code, part)[0]
    return number


def phases(quantity: str, address: int, type_name: str, scale: float = 1, step: int = 2) -> dict[str, Field]:
    """Return the fields of a quantity of three phases."""
    return {f"{quantity}_l{i + 1}": Field(address + step * i, type_name, scale) for i in range(3)}


PHASE_POWERS = tuple(f"power_net_l{phase}" for phase in (1, 2, 3))
CURRENTS = tuple(f"current_l{phase}" for phase in (1, 2, 3))
SIGNED_CURRENTS = tuple(f"current_signed_l{phase}" for phase in (1, 2, 3))


def sign_of_power(seen: Seen) -> Seen:
    """Give each current the sign of its phase's power."""
    signed: dict[str, float | None] = {}
    for phase in (1, 2, 3):
        current, power = seen.get(f"current_l{phase}"), seen.get(f"power_net_l{phase}")
        signed[f"current_signed_l{phase}"] = None if current is None or power is None else math.copysign(current, power)
    return {**seen, **signed}
