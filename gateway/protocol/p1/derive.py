"""Compute the readings that follow from others of the same telegram.

The derivations are in groups. A group is a function of a few values of the lines, its inputs, and no group uses the
result of another. So a telegram that has the lines of the one before, with some other values, needs only the groups
whose inputs have changed. `derived.DERIVATIONS` declares what each derived reading follows from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import NamedTuple

from gateway.protocol.p1.demand_history import QUARTER_S, peaks_by_month
from gateway.protocol.p1.derived import (
    DERIVATIONS,
    IDENTITIES,
    LIMITER_NAMES,
    MEDIA,
    MEDIUM_OF_TYPE,
    MEDIUM_PARTS,
    TARIFFS,
    WAYS,
    age_of,
    channel_of,
)
from gateway.protocol.p1.obis import MBUS_CHANNELS, Value
from gateway.protocol.p1.signs import PHASE_SUFFIXES, signed_current

FURTHER_TARIFFS = range(TARIFFS.stop, 10)
"""Numbers of tariffs that have no names; some German meters have eight."""
_QUARTER = "quarter"
"""Input of a group that uses the clock, and changes with its quarters of an hour only: a month begins with one."""
_ENERGY_CODES = {"energy_import": "1-0:1.8", "energy_export": "1-0:2.8"}
UNIT_CODES = {"m3": 1, "J": 2, "Wh": 3}
"""Base unit of an M-Bus reading → its code in the native register layout."""


class Derived(NamedTuple):
    """The readings that one group of derivations gives, by name, in base units."""

    values: dict[str, Value]
    units: dict[str, str]


Compute = Callable[[Mapping[str, Value], Mapping[str, str], AbstractSet[str]], Derived]
"""Compute a group from the values of the lines, their units, and the names whose line has no valid value."""


def derive(
    values: Mapping[str, Value], units: Mapping[str, str], without_value: AbstractSet[str] = frozenset()
) -> tuple[Derived, ...]:
    """Return the readings that follow from those of the lines, except those that the telegram contains itself.

    Args:
        values: the values of the lines by name.
        units: their base units.
        without_value: names for which the telegram has a line, but no valid value.

    """
    return tuple([compute(values, units, without_value) for _, compute in _GROUPS])


def derive_again(
    values: Mapping[str, Value],
    units: Mapping[str, str],
    without_value: AbstractSet[str],
    before: Mapping[str, Value],
    changed: Iterable[str],
) -> Iterator[tuple[int, Derived]]:
    """Yield the groups that have a changed input, each with its index in the result of `derive`.

    In a telegram of a meter that sends each second, most groups have none.

    Args:
        values: the values of the lines by name.
        units: their base units.
        without_value: names for which the telegram has a line, but no valid value.
        before: the values of the lines of the telegram before, which have the same names.
        changed: names of the values that have changed since.

    """
    if "demand_history" in values and _quarter(before) != _quarter(values):
        changed = (*changed, _QUARTER)
    for index in {index for name in changed for index in _USED_BY.get(name, ())}:
        _, compute = _GROUPS[index]
        yield index, compute(values, units, without_value)


def _tariff_sum(way: str) -> tuple[frozenset[str], Compute]:
    name, code = f"energy_{way}", _ENERGY_CODES[f"energy_{way}"]
    parts = DERIVATIONS[name].inputs
    unnamed = frozenset(f"{code}.{tariff}" for tariff in FURTHER_TARIFFS)

    def compute(values: Mapping[str, Value], _: Mapping[str, str], without_value: AbstractSet[str]) -> Derived:
        # Every meter with tariffs sends at least the first two. Without one of those, or without the value of another
        # that has a line, or with a tariff that has no name, the total would be too low.
        is_whole = parts[0] in values and parts[1] in values and without_value.isdisjoint(parts)
        if name in values or not is_whole or not unnamed.isdisjoint(values):
            return _NOTHING
        numbers = [number for part in parts if isinstance(number := values.get(part), Decimal)]
        return Derived({name: sum(numbers, Decimal(0))}, {name: "Wh"})

    return frozenset({name, *parts, *unnamed}), compute


_PHASE_QUANTITIES = ("voltage", "current", "power_net", *(f"power_{way}" for way in WAYS))
OTHER_PHASES = frozenset(f"{quantity}{suffix}" for quantity in _PHASE_QUANTITIES for suffix in PHASE_SUFFIXES[2:])
"""Readings of L2 and L3."""
POWERS_L1 = frozenset(f"power_{name}_l1" for name in ("net", *WAYS))
"""Powers of L1."""


def _power_of_one_phase(values: Mapping[str, Value], without_value: AbstractSet[str]) -> Value | None:
    """Return the total net power if it is that of L1: of a meter that sends a current of L1, and nothing of L2 and L3.

    Some meters with one phase, in Belgium, Hungary and Lithuania, send their power as a total only.
    """
    lines = values.keys() | without_value
    if "current_l1" not in values or not OTHER_PHASES.isdisjoint(lines) or not POWERS_L1.isdisjoint(lines):
        return None
    taken, given = (values.get(f"power_{way}") for way in WAYS)
    if isinstance(taken, Decimal) and isinstance(given, Decimal):
        return values.get("power_net", taken - given)
    return values.get("power_net")


def _phase(suffix: str) -> tuple[frozenset[str], Compute]:
    """Return the group of the net power, and of the signed current that follows from it."""
    net, imported, exported = (f"power_{way}{suffix}" for way in ("net", *WAYS))
    current, signed = f"current{suffix}", f"current_signed{suffix}"

    def compute(values: Mapping[str, Value], _: Mapping[str, str], without_value: AbstractSet[str]) -> Derived:
        found: dict[str, Value] = {}
        units: dict[str, str] = {}
        power, taken, given = values.get(net), values.get(imported), values.get(exported)
        if power is None:
            if isinstance(taken, Decimal) and isinstance(given, Decimal):
                power = taken - given
            elif suffix == "_l1":
                power = _power_of_one_phase(values, without_value)
            if power is not None:
                found[net] = power
                units[net] = "W"
        amperes = values.get(current) if suffix else None
        if isinstance(amperes, Decimal):
            if amperes < 0:
                found[current] = -amperes
            if (with_sign := signed_current(amperes, power)) is not None:
                found[signed] = with_sign
                units[signed] = "A"
        return Derived(found, units)

    totals = {"power_net", *(f"power_{way}" for way in WAYS)} if suffix == "_l1" else set()
    return frozenset({net, imported, exported, current, *totals}), compute


def _identity(values: Mapping[str, Value], *_: object) -> Derived:
    if "equipment_identifier" not in values:
        for name in IDENTITIES:
            if name in values:
                return Derived({"equipment_identifier": values[name]}, {})
    return _NOTHING


def _limiter(values: Mapping[str, Value], units: Mapping[str, str], _: object) -> Derived:
    unit = units.get("limiter", "")
    name = LIMITER_NAMES.get(unit)
    return Derived({name: values["limiter"]}, {name: unit}) if name else _NOTHING


def _quarter(values: Mapping[str, Value]) -> int | None:
    """Return the number of the quarter of an hour on the meter's clock."""
    clock = values.get("clock")
    return clock // QUARTER_S if isinstance(clock, int) else None


