"""Readings that follow from the telegram's own: totals, net power, and M-Bus meters by what they measure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from decimal import Decimal

from gateway.protocol.p1.demand_history import monthly_peaks
from gateway.protocol.p1.obis import MBUS_CHANNELS, Value

TARIFFS = range(1, 6)
PHASES = (1, 2, 3)

MEDIA = {
    "gas": ((3,), "m3"),
    "warm_water": ((6,), "m3"),
    "water": ((7,), "m3"),
    "heat": ((4, 12), "J"),
    "cooling": ((10, 11), "J"),
    "submeter": ((2,), "Wh"),
}
"""Medium → the M-Bus device types that measure it (EN 13757-3, 8.4.1) and the base unit it is counted in."""

SIDE_BY_SIDE_S = 24 * 3600
"""Two meters of a medium that were read within this time are both alive: a meter is read each hour at the slowest
(DSMR 4.2.2 P1, 6.10), and radio may be lost for some hours."""

UNIT_CODES = {"m3": 1, "J": 2, "Wh": 3}
"""Base unit of an M-Bus reading → its code in the native register layout."""

LIMITER_NAMES = {"W": "limiter_power", "A": "limiter_current", "VA": "limiter_apparent_power"}
"""Makers give 0-0:17.0.0 in different quantities: each has its own name, so that none passes for another."""

IDENTITIES = ("logical_device_name", "meter_serial", "meter_number")
"""What names a meter that has no equipment identifier, in order: Luxembourg and Hungary, Iskra IE, Germany."""


def derive(values: dict[str, Value], units: dict[str, str], untold: AbstractSet[str] = frozenset()) -> None:
    """Add to `values` what follows from them, unless the telegram says it itself.

    Args:
        values: by name, added to.
        units: by name, added to.
        untold: names that the telegram has a line for, without a value that holds.

    """
    for direction in ("import", "export"):
        _sum_tariffs(values, units, f"energy_{direction}", untold)
    for suffix in ("", *(f"_l{phase}" for phase in PHASES)):
        _net(values, units, suffix)
    _name_limiter(values, units)
    _identify(values)
    _name_monthly_peaks(values, units)
    channels = [n for n in MBUS_CHANNELS if f"mbus{n}_reading" in values]
    for n in channels:
        _describe_channel(values, units, n)
    for medium, (types, unit) in MEDIA.items():
        _find_medium(values, units, medium, [n for n in channels if _measures(values, units, n, types, unit)])


def _sum_tariffs(values: dict[str, Value], units: dict[str, str], name: str, untold: AbstractSet[str]) -> None:
    # The lowest two always come together; a total without one of them, or of another that is there, would be too low.
    parts = [f"{name}_t{t}" for t in TARIFFS]
    if name in values or not set(parts[:2]) <= values.keys() or not untold.isdisjoint(parts):
        return
    numbers = map(values.get, parts)
    values[name] = sum((number for number in numbers if isinstance(number, Decimal)), Decimal(0))
    units[name] = "Wh"


def _net(values: dict[str, Value], units: dict[str, str], suffix: str) -> None:
    name = f"power_net{suffix}"
    taken, given = values.get(f"power_import{suffix}"), values.get(f"power_export{suffix}")
    if name not in values and isinstance(taken, Decimal) and isinstance(given, Decimal):
        values[name] = taken - given
        units[name] = "W"


def _identify(values: dict[str, Value]) -> None:
    for name in () if "equipment_identifier" in values else IDENTITIES:
        if name in values:
            values["equipment_identifier"] = values[name]
            return


def _name_limiter(values: dict[str, Value], units: dict[str, str]) -> None:
    name = LIMITER_NAMES.get(units.get("limiter", ""))
    if name:
        values[name] = values["limiter"]
        units[name] = units["limiter"]


def _name_monthly_peaks(values: dict[str, Value], units: dict[str, str]) -> None:
    history = values.get("demand_history")
    for month, peak in enumerate(monthly_peaks(history) if isinstance(history, str) else (), start=1):
        if peak.power is not None and peak.time is not None:
            values[f"demand_peak_{month}"] = peak.power
            values[f"demand_peak_{month}_time"] = peak.time
            units[f"demand_peak_{month}"] = "W"


def _describe_channel(values: dict[str, Value], units: dict[str, str], n: int) -> None:
    code = UNIT_CODES.get(units.get(f"mbus{n}_reading", ""))
    if code:
        values[f"mbus{n}_unit_code"] = code
    clock, time = values.get("clock"), values.get(f"mbus{n}_reading_time")
    if isinstance(clock, int) and isinstance(time, int) and time <= clock:
        values[f"mbus{n}_reading_age"] = clock - time


def _measures(values: dict[str, Value], units: dict[str, str], n: int, types: tuple[int, ...], unit: str) -> bool:
    return values.get(f"mbus{n}_type") in types and units.get(f"mbus{n}_reading") == unit


def _find_medium(values: dict[str, Value], units: dict[str, str], medium: str, channels: list[int]) -> None:
    """The channel of a medium; of several, as after a meter exchange, the live one, if only one of them is."""
    latest = max((_time(values, n) for n in channels), default=0)
    alive = [n for n in channels if latest - _time(values, n) < SIDE_BY_SIDE_S]
    # Of two that live side by side the one read last would be now this one, now that one.
    if len(alive) != 1:
        return
    live = alive[0]
    for part in ("reading", "reading_time", "reading_age", "identifier", "valve"):
        value = values.get(f"mbus{live}_{part}")
        if value is not None:
            values[f"{medium}_{part}"] = value
    units[f"{medium}_reading"] = units[f"mbus{live}_reading"]


def _time(values: dict[str, Value], n: int) -> int:
    time = values.get(f"mbus{n}_reading_time")
    return time if isinstance(time, int) else 0
