"""The history of a Belgian meter's monthly peaks, OBIS code 0-0:98.1.0 (e-MUCS-P1 1.7.1).

    (2)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)(200401000000S)(200305122139S)(05.980*kW)

How many, the code of the quantity, and for each month its end, the moment of its peak and the peak. The order of the
months is the meter's own: some send the newest first, some the oldest. The same code carries something else in other
meters (a Hungarian month-end snapshot, further columns of industrial meters, a bare count); that is no history.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from gateway.protocol.p1.obis import UNIT_FACTORS, spelled
from gateway.protocol.p1.timestamp import parse_timestamp

MONTHS = range(1, 14)
"""How far back a history goes, 1 being the month that ended last."""
MAX_CACHED = 16
"""Histories; one changes once a month."""

_GROUP = re.compile(r"\(([^()]*)\)")
_QUANTITY = "1-0:1.6.0"
_COUNT = re.compile(r"[0-9]{1,3}")
_POWER = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\*([A-Za-z]{1,8})")


class Peak(NamedTuple):
    """The highest quarter of an hour of a month."""

    month_end: int
    """Unix seconds."""
    power: Decimal | None
    """In W; None for a month without one."""
    time: int | None


@lru_cache(maxsize=MAX_CACHED)
def monthly_peaks(text: str) -> tuple[Peak, ...]:
    """The peaks in the value groups of a line, newest month first; none where the groups are not of this shape."""
    groups = _GROUP.findall(text)
    if len(groups) < len(("count", "quantity", "quantity")) or groups[1:3] != [_QUANTITY, _QUANTITY]:
        return ()
    # A meter may announce more months than it has; fewer than there are would be another shape.
    count, rest = groups[0], groups[3:]
    if not _COUNT.fullmatch(count) or len(rest) % 3 or len(rest) > 3 * int(count):
        return ()
    peaks = [_peak(*rest[i : i + 3]) for i in range(0, len(rest), 3)]
    found = sorted((peak for peak in peaks if peak), key=lambda peak: peak.month_end, reverse=True)
    if len({peak.month_end for peak in found}) < len(peaks):
        return ()  # one that cannot be placed, or two of one month: whose month is whose is not certain
    return tuple(found[: len(MONTHS)])


def _peak(end: str, *rest: str) -> Peak | None:
    # Iskra's IE.5 sends the moment behind the value.
    stamp, power = rest if "*" not in rest[0] else reversed(rest)
    month_end, match = parse_timestamp(end), _POWER.fullmatch(power)
    base, factor = UNIT_FACTORS.get(spelled(match[2]) or "", ("", Decimal(0))) if match else ("", Decimal(0))
    if month_end is None or match is None or base != "W":
        return None
    value, time = Decimal(match[1]) * factor, parse_timestamp(stamp)
    return Peak(month_end, value, time) if time is not None else Peak(month_end, None, None)
