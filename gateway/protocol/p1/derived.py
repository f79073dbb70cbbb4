"""Readings that follow from others of the same telegram: totals, net power, and M-Bus meters by what they measure.

Each derived reading is declared once, in `DERIVATIONS`: its name, its unit and the readings that it follows from. The
names that a register map may use (`names.NAMES`) and the lines that a register's value comes from
(`names.source_lines`) follow from that table. `derive` computes the values; `country` computes those that depend on
the meter's country.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import NamedTuple

from gateway.protocol.p1.demand_history import MONTHS
from gateway.protocol.p1.obis import MBUS_CHANNELS, Value
from gateway.protocol.p1.signs import PHASE_SUFFIXES

TARIFFS = range(1, 6)
"""Numbers of the tariffs."""
PHASES = (1, 2, 3)
"""Numbers of the phases L1 to L3."""
TARIFF_NAMES = ("low", "normal")
"""Names of the two tariffs of countries that have a low one."""

MEDIA = {
    "gas": ((3,), "m3"),
    "warm_water": ((6,), "m3"),
    "water": ((7,), "m3"),
    "heat": ((4, 12), "J"),
    "cooling": ((10, 11), "J"),
    "submeter": ((2,), "Wh"),
}
"""Medium → the M-Bus device types that measure it (EN 13757-3, 8.4.1), and the base unit of its reading."""

MEDIUM_OF_TYPE: dict[Value, str] = {kind: medium for medium, (kinds, _) in MEDIA.items() for kind in kinds}
"""M-Bus device type → the medium that it measures."""

MEDIUM_PARTS = ("reading", "reading_time", "reading_age", "identifier", "valve")
"""Readings of an M-Bus channel that are also available under the name of its medium."""

PLAUSIBLE_AGE_S = 2 * 3600
"""Largest age of the newest reading of an M-Bus meter that is in use, in seconds: two periods. A meter is read at least
each hour (DSMR 4.2.2 P1, 6.10)."""

LIMITER_NAMES = {"W": "limiter_power", "A": "limiter_current", "VA": "limiter_apparent_power"}
"""Unit of 0-0:17.0.0 → the name of the reading. Manufacturers send different quantities under this code, and a name for
each prevents that one is taken for another."""

IDENTITIES = ("logical_device_name", "meter_serial", "meter_number")
"""Readings that identify a meter without an equipment identifier, the preferred one first: Luxembourg and Hungary,
Iskra IE, Germany."""

WAYS = ("import", "export")
"""Directions of energy and power in the names of readings."""


class Uses(Enum):
    """Relation between a derived reading and its inputs."""

    ALL = auto()
    """It is computed from all its inputs that the telegram has."""
    FIRST = auto()
    """It is a copy of the first of its inputs that the telegram has."""
    EQUAL = auto()
    """It is a copy of one of its inputs; the meter's country decides which."""
    MEDIUM = auto()
    """It comes from the inputs on the M-Bus channel that measures its medium."""


class Derivation(NamedTuple):
    """A derived reading and the readings that it follows from."""

    name: str
    unit: str | None
    """Base unit, None for a reading without unit."""
    inputs: tuple[str, ...]
    """Names of readings, derived ones included."""
    uses: Uses = Uses.ALL
    is_text: bool = False
    medium: str = ""
    """Medium that the reading is about, for `Uses.MEDIUM`."""
    otherwise: tuple[str, ...] = ()
    """Names of the readings that it follows from if the telegram has none of its inputs."""


