"""The columns of `meters_file:`, which follow from the keys of meters, units and Modbus servers.

A key inside another one has a column with a dot, such as `decryption.key_file`. The cell of a spreadsheet has no type:
it becomes the value that the key takes, and what spreadsheets make of numbers and truth values is read as it was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from gateway.config.meter import MeterKeys
from gateway.config.modbus import ServerKeys, UnitKeys
from gateway.files.table import Cell
from gateway.files.validation import suggest
from gateway.problems.quoting import cut

NAME, METER, UNIT, LISTEN = "name", "meter", "unit", "listen"
"""Columns that say which meter, which unit id and which listener a row is about."""
_SETTINGS = "settings."
_LIST = re.compile(r"[\s,;|]+")
_WHOLE = re.compile(r"([0-9]+)(?:[.,]0+)?")
"""A whole number, as spreadsheets write it in a column with numbers."""
_FRACTION = re.compile(r"-?[0-9]+[.,][0-9]+")
_SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]+")
_SWITCHES = {"waar": "true", "wahr": "true", "onwaar": "false", "falsch": "false"}
"""Truth values of a Dutch and of a German spreadsheet; pydantic knows the English ones."""


class Part(Enum):
    """The part of the configuration that a column is a key of."""

    METER = "meters"
    UNIT = "units"
    SERVER = "modbus"


class Kind(Enum):
    """The kind of value that a column has."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    LIST = "list"


class Column(NamedTuple):
    """A key that a column gives."""

    part: Part
    path: tuple[str, ...]
    kind: Kind


@cache
def known_columns() -> Mapping[str, Column]:
    """Return the columns by name, besides those that say what a row is about and those of a map's settings."""
    models = ((Part.METER, MeterKeys), (Part.UNIT, UnitKeys), (Part.SERVER, ServerKeys))
    columns: dict[str, Column] = {}
    for part, model in models:
        for path, kind in _keys(model):
            # A unit has stale_after too; the one of the meter holds for its units.
            columns.setdefault(".".join(path), Column(part, path, kind))
    del columns[_SETTINGS.rstrip(".")]
    return columns


def column_of(name: str) -> Column | None:
    """Return the column of a name; None if there is none, or if it says what the row is about."""
    if name.startswith(_SETTINGS) and name != _SETTINGS:
        return Column(Part.UNIT, ("settings", name.removeprefix(_SETTINGS)), Kind.NUMBER)
    return known_columns().get(name)


def nearest(name: str) -> str:
    """Return a hint for a name that is no column."""
    known = [NAME, METER, UNIT, LISTEN, *known_columns()]
    keys = [each for each in known if each.endswith(f".{name}")]
    hint = f"Did you mean {keys[0]}?" if keys else suggest(name, known)
    return hint or f"A column of your own begins with #: # {cut(name)}"


def value_of(cell: Cell, kind: Kind) -> Any:
    """Return the value of a cell; one of another kind stays a text, which the check of the key reports."""
    whole = _WHOLE.fullmatch(cell.text)
    text = whole[1] if whole else cell.text
    match kind:
        case Kind.NUMBER if whole:
            return int(text)
        case Kind.NUMBER if _FRACTION.fullmatch(text):
            return float(text.replace(",", "."))
        case Kind.SWITCH:
            return _SWITCHES.get(text.lower(), text)
        case Kind.LIST:
            return [each for each in _LIST.split(cell.text) if each]
    return text


def is_shortened(text: str) -> bool:
    """Return whether a spreadsheet has written a long number as a power of ten, without its last digits."""
    return _SHORTENED.fullmatch(text) is not None


def _keys(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], Kind]]:
    for name, info in model.model_fields.items():
        types = list(_types(info.annotation))
        inner = next((each for each in types if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if inner:
            yield from (((name, *path), kind) for path, kind in _keys(inner))
        else:
            yield (name,), _kind(types)


def _kind(types: list[Any]) -> Kind:
    if list in types:
        return Kind.LIST
    if any(each in types for each in (str, Path)) or any(isinstance(each, str) for each in types):
        return Kind.TEXT
    return Kind.SWITCH if bool in types else Kind.NUMBER


def _types(annotation: Any) -> Iterator[Any]:
    """Yield the types in an annotation, and the values of a choice."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _types(args[0])
    elif origin is Literal:
        yield from args
    elif origin in (list, dict):
        yield origin
    elif args:
        for each in args:
            yield from _types(each)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield str
    elif annotation is not NoneType:
        yield annotation
