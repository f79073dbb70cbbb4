"""Decoding gives back what was encoded, within what the type keeps; the code for absent is never a value."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.registers.data_type import TYPES, Order
from gateway.protocol.registers.decoding import FLOAT_DIGITS, absent_number, decode
from gateway.protocol.registers.register import Register
from tests.protocol.modbus.small_units import bits, number, text

INTEGERS = sorted(name for name in TYPES if name not in FLOAT_DIGITS)
ORDERS: tuple[Order, Order] = ("big", "little")
orders = st.sampled_from(ORDERS)


def scaled(type_name: str, scale: str, offset: str, word_order: Order = "big", byte_order: Order = "big") -> Register:
    """A register of a number, with its scale as a map gives it."""
    register = number(0, "a", type_name, per_unit=scale, offset=offset, word_order=word_order, byte_order=byte_order)
    return replace(register, scale=Decimal(scale), offset=Decimal(offset), word_order=word_order, byte_order=byte_order)


@pytest.mark.parametrize(
    ("word_order", "byte_order", "on_the_wire"),
    [
        ("big", "big", "0A0B0C0D"),
        ("little", "big", "0C0D0A0B"),
        ("big", "little", "0B0A0D0C"),
        ("little", "little", "0D0C0B0A"),
    ],
)
def test_each_word_and_byte_order_is_read(word_order: Order, byte_order: Order, on_the_wire: str) -> None:
    register = scaled("uint32", "1", "0", word_order, byte_order)
    assert decode(register, bytes.fromhex(on_the_wire)) == 0x0A0B0C0D


def test_steps_become_the_unit_of_the_register() -> None:
    assert decode(scaled("uint16", "0.1", "0"), (2301).to_bytes(2, "big")) == Decimal("230.1")
    assert decode(scaled("uint16", "0.1", "400"), (605).to_bytes(2, "big")) == Decimal("20.5")
    assert decode(scaled("int16", "-10", "0"), (123).to_bytes(2, "big")) == -1230


@given(st.sampled_from(INTEGERS), st.sampled_from(["1", "0.1", "0.001", "10", "-1"]), orders, orders, st.data())
def test_every_whole_number_of_a_type_comes_back(
    type_name: str, scale: str, word_order: Order, byte_order: Order, data: st.DataObject
) -> None:
    lowest, highest = TYPES[type_name].lowest, TYPES[type_name].highest
    register = scaled(type_name, scale, "7", word_order, byte_order)
    steps = data.draw(st.integers(lowest, highest))
    value = (steps - 7) * Decimal(scale)
    raw, fits = register.encode(value)
    assert (decode(register, raw), fits) == (value, True)


@given(st.decimals(-(10**6), 10**6, places=2), orders, orders)
def test_a_float_comes_back_to_the_digits_that_it_keeps(value: Decimal, word_order: Order, byte_order: Order) -> None:
    double = scaled("float64", "1", "0", word_order, byte_order)
    assert decode(double, double.encode(value)[0]) == value
    single = scaled("float32", "1", "0", word_order, byte_order)
    decoded = decode(single, single.encode(value)[0])
    assert isinstance(decoded, Decimal)
    assert math.isclose(decoded, value, rel_tol=10.0 ** -(FLOAT_DIGITS["float32"] - 1))


@pytest.mark.parametrize("type_name", sorted(TYPES))
def test_the_code_for_absent_is_not_a_value(type_name: str) -> None:
    for word_order in ORDERS:
        register = scaled(type_name, "0.1", "5", word_order, "little")
        assert decode(register, register.absent) is None


@pytest.mark.parametrize("number_read", [math.nan, -math.nan, math.inf, -math.inf])
def test_a_float_that_is_not_finite_is_absent(number_read: float) -> None:
    register = number(0, "a", "float32", absent=bytes.fromhex("7F7FFFFF"))
    assert decode(register, struct.pack(">f", number_read)) is None


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [("uint16", 0xFFFF), ("int16", -0x8000), ("uint32", 0xFFFFFFFF), ("int64", -(2**63))],
)
def test_a_client_that_does_not_know_the_code_for_absent_reads_this_number(type_name: str, expected: int) -> None:
    assert absent_number(scaled(type_name, "0.1", "5")) == expected
    assert absent_number(scaled(type_name, "1", "0", "little", "little")) == expected


def test_a_text_ends_at_its_padding_and_is_absent_without_any() -> None:
    register = text(0, "a", 4)
    assert decode(register, register.encode("E0012")[0]) == "E0012"
    assert decode(register, b"E0012   ") == "E0012"
    assert decode(register, b"\xc9\0\0\0\0\0\0\0") == "\xc9"
    assert decode(register, register.absent) is None


@pytest.mark.parametrize("shown", [0, 1, 0x8001, 0xFFFF])
def test_bits_are_never_absent(shown: int) -> None:
    register = replace(bits(0, "a", byte_order="little"), byte_order="little")
    assert decode(register, register.encode(shown)[0]) == shown
