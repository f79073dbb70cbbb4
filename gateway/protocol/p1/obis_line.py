"""The grammar of a telegram's data lines: OBIS code, value groups, numbers and time stamps.

A line is an OBIS code and one or more groups in parentheses, such as `1-0:1.8.1(012345.678*kWh)` (IEC 62056-21). It
ends with CR, LF or both in either order. A value group may follow on a line of its own, as DSMR 2.2 sends gas; it
belongs to the line before it.

Reading and redaction both use this grammar. A line that one of them accepts is therefore a line for the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

LINE = re.compile(rb"[^\r\n]+(?:[\r\n]+\([^\r\n]*)*")
"""Pattern of one line of a telegram, whatever it contains, with the value groups that follow it."""
CODE = r"[0-9]{1,2}-[0-9]{1,3}:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
"""Pattern of an OBIS code A-B:C.D.E, each value group 0 to 255 (IEC 62056-61)."""
DATA_LINE = re.compile(rf"({CODE})((?:\*255)?)((?:\([^()]*\)[\r\n]*)+)")
"""Pattern of a data line: the code, the suffix `*255` that German meters add, and the value groups."""
VALUE_GROUP = re.compile(r"\(([^()]*)\)")
"""Pattern of one value group; its content is group 1."""
UNIT = r"[A-Za-z][A-Za-z0-9]{0,7}"
"""Pattern of a unit, which follows a number and `*`; some German meters omit the `*`."""
STAMP = r"[0-9]{12}[SW]?"
"""Pattern of a time stamp `YYMMDDhhmmssX` (DSMR 5.0.2 P1, 6.4)."""
CHANNEL_1 = "1-1:"
"""Prefix of the codes of channel 1. Swiss meters send their own quantities on it, others those of something else."""
OWN_CHANNEL = "1-0:"
"""Prefix of the codes of channel 0, on which a meter sends its own quantities."""
_MAIN_QUANTITIES = {"1.7", "16.7", "1.8"}
"""Value groups C.D of net and imported power and imported energy, of which each meter sends one."""

_STAMP = re.compile(STAMP)
# Only the flag decides. A calendar would be an hour wrong where a meter keeps standard time all year (Sweden, Finland)
# or switches late.
_OFFSET: dict[str, tzinfo] = {"S": timezone(timedelta(hours=2)), "W": timezone(timedelta(hours=1))}
LOCAL = ZoneInfo("Europe/Amsterdam")

LAST_SECOND = 59
_EARLIEST = int(datetime(2001, 1, 1, tzinfo=UTC).timestamp())
"""Earliest moment that is accepted: a meter without a clock, or without an M-Bus meter, sends 1970 or early 2000."""


def split_lines(body: bytes) -> list[bytes]:
    """Return the lines of a telegram's body, each with the value groups that follow it, as `LINE` finds them."""
    if b"\n(" in body or b"\r(" in body:
        return LINE.findall(body)
    # Most meters send each line whole. Then this is the same, and eight times as fast.
    return split_at_line_ends(body)


def split_at_line_ends(body: bytes) -> list[bytes]:
    """Return the lines of a telegram's body, without empty ones; a value group on a line of its own is a line."""
    return list(filter(None, body.splitlines()))


def parse_timestamp(text: str) -> int | None:
    """Return the unix seconds of a P1 time stamp (DSMR 5.0.2 P1, 6.4), or None for an invalid or unset one.

    The flag is S in summer time and W in winter (standard) time. A stamp without a flag, as DSMR 2.2 sends it, is local
    time in the Netherlands. Dates before 2001 mean "never" and give None.
    """
    if not _STAMP.fullmatch(text):
        return None
    begin, second = _minute(text[:10], text[12:]), int(text[10:12])
    if begin is None or second > LAST_SECOND:
        return None
    moment = begin + second
    return moment if moment >= _EARLIEST else None


@lru_cache(maxsize=256)
def _minute(digits: str, flag: str) -> int | None:
    """Return the unix seconds at which a minute begins; None if there is no such minute.

    Meters write many stamps of a minute, and all of them write the present one.
    """
    year, month, day, hour, minute = (int(digits[i : i + 2]) for i in range(0, 10, 2))
    # As in POSIX, the two digits 69 to 99 mean 1969 to 1999: a meter that lost its clock sends 70.
    century = 1900 if year >= 69 else 2000
    try:
        return int(datetime(century + year, month, day, hour, minute, tzinfo=_OFFSET.get(flag, LOCAL)).timestamp())
    except ValueError:
        return None


def is_own_channel_1(codes: Collection[str]) -> bool:
    """Return whether the lines of channel 1 are those of the meter itself, because it has no other lines for them.

    Swiss meters send their totals on channel 1, and the phases on channel 0 or 1. If a quantity is on both channels,
    the lines of channel 1 are about something else.
    """
    on_1 = {_quantity(code) for code in codes if code.startswith(CHANNEL_1)}
    return bool(on_1 & _MAIN_QUANTITIES) and on_1.isdisjoint(
        _quantity(code) for code in codes if code.startswith(OWN_CHANNEL)
    )


def _quantity(code: str) -> str:
    return code[len(CHANNEL_1) :].rpartition(".")[0]
