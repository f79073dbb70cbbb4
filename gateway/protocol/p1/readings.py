"""Telegram → readings: every OBIS line with its value, its unit and, for M-Bus meters, its time.

No line is dropped and none raises: a line that cannot be read becomes a reading without value and a
`LineError`. Values go through dsmr_parser's value parsers, one value group at a time; its parser for
whole telegrams loses lines, and lets exceptions and an hour of time through (see
`docs/decisions/line-by-line.md`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from dsmr_parser.parsers import ValueParser

from gateway.protocol.p1.derived import derive
from gateway.protocol.p1.obis import UNIT_FACTORS, Entry, Kind, Value, entry_of, spelled
from gateway.protocol.p1.telegram import Telegram
from gateway.protocol.p1.timestamp import parse_timestamp

MAX_LINES = 400
"""The longest telegram known, a Lithuanian one, has 93 lines."""


class Reading(NamedTuple):
    """One OBIS line."""

    code: str
    """A-B:C.D.E as on the line, without the `*255` that German meters add."""
    name: str
    value: Value | None
    """As on the line; a count and a clock (unix seconds) are int, octets are text. None when absent."""
    unit: str | None
    time: int | None
    """When the value was taken, in unix seconds, for lines that say so."""
    base_value: Value | None
    """The value in the base unit of its quantity (`obis.UNIT_FACTORS`): kWh becomes Wh, kW becomes W."""
    base_unit: str | None
    text: str
    """The value groups as sent."""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that could not be read."""

    number: int
    """Number of the line, the identification being line 1; empty lines are not counted."""
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything one telegram says."""

    identification: str
    lines: tuple[Reading, ...]
    codes: frozenset[str]
    """The OBIS codes of the lines."""
    values: Mapping[str, Value]
    """Present values by name, in base units; times of timed readings under `<name>_time`. Absent ones are missing."""
    units: Mapping[str, str]
    """Base unit by name, for the values that have one."""
    faults: tuple[LineError, ...]
    time: int | None
    """The meter's own clock in unix seconds."""
    by_line: Mapping[bytes, Reading] = field(repr=False, compare=False, default_factory=dict)


# Some meters end lines in LF CR; a value on a line of its own belongs to the line before it.
_LINE = re.compile(rb"[^\r\n]+(?:[\r\n]+\([^\r\n]*)*")
_SHAPE = re.compile(r"(\d+-\d+:\d+\.\d+\.\d+)(?:\*255)?((?:\([^()]*\)[\r\n]*)+)", re.ASCII)
_GROUP = re.compile(r"\(([^()]*)\)")
# Decimal itself would take NaN, Infinity and 1E9 for numbers.
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,12})?(?:\*([A-Za-z][A-Za-z0-9]{0,7}))?")
_DIGITS = re.compile(r"[0-9]{1,18}")
_PRINTABLE = re.compile(r"[ -~]*")

DIGITS_OF_THOUSANDTHS = 4
"""A power factor of that many digits without a point is in thousandths."""

_PARSE_NUMBER = ValueParser(Decimal).parse
_PARSE_COUNT = ValueParser(int).parse

_Decoded = tuple[Value | None, str | None, int | None]
"""Value and unit as on the line, and the time."""


class _UnreadableError(Exception):
    """A line is not of the shape that its code has; contained in `_read_line`."""


def read_ahead(lines: bytes, previous: Readings | None, ahead: dict[bytes, Reading]) -> None:
    """Read whole lines of a telegram that is still coming in into `ahead`; what a line says depends on it alone."""
    known = previous.by_line if previous else {}
    for raw in _LINE.findall(lines):
        if raw not in known and len(ahead) < MAX_LINES:
            ahead[raw] = _read_line(raw.decode("latin-1"))


def read(
    telegram: Telegram, previous: Readings | None = None, ahead: Mapping[bytes, Reading] = MappingProxyType({})
) -> Readings:
    """Read every line of `telegram`.

    A line that stands unchanged in `previous` is not read again: most lines of a meter that sends every
    second are the same as a second before. Nor is one that has been read into `ahead`.
    """
    known = previous.by_line if previous else {}
    raw_lines = _LINE.findall(telegram.body)
    by_line: dict[bytes, Reading] = {}
    lines: list[Reading] = []
    faults: list[LineError] = []
    for number, raw in enumerate(raw_lines[1:MAX_LINES], start=2):
        reading = known.get(raw) or ahead.get(raw) or _read_line(raw.decode("latin-1"))
        by_line[raw] = reading
        lines.append(reading)
        if reading.fault:
            faults.append(LineError(number, raw.decode("latin-1"), reading.fault))
    if len(raw_lines) > MAX_LINES:
        faults.append(LineError(MAX_LINES + 1, "", f"more than {MAX_LINES} lines"))
    values, units = _by_name(lines, faults)
    identification = raw_lines[0][1:].decode("latin-1").strip() if raw_lines else ""
    if identification:
        values["identification"] = identification
    clock = values.get("clock")
    derive(values, units, {reading.name for reading in lines} - values.keys())
    return Readings(
        identification=identification,
        lines=tuple(lines),
        codes=frozenset(reading.code for reading in lines),
        values=MappingProxyType(values),
        units=MappingProxyType(units),
        faults=tuple(faults),
        time=clock if isinstance(clock, int) else None,
        by_line=by_line,
    )


