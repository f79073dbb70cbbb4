"""DSMR versions and national variants: how to recognise one, and what to expect of it.

The readings themselves do not depend on the variant, since every OBIS line is read for what it says. The
variant decides the serial settings, whether a checksum must be there, how often a telegram comes, and what a
line does not say: which tariff is the low one, and whose normal time its W is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """A serial line's speed in baud and its character form."""

    baudrate: int
    bytesize: Literal[7, 8]
    parity: Literal["N", "E", "O"]
    stopbits: Literal[1, 2] = 1

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"


SLOW_LINE = SerialSettings(9600, 7, "E")
"""DSMR 2.2 and 3 as meters in the field send it."""
FAST_LINE = SerialSettings(115200, 8, "N")
"""DSMR 4.0.4 P1, 5.12, and everything after it."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is known of a DSMR version or national variant before its first telegram."""

    key: str
    """The value of `dsmr_version` in the configuration, as Home Assistant's dsmr platform has it."""
    title: str
    line: SerialSettings
    cadence_s: float
    """Seconds between two telegrams."""
    has_checksum: bool
    low_tariff: Literal[1, 2] | None = None
    """Which tariff is the low one, the other being the normal one; None where there are none, or it is not known."""
    utc_offset_h: Literal[1, 2] = 1
    """Hours that the country's normal time is ahead of UTC."""
    looks_like: str = ""
    """The key of another variant that its telegrams cannot be told from."""


VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        Variant("2.2", "DSMR 2.2 or 3", SLOW_LINE, 10, has_checksum=False, low_tariff=1),
        Variant("4", "DSMR 4", FAST_LINE, 10, has_checksum=True, low_tariff=1),
        Variant("5", "DSMR 5", FAST_LINE, 1, has_checksum=True, low_tariff=1),
        Variant("5B", "Belgium, e-MUCS", FAST_LINE, 1, has_checksum=True, low_tariff=2),
        Variant("5L", "Luxembourg, Smarty", FAST_LINE, 10, has_checksum=True),
        Variant("5S", "Sweden", FAST_LINE, 10, has_checksum=True),
        Variant("5S-FI", "Finland", FAST_LINE, 10, has_checksum=True, utc_offset_h=2, looks_like="5S"),
        Variant("5EONHU", "Hungary", FAST_LINE, 10, has_checksum=True, low_tariff=2),
        Variant("ISKRA_IE", "Iskra IE", FAST_LINE, 1, has_checksum=True),
        Variant("SAGEMCOM_T210_D_R", "Austria, Sagemcom T210-D-r", FAST_LINE, 10, has_checksum=True),
        Variant("Q3D", "Germany, EasyMeter Q3D and D0 push", SLOW_LINE, 2, has_checksum=False),
        Variant("LT", "Lithuania, ESO", FAST_LINE, 10, has_checksum=True, utc_offset_h=2),
        Variant("WARMTELINK", "WarmteLink, heat alone", FAST_LINE, 10, has_checksum=True),
    )
}

ALIASES = {"3": "2.2", "4+": "4", "MSn": "5L"}
"""Other names in use: DSMR 3 meters send what 2.2 meters send; `4+` is dsmr_parser's 4 with the lines of 5, `MSn` its
Luxembourg with encryption."""


def detect(codes: Collection[str], p1_version: str | None, has_d0_codes: bool, identification: str = "") -> Variant:
    """The variant that a telegram shows.

    Finland's cannot be told from Sweden's: who wants right times there sets it.

    Args:
        codes: its OBIS codes.
        p1_version: the value of 1-3:0.2.8, such as `42` or `50`; None when there is none.
        has_d0_codes: whether its codes end in `*255`, as German meters send them.
        identification: its first line without the `/`. One maker's serves several countries, so that it counts only
            where nothing else tells.

    """
    return VARIANTS[_detect_key(codes, p1_version, has_d0_codes, identification)]


def _detect_key(codes: Collection[str], p1_version: str | None, has_d0_codes: bool, identification: str) -> str:
    if has_d0_codes:
        return "Q3D"
    if "0-0:96.1.4" in codes:
        return "5B"
    if identification.startswith("ESO5"):
        return "LT"
    if all(code in codes for code in ("1-0:0.0.0", "0-0:96.1.0", "1-0:1.8.1")):
        return "ISKRA_IE"
    if "0-0:42.0.0" in codes:
        return "5EONHU" if "1-0:15.8.0" in codes else "5L"
    if p1_version:
        if "1-0:3.8.1" in codes:
            return "SAGEMCOM_T210_D_R"
        if _measures_heat_alone(codes):
            return "WARMTELINK"
        return "4" if p1_version.startswith("4") else "5"
    if "0-0:1.0.0" in codes:
        return "5S" if "1-0:1.8.0" in codes and "1-0:1.8.1" not in codes else "5"
    return "2.2" if "1-0:1.8.1" in codes else "5"


def mistaken(said: Variant, shown: Variant) -> tuple[str, str] | None:
    """Why what is said of a meter cannot be true of its telegrams, and the way out; None where it may be."""
    if shown.key in (said.key, said.looks_like):
        return None
    return f"{said.key} is said, and the telegrams are those of {shown.title}", f'Write dsmr_version: "{shown.key}"'


def _measures_heat_alone(codes: Collection[str]) -> bool:
    return "0-1:24.2.1" in codes and not any(code.startswith("1-0:") for code in codes)
