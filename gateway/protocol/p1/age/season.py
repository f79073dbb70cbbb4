"""The night in which summer time ends: the only time at which a clock with a wrong flag goes back by an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

HOUR_S, HOUR_WANDER_S = 3600.0, 3.0
"""Step of a clock with a wrong summer time flag, in seconds, and its largest deviation."""
CHANGE_HOUR = 1
"""Hour in UTC at which summer time ends in Europe, on the last Sunday of October (2000/84/EC)."""
EARLIEST_S, LATEST_S = -1800.0, 9000.0
"""Times before and after the change at which such a step may begin, in seconds on the meter's clock. A clock that is in
winter time all year is an hour ahead in summer, and may also be wrong by some minutes."""


def is_change_to_winter(newest: int, step: float) -> bool:
    """Return whether a clock may have changed to winter time without its flag.

    Args:
        newest: the newest stamp before the step, in UTC seconds.
        step: seconds by which the clock went back.

    """
    if abs(step - HOUR_S) > HOUR_WANDER_S:
        return False
    year = datetime.fromtimestamp(newest, UTC).year
    return EARLIEST_S <= newest - _end_of_summer_time(year) <= LATEST_S


def _end_of_summer_time(year: int) -> float:
    last_day = datetime(year, 10, 31, CHANGE_HOUR, tzinfo=UTC)
    return (last_day - timedelta(days=last_day.isoweekday() % 7)).timestamp()