def _by_name(lines: list[Reading], faults: list[LineError]) -> tuple[dict[str, Value], dict[str, str]]:
    values: dict[str, Value] = {}
    units: dict[str, str] = {}
    contradicted: set[str] = set()
    for number, reading in enumerate(lines, start=2):
        name, value = reading.name, reading.base_value
        if value is None:
            continue
        if name in values and values[name] != value:
            contradicted.add(name)
            faults.append(LineError(number, reading.code + reading.text, f"a second, other value of {name}"))
        values[name] = value
        if reading.base_unit:
            units[name] = reading.base_unit
        if reading.time is not None:
            values[f"{name}_time"] = reading.time
    for name in contradicted:
        del values[name]
        units.pop(name, None)
        values.pop(f"{name}_time", None)
    return values, units


def _read_line(line: str) -> Reading:
    shape = _SHAPE.fullmatch(line)
    if shape is None:
        return Reading(line, line, None, None, None, None, None, "", fault="not an OBIS line")
    code, text = shape[1], shape[2]
    entry = entry_of(code)
    try:
        value, unit, time = _DECODE[entry.kind](_GROUP.findall(text))
        base_value, base_unit = _to_base(entry, value, unit)
        return Reading(code, entry.name, value, unit, time, base_value, base_unit, text)
    except _UnreadableError as error:
        return Reading(code, entry.name, None, None, None, None, None, text, fault=str(error))


def _to_base(entry: Entry, value: Value | None, unit: str | None) -> tuple[Value | None, str | None]:
    if entry.kind is Kind.FACTOR and isinstance(value, Decimal) and abs(value) > 1:
        return None, None  # Hungarian meters have been seen to send 4.556, which is no power factor
    if unit is None:
        if entry.unit and value is not None:
            raise _UnreadableError(f"no unit, where {entry.unit} was expected")
        return value, None
    known = spelled(unit)
    if known is None or not isinstance(value, Decimal):
        raise _UnreadableError(f"unit {unit!r} is not known")
    base, factor = UNIT_FACTORS[known]
    if entry.unit not in (None, base):
        raise _UnreadableError(f"unit {unit!r}, where {entry.unit} was expected")
    return (value if factor == 1 else value * factor), base


def _decode_number(groups: list[str]) -> _Decoded:
    text = _only(groups)
    if not text:
        return None, None, None
    if not _NUMBER.fullmatch(text):
        raise _UnreadableError(f"{text!r} is no number")
    parsed = _PARSE_NUMBER(text)
    return parsed["value"], parsed["unit"], None


def _decode_factor(groups: list[str]) -> _Decoded:
    value, unit, time = _decode_number(groups)
    if isinstance(value, Decimal) and len(groups[0].lstrip("-")) >= DIGITS_OF_THOUSANDTHS and "." not in groups[0]:
        value = value.scaleb(-3)
    return value, unit, time


def _decode_count(groups: list[str]) -> _Decoded:
    text = _only(groups)
    if not text:
        return None, None, None
    if not _DIGITS.fullmatch(text):
        raise _UnreadableError(f"{text!r} is no whole number")
    return _PARSE_COUNT(text)["value"], None, None


def _decode_text(groups: list[str]) -> _Decoded:
    return _only(groups) or None, None, None


def _decode_octets(groups: list[str]) -> _Decoded:
    text = _only(groups)
    try:
        octets = bytes.fromhex(text).decode("latin-1").rstrip("\0")
    except ValueError:
        octets = ""  # some meters send the text itself
    return (octets if octets and _PRINTABLE.fullmatch(octets) else text) or None, None, None


def _decode_clock(groups: list[str]) -> _Decoded:
    text = _only(groups)
    return parse_timestamp(text), None, None


def _decode_timed(groups: list[str]) -> _Decoded:
    if len(groups) != 2:
        raise _UnreadableError(f"{len(groups)} value groups, where a time and a value were expected")
    stamp, number = groups if "*" not in groups[0] else reversed(groups)
    value, unit, _ = _decode_number([number])
    time = parse_timestamp(stamp)
    if unit is None or (time is None and not value):
        return None, None, None  # a meter that is not there is sent as zero at no time
    return value, unit, time


def _decode_hourly(groups: list[str]) -> _Decoded:
    if len(groups) != 7:
        raise _UnreadableError(f"{len(groups)} value groups, where seven were expected")
    stamp, _status, _period, _count, _code, unit, number = groups
    return _decode_timed([stamp, f"{number}*{unit}"]) if number else (None, None, None)


def _decode_other(groups: list[str]) -> _Decoded:
    if len(groups) == 1 and "*" in groups[0] and _NUMBER.fullmatch(groups[0]):
        return _decode_number(groups)
    return "".join(f"({group})" for group in groups) if any(groups) else None, None, None


def _only(groups: list[str]) -> str:
    if len(groups) != 1:
        raise _UnreadableError(f"{len(groups)} value groups, where one was expected")
    return groups[0]


_DECODE = {
    Kind.NUMBER: _decode_number,
    Kind.FACTOR: _decode_factor,
    Kind.COUNT: _decode_count,
    Kind.TEXT: _decode_text,
    Kind.OCTETS: _decode_octets,
    Kind.CLOCK: _decode_clock,
    Kind.TIMED: _decode_timed,
    Kind.HOURLY: _decode_hourly,
    Kind.OTHER: _decode_other,
}
