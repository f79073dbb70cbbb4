"""OBIS codes: the name and the kind of value of each code, and the units of values.

Codes are written A-B:C.D.E, as on the line (IEC 62056-61). Register maps use the names. A code that is not in
`ENTRIES` gets its name from dsmr_parser's telegram specifications; a code that is unknown there too is its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import chain

from gateway.protocol.p1.dsmr_library import ValueParser, telegram_specifications
from gateway.protocol.p1.obis_line import CHANNEL_1, OWN_CHANNEL

Value = Decimal | int | str
"""Value of a reading: a measured number, a count or a moment in unix seconds, or a text."""


class Kind(StrEnum):
    """The form of a line's value groups."""

    NUMBER = "number"
    """`(value*unit)`, or `(value)` where the quantity has no unit."""
    FACTOR = "factor"
    """`(9.999)`, or thousandths without a decimal point, as in Lithuania: `(00998)`."""
    COUNT = "count"
    """`(digits)`, a whole number without unit."""
    TEXT = "text"
    """`(text)`, used as it is."""
    OCTETS = "octets"
    """`(hexadecimal)`, a text with two digits per character."""
    CLOCK = "clock"
    """`(YYMMDDhhmmssX)`, a time stamp."""
    TIMED = "timed"
    """`(time stamp)(value*unit)`, or the two groups swapped as Iskra IE.5 sends them."""
    PEAK = "peak"
    """As timed, or `(value*unit)` without a time stamp, as German meters send a peak."""
    HOURLY = "hourly"
    """DSMR 2.2 and 3: `(time)(status)(period)(1)(code)(unit)` and the value on the next line."""
    OTHER = "other"
    """Any other groups, kept as text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The meaning of an OBIS code."""

    name: str
    kind: Kind
    unit: str | None = None
    """Base unit of the value; None for a value without unit, or when only the line itself gives the unit."""


_UNIT_EXPONENTS = {
    "W": ("W", 0), "kW": ("W", 3), "MW": ("W", 6),
    "Wh": ("Wh", 0), "kWh": ("Wh", 3), "MWh": ("Wh", 6),
    "var": ("var", 0), "kvar": ("var", 3),
    "varh": ("varh", 0), "kvarh": ("varh", 3),
    "VA": ("VA", 0), "kVA": ("VA", 3),
    "V": ("V", 0), "kV": ("V", 3), "mV": ("V", -3),
    "A": ("A", 0), "kA": ("A", 3), "mA": ("A", -3),
    "Hz": ("Hz", 0), "kHz": ("Hz", 3), "mHz": ("Hz", -3),
    "m3": ("m3", 0), "dm3": ("m3", -3), "l": ("m3", -3),
    "J": ("J", 0), "kJ": ("J", 3), "MJ": ("J", 6), "GJ": ("J", 9),
    "s": ("s", 0), "ms": ("s", -3),
}  # fmt: skip
UNIT_FACTORS: dict[str, tuple[str, Decimal]] = {
    unit: (base, Decimal(1).scaleb(exponent)) for unit, (base, exponent) in _UNIT_EXPONENTS.items()
}
"""Unit → its base unit, and the factor from the unit to the base unit."""

# Meters write units in different cases (kVArh, kvarh, KWH). Only mW and MW could be confused, and no meter sends mW.
_SPELLINGS = {unit.lower(): unit for unit in UNIT_FACTORS} | {"mw": "MW", "mj": "MJ"}


@lru_cache(maxsize=256)
def canonical_unit(unit: str) -> str | None:
    """Return the unit as `UNIT_FACTORS` spells it, or None for an unknown unit."""
    return unit if unit in UNIT_FACTORS else _SPELLINGS.get(unit.lower())


def _phases(first_c: int, rest: str, name: str, kind: Kind, unit: str | None) -> dict[str, Entry]:
    """Return the entries of a quantity for L1, L2 and L3; OBIS value group C increases by 20 per phase."""
    return {f"1-0:{first_c + 20 * index}.{rest}": Entry(f"{name}_l{index + 1}", kind, unit) for index in range(3)}


def _tariffs(code: str, name: str, unit: str) -> dict[str, Entry]:
    return {f"1-0:{code}.{t}": Entry(f"{name}_t{t}", Kind.NUMBER, unit) for t in range(1, 6)}


