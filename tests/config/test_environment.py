"""Environment variables go before the file, and faults name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.files.document import FileError

FILE = """\
meter: {port: /dev/ttyUSB0, dsmr_version: "4"}
modbus:
  - listen: ":502"
    units: {1: {}, 7: {on_stale: silent}}
"""


def load(folder: Path, text: str | None = FILE, **environment: str) -> Config:
    path = folder / "gateway.yaml"
    if text is not None:
        path.write_text(text)
    return load_config(path, {f"DSMR_GATEWAY_{name}": value for name, value in environment.items()})


def faults(folder: Path, text: str | None = FILE, **environment: str) -> list[str]:
    with pytest.raises(FileError) as error:
        load(folder, text, **environment)
    return [str(fault) for fault in error.value.problems]


def test_a_variable_goes_before_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        METER__PORT="/dev/p1",
        MODBUS__0__LISTEN=":5020",
        MODBUS__0__UNITS__7__ON_STALE="hold",
        MODBUS__0__UNITS__2__MAP="dsmr-4",
        MODBUS__0__ALLOW="[192.0.2.0/24]",
        MODBUS__1__LISTEN=":5021",
        PASSTHROUGH__0__LISTEN=":2001",
        METER__STALE_AFTER="7s",
    )
    assert config.all_meters()["meter"].device == "/dev/p1"
    assert config.all_meters()["meter"].dsmr_version == "4"
    assert config.all_meters()["meter"].stale_after == 7
    first, second = config.modbus
    assert (first.address.port, second.address.port) == (5020, 5021)
    assert {unit_id: (unit.map, unit.on_stale) for unit_id, unit in first.units.items()} == {
        1: ("dsmr", "exception"),
        2: ("dsmr-4", "exception"),
        7: ("dsmr", "hold"),
    }
    assert [str(network) for network in first.allow] == ["192.0.2.0/24"]
    assert config.passthrough[0].listen.port == 2001


def test_a_problem_with_a_variable_is_one_line_whatever_its_name_contains(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, **{"ME\nTER\x1b[2J": "x"})
    assert fault.isprintable()
    assert fault.startswith(r"DSMR_GATEWAY_ME\nTER\x1b[2J: ")


def test_variables_go_into_a_list_in_its_order(tmp_path: Path) -> None:
    networks = {f"MODBUS__0__ALLOW__{index}": f"192.0.2.{index}/32" for index in range(12)}
    config = load(tmp_path, None, METER__PORT="/dev/a", **networks)
    assert [str(network) for network in config.modbus[0].allow] == list(networks.values())


def test_variables_alone_are_a_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, None, METERS__HOUSE__HOST="192.0.2.7", METERS__HOUSE__PORT="2001")
    assert config.all_meters()["house"].host == "192.0.2.7"


def test_without_file_and_variables_there_is_none(tmp_path: Path) -> None:
    assert "no such file" in faults(tmp_path, None)[0]


def test_names_of_the_file_are_found_whatever_their_letters(tmp_path: Path) -> None:
    config = load(tmp_path, "meters: {House: {port: /dev/a}}", METERS__HOUSE__PORT="/dev/b")
    assert config.all_meters()["House"].device == "/dev/b"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"METER__PROT": "/dev/a"}, "DSMR_GATEWAY_METER__PROT: meter.prot: unknown key. Did you mean port?"),
        ({"METER__DSMR_VERSION": "six"}, "DSMR_GATEWAY_METER__DSMR_VERSION: meter.dsmr_version: 'six'"),
        ({"MODBUS__0__UNITS__300__MAP": "dsmr"}, "DSMR_GATEWAY_MODBUS__0__UNITS__300__MAP: modbus[0].units.300"),
        ({"MODBUS__0__UNITS__1__MAP": "dsrm"}, "DSMR_GATEWAY_MODBUS__0__UNITS__1__MAP: modbus[0].units.1.map"),
        (
            {"MODBUS__3__LISTEN": ":1"},
            "DSMR_GATEWAY_MODBUS__3__LISTEN: 3 is not a position in a list of 1 entries",
        ),
        ({"MODBUS__X__LISTEN": ":1"}, "DSMR_GATEWAY_MODBUS__X__LISTEN: X is not a position"),
        ({"MODBUS__A\x1b": ":1"}, r"DSMR_GATEWAY_MODBUS__A\x1b: A\x1b is not a position"),
        ({"METERS__1__PORT": "/dev/a"}, "DSMR_GATEWAY_METERS__1__PORT: meters.1: a text is expected"),
        ({"MODBUS__0__ALLOW__0": "nowhere"}, "DSMR_GATEWAY_MODBUS__0__ALLOW__0: modbus[0].allow[0]: "),
        (
            {"MODBUS__0__ALLOW__1": "::1"},
            "DSMR_GATEWAY_MODBUS__0__ALLOW__1: 1 is not a position in a list of 0 entries",
        ),
        ({"METER": "[1"}, "DSMR_GATEWAY_METER: "),
        ({"": "1"}, "DSMR_GATEWAY_: the variable names no key. Write it like DSMR_GATEWAY_METER__HOST"),
    ],
)
def test_faults_name_the_variable(variables: dict[str, str], told: str, tmp_path: Path) -> None:
    assert any(fault.startswith(told) for fault in faults(tmp_path, **variables)), faults(tmp_path, **variables)


def test_faults_of_all_variables_are_reported_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, METER="[1", MODBUS="{2")) == 2
