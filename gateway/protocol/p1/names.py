"""The names that a register map may use, and the lines of a telegram that the value of a name comes from.

There are three sorts of names: readings of a telegram's lines (`obis.ENTRIES`), readings that are derived from others
(`derived.DERIVATIONS`), and the gateway's own values, which are known without a telegram.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import NamedTuple

from gateway.protocol.p1.derived import DERIVATIONS, Derivation, Uses, channel_of, channels_read
from gateway.protocol.p1.obis import ENTRIES, Kind
from gateway.protocol.p1.readings import Readings

GATEWAY_PREFIX = "gateway_"
"""Prefix of the names of the gateway's own values."""


class ValueType(StrEnum):
    """Type of a name's value."""

    NUMBER = "number"
    TEXT = "text"


class NameInfo(NamedTuple):
    """The meaning of a name."""

    value_type: ValueType
    unit: str | None
    """Base unit, None for a value without unit."""


_NUMBER = NameInfo(ValueType.NUMBER, None)
_SECONDS = NameInfo(ValueType.NUMBER, "s")
_TEXT = NameInfo(ValueType.TEXT, None)

GATEWAY_VALUES: dict[str, NameInfo] = {
    "gateway_fresh": _NUMBER,
    "gateway_connected": _NUMBER,
    "gateway_recent_errors": _NUMBER,
    "gateway_simulated": _NUMBER,
    "gateway_dsmr_version": _NUMBER,
    "gateway_heartbeat": _NUMBER,
    "gateway_telegrams": _NUMBER,
    "gateway_telegram_age": _SECONDS,
    "gateway_telegram_time": _NUMBER,
    "gateway_arrival_time": _NUMBER,
    "gateway_checksum_errors": _NUMBER,
    "gateway_form_errors": _NUMBER,
    "gateway_telegram_interval": _SECONDS,
    "gateway_telegram_delay": _SECONDS,
    "gateway_late": _NUMBER,
    "gateway_repeating": _NUMBER,
}
"""The gateway's own values, available also without a telegram. Times are unix seconds, flags are 0 or 1, and the
version is multiplied by ten."""


def _names_of_lines() -> dict[str, NameInfo]:
    names: dict[str, NameInfo] = {}
    for entry in ENTRIES.values():
        is_text = entry.kind in (Kind.TEXT, Kind.OCTETS, Kind.OTHER)
        names[entry.name] = NameInfo(ValueType.TEXT if is_text else ValueType.NUMBER, entry.unit)
        if entry.kind in (Kind.TIMED, Kind.PEAK, Kind.HOURLY):
            names[f"{entry.name}_time"] = _NUMBER
    # A limiter's quantity differs per manufacturer, so it has derived names instead (`derived.LIMITER_NAMES`).
    del names["limiter"]
    return names


def _names_of_derivations() -> dict[str, NameInfo]:
    return {
        name: NameInfo(ValueType.TEXT if each.is_text else ValueType.NUMBER, each.unit)
        for name, each in DERIVATIONS.items()
    }


NAMES: dict[str, NameInfo] = _names_of_derivations() | _names_of_lines() | GATEWAY_VALUES | {"identification": _TEXT}
"""Name → its meaning, for each name that a map may use."""


def source_lines(uses: Iterable[str], readings: Readings) -> tuple[int, ...]:
    """Return the positions in `readings.lines` of the lines that the values of the names in `uses` come from."""
    with_value = {line.name for line in readings.lines if line.value is not None}
    names = {source for name in uses for source in sources(name, readings, with_value)}
    return tuple(index for index, line in enumerate(readings.lines) if line.name in names)


def sources(name: str, readings: Readings, with_value: AbstractSet[str]) -> set[str]:
    """Return the names of the lines that the value of `name` comes from."""
    derivation = DERIVATIONS.get(name)
    if name in with_value:
        return {name}
    if derivation is None:
        return {name.removesuffix("_time")}
    inputs = _inputs_used(derivation, readings, with_value)
    return {source for each in inputs for source in sources(each, readings, with_value)}


def _inputs_used(derivation: Derivation, readings: Readings, with_value: AbstractSet[str]) -> list[str]:
    """Return the inputs that the value of a derived reading comes from in these readings."""
    inputs, values = derivation.inputs, readings.values
    if derivation.uses is Uses.FIRST:
        return [each for each in inputs if each in with_value][:1]
    if derivation.uses is Uses.EQUAL:
        return [each for each in inputs if values.get(each) == values.get(derivation.name)]
    if derivation.uses is Uses.MEDIUM:
        medium = derivation.medium
        if medium in readings.media:
            channel = readings.media[medium]
        else:
            channel = channel_of(medium, values, readings.units, channels_read(values))
        return [each for each in inputs if each.startswith(f"mbus{channel}_")]
    if derivation.otherwise and derivation.name in values and with_value.isdisjoint(inputs):
        return list(derivation.otherwise)
    return list(inputs)