def _derivations() -> Iterator[Derivation]:
    for way in WAYS:
        tariffs = tuple(f"energy_{way}_t{tariff}" for tariff in TARIFFS)
        yield Derivation(f"energy_{way}", "Wh", tariffs)
        for tariff_name in TARIFF_NAMES:
            yield Derivation(f"energy_{way}_{tariff_name}", "Wh", tariffs[:2], Uses.EQUAL)
    yield Derivation("tariff_is_low", None, ("tariff",))
    for suffix in PHASE_SUFFIXES:
        powers = (f"power_import{suffix}", f"power_export{suffix}")
        yield Derivation(
            f"power_net{suffix}", "W", powers, otherwise=("power_net", "current_l1") if suffix == "_l1" else ()
        )
    for suffix in PHASE_SUFFIXES[1:]:
        yield Derivation(f"current_signed{suffix}", "A", (f"current{suffix}", f"power_net{suffix}"))
    for unit, name in LIMITER_NAMES.items():
        yield Derivation(name, unit, ("limiter",))
    yield Derivation("equipment_identifier", None, IDENTITIES, Uses.FIRST, is_text=True)
    for month in MONTHS:
        yield Derivation(f"demand_peak_{month}", "W", ("demand_history", "clock"))
        yield Derivation(f"demand_peak_{month}_time", None, ("demand_history", "clock"))
    for n in MBUS_CHANNELS:
        yield Derivation(f"mbus{n}_unit_code", None, (f"mbus{n}_reading",))
        yield Derivation(f"mbus{n}_reading_age", "s", (f"mbus{n}_reading", "clock"))
    for medium, (_, unit) in MEDIA.items():
        for part in MEDIUM_PARTS:
            inputs = tuple(name for n in MBUS_CHANNELS for name in (f"mbus{n}_type", f"mbus{n}_{part}"))
            part_unit = {"reading": unit, "reading_age": "s"}.get(part)
            yield Derivation(f"{medium}_{part}", part_unit, inputs, Uses.MEDIUM, part == "identifier", medium)


DERIVATIONS: Mapping[str, Derivation] = {each.name: each for each in _derivations()}
"""Name → the derived reading. A telegram may contain some of them itself."""


_TYPE = {n: f"mbus{n}_type" for n in MBUS_CHANNELS}
_READING = {n: f"mbus{n}_reading" for n in MBUS_CHANNELS}


def channels_read(values: Mapping[str, Value]) -> list[int]:
    """Return the M-Bus channels that have a reading."""
    return [n for n in MBUS_CHANNELS if _READING[n] in values]


def channel_of(
    medium: str, values: Mapping[str, Value], units: Mapping[str, str], channels: Iterable[int]
) -> int | None:
    """Return the one of `channels` that measures `medium`, or None when that is not certain.

    After a meter exchange there may be several. Then it is the only one that was read recently, by the meter's clock
    and not ahead of it. `live_channel` knows more after some telegrams.
    """
    found = channels_of(medium, values, units, channels)
    if len(found) > 1:
        found = [n for n in found if isinstance(values.get(f"mbus{n}_reading_time"), int)]
    if len(found) > 1:
        ages = {n: age_of(values, f"mbus{n}_reading_time") for n in found}
        found = [n for n, age_s in ages.items() if age_s is not None and abs(age_s) <= PLAUSIBLE_AGE_S]
        found = [n for n in found if len(found) == 1 and (ages[n] or 0) >= 0]
    return found[0] if len(found) == 1 else None


def channels_of(
    medium: str, values: Mapping[str, Value], units: Mapping[str, str], channels: Iterable[int]
) -> list[int]:
    """Return those of `channels` whose meters measure `medium`."""
    types, unit = MEDIA[medium]
    return [n for n in channels if values.get(_TYPE[n]) in types and units.get(_READING[n]) == unit]


def age_of(values: Mapping[str, Value], time_name: str) -> int | None:
    """Return the seconds since the time of a reading, on the meter's clock; negative for a time ahead of it."""
    clock, time = values.get("clock"), values.get(time_name)
    return clock - time if isinstance(clock, int) and isinstance(time, int) else None


def name_medium(values: dict[str, Value], units: dict[str, str], medium: str, channel: int | None) -> None:
    """Set the readings of `medium` to those of an M-Bus channel, or remove them for None."""
    for part in MEDIUM_PARTS:
        value = None if channel is None else values.get(f"mbus{channel}_{part}")
        if value is not None:
            values[f"{medium}_{part}"] = value
        else:
            values.pop(f"{medium}_{part}", None)
    if channel is not None:
        units[f"{medium}_reading"] = units[f"mbus{channel}_reading"]
    else:
        units.pop(f"{medium}_reading", None)
