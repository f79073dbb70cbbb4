"""Every map that comes with the gateway with every telegram at hand, decoded again by a decoder of its own."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.maps.load import PARTS as PARTS_FOLDER
from gateway.maps.load import load_map, map_names
from gateway.protocol.modbus.pdu import MAX_READ_REGISTERS
from tests.conftest import OWN_TELEGRAMS, SHARED_TELEGRAMS, needs_shared_telegrams, shared_manifest
from tests.maps.decoder import PARTS, Layout, compare, is_refused, map_files, read_layout
from tests.maps.serving import Server, readings_in

MAPS = map_files()
OWN = sorted(path for path in OWN_TELEGRAMS.glob("*.txt") if readings_in(path.read_bytes()))
MOST_PER_FILE = 3
"""Telegrams of a recording; those that follow are from the same meter."""
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, DEVICE_FAILURE = 1, 2, 4

each_map = pytest.mark.parametrize("path", MAPS, ids=lambda path: path.stem)


@cache
def layout_of(path: Path) -> Layout:
    return read_layout(path)


def mismatches(path: Path, values: Mapping[str, Any]) -> list[str]:
    """What a client reads that is not what the map says of the telegram's readings."""
    layout, server = layout_of(path), Server(path)
    server.show(values)
    is_shown = layout.is_shown(values)
    status = layout.status_addresses()
    found = []
    for entry in layout.entries:
        if entry.address in status:
            continue
        function = entry.function_code or layout.function_codes[0]
        if not is_shown:
            answer = server.ask(struct.pack(">BHH", function, entry.address, entry.length))
            if answer != bytes((function | 0x80, 0x0B)):
                found.append(f"{entry.name}: {answer.hex()}, though the telegram lacks what the map requires")
            continue
        if is_refused(entry, values):
            answer = server.ask(struct.pack(">BHH", function, entry.address, entry.length))
            if answer != bytes((function | 0x80, DEVICE_FAILURE)):
                found.append(f"{entry.name}: {answer.hex()}, though the telegram lacks it")
            continue
        fault = compare(entry, server.registers(entry, function), values)
        if fault:
            found.append(f"{entry.name} at {entry.address}: {fault}")
    return found


@pytest.mark.parametrize("telegram", OWN, ids=lambda path: path.stem)
@each_map
def test_every_register_shows_the_reading_or_its_code_for_absent(path: Path, telegram: Path) -> None:
    for readings in readings_in(telegram.read_bytes()):
        assert mismatches(path, readings.values) == []


@needs_shared_telegrams
@each_map
def test_every_register_shows_what_third_party_telegrams_say(path: Path) -> None:
    shown = 0
    for row in shared_manifest():
        for readings in readings_in((SHARED_TELEGRAMS / row["file"]).read_bytes(), MOST_PER_FILE):
            assert mismatches(path, readings.values) == [], row["file"]
            shown += layout_of(path).is_shown(readings.values)
    assert shown, "no telegram fits"


@cache
def fullest() -> list[Mapping[str, Any]]:
    """Return the readings of one telegram of each of our files, the most of them first."""
    return sorted((readings_in(telegram.read_bytes())[0].values for telegram in OWN), key=len, reverse=True)


def addresses(layout: Layout, function: int) -> set[int]:
    """Return the addresses that a function code reads."""
    blocks = [block for block in layout.settings.get("blocks") or [] if function in layout.function_codes_of(block)]
    entries = [entry for entry in layout.entries if entry.function_code in (None, function)]
    ranges = [range(block["address"], block["address"] + block["length"]) for block in blocks]
    return {address for each in [*ranges, *(entry.addresses for entry in entries)] for address in each}


EXTREMES = {
    "all at the greatest that a line holds": lambda unit: 999_999_999_999,
    "all negative": lambda unit: -999_999_999_999,
    "nothing flows": lambda unit: 0,
    "halves": lambda unit: "0.5",
}


@pytest.mark.parametrize("number", EXTREMES.values(), ids=EXTREMES.keys())
@each_map
def test_numbers_out_of_range_are_absent_and_never_wrapped(path: Path, number: Any) -> None:
    names = {name for entry in layout_of(path).entries for name in re.findall(r"[a-z]\w+", entry.value or "")}
    numbers = {name: Decimal(number(name)) for name in names}
    numbers |= {f"power_net{suffix}": Decimal(number("")) for suffix in ("", "_l1", "_l2", "_l3")}
    texts = {name: "A" * 300 for entry in layout_of(path).entries for name in re.findall(r"{(\w+)", entry.value or "")}
    assert mismatches(path, numbers | texts) == []


