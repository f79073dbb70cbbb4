"""A map encodes readings and its own state apart, and names what a telegram lacks."""

from __future__ import annotations

from decimal import Decimal

from gateway.protocol.registers.expression import compile_expression
from gateway.protocol.registers.register_map import RegisterMap
from tests.protocol.modbus.small_units import block, number, register_map


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
