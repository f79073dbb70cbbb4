"""Readings that depend on the meter's country: the low tariff, the time zone of its clock, net power, some names.

The lines of a telegram do not show its country. In the Netherlands tariff 1 is the low one, in Belgium and Hungary
tariff 2. The flag W of a time stamp means the country's own standard time, while `obis_line.parse_timestamp` assumes
that of Amsterdam. In Lithuania the codes of the fuse limits have mean currents, so these readings have no name.

A German meter may send its power under one code only, 1-0:1.7.0. An EasyMeter sends it with a sign, so that it is net
power: `(-000116.77*W)` while the house exports. A meter that counts no export has none to subtract. Of any other meter
that sends one code it is not known what it sends while the house exports; its net power is absent.
"""

from __future__ import annotations

from gateway.protocol.p1.derived import TARIFF_NAMES, WAYS
from gateway.protocol.p1.obis import ENTRIES, Value
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.signs import PHASE_SUFFIXES
from gateway.protocol.p1.variants import Variant

CENTRAL_EUROPE_H = 1
"""Hours between UTC and the standard time that `obis_line.parse_timestamp` assumes."""
TARIFF_CODE = "0-0:96.14.0"
"""OBIS code of the current tariff."""
DEFAULT_VARIANT = "5"
"""Key of the variant that is detected when a telegram shows no other one."""
_EXPORT_ENERGY = "1-0:2.8."
_OTHER_POWERS = frozenset(
    code for code, entry in ENTRIES.items() if entry.name.startswith(("power_export", "power_net"))
)
"""Codes of export power and net power: without any of them, a meter sends its power under one code."""
_SECONDS_PER_HOUR = 3600
LOW_TARIFFS = (1, 2)
"""Numbers that the low tariff has in some country; the normal tariff has the other one."""
_TARIFF_READINGS = {
    low: tuple(
        (f"energy_{way}_t{number}", f"energy_{way}_{name}")
        for way in WAYS
        for name, number in zip(TARIFF_NAMES, (low, 3 - low), strict=True)
    )
    for low in LOW_TARIFFS
}
"""Low tariff → the counters of its two tariffs, each with its name by tariff."""


def interpret(readings: Readings, variant: Variant, detected: Variant) -> Readings:
    """Return the readings with the values that depend on the country, such as `energy_import_low`, and correct times.

    Args:
        readings: the readings of a telegram.
        variant: the variant of its meter, from the configuration or detected.
        detected: the variant that the telegram itself shows; the configuration may contradict it.

    """
    shift_s = (CENTRAL_EUROPE_H - variant.utc_offset_h) * _SECONDS_PER_HOUR
    low_tariff = _low_tariff(readings, variant, detected)
    is_net = detected.signed_import is not None and _import_is_net(readings, detected.signed_import)
    unnamed = variant.unnamed or detected.unnamed
    if not low_tariff and not shift_s and not is_net and not unnamed:
        return readings
    values, units = {**readings.values}, {**readings.units}
    if unnamed:
        readings = _unname(readings, values, units, unnamed)
    if low_tariff:
        _name_tariffs(values, units, low_tariff)
    if is_net:
        _name_net_power(values, units)
    interpreted = readings.with_values(values, units)
    if shift_s:
        for name, value in values.items():
            if isinstance(value, int) and (name == "clock" or name.endswith("_time")):
                values[name] = value + shift_s
        lines = tuple(_shift(line, shift_s) for line in readings.lines)
        time = None if readings.time is None else readings.time + shift_s
        return interpreted._replace(lines=lines, time=time)
    return interpreted


def _unname(readings: Readings, values: dict[str, Value], units: dict[str, str], codes: frozenset[str]) -> Readings:
    """Name the readings of these codes by the code, as those of an unknown one."""
    for code in codes:
        name = ENTRIES[code].name
        if name in values:
            values[code], units[code] = values.pop(name), units.pop(name)
    lines = [line._replace(name=line.code) if line.code in codes else line for line in readings.lines]
    return readings._replace(lines=tuple(lines))


def _low_tariff(readings: Readings, variant: Variant, detected: Variant) -> int | None:
    """Return the number of the low tariff, or None when it is not certain."""
    # An unknown meter is detected as DSMR 5, and some Austrian meters send the version of DSMR 5: in both cases the low
    # tariff is unknown.
    is_certain = TARIFF_CODE in readings.codes and (detected.key != DEFAULT_VARIANT or "p1_version" in readings.values)
    if variant is detected:
        return variant.low_tariff if is_certain else None
    contradicts = is_certain and detected.low_tariff not in (None, variant.low_tariff)
    return None if contradicts else variant.low_tariff


def _import_is_net(readings: Readings, signed: str) -> bool:
    """Return whether the power of 1-0:1.7.0 is all power, because the meter sends no other one.

    The identification of a meter that sends it with a sign begins with `signed`.
    """
    if not _OTHER_POWERS.isdisjoint(readings.codes):
        return False
    counts_export = any(code.startswith(_EXPORT_ENERGY) for code in readings.codes)
    return not counts_export or readings.identification.startswith(signed)


def _name_net_power(values: dict[str, Value], units: dict[str, str]) -> None:
    for suffix in PHASE_SUFFIXES:
        value = values.get(f"power_import{suffix}")
        if value is not None:
            values[f"power_net{suffix}"] = value
            units[f"power_net{suffix}"] = "W"


def _name_tariffs(values: dict[str, Value], units: dict[str, str], low: int) -> None:
    for source, name in _TARIFF_READINGS[low]:
        value = values.get(source)
        if value is not None:
            values[name] = value
            units[name] = "Wh"
    tariff = values.get("tariff")
    if tariff in LOW_TARIFFS:
        values["tariff_is_low"] = int(tariff == low)


def _shift(line: Reading, shift_s: int) -> Reading:
    if line.name == "clock" and isinstance(line.value, int):
        return line._replace(value=line.value + shift_s, base_value=line.value + shift_s)
    return line if line.time is None else line._replace(time=line.time + shift_s)
