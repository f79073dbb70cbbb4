"""A register map as a table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.maps.load import load_map, map_names
from gateway.maps.table import ABSENT, index, page
from gateway.protocol.registers.register import manual_number
from tests.conftest import OWN_TELEGRAMS, ROOT

PAGES = ROOT / "docs" / "registers"
MAP = """\
title: Of all sorts
source: tests
word_order: little
registers:
  - {address: 0, name: power, type: int32, value: power_net, unit: kW, scale: 0.001, description: "in | out"}
  - {address: 2, name: volts, type: uint16, value: voltage_l1, unit: V, scale: 0.1, offset: 5}
  - {address: 3, name: volts_float, type: float32, value: voltage_l1, unit: V}
  - {address: 10, name: bits, type: bitfield, bits: {0: power_import, 3: voltage_l1}}
  - {address: 14, name: bits_off, type: bitfield, bits: {0: power_export}}
  - {address: 11, name: nothing, type: uint16, value: frequency, unit: Hz}
  - {address: 12, name: reversed, type: int32, value: 0 - power_net, unit: W, word_order: big, byte_order: little}
  - {address: 20, name: kind, type: string, length: 4, value: "P1"}
"""
TELEGRAM = OWN_TELEGRAMS / "v50_sagemcom-t210d.txt"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def own_map(tmp_path: Path) -> str:
    (tmp_path / "own.yaml").write_text(MAP)
    return str(tmp_path / "own.yaml")


def test_the_values_of_a_telegram_stand_beside_the_registers(own_map: str) -> None:
    table = json.loads(run("map", own_map, "--telegram", str(TELEGRAM), "--format", "json").stdout)
    assert {row["name"]: (row["now"], row["hex"]) for row in table} == {
        "power": ("2.486 kW", "09b6 0000"),
        "volts": ("228.7 V", "08f4"),
        "volts_float": ("228.7 V", "b333 4364"),
        "bits": ("9", "0009"),
        "bits_off": ("0", "0000"),
        "nothing": (ABSENT, "ffff"),
        "reversed": ("-2486 W", "ffff 4af6"),
        "kind": ("P1", "5031 0000 0000 0000"),
    }
    numbers = ["40001", "40003", "40004", "40011", "40012", "40013", "40015", "40021"]
    assert [row["register"] for row in table] == numbers
    assert table[0]["unit"] == "0.001 kW"
    assert table[5]["order"] == "high word first, bytes swapped"


@pytest.mark.parametrize(("address", "number"), [(0, 40001), (9998, 49999), (9999, 410000), (65535, 465536)])
def test_addresses_have_a_number_in_old_manuals(address: int, number: int) -> None:
    assert manual_number(address) == number


def test_each_form_tells_the_same(own_map: str) -> None:
    rows = json.loads(run("map", own_map, "--format", "json").stdout)
    assert list(csv.DictReader(io.StringIO(run("map", own_map, "--format", "csv").stdout))) == rows
    text = run("map", own_map).stdout
    markdown = run("map", own_map, "--format", "markdown").stdout
    assert text.startswith("own: Of all sorts. Function codes 03 and 04.")
    for row in rows:
        assert f"{row['address']:<7}  {row['register']}" in text
        assert f"| {row['address']} | {row['register']} | {row['name']} | {row['type']} |" in markdown
    assert r"in \| out" in markdown
    assert len({line.count(" | ") for line in markdown.splitlines() if line.startswith("|")}) == 1


def test_maps_are_listed_by_name() -> None:
    listed = json.loads(run("maps", "--json").stdout)
    assert [entry["name"] for entry in listed] == sorted(map_names())
    text = run("maps").stdout
    for entry in listed:
        assert f"{entry['name']} " in text
        assert entry["title"] in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dsrm"], "Did you mean dsmr?"),
        (
            ["nowhere.yaml"],
            f"{Path('nowhere.yaml').absolute()}. Relative paths begin at the working directory",
        ),
        (
            ["dsmr", "--telegram", str(OWN_TELEGRAMS / "bad_checksum.txt")],
            "checksum (the meter sent E9A7, its bytes give E8A7)",
        ),
        (["dsmr", "--telegram", str(OWN_TELEGRAMS / "README.md")], "has no telegram"),
    ],
)
def test_what_cannot_be_shown_is_reported(arguments: list[str], told: str) -> None:
    result = run("map", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("name", map_names())
def test_the_page_of_a_map_is_that_of_the_map(name: str) -> None:
    file = PAGES / f"{name}.md"
    assert file.is_file(), "make pages writes it"
    assert file.read_text() == page(load_map(map_names()[name])), "make pages writes it anew"


def test_there_is_no_page_without_a_map() -> None:
    assert {file.stem for file in PAGES.glob("*.md")} == {*map_names(), "README"}


def test_the_list_of_maps_is_that_of_the_maps() -> None:
    found = [load_map(path) for _, path in sorted(map_names().items())]
    assert (PAGES / "README.md").read_text() == index(found), "make pages writes it anew"
