"""The table of clients agrees with the maps, and each configuration of it is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.maps.clients import Client, Way, clients_table, find_clients, load_clients
from gateway.maps.load import load_map, map_names
from tests.conftest import ROOT
from tests.maps.serving import loaded_map

CLIENTS = load_clients()
WAYS = [(client.name, way) for client in CLIENTS for way in client.ways]
PAGE = ROOT / "docs" / "clients" / "README.md"


@pytest.mark.parametrize(("name", "way"), WAYS, ids=[f"{name}-{way.map}" for name, way in WAYS])
def test_each_configuration_of_the_table_is_valid(name: str, way: Way, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(way.configuration())
    config, maps = check_config(path, {}).valid()
    (server,) = config.modbus
    assert list(server.units) == [way.unit], name
    assert (maps[way.map].name, str(server.units[way.unit].on_stale)) == (way.map, way.on_stale)
    assert ("serial" if server.serial else server.transport) == way.transport


def named(text: str) -> list[Client]:
    """Return the clients that a text of a map names, the longest of names that overlap."""
    plain = re.sub(r"\(.*?\)", "", text)
    found = {name: client for client in CLIENTS for name in (client.name, *client.also) if name in plain}
    return [client for name, client in found.items() if not any(name in each for each in found if each != name)]


@pytest.mark.parametrize("name", map_names())
def test_each_client_that_a_map_names_is_in_the_table_with_this_map(name: str) -> None:
    for text in load_map(map_names()[name]).clients:
        found = named(text)
        assert found, text
        assert [client.name for client in found if name not in {way.map for way in client.ways}] == [], text


def test_each_client_has_ways_and_a_page_or_a_reason_why_not() -> None:
    for client in CLIENTS:
        assert bool(client.ways) is (not client.why_not), client.name
        assert bool(client.ways) is bool(client.page), client.name
        assert client.page is None or (PAGE.parent / client.page).is_file()


def test_the_table_is_on_the_page() -> None:
    assert f"<!-- clients -->\n\n{clients_table(CLIENTS)}\n<!-- end of clients -->\n" in PAGE.read_text()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["SolarEdge inverter"], ["SolarEdge inverter"]),
        (["smartevse"], ["SmartEVSE"]),
        (["sma"], ["SMA"]),
        (["Victron GX"], ["Victron GX", "Victron GX over RS-485"]),
        (["a", "GX"], ["Victron GX", "Victron GX over RS-485"]),
        (["KLEFR"], ["Webasto Unite"]),
        (["nobody"], []),
    ],
)
def test_a_client_is_found_by_the_words_of_its_names(words: list[str], found: list[str]) -> None:
    assert [client.name for client in find_clients(words, CLIENTS)] == found


def test_fail_safe_says_what_each_client_does_when_the_meter_is_offline() -> None:
    table = (ROOT / "docs" / "fail-safe.md").read_text().partition("## What clients do\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    for client in CLIENTS:
        names = [client.name, *client.also, client.name.removesuffix(" inverter")]
        found = [row for row in rows if any(name in row[0] for name in names)]
        assert found, client.name
        choices = {way.on_stale for way in client.ways}
        assert any(choice in row[-1] for row in found for choice in choices), client.name


def test_the_page_names_the_maps_whose_numbers_have_the_low_word_first() -> None:
    maps = {name: loaded_map(path) for name, path in map_names().items()}
    little = {
        name
        for name, each in maps.items()
        if any(register.word_order == "little" and register.length > 1 for register in each.registers)
    }
    sentence = PAGE.read_text("utf-8").partition("**Word order.**")[2].partition("**Data type.**")[0]
    others = set(re.findall(r"`([\w-]+)`", sentence)) - {"cg-"}
    assert little == others | {name for name in maps if name.startswith("cg-")}
