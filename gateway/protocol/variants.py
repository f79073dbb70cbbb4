"""DSMR versions and national variants: how to recognise one, and what to expect of it.

The readings themselves do not depend on the variant, since every OBIS line is read for what it says. The
variant decides the serial settings, whether a checksum must be there and how often a telegram comes.
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


VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        Variant("2.2", "DSMR 2.2 or 3", SLOW_LINE, 10, has_checksum=False),
        Variant("4", "DSMR 4", FAST_LINE, 10, has_checksum=True),
        Variant("5", "DSMR 5", FAST_LINE, 1, has_checksum=True),
        Variant("5B", "Belgium, e-MUCS", FAST_LINE, 1, has_checksum=True),
        Variant("5L", "Luxembourg, Smarty", FAST_LINE, 10, has_checksum=True),
        Variant("5S", "Sweden and Finland", FAST_LINE, 10, has_checksum=True),
        Variant("5EONHU", "Hungary", FAST_LINE, 10, has_checksum=True),
        Variant("ISKRA_IE", "Iskra IE", FAST_LINE, 1, has_checksum=True),
        Variant("SAGEMCOM_T210_D_R", "Austria, Sagemcom T210-D-r", FAST_LINE, 10, has_checksum=True),
        Variant("Q3D", "Germany, EasyMeter Q3D and D0 push", SLOW_LINE, 2, has_checksum=False),
    )
}

ALIASES = {"3": "2.2", "4+": "4"}
"""Other names in use: DSMR 3 meters send what 2.2 meters send; `4+` is dsmr_parser's 4 with the lines of 5."""


def detect(codes: Collection[str], p1_version: str | None, has_d0_codes: bool) -> Variant:
    """The variant that a telegram shows.

    Args:
        codes: its OBIS codes.
        p1_version: the value of 1-3:0.2.8, such as `42` or `50`; None when there is none.
        has_d0_codes: whether its codes end in `*255`, as German meters send them.

    """
    return VARIANTS[_detect_key(codes, p1_version, has_d0_codes)]


def _detect_key(codes: Collection[str], p1_version: str | None, has_d0_codes: bool) -> str:
    if has_d0_codes:
        return "Q3D"
    if "0-0:96.1.4" in codes:
        return "5B"
    if all(code in codes for code in ("1-0:0.0.0", "0-0:96.1.0", "1-0:1.8.1")):
        return "ISKRA_IE"
    if "0-0:42.0.0" in codes:
        return "5EONHU" if "1-0:15.8.0" in codes else "5L"
    if p1_version:
        if "1-0:3.8.1" in codes:
            return "SAGEMCOM_T210_D_R"
        return "4" if p1_version.startswith("4") else "5"
    if "0-0:1.0.0" in codes:
        return "5S" if "1-0:1.8.0" in codes and "1-0:1.8.1" not in codes else "5"
    return "2.2" if "1-0:1.8.1" in codes else "5"
