"""What an export says is what a gateway answers: read by each program's own rules, from the export alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pymodbus.client import AsyncModbusTcpClient

from gateway.cli import main
from gateway.exports import FORMATS, Target, export
from gateway.maps.load import find_map, load_map, map_names
from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.protocol.registers.decoding import decode
from tests.conftest import own_telegram
from tests.exports.readers import READERS, Read, node_red_nodes
from tests.nodes.transports import serve

ALL_SORTS = """\
title: Of all sorts
source: tests
registers:
  - {address: 0, name: kilowatts, type: int32, value: power_net, unit: kW, scale: 0.001, word_order: little}
  - {address: 2, name: shifted, type: uint16, value: voltage_l1, unit: V, scale: 0.1, offset: 5}
  - {address: 3, name: bytes_swapped, type: int32, value: 0 - power_net, unit: W, byte_order: little}
  - {address: 5, name: all_swapped, type: uint32, value: power_net, unit: W, byte_order: little, word_order: little}
  - {address: 7, name: real, type: float32, value: voltage_l1, unit: V, word_order: little}
  - {address: 9, name: long_real, type: float64, value: voltage_l1, unit: V}
  - {address: 13, name: long, type: uint64, value: power_net, unit: W, word_order: little}
  - {address: 17, name: long_signed, type: int64, value: 0 - power_net, unit: W, scale: 0.001}
  - {address: 21, name: small_signed, type: int16, value: 0 - power_net, unit: W, byte_order: little}
  - {address: 10000, name: no_count, type: uint16, value: frequency, unit: Hz}
  - {address: 10001, name: no_signed, type: int32, value: reactive_power_import, unit: var, byte_order: little}
  - {address: 10003, name: no_real, type: float32, value: frequency, unit: Hz}
  - {address: 10010, name: identity, type: uint16, value: 71}
  - {address: 10011, name: text, type: string, length: 2, value: P1}
"""
VALUES = {
    "kilowatts": 2.486,
    "shifted": 228.7,
    "bytes_swapped": -2486,
    "all_swapped": 2486,
    "real": 228.7,
    "long_real": 228.7,
    "long": 2486,
    "long_signed": -2486,
    "small_signed": -2486,
    "no_count": None,
    "no_signed": None,
    "no_real": None,
}


def telegram_of(name: str) -> Readings:
    (telegram,) = TelegramReader().feed(own_telegram(name))
    assert isinstance(telegram, Telegram)
    return read(telegram)


READINGS = telegram_of("v50_sagemcom-t210d")


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ModbusServer]:
    """A server of the map that the test names, or of all sorts, on unit ids 1 and 9."""
    name = getattr(request, "param", None)
    if name is None:
        (tmp_path / "own.yaml").write_text(ALL_SORTS)
        name = str(tmp_path / "own.yaml")
    unit = Unit(load_map(find_map(name, Path())), OnStale.EXCEPTION, lambda _now: {"gateway_heartbeat": 7})
    unit.publish(unit.register_map.readings.encode(READINGS.values), float("inf"))
    async with serve("tcp", tmp_path, unit) as server:
        yield server


async def values_of(reads: list[Read]) -> dict[str, float | None]:
    """What a client gets that does as the export says, one request a value."""
    client = AsyncModbusTcpClient(reads[0].host, port=reads[0].port)
    assert await client.connect()
    found: dict[str, float | None] = {}
    for each in reads:
        ask = client.read_holding_registers if each.function_code == 3 else client.read_input_registers
        answer = await ask(each.address, count=each.count, device_id=each.unit_id)
        assert not answer.isError(), (each, answer)
        found[each.name] = each.decode(b"".join(word.to_bytes(2, "big") for word in answer.registers))
    client.close()
    return found


def agree(found: dict[str, float | None], expected: dict[str, float | None]) -> None:
    """As much as single precision lets them."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-6)), name


def map_of(server: ModbusServer) -> tuple[Unit, Target]:
    unit = server.responder.units.by_id[9]
    assert unit is not None
    return unit, Target("127.0.0.1", server.port, 9)


@pytest.mark.parametrize("form", ["home-assistant", "tia", "codesys", "twincat"])
async def test_values_of_all_sorts_are_read_as_the_export_says(server: ModbusServer, form: str) -> None:
    unit, target = map_of(server)
    reads = list(READERS[form](export(form, unit.register_map, target)))
    agree(await values_of(reads), VALUES)