def _mbus(n: int) -> dict[str, Entry]:
    """Return the entries of M-Bus channel `n`.

    Belgium and Sweden send the identifier as 96.1.1; Belgium sends gas as 24.2.3.
    """
    return {
        f"0-{n}:24.1.0": Entry(f"mbus{n}_type", Kind.COUNT),
        f"0-{n}:96.1.0": Entry(f"mbus{n}_identifier", Kind.OCTETS),
        f"0-{n}:96.1.1": Entry(f"mbus{n}_identifier", Kind.OCTETS),
        f"0-{n}:24.2.1": Entry(f"mbus{n}_reading", Kind.TIMED),
        f"0-{n}:24.2.3": Entry(f"mbus{n}_reading", Kind.TIMED),
        f"0-{n}:24.3.0": Entry(f"mbus{n}_reading", Kind.HOURLY),
        f"0-{n}:24.4.0": Entry(f"mbus{n}_valve", Kind.COUNT),
        # The relays of Belgian and Luxembourg meters have the M-Bus prefix, but are not M-Bus devices.
        f"0-{n}:96.3.10": Entry(f"relay{n}", Kind.COUNT),
    }


MBUS_CHANNELS = (1, 2, 3, 4)
"""Numbers of the M-Bus channels, group B of their OBIS codes (DSMR 5.0.2 P1, 6.10)."""

ENTRIES: dict[str, Entry] = {
    "1-3:0.2.8": Entry("p1_version", Kind.TEXT),
    "0-0:96.1.4": Entry("emucs_version", Kind.TEXT),
    "0-0:1.0.0": Entry("clock", Kind.CLOCK),
    "0-0:96.1.1": Entry("equipment_identifier", Kind.OCTETS),
    "0-0:96.1.0": Entry("meter_serial", Kind.OCTETS),
    "0-0:96.1.2": Entry("ean", Kind.OCTETS),
    "0-0:42.0.0": Entry("logical_device_name", Kind.OCTETS),
    "1-0:0.0.0": Entry("meter_number", Kind.TEXT),
    "1-0:94.32.1": Entry("network_voltage", Kind.COUNT),
    "0-0:96.14.0": Entry("tariff", Kind.COUNT),
    "0-0:96.13.0": Entry("text_message", Kind.OCTETS),
    "0-0:96.13.1": Entry("message_code", Kind.OCTETS),
    "0-0:96.3.10": Entry("breaker", Kind.COUNT),
    "0-0:17.0.0": Entry("limiter", Kind.NUMBER),
    "0-0:96.7.21": Entry("power_failures", Kind.COUNT),
    "0-0:96.7.9": Entry("power_failures_long", Kind.COUNT),
    "1-0:99.97.0": Entry("power_failure_log", Kind.OTHER),
    "0-0:98.1.0": Entry("demand_history", Kind.OTHER),
    "1-0:1.8.0": Entry("energy_import", Kind.NUMBER, "Wh"),
    "1-0:2.8.0": Entry("energy_export", Kind.NUMBER, "Wh"),
    **_tariffs("1.8", "energy_import", "Wh"),
    **_tariffs("2.8", "energy_export", "Wh"),
    "1-0:3.8.0": Entry("reactive_energy_import", Kind.NUMBER, "varh"),
    "1-0:4.8.0": Entry("reactive_energy_export", Kind.NUMBER, "varh"),
    **_tariffs("3.8", "reactive_energy_import", "varh"),
    **_tariffs("4.8", "reactive_energy_export", "varh"),
    **{f"1-0:{4 + q}.8.0": Entry(f"reactive_energy_q{q}", Kind.NUMBER, "varh") for q in range(1, 5)},
    "1-0:15.8.0": Entry("energy_combined", Kind.NUMBER, "Wh"),
    "1-0:1.7.0": Entry("power_import", Kind.NUMBER, "W"),
    "1-0:2.7.0": Entry("power_export", Kind.NUMBER, "W"),
    "1-0:16.7.0": Entry("power_net", Kind.NUMBER, "W"),
    "1-0:3.7.0": Entry("reactive_power_import", Kind.NUMBER, "var"),
    "1-0:4.7.0": Entry("reactive_power_export", Kind.NUMBER, "var"),
    **{f"1-0:{4 + q}.7.0": Entry(f"reactive_power_q{q}", Kind.NUMBER, "var") for q in range(1, 5)},
    "1-0:9.7.0": Entry("apparent_power_import", Kind.NUMBER, "VA"),
    "1-0:10.7.0": Entry("apparent_power_export", Kind.NUMBER, "VA"),
    "1-0:13.7.0": Entry("power_factor", Kind.FACTOR),
    "1-0:14.7.0": Entry("frequency", Kind.NUMBER, "Hz"),
    **_phases(21, "7.0", "power_import", Kind.NUMBER, "W"),
    # EasyMeter Q3D before version 3.04 sends 255 as value group E.
    "1-0:1.7.255": Entry("power_import", Kind.NUMBER, "W"),
    **_phases(21, "7.255", "power_import", Kind.NUMBER, "W"),
    **_phases(22, "7.0", "power_export", Kind.NUMBER, "W"),
    **_phases(36, "7.0", "power_net", Kind.NUMBER, "W"),
    **_phases(23, "7.0", "reactive_power_import", Kind.NUMBER, "var"),
    **_phases(24, "7.0", "reactive_power_export", Kind.NUMBER, "var"),
    **_phases(31, "7.0", "current", Kind.NUMBER, "A"),
    **_phases(32, "7.0", "voltage", Kind.NUMBER, "V"),
    **_phases(33, "7.0", "power_factor", Kind.FACTOR, None),
    **_phases(31, "4.0", "fuse_limit", Kind.NUMBER, "A"),
    **_phases(32, "32.0", "voltage_sags", Kind.COUNT, None),
    **_phases(32, "36.0", "voltage_swells", Kind.COUNT, None),
    "1-0:1.4.0": Entry("demand_import", Kind.NUMBER, "W"),
    "1-0:2.4.0": Entry("demand_export", Kind.NUMBER, "W"),
    "1-0:1.6.0": Entry("demand_peak", Kind.PEAK, "W"),
    **{code: entry for n in MBUS_CHANNELS for code, entry in _mbus(n).items()},
}


