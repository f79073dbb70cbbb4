"""Data types against a decoder of the tests' own, which knows the wire only."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.registers.data_type import (
    GREATEST,
    TYPES,
    Order,
    encode_text,
    is_exact_power_of_ten,
    number_packer,
    reorder,
)

LETTERS = {
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "float32": "f",
    "float64": "d",
}
ABSENT = {
    "uint16": "ffff",
    "uint32": "ffffffff",
    "uint64": "ffffffffffffffff",
    "int16": "8000",
    "int32": "80000000",
    "int64": "8000000000000000",
    "float32": "7fc00000",
    "float64": "7ff8000000000000",
}
RANGES = {
    "uint16": (0, 65_534),
    "uint32": (0, 4_294_967_294),
    "uint64": (0, 18_446_744_073_709_551_614),
    "int16": (-32_767, 32_767),
    "int32": (-2_147_483_647, 2_147_483_647),
    "int64": (-9_223_372_036_854_775_807, 9_223_372_036_854_775_807),
}
ORDERS: tuple[Order, ...] = ("big", "little")
WIRE = {("big", "big"): "ABCD", ("little", "big"): "CDAB", ("big", "little"): "BADC", ("little", "little"): "DCBA"}

names = st.sampled_from(sorted(LETTERS))
orders = st.sampled_from(ORDERS)


def decode(name: str, data: bytes, word_order: str, byte_order: str) -> float:
    """What a client makes of registers: each byte goes to the place that the orders give it."""
    size = len(data)
    most_significant_first = bytearray(size)
    for place, byte in enumerate(data):
        word, half = divmod(place, 2)
        if word_order == "little":
            word = size // 2 - 1 - word
        if byte_order == "little":
            half = 1 - half
        most_significant_first[2 * word + half] = byte
    return struct.unpack(">" + LETTERS[name], most_significant_first)[0]  # type: ignore[no-any-return]


def numbers(name: str) -> st.SearchStrategy[float]:
    if name in RANGES:
        return st.integers(*RANGES[name])
    return st.floats(width=32 if name == "float32" else 64, allow_nan=False)


def test_every_type_has_a_decoder_here() -> None:
    assert TYPES.keys() == LETTERS.keys() == ABSENT.keys()
    assert all(TYPES[name].name == name for name in TYPES)


@given(st.data(), names, orders, orders)
@settings(max_examples=300)
def test_what_is_encoded_decodes_to_the_same_number(
    data: st.DataObject, name: str, word_order: Order, byte_order: Order
) -> None:
    number = data.draw(numbers(name))
    encoded = number_packer(TYPES[name], word_order, byte_order)(number)
    assert len(encoded) == 2 * TYPES[name].registers
    assert decode(name, encoded, word_order, byte_order) == number


@pytest.mark.parametrize("name", sorted(RANGES))
@pytest.mark.parametrize("word_order", ORDERS)
@pytest.mark.parametrize("byte_order", ORDERS)
def test_both_ends_of_the_range_are_encoded(name: str, word_order: Order, byte_order: Order) -> None:
    data_type = TYPES[name]
    assert (data_type.lowest, data_type.highest) == RANGES[name]
    pack = number_packer(data_type, word_order, byte_order)
    for number in RANGES[name]:
        assert decode(name, pack(number), word_order, byte_order) == number


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_the_code_for_absent_is_the_documented_one(name: str) -> None:
    assert TYPES[name].absent().hex() == ABSENT[name]


@pytest.mark.parametrize("name", sorted(RANGES))
def test_no_number_in_range_looks_absent(name: str) -> None:
    lowest, highest = RANGES[name]
    code = decode(name, TYPES[name].absent(), "big", "big")
    assert not lowest <= code <= highest
    # It is the one value that the range leaves out.
    assert highest - lowest + 1 == (1 << 16 * TYPES[name].registers) - 1


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_floating_point_has_no_range_and_a_quiet_nan(name: str) -> None:
    assert not TYPES[name].is_integer
    code = decode(name, TYPES[name].absent(), "big", "big")
    assert math.isnan(code)
    quiet_bit = 0x40 if name == "float32" else 0x08
    assert TYPES[name].absent()[1] & quiet_bit


@pytest.mark.parametrize(("orders_given", "wire"), WIRE.items(), ids=WIRE.values())
def test_a_value_of_two_registers_is_laid_out_as_the_table_says(orders_given: tuple[Order, Order], wire: str) -> None:
    assert reorder(b"ABCD", *orders_given) == wire.encode()
    number = int.from_bytes(b"ABCD", "big")
    assert number_packer(TYPES["uint32"], *orders_given)(number) == wire.encode()


def test_a_value_of_four_registers_is_laid_out_word_by_word() -> None:
    assert reorder(b"ABCDEFGH", "little", "big") == b"GHEFCDAB"
    assert reorder(b"ABCDEFGH", "big", "little") == b"BADCFEHG"
    assert reorder(b"ABCDEFGH", "little", "little") == b"HGFEDCBA"


@pytest.mark.parametrize("name", ["uint16", "int16"])
def test_a_single_register_has_a_byte_order_and_no_word_order(name: str) -> None:
    for word_order in ORDERS:
        assert number_packer(TYPES[name], word_order, "big")(0x0102) == b"\1\2"
        assert number_packer(TYPES[name], word_order, "little")(0x0102) == b"\2\1"


@given(st.binary(max_size=16).filter(lambda data: len(data) % 2 == 0), orders, orders)
@settings(max_examples=100)
def test_an_order_applied_twice_is_undone(data: bytes, word_order: Order, byte_order: Order) -> None:
    assert reorder(reorder(data, word_order, byte_order), word_order, byte_order) == data


@pytest.mark.parametrize(
    ("text", "registers", "expected"),
    [
        ("", 1, b"\0\0"),
        ("A", 1, b"A\0"),
        ("AB", 1, b"AB"),
        ("ABC", 1, b"AB"),
        ("E0012", 4, b"E0012\0\0\0"),
        ("m\u00b3", 1, b"m?"),
        ("\u20ac5", 1, b"?5"),
    ],
)
def test_text_is_ascii_cut_and_filled_up_with_nul(text: str, registers: int, expected: bytes) -> None:
    assert encode_text(text, registers) == expected


@given(st.text(max_size=40), st.integers(1, 16))
@settings(max_examples=200)
def test_text_always_fills_its_registers_with_ascii(text: str, registers: int) -> None:
    encoded = encode_text(text, registers)
    assert len(encoded) == 2 * registers
    assert encoded.isascii()
    # No character takes more than one byte, so that what follows it does not move.
    assert encoded[: len(text)] == "".join(c if c.isascii() else "?" for c in text).encode()[: 2 * registers]


@pytest.mark.parametrize(
    ("number", "expected"),
    [("1", True), ("0.001", True), ("1000", True), ("1E+3", True), ("0.1000", True), ("3600", False), ("0.25", False)],
)
def test_a_power_of_ten_is_known_however_it_is_written(number: str, expected: bool) -> None:
    assert is_exact_power_of_ten(Decimal(number)) is expected


@pytest.mark.parametrize(("name", "bits"), [("float32", "7f7fffff"), ("float64", "7fefffffffffffff")])
def test_the_greatest_floating_point_number_is_the_last_before_infinity(name: str, bits: str) -> None:
    packed = number_packer(TYPES[name], "big", "big")(float(GREATEST[name]))
    assert packed.hex() == bits
