"""Which lines of a telegram a register's value comes from."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.protocol.derived import LIMITER_NAMES, MEDIA, TARIFFS
from gateway.protocol.obis import MBUS_CHANNELS
from gateway.protocol.readings import Readings

_MEDIUM_PARTS = ("reading_time", "reading_age", "reading", "identifier", "valve")


def lines_of(uses: Iterable[str], readings: Readings) -> tuple[int, ...]:
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
