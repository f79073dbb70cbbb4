"""evcc gets power, energy and phases of the grid, or the reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.exports import ExportedUnit, export
from gateway.maps.clients import find_clients, load_clients
from gateway.nodes.modbus_server import ModbusServer
from tests.exports.bench import READINGS, map_of, values_of
from tests.exports.readers import READERS


@pytest.mark.parametrize("server", ["dsmr"], indirect=True)
async def test_evcc_gets_power_energy_and_phases(server: ModbusServer) -> None:
    unit, target = map_of(server)
    reads = list(READERS["evcc"](export("evcc", [ExportedUnit(unit.register_map, target)])))
    values = READINGS.values
    expected = {"power": values["power_net"], "energy": values["energy_import"] / 1000}  # type: ignore[operator]
    for phase in (1, 2, 3):
        expected[f"powers_{phase}"] = values[f"power_net_l{phase}"]
        expected[f"currents_{phase}"] = values[f"current_l{phase}"]
        expected[f"voltages_{phase}"] = values[f"voltage_l{phase}"]
    found = await values_of(reads)
    assert found == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-6)  # type: ignore[arg-type]


def test_a_map_without_power_is_nothing_for_evcc(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("registers: [{address: 0, name: v, type: uint16, value: voltage_l1, unit: V}]\n")
    command = ["export", "evcc", "--map", str(tmp_path / "own.yaml"), "--host", "h"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 2
    assert "no register of the net power" in result.stderr


FIRST_FOR_EVCC = find_clients(["evcc"], load_clients())[0].ways[0].map


@pytest.mark.parametrize(("name", "is_warned"), [("dsmr", True), (FIRST_FOR_EVCC, False), ("kostal-ksem", False)])
def test_the_export_of_a_map_with_codes_for_absent_says_where_to_find_the_map_without(
    name: str, is_warned: bool
) -> None:
    command = ["export", "evcc", "--map", name, "--host", "h"]
    output = CliRunner().invoke(main, command, catch_exceptions=False).stdout
    assert ("`dsmr-gateway clients evcc`" in output) is is_warned
