"""One data line of a telegram → its reading, by the kind of value that its OBIS code has."""

from __future__ import annotations

from typing import NamedTuple

from gateway.protocol.p1.obis import Value, entry_of, own_entry
from gateway.protocol.p1.obis_line import DATA_LINE, VALUE_GROUP
from gateway.protocol.p1.value_groups import UnreadableError, decode, to_base


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


def read_line(line: str, *, is_own: bool = False) -> Reading:
    """Return the reading of a line; `is_own` if the lines of channel 1 are those of the meter itself."""
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
