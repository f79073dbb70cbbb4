"""Telegram → readings: every OBIS line with its value, its unit and, for M-Bus meters, its time.

Each line is decoded on its own, by the kind of value that its OBIS code has. No line is dropped and none raises: a
line that cannot be read becomes a reading without a value, and a `LineError`. Values are parsed by dsmr_parser, one
value group at a time. Its parser for whole telegrams is not used: it drops lines, raises on some, and gets some times
wrong by an hour (see `docs/decisions/line-by-line.md`).

A line has the same meaning in every telegram. So a line that did not change since the last telegram is not decoded
again, and lines can be decoded before the telegram is complete (`read_ahead`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import IntFlag
from types import MappingProxyType
from typing import Any, NamedTuple

from dsmr_parser.parsers import ValueParser

from gateway.protocol.p1.derived import derive
from gateway.protocol.p1.obis import UNIT_FACTORS, Entry, Kind, Value, canonical_unit, entry_of
from gateway.protocol.p1.obis_line import DATA_LINE, LINE, STAMP, UNIT, VALUE_GROUP, parse_timestamp
from gateway.protocol.p1.telegram import Telegram

MAX_LINES = 400
"""Largest number of lines that are read; the longest known telegram, a Lithuanian one, has 93."""


class Reading(NamedTuple):
    """One OBIS line."""

    code: str
    """OBIS code A-B:C.D.E as on the line, without the `*255` that German meters add."""
    name: str
    value: Value | None
    """Value as on the line: a count or a clock (unix seconds) is an int, octets are a text. None when absent."""
    unit: str | None
    time: int | None
    """Time of the measurement in unix seconds, for lines that have a time stamp."""
    base_value: Value | None
    """Value in the base unit of its quantity (`obis.UNIT_FACTORS`): kWh becomes Wh, kW becomes W."""
    base_unit: str | None
    text: str
    """Value groups as sent."""
    error: str | None = None
    """Reason why the line could not be read, or None."""


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that could not be read."""

    number: int
    """Number of the line, counted from the identification as line 1, without empty lines."""
    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that one telegram contains."""

    identification: str
    lines: tuple[Reading, ...]
    codes: frozenset[str]
    """OBIS codes of the lines."""
    values: Mapping[str, Value]
    """Values by name, in base units, without the absent ones; the time of a timed reading is `<name>_time`."""
    units: Mapping[str, str]
    """Base unit by name, for the values that have one."""
    errors: tuple[LineError, ...]
    """Lines that could not be read."""
    time: int | None
    """Time of the meter's own clock, in unix seconds."""
    media: Mapping[str, int | None] = field(compare=False, default_factory=dict)
    """Medium → its M-Bus channel, None for none of them, where the movement of their stamps decides it."""
    by_line: Mapping[bytes, Reading] = field(repr=False, compare=False, default_factory=dict)
    """Readings by their lines as sent, so that the next telegram decodes only the lines that changed."""


# Decimal accepts NaN, Infinity and 1E9, which are not numbers of a telegram.
_NUMBER = re.compile(rf"(-?[0-9]{{1,18}}(?:\.[0-9]{{1,12}})?)(?:\*?({UNIT}))?")
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,12})?")
_STAMP = re.compile(STAMP)
_STATUS = re.compile(r"[0-9A-Fa-f]{2,8}")
_DIGITS = re.compile(r"[0-9]{1,18}")
_PRINTABLE = re.compile(r"[ -~]*")

DIGITS_OF_THOUSANDTHS = 4
"""Least number of digits of a power factor without a decimal point that is in thousandths."""

_PARSE_NUMBER = ValueParser(Decimal).parse
_PARSE_COUNT = ValueParser(int).parse

_Decoded = tuple[Value | None, str | None, int | None]
"""Value and unit as on the line, and the time of the value."""


