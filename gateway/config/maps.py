"""The register maps that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.config.root import Config
from gateway.files.yaml_file import Document, FileError
from gateway.maps.load import UnknownMapError, find_map, load_map
from gateway.problems.problem import Problem, in_order
from gateway.problems.quoting import cut_path
from gateway.protocol.modbus.unit import OnStale
from gateway.protocol.registers.register_map import RegisterMap

Maps = Mapping[str, RegisterMap]
"""Register maps by the name that the configuration gives them."""

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
            if unit.map in maps and maps[unit.map].requires and unit.on_stale is OnStale.ABSENT:
                what = f"clients of {cut_path(unit.map)} would read the codes for absent values as numbers"
                hint = "Write exception or silent"
                problems.append(document.problem((*loc, "on_stale"), "absent-codes-unknown-to-clients", what, hint))
    return maps, in_order(problems)