def _peaks(values: Mapping[str, Value], *_: object) -> Derived:
    if not isinstance(history := values.get("demand_history"), str):
        return _NOTHING
    clock = values.get("clock")
    found: dict[str, Value] = {}
    for month, peak in peaks_by_month(history, clock if isinstance(clock, int) else None).items():
        if peak.power is not None and peak.time is not None:
            found[f"demand_peak_{month}"] = peak.power
            found[f"demand_peak_{month}_time"] = peak.time
    return Derived(found, {name: "W" for name in found if not name.endswith("_time")})


class _Channel(NamedTuple):
    """Names of the readings of an M-Bus channel."""

    number: int
    reading: str
    time: str
    type: str
    unit_code: str
    age: str


def _mbus(values: Mapping[str, Value], units: Mapping[str, str], _: object) -> Derived:
    """Describe the M-Bus channels, and name those that measure a medium."""
    found: dict[str, Value] = {}
    found_units: dict[str, str] = {}
    media: dict[str, list[_Channel]] = {}
    for channel in _CHANNELS:
        if channel.reading not in values:
            continue
        code = UNIT_CODES.get(units.get(channel.reading, ""))
        if code:
            found[channel.unit_code] = code
        age_s = age_of(values, channel.time)
        if age_s is not None and age_s >= 0:
            found[channel.age] = age_s
        medium = MEDIUM_OF_TYPE.get(values.get(channel.type, ""))
        if medium:
            media.setdefault(medium, []).append(channel)
    for medium, of_medium in media.items():
        number = channel_of(medium, values, units, [channel.number for channel in of_medium])
        for source, name in _MEDIUM_NAMES[medium, number] if number else ():
            value = values.get(source, found.get(source))
            if value is not None:
                found[name] = value
        if number:
            found_units[f"{medium}_reading"] = units[f"mbus{number}_reading"]
    return Derived(found, found_units)


_CHANNELS = tuple(
    _Channel(n, *(f"mbus{n}_{part}" for part in ("reading", "reading_time", "type", "unit_code", "reading_age")))
    for n in MBUS_CHANNELS
)
_MEDIUM_NAMES = {
    (medium, n): tuple((f"mbus{n}_{part}", f"{medium}_{part}") for part in MEDIUM_PARTS)
    for medium in MEDIA
    for n in MBUS_CHANNELS
}
"""Medium and M-Bus channel → the names of the channel's readings, each with that of the medium's reading."""
_NOTHING = Derived({}, {})
_MBUS_INPUTS = ("reading", "reading_time", "type", "identifier", "valve")
_GROUPS: tuple[tuple[frozenset[str], Compute], ...] = (
    *(_tariff_sum(way) for way in WAYS),
    *(_phase(suffix) for suffix in PHASE_SUFFIXES),
    (frozenset({"equipment_identifier", *IDENTITIES}), _identity),
    (frozenset({"limiter"}), _limiter),
    (frozenset({_QUARTER, "demand_history"}), _peaks),
    (frozenset({"clock", *(f"mbus{n}_{part}" for n in MBUS_CHANNELS for part in _MBUS_INPUTS)}), _mbus),
)
"""Groups of derivations, each with the names of all its inputs. No group uses the result of another."""
_USED_BY: dict[str, list[int]] = {}
for _index, (_inputs, _) in enumerate(_GROUPS):
    for _name in _inputs:
        _USED_BY.setdefault(_name, []).append(_index)
