"""Numbers of a map that a unit may choose, and the unit id."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.config import check_config, map_of
from gateway.maps.load import MapSource, load_map
from tests.maps.faults import faults_in, write

HEAD = "settings: {ct_ratio: 1, volts: 10}\n"
METER = (
    "address: 0, name: ct, type: uint16, value: ct_ratio",
    "address: 1, name: node, type: uint16, value: unit_id",
    "address: 2, name: current, type: uint16, value: current_l1, unit: A, scale: 0.01 * ct_ratio",
    "address: 3, name: power, type: int16, value: power_net / ct_ratio - volts * 0, unit: W",
)
CONFIG = """\
meter: {port: /dev/null}
modbus:
  - listen: ":5020"
    units:
      1: {map: map.yaml}
      3: {map: map.yaml, settings: {ct_ratio: 40}}
      4: {map: dsmr, settings: {SETTINGS}}
"""


def registers_of(folder: Path, text: str) -> list[list[int]]:
    """Return the registers of units 1 and 3, as a telegram with 200 A and 4 kW fills them."""
    path = folder / "gateway.yaml"
    path.write_text(text.replace("{SETTINGS}", "{}"))
    checked = check_config(path)
    assert [str(problem) for problem in checked.problems] == []
    values = {"current_l1": Decimal(200), "power_net": Decimal(4000)}
    units = checked.config.modbus[0].units
    maps = [map_of(checked.maps, unit_id, units[unit_id]) for unit_id in (1, 3)]
    data = [each.readings.encode(values).segments[0].data for each in maps]
    return [[int.from_bytes(each[i : i + 2], "big") for i in range(0, len(each), 2)] for each in data]


def test_a_unit_shows_its_own_settings_and_its_own_unit_id(tmp_path: Path) -> None:
    write(tmp_path, *METER, head=HEAD)
    assert registers_of(tmp_path, CONFIG) == [[1, 1, 20000, 4000], [40, 3, 500, 100]]


def test_a_map_without_settings_is_compiled_once_for_all_units(tmp_path: Path) -> None:
    write(tmp_path, "address: 0, name: a, type: uint16, value: 1")
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG.replace(", settings: {ct_ratio: 40}", "").replace("{SETTINGS}", "{}"))
    assert sorted(check_config(path).maps) == ["dsmr", "map.yaml"]


def test_a_scale_of_settings_is_the_step_that_exports_show(tmp_path: Path) -> None:
    register_map = MapSource(write(tmp_path, *METER, head=HEAD)).compile({"ct_ratio": 40})
    assert [each.scale for each in register_map.registers if each.name == "current"] == [Decimal("0.4")]


def test_a_map_that_extends_another_one_may_have_other_defaults(tmp_path: Path) -> None:
    write(tmp_path, *METER, head=HEAD)
    path = tmp_path / "mine.yaml"
    path.write_text("extends: map.yaml\nsettings: {ct_ratio: 5}\n")
    assert load_map(path).settings == {"unit_id": 1, "ct_ratio": 5, "volts": 10}


def test_a_setting_that_the_map_does_not_have_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, *METER, head=HEAD)
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG.replace("ct_ratio: 40", "ct_ration: 40").replace("{SETTINGS}", "{ct_ratio: 1}"))
    told = [str(problem).removeprefix(f"{path}:") for problem in check_config(path).problems]
    assert told == [
        "6:37: modbus[0].units.3.settings.ct_ration: map.yaml has no setting ct_ration. Did you mean ct_ratio?",
        "7:33: modbus[0].units.4.settings.ct_ratio: dsmr has no setting ct_ratio. It has none",
    ]


@pytest.mark.parametrize("name", ["unit_id", "power_net", "max", "absent"])
def test_a_setting_has_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    told = faults_in(tmp_path, "address: 0, name: a, type: uint16, value: 1", head=f"settings: {{{name}: 1}}\n")
    assert told == [f"1:12: settings.{name}: {name} already has a meaning. Rename it"]


@pytest.mark.parametrize("scale", ["power_net", "ct_ratio - ct_ratio", "ratio", "1 +"])
def test_a_scale_is_an_expression_of_numbers_and_settings(tmp_path: Path, scale: str) -> None:
    told = faults_in(
        tmp_path, f"address: 0, name: a, type: uint16, value: voltage_l1, unit: V, scale: {scale}", head=HEAD
    )
    assert told == [f"3:69: registers[0].scale: a: {scale} is not a scale. Write the size of one step, such as 0.1"]