async def test_telegraf_reads_all_but_what_it_has_no_word_for(server: ModbusServer) -> None:
    unit, target = map_of(server)
    text = export("telegraf", unit.register_map, target)
    found = await values_of(list(READERS["telegraf"](text)))
    absent = [name for name, value in VALUES.items() if value is None and name != "no_real"]
    assert "# shifted is left out: Telegraf adds no offset" in text
    expected = {name: value for name, value in VALUES.items() if name != "shifted" and name not in absent}
    agree({name: value for name, value in found.items() if name not in absent}, expected)


@pytest.mark.parametrize("server", ["dsmr"], indirect=True)
async def test_evcc_gets_power_energy_and_phases(server: ModbusServer) -> None:
    unit, target = map_of(server)
    reads = list(READERS["evcc"](export("evcc", unit.register_map, target)))
    values = READINGS.values
    expected = {"power": values["power_net"], "energy": values["energy_import"] / 1000}  # type: ignore[operator]
    for phase in (1, 2, 3):
        expected[f"powers_{phase}"] = values[f"power_net_l{phase}"]
        expected[f"currents_{phase}"] = values[f"current_l{phase}"]
        expected[f"voltages_{phase}"] = values[f"voltage_l{phase}"]
    found = await values_of(reads)
    assert found == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", map_names())
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "evcc"])
def test_every_map_can_be_exported(name: str, form: str) -> None:
    register_map = load_map(map_names()[name])
    text = export(form, register_map, Target("192.0.2.1", 502, 1))
    assert "192.0.2.1" in text
    if form in READERS:
        assert list(READERS[form](text))


@pytest.mark.parametrize("name", map_names())
def test_home_assistant_reads_every_register_of_every_map_as_it_is(name: str) -> None:
    register_map = load_map(map_names()[name])
    snapshot = register_map.readings.encode(READINGS.values)
    reads = {each.name: each for each in READERS["home-assistant"](export("home-assistant", register_map, _target()))}
    for register in register_map.registers:
        raw = snapshot.read(register.address, register.length)
        if raw is None or register.name not in reads:
            continue
        said, read_there = decode(register, raw), reads[register.name].decode(raw)
        if said is None:
            assert read_there is None
        else:
            assert read_there == pytest.approx(float(said), rel=1e-5, abs=1e-3), register.name  # type: ignore[arg-type]


def _target() -> Target:
    return Target("192.0.2.1", 502, 1)


def test_a_node_red_flow_asks_for_all_numbers_in_requests_that_are_allowed(tmp_path: Path) -> None:
    register_map = load_map(find_map("dsmr", Path()))
    nodes = node_red_nodes(export("node-red", register_map, _target()))
    reads = [(int(node["adr"]), int(node["quantity"])) for node in nodes["modbus-read"]]
    assert all(count <= 125 for _, count in reads)
    for register in register_map.registers:
        if register.uses and register.type_name not in ("string", "bitfield"):
            assert any(at <= register.address and register.end <= at + count for at, count in reads), register.name
    ids = {node["id"] for group in nodes.values() for node in group}
    assert len(ids) == sum(map(len, nodes.values()))
    assert {
        target for group in nodes.values() for node in group for wire in node.get("wires", []) for target in wire
    } <= ids


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_takes_the_unit_id_of_the_map_unless_told(form: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ALL_SORTS.replace("title", "unit_id: 247\ntitle").replace("kilowatts", "kw"))
    own = str(tmp_path / "own.yaml")

    def run(*arguments: str) -> str:
        command = ["export", form, "--map", own, "--host", "plc.example", *arguments]
        return CliRunner().invoke(main, command, catch_exceptions=False).stdout

    assert "247" in run()
    assert "247" not in run("--unit", "5")
    assert "plc.example" in run()


def test_a_map_without_power_is_nothing_for_evcc(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("registers: [{address: 0, name: v, type: uint16, value: voltage_l1, unit: V}]\n")
    command = ["export", "evcc", "--map", str(tmp_path / "own.yaml"), "--host", "h"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 2
    assert "no register of the net power" in result.stderr
