"""Every fault of an entry is reported with its line, its column and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.maps.faults import faults_in

REGISTER_FAULTS = [
    ("address: -1, name: a, type: uint16, value: 1", ["2:6: registers[0].address: 0 or more"]),
    ("address: 65536, name: a, type: uint16, value: 1", ["2:6: registers[0].address: less than 65536 is expected"]),
    ("address: 65535, name: a, type: int32, value: 1", ["2:6: registers[0].address: a: 65535 and 2 registers go"]),
    ("address: '0', name: a, type: uint16, value: 1", ["2:6: registers[0].address: a whole number is expected"]),
    ("name: a, type: uint16, value: 1", ["2:5: registers[0].address: is missing"]),
    ("address: 0, name: A, type: uint16, value: 1", ["2:18: registers[0].name: "]),
    (
        "address: 0, name: a, type: uint16, value: true",
        ["2:41: registers[0].value: an expression, a text or a number is expected (found true). Write it"],
    ),
    (
        f"address: 0, name: {'a' * 61}, type: uint16, value: 1",
        ["2:18: registers[0].name: at most 60 characters are expected (found 'aaa"],
    ),
    ("address: 0, name: a, type: uint16", ["2:5: registers[0].value: a: the value is missing. Add value: "]),
    ("address: 0, name: a, typ: uint16, value: 1", ["2:5: registers[0].type: is missing", "2:27: registers[0].typ: "]),
    ("address: 0, name: a, type: uint16, value: 65536", ["2:41: registers[0].value: a: 65536 does not fit uint16"]),
    ("address: 0, name: a, type: uint16, value: 65535", ["2:41: registers[0].value: a: 65535 does not fit uint16"]),
    ("address: 0, name: a, type: int16, value: -32768", ["2:40: registers[0].value: a: -32768 does not fit int16"]),
    (
        "address: 0, name: a, type: uint16, value: 1 +",
        ["2:41: registers[0].value: a: '1 +' is not an expression such as "],
    ),
    ("address: 0, name: a, type: uint16, value: open('x')", ["2:41: registers[0].value: a: no function open()"]),
    (
        "address: 0, name: a, type: uint16, value: power_net",
        ["2:41: registers[0].value: a: the value is in W, so the register"],
    ),
    (
        "address: 0, name: a, type: uint16, value: power_net + voltage_l1, unit: W",
        ["2:41: registers[0].value: a: power_net, voltage_l1 cannot be combined: they are in V and W"],
    ),
    (
        "address: 0, name: a, type: uint16, value: power_net, unit: kw",
        ["2:59: registers[0].unit: a: unknown unit kw"],
    ),
    (
        "address: 0, name: a, type: uint16, value: equipment_identifier",
        ["2:41: registers[0].value: a: equipment_identifier is a text, and a uint16 takes a number"],
    ),
    ("address: 0, name: a, type: uint16, value: 1, scale: 0", ["2:51: registers[0].scale: a: 0 is not a scale"]),
    ("address: 0, name: a, type: uint16, value: 1, scale: .inf", ["2:51: registers[0].scale: a: inf is not a scale"]),
    ("address: 0, name: a, type: uint16, value: 1, scale: .nan", ["2:51: registers[0].scale: a: nan is not a scale"]),
    (
        "address: 0, name: a, type: uint16, value: 1, offset: .nan",
        ["2:51: registers[0].offset: a: nan is not an"],
    ),
    (
        "address: 0, name: a, type: float32, value: 1, offset: .inf",
        ["2:52: registers[0].offset: a: inf is not an"],
    ),
    ("address: 0, name: a, type: uint16, value: 1, absent: -1", ["2:51: registers[0].absent: a: -1 does not fit"]),
    ("address: 0, name: a, type: uint16, value: 1, absent: 0.5", ["2:51: registers[0].absent: a: 0.5 does not fit"]),
    ("address: 0, name: a, type: float32, value: 1, absent: 1.0e+300", ["2:52: registers[0].absent: a: 1e+300 does"]),
    (
        "address: 0, name: a, type: uint32, value: 1, length: 2",
        ["2:51: registers[0].length: a: a uint32 has no length"],
    ),
    (
        "address: 0, name: a, type: uint16, value: 1, bits: {0: breaker}",
        ["2:51: registers[0].bits: a: a uint16 has no"],
    ),
    ("address: 0, name: a, type: string, length: 2, value: 5", ["2:52: registers[0].value: a: a string takes a text"]),
    ("address: 0, name: a, type: string, value: x", ["2:27: registers[0].type: a: a string needs a length"]),
    ("address: 0, name: a, type: string, length: 126, value: x", ["2:41: registers[0].length: at most 125"]),
    (
        "address: 0, name: a, type: string, length: 1, value: x, scale: 2, unit: W, absent: 0",
        [
            "2:62: registers[0].scale: a: a string has no scale",
            "2:72: registers[0].unit: a: a string has no unit",
            "2:81: registers[0].absent: a: a string has no absent",
        ],
    ),
    ("address: 0, name: a, type: string, length: 1, value: '{nope}'", ["2:52: registers[0].value: a: no reading is"]),
    (
        "address: 0, name: a, type: string, length: 1, value: '{power_net}'",
        ["2:52: registers[0].value: a: power_net is a number, and a string takes a text"],
    ),
    (
        "address: 0, name: a, type: string, length: 9, value: 'No {Ean} {'",
        ["2:52: registers[0].value: a: braces are for the name of a reading, and 'No {Ean} {' has others"],
    ),
    (
        "address: 0, name: a, type: string, length: 9, value: '{ean:-0}'",
        ["2:52: registers[0].value: a: braces are for the name of a reading, and '{ean:-0}' has others"],
    ),
    (
        "address: 0, name: a, type: string, length: 2, value: toolong",
        ["2:52: registers[0].value: a: 'toolong' is longer than 4 characters"],
    ),
    ("address: 0, name: a, type: uint16, value: 1/0", ["2:41: registers[0].value: a: 1/0 is not a number"]),
    (
        "address: 0, name: a, type: unix_time, value: power_net, unit: W",
        [
            "2:44: registers[0].value: a: power_net is not a time in unix seconds",
            "2:62: registers[0].unit: a: a unix_time has no unit",
        ],
    ),
    (
        "address: 0, name: a, type: unix_time, value: clock, scale: 2",
        ["2:58: registers[0].scale: a: a unix_time has no"],
    ),
    (
        "address: 0, name: a, type: scale_factor, value: 11",
        ["2:47: registers[0].value: a: 11 is not a whole number from -10 to 10. The scale of the registers that"],
    ),
    ("address: 0, name: a, type: scale_factor, value: 0.1", ["2:47: registers[0].value: a: 0.1 is not a whole number"]),
    (
        "address: 0, name: a, type: scale_factor, value: tariff",
        ["2:47: registers[0].value: a: tariff is not a whole"],
    ),
    ("address: 0, name: a, type: bitfield", ["2:5: registers[0].bits: a: the bits are missing. Add bits: "]),
    ("address: 0, name: a, type: bitfield, bits: {16: breaker}", ["2:43: registers[0].bits: a: there is no bit 16"]),
    ("address: 0, name: a, type: bitfield, bits: {0: braker}", ["2:43: registers[0].bits: a: no reading is called"]),
    (
        "address: 0, name: a, type: bitfield, value: 1, bits: {0: breaker}",
        ["2:43: registers[0].value: a: a bitfield is made of bits. Write bits: {0: name, 1: name}"],
    ),
]


@pytest.mark.parametrize(("register", "told"), REGISTER_FAULTS, ids=[register for register, _ in REGISTER_FAULTS])
def test_an_invalid_register_is_reported(tmp_path: Path, register: str, told: list[str]) -> None:
    found = faults_in(tmp_path, register)
    assert all(fault.startswith(start) for fault, start in zip(found, told, strict=True)), found


def test_an_unknown_type_is_reported_with_the_nearest_one(tmp_path: Path) -> None:
    told = faults_in(tmp_path, "address: 0, name: a, type: uint31, value: 1")
    assert told[0].startswith("2:27: registers[0].type: 'uint31' is not one of uint16, ")
    assert told[0].endswith("Did you mean uint32?")
