"""What the exports share: the registers of numbers, and the numbers of the formats."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.exports.shared import ExportedUnit, Target, by_server, factor_and_summand, input_type, plain
from tests.protocol.modbus.small_units import bits, block, number, register_map, small_map, text

HERE = Target("192.168.1.5", 502, 1)


def test_only_numbers_from_readings_are_exported() -> None:
    wanted, constant = number(0, "a"), number(1, "71")
    mixed = register_map([block(0, 6)], [wanted, constant, text(2, "t", 2), bits(4, "f")])
    assert ExportedUnit(mixed, HERE).numbers() == [wanted]


def test_only_what_is_present_is_exported_where_that_is_known() -> None:
    first, second = number(0, "a"), number(1, "b")
    whole = register_map([block(0, 2)], [first, second])
    assert ExportedUnit(whole, HERE, {second.name}).numbers() == [second]


def test_a_name_holds_host_port_unit_and_map() -> None:
    names = {
        ExportedUnit(small_map((3,)), Target(host, port, unit)).name
        for host in ("192.168.1.5", "gateway.lan", "2001:db8::5")
        for port in (502, 503)
        for unit in (1, 2)
    }
    assert len(names) == 12
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)
    assert Target("2001:db8::5", 502, 1).address == Target("[2001:db8::5]", 502, 1).address == "[2001:db8::5]:502"


def test_units_of_one_server_are_in_one_group() -> None:
    units = [ExportedUnit(small_map((3,)), Target(host, 502, unit)) for unit in (1, 2) for host in ("a", "b")]
    assert [[each.target.unit_id for each in group] for group in by_server(units)] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(("codes", "expected"), [((3,), "holding"), ((4,), "input"), ((3, 4), "holding")])
def test_holding_registers_are_read_where_the_map_has_them(codes: tuple[int, ...], expected: str) -> None:
    assert input_type(small_map(codes), number(0)) == expected


def test_a_register_of_one_function_code_is_read_with_it() -> None:
    assert input_type(small_map((3, 4)), replace(number(0), function_code=4)) == "input"


def test_a_value_that_is_served_alone_is_not_exported() -> None:
    wanted, alone = number(0, "a"), replace(number(2, "b"), is_alone=True)
    assert ExportedUnit(register_map([block(0, 3)], [wanted, alone]), HERE).numbers() == [wanted]


def test_a_summand_is_the_offset_in_units() -> None:
    shifted = replace(number(0), scale=Decimal("0.1"), offset=Decimal(5))
    assert factor_and_summand(shifted) == (Decimal("0.1"), Decimal("-0.5"))
    assert factor_and_summand(number(0)) == (1, 0)


@pytest.mark.parametrize(("value", "expected"), [("5", 5), ("5.0", 5), ("1E3", 1000), ("0.1", 0.1), ("-2.5", -2.5)])
def test_whole_numbers_are_written_without_a_point(value: str, expected: float) -> None:
    written = plain(Decimal(value))
    assert written == expected
    assert isinstance(written, type(expected))
