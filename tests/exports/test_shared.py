"""What the exports share: the registers of numbers, and the numbers of the formats."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.exports.shared import factor_and_summand, input_type, numbers, plain
from tests.protocol.modbus.small_units import bits, block, number, register_map, small_map, text


def test_only_numbers_from_readings_are_exported() -> None:
    wanted, constant = number(0, "a"), number(1, "71")
    mixed = register_map([block(0, 6)], [wanted, constant, text(2, "t", 2), bits(4, "f")])
    assert numbers(mixed) == [wanted]


@pytest.mark.parametrize(("codes", "expected"), [((3,), "holding"), ((4,), "input"), ((3, 4), "holding")])
def test_holding_registers_are_read_where_the_map_has_them(codes: tuple[int, ...], expected: str) -> None:
    assert input_type(small_map(codes), number(0)) == expected


def test_a_register_of_one_function_code_is_read_with_it() -> None:
    assert input_type(small_map((3, 4)), replace(number(0), function_code=4)) == "input"


def test_a_value_that_is_served_alone_is_not_exported() -> None:
    wanted, alone = number(0, "a"), replace(number(2, "b"), is_alone=True)
    assert numbers(register_map([block(0, 3)], [wanted, alone])) == [wanted]


def test_a_summand_is_the_offset_in_units() -> None:
    shifted = replace(number(0), scale=Decimal("0.1"), offset=Decimal(5))
    assert factor_and_summand(shifted) == (Decimal("0.1"), Decimal("-0.5"))
    assert factor_and_summand(number(0)) == (1, 0)


@pytest.mark.parametrize(("value", "expected"), [("5", 5), ("5.0", 5), ("1E3", 1000), ("0.1", 0.1), ("-2.5", -2.5)])
def test_whole_numbers_are_written_without_a_point(value: str, expected: float) -> None:
    written = plain(Decimal(value))
    assert written == expected
    assert isinstance(written, type(expected))
