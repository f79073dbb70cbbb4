"""`dsmr-gateway read`: any server's registers, by a map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from gateway.cli import run
from tests.cli.calling import invoke
from tests.peers.harness import SIMULATED, Gateway, free_port, running

MEASURED = {"telegram_delay", "telegram_interval"}
"""Registers that have no value until some telegrams have come."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A simulated household under its native map, as an SDM630 on input registers, and without codes for absent."""
    server = {"units": {1: {}, 2: {"map": "eastron-sdm630"}, 3: {"map": "dsmr-strict"}}}
    gateway = Gateway(tmp_path_factory.mktemp("read"), SIMULATED, server)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        yield gateway


def read(port: int, *arguments: str) -> Result:
    return invoke("read", "127.0.0.1", "--port", str(port), *arguments)


def test_every_register_is_read_and_decoded(gateway: Gateway) -> None:
    result = read(gateway.port, "--json")
    assert result.exit_code == 0, result.stderr
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["layout_version"]["now"] == "1"
    assert rows["voltage_l1"]["now"].endswith(" V")
    assert 200 < float(rows["voltage_l1"]["now"].split()[0]) < 260
    assert rows["frequency"]["now"] == "—"
    assert int(rows["telegrams"]["now"]) >= 1


def test_registers_that_are_not_served_while_absent_do_not_hide_the_others(gateway: Gateway) -> None:
    result = read(gateway.port, "--map", "dsmr-strict", "--unit", "3", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {row["name"]: row["now"] for row in json.loads(result.stdout)}
    native = {row["name"]: row["now"] for row in json.loads(read(gateway.port, "--json").stdout)}
    assert rows["power_net"].endswith(" W")
    assert {name for name, now in rows.items() if now == "—"} - MEASURED == {
        name for name, now in native.items() if now == "—"
    } - MEASURED


def test_an_export_of_what_is_present_leaves_out_registers_that_are_not_served(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    choice = ["--host", "127.0.0.1", "--port", str(gateway.port), "--map", "dsmr-strict", "--unit", "3"]
    result = invoke("export", "telegraf", *choice, "--present")
    assert result.exit_code == 0, result.stderr
    assert "power_net" in result.stdout
    assert "frequency" not in result.stdout
    assert "frequency" in invoke("export", "telegraf", *choice).stdout


def test_input_registers_are_read_where_the_map_has_them(gateway: Gateway) -> None:
    rows = {
        row["name"]: row
        for row in json.loads(read(gateway.port, "--map", "eastron-sdm630", "--unit", "2", "--json").stdout)
    }
    assert 200 < float(rows["voltage_l1"]["now"].split()[0]) < 260


def test_text_shows_a_line_for_each_register(gateway: Gateway) -> None:
    lines = read(gateway.port).stdout.splitlines()
    assert lines[0].split() == ["address", "register", "name", "now", "hex", "description"]
    # Long texts of the meter do not push apart what is looked for.
    assert lines[0].index("hex") < 80
    assert lines[0].index("description") < 120
    assert any(line.startswith("100") and "power_net" in line for line in lines)


def test_an_exception_is_reported_with_its_name_and_cause(gateway: Gateway) -> None:
    result = read(gateway.port, "--unit", "9")
    assert result.exit_code == 1
    assert "exception 0x0A, gateway path unavailable: this unit id is not configured" in result.stderr


def test_a_port_without_a_server_is_reported() -> None:
    result = read(free_port())
    assert result.exit_code == 1
    assert "no server on 127.0.0.1:" in result.stderr


def test_a_map_of_the_user_is_used(gateway: Gateway, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("registers: [{address: 3, name: beat, type: uint16, value: tariff}]\n")
    (row,) = json.loads(read(gateway.port, "--map", str(own), "--json").stdout)
    assert row["name"] == "beat"
    assert row["now"] != "—"


def test_without_a_host_the_first_server_of_the_configuration_here_is_read(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    servers = [
        {"listen": ":802", "transport": "udp", "allow": ["127.0.0.1"]},
        {"listen": f":{gateway.port}", "units": {2: {"map": "eastron-sdm630"}}},
    ]
    Path("gateway.yaml").write_text(yaml.safe_dump({"meter": {"simulate": True}, "modbus": servers}))
    for host in ([], ["127.0.0.1"]):
        result = invoke("read", *host)
        assert result.exit_code == 0, result.stderr
        expected = f"127.0.0.1:{gateway.port}, unit 2, register map eastron-sdm630: the first server in gateway.yaml"
        assert result.stderr == f"Reading {expected}\n"
        assert "voltage_l1" in result.stdout
    native = invoke("read", "--unit", "1", "--map", "dsmr")
    assert "layout_version" in native.stdout


def test_without_a_configuration_the_demo_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "DEMO_PORT", free_port())
    result = invoke("read")
    assert result.exit_code == 1
    assert "the server of `dsmr-gateway run --demo`, because there is no gateway.yaml here" in result.stderr
    assert f"no server on 127.0.0.1:{run.DEMO_PORT}. Is the gateway running" in result.stderr


def test_the_port_of_this_machine_without_a_configuration_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("read", "localhost")
    assert "Reading localhost:502, unit 1, register map dsmr: the usual port of Modbus." in result.stderr
    assert "`dsmr-gateway run --demo` listens on 5020" in result.stderr


def test_a_configuration_without_a_plain_server_needs_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gateway.yaml").write_text("meter: {simulate: true}\nmodbus: [{transport: udp, allow: [127.0.0.1]}]\n")
    result = invoke("read")
    assert result.exit_code == 2
    assert "Give HOST:PORT of the server to read" in result.stderr


def test_a_unit_that_is_absent_gives_the_error_and_no_table(gateway: Gateway) -> None:
    result = read(gateway.port, "--unit", "9")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert json.loads(read(gateway.port, "--unit", "9", "--json").stdout)[0]["now"] == "—"


def test_a_map_with_registers_that_the_server_lacks_is_reported_before_the_table(
    gateway: Gateway, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "registers: [{address: 3, name: beat, type: uint16, value: tariff},"
        " {address: 60000, name: far, type: uint16, value: tariff}]\n"
    )
    result = read(gateway.port, "--map", str(own))
    assert result.exit_code == 1
    assert "The register map own does not fit this server, which lacks registers of it. Choose" in result.stderr
    assert result.output.index("does not fit") < result.output.index("address  register")


def test_a_map_that_gives_a_value_beyond_every_household_is_reported_before_the_table(
    gateway: Gateway, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    value = "type: uint16, value: voltage_l1, unit: V, scale: 10000, overflow: limit"
    own.write_text(f"registers: [{{address: 0, name: volts, {value}}}]\n")
    result = read(gateway.port, "--map", str(own))
    assert result.exit_code == 0
    assert "The register map own does not seem to fit this server: volts would be " in result.stderr
    assert result.output.index("does not seem") < result.output.index("address")
