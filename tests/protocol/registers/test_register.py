"""Readings → snapshot: rounding, limits, absent codes, gaps, and slices that begin and end anywhere."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.data_type import TYPES, Order
from gateway.protocol.registers.expression import compile_expression
from gateway.protocol.registers.register import bits_encoding, number_encoding, text_encoding
from gateway.protocol.registers.register_map import RegisterMap
from gateway.protocol.registers.snapshot import Snapshot, SnapshotEncoder
from tests.protocol.modbus.small_units import bits, block, number, register_map, text

LETTERS = {"uint16": "H", "uint32": "I", "uint64": "Q", "int16": "h", "int32": "i", "int64": "q"}


def encoded(
    value: Value, type_name: str = "uint16", per_unit: str = "1", offset: str = "0", word_order: Order = "big"
) -> tuple[float, bool]:
    """What a register holds, and whether it was limited."""
    encode = number_encoding(TYPES[type_name], Decimal(per_unit), Decimal(offset), word_order, "big")
    data, was_clamped = encode(value)
    return struct.unpack(">" + {**LETTERS, "float32": "f", "float64": "d"}[type_name], data)[0], was_clamped


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
    assert encoded(Decimal(value), per_unit=per_unit) == (expected, False)
    assert encoded(-Decimal(value), "int16", per_unit) == (-expected, False)


def test_an_offset_counts_in_steps_and_is_added_before_rounding() -> None:
    assert encoded(Decimal("20.5"), "uint16", "0.1", "400") == (605, False)
    assert encoded(Decimal("0.05"), "int16", "0.1", "0.5") == (1, False)
    assert encoded(Decimal(7), "int32", "3600", "-10") == (-10, False)


def test_a_negative_scale_turns_the_sign() -> None:
    assert encoded(Decimal("1234.5"), "int16", "-10") == (-123, False)
    assert encoded(Decimal(-1250), "int16", "-100") == (12, False)
    assert encoded(Decimal(0), "float32", "-1") == (0.0, False)


def test_a_count_is_encoded_as_a_measured_number_is() -> None:
    assert encoded(2, per_unit="1") == encoded(Decimal(2)) == (2, False)
    assert encoded(25, per_unit="10") == (2, False)
    assert encoded(10, per_unit="4") == (2, False)


decimals = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=3)
per_units = st.sampled_from(["1", "0.1", "0.001", "1000", "-1", "3600", "0.25", "1000000", "3"])


@given(decimals, per_units, st.integers(-1000, 1000), st.sampled_from(sorted(LETTERS)))
@settings(derandomize=True, max_examples=400, deadline=None)
def test_any_value_becomes_the_nearest_number_of_its_type(
    value: Decimal, per_unit: str, offset: int, type_name: str
) -> None:
    steps = Fraction(value) / Fraction(per_unit) + offset
    nearest = round(steps)  # Python rounds fractions half to even
    data_type = TYPES[type_name]
    assert data_type.lowest is not None
    assert data_type.highest is not None
    limited = min(max(nearest, data_type.lowest), data_type.highest)
    assert encoded(value, type_name, per_unit, str(offset)) == (limited, limited != nearest)


@pytest.mark.parametrize("type_name", sorted(LETTERS))
def test_what_does_not_fit_is_limited_and_said_and_never_looks_absent(type_name: str) -> None:
    lowest, highest = TYPES[type_name].lowest, TYPES[type_name].highest
    assert lowest is not None
    assert highest is not None
    assert encoded(highest, type_name) == (highest, False)
    assert encoded(lowest, type_name) == (lowest, False)
    for above in (highest + 1, highest + 2, Decimal(highest) + Decimal("0.6"), Decimal("1e60"), 10**400):
        assert encoded(above, type_name) == (highest, True)
    for below in (lowest - 1, lowest - 2, Decimal(lowest) - Decimal("0.6"), Decimal("-1e60"), -(10**400)):
        assert encoded(below, type_name) == (lowest, True)


def test_a_value_that_rounds_into_the_range_fits() -> None:
    assert encoded(Decimal("65534.5")) == (65534, False)
    assert encoded(Decimal("-0.5")) == (0, False)
    assert encoded(Decimal("-0.51")) == (0, True)
    assert encoded(Decimal("65534.51")) == (65534, True)


@pytest.mark.parametrize("value", [Decimal("230.1"), Decimal("-0.001"), Decimal(0), 7, Decimal("123456789.123")])
@pytest.mark.parametrize(("type_name", "letter"), [("float32", "f"), ("float64", "d")])
def test_floating_point_is_the_nearest_there_is(value: Decimal, type_name: str, letter: str) -> None:
    assert encoded(value, type_name) == (struct.unpack(">" + letter, struct.pack(">" + letter, float(value)))[0], False)
    assert encoded(value, type_name, "1000") == encoded(Decimal(value) / 1000, type_name)


@pytest.mark.parametrize("value", [Decimal("1e39"), Decimal("1e400"), 10**400])
def test_floating_point_is_limited_to_the_greatest_number_and_never_infinite(value: Decimal) -> None:
    assert encoded(value, "float32") == (3.4028234663852886e38, True)
    assert encoded(-value, "float32") == (-3.4028234663852886e38, True)
    if value > Decimal("1e308"):
        assert encoded(value, "float64") == (1.7976931348623157e308, True)
        assert encoded(-value, "float64") == (-1.7976931348623157e308, True)


@pytest.mark.parametrize("type_name", ["float32", "float64"])
def test_nothing_has_no_sign(type_name: str) -> None:
    zero, negative_zero = (encoded(Decimal(text), type_name)[0] for text in ("0", "-0.000"))
    assert struct.pack(">d", zero) == struct.pack(">d", negative_zero) == bytes(8)


def test_a_text_that_is_cut_counts_as_limited() -> None:
    encode = text_encoding(2)
    assert encode("ABCD") == (b"ABCD", False)
    assert encode("ABCDE") == (b"ABCD", True)
    assert encode("A") == (b"A\0\0\0", False)
    assert encode("") == (b"\0\0\0\0", False)
    assert encode(42) == (b"42\0\0", False)


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
    assert bits_encoding(2, word_order, byte_order)((1 << 31) + 1) == (bytes.fromhex(expected), False)


def test_a_moment_in_unix_seconds_survives_the_years() -> None:
    # 2038-01-19 03:14:08 is the first that a signed register of 32 bits cannot hold.
    assert encoded(2_147_483_648, "uint32") == (2_147_483_648, False)
    assert encoded(2_147_483_648, "int32") == (2_147_483_647, True)
    assert encoded(2_147_483_648, "int64") == (2_147_483_648, False)


# One register of each kind, with a hole at 5 and one at 14.
KINDS = [
    number(0, "a", "uint16"),
    number(1, "b", "int32"),
    number(3, "c", "uint32", word_order="little"),
    number(6, "d", "float32"),
    number(8, "e", "uint64"),
    text(12, "t", 2),
    bits(15, "f"),
]
VALUES: dict[str, Value] = {
    "a": 0x0102,
    "b": -2,
    "c": 0x03040506,
    "d": Decimal("1.5"),
    "e": 0x0708090A0B0C0D0E,
    "t": "AB",
    "f": 0x8001,
}
FILLED = "0102 fffffffe 05060304 {} 3fc00000 0708090a0b0c0d0e 41420000 {} 8001"
EMPTY = "ffff 80000000 ffffffff {} 7fc00000 ffffffffffffffff 00000000 {} 0000"
GAPS = {"zero": "0000", "absent": "ffff"}


def kinds(gaps: str) -> RegisterMap:
    return register_map([block(0, 16, gaps)], KINDS)


@pytest.mark.parametrize("gaps", GAPS)
def test_a_span_is_read_with_its_gaps_filled(gaps: str) -> None:
    snapshot = kinds(gaps).readings.encode(VALUES)
    assert snapshot.read(0, 16) == bytes.fromhex(FILLED.format(GAPS[gaps], GAPS[gaps]))
    assert snapshot.read(5, 1) == snapshot.read(14, 1) == bytes.fromhex(GAPS[gaps])
    assert snapshot.present == len(KINDS)
    assert snapshot.clamped == ()


@pytest.mark.parametrize("gaps", GAPS)
def test_a_register_without_value_holds_the_code_of_its_type(gaps: str) -> None:
    snapshot = kinds(gaps).readings.encode({})
    assert snapshot.read(0, 16) == bytes.fromhex(EMPTY.format(GAPS[gaps], GAPS[gaps]))
    assert snapshot.present == 0


@pytest.mark.parametrize("missing", sorted(VALUES))
def test_one_absent_value_leaves_the_others_where_they_are(missing: str) -> None:
    full, empty = kinds("zero").readings.encode(VALUES), kinds("zero").readings.encode({})
    values = {name: value for name, value in VALUES.items() if name != missing}
    snapshot = kinds("zero").readings.encode(values)
    assert snapshot.present == len(KINDS) - 1
    for register in KINDS:
        expected = empty if missing in register.uses else full
        assert snapshot.read(register.address, register.length) == expected.read(register.address, register.length)


def test_a_code_for_absent_of_its_own_stands_in_the_order_of_its_register() -> None:
    registers = [
        number(0, "a", "int32", absent=bytes.fromhex("7fffffff")),
        number(2, "a", "int32", absent=bytes.fromhex("7fffffff"), word_order="little"),
        number(4, "a", "float32", absent=struct.pack(">f", 0)),
    ]
    snapshot = register_map([block(0, 6)], registers).readings.encode({})
    assert snapshot.read(0, 6) == bytes.fromhex("7fffffff ffff7fff 00000000")


def test_every_part_of_a_block_can_be_read_and_nothing_beyond_it() -> None:
    snapshot = kinds("absent").readings.encode(VALUES)
    whole = snapshot.read(0, 16)
    assert whole is not None
    for address in range(18):
        for count in range(1, 18):
            expected = whole[2 * address : 2 * (address + count)] if address + count <= 16 else None
            assert snapshot.read(address, count) == expected


def test_a_read_may_begin_and_end_inside_a_value() -> None:
    snapshot = kinds("zero").readings.encode(VALUES)
    assert snapshot.read(2, 1) == bytes.fromhex("fffe")
    assert snapshot.read(2, 2) == bytes.fromhex("fffe0506")
    assert snapshot.read(9, 2) == bytes.fromhex("090a0b0c")


def apart() -> Snapshot:
    compiled = register_map(
        [block(10, 12), block(12, 14), block(100, 101), block(65535, 65536)],
        [number(a, str(a % 256)) for a in (10, 11, 12, 13, 100, 65535)],
    )
    return compiled.readings.encode({})


@pytest.mark.parametrize(
    ("address", "count", "expected"),
    [
        (10, 2, "000a000b"),
        (12, 2, "000c000d"),
        (100, 1, "0064"),
        (65535, 1, "00ff"),
        (0, 1, None),
        (9, 1, None),
        (9, 2, None),
        (14, 1, None),
        (99, 2, None),
        (100, 2, None),
        (101, 1, None),
        (65534, 1, None),
        (65535, 2, None),
    ],
)
def test_outside_of_the_blocks_nothing_is_read(address: int, count: int, expected: str | None) -> None:
    assert apart().read(address, count) == (None if expected is None else bytes.fromhex(expected))


def test_two_blocks_side_by_side_are_not_read_as_one() -> None:
    assert apart().read(10, 3) is None
    assert apart().read(11, 2) is None


def test_what_was_limited_is_counted_by_name() -> None:
    registers = [number(0, "a", name="low"), number(1, "b", name="fits"), number(2, "c", name="high")]
    registers.append(text(3, "t", 1, name="cut"))
    image = register_map([block(0, 4)], registers).readings
    snapshot = image.encode({"a": -1, "b": 1, "c": 70_000, "t": "ABC"})
    assert snapshot.clamped == ("low", "high", "cut")
    assert snapshot.present == 4
    assert snapshot.read(0, 4) == bytes.fromhex("0000 0001 fffe 4142")
    assert image.encode({"a": 1, "b": 1, "c": 1}).clamped == ()


def test_a_snapshot_is_not_changed_by_the_next_telegram() -> None:
    image = kinds("zero").readings
    first = image.encode(VALUES)
    before = first.read(0, 16)
    second = image.encode({name: 9 for name in VALUES if name not in ("t", "d")})
    assert first.read(0, 16) == before != second.read(0, 16)
    # What is absent in the second is not left over from the first.
    assert second.read(6, 2) == bytes.fromhex("7fc00000")
    assert second.read(12, 2) == b"\0\0\0\0"


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
    compiled = RegisterMap("m", "", "", frozenset((3,)), [], [], requires=requires)
    assert compiled.lacking({}) == ["a", "first(b, c)", "zero"]
    assert compiled.lacking({"a": 1, "c": 2, "zero": 0}) == []
    assert compiled.lacking({"b": 1, "zero": Decimal("0.0")}) == ["a"]
    assert register_map([], []).lacking({}) == []


def test_an_image_without_blocks_holds_nothing() -> None:
    snapshot = SnapshotEncoder([], []).encode({"a": 1})
    assert snapshot.read(0, 1) is None
    assert snapshot.present == 0


def test_the_test_pattern_shows_every_register_its_address() -> None:
    registers = [
        number(1, "a", "uint16"),
        number(2, "a", "int32", word_order="little"),
        number(40, "a", "float32"),
        text(42, "t", 2),
        bits(50, "f", 2, "little"),
        number(65535, "a", "uint16"),
    ]
    compiled = register_map([block(1, 4), block(40, 52, "zero"), block(65535, 65536)], registers)
    snapshot = compiled.readings.test_pattern()
    assert snapshot.read(1, 3) == bytes.fromhex("0001 00020000")
    assert snapshot.read(40, 2) == struct.pack(">f", 40)
    assert snapshot.read(42, 2) == b"42\0\0"
    assert snapshot.read(44, 6) == b"\0\0" * 6
    assert snapshot.read(50, 2) == bytes.fromhex("00320000")
    # All ones would mean absent.
    assert snapshot.read(65535, 1) == bytes.fromhex("fffe")
    assert snapshot.present == len(registers)


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(-(2**70), 2**70) | decimals))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_any_values_give_a_whole_snapshot(values: dict[str, Value]) -> None:
    snapshot = kinds("absent").readings.encode(values)
    data = snapshot.read(0, 16)
    assert data is not None
    assert len(data) == 32
    assert snapshot.present == len(values)
    for register in KINDS[:5]:
        (name,) = register.uses
        part = data[2 * register.address : 2 * register.end]
        assert (part == register.absent) == (name not in values)


@given(st.decimals(0, 6000, places=3))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_tenths_agree_with_decimals_own_rounding(value: Decimal) -> None:
    expected = int(value.quantize(Decimal("0.1"), ROUND_HALF_EVEN) * 10)
    assert encoded(value, per_unit="0.1") == (expected, False)
