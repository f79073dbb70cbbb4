"""Values that a household can have, to find registers whose type is too small for them.

A register is tried with the corners of the range of its readings: each reading of its expression is 0, or the most
that a household has. A type that cannot hold one of the results makes the register absent on the day when it matters,
so `check` reports it. Only the dimension of a reading decides; floating point always fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product

from gateway.protocol.p1.names import NAMES
from gateway.protocol.p1.obis import UNIT_FACTORS, Value
from gateway.protocol.registers.decoding import decode
from gateway.protocol.registers.expression import unit_of
from gateway.protocol.registers.register import Register

_CURRENT_A = Decimal(80)
"""Fuse of the largest connection with direct measurement that network operators offer, 3 x 80 A."""
_VOLTAGE_V = Decimal(253)
"""230 V and 10 % (EN 50160, 4.2.2)."""
_PHASE_POWER = _CURRENT_A * _VOLTAGE_V
_DIGITS = Decimal("999999.999")
"""Last value of a counter with six digits before the decimal point, as a meter shows it (DSMR 5.0.2 P1, 6.12)."""

LARGEST: Mapping[str, Decimal] = {
    "A": _CURRENT_A,
    "V": _VOLTAGE_V,
    # All three phases; a reading of one phase has a third.
    "W": 3 * _PHASE_POWER,
    "VA": 3 * _PHASE_POWER,
    "var": 3 * _PHASE_POWER,
    # Counters of meters run to their last digit.
    "Wh": 1000 * _DIGITS,
    "varh": 1000 * _DIGITS,
    # Five digits before the decimal point (DSMR 5.0.2 P1, 6.12: F8(2,2) and F8(3,3)).
    "m3": Decimal("99999.999"),
    # A heat meter counts GJ. Forty years of a large house, at 50 GJ a year.
    "J": Decimal(2_000) * 10**9,
    # Networks disconnect generators at 51.5 Hz (EN 50549-1, 4.4.2).
    "Hz": Decimal("51.5"),
}
"""Base unit → the largest value of a household."""

FAR_BEYOND = 10
"""Number of times the largest value from which on a value cannot be one of a small business either."""
PHASE_SUFFIXES = ("_l1", "_l2", "_l3")
SIGNED_PREFIXES = ("power_net", "current_signed")
"""Beginnings of the names of readings that can also be negative."""
MAX_CORNERS_OF = 8
"""Largest number of readings of which all corners are tried; of more, all at once and each alone."""
MAX_READINGS_TRIED = 2000
"""Largest number of readings, of all registers of a map together, of which all corners are tried."""
_FEW = 2
"""Number of readings whose corners are always tried."""


def largest_unfit(register: Register, *, tries_all: bool = True) -> Decimal | None:
    """Return the value, in base units, that a household can have and `register` cannot hold, or None.

    Without `tries_all`, only some corners of a register with many readings are tried.
    """
    if register.type_name in ("string", "bitfield", "float32", "float64"):
        return None
    for values in _corners(register.uses, MAX_CORNERS_OF if tries_all else _FEW):
        value = register.evaluate(values)
        if value is not None and not isinstance(value, str) and not register.encode(value)[1]:
            return Decimal(value)
    return None


def is_beyond(register: Register, raw: bytes) -> bool:
    """Return whether the bytes of a register are a number far beyond what a household can have."""
    base, factor = UNIT_FACTORS.get(register.unit or "", ("", Decimal(1)))
    value = decode(register, raw)
    return base in LARGEST and isinstance(value, Decimal) and abs(value) * factor > FAR_BEYOND * LARGEST[base]


def _corners(names: frozenset[str], most: int) -> Iterator[Mapping[str, Value]]:
    ends = {name: _ends(name) for name in sorted(names)}
    if not ends or not all(ends.values()):
        return
    if len(ends) <= most:
        for corner in product(*ends.values()):
            yield dict(zip(ends, corner, strict=True))
        return
    yield {name: each[-1] for name, each in ends.items()}
    for name, each in ends.items():
        yield {other: each[-1] if other == name else Decimal(0) for other in ends}


def _ends(name: str) -> tuple[Decimal, ...]:
    """Return the ends of the range of a reading; none if its range is not known."""
    unit = NAMES[name].unit if name in NAMES else unit_of(name)
    largest = LARGEST.get(unit or "")
    if largest is None:
        return ()
    if name.endswith(PHASE_SUFFIXES) and unit in ("W", "VA", "var"):
        largest /= 3
    return (-largest, Decimal(0), largest) if name.startswith(SIGNED_PREFIXES) else (Decimal(0), largest)
