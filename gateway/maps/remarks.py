"""Find what is valid in a map and most likely not meant, and describe it in one line each.

A remark prevents nothing: a real meter may have any layout. There are remarks for a type that is too small, for a
scale that is too coarse, and for numbers of a manual that are used as addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from gateway.maps.file import PlacedEntry
from gateway.maps.household import LARGEST, MAX_READINGS_TRIED, largest_unfit
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut
from gateway.protocol.p1.obis import UNIT_FACTORS
from gateway.protocol.registers.register import Register

Pair = tuple[Register, PlacedEntry]
"""A register with its entry in the file."""

FEWEST_STEPS = 50
"""Least number of steps from 0 to the largest value of a household: a real register has 51.5 of 1 Hz, or 60 of 1 kW."""
MANUAL_RANGES = ((40_001, 49_999), (30_001, 39_999))
"""Numbers that manuals give to holding registers and to input registers, which both begin at address 0."""


def remarks_of(registers: Sequence[Pair], *, has_blocks: bool) -> list[str]:
    """Return the remarks about the registers of a map, each as a text with its place.

    Args:
        registers: the registers, in order of address.
        has_blocks: the map lists its addresses in `blocks:` too, so that they are meant.

    """
    found = [*_manual_numbers([] if has_blocks else registers), *_small_types(registers), *_coarse_scales(registers)]
    return [str(problem) for problem in found]


def _manual_numbers(registers: Sequence[Pair]) -> Iterator[Problem]:
    """Yield the first register of a map whose addresses are all numbers of a manual."""
    for first, last in MANUAL_RANGES:
        if registers and all(first <= register.address <= last for register, _ in registers):
            register, item = registers[0]
            address = register.address
            what = (
                f"{cut(register.name)}: all addresses of this map are from {first} to {last}, as the numbers in manuals"
            )
            hint = (
                f"Addresses count from 0: number {address} of a manual is address {address - first}."
                f" If clients request {address} itself, list the addresses in blocks: too"
            )
            yield item.document.problem((*item.loc, "address"), "number-of-manual", what, hint)


def _small_types(registers: Sequence[Pair]) -> Iterator[Problem]:
    """Yield the registers whose type cannot hold what a household can have."""
    tried = 0
    for register, item in registers:
        tried += len(register.uses)
        unfit = None if item.entry.overflow else largest_unfit(register, tries_all=tried <= MAX_READINGS_TRIED)
        if unfit is not None:
            number = f"{cut(f'{unfit.normalize():f}')}{_base(register)}"
            what = f"{cut(register.name)}: {register.type_name} cannot hold {number}, which a household can have"
            hint = "It is absent then: give a larger type or a scale, or overflow: absent if that is meant"
            yield item.document.problem((*item.loc, "type"), "type-too-small", what, hint)


def _coarse_scales(registers: Sequence[Pair]) -> Iterator[Problem]:
    """Yield the registers whose step is so large that a household's values are hardly different."""
    for register, item in registers:
        if not register.uses or isinstance(item.entry.scale, str) or register.unit not in UNIT_FACTORS:
            continue
        base, factor = UNIT_FACTORS[register.unit]
        largest = LARGEST.get(base)
        if largest is None or largest >= FEWEST_STEPS * abs(register.scale) * factor:
            continue
        what = (
            f"{cut(register.name)}: 1 in the register means {_number(register.scale)} {register.unit},"
            f" and a household has at most {_number(largest / factor)} {register.unit}"
        )
        smaller = 1 / register.scale if register.scale > 1 else register.scale / 100
        step = _number(smaller)
        hint = f"scale is the size of one step: write scale: {step} for steps of {step} {register.unit}"
        yield item.document.problem((*item.loc, "scale"), "scale-too-coarse", what, hint)


def _number(number: Decimal) -> str:
    return cut(f"{round(number, 6).normalize():f}")


def _base(register: Register) -> str:
    return f" {UNIT_FACTORS[register.unit][0]}" if register.unit else ""