class HourlyStatus(IntFlag):
    """Status of an hourly value of DSMR 2.2 and 3, in hexadecimal on the line.

    It is the profile status of the meter's load profile. IDIS and the Dutch companion standards define the same bits;
    the other bits do not concern the value: 3 summer time, 5 clock adjusted, 6 recovered value, 7 power down.
    """

    CRITICAL_ERROR = 1
    CLOCK_INVALID = 2
    """The time of the value is not known."""
    DATA_NOT_VALID = 4
    """The value must not be used without further validation."""


class _UnreadableError(Exception):
    """The value groups of a line do not fit its code; caught by `_read_line`."""


def read_ahead(lines: bytes, previous: Readings | None, ahead: dict[bytes, Reading]) -> None:
    """Decode complete lines of a telegram that has not ended yet, and add their readings to `ahead`, by line as sent.

    Lines that are the same as in `previous` are skipped.
    """
    known = previous.by_line if previous else {}
    for raw in LINE.findall(lines):
        if raw not in known and len(ahead) < MAX_LINES:
            ahead[raw] = _read_line(raw.decode("latin-1"))


def read(
    telegram: Telegram, previous: Readings | None = None, ahead: Mapping[bytes, Reading] = MappingProxyType({})
) -> Readings:
    """Read every line of `telegram`.

    Args:
        telegram: the telegram.
        previous: the readings of the telegram before. Lines that did not change are not decoded again; that is most
            lines of a meter that sends each second.
        ahead: the readings of lines that `read_ahead` decoded already, by line as sent.

    """
    known = previous.by_line if previous else {}
    raw_lines = LINE.findall(telegram.body)
    by_line: dict[bytes, Reading] = {}
    lines: list[Reading] = []
    errors: list[LineError] = []
    for number, raw in enumerate(raw_lines[1:MAX_LINES], start=2):
        reading = known.get(raw) or ahead.get(raw) or _read_line(raw.decode("latin-1"))
        by_line[raw] = reading
        lines.append(reading)
        if reading.error:
            errors.append(LineError(number, raw.decode("latin-1"), reading.error))
    if len(raw_lines) > MAX_LINES:
        errors.append(LineError(MAX_LINES + 1, "", f"more than {MAX_LINES} lines"))
    values, units = _by_name(lines, errors)
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
        errors=tuple(errors),
        time=clock if isinstance(clock, int) else None,
        by_line=by_line,
    )


def with_values(readings: Readings, values: Mapping[str, Value], units: Mapping[str, str], **others: Any) -> Readings:
    """Return the readings with other values and units, and other fields that are given by name."""
    return replace(readings, values=MappingProxyType(values), units=MappingProxyType(units), **others)


def _by_name(lines: list[Reading], errors: list[LineError]) -> tuple[dict[str, Value], dict[str, str]]:
    values: dict[str, Value] = {}
    units: dict[str, str] = {}
    contradicted: set[str] = set()
    for number, reading in enumerate(lines, start=2):
        name, value = reading.name, reading.base_value
        if value is None:
            continue
        if name in values and values[name] != value:
            contradicted.add(name)
            errors.append(LineError(number, reading.code + reading.text, f"a second, different value of {name}"))
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
    shape = DATA_LINE.fullmatch(line)
    if shape is None:
        return Reading(line, line, None, None, None, None, None, "", error="not an OBIS line")
    code, text = shape[1], shape[3]
    entry = entry_of(code)
    try:
        value, unit, time = _DECODE[entry.kind](VALUE_GROUP.findall(text))
        base_value, base_unit = _to_base(entry, value, unit)
        return Reading(code, entry.name, value, unit, time, base_value, base_unit, text)
    except _UnreadableError as error:
        return Reading(code, entry.name, None, None, None, None, None, text, error=str(error))


def _to_base(entry: Entry, value: Value | None, unit: str | None) -> tuple[Value | None, str | None]:
    if entry.kind is Kind.FACTOR and isinstance(value, Decimal) and abs(value) > 1:
        return None, None  # some Hungarian meters send 4.556, which is not a power factor
    if unit is None:
        if entry.unit and value is not None:
            raise _UnreadableError(f"no unit, expected {entry.unit}")
        return value, None
    known = canonical_unit(unit)
    if known is None or not isinstance(value, Decimal):
        raise _UnreadableError(f"unknown unit {unit!r}")
    base, factor = UNIT_FACTORS[known]
    if entry.unit not in (None, base):
        raise _UnreadableError(f"unit {unit!r}, expected {entry.unit}")
    return (value if factor == 1 else value * factor), base


