"""A file that the gateway makes does no harm where it is opened: no formula in a table, no broken address."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from gateway.exports import ExportedUnit, Target, export
from gateway.maps.load import load_map, map_names
from gateway.maps.table import as_csv, harmless, rows
from gateway.nodes.status_page.download import as_download
from gateway.protocol.registers.register_map import RegisterMap

HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "-1+cmd", "@SUM(A1)", "\tx", "\rx"]


def map_described(folder: Path, description: str) -> RegisterMap:
    entry = {"address": 0, "name": "p", "type": "int32", "value": "-power_net", "unit": "W", "description": description}
    (folder / "own.yaml").write_text(yaml.safe_dump({"name": description, "title": description, "registers": [entry]}))
    return load_map(folder / "own.yaml")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_table_is_a_formula(tmp_path: Path, text: str) -> None:
    register_map = map_described(tmp_path, text)
    tables = [as_csv(rows(register_map))]
    tables += [
        export(form, [ExportedUnit(register_map, Target(text, 502, 1))]) for form in ("tia", "codesys", "twincat")
    ]
    for table in tables:
        cells = [cell for row in csv.reader(io.StringIO(table, newline=""), delimiter=";") for cell in row]
        cells += [cell for row in csv.reader(io.StringIO(table, newline="")) for cell in row]
        assert not [cell for cell in cells if cell.startswith(text)]


@pytest.mark.parametrize("number", ["-1", "+1", "-1.5", "-1e-5", "-2486 W", "-0.1 m3", "-32768", "text", ""])
def test_a_number_stays_a_number(number: str) -> None:
    assert harmless(number) == number


@pytest.mark.parametrize(
    ("host", "bare", "address", "in_url"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1:502", "192.0.2.1:502"),
        ("2001:db8::1", "2001:db8::1", "[2001:db8::1]:502", "[2001:db8::1]:502"),
        ("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:502", "[2001:db8::1]:502"),
        ("fe80::1%eth0", "fe80::1%eth0", "[fe80::1%eth0]:502", "[fe80::1%25eth0]:502"),
    ],
)
def test_an_ipv6_address_has_brackets_in_an_address_with_a_port(
    host: str, bare: str, address: str, in_url: str
) -> None:
    register_map = load_map(map_names()["dsmr"])
    unit = [ExportedUnit(register_map, Target(host, 502, 1))]
    text = export("evcc", unit)
    assert f"uri: '{address}'" in text or f"uri: {address}" in text
    telegraf = tomllib.loads(export("telegraf", unit))
    assert telegraf["inputs"]["modbus"][0]["controller"] == f"tcp://{in_url}"
    assert yaml.safe_load(export("home-assistant", unit))["modbus"][0]["host"] == bare
    assert json.loads(export("node-red", unit))[0]["tcpHost"] == bare


@pytest.mark.parametrize("text", ['"', "'", "a\nb: c", "{{ x }}", "</script><script>", "\u2028", "# x", "*/"])
def test_a_name_cannot_leave_its_place_in_an_export(tmp_path: Path, text: str) -> None:
    hostile = map_described(tmp_path, text)
    unit = [ExportedUnit(hostile, Target('h"\n[x]', 502, 1))]
    (hub,) = yaml.safe_load(export("home-assistant", unit))["modbus"]
    assert set(hub) == {"name", "type", "host", "port", "sensors"}
    flow = json.loads(export("node-red", unit))
    assert {node["type"] for node in flow} == {"tab", "modbus-client", "modbus-read", "function", "debug"}
    telegraf = tomllib.loads(export("telegraf", unit))
    assert set(telegraf) == {"inputs"}


@pytest.mark.parametrize(
    "name", ['a"; x="b', "a\r\nSet-Cookie: b=c", "../../etc/passwd", "\u202egnp.csv", "a;b=c", "\x00"]
)
def test_a_name_stays_one_value_of_the_header_of_a_download(name: str) -> None:
    header = as_download("text", name, "text/plain").headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', header)
    assert "/" not in header
