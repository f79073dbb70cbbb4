"""The valid parts of a configuration that has problems, so that the later checks can find the other problems too.

Parts that are not valid are removed from a copy of the data, and the copy is validated again, with defaults in their
place. An entry of `modbus:`, `passthrough:`, `meters:` or `units:` is not removed, so that the other entries keep their
positions and the names of the meters stay known. Such an entry keeps only its units, its map and its meter, because
later checks need them. If it is still not valid, they are removed too.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gateway.config.root import Config
from gateway.files.document import Document, Loc
from gateway.files.validation import loc_in, problems_of
from gateway.problems.problem import Place, Problem

MAX_ROUNDS = 10
"""Largest number of times that parts are taken out: one part can show that another is not valid."""
_NAMED = ("meters", "units")
_LISTED = ("modbus", "passthrough")
_CHECKED_LATER = ("units", "map", "meter")


@dataclass(frozen=True, slots=True)
class SalvagedConfig:
    """The valid parts of a configuration."""

    config: Config
    problems: list[Problem]
    lost: frozenset[Loc]
    """The parts that were taken out."""


def salvage_config(document: Document) -> SalvagedConfig:
    """Return the valid parts of a configuration, and the problems of the others."""
    data = {} if document.data is None else document.data
    problems: list[Problem] | None = None
    lost: set[Loc] = set()
    for _ in range(MAX_ROUNDS):
        try:
            return SalvagedConfig(Config.model_validate(data), problems or [], frozenset(lost))
        except ValidationError as error:
            if problems is None:
                problems = problems_of(document, Config, error)
                data = deepcopy(data)
            if not isinstance(data, dict):
                break
            parts = [(loc_in(data, item["loc"]), item["loc"][-1:] == ("[key]",)) for item in error.errors()]
            for loc, is_key in dict.fromkeys(parts):
                if loc_in(data, loc) == loc:  # it was not taken out with a part around it
                    lost |= _take_out(data, loc, is_key=is_key)
    return SalvagedConfig(Config(), problems or [], frozenset({()}))


def is_lost(place: Place, lost: Iterable[Place]) -> bool:
    """Return whether a place is one of `lost`, or inside one."""
    return any(
        place.file == each.file
        and (place.path == each.path or place.path.startswith((f"{each.path}.", f"{each.path}[")))
        for each in lost
    )


def _take_out(data: Any, loc: Loc, *, is_key: bool) -> set[Loc]:
    """Take the part at `loc` out of `data`, or the smallest part around it that can be; return what was taken out."""
    if not loc:
        data.clear()
        return {()}
    way: list[Any] = [data]
    for part in loc[:-1]:
        way.append(_get(way[-1], part))
    for depth in range(len(loc), 0, -1):
        container, part = way[depth - 1], loc[depth - 1]
        is_entry = isinstance(container, list) and depth == 2 and loc[0] in _LISTED
        is_entry = is_entry or (isinstance(container, dict) and depth > 1 and loc[depth - 2] in _NAMED and not is_key)
        if is_entry and _get(container, part) != {}:
            return _strip(container, part, loc[:depth])
        if isinstance(container, dict):
            container.pop(_key(container, part), None)
            return {loc[:depth]}
    return {()}


def _strip(container: Any, part: str | int, loc: Loc) -> set[Loc]:
    """Take all out of the entry at `loc`, at first without what is checked later; return what was taken out."""
    entry = _get(container, part)
    kept = {key: entry[key] for key in _CHECKED_LATER if key in entry} if isinstance(entry, dict) else {}
    if kept in ({}, entry):
        _set(container, part, {})
        return {loc}
    _set(container, part, kept)
    return {(*loc, str(key)) for key in entry if key not in kept}


def _key(container: dict[Any, Any], part: str | int) -> Any:
    return part if part in container else next((key for key in container if str(key) == str(part)), part)


def _get(container: Any, part: str | int) -> Any:
    return container[_key(container, part)] if isinstance(container, dict) else container[part]


def _set(container: Any, part: str | int, value: Any) -> None:
    container[_key(container, part) if isinstance(container, dict) else part] = value
