"""`dsmr-gateway export`: which units it exports, from a configuration or from options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from gateway.cli.export import FORMATS
from gateway.cli.parameters import named_map
from gateway.exports import FORMATS as WRITTEN
from gateway.exports import ExportedUnit, Target, export
from tests.cli.calling import invoke

SEVERAL = """\
meters: {house: {simulate: true}, barn: {simulate: true}}
modbus:
  - listen: ":5020"
    units: {1: {meter: house}, 7: {meter: barn, map: abb-b23}}
  - listen: "192.0.2.7:5021"
    transport: rtu_over_tcp
    units: {2: {meter: house, map: abb-b23}}
  - serial: {port: /dev/ttyUSB9}
    units: {3: {meter: house}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with three servers, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.yaml").write_text(SEVERAL)
    return tmp_path / "gateway.yaml"


def sensors_of(result: Result) -> set[tuple[str, int, str, int]]:
    """Return host, port and type of the hub, and the unit id, of all sensors."""
    return {
        (hub["host"], hub["port"], hub["type"], sensor["slave"])
        for hub in yaml.safe_load(result.stdout)["modbus"]
        for sensor in hub["sensors"]
    }


def test_the_formats_of_the_command_are_those_that_are_written() -> None:
    assert tuple(WRITTEN) == FORMATS


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_configuration_the_native_map_at_unit_1_and_port_502_is_exported(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = invoke("export", form, "--host", "p1.example")
    assert shown.stdout_bytes.decode() == export(form, [ExportedUnit(named_map("dsmr"), Target("p1.example", 502, 1))])
    assert "There is no gateway.yaml: exported dsmr, unit 1, p1.example:502" in shown.stderr


def test_the_units_ports_and_maps_of_the_configuration_are_exported(config: Path) -> None:
    result = invoke("export", "home-assistant", "--host", "p1.example")
    assert sensors_of(result) == {
        ("p1.example", 5020, "tcp", 1),
        ("p1.example", 5020, "tcp", 7),
        ("p1.example", 5021, "rtuovertcp", 2),
    }
    left_out = "dsmr, unit 3, /dev/ttyUSB9 is left out: it is on a serial line. Choose it with --unit 3"
    assert left_out in result.stderr
    assert sensors_of(invoke("export", "home-assistant", str(config), "--host", "p1.example")) == sensors_of(result)


def test_a_program_that_speaks_tcp_only_gets_the_units_on_tcp(config: Path) -> None:
    result = invoke("export", "tia", "--host", "p1.example")
    assert "abb-b23, unit 2, p1.example:5021 is left out: TIA Portal cannot read over rtu_over_tcp" in result.stderr
    assert ";5021;" not in result.stdout


@pytest.mark.parametrize(
    ("options", "units"),
    [
        (["--unit", "7"], {("p1.example", 5020, "tcp", 7)}),
        (["--map", "abb-b23"], {("p1.example", 5020, "tcp", 7), ("p1.example", 5021, "rtuovertcp", 2)}),
        (["--port", "5021"], {("p1.example", 5021, "rtuovertcp", 2)}),
    ],
)
def test_options_choose_units(config: Path, options: list[str], units: set[tuple[str, int, str, int]]) -> None:
    assert sensors_of(invoke("export", "home-assistant", "--host", "p1.example", *options)) == units


def test_a_server_with_an_address_of_its_own_needs_no_host(config: Path) -> None:
    assert sensors_of(invoke("export", "home-assistant", "--unit", "2")) == {("192.0.2.7", 5021, "rtuovertcp", 2)}
    refused = invoke("export", "home-assistant", "--unit", "1")
    assert refused.exit_code == 2
    assert "add --host" in refused.stderr


def test_the_port_of_the_only_server_can_be_another_one_for_the_program(config: Path) -> None:
    config.write_text('meter: {simulate: true}\nmodbus: [{listen: ":5020"}]\n')
    assert sensors_of(invoke("export", "home-assistant", "--host", "h", "--port", "502")) == {("h", 502, "tcp", 1)}


def test_a_unit_on_a_serial_line_is_exported_where_it_is_chosen(config: Path) -> None:
    (meter,) = yaml.safe_load(invoke("export", "evcc", "--unit", "3").stdout)["meters"]
    assert (meter["power"]["baudrate"], meter["power"]["comset"], meter["power"]["id"]) == (19_200, "8E1", 3)
    refused = invoke("export", "evcc", "--unit", "3", "--present")
    assert "--present reads over a network, and dsmr, unit 3, /dev/ttyUSB9 is on a serial line" in refused.stderr
    assert "TIA Portal cannot read dsmr, unit 3" in invoke("export", "tia", "--unit", "3").stderr


def test_options_that_choose_no_unit_name_the_units_that_are_there(config: Path) -> None:
    result = invoke("export", "node-red", "--host", "h", "--unit", "9")
    assert result.exit_code == 2
    assert "unit 7 on :5020 with map abb-b23" in result.stderr


def test_many_units_that_are_there_are_named_as_ranges(config: Path) -> None:
    units = ", ".join(f"{unit_id}: {{}}" for unit_id in range(1, 41))
    config.write_text(f'meter: {{simulate: true}}\nmodbus: [{{listen: ":5020", units: {{{units}}}}}]\n')
    result = invoke("export", "node-red", "--host", "h", "--unit", "99")
    assert "There are: units 1-40 on :5020 with map dsmr\n" in result.stderr


def test_a_configuration_that_is_not_valid_is_reported_as_by_check(config: Path) -> None:
    config.write_text("meter: {simulate: 7}\n")
    assert invoke("export", "node-red", "--host", "h").exit_code == 78


def test_what_only_a_running_gateway_knows_is_not_guessed_without_it(config: Path) -> None:
    config.write_text('meter: {simulate: true}\nmodbus: [{listen: "127.0.0.1:1"}]\n')
    result = invoke("export", "node-red", "--present")
    assert result.exit_code == 1
    assert "no server on 127.0.0.1:1" in result.stderr
    assert json.loads(invoke("export", "node-red").stdout)
