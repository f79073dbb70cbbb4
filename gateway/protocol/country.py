"""What the lines of a telegram mean in its meter's country: which tariff is the low one, and which hour a clock shows.

A line says neither. In the Netherlands tariff 1 is the low one, in Belgium and Hungary tariff 2; and W stands for the
normal time of the country, which `timestamp` takes for that of Amsterdam.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from gateway.protocol.obis import Value
from gateway.protocol.readings import Reading, Readings
from gateway.protocol.variants import Variant

CENTRAL_EUROPE_H = 1
"""Hours that normal time is ahead of UTC where `timestamp` is right."""
TARIFF_NAMES = ("low", "normal")
_SECONDS_PER_HOUR = 3600


def interpret(readings: Readings, variant: Variant) -> Readings:
    """The readings with what only the variant tells: `energy_import_low` and the like, and times that are right."""
    shift_s = (CENTRAL_EUROPE_H - variant.utc_offset_h) * _SECONDS_PER_HOUR
    if not variant.low_tariff and not shift_s:
        return readings
    values, units = dict(readings.values), dict(readings.units)
    if variant.low_tariff:
        _name_tariffs(values, units, variant.low_tariff)
    lines, time = readings.lines, readings.time
    if shift_s:
        for name, value in values.items():
            if isinstance(value, int) and (name == "clock" or name.endswith("_time")):
                values[name] = value + shift_s
        lines = tuple(_shifted(line, shift_s) for line in lines)
        time = None if time is None else time + shift_s
    return replace(readings, lines=lines, time=time, values=MappingProxyType(values), units=MappingProxyType(units))


def _name_tariffs(values: dict[str, Value], units: dict[str, str], low: int) -> None:
    numbers = dict(zip(TARIFF_NAMES, (low, 3 - low), strict=True))
    for direction in ("import", "export"):
        for name, number in numbers.items():
            value = values.get(f"energy_{direction}_t{number}")
            if value is not None:
                values[f"energy_{direction}_{name}"] = value
                units[f"energy_{direction}_{name}"] = "Wh"
    if values.get("tariff") in numbers.values():
        values["tariff_is_low"] = int(values["tariff"] == low)


def _shifted(line: Reading, shift_s: int) -> Reading:
    if line.name == "clock" and isinstance(line.value, int):
        return line._replace(value=line.value + shift_s, base_value=line.value + shift_s)
    return line if line.time is None else line._replace(time=line.time + shift_s)
