"""A table for each function code, and values that only a read of exactly their registers gets."""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.maps.load import load_map
from gateway.maps.table import rows
from gateway.protocol.modbus.advice import Advice, Mistake, advise
from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.read_plan import read_plan
from gateway.protocol.modbus.responder import UnitTable
from tests.maps.faults import faults_in, write
from tests.maps.serving import Server

METER = """\
title: A meter with settings under function code 3 and values under 4
source: tests
blocks:
  - {address: 0, length: 6, gaps: zero, function_code: 3}
registers:
  - {address: 0, name: system, type: float32, value: 3, function_code: 3}
  - {address: 3, name: kind, type: uint16, value: 168, function_code: 3, alone: true}
  - {address: 0, name: voltage, type: float32, value: voltage_l1, unit: V, function_code: 4}
  - {address: 2, name: power, type: int32, value: power_net, unit: W, function_code: 4}
  - {address: 3, name: code, type: uint16, value: 71, function_code: 4, alone: true}
  - {address: 3, name: pair, type: uint32, value: 9, alone: true}
  - {address: 100, name: energy, type: uint32, value: energy_import, unit: Wh}
"""
VALUES = {"voltage_l1": Decimal(230), "power_net": Decimal(-70000), "energy_import": Decimal(5)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "meter.yaml"
    path.write_text(METER)
    return path


@pytest.fixture
def server(path: Path) -> Server:
    server = Server(path)
    server.show(VALUES)
    return server


def test_each_function_code_reads_its_own_table_and_the_common_one(server: Server) -> None:
    three, volts = (list(struct.unpack(">HH", struct.pack(">f", number))) for number in (3, 230))
    assert server.words(3, 0, 6) == [*three, 0, 0, 0, 0]
    assert server.words(4, 0, 4) == [*volts, 0xFFFE, 0xEE90]
    assert server.words(3, 100, 2) == server.words(4, 100, 2) == [0, 5]
    assert server.ask(struct.pack(">BHH", 4, 4, 2)) == b"\x84\x02"


def test_a_value_that_is_served_alone_covers_the_others_in_a_read_of_exactly_its_registers(server: Server) -> None:
    assert server.words(4, 3, 1) == [71]
    assert server.words(4, 2, 2)[1] == 0xEE90
    assert server.words(3, 3, 1) == [168]
    assert server.words(3, 2, 2) == [0, 0]
    assert server.words(4, 3, 2) == server.words(3, 3, 2) == [0, 9]


def test_a_map_with_tables_has_one_row_for_each_register_and_says_how_it_is_read(path: Path) -> None:
    table = {row["name"]: row["function"] for row in rows(load_map(path))}
    assert table == {
        "system": "03", "kind": "03, alone", "voltage": "04", "power": "04", "code": "04, alone", "pair": "alone",
        "energy": "",
    }  # fmt: skip


def test_a_request_of_the_read_plan_stays_in_one_table(path: Path) -> None:
    register_map = load_map(path)
    plan = [[register.name for register in request] for request in read_plan(register_map, register_map.registers)]
    assert plan == [["energy"], ["system"], ["voltage", "power"], ["pair"], ["kind"], ["code"]]
    assert [register_map.function_code_of(register) for register in register_map.registers[:2]] == [3, 4]


def test_halves_of_a_value_come_from_one_telegram_in_each_table(server: Server) -> None:
    whole = server.words(4, 0, 2)
    first = server.words(4, 0, 1)
    server.show(VALUES | {"voltage_l1": Decimal("231.3")})
    assert [*first, *server.words(4, 1, 1)] == whole
    assert server.words(4, 0, 2) != whole


@pytest.mark.parametrize(
    ("pdu", "response", "expected"),
    [
        ("0400040002", "8402", Advice(Mistake.ONE_OFF, 3, "pair")),
        ("0300c80002", "8302", Advice(Mistake.MAP)),
        ("0300010002", "0304", Advice(Mistake.ONE_OFF, 0, "system")),
        ("0400010002", "0404", Advice(Mistake.ONE_OFF, 0, "voltage")),
    ],
)
def test_advice_looks_in_the_table_of_the_request(
    server: Server, pdu: str, response: str, expected: Advice | None
) -> None:
    exchange = Exchange(0.0, "192.0.2.1", 1, bytes.fromhex(pdu), bytes.fromhex(response))
    assert advise(exchange, UnitTable({1: server.unit})) == expected


def test_advice_names_the_function_code_that_reads_the_address(tmp_path: Path) -> None:
    path = tmp_path / "meter.yaml"
    path.write_text(METER.replace("length: 6", "length: 2"))
    exchange = Exchange(0.0, "192.0.2.1", 1, bytes.fromhex("0300020002"), bytes.fromhex("8302"))
    expected = Advice(Mistake.OTHER_FUNCTION, 4, "power")
    assert advise(exchange, UnitTable({1: Server(path).unit})) == expected


@pytest.mark.parametrize(
    ("registers", "told"),
    [
        (
            [
                "address: 0, name: a, type: uint32, value: 1",
                "address: 1, name: b, type: uint16, value: 1, function_code: 4",
            ],
            ["3:6: registers[1].address: b: address 1 belongs to a, which has 0 to 1"],
        ),
        (
            [f"address: 0, name: {name}, type: uint16, value: 1, alone: true" for name in "ab"],
            ["3:6: registers[1].address: b: address 0 belongs to a, which has 0"],
        ),
        (
            ["address: 0, name: a, type: uint16, value: 1, function_code: 5"],
            ["2:51: registers[0].function_code: 5 is not one of 3, 4"],
        ),
    ],
    ids=["common and own", "alone twice", "no such function code"],
)
def test_two_registers_that_one_read_would_find_overlap(tmp_path: Path, registers: list[str], told: list[str]) -> None:
    assert faults_in(tmp_path, *registers) == told


@pytest.mark.parametrize("keys", ["function_code: 4", "alone: true", "alone: true, function_code: 3"])
def test_registers_may_share_an_address_if_each_read_finds_one(tmp_path: Path, keys: str) -> None:
    one, other = (f"address: 0, name: {name}, type: uint32, value: 1" for name in "ab")
    assert load_map(write(tmp_path, f"{one}, function_code: 3", f"{other}, {keys}")).registers


def test_a_function_code_that_the_map_does_not_have_is_a_problem(tmp_path: Path) -> None:
    told = faults_in(
        tmp_path, "address: 0, name: a, type: uint16, value: 1, function_code: 3", head="function_codes: [4]\n"
    )
    what = "a: the map is not read with function code 3. Add it to function_codes: of the map"
    assert told == [f"3:51: registers[0].function_code: {what}"]


def test_blocks_overlap_only_in_one_table(tmp_path: Path) -> None:
    blocks = "blocks:\n  - {address: 0, length: 4, function_code: 3}\n  - {address: 2, length: 4, function_code: 4}\n"
    register = "address: 0, name: a, type: uint16, value: 1, function_code: 3"
    load_map(write(tmp_path, register, head=blocks))
    told = faults_in(tmp_path, register, head=blocks.replace("code: 4", "code: 3"))
    assert told == ["3:5: blocks[1]: the block at 2 begins inside the one at 0"]
