"""What the lines of a telegram mean in its meter's country: which tariff is the low one, and which hour a clock shows.

A line says neither. In the Netherlands tariff 1 is the low one, in Belgium and Hungary tariff 2; and W stands for the
normal time of the country, which `timestamp` takes for that of Amsterdam.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import Reading, Readings
from gateway.protocol.p1.variants import Variant

CENTRAL_EUROPE_H = 1
"""Hours that normal time is ahead of UTC where `timestamp` is right."""
TARIFF_NAMES = ("low", "normal")
TARIFF_CODE = "0-0:96.14.0"
UNKNOWN_COUNTS_AS = "5"
_SECONDS_PER_HOUR = 3600


def interpret(readings: Readings, variant: Variant, shown: Variant) -> Readings:
    """The readings with what only the variant tells: `energy_import_low` and the like, and times that are right.

    Args:
        readings: of a telegram.
        variant: what its meter counts as.
        shown: what the telegram itself shows it to be, which a configuration may contradict.

    """
    shift_s = (CENTRAL_EUROPE_H - variant.utc_offset_h) * _SECONDS_PER_HOUR
    low_tariff = _low_tariff(readings, variant, shown)
    if not low_tariff and not shift_s:
        return readings
    values, units = dict(readings.values), dict(readings.units)
    if low_tariff:
        _name_tariffs(values, units, low_tariff)
    lines, time = readings.lines, readings.time
    if shift_s:
        for name, value in values.items():
            if isinstance(value, int) and (name == "clock" or name.endswith("_time")):
                values[name] = value + shift_s
        lines = tuple(_shifted(line, shift_s) for line in lines)
        time = None if time is None else time + shift_s
    return replace(readings, lines=lines, time=time, values=MappingProxyType(values), units=MappingProxyType(units))


def _low_tariff(readings: Readings, variant: Variant, shown: Variant) -> int | None:
    """The number of the low tariff; None where it is not certain."""
    # A meter that is like no other counts as DSMR 5, and a bare Austrian one says that it is: neither tells its tariff.
    is_certain = TARIFF_CODE in readings.codes and (shown.key != UNKNOWN_COUNTS_AS or "p1_version" in readings.values)
    if variant is shown:
        return variant.low_tariff if is_certain else None
    contradicts = is_certain and shown.low_tariff not in (None, variant.low_tariff)
    return None if contradicts else variant.low_tariff


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
