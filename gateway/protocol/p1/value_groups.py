"""Decoding of the value groups of one line: its value, unit and time, by the kind of value of its OBIS code."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import IntFlag

from gateway.problems.quoting import quoted
from gateway.protocol.p1.dsmr_library import ValueParser
from gateway.protocol.p1.obis import UNIT_FACTORS, Entry, Kind, Value, canonical_unit
from gateway.protocol.p1.obis_line import STAMP, UNIT, parse_timestamp

# Decimal accepts NaN, Infinity and 1E9, which are not numbers of a telegram.
_NUMBER = re.compile(rf"(-?[0-9]{{1,18}}(?:\.[0-9]{{1,12}})?)(?:\*?({UNIT}))?")
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,12})?")
_STAMP = re.compile(STAMP)
_STATUS = re.compile(r"[0-9A-Fa-f]{2,8}")
_DIGITS = re.compile(r"[0-9]{1,18}")
_PRINTABLE = re.compile(r"[ -~]*")

DIGITS_OF_THOUSANDTHS = 4
"""Smallest number of digits, without a decimal point, of a power factor in thousandths."""

_HIGHEST_POWER = Decimal(100_000_000)
LARGEST = {
    "W": _HIGHEST_POWER,
    "VA": _HIGHEST_POWER,
    "var": _HIGHEST_POWER,
    "A": Decimal(10_000),
    "Hz": Decimal(100),
}
"""Base unit → the largest value that any connection has, also one of a factory with transformers.

A number above it is a code for no value, all ones in 16 or 32 bits, such as 2147483.647 kW or 65535 A.
"""

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


class UnreadableError(Exception):
    """The value groups of a line do not fit its code."""


def decode(kind: Kind, groups: list[str]) -> _Decoded:
    """Return the value, the unit and the time of a line as its meter sent them; None for each that is absent.

    Raises:
        UnreadableError: the value groups do not have the form of `kind`.

    """
    return _DECODE[kind](groups)


def to_base(entry: Entry, value: Value | None, unit: str | None) -> tuple[Value | None, str | None]:
    """Return a value in the base unit of its quantity, and that unit.

    Raises:
        UnreadableError: the unit is missing, unknown, or of another quantity.

    """
    if entry.kind is Kind.FACTOR and isinstance(value, Decimal) and abs(value) > 1:
        return None, None  # some Hungarian meters send 4.556, which is not a power factor
    if entry.kind is Kind.OTHER and ":" in entry.name and isinstance(value, str):
        # The value of a code without a name is a number where a map can use it as one; the line keeps its text.
        return (Decimal(value[1:-1]) if _PLAIN_NUMBER.fullmatch(value[1:-1]) else value), None
    if unit is None:
        if entry.unit and value is not None:
            raise UnreadableError(f"no unit, expected {entry.unit}")
        return value, None
    known = canonical_unit(unit)
    if known is None or not isinstance(value, Decimal):
        raise UnreadableError(f"unknown unit {quoted(unit)}")
    base, factor = UNIT_FACTORS[known]
    if entry.unit not in (None, base):
        raise UnreadableError(f"unit {quoted(unit)}, expected {entry.unit}")
    base_value = value if factor == 1 else value * factor
    if base in LARGEST and abs(base_value) > LARGEST[base]:
        raise UnreadableError(f"{quoted(f'{value}*{unit}')} is more than any connection has")
    return base_value, base


def _decode_number(groups: list[str]) -> _Decoded:
    text = _only(groups).rstrip(" ")
    if not text:
        return None, None, None
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UnreadableError(f"{quoted(text)} is not a number")
    number, unit = match.groups()
    parsed = _PARSE_NUMBER(f"{number}*{unit}" if unit else number)
    return parsed["value"], parsed["unit"], None


def _decode_factor(groups: list[str]) -> _Decoded:
    value, unit, time = _decode_number(groups)
    is_long = unit is None and len(groups[0].lstrip("-")) >= DIGITS_OF_THOUSANDTHS
    if isinstance(value, Decimal) and is_long and "." not in groups[0]:
        value = value.scaleb(-3)
    return value, unit, time


def _decode_count(groups: list[str]) -> _Decoded:
    text = _only(groups)
    if not text:
        return None, None, None
    if not _DIGITS.fullmatch(text):
        raise UnreadableError(f"{quoted(text)} is not a whole number")
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
        raise UnreadableError(f"{len(groups)} value groups, expected a time and a value")
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
        raise UnreadableError(f"{len(groups)} value groups, expected seven")
    stamp, status, _period, _count, _code, unit, number = groups
    if not number:
        return None, None, None
    if status and not _STATUS.fullmatch(status):
        raise UnreadableError(f"the status {quoted(status)} is not hexadecimal")
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
        raise UnreadableError(f"{len(groups)} value groups, expected one")
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
