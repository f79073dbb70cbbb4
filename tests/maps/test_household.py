"""`check` warns of a register whose type cannot hold what a household can have."""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.maps.load import load_map, map_names
from tests.conftest import own_telegram
from tests.maps.serving import Server, readings_in


def remarks(folder: Path, register: str) -> tuple[str, ...]:
    path = folder / "map.yaml"
    path.write_text(f"registers:\n  - {{address: 0, name: a, {register}}}\n")
    return load_map(path).remarks


@pytest.mark.parametrize(
    ("register", "unfit"),
    [
        ("type: uint16, value: energy_import, unit: Wh", "999999999 Wh"),
        ("type: uint16, value: energy_import, unit: kWh", "999999999 Wh"),
        ("type: int16, value: power_net, unit: W", "-60720 W"),
        ("type: int16, value: power_import - power_export, unit: W", "60720 W"),
        ("type: uint16, value: power_net, unit: W", "-60720 W"),
        ("type: int16, value: power_net_l1 + power_net_l2, unit: W", "-40480 W"),
        ("type: uint16, value: voltage_l1, unit: V, scale: 0.001", "253 V"),
        ("type: uint16, value: current_l1, unit: A, scale: 0.001", "80 A"),
        ("type: uint16, value: gas_reading, unit: m3, scale: 0.01", "99999.999 m3"),
        ("type: uint32, value: heat_reading, unit: J", "2000000000000 J"),
        ("type: int16, value: obis('1-1:1.7.0'), unit: W", "60720 W"),
    ],
)
def test_a_type_that_is_too_small_is_reported_with_its_place(tmp_path: Path, register: str, unfit: str) -> None:
    [remark] = remarks(tmp_path, register)
    assert f"map.yaml:2:27: registers[0].type: a: {register.split()[1].strip(',')} cannot hold {unfit}," in remark
    assert remarks(tmp_path, f"{register}, overflow: limit") == ()
    assert remarks(tmp_path, f"{register}, overflow: absent") == ()


@pytest.mark.parametrize(
    "register",
    [
        "type: uint32, value: energy_import, unit: Wh",
        "type: float32, value: energy_import, unit: Wh",
        "type: int16, value: power_net, unit: W, scale: 10",
        "type: int16, value: power_net_l1, unit: W",
        "type: uint16, value: voltage_l1, unit: V, scale: 0.1",
        "type: uint16, value: frequency, unit: Hz, scale: 0.01",
        "type: uint16, value: 'max(power_net_l1, 0)', unit: W",
        "type: uint16, value: tariff",
        "type: uint16, value: obis('0-0:96.50.68'), unit: W",
    ],
)
def test_a_type_that_is_large_enough_or_whose_range_is_not_known_is_not_reported(tmp_path: Path, register: str) -> None:
    assert remarks(tmp_path, register) == ()


def test_many_readings_are_tried_all_at_once_and_each_alone(tmp_path: Path) -> None:
    currents = " + ".join(
        f"{name}_l{phase}" for name in ("current", "current_signed", "fuse_limit") for phase in (1, 2, 3)
    )
    [remark] = remarks(tmp_path, f"type: int16, value: {currents}, unit: A, scale: 0.01")
    assert "cannot hold 720 A" in remark


@pytest.mark.parametrize("name", sorted(map_names()))
def test_the_built_in_maps_hold_a_household(name: str) -> None:
    assert load_map(map_names()[name]).remarks == ()


@pytest.mark.parametrize(
    ("name", "address", "count", "values", "absent"),
    [
        ("sunspec-203", 40072, 1, {"power_net": 1, "current_l1": 361, "current_signed_l1": 361}, "8000"),
        ("sunspec-203", 40115, 2, {"power_net": 1, "energy_import": 10**10 + 1}, "00000000"),
    ],
)
def test_a_value_beyond_a_built_in_register_is_absent(
    name: str, address: int, count: int, values: dict[str, int], absent: str
) -> None:
    snapshot = load_map(map_names()[name]).readings.encode({key: Decimal(value) for key, value in values.items()})
    assert snapshot.read(address, count) == bytes.fromhex(absent)
    assert snapshot.unfit


@pytest.mark.parametrize(("name", "watts"), [("sunspec-201", 32_768), ("sunspec-203", -327_680)])
def test_a_power_beyond_a_sunspec_meter_gets_an_exception(name: str, watts: int) -> None:
    """A client such as evcc takes "not implemented" for 0 W."""
    server = Server(map_names()[name])
    energy = {"energy_import": Decimal(1), "energy_export": Decimal(1)}
    server.show({"power_net": Decimal(watts), **energy})
    assert server.ask(struct.pack(">BHH", 3, 40087, 1)) == b"\x83\x04"
    assert server.words(3, 40076, 1) == [0x8000]
    server.show({"power_net": Decimal(2486), **energy})
    assert server.words(3, 40087, 1) == [2486 if name == "sunspec-201" else 249]


INVERTERS = ("solaredge-wattnode", "huawei-dtsu666-h", "foxess-dtsu666", "sigenergy-tpx-ch", "sunspec-203-filled")


@pytest.mark.parametrize("name", INVERTERS)
def test_an_inverter_sees_the_counter_before_instead_of_none_at_all(name: str) -> None:
    """A counter that jumps is withheld for one telegram; a real meter always has one."""
    (readings,) = readings_in(own_telegram("se_aidon"))
    withheld = {key: value for key, value in readings.values.items() if key != "energy_import"}
    register_map = load_map(map_names()[name])
    assert not register_map.lacking(readings.values)
    assert register_map.lacking(withheld)
