"""The register maps that a configuration names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from gateway.config.modbus import UnitConfig
from gateway.config.root import Config
from gateway.files.document import Document, FileError, Loc
from gateway.files.validation import suggest
from gateway.maps.constants import UNIT_ID
from gateway.maps.load import MapSource, UnknownMapError, find_map
from gateway.problems.listing import numbered
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
    reading = _Reading(document, folder)
    for index, server in enumerate(config.modbus):
        for unit_id, unit in server.units.items():
            loc = ("modbus", index, "units", str(unit_id))
            if not reading.read(unit.map, loc):
                what = f"more than {MAX_MAPS} register maps"
                problem = document.problem((*loc, "map"), "too-many-maps", what, "Use fewer different maps")
                return reading.maps, in_order([*reading.problems, problem])
            reading.add_unit(unit_id, unit, loc)
    return reading.maps, in_order(reading.problems)


class _Reading:
    """The maps of a configuration, each of which is read once, however many units have it."""

    def __init__(self, document: Document, folder: Path) -> None:
        self._document, self._folder = document, folder
        self._sources: dict[str, MapSource | Problem | None] = {}
        """A source, the problem of a name without a map, or None for a map with problems of its own."""
        self.maps: dict[str, RegisterMap] = {}
        self.problems: list[Problem] = []

    def read(self, name: str, loc: Loc) -> bool:
        """Read the map of the unit at `loc`, unless it is read already; return False for one too many."""
        if name not in self._sources:
            if len(self._sources) == MAX_MAPS:
                return False
            self._sources[name] = self._source(name)
        source = self._sources[name]
        if isinstance(source, Problem):
            self.problems.append(source.at(self._document.place((*loc, "map"))))
        return True

    def _source(self, name: str) -> MapSource | Problem | None:
        try:
            source = MapSource(find_map(name, self._folder))
            self.maps[name] = source.compile()
        except UnknownMapError as error:
            return error.problem
        except FileError as error:
            self.problems += error.problems
            return None
        return source

    def add_unit(self, unit_id: int, unit: UnitConfig, loc: Loc) -> None:
        """Check a unit with its map, and compile the map again if the unit has other settings than the map."""
        source = self._sources[unit.map]
        if not isinstance(source, MapSource):
            return
        self.problems += _check_unit(unit, self.maps[unit.map], self._document, loc)
        settings = self.maps[unit.map].settings
        wanted = {name: unit.settings.get(name, number) for name, number in settings.items()}
        if UNIT_ID in wanted:
            wanted[UNIT_ID] = unit_id
        key = _key(unit_id, unit)
        if wanted == settings or key in self.maps:
            return
        try:
            self.maps[key] = source.compile(wanted)
        except FileError as error:
            self.problems += error.problems


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


def never_served(config: Config, maps: Maps) -> list[str]:
    """Return a remark for each map that requires readings that the configured version of its meters never has.

    A meter whose version is `auto` gets none: its readings are not known before it sends.
    """
    meters = config.all_meters()
    lacking: dict[tuple[str, str], list[str]] = {}
    units: dict[tuple[str, str, bool], list[int]] = {}
    for server in config.modbus:
        for unit_id, unit in server.units.items():
            meter = meters[unit.meter or next(iter(meters))]
            variant = VARIANTS.get(meter.dsmr_version)
            if variant is None or unit.test_pattern:
                continue
            pair = unit.map, meter.dsmr_version
            if pair not in lacking:  # no setting changes what a map requires
                lacking[pair] = _never_sent(maps[unit.map], variant)
            if lacking[pair]:
                what = f"{cut_path(unit.map)} requires {', '.join(lacking[pair])}, and meters of {variant.title}"
                units.setdefault((str(server), what, unit.on_stale is OnStale.SILENT), []).append(unit_id)
    return [
        f"{numbered('unit', ids)} of {where}: {what} do not send them; clients of"
        f" {'this unit get' if len(ids) == 1 else 'these units get'} {'no response' if is_silent else 'exception 0x0B'}"
        " and no values. Choose another map for the client (dsmr-gateway clients)"
        for (where, what, is_silent), ids in units.items()
    ]


def _never_sent(register_map: RegisterMap, variant: Variant) -> list[str]:
    """Return the required readings that the variant never has, if neither one nor three phases satisfy the map."""
    three = {name: Decimal(1) for name in NAMES if variant.sends(name)}
    one = {name: value for name, value in three.items() if not name.endswith(("_l2", "_l3"))}
    failing = min(register_map.lacking(three), register_map.lacking(one), key=len)
    names = dict.fromkeys(name for text in failing for name in re.findall(r"[a-z]\w*", text))
    return [name for name in names if name in NAMES and not variant.sends(name)]
