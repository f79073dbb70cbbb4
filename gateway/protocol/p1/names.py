"""The names that a register map may use: readings, what is derived from them, and the gateway's own values."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gateway.protocol.p1.country import TARIFF_NAMES
from gateway.protocol.p1.demand_history import MONTHS
from gateway.protocol.p1.derived import LIMITER_NAMES, MEDIA, PHASES
from gateway.protocol.p1.obis import ENTRIES, MBUS_CHANNELS, Kind

GATEWAY_PREFIX = "gateway_"


class ValueType(StrEnum):
    """What a name's value is."""

    NUMBER = "number"
    TEXT = "text"


class NameInfo(NamedTuple):
    """What a name stands for."""

    sort: ValueType
    unit: str | None
    """Base unit, None for what has none."""
    codes: tuple[str, ...] = ()
    """OBIS codes that it comes from; none for what is derived."""


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
}
"""Known whether or not the meter speaks; times in unix seconds, flags 0 or 1, the version times ten."""


def _readings() -> dict[str, NameInfo]:
    names: dict[str, NameInfo] = {}
    for code, entry in ENTRIES.items():
        codes = (*names[entry.name].codes, code) if entry.name in names else (code,)
        is_text = entry.kind in (Kind.TEXT, Kind.OCTETS, Kind.OTHER)
        names[entry.name] = NameInfo(ValueType.TEXT if is_text else ValueType.NUMBER, entry.unit, codes)
        if entry.kind in (Kind.TIMED, Kind.HOURLY):
            names[f"{entry.name}_time"] = NameInfo(ValueType.NUMBER, None, codes)
    return names


def _derived() -> dict[str, NameInfo]:
    names = {name: NameInfo(ValueType.NUMBER, unit, ("0-0:17.0.0",)) for unit, name in LIMITER_NAMES.items()}
    names |= {f"power_net{suffix}": NameInfo(ValueType.NUMBER, "W") for suffix in ("", *(f"_l{p}" for p in PHASES))}
    names |= {
        f"energy_{way}_{t}": NameInfo(ValueType.NUMBER, "Wh") for way in ("import", "export") for t in TARIFF_NAMES
    }
    names["tariff_is_low"] = _NUMBER
    for month in MONTHS:
        names[f"demand_peak_{month}"] = NameInfo(ValueType.NUMBER, "W", ("0-0:98.1.0",))
        names[f"demand_peak_{month}_time"] = NameInfo(ValueType.NUMBER, None, ("0-0:98.1.0",))
    for n in MBUS_CHANNELS:
        names[f"mbus{n}_unit_code"] = _NUMBER
        names[f"mbus{n}_reading_age"] = _SECONDS
    for medium, (_, unit) in MEDIA.items():
        names[f"{medium}_reading"] = NameInfo(ValueType.NUMBER, unit)
        names[f"{medium}_reading_time"] = _NUMBER
        names[f"{medium}_reading_age"] = _SECONDS
        names[f"{medium}_identifier"] = _TEXT
        names[f"{medium}_valve"] = _NUMBER
    return names


NAMES: dict[str, NameInfo] = _derived() | _readings() | GATEWAY_VALUES | {"identification": _TEXT}
del NAMES["limiter"]  # its quantity is the maker's choice: LIMITER_NAMES has one name for each
"""Every name a map may use."""
