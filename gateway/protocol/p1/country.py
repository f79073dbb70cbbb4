"""Readings that depend on the meter's country: which tariff is the low one, and the time zone of its clock.

The lines of a telegram contain neither. In the Netherlands tariff 1 is the low one, in Belgium and Hungary tariff 2.
The flag W of a time stamp means the country's own standard time, while `obis_line.parse_timestamp` assumes that of
Amsterdam.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from gateway.protocol.p1.derived import TARIFF_NAMES
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import Reading, Readings
from gateway.protocol.p1.variants import Variant

CENTRAL_EUROPE_H = 1
"""Hours between UTC and the standard time that `obis_line.parse_timestamp` assumes."""
TARIFF_CODE = "0-0:96.14.0"
"""OBIS code of the current tariff."""
DEFAULT_VARIANT = "5"
"""Key of the variant that is detected when a telegram shows no other one."""
_SECONDS_PER_HOUR = 3600


def interpret(readings: Readings, variant: Variant, detected: Variant) -> Readings:
    """Return the readings with the values that depend on the country, such as `energy_import_low`, and correct times.

    Args:
        readings: the readings of a telegram.
        variant: the variant of its meter, from the configuration or detected.
        detected: the variant that the telegram itself shows; the configuration may contradict it.

    """
    shift_s = (CENTRAL_EUROPE_H - variant.utc_offset_h) * _SECONDS_PER_HOUR
    low_tariff = _low_tariff(readings, variant, detected)
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
        lines = tuple(_shift(line, shift_s) for line in lines)
        time = None if time is None else time + shift_s
    return replace(readings, lines=lines, time=time, values=MappingProxyType(values), units=MappingProxyType(units))


def _low_tariff(readings: Readings, variant: Variant, detected: Variant) -> int | None:
    """Return the number of the low tariff, or None when it is not certain."""
    # An unknown meter is detected as DSMR 5, and some Austrian meters send the version of DSMR 5: in both cases the low
    # tariff is unknown.
    is_certain = TARIFF_CODE in readings.codes and (detected.key != DEFAULT_VARIANT or "p1_version" in readings.values)
    if variant is detected:
        return variant.low_tariff if is_certain else None
    contradicts = is_certain and detected.low_tariff not in (None, variant.low_tariff)
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


def _shift(line: Reading, shift_s: int) -> Reading:
    if line.name == "clock" and isinstance(line.value, int):
        return line._replace(value=line.value + shift_s, base_value=line.value + shift_s)
    return line if line.time is None else line._replace(time=line.time + shift_s)
