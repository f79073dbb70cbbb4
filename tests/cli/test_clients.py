"""`dsmr-gateway clients`: what to configure for a client."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.maps.clients import load_clients
from tests.cli.calling import invoke


def test_the_command_shows_what_to_configure() -> None:
    shown = invoke("clients", "Victron", "GX").stdout
    assert "register map cg-em24, unit id 1, TCP, on_stale: exception" in shown
    assert "          1: {map: cg-em24}\n" in shown
    assert "register map solaredge-wattnode, unit id 2, RTU on a serial line" in invoke("clients", "solaredge").stdout


def test_a_client_that_is_not_in_the_table_ends_with_exit_code_1() -> None:
    result = invoke("clients", "nobody")
    assert result.exit_code == 1
    assert result.stderr == "No client is called 'nobody'. `dsmr-gateway clients` lists all.\n"


def test_the_name_of_a_meter_names_the_clients_that_read_it() -> None:
    result = invoke("clients", "EM24")
    assert result.exit_code == 1
    assert "These read a meter of that name: evcc, KEBA, mbmd" in result.stderr


def test_all_clients_are_listed_as_text_and_as_json() -> None:
    names = [client.name for client in load_clients()]
    assert [each["name"] for each in json.loads(invoke("clients", "--json").stdout)] == names
    assert len(invoke("clients").stdout.splitlines()) == len(names)


def test_the_table_replaces_the_one_on_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- clients -->\nold\n<!-- end of clients -->\nafter\n")
    invoke("clients", "--page", str(page))
    text = page.read_text()
    assert text.startswith("before\n<!-- clients -->\n\n| client | select there |")
    assert text.endswith("\n<!-- end of clients -->\nafter\n")
    assert "old" not in text.split()
