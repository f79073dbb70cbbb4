"""`dsmr-gateway read`: any server's registers, by a map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.calling import invoke
from tests.peers.harness import SIMULATED, Gateway, free_port, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A simulated household under its native map, and as an SDM630 on input registers."""
    server = {"units": {1: {}, 2: {"map": "eastron-sdm630"}}}
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


def test_input_registers_are_read_where_the_map_has_them(gateway: Gateway) -> None:
    rows = {
        row["name"]: row
        for row in json.loads(read(gateway.port, "--map", "eastron-sdm630", "--unit", "2", "--json").stdout)
    }
    assert 200 < float(rows["voltage_l1"]["now"].split()[0]) < 260


def test_text_shows_a_line_for_each_register(gateway: Gateway) -> None:
    lines = read(gateway.port).stdout.splitlines()
    assert lines[0].split() == ["address", "register", "name", "now", "words", "description"]
    # Long texts of the meter do not push apart what is looked for.
    assert lines[0].index("words") < 80
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