@each_map
def test_a_declared_block_can_be_read_from_any_address_in_one_piece(path: Path) -> None:
    layout, server = layout_of(path), Server(path)
    values = next(values for values in fullest() if layout.is_shown(values))
    server.show(values)
    status = layout.status_addresses()
    refused = {
        a
        for each in layout.entries
        if is_refused(each, values)
        for a in range(each.address, each.address + each.length)
    }
    for block in layout.settings.get("blocks") or []:
        first, end = block["address"], block["address"] + block["length"]
        if first in status:
            continue
        for function in layout.function_codes_of(block):
            for start in range(first, end):
                count = min(MAX_READ_REGISTERS, end - start)
                if not refused.isdisjoint(range(start, start + count)):
                    request = struct.pack(">BHH", function, start, count)
                    assert server.ask(request) == bytes((function | 0x80, DEVICE_FAILURE))
                    continue
                assert len(server.words(function, start, count)) == count
            if end <= 0xFFFF and end not in addresses(layout, function):
                request = struct.pack(">BHH", function, end - 1, 2)
                assert server.ask(request) == bytes((function | 0x80, ILLEGAL_ADDRESS))


@each_map
def test_a_read_of_what_is_not_there_is_refused_at_once(path: Path) -> None:
    layout, server = layout_of(path), Server(path)
    if layout.settings.get("gaps", "exception") != "exception":
        return
    for function in layout.function_codes:
        there = addresses(layout, function)
        asked = [address for address in (0, 0x000B, 0x8960, 40000, 50000, 65535) if address not in there]
        assert asked
        assert {server.ask(struct.pack(">BHH", function, address, 1)) for address in asked} == {
            bytes((function | 0x80, ILLEGAL_ADDRESS))
        }
    for function in {3, 4}.difference(layout.function_codes):
        assert server.ask(struct.pack(">BHH", function, 0, 1)) == bytes((function | 0x80, ILLEGAL_FUNCTION))


@each_map
def test_a_map_says_what_it_is_where_it_comes_from_and_which_schema_checks_it(path: Path) -> None:
    settings = layout_of(path).settings
    assert settings.get("title")
    assert settings.get("source")
    assert settings.get("description")
    assert path.read_text().startswith("# yaml-language-server: $schema=../map.schema.json\n")
    if path.parent.name == "emulation":
        assert settings.get("clients")
        assert settings.get("unit_id") is not None
        assert "://" in settings["source"]


@each_map
def test_the_loader_sees_the_registers_that_the_decoder_sees(path: Path) -> None:
    loaded, layout = load_map(path), layout_of(path)
    seen = [(entry.address, entry.length, entry.name, entry.type) for entry in layout.entries]
    assert [(r.address, r.length, r.name, r.type_name) for r in loaded.registers] == seen
    assert loaded.unit_id == layout.settings.get("unit_id")
    assert loaded.accept_writes == frozenset(layout.settings.get("accept_writes") or [])


def test_every_map_is_found_by_its_name_and_every_fragment_is_used() -> None:
    assert {path.stem for path in MAPS} == set(map_names())
    assert PARTS.name == PARTS_FOLDER
    texts = [path.read_text() for path in [*MAPS, *PARTS.glob("*.yaml")]]
    included = {
        name for text in texts for name in re.findall(r"[\w-]+", " ".join(re.findall(r"include: \[(.*)\]", text)))
    }
    assert {path.stem for path in PARTS.glob("*.yaml")} <= included


@pytest.mark.parametrize("gone", [("_l2", "_l3"), ("_l1", "_l2", "_l3")], ids=" ".join)
@each_map
def test_no_map_shows_phases_that_vanish_from_a_telegram_as_idle(path: Path, gone: tuple[str, ...]) -> None:
    register_map = load_map(path)
    whole = readings_in((OWN_TELEGRAMS / "v50_sagemcom-t210d.txt").read_bytes())[0].values
    rest = {name: value for name, value in whole.items() if not name.endswith(gone)}
    invented = [
        register.name
        for register in register_map.registers
        if re.search(r"_l[23]$", register.name) and register.evaluate(rest) is not None and register.uses
    ]
    if invented and not register_map.lacking(rest):
        assert register_map.vanished(rest, whole)
    assert not register_map.vanished(whole, rest)


@pytest.mark.parametrize("name", ["sunspec-203", "sunspec-213"])
def test_a_current_that_was_sent_before_is_never_not_implemented(name: str) -> None:
    register_map = load_map(map_names()[name])
    whole = readings_in((OWN_TELEGRAMS / "v50_sagemcom-t210d.txt").read_bytes())[0].values
    for gone in ("current_signed_l2", "power_net_l3"):
        rest = {key: value for key, value in whole.items() if key != gone}
        assert register_map.vanished(rest, whole) == [gone]
        assert not register_map.vanished(rest, rest)
