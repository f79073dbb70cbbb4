"""All faults of a map are reported at once; registers and blocks fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.maps.load import load_map
from gateway.protocol.p1.obis import Value
from tests.maps.faults import GIVE_ABSENT, faults_in, write


def segments(path: Path, values: dict[str, Value]) -> dict[int, str]:
    return {segment.address: segment.data.hex() for segment in load_map(path).readings.encode(values).segments}


PLAIN = "address: {}, name: {}, type: {}, value: 1"


def plain(address: int, name: str, type_name: str = "uint16") -> str:
    return PLAIN.format(address, name, type_name)


def test_all_faults_of_a_map_are_reported_at_once_each_with_its_place(tmp_path: Path) -> None:
    told = faults_in(
        tmp_path,
        "address: 0, name: power, type: int32, value: power_nett, unit: W",
        "address: 1, name: volts, type: uint16, value: voltage_l1, unit: W",
        "address: 65535, name: energy, type: uint64, value: energy_import, unit: Wh",
        "address: 5, name: text, type: string, value: x",
        "address: 6, name: text, type: uint16, value: 70000",
    )
    # The register with the fault is left out, so that no overlap with it is reported.
    assert told == [
        "2:44: registers[0].value: power: no reading is called power_nett. Did you mean power_net?",
        "3:64: registers[1].unit: volts: W cannot hold a value in V",
        "4:6: registers[2].address: energy: 65535 and 4 registers go beyond address 65535. Choose a lower address",
        "5:30: registers[3].type: text: a string needs a length. Add length: the number of registers",
        "6:18: registers[4].name: the name text is given twice. Choose another name",
        f"6:44: registers[4].value: text: 70000 does not fit uint16. {GIVE_ABSENT}",
    ]


@pytest.mark.parametrize(
    ("registers", "told"),
    [
        (
            [plain(0, "a", "uint32"), plain(1, "b")],
            ["3:6: registers[1].address: b: address 1 belongs to a, which has 0 to 1"],
        ),
        ([plain(5, "b"), plain(5, "a")], ["3:6: registers[1].address: a: address 5 belongs to b, which has 5"]),
        (
            [plain(1, "b"), plain(0, "a", "uint32")],
            ["2:6: registers[0].address: b: address 1 belongs to a, which has 0 to 1"],
        ),
        (
            [plain(0, "a", "uint64"), plain(1, "b"), plain(2, "c"), plain(4, "d")],
            [
                "3:6: registers[1].address: b: address 1 belongs to a, which has 0 to 3",
                "4:6: registers[2].address: c: address 2 belongs to a, which has 0 to 3",
            ],
        ),
    ],
    ids=["inside", "same", "later in the file", "several in one"],
)
def test_registers_that_overlap_are_reported_with_what_they_overlap(
    tmp_path: Path, registers: list[str], told: list[str]
) -> None:
    assert faults_in(tmp_path, *registers) == told


def test_registers_side_by_side_do_not_overlap(tmp_path: Path) -> None:
    path = write(tmp_path, plain(0, "a", "uint64"), plain(4, "b"), plain(65535, "c"))
    assert segments(path, {}) == {0: "0000000000000001" + "0001", 65535: "0001"}


TWO_BLOCKS = "blocks:\n  - {address: 10, length: 5, gaps: zero}\n  - {address: 20, length: 5}\n"


@pytest.mark.parametrize(
    ("head", "register", "told"),
    [
        (TWO_BLOCKS, plain(14, "a", "uint32"), ["5:6: registers[0].address: a: 14 to 15 crosses the end of the block"]),
        # The register's second word would be read as a gap: a number that is not true.
        (TWO_BLOCKS, plain(9, "a", "uint32"), ["5:6: registers[0].address: a: 9 to 10 crosses the beginning of the"]),
        (
            "blocks:\n  - {address: 20, length: 5}\n  - {address: 0, length: 5}\n  - {address: 4, length: 2}\n",
            plain(0, "a"),
            ["4:5: blocks[2]: the block at 4 begins inside the one at 0"],
        ),
        (
            "blocks:\n  - {address: 65535, length: 2}\n",
            plain(0, "a"),
            ["2:22: blocks[0].length: 65535 and 2 registers go beyond address 65535. Choose a lower address"],
        ),
        ("blocks: [{address: 0, length: 0}]\n", plain(0, "a"), ["1:23: blocks[0].length: 1 or more"]),
        ("blocks: [{address: 0}]\n", plain(0, "a"), ["1:10: blocks[0].length: is missing"]),
        (
            "blocks: [{address: 0, length: 3, gaps: exception}]\n",
            plain(0, "a"),
            ["1:34: blocks[0].gaps: 'exception' is not one of zero, absent"],
        ),
    ],
)
def test_invalid_blocks_are_reported(tmp_path: Path, head: str, register: str, told: list[str]) -> None:
    found = faults_in(tmp_path, register, head=head)
    assert all(fault.startswith(start) for fault, start in zip(found, told, strict=True)), found


STATUS_BLOCK = "blocks:\n  - {address: 0, length: 4, status: true}\n"
HEARTBEAT = "address: {}, name: a, type: uint16, value: gateway_heartbeat"
POWER = "address: {}, name: a, type: int16, value: power_net, unit: W"


@pytest.mark.parametrize(
    ("register", "told"),
    [
        (POWER.format(0), "a: power_net cannot be in"),
        (HEARTBEAT.format(9), "a: gateway_heartbeat cannot be out"),
    ],
)
def test_what_the_gateway_and_what_the_meter_says_do_not_mix(tmp_path: Path, register: str, told: str) -> None:
    (found,) = faults_in(tmp_path, register, head=STATUS_BLOCK)
    assert told in found
    assert found.endswith("A block with status: true holds only the gateway's own values")


@pytest.mark.parametrize(
    ("head", "image"),
    [
        ("", {0: "0001", 3: "0001"}),
        ("gaps: exception\n", {0: "0001", 3: "0001"}),
        ("gaps: zero\n", {0: "0001" + "0000" * 2 + "0001"}),
        ("gaps: absent\n", {0: "0001" + "ffff" * 2 + "0001"}),
        ("blocks: [{address: 3, length: 2, gaps: zero}]\n", {0: "0001", 3: "00010000"}),
        ("gaps: zero\nblocks: [{address: 3, length: 2}]\n", {0: "0001", 3: "0001ffff"}),
    ],
)
def test_gaps_between_registers_are_what_the_map_says(tmp_path: Path, head: str, image: dict[int, str]) -> None:
    assert segments(write(tmp_path, plain(0, "a"), plain(3, "b"), head=head), {}) == image


def test_requires_is_reported_with_the_faults_of_registers(tmp_path: Path) -> None:
    told = faults_in(tmp_path, "address: 0, name: a, type: uint16, value: nope", head="requires: [power_nett, 1 +]\n")
    assert [fault.split(" ")[1] for fault in told] == ["requires[0]:", "requires[1]:", "registers[0].value:"]
