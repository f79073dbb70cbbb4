"""Which lines of a telegram a register's value comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.protocol.p1.country import TARIFF_NAMES
from gateway.protocol.p1.derived import IDENTITIES, LIMITER_NAMES, MEDIA, TARIFFS
from gateway.protocol.p1.obis import MBUS_CHANNELS
from gateway.protocol.p1.readings import Readings

_MONTHLY_PEAK = re.compile(r"demand_peak_[0-9]+(?:_time)?")
_MEDIUM_PARTS = ("reading_time", "reading_age", "reading", "identifier", "valve")


def source_lines(uses: Iterable[str], readings: Readings) -> tuple[int, ...]:
    """Positions in `readings.lines` of the lines that the names in `uses` come from, in order."""
    names = {source for name in uses for source in _sources(name, readings)}
    return tuple(index for index, line in enumerate(readings.lines) if line.name in names)


def _sources(name: str, readings: Readings) -> set[str]:
    """The readings that stand on lines of their own and that `name` follows from."""
    said = {line.name for line in readings.lines if line.value is not None}
    if name in said:
        return {name}
    if name.startswith("power_net"):
        suffix = name.removeprefix("power_net")
        return {f"power_import{suffix}", f"power_export{suffix}"}
    if name in ("energy_import", "energy_export"):
        return {f"{name}_t{tariff}" for tariff in TARIFFS}
    others = _of_other_names(name, readings, said)
    if others:
        return others
    if name in LIMITER_NAMES.values():
        return {"limiter"}
    medium = next((medium for medium in MEDIA if name.startswith(f"{medium}_")), None)
    if medium:
        return _of_medium(medium, name.removeprefix(f"{medium}_"), readings)
    if name.endswith("_reading_age"):
        return {name.removesuffix("_age"), "clock"}
    if name.endswith("_unit_code"):
        return {name.replace("_unit_code", "_reading")}
    return {name.removesuffix("_time")}


def _of_other_names(name: str, readings: Readings, said: set[str]) -> set[str]:
    """The readings that `name` gives under another name; none where it does not."""
    if name == "tariff_is_low":
        return {"tariff"}
    total, _, tariff = name.rpartition("_")
    if tariff in TARIFF_NAMES:
        values = readings.values
        return {each for each in (f"{total}_t1", f"{total}_t2") if values.get(each) == values.get(name)}
    if _MONTHLY_PEAK.fullmatch(name):
        return {"demand_history"}
    is_identity = name == "equipment_identifier"
    return set([each for each in IDENTITIES if each in said][:1]) if is_identity else set()


def _of_medium(medium: str, part: str, readings: Readings) -> set[str]:
    """The lines of the M-Bus channel that was found to measure `medium`."""
    values = readings.values
    channel = next(
        (
            n
            for n in MBUS_CHANNELS
            if values.get(f"mbus{n}_type") in MEDIA[medium][0]
            and all(values.get(f"mbus{n}_{each}") == values.get(f"{medium}_{each}") for each in _MEDIUM_PARTS)
        ),
        None,
    )
    if channel is None:
        return set()
    return _sources(f"mbus{channel}_{part}", readings) | {f"mbus{channel}_type"}
