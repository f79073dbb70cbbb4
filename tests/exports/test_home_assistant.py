"""Home Assistant reads every register as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.exports import ExportedUnit, Target, export
from gateway.maps.load import find_map, map_names
from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.registers.decoding import decode
from tests.exports.bench import READINGS, TARGET, VALUES, agree, map_of, values_of
from tests.exports.readers import READERS
from tests.maps.serving import loaded_map


async def test_values_of_all_sorts_are_read_as_the_export_says(server: ModbusServer) -> None:
    unit, target = map_of(server)
    reads = list(READERS["home-assistant"](export("home-assistant", [ExportedUnit(unit.register_map, target)])))
    whole = {name: value for name, value in VALUES.items() if name not in ("real", "long_real", "no_real")}
    agree(await values_of(reads), whole)


@pytest.mark.parametrize("name", map_names())
def test_home_assistant_reads_every_register_of_every_map_as_it_is(name: str) -> None:
    register_map = loaded_map(map_names()[name])
    snapshot = register_map.readings.encode(READINGS.values)
    reads = {
        each.name: each
        for each in READERS["home-assistant"](export("home-assistant", [ExportedUnit(register_map, TARGET)]))
    }
    for register in register_map.registers:
        raw = snapshot.read(register.address, register.length)
        if raw is None or register.name not in reads:
            continue
        said, read_there = decode(register, raw), reads[register.name].decode(raw)
        if said is None:
            assert read_there is None
        else:
            assert read_there == pytest.approx(float(said), rel=1e-5, abs=1e-3), register.name  # type: ignore[arg-type]


def native(host: str, unit_id: int) -> ExportedUnit:
    return ExportedUnit(loaded_map(find_map("dsmr", Path())), Target(host, 502, unit_id))


def test_a_float_is_left_out_where_an_integer_shows_the_same_value() -> None:
    (hub,) = yaml.safe_load(export("home-assistant", [native("192.0.2.1", 1)]))["modbus"]
    assert not [sensor["name"] for sensor in hub["sensors"] if sensor["data_type"].startswith("float")]
    floats = ExportedUnit(loaded_map(find_map("eastron-sdm630", Path())), TARGET)
    (hub,) = yaml.safe_load(export("home-assistant", [floats]))["modbus"]
    assert {sensor["data_type"] for sensor in hub["sensors"]} == {"float32"}


def test_two_exports_of_two_units_have_no_name_in_common() -> None:
    exports = [export("home-assistant", [native(host, 1), native(host, 2)]) for host in ("192.0.2.1", "192.0.2.2")]
    hubs = [hub for text in exports for hub in yaml.safe_load(text)["modbus"]]
    assert len({hub["name"] for hub in hubs}) == len(hubs) == 2
    sensors = [sensor for hub in hubs for sensor in hub["sensors"]]
    assert len({sensor["unique_id"] for sensor in sensors}) == len(sensors)
    assert len({sensor["name"] for sensor in sensors}) == len(sensors)


@pytest.mark.parametrize(("transport", "kind"), [("tcp", "tcp"), ("rtu_over_tcp", "rtuovertcp"), ("udp", "udp")])
def test_the_hub_speaks_as_the_server_does(transport: str, kind: str) -> None:
    unit = ExportedUnit(native("h", 1).register_map, Target("h", 502, 1, transport))
    assert [hub["type"] for hub in yaml.safe_load(export("home-assistant", [unit]))["modbus"]] == [kind]
