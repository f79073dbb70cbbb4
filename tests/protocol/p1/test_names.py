"""Each name that a map may use has a meaning, and its value is traced to the lines that it comes from."""

from __future__ import annotations

import pytest

from gateway.maps.load import find_map, load_map
from gateway.protocol.p1.names import GATEWAY_PREFIX, NAMES, NameInfo, ValueType, source_lines
from gateway.protocol.p1.readings import Readings
from tests.conftest import OWN_TELEGRAMS, ROOT, own_telegram
from tests.maps.serving import readings_in

GOOD = sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt") if not path.stem.startswith(("bad_", "odd_")))


def readings_of(name: str) -> Readings:
    (readings,) = readings_in(own_telegram(name))
    return readings


def codes(name: str, readings: Readings) -> list[str]:
    return [readings.lines[at].code for at in source_lines([name], readings)]


@pytest.mark.parametrize(
    ("telegram", "name", "expected"),
    [
        ("v50_sagemcom-t210d", "power_import", ["1-0:1.7.0"]),
        ("v50_sagemcom-t210d", "power_net", ["1-0:1.7.0", "1-0:2.7.0"]),
        ("v50_sagemcom-t210d", "power_net_l1", ["1-0:21.7.0", "1-0:22.7.0"]),
        ("v50_sagemcom-t210d", "energy_import", ["1-0:1.8.1", "1-0:1.8.2"]),
        ("v50_sagemcom-t210d", "energy_import_t1", ["1-0:1.8.1"]),
        ("v50_sagemcom-t210d", "gas_reading", ["0-1:24.1.0", "0-1:24.2.1"]),
        ("v50_sagemcom-t210d", "gas_reading_time", ["0-1:24.1.0", "0-1:24.2.1"]),
        ("v50_sagemcom-t210d", "gas_reading_age", ["0-0:1.0.0", "0-1:24.1.0", "0-1:24.2.1"]),
        ("v50_sagemcom-t210d", "gas_identifier", ["0-1:24.1.0", "0-1:96.1.0"]),
        ("v50_sagemcom-t210d", "mbus1_unit_code", ["0-1:24.2.1"]),
        ("v50_sagemcom-t210d", "heat_reading", []),
        ("v50_sagemcom-t210d", "frequency", []),
        ("v22_iskra-mt382", "gas_reading", ["0-2:24.1.0", "0-2:24.3.0"]),
        ("v22_iskra-mt382", "limiter_power", ["0-0:17.0.0"]),
        ("v50_sagemcom-t210d", "energy_import_low", ["1-0:1.8.1"]),
        ("v50_sagemcom-t210d", "tariff_is_low", ["0-0:96.14.0"]),
        ("be_fluvius", "energy_import_low", ["1-0:1.8.2"]),
        ("be_fluvius", "demand_peak", ["1-0:1.6.0"]),
        ("be_fluvius", "demand_peak_time", ["1-0:1.6.0"]),
        ("be_fluvius", "demand_peak_2", ["0-0:1.0.0", "0-0:98.1.0"]),
        ("be_fluvius", "demand_peak_2_time", ["0-0:1.0.0", "0-0:98.1.0"]),
        ("hu_eon", "equipment_identifier", ["0-0:42.0.0"]),
        ("be_iskra-ie5", "power_net_l1", ["1-0:1.7.0", "1-0:2.7.0", "1-0:31.7.0"]),
    ],
)
def test_a_name_comes_from_these_lines(telegram: str, name: str, expected: list[str]) -> None:
    assert codes(name, readings_of(telegram)) == expected


@pytest.mark.parametrize("telegram", GOOD)
def test_every_value_comes_from_a_line_and_every_line_has_a_name(telegram: str) -> None:
    readings = readings_of(telegram)
    for name in NAMES:
        if name in readings.values and not name.startswith(GATEWAY_PREFIX) and name != "identification":
            assert source_lines([name], readings), name
    for index, line in enumerate(readings.lines):
        if line.value is not None:
            assert index in source_lines([line.name], readings)


def test_a_register_of_several_readings_has_all_their_lines_in_order() -> None:
    readings = readings_of("v50_sagemcom-t210d")
    register_map = load_map(find_map("cg-em24", ROOT))
    current = next(register for register in register_map.registers if register.name == "current_l1")
    found = [readings.lines[at].code for at in source_lines(current.uses, readings)]
    assert found == sorted(found, key=[line.code for line in readings.lines].index)
    assert set(found) == {"1-0:31.7.0", "1-0:21.7.0", "1-0:22.7.0"}


@pytest.mark.parametrize("telegram", GOOD)
def test_the_value_of_each_name_has_the_declared_type_and_unit(telegram: str) -> None:
    readings = readings_of(telegram)
    for name, value in readings.values.items():
        if name not in NAMES:
            continue
        assert isinstance(value, str) is (NAMES[name].value_type is ValueType.TEXT), name
        if name in readings.units and NAMES[name].unit:
            assert readings.units[name] == NAMES[name].unit, name


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("power_import", NameInfo(ValueType.NUMBER, "W")),
        ("energy_import_t2", NameInfo(ValueType.NUMBER, "Wh")),
        ("tariff", NameInfo(ValueType.NUMBER, None)),
        ("clock", NameInfo(ValueType.NUMBER, None)),
        ("p1_version", NameInfo(ValueType.TEXT, None)),
        ("equipment_identifier", NameInfo(ValueType.TEXT, None)),
        ("power_failure_log", NameInfo(ValueType.TEXT, None)),
        ("identification", NameInfo(ValueType.TEXT, None)),
        ("power_factor_l1", NameInfo(ValueType.NUMBER, None)),
        ("demand_peak", NameInfo(ValueType.NUMBER, "W")),
        ("demand_peak_time", NameInfo(ValueType.NUMBER, None)),
        ("mbus2_reading", NameInfo(ValueType.NUMBER, None)),
        ("mbus2_reading_time", NameInfo(ValueType.NUMBER, None)),
        ("gas_reading", NameInfo(ValueType.NUMBER, "m3")),
        ("gas_identifier", NameInfo(ValueType.TEXT, None)),
        ("heat_reading", NameInfo(ValueType.NUMBER, "J")),
        ("limiter_current", NameInfo(ValueType.NUMBER, "A")),
        ("gateway_telegram_age", NameInfo(ValueType.NUMBER, "s")),
    ],
)
def test_a_name_has_this_type_and_unit(name: str, meaning: NameInfo) -> None:
    assert NAMES[name] == meaning


@pytest.mark.parametrize("name", ["limiter", "power_import_time", "tariff_time", "clock_time"])
def test_a_quantity_that_differs_by_meter_and_a_time_that_no_line_has_are_no_names(name: str) -> None:
    assert name not in NAMES
