"""Telegram → readings: every OBIS line with its value, its unit and, for M-Bus meters, its time.

Each line is decoded on its own, by the kind of value that its OBIS code has. No line is dropped and none raises: a
line that cannot be read becomes a reading without a value, and a `LineError`. Values are parsed by dsmr_parser, one
value group at a time. Its parser for whole telegrams is not used: it drops lines, raises on some, and gets some times
wrong by an hour (see `docs/decisions/line-by-line.md`).

A line has the same meaning in every telegram. So a line that did not change since the last telegram is not decoded
again, and lines can be decoded before the telegram is complete (`read_ahead`). Most telegrams differ from the one
before in the values of a few lines. Their readings are those of the one before, with what these lines change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, count
from operator import ne
from types import MappingProxyType
from typing import NamedTuple

from gateway.protocol.p1.derive import Derived, derive, derive_again
from gateway.protocol.p1.obis import Value, own_entry
from gateway.protocol.p1.obis_line import CHANNEL_1, is_own_channel_1, split_at_line_ends, split_lines
from gateway.protocol.p1.reading import Reading, read_line
from gateway.protocol.p1.signs import PHASE_SUFFIXES, settle_signs
from gateway.protocol.p1.telegram import Telegram

OWN_CHANNEL_1 = "own_channel_1"
"""Name of the value 1 that is present if the lines of channel 1 are those of the meter itself."""
MAX_LINES = 400
"""Largest number of lines that are read; the longest known telegram, a Lithuanian one, has 93."""
MAX_LINES_AHEAD = 2 * MAX_LINES
"""Largest number of lines that are kept while a telegram comes in: its own, and those of the telegram before."""


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that could not be read."""

    number: int
    """Number of the line, counted from the identification as line 1, without empty lines."""
    line: str
    reason: str


class Basis(NamedTuple):
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


class Readings(NamedTuple):
    """Everything that one telegram contains."""

    identification: str
    lines: tuple[Reading, ...]
    codes: frozenset[str]
    """OBIS codes of the lines; the same object as in the telegram before if the lines are the same but for values."""
    values: Mapping[str, Value]
    """Values by name, in base units, without the absent ones; the time of a timed reading is `<name>_time`."""
    units: Mapping[str, str]
    """Base unit by name, for the values that have one; the same object as in the telegram before where it can be."""
    errors: tuple[LineError, ...]
    """Lines that could not be read."""
    time: int | None
    """Time of the meter's own clock, in unix seconds."""
    raw_lines: Sequence[bytes] = ()
    """The identification and the lines as sent, so that the next telegram decodes only the lines that changed.

    Empty if there are other values than those of the lines alone.
    """
    basis: Basis | None = None
    """Basis of the readings of the next telegram; None if they are to be built from its lines alone."""
    media: Mapping[str, int | None] = MappingProxyType({})
    """Medium → its M-Bus channel, None for none of them, where the movement of their stamps decides it."""

    @property
    def by_line(self) -> dict[bytes, Reading]:
        """Return the readings of the lines by the lines as sent."""
        return dict(zip(self.raw_lines[1:], self.lines, strict=False))

    def with_values(self, values: dict[str, Value], units: dict[str, str]) -> Readings:
        """Return readings with other values, which those of the next telegram are not built from."""
        return self._replace(values=values, units=units, raw_lines=(), basis=None)


def read_ahead(lines: bytes, previous: Readings | None, ahead: dict[bytes, Reading]) -> None:
    """Decode complete lines of a telegram that has not ended yet, and add their readings to `ahead`, by line as sent.

    If `ahead` is empty, it begins with the lines of `previous`, which are not decoded again.
    """
    if previous and not ahead:
        ahead.update(previous.by_line)
    for raw in split_lines(lines):
        if raw not in ahead and len(ahead) < MAX_LINES_AHEAD:
            ahead[raw] = read_line(raw.decode("latin-1"))


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
    if previous and previous.basis and (readings := _read_on(previous, previous.basis, body, ahead)):
        return readings
    raw_lines = split_lines(body)
    known = previous.by_line if previous else {}
    data_lines = raw_lines[1:MAX_LINES]
    lines = [known.get(raw) or ahead.get(raw) or read_line(raw.decode("latin-1")) for raw in data_lines]
    identification = raw_lines[0][1:].decode("latin-1").strip() if raw_lines else ""
    return _read_whole(identification, raw_lines, lines)


def _read_on(previous: Readings, basis: Basis, body: bytes, ahead: Mapping[bytes, Reading]) -> Readings | None:
    """Return the readings of a telegram that has the lines of the one before, with other values; else None."""
    raw_lines = split_at_line_ends(body)
    if len(raw_lines) != len(previous.raw_lines) or raw_lines[:1] != previous.raw_lines[:1]:
        return None
    lines = [*previous.lines]
    changed: dict[str, Value] = {}
    for number in compress(count(), map(ne, raw_lines, previous.raw_lines)):
        raw = raw_lines[number]
        # A value group on a line of its own cannot be read as a line, so it has another form.
        old, new = lines[number - 1], ahead.get(raw) or read_line(raw.decode("latin-1"))
        if not _is_same_form(old, new):
            return None
        lines[number - 1] = new
        if new.base_value is not None:
            changed[new.name] = new.base_value
            if new.time is not None:
                changed[f"{new.name}_time"] = new.time
    values = basis.values | changed
    all_values, units = {**previous.values, **changed}, previous.units
    derived, has_same_names = list(basis.derived), True
    for index, group in derive_again(values, basis.units, basis.without_value, basis.values, changed):
        before, derived[index] = derived[index], group
        all_values |= group.values
        has_same_names &= group.values.keys() == before.values.keys() and group.units == before.units
    if not has_same_names:
        all_values, units = _with_derived(values, basis.units, derived)
    clock = values.get("clock")
    return Readings(
        previous.identification,
        tuple(lines),
        previous.codes,
        all_values,
        units,
        errors=(),
        time=clock if isinstance(clock, int) else None,
        raw_lines=raw_lines,
        basis=Basis(values, basis.units, basis.without_value, tuple(derived)),
    )


def _is_same_form(old: Reading, new: Reading) -> bool:
    """Return whether nothing but the value of a line changed, and the value is no special case."""
    return (
        old.code == new.code
        and old.base_unit == new.base_unit
        and (old.base_value is None) is (new.base_value is None)
        and (old.time is None) is (new.time is None)
        and not new.error
        and "(-" not in new.text
    )


def _read_whole(identification: str, raw_lines: list[bytes], lines: list[Reading]) -> Readings:
    """Return the readings of a telegram whose lines are read."""
    codes = frozenset(reading.code for reading in lines)
    is_own = is_own_channel_1(codes)
    has_channel_1 = any(code.startswith(CHANNEL_1) for code in codes)
    if has_channel_1:
        lines = [_of_channel(raw, line, is_own=is_own) for raw, line in zip(raw_lines[1:], lines, strict=False)]
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
        values=all_values,
        units=all_units,
        errors=tuple(errors),
        time=clock if isinstance(clock, int) else None,
        raw_lines=raw_lines,
        basis=Basis(values, units, without_value, derived) if is_plain else None,
    )


def _with_derived(
    values: dict[str, Value], units: dict[str, str], derived: Iterable[Derived]
) -> tuple[dict[str, Value], dict[str, str]]:
    values, units = values.copy(), units.copy()
    for group in derived:
        values.update(group.values)
        units.update(group.units)
    return values, units


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
    return read_line(raw.decode("latin-1"), is_own=is_own)
