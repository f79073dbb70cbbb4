"""Snapshots: codes for absent, gaps, reads that begin and end anywhere, and encoding only what changed."""

from __future__ import annotations

import struct
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.maps.load import load_map, map_names
from gateway.protocol.p1.names import NAMES, ValueType
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.register_map import RegisterMap
from gateway.protocol.registers.snapshot import Snapshot, SnapshotEncoder
from tests.protocol.modbus.small_units import bits, block, number, register_map, text

decimals = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=3)

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
    assert snapshot.unfit == ()


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


def test_a_register_writes_its_own_code_for_absent_in_its_word_order() -> None:
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


def test_what_does_not_fit_is_absent_and_counted_by_name() -> None:
    registers = [number(0, "a", name="low"), number(1, "b", name="fits"), number(2, "c", name="high")]
    registers.append(text(3, "t", 1, name="cut"))
    image = register_map([block(0, 4)], registers).readings
    snapshot = image.encode({"a": -1, "b": 1, "c": 70_000, "t": "ABC"})
    assert snapshot.unfit == ("low", "high", "cut")
    assert snapshot.present == 1
    assert snapshot.read(0, 4) == bytes.fromhex("ffff 0001 ffff 4142")
    assert image.encode({"a": 1, "b": 1, "c": 1}).unfit == ()


def test_a_register_counts_as_present_again_when_its_value_fits_again() -> None:
    image = register_map([block(0, 1)], [number(0, "a")]).readings
    snapshot = image.encode({"a": 1})
    for value, present, unfit in ((70_000, 0, ("r0",)), (80_000, 0, ("r0",)), (2, 1, ()), (-1, 0, ("r0",))):
        snapshot = image.encode({"a": value}, snapshot)
        assert (snapshot.present, snapshot.unfit) == (present, unfit)
    assert image.encode({}, snapshot).present == 0


def test_a_snapshot_is_not_changed_by_the_next_telegram() -> None:
    image = kinds("zero").readings
    first = image.encode(VALUES)
    before = first.read(0, 16)
    second = image.encode({name: 9 for name in VALUES if name not in ("t", "d")})
    assert first.read(0, 16) == before != second.read(0, 16)
    # What is absent in the second is not left over from the first.
    assert second.read(6, 2) == bytes.fromhex("7fc00000")
    assert second.read(12, 2) == b"\0\0\0\0"


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
@settings(max_examples=200)
def test_any_values_give_a_whole_snapshot(values: dict[str, Value]) -> None:
    snapshot = kinds("absent").readings.encode(values)
    data = snapshot.read(0, 16)
    assert data is not None
    assert len(data) == 32
    assert snapshot.present == len(values) - len(snapshot.unfit)
    for register in KINDS[:5]:
        (name,) = register.uses
        part = data[2 * register.address : 2 * register.end]
        assert (part == register.absent) == (name not in values or register.name in snapshot.unfit)


def any_value(name: str, random: Random) -> Value:
    if NAMES[name].value_type is ValueType.TEXT:
        return random.choice(["a", "bb"])
    return Decimal(random.choice([random.randint(-10, 10), random.randint(0, 10**14)]))


@pytest.mark.parametrize("name", sorted(map_names()))
def test_a_snapshot_from_the_one_before_equals_one_encoded_whole(name: str) -> None:
    register_map = load_map(map_names()[name])
    image = register_map.readings
    used = sorted({reading for register in register_map.registers for reading in register.uses})
    for seed in range(20):
        random, snapshot = Random(seed), None
        for share in (0.0, 0.2, 0.5, 0.9, 1.0):
            telegram = {reading: any_value(reading, random) for reading in used if random.random() < share}
            for again in (telegram, telegram):
                snapshot = image.encode(again, snapshot)
                assert snapshot == image.encode(again)


def test_a_test_pattern_has_the_bytes_of_each_register_and_of_the_gaps() -> None:
    compiled = register_map([block(0, 6, "zero")], [number(0), number(1, "a", "uint32"), number(4)])
    assert compiled.readings.test_pattern().read(0, 6) == bytes.fromhex("0000 0000 0001 0000 0004 0000")


def test_each_segment_of_a_snapshot_begins_where_its_block_does() -> None:
    compiled = register_map([block(0, 2), block(5, 6)], [number(0, "a"), number(5, "b")])
    empty = compiled.readings.empty
    for snapshot in (empty, compiled.readings.encode({"a": 1}), compiled.readings.encode({"b": 1}, empty)):
        assert [segment.address for segment in snapshot.segments] == list(snapshot.starts) == [0, 5]
