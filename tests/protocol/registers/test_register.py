"""Encoders of registers: rounding, ranges, orders, and codes for absent."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.data_type import TYPES, Order
from gateway.protocol.registers.register import (
    Overflow,
    address_pattern,
    bits_encoding,
    manual_number,
    number_encoding,
    text_encoding,
)

LETTERS = {"uint16": "H", "uint32": "I", "uint64": "Q", "int16": "h", "int32": "i", "int64": "q"}


def encoded(
    value: Value,
    type_name: str = "uint16",
    per_unit: str = "1",
    offset: str = "0",
    word_order: Order = "big",
    *,
    overflow: Overflow = "absent",
) -> tuple[float, bool]:
    """What a register holds, and whether the value fits."""
    data_type = TYPES[type_name]
    absent = data_type.absent() if overflow == "absent" else None
    encode = number_encoding(data_type, Decimal(per_unit), Decimal(offset), word_order, "big", absent=absent)
    data, fits = encode(value)
    return struct.unpack(">" + {**LETTERS, "float32": "f", "float64": "d"}[type_name], data)[0], fits


def absent_number(type_name: str) -> float:
    (number,) = struct.unpack(">" + LETTERS[type_name], TYPES[type_name].absent())
    return int(number)


@pytest.mark.parametrize(
    ("value", "per_unit", "expected"),
    [
        ("230.14", "0.1", 2301),
        ("230.15", "0.1", 2302),
        ("230.25", "0.1", 2302),
        ("230.35", "0.1", 2304),
        ("0.5", "1", 0),
        ("1.5", "1", 2),
        ("2.5", "1", 2),
        # 0.145 and 1.005 are less than that in binary; as decimals they are exact.
        ("0.145", "0.01", 14),
        ("1.005", "0.01", 100),
        ("1.015", "0.01", 102),
        ("2.675", "0.01", 268),
        ("12345678", "1000", 12346),
        ("12344500", "1000", 12344),
        ("12345500", "1000", 12346),
        # Not a power of ten: kWh from joules, thirds.
        ("1800", "3600", 0),
        ("5400", "3600", 2),
        ("9000", "3600", 2),
        # Where multiplying by 1/3600 or 1/7, cut to 28 digits, would come to a little more than the half.
        ("30600", "3600", 8),
        ("59.5", "7", 8),
        ("0.75", "0.5", 2),
        ("1.25", "0.5", 2),
        ("1", "3", 0),
        ("2", "3", 1),
    ],
)
def test_a_value_is_rounded_once_half_to_even_from_its_decimals(value: str, per_unit: str, expected: int) -> None:
    assert encoded(Decimal(value), per_unit=per_unit) == (expected, True)
    assert encoded(-Decimal(value), "int16", per_unit) == (-expected, True)


def test_an_offset_counts_in_steps_and_is_added_before_rounding() -> None:
    assert encoded(Decimal("20.5"), "uint16", "0.1", "400") == (605, True)
    assert encoded(Decimal("0.05"), "int16", "0.1", "0.5") == (1, True)
    assert encoded(Decimal(7), "int32", "3600", "-10") == (-10, True)


def test_a_negative_scale_turns_the_sign() -> None:
    assert encoded(Decimal("1234.5"), "int16", "-10") == (-123, True)
    assert encoded(Decimal(-1250), "int16", "-100") == (12, True)
    assert encoded(Decimal(0), "float32", "-1") == (0.0, True)


def test_a_count_is_encoded_as_a_measured_number_is() -> None:
    assert encoded(2, per_unit="1") == encoded(Decimal(2)) == (2, True)
    assert encoded(25, per_unit="10") == (2, True)
    assert encoded(10, per_unit="4") == (2, True)


decimals = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=3)
per_units = st.sampled_from(["1", "0.1", "0.001", "1000", "-1", "3600", "0.25", "1000000", "3"])


@given(decimals, per_units, st.integers(-1000, 1000), st.sampled_from(sorted(LETTERS)))
@settings(max_examples=400)
def test_any_value_becomes_the_nearest_number_of_its_type_or_absent(
    value: Decimal, per_unit: str, offset: int, type_name: str
) -> None:
    steps = Fraction(value) / Fraction(per_unit) + offset
    nearest = round(steps)  # Python rounds fractions half to even
    data_type = TYPES[type_name]
    assert data_type.lowest is not None
    assert data_type.highest is not None
    fits = data_type.lowest <= nearest <= data_type.highest
    expected = nearest if fits else absent_number(type_name)
    assert encoded(value, type_name, per_unit, str(offset)) == (expected, fits)


BEYOND = (1, 2, Decimal("0.6"), Decimal("1e60"), 10**400)
"""How far beyond the end of a type."""


@pytest.mark.parametrize("type_name", sorted(LETTERS))
def test_a_number_that_does_not_fit_is_absent(type_name: str) -> None:
    lowest, highest = TYPES[type_name].lowest, TYPES[type_name].highest
    assert lowest is not None
    assert highest is not None
    assert encoded(highest, type_name) == (highest, True)
    assert encoded(lowest, type_name) == (lowest, True)
    for beyond in BEYOND:
        assert encoded(highest + beyond, type_name) == (absent_number(type_name), False)
        assert encoded(lowest - beyond, type_name) == (absent_number(type_name), False)


@pytest.mark.parametrize("type_name", sorted(LETTERS))
def test_a_register_with_a_limit_has_the_nearest_number_that_fits_and_never_looks_absent(type_name: str) -> None:
    lowest, highest = TYPES[type_name].lowest, TYPES[type_name].highest
    assert lowest is not None
    assert highest is not None
    for beyond in BEYOND:
        assert encoded(highest + beyond, type_name, overflow="limit") == (highest, False)
        assert encoded(lowest - beyond, type_name, overflow="limit") == (lowest, False)


def test_a_value_that_rounds_into_the_range_fits() -> None:
    assert encoded(Decimal("65534.5")) == (65534, True)
    assert encoded(Decimal("-0.5")) == (0, True)
    assert encoded(Decimal("-0.51")) == (0xFFFF, False)
    assert encoded(Decimal("65534.51")) == (0xFFFF, False)


@pytest.mark.parametrize("value", [Decimal("230.1"), Decimal("-0.001"), Decimal(0), 7, Decimal("123456789.123")])
@pytest.mark.parametrize(("type_name", "letter"), [("float32", "f"), ("float64", "d")])
def test_floating_point_is_the_nearest_there_is(value: Decimal, type_name: str, letter: str) -> None:
    assert encoded(value, type_name) == (struct.unpack(">" + letter, struct.pack(">" + letter, float(value)))[0], True)
    assert encoded(value, type_name, "1000") == encoded(Decimal(value) / 1000, type_name)


@pytest.mark.parametrize("value", [Decimal("1e39"), Decimal("1e400"), 10**400])
def test_floating_point_beyond_its_range_is_absent_or_limited_and_never_infinite(value: Decimal) -> None:
    for number in (value, -value):
        assert str(encoded(number, "float32")) == "(nan, False)"
    assert encoded(value, "float32", overflow="limit") == (3.4028234663852886e38, False)
    assert encoded(-value, "float32", overflow="limit") == (-3.4028234663852886e38, False)
    if value > Decimal("1e308"):
        assert str(encoded(value, "float64")) == "(nan, False)"
        assert encoded(value, "float64", overflow="limit") == (1.7976931348623157e308, False)
        assert encoded(-value, "float64", overflow="limit") == (-1.7976931348623157e308, False)


@pytest.mark.parametrize("type_name", ["float32", "float64"])
def test_nothing_has_no_sign(type_name: str) -> None:
    zero, negative_zero = (encoded(Decimal(text), type_name)[0] for text in ("0", "-0.000"))
    assert struct.pack(">d", zero) == struct.pack(">d", negative_zero) == bytes(8)


def test_a_text_that_is_cut_does_not_fit() -> None:
    encode = text_encoding(2)
    assert encode("ABCD") == (b"ABCD", True)
    assert encode("ABCDE") == (b"ABCD", False)
    assert encode("A") == (b"A\0\0\0", True)
    assert encode("") == (b"\0\0\0\0", True)
    assert encode(42) == (b"42\0\0", True)


@pytest.mark.parametrize(
    ("word_order", "byte_order", "expected"),
    [
        ("big", "big", "80000001"),
        ("little", "big", "00018000"),
        ("big", "little", "00800100"),
        ("little", "little", "01000080"),
    ],
)
def test_bits_stand_in_the_order_of_their_map(word_order: Order, byte_order: Order, expected: str) -> None:
    assert bits_encoding(2, word_order, byte_order)((1 << 31) + 1) == (bytes.fromhex(expected), True)


def test_a_moment_in_unix_seconds_survives_the_years() -> None:
    # 2038-01-19 03:14:08 is the first that a signed register of 32 bits cannot hold.
    assert encoded(2_147_483_648, "uint32") == (2_147_483_648, True)
    assert encoded(2_147_483_648, "int32") == (-2_147_483_648, False)
    assert encoded(2_147_483_648, "int64") == (2_147_483_648, True)


@given(st.decimals(0, 6000, places=3))
@settings(max_examples=200)
def test_tenths_agree_with_decimals_own_rounding(value: Decimal) -> None:
    expected = int(value.quantize(Decimal("0.1"), ROUND_HALF_EVEN) * 10)
    assert encoded(value, per_unit="0.1") == (expected, True)


def test_a_step_of_two_units_is_half_the_number() -> None:
    assert encoded(Decimal(10), per_unit="2") == (5, True)


@pytest.mark.parametrize(
    ("address", "function_code", "number"),
    [(0, 3, 40_001), (107, 3, 40_108), (107, 4, 30_108), (9998, 3, 49_999), (9999, 3, 410_000), (9999, 4, 310_000)],
)
def test_the_number_in_manuals_begins_with_the_table_and_counts_from_one(
    address: int, function_code: int, number: int
) -> None:
    assert manual_number(address, function_code) == number
    if function_code == 3:
        assert manual_number(address) == number, "a manual means holding registers if it says nothing else"


@pytest.mark.parametrize(
    ("type_name", "length", "word_order", "byte_order", "pattern"),
    [
        ("uint16", 1, "big", "big", "b3b0"),
        ("uint16", 1, "big", "little", "b0b3"),
        ("int16", 1, "big", "big", "7fff"),
        ("uint32", 2, "big", "big", "0000b3b0"),
        ("int32", 2, "little", "big", "b3b00000"),
        ("uint64", 4, "big", "little", "000000000000b0b3"),
        ("float32", 2, "big", "big", "4733b000"),
        ("float64", 4, "little", "big", "00000000760040e6"),
        ("bitfield", 1, "big", "big", "b3b0"),
        ("bitfield", 2, "big", "big", "0000b3b0"),
        ("bitfield", 2, "little", "little", "b0b30000"),
        ("string", 3, "big", "big", "343630303000"),
    ],
)
def test_the_test_pattern_of_a_register_is_its_address_in_its_own_type_and_order(
    type_name: str, length: int, word_order: Order, byte_order: Order, pattern: str
) -> None:
    assert address_pattern(46_000, type_name, length, word_order, byte_order).hex() == pattern


@pytest.mark.parametrize(
    ("per_unit", "offset", "steps"), [("1", "0", 7), ("1", "5", 12), ("0.1", "5", 75), ("7", "-2", -1)]
)
def test_the_offset_is_added_after_scaling(per_unit: str, offset: str, steps: int) -> None:
    encode = number_encoding(TYPES["int16"], Decimal(per_unit), Decimal(offset), "big", "big")
    assert encode(Decimal(7)) == (steps.to_bytes(2, "big", signed=True), True)
