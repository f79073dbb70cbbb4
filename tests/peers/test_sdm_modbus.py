"""sdm_modbus, which many programs read Eastron meters with, at the Eastron maps and at that of the ESP-P1-MODBUS."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.harness import LIMIT_S, Gateway
from tests.peers.pypi import packages
from tests.peers.ten_maps import MAPS, ten_maps

# It needs what pymodbus had until 3.7, so it runs in a process of its own.
PACKAGES = ("sdm-modbus==0.7.0", "pymodbus==3.6.9")
PROGRAM = """
import json, sys, sdm_modbus
meter = getattr(sdm_modbus, sys.argv[1])(host="127.0.0.1", port=int(sys.argv[2]), unit=int(sys.argv[3]))
print(json.dumps(meter.read_all(sdm_modbus.registerType[sys.argv[4]])))
"""
SDM630, SDM72, ESPP1, SDM230 = 4, 5, 9, 10
NOT_TOLD = "frequency"

SOLAR = {
    "l1_voltage": 236.2, "l2_voltage": 238.9, "l3_voltage": 235.5,
    "l1_current": 1, "l2_current": 16, "l3_current": 2,
    "l1_power_active": 188, "l2_power_active": -3811, "l3_power_active": 496,
    "voltage_ln": 710.6 / 3, "current_ln": 19 / 3, "total_line_current": 19,
    "import_energy_active": 17_324.375, "export_energy_active": 11_432.955, "total_energy_active": 28_757.33,
}  # fmt: skip
CASES = {
    "SDM630": (SDM630, SOLAR | {"total_power_active": -3127}),
    "SDM72V2": (SDM72, SOLAR | {
        "total_power": -3127, "import_total_power_active": 0, "export_total_power_active": 3127, "net_kwh": 5_891.42,
    }),
    "SDM230": (SDM230, {
        "voltage": 236.2, "power_active": -3127,
        "import_energy_active": 17_324.375, "export_energy_active": 11_432.955, "total_energy_active": 28_757.33,
    }),
}  # fmt: skip

OF_AN_ESP = {
    "import_energy_active_low": 9_217_845, "import_energy_active_high": 8_106_530,
    "export_energy_active_low": 3_380_194, "export_energy_active_high": 8_052_761, "tariff": 1,
    "import_power_active": 0, "export_power_active": 3127, "l2_export_power_active": 3811,
    "l2_voltage": 238_900, "l2_current": 16_000, "import_gas_volume": 4_036_719, "power_failures": 8,
}  # fmt: skip
ABSENT = 0xFFFFFFFF


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Shows a house that exports 3127 W, 3811 W of it on L2."""
    maps = MAPS | {ESPP1: "esp-p1-modbus", SDM230: "eastron-sdm230"}
    with ten_maps(tmp_path_factory.mktemp("sdm_modbus"), maps=maps) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def library() -> Path:
    """Where the library is installed."""
    return packages(*PACKAGES)


def read_all(gateway: Gateway, library: Path, model: str, unit: int, table: str) -> dict[str, float]:
    command = [sys.executable, "-c", PROGRAM, model, str(gateway.port), str(unit), table]
    environment = {**os.environ, "PYTHONPATH": str(library)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("model", CASES)
def test_all_input_registers_say_what_the_meter_says(gateway: Gateway, library: Path, model: str) -> None:
    unit, expected = CASES[model]
    values = read_all(gateway, library, model, unit, "INPUT")
    assert {name: value for name, value in values.items() if not math.isnan(value)} == pytest.approx(expected, rel=1e-6)
    assert math.isnan(values[NOT_TOLD])


def test_all_settings_of_an_sdm230_are_readable(gateway: Gateway, library: Path) -> None:
    values = read_all(gateway, library, "SDM230", SDM230, "HOLDING")
    known = {"relay_pulse_width": 100, "network_parity_stop": 0, "meter_id": SDM230, "baud": 0, "p1_output_mode": 4,
             "measurement_mode": 2}  # fmt: skip
    assert {name: value for name, value in values.items() if name in known} == known


def test_all_holding_registers_of_an_esp_say_what_the_meter_says(gateway: Gateway, library: Path) -> None:
    values = read_all(gateway, library, "ESPP1", ESPP1, "HOLDING")
    absent = {name for name, value in values.items() if value == ABSENT}
    assert absent == {"import_thermal_measurement", "import_water_volume", "import_slave_measurement"}
    assert {name: value for name, value in values.items() if name in OF_AN_ESP} == OF_AN_ESP
