"""What is valid in a map and most likely not meant is reported, and prevents nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.maps.load import load_map
from tests.cli.calling import invoke
from tests.maps.faults import faults_in, write

VOLTAGE = "type: uint16, value: voltage_l1, unit: V, scale: 0.1"


@pytest.mark.parametrize(("number", "address"), [(40101, 100), (40001, 0), (30013, 12)])
def test_numbers_of_a_manual_that_are_used_as_addresses_are_reported_once(
    tmp_path: Path, number: int, address: int
) -> None:
    registers = [f"address: {number + index}, name: {name}, {VOLTAGE}" for index, name in enumerate("ab")]
    path = write(tmp_path, *registers)
    [remark] = load_map(path).remarks
    assert remark.startswith(f"{path}:2:6: registers[0].address: a: all addresses of this map are from ")
    assert f"number {number} of a manual is address {address}." in remark
    meant = write(tmp_path, *registers, head=f"blocks: [{{address: {number}, length: 2}}]\n")
    assert load_map(meant).remarks == ()


@pytest.mark.parametrize("address", [0, 30000, 40000, 50000])
def test_other_addresses_are_not_reported(tmp_path: Path, address: int) -> None:
    path = write(tmp_path, f"address: {address}, name: a, {VOLTAGE}", f"address: 40105, name: b, {VOLTAGE}")
    assert load_map(path).remarks == ()


@pytest.mark.parametrize(("number", "address"), [(400101, 100), (440102, 40101), (300001, 0)])
def test_a_number_with_six_digits_is_refused_with_its_address(tmp_path: Path, number: int, address: int) -> None:
    [problem] = faults_in(tmp_path, f"address: {number}, name: a, {VOLTAGE}")
    assert problem == (
        f"2:6: registers[0].address: {number} is the number of a register in a manual, and addresses count from 0."
        f" Write address: {address}"
    )


@pytest.mark.parametrize(
    ("register", "told"),
    [
        ("uint16, value: voltage_l1, unit: V, scale: 10", "10 V, and a household has at most 253 V"),
        ("float32, value: voltage_l1, unit: V, scale: 10", "10 V, and a household has at most 253 V"),
        ("int16, value: current_l1, unit: A, scale: 100", "100 A, and a household has at most 80 A"),
        ("uint16, value: frequency, unit: Hz, scale: 10", "10 Hz, and a household has at most 51.5 Hz"),
        ("uint16, value: voltage_l1, unit: kV", "1 kV, and a household has at most 0.253 kV"),
    ],
)
def test_a_scale_that_no_meter_has_is_reported(tmp_path: Path, register: str, told: str) -> None:
    [remark] = load_map(write(tmp_path, f"address: 0, name: a, type: {register}")).remarks
    assert f"registers[0].scale: a: 1 in the register means {told}. scale is the size of one step" in remark


@pytest.mark.parametrize(
    "register",
    [
        "uint16, value: voltage_l1, unit: V",
        "uint16, value: power_import, unit: kW",
        "int16, value: current_l1, unit: A",
        "uint16, value: frequency, unit: Hz",
        "int16, value: power_net, unit: W, scale: 10",
        "uint32, value: energy_import, unit: MWh",
        "uint16, value: tariff, scale: 100",
        "uint16, value: 10, unit: V, scale: 10",
    ],
)
def test_a_scale_that_a_meter_can_have_is_not_reported(tmp_path: Path, register: str) -> None:
    assert load_map(write(tmp_path, f"address: 0, name: a, type: {register}")).remarks == ()


def test_the_command_that_shows_a_map_shows_its_remarks(tmp_path: Path) -> None:
    path = write(tmp_path, "address: 0, name: a, type: uint16, value: voltage_l1, unit: V, scale: 10")
    result = invoke("map", str(path))
    assert result.exit_code == 0
    assert "1 in the register means 10 V" in result.stderr


@pytest.mark.parametrize(
    ("spelling", "type_name"),
    [("float", "float32"), ("double", "float64"), ("FLOAT32", "float32"), ("int", "int16"), ("s32", "int32")],
)
def test_another_spelling_of_a_type_gets_ours(tmp_path: Path, spelling: str, type_name: str) -> None:
    problems = faults_in(
        tmp_path,
        f"address: 0, name: a, type: {spelling}, value: voltage_l1, unit: V",
        head=f"absent: {{{spelling}: 0}}\n",
    )
    assert [problem.partition(": ")[2].partition(": ")[2] for problem in problems] == 2 * [
        f"'{spelling}' is not a type. Write {type_name}"
    ]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("scale: [1]", "registers[0].scale: a number is expected. Write the size of one step, such as 0.1"),
        (
            "scale: ",
            "registers[0].scale: a number is expected (found nothing). Write the size of one step, such as 0.1",
        ),
        (
            "absent: x",
            (
                "registers[0].absent: a number or exception is expected (found 'x')."
                " Write what clients read for an absent value, such as 0xFFFF"
            ),
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_reported_once_with_all_that_is_possible(
    tmp_path: Path, key: str, told: str
) -> None:
    [problem] = faults_in(tmp_path, f"address: 0, name: a, type: uint16, value: tariff, {key}")
    assert problem.partition(": ")[2] == told