_KIND_OF_TYPE = {Decimal: Kind.NUMBER, int: Kind.COUNT}
MAX_CACHED_CODES = 1024
"""Largest number of codes whose entries are remembered."""


def _specified_entries() -> dict[str, Entry]:
    """Return the entries of dsmr_parser's specifications, by value groups C.D.E."""
    entries: dict[str, Entry] = {}
    specifications = [value for value in vars(telegram_specifications).values() if isinstance(value, dict)]
    for item in chain.from_iterable(specification.get("objects", ()) for specification in specifications):
        formats: Sequence[ValueParser] = getattr(item["value_parser"], "value_formats", ())
        # A reference is a pattern for a whole line, such as `^\d-\d:96\.5\.5.+?\r\n`.
        groups = item["obis_reference"].split(":")[1].split(".+?")[0].replace("\\", "")
        if len(formats) == 1 and groups.replace(".", "").isdecimal():
            kind = _KIND_OF_TYPE.get(formats[0].coerce_type, Kind.TEXT)
            entries.setdefault(groups, Entry(item["value_name"].lower(), kind))
    return entries


_SPECIFIED = _specified_entries()
_OWN_PREFIXES = ("0-0:", "1-0:", "1-3:")


@lru_cache(maxsize=MAX_CACHED_CODES)
def entry_of(code: str) -> Entry:
    """Return the entry of `code`: from `ENTRIES`, else from dsmr_parser, else with the code as its name."""
    own = ENTRIES.get(code)
    # dsmr_parser's patterns accept any A-B, so 2-1:1.8.1 would count as this meter's import.
    if own is None and code.startswith(_OWN_PREFIXES):
        own = _SPECIFIED.get(code[4:])
    return own or Entry(code, Kind.OTHER)


def own_entry(code: str) -> Entry | None:
    """Return the entry of a code of channel 1 for a meter whose own channel it is, or None."""
    return ENTRIES.get(OWN_CHANNEL + code.removeprefix(CHANNEL_1)) if code.startswith(CHANNEL_1) else None
