"""The monthly peaks of a Belgian meter, OBIS code 0-0:98.1.0 (e-MUCS-P1 1.7.1).

    (2)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)(200401000000S)(200305122139S)(05.980*kW)

The groups are the number of months, twice the code of the quantity, and three groups for each month: its end, the time
of its peak, and the peak. Some meters send the newest month first, others the oldest. Other meters use the same code
for other data (Hungarian values at the end of a month, more columns of industrial meters, a count alone). Such data is
not a history of peaks and gives no peaks.

A month has its place by its end, not by its position in the line: `peaks_by_month` leaves a gap for a month that the
meter did not send, also for the last one, which some meters send some time after the month has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from gateway.protocol.p1.obis import UNIT_FACTORS, canonical_unit
from gateway.protocol.p1.obis_line import LOCAL, VALUE_GROUP, parse_timestamp
from gateway.protocol.p1.value_groups import LARGEST

MONTHS = range(1, 14)
"""Months of a history; 1 is the month that ended last."""
MAX_CACHED = 16
"""Largest number of histories that are remembered; each changes once a month."""

QUARTER_S = 900
"""Seconds of a quarter of an hour. In each time zone a month begins with one."""
_HALF_MONTH_S = 14 * 24 * 3600
"""Seconds after the end of a month that are in the next month, also if the meter writes the end an hour off."""

_QUANTITY = "1-0:1.6.0"
_TO_WATT: dict[str | None, Decimal] = {unit: factor for unit, (base, factor) in UNIT_FACTORS.items() if base == "W"}
_COUNT = re.compile(r"[0-9]{1,3}")
_POWER = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\*([A-Za-z]{1,8})")


class Peak(NamedTuple):
    """The quarter of an hour of a month with the highest power."""

    month_end: int
    """Unix seconds."""
    power: Decimal | None
    """Mean power of the quarter in W; None for a month without a peak."""
    time: int | None
    """Unix seconds."""


@lru_cache(maxsize=MAX_CACHED)
def monthly_peaks(text: str) -> tuple[Peak, ...]:
    """Return the peaks in the value groups of a line, newest month first; none for groups of another form."""
    groups = VALUE_GROUP.findall(text)
    if len(groups) < len(("count", "quantity", "quantity")) or groups[1:3] != [_QUANTITY, _QUANTITY]:
        return ()
    # A meter may announce more months than it sends. Fewer would be another form.
    count, rest = groups[0], groups[3:]
    if not _COUNT.fullmatch(count) or len(rest) % 3 or len(rest) > 3 * int(count):
        return ()
    peaks = [_peak(*rest[i : i + 3]) for i in range(0, len(rest), 3)]
    found = sorted((peak for peak in peaks if peak), key=lambda peak: peak.month_end, reverse=True)
    if len({peak.month_end for peak in found}) < len(peaks):
        return ()  # a month is invalid or comes twice, so it is not certain which peak belongs to which
    return tuple(found[: len(MONTHS)])


def peaks_by_month(text: str, clock: int | None) -> Mapping[int, Peak]:
    """Return the peaks in the value groups of a line by month; 1 is the last whole month.

    Args:
        text: the value groups.
        clock: the meter's clock in unix seconds. Without it, or if it is behind the history, the newest month of the
            history counts as the last whole month.

    """
    return _placed(text, month_of(clock) if clock is not None else 0)


@lru_cache(maxsize=MAX_CACHED)
def _placed(text: str, present: int) -> Mapping[int, Peak]:
    ended = [(month_of(peak.month_end + _HALF_MONTH_S), peak) for peak in monthly_peaks(text)]
    present = max([present, *(begun for begun, _ in ended)])
    placed: dict[int, Peak] = {}
    for begun, peak in ended:
        month = present - begun + 1
        # Of two histories of one month, it is not certain which one is right.
        placed[month] = Peak(peak.month_end, None, None) if month in placed else peak
    return MappingProxyType({month: peak for month, peak in placed.items() if month in MONTHS})


def month_of(moment: int) -> int:
    """Return the number of the month of a moment in unix seconds, in the meter's country, counted from year 0."""
    return _month_of_quarter(moment // QUARTER_S)


@lru_cache(maxsize=64)
def _month_of_quarter(quarter: int) -> int:
    local = datetime.fromtimestamp(quarter * QUARTER_S, LOCAL)
    return 12 * local.year + local.month


def _peak(end: str, *rest: str) -> Peak | None:
    # The Iskra IE.5 sends the time after the value.
    stamp, power = rest if "*" not in rest[0] else reversed(rest)
    month_end, match = parse_timestamp(end), _POWER.fullmatch(power)
    factor = _TO_WATT.get(canonical_unit(match[2])) if match else None
    if month_end is None or match is None or factor is None:
        return None
    value, time = Decimal(match[1]) * factor, parse_timestamp(stamp)
    if time is None or value > LARGEST["W"]:
        return Peak(month_end, None, None)
    return Peak(month_end, value, time)
