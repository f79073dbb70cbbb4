"""DSMR versions and national variants: how each is detected, and its properties.

Every OBIS line is read by its code, so most readings do not depend on the variant. The variant determines the serial
settings, whether a checksum is required, how often telegrams come, and what the lines do not contain: which tariff is
the low one, and the time zone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from gateway.protocol.p1.obis_line import is_own_channel_1


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Speed of a serial line in baud, and the format of its characters."""

    baudrate: int
    bytesize: Literal[7, 8]
    parity: Literal["N", "E", "O"]
    stopbits: Literal[1, 2] = 1

    @property
    def format(self) -> str:
        """Return the format of the characters, such as `8N1`."""
        return f"{self.bytesize}{self.parity}{self.stopbits}"

    def __str__(self) -> str:
        return f"{self.baudrate} {self.format}"


SLOW_LINE = SerialSettings(9600, 7, "E")
"""Serial settings of DSMR 2.2 and 3, as real meters use them."""
FAST_LINE = SerialSettings(115200, 8, "N")
"""Serial settings since DSMR 4 (DSMR 4.0.4 P1, 5.12)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Properties of a DSMR version or national variant."""

    key: str
    """Value of `dsmr_version` in the configuration, the same as in Home Assistant's dsmr integration."""
    title: str
    """Name for users."""
    line: SerialSettings
    cadence_s: float
    """Usual time between two telegrams."""
    has_checksum: bool
    low_tariff: Literal[1, 2] | None = None
    """Number of the low tariff; None when there are no tariffs, or it is not known."""
    utc_offset_h: Literal[1, 2] = 1
    """Hours between UTC and the country's standard time."""
    looks_like: str = ""
    """Key of another variant whose telegrams look the same."""
    signed_import: str | None = None
    """Beginning of the identification of meters that send import and export under the code of import, with a sign; None
    if meters of the variant always send export under a code of its own."""
    never_sends: tuple[str, ...] = ()
    """Quantities of which no telegram of it has the value of a phase, such as `voltage`; also derived ones."""
    unnamed: frozenset[str] = frozenset()
    """OBIS codes that mean something else in its telegrams than in those of other variants."""

    def sends(self, reading: str) -> bool:
        """Return False if no meter of this variant sends the reading, which may be derived from others."""
        quantity, _, phase = reading.rpartition("_")
        return phase not in _PHASES or quantity not in self.never_sends


_PHASES = ("l1", "l2", "l3")
_LATER = ("power_import", "power_export", "power_net", "current", "current_signed", "voltage")
"""Quantities per phase that meters before DSMR 4 do not send."""
_FUSE_LIMITS = frozenset({"1-0:31.4.0", "1-0:51.4.0", "1-0:71.4.0"})
"""OBIS codes of the fuse limits. In Lithuania they are mean currents (value group D = 4, IEC 62056-61)."""


VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        Variant(
            "2.2",
            "DSMR 2.2 or 3",
            SLOW_LINE,
            10,
            has_checksum=False,
            low_tariff=1,
            never_sends=_LATER,
        ),
        Variant("4", "DSMR 4", FAST_LINE, 10, has_checksum=True, low_tariff=1, never_sends=("voltage",)),
        Variant("5", "DSMR 5", FAST_LINE, 1, has_checksum=True, low_tariff=1),
        Variant("5B", "Belgium, e-MUCS", FAST_LINE, 1, has_checksum=True, low_tariff=2),
        Variant("5L", "Luxembourg, Smarty", FAST_LINE, 10, has_checksum=True),
        Variant("5S", "Sweden", FAST_LINE, 10, has_checksum=True),
        Variant("5S-FI", "Finland", FAST_LINE, 10, has_checksum=True, utc_offset_h=2, looks_like="5S"),
        Variant("5EONHU", "Hungary", FAST_LINE, 10, has_checksum=True, low_tariff=2),
        Variant("ISKRA_IE", "Iskra IE", FAST_LINE, 1, has_checksum=True),
        Variant("SAGEMCOM_T210_D_R", "Austria, Sagemcom T210-D-r", FAST_LINE, 10, has_checksum=True),
        Variant("Q3D", "Germany, EasyMeter Q3D and D0 push", SLOW_LINE, 2, has_checksum=False, signed_import="ESY5Q3D"),
        Variant("LT", "Lithuania, ESO", FAST_LINE, 10, has_checksum=True, utc_offset_h=2, unnamed=_FUSE_LIMITS),
        Variant("WARMTELINK", "WarmteLink, heat only", FAST_LINE, 10, has_checksum=True),
    )
}

ALIASES = {"3": "2.2", "4+": "4", "MSn": "5L"}
"""Other names → keys. DSMR 3 meters send the same as 2.2 meters; `4+` is dsmr_parser's name for 4 with lines of 5, and
`MSn` its name for Luxembourg with encryption."""


def detect(codes: Collection[str], p1_version: str | None, has_d0_codes: bool, identification: str = "") -> Variant:
    """Return the variant that a telegram shows.

    Telegrams of Finland and Sweden look the same and give Sweden; a user in Finland configures the version.

    Args:
        codes: the OBIS codes of its lines.
        p1_version: the value of 1-3:0.2.8, such as `42` or `50`; None without that line.
        has_d0_codes: True when its codes end with `*255`, as German meters send them.
        identification: its first line without the `/`. Manufacturers use the same one in several countries, so it
            counts only when nothing else shows the variant.

    """
    return VARIANTS[_detect_key(codes, p1_version, has_d0_codes, identification)]


def _detect_key(codes: Collection[str], p1_version: str | None, has_d0_codes: bool, identification: str) -> str:
    if has_d0_codes:
        return "Q3D"
    if "0-0:96.1.4" in codes:
        # Swiss meters send this line of the Belgian ones, and their totals on channel 1.
        return "5" if is_own_channel_1(codes) else "5B"
    if identification.startswith("ESO5"):
        return "LT"
    if all(code in codes for code in ("1-0:0.0.0", "0-0:96.1.0", "1-0:1.8.1")):
        return "ISKRA_IE"
    if "0-0:42.0.0" in codes:
        return "5EONHU" if "1-0:15.8.0" in codes else "5L"
    if p1_version:
        if "1-0:3.8.1" in codes:
            return "SAGEMCOM_T210_D_R"
        if _measures_heat_only(codes):
            return "WARMTELINK"
        return "4" if p1_version.startswith("4") else "5"
    if "0-0:1.0.0" in codes:
        return "5S" if "1-0:1.8.0" in codes and "1-0:1.8.1" not in codes else "5"
    return "2.2" if "1-0:1.8.1" in codes else "5"


def variant_mismatch(configured: Variant, detected: Variant) -> tuple[str, str] | None:
    """Return the problem and the hint when the configured variant contradicts the telegrams, or None."""
    if detected.key in (configured.key, configured.looks_like):
        return None
    problem = f"{configured.key} is configured, but the telegrams are those of {detected.title}"
    return problem, f'Write dsmr_version: "{detected.key}"'


def _measures_heat_only(codes: Collection[str]) -> bool:
    return "0-1:24.2.1" in codes and not any(code.startswith("1-0:") for code in codes)
