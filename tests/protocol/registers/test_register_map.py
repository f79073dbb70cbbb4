"""A map encodes readings and its own state apart, and names what a telegram lacks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from gateway.protocol.p1.identifiers import pseudonym
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.expression import compile_expression
from gateway.protocol.registers.register import TABLE
from gateway.protocol.registers.register_map import RegisterMap
from tests.protocol.modbus.small_units import block, number, register_map, text


def test_status_blocks_and_readings_are_encoded_apart() -> None:
    compiled = register_map(
        [block(0, 1, is_status=True), block(1, 2), block(5, 6, is_status=True)],
        [number(0, "a"), number(1, "a"), number(5, "a")],
    )
    readings, status = compiled.readings.encode({"a": 1}), compiled.status.encode({"a": 2})
    assert (readings.present, status.present) == (1, 2)
    assert [readings.read(a, 1) for a in (0, 1, 5)] == [None, b"\0\1", None]
    assert [status.read(a, 1) for a in (0, 1, 5)] == [b"\0\2", None, b"\0\2"]


def test_a_map_tells_what_it_requires_and_a_telegram_lacks() -> None:
    requires = {text: compile_expression(text).evaluate for text in ("a", "first(b, c)", "zero")}
    compiled = RegisterMap("m", "", "", frozenset((3,)), (), (), requires=requires)
    assert compiled.lacking({}) == ["a", "first(b, c)", "zero"]
    assert compiled.lacking({"a": 1, "c": 2, "zero": 0}) == []
    assert compiled.lacking({"b": 1, "zero": Decimal("0.0")}) == ["a"]
    assert register_map([], []).lacking({}) == []


def test_without_identifiers_a_text_is_absent_or_a_pseudonym() -> None:
    identifier = replace(text(0, "equipment_identifier", 5), identifies=True)
    registers = [identifier, replace(identifier, address=5, name="p", has_pseudonym=True), number(10, "a")]
    private = register_map([block(0, 11)], registers).without_identifiers
    snapshot = private.readings.encode({"equipment_identifier": "E0012345", "a": 7})
    assert snapshot.read(0, 5) == bytes(10)
    assert snapshot.read(5, 5) == pseudonym("E0012345").encode().ljust(10, b"\0")
    assert snapshot.read(10, 1) == b"\0\7"
    assert private.readings.encode({}).read(5, 5) == bytes(10)
    assert not private.reveals(0, 5)


def test_a_read_that_touches_an_identifier_reveals_it() -> None:
    registers = [number(0, "a"), replace(text(1, "equipment_identifier", 4), identifies=True), number(5, "a")]
    compiled = register_map([block(0, 6)], registers)
    assert [compiled.reveals(address, 1) for address in range(6)] == [False, True, True, True, True, False]
    assert compiled.reveals(0, 2)


def test_a_read_that_begins_or_ends_within_a_value_splits_it() -> None:
    compiled = register_map([block(0, 4)], [number(0, "a", "uint32"), number(2, "a", "uint32")])
    assert not compiled.splits(0, 2)
    assert not compiled.splits(0, 4)
    assert compiled.splits(0, 3)
    assert compiled.splits(1, 1)


def test_the_lowest_function_code_reads_a_register_of_no_table() -> None:
    compiled = register_map([], [], function_codes=(4, 3))
    assert compiled.function_code_of(number(0)) == 3
    assert compiled.function_code_of(replace(number(0), function_code=4)) == 4


def test_a_value_that_is_served_alone_is_found_by_a_read_of_exactly_its_registers() -> None:
    alone, tabled = (replace(number(4, "a", "uint32"), is_alone=True, function_code=code) for code in (None, 4))
    blocks = [block(each.place, each.place + 2) for each in (alone, tabled)]
    compiled = register_map([block(0, 9), *blocks], [number(0), number(8), alone, tabled])
    assert compiled.place(3, 4, 2) == alone.place == 3 * TABLE + 4
    assert compiled.place(4, 4, 2) == tabled.place == 5 * TABLE + 4
    reads = ((3, 4, 1), (4, 4, 3), (4, 5, 2), (3, 3, 2))
    assert [compiled.place(*each) for each in reads] == [4, 4, 5, 3]


def test_a_read_beyond_the_table_of_its_function_code_is_one_of_the_common_table() -> None:
    in_table = replace(number(4, "a", "uint32"), function_code=4)
    compiled = register_map([block(0, 9), block(in_table.place, in_table.place + 2)], [number(0), in_table])
    assert compiled.place(4, 4, 2) == in_table.place
    assert [compiled.place(4, address, count) for address, count in ((4, 3), (5, 2), (3, 2))] == [4, 5, 3]


def test_readings_that_made_a_meter_one_of_three_phases_are_missed_when_all_of_them_are_gone() -> None:
    compiled = replace(register_map([], []), conditions=frozenset({frozenset({"b", "c"}), frozenset({"d"})}))
    before: dict[str, Value] = {"a": 1, "b": 2, "c": 3}
    assert compiled.vanished({"a": 1}, before) == ["b", "c"]
    assert compiled.vanished({"a": 1, "c": 3}, before) == []
    assert compiled.vanished({"a": 1}, {"a": 1, "d": 4, "b": 2}) == ["b", "d"]
    assert compiled.vanished({"a": 1}, {"a": 1}) == []
