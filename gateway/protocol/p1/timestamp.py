"""P1 time stamps: `YYMMDDhhmmssX`, X being S in summer time and W in normal time (DSMR 5.0.2 P1, 6.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_STAMP = re.compile(r"[0-9]{12}[SW]?")
# The flag alone decides. A calendar would be an hour wrong wherever a meter keeps normal time all year
# (Sweden, Finland) or switches late.
_OFFSET = {"S": timezone(timedelta(hours=2)), "W": timezone(timedelta(hours=1))}
_LOCAL = ZoneInfo("Europe/Amsterdam")

_NEVER_BEFORE = datetime(2001, 1, 1, tzinfo=UTC)
"""Meters without a clock, or without an M-Bus meter, send 1970 or the first seconds of 2000."""


def parse_timestamp(text: str) -> int | None:
    """Unix seconds of a stamp; None for one that is no date, or one of the dates that mean "never".

    A stamp without S or W, as DSMR 2.2 has it, is local time.
    """
    if not _STAMP.fullmatch(text):
        return None
    year, month, day, hour, minute, second = (int(text[i : i + 2]) for i in range(0, 12, 2))
    zone = _OFFSET[text[12]] if len(text) == 13 else _LOCAL
    # Two digits from 69 on are the 1900s, as in POSIX: meters that lost their clock send 70.
    century = 1900 if year >= 69 else 2000
    try:
        moment = datetime(century + year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment >= _NEVER_BEFORE else None