def _decode_number(groups: list[str]) -> _Decoded:
    text = _only(groups).rstrip(" ")
    if not text:
        return None, None, None
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _UnreadableError(f"{text!r} is not a number")
    number, unit = match.groups()
    parsed = _PARSE_NUMBER(f"{number}*{unit}" if unit else number)
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
        raise _UnreadableError(f"{text!r} is not a whole number")
    return _PARSE_COUNT(text)["value"], None, None


def _decode_text(groups: list[str]) -> _Decoded:
    return _only(groups) or None, None, None


def _decode_octets(groups: list[str]) -> _Decoded:
    text = _only(groups)
    try:
        octets = bytes.fromhex(text).decode("latin-1").rstrip("\0")
    except ValueError:
        octets = ""  # some meters send the plain text
    return (octets if octets and _PRINTABLE.fullmatch(octets) else text) or None, None, None


def _decode_clock(groups: list[str]) -> _Decoded:
    text = _only(groups)
    return parse_timestamp(text), None, None


def _decode_timed(groups: list[str]) -> _Decoded:
    if len(groups) != 2:
        raise _UnreadableError(f"{len(groups)} value groups, expected a time and a value")
    stamp, number = groups if "*" not in groups[0] else reversed(groups)
    value, unit, _ = _decode_number([number])
    time = parse_timestamp(stamp)
    if unit is None or (time is None and not value):
        return None, None, None  # zero without a time means that no M-Bus meter is connected
    return value, unit, time


def _decode_peak(groups: list[str]) -> _Decoded:
    return _decode_number(groups) if len(groups) == 1 else _decode_timed(groups)


def _decode_hourly(groups: list[str]) -> _Decoded:
    if len(groups) != 7:
        raise _UnreadableError(f"{len(groups)} value groups, expected seven")
    stamp, status, _period, _count, _code, unit, number = groups
    if not number:
        return None, None, None
    if status and not _STATUS.fullmatch(status):
        raise _UnreadableError(f"the status {status!r} is not hexadecimal")
    bits = HourlyStatus(int(status or "0", 16) & 0xFF)
    if bits & (HourlyStatus.DATA_NOT_VALID | HourlyStatus.CRITICAL_ERROR):
        return None, None, None
    value, unit_, time = _decode_timed([stamp, f"{number}*{unit}"])
    return value, unit_, None if bits & HourlyStatus.CLOCK_INVALID else time


def _decode_other(groups: list[str]) -> _Decoded:
    is_measured = len(groups) == 1 and ("*" in groups[0] or "." in groups[0])
    if is_measured and (match := _NUMBER.fullmatch(groups[0])) and canonical_unit(match[2] or ""):
        return _decode_number(groups)
    if len(groups) == 2 and _STAMP.fullmatch(groups[0]) and "*" in groups[1] and _NUMBER.fullmatch(groups[1]):
        return _decode_timed(groups)
    return "".join(f"({group})" for group in groups) if any(groups) else None, None, None


def _only(groups: list[str]) -> str:
    if len(groups) != 1:
        raise _UnreadableError(f"{len(groups)} value groups, expected one")
    return groups[0]


_DECODE = {
    Kind.NUMBER: _decode_number,
    Kind.FACTOR: _decode_factor,
    Kind.COUNT: _decode_count,
    Kind.TEXT: _decode_text,
    Kind.OCTETS: _decode_octets,
    Kind.CLOCK: _decode_clock,
    Kind.TIMED: _decode_timed,
    Kind.PEAK: _decode_peak,
    Kind.HOURLY: _decode_hourly,
    Kind.OTHER: _decode_other,
}
