"""The register maps that a configuration names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from gateway.config.modbus import UnitConfig
from gateway.config.root import Config
from gateway.files.validation import suggest
from gateway.files.yaml_file import Document, FileError, Loc
from gateway.maps.constants import UNIT_ID
from gateway.maps.load import UnknownMapError, find_map, load_map
from gateway.problems.problem import Problem, in_order
from gateway.problems.quoting import cut, cut_path
from gateway.protocol.modbus.unit import OnStale
from gateway.protocol.p1.names import NAMES
from gateway.protocol.p1.variants import VARIANTS, Variant
from gateway.protocol.registers.register_map import RegisterMap

Maps = Mapping[str, RegisterMap]
"""Register maps by the name that the configuration gives them, and by `_key` those of units with other settings."""

MAX_MAPS = 50
"""Largest number of different register maps in a configuration."""


def load_maps(config: Config, folder: Path) -> Maps:
    """Return the register maps of a configuration; paths begin at `folder`.

    Raises:
        FileError: maps are missing or have problems; it carries all of them.

    """
    maps, problems = read_maps(Document(""), config, folder)
    if problems:
        raise FileError(problems)
    return maps


def map_of(maps: Maps, unit_id: int, unit: UnitConfig) -> RegisterMap:
    """Return the register map of a unit, with the unit's settings."""
    return maps.get(_key(unit_id, unit)) or maps[unit.map]


def _key(unit_id: int, unit: UnitConfig) -> str:
    """Return the name of a map that is compiled for one unit."""
    settings = [f"{name} {number}" for name, number in sorted(unit.settings.items())]
    return ", ".join([f"{unit.map} on unit {unit_id}", *settings])


def read_maps(document: Document, config: Config, folder: Path) -> tuple[Maps, list[Problem]]:
    """Return the register maps that can be used, and the problems of all: of their names, and in their files."""
    maps: dict[str, RegisterMap] = {}
    tried: set[str] = set()
    problems: list[Problem] = []
    for index, server in enumerate(config.modbus):
        for unit_id, unit in server.units.items():
            loc = ("modbus", index, "units", str(unit_id))
            tried.add(unit.map)
            if len(tried) > MAX_MAPS:
                what = f"more than {MAX_MAPS} register maps"
                problems.append(document.problem((*loc, "map"), "too-many-maps", what, "Use fewer different maps"))
                return maps, in_order(problems)
            if unit.map not in maps:
                try:
                    maps[unit.map] = load_map(find_map(unit.map, folder))
                except UnknownMapError as error:
                    problems.append(error.problem.at(document.place((*loc, "map"))))
                except FileError as error:
                    problems += error.problems
            if unit.map in maps:
                problems += _check_unit(unit, maps[unit.map], document, loc)
                problems += _load_for_unit(maps, unit_id, unit, folder)
    return maps, in_order(problems)


def _check_unit(unit: UnitConfig, register_map: RegisterMap, document: Document, loc: Loc) -> list[Problem]:
    """Return the problems of a unit with its map."""
    problems = []
    if register_map.requires and unit.on_stale is OnStale.ABSENT:
        what = f"clients of {cut_path(unit.map)} would read the codes for absent values as numbers"
        hint = "Write exception or silent"
        problems.append(document.problem((*loc, "on_stale"), "absent-codes-unknown-to-clients", what, hint))
    known = [name for name in register_map.settings if name != UNIT_ID]
    for name in unit.settings:
        if name not in known:
            hint = suggest(name, known) or (f"It has: {', '.join(known)}" if known else "It has none")
            what = f"{cut_path(unit.map)} has no setting {cut(name)}"
            problems.append(document.problem((*loc, "settings", name), "unknown-setting", what, hint))
    return problems


def _load_for_unit(maps: dict[str, RegisterMap], unit_id: int, unit: UnitConfig, folder: Path) -> list[Problem]:
    """Compile the map of a unit again if the unit has other settings than the map; return its problems."""
    settings = maps[unit.map].settings
    wanted = {name: unit.settings.get(name, number) for name, number in settings.items()}
    if UNIT_ID in wanted:
        wanted[UNIT_ID] = unit_id
    if wanted == settings or _key(unit_id, unit) in maps:
        return []
    try:
        maps[_key(unit_id, unit)] = load_map(find_map(unit.map, folder), wanted)
    except FileError as error:
        return list(error.problems)
    return []


def never_served(config: Config, maps: Maps) -> list[str]:
    """Return a remark for each unit whose map requires readings that the configured version of its meter never has.

    A meter whose version is `auto` gets none: its readings are not known before it sends.
    """
    meters = config.all_meters()
    remarks = []
    for server in config.modbus:
        for unit_id, unit in server.units.items():
            meter = meters[unit.meter or next(iter(meters))]
            variant = VARIANTS.get(meter.dsmr_version)
            if variant is None or unit.test_pattern:
                continue
            lacking = _never_sent(map_of(maps, unit_id, unit), variant)
            if lacking:
                what = "no response" if unit.on_stale is OnStale.SILENT else "exception 0x0B"
                remarks.append(
                    f"unit {unit_id} of {server}: {cut_path(unit.map)} requires {', '.join(lacking)}, and meters of"
                    f" {variant.title} do not send them; clients of this unit get {what} and no values. Choose another"
                    " map for the client (dsmr-gateway clients)"
                )
    return remarks


def _never_sent(register_map: RegisterMap, variant: Variant) -> list[str]:
    """Return the required readings that the variant never has, if neither one nor three phases satisfy the map."""
    three = {name: Decimal(1) for name in NAMES if variant.sends(name)}
    one = {name: value for name, value in three.items() if not name.endswith(("_l2", "_l3"))}
    failing = min(register_map.lacking(three), register_map.lacking(one), key=len)
    names = dict.fromkeys(name for text in failing for name in re.findall(r"[a-z]\w*", text))
    return [name for name in names if name in NAMES and not variant.sends(name)]
