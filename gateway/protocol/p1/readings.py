"""Telegram → readings: every OBIS line with its value, its unit and, for M-Bus meters, its time.

Each line is decoded on its own, by the kind of value that its OBIS code has. No line is dropped and none raises: a
line that cannot be read becomes a reading without a value, and a `LineError`. Values are parsed by dsmr_parser, one
value group at a time. Its parser for whole telegrams is not used: it drops lines, raises on some, and gets some times
wrong by an hour (see `docs/decisions/line-by-line.md`).

A line has the same meaning in every telegram. So a line that did not change since the last telegram is not decoded
again, and lines can be decoded before the telegram is complete (`read_ahead`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.protocol.p1.derive import Derived, derive
from gateway.protocol.p1.obis import Value, entry_of, own_entry
from gateway.protocol.p1.obis_line import CHANNEL_1, DATA_LINE, VALUE_GROUP, is_own_channel_1, split_lines
from gateway.protocol.p1.signs import PHASE_SUFFIXES, settle_signs
from gateway.protocol.p1.telegram import Telegram
from gateway.protocol.p1.value_groups import UnreadableError, decode, to_base

OWN_CHANNEL_1 = "own_channel_1"
"""Name of the value 1 that is present if the lines of channel 1 are those of the meter itself."""
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
    """OBIS codes of the lines; the same object as in the telegram before if the lines are the same but for values."""
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
    basis: Basis | None = field(repr=False, compare=False, default=None)
    """Basis of the readings of the next telegram; None if they are to be built from its lines alone."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The parts of a telegram's readings that those of the next one are built from.

    They are used if its lines are the same except for their values. Only a telegram without any special case has them:
    each line can be read and has a name of its own, none is negative or of channel 1, and nothing has to be compared
    with net power.
    """

    values: dict[str, Value]
    """Values of the lines alone, and the identification."""
    units: dict[str, str]
    without_value: frozenset[str]
    """Names whose lines have no value."""
    derived: tuple[Derived, ...]


def read_ahead(lines: bytes, previous: Readings | None, ahead: dict[bytes, Reading]) -> None:
    """Decode complete lines of a telegram that has not ended yet, and add their readings to `ahead`, by line as sent.

    Lines that are the same as in `previous` are skipped.
    """
    known = previous.by_line if previous else {}
    for raw in split_lines(lines):
        if raw not in known and len(ahead) < MAX_LINES:
            ahead[raw] = _read_line(raw.decode("latin-1"))


def read(
    telegram: Telegram, previous: Readings | None = None, ahead: Mapping[bytes, Reading] = MappingProxyType({})
) -> Readings:
    """Read every line of `telegram`; see `read_body`."""
    return read_body(telegram.body, previous, ahead)


def read_body(
    body: bytes, previous: Readings | None = None, ahead: Mapping[bytes, Reading] = MappingProxyType({})
) -> Readings:
    """Read every line of a telegram's body.

    Args:
        body: the identification and the data lines, with or without the last line end.
        previous: the readings of the telegram before. Lines that did not change are not decoded again; that is most
            lines of a meter that sends each second.
        ahead: the readings of lines that `read_ahead` decoded already, by line as sent.

    """
    raw_lines = split_lines(body)
    data_lines = raw_lines[1:MAX_LINES]
    known = previous.by_line if previous else {}
    lines = [known.get(raw) or ahead.get(raw) or _read_line(raw.decode("latin-1")) for raw in data_lines]
    identification = raw_lines[0][1:].decode("latin-1").strip() if raw_lines else ""
    if previous and previous.basis and identification == previous.identification and len(raw_lines) <= MAX_LINES:
        changed = _changed_values(previous.lines, lines)
        if changed is not None:
            return _read_on(previous, previous.basis, data_lines, lines, changed)
    return _read_whole(identification, raw_lines, lines)


def _changed_values(before: Sequence[Reading], lines: Sequence[Reading]) -> dict[str, Value] | None:
    """Return the values that changed, if nothing but values changed; None if the form of a line changed."""
    if len(before) != len(lines):
        return None
    changed: dict[str, Value] = {}
    for old, new in zip(before, lines, strict=True):
        if old is new:
            continue
        value, time = new.base_value, new.time
        is_same_form = (
            old.code == new.code
            and old.base_unit == new.base_unit
            and (old.base_value is None) is (value is None)
            and (old.time is None) is (time is None)
        )
        if not is_same_form or new.error or "(-" in new.text:
            return None
        if value is not None:
            changed[new.name] = value
            if time is not None:
                changed[f"{new.name}_time"] = time
    return changed


def _read_on(
    previous: Readings, basis: Basis, data_lines: list[bytes], lines: list[Reading], changed: dict[str, Value]
) -> Readings:
    """Return the readings of a telegram that has the lines of the one before, with other values."""
    values = basis.values | changed
    derived = derive(values, basis.units, basis.without_value, basis.derived, changed)
    all_values, units = _with_derived(values, basis.units, derived)
    clock = values.get("clock")
    return Readings(
        identification=previous.identification,
        lines=tuple(lines),
        codes=previous.codes,
        values=MappingProxyType(all_values),
        units=MappingProxyType(units),
        errors=(),
        time=clock if isinstance(clock, int) else None,
        by_line=dict(zip(data_lines, lines, strict=True)),
        basis=Basis(values, basis.units, basis.without_value, derived),
    )


def _read_whole(identification: str, raw_lines: list[bytes], lines: list[Reading]) -> Readings:
    """Return the readings of a telegram whose lines are read."""
    data_lines = raw_lines[1:MAX_LINES]
    codes = frozenset(reading.code for reading in lines)
    is_own = is_own_channel_1(codes)
    has_channel_1 = any(code.startswith(CHANNEL_1) for code in codes)
    if has_channel_1:
        lines = [_of_channel(raw, line, is_own=is_own) for raw, line in zip(data_lines, lines, strict=True)]
    errors = _unreadable_lines(raw_lines, lines)
    negative = [line.name for line in lines if "(-" in line.text]
    values, units = _by_name(lines, errors, negative)
    if identification:
        values["identification"] = identification
    if is_own:
        values[OWN_CHANNEL_1] = 1
    names = {reading.name for reading in lines}
    without_value = frozenset(names - values.keys())
    derived = derive(values, units, without_value)
    all_values, all_units = _with_derived(values, units, derived)
    is_compared = any(f"power_net{suffix}" in names for suffix in PHASE_SUFFIXES)
    is_plain = not (errors or has_channel_1 or negative or is_compared) and len(names) == len(lines)
    clock = values.get("clock")
    return Readings(
        identification=identification,
        lines=tuple(lines),
        codes=codes,
        values=MappingProxyType(all_values),
        units=MappingProxyType(all_units),
        errors=tuple(errors),
        time=clock if isinstance(clock, int) else None,
        by_line=dict(zip(data_lines, lines, strict=True)),
        basis=Basis(values, units, without_value, derived) if is_plain else None,
    )


def _with_derived(
    values: dict[str, Value], units: dict[str, str], derived: Iterable[Derived]
) -> tuple[dict[str, Value], dict[str, str]]:
    values, units = values.copy(), units.copy()
    for group in derived:
        if group.values:
            values.update(group.values)
            units.update(group.units)
    return values, units


def with_values(readings: Readings, values: Mapping[str, Value], units: Mapping[str, str], **others: Any) -> Readings:
    """Return the readings with other values and units, and other fields that are given by name."""
    return replace(readings, values=MappingProxyType(values), units=MappingProxyType(units), **others)


def _unreadable_lines(raw_lines: list[bytes], lines: list[Reading]) -> list[LineError]:
    errors = [
        LineError(number, raw.decode("latin-1"), reading.error)
        for number, (raw, reading) in enumerate(zip(raw_lines[1:MAX_LINES], lines, strict=True), start=2)
        if reading.error
    ]
    if len(raw_lines) > MAX_LINES:
        errors.append(LineError(MAX_LINES + 1, "", f"more than {MAX_LINES} lines"))
    return errors


def _by_name(
    lines: list[Reading], errors: list[LineError], negative: list[str]
) -> tuple[dict[str, Value], dict[str, str]]:
    """Return the values and the units by name, and add the lines that contradict another line or their sign."""
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
    for name, reason in settle_signs(values, units, negative):
        number, line = next((at, line) for at, line in enumerate(lines, start=2) if line.name == name)
        errors.append(LineError(number, line.code + line.text, reason))
    return values, units


def _of_channel(raw: bytes, reading: Reading, *, is_own: bool) -> Reading:
    """Return the reading of a line, read again if it is of channel 1 and has the name of the other case."""
    entry = own_entry(reading.code)
    if entry is None or (reading.name == entry.name) == is_own:
        return reading
    return _read_line(raw.decode("latin-1"), is_own=is_own)


def _read_line(line: str, *, is_own: bool = False) -> Reading:
    shape = DATA_LINE.fullmatch(line)
    if shape is None:
        return Reading(line, line, None, None, None, None, None, "", error="not an OBIS line")
    code, text = shape[1], shape[3]
    entry = (own_entry(code) if is_own else None) or entry_of(code)
    try:
        value, unit, time = decode(entry.kind, VALUE_GROUP.findall(text))
        base_value, base_unit = to_base(entry, value, unit)
        return Reading(code, entry.name, value, unit, time, base_value, base_unit, text)
    except UnreadableError as error:
        return Reading(code, entry.name, None, None, None, None, None, text, error=str(error))
