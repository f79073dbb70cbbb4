"""The clock on a house's wall, and how a meter there writes the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FIRST_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_EPOCH_S = int(FIRST_MONDAY.timestamp())
_NEW_TIME_AT_HOUR_UTC = 1
"""Summer time begins and ends at 1:00 UTC in all of the European Union (2000/84/EC)."""


@dataclass(frozen=True, slots=True)
class WallTime:
    """A time as the clock shows it."""

    stamp: str
    """YYMMDDhhmmssX."""
    second: int
    """Seconds on the wall since the first Monday: an hour more than went by, in summer."""
    is_summer: bool
    year: int
    month: int


class WallClock:
    """Shows the time of a zone; a meter that keeps normal time all year goes by that."""

    def __init__(self, zone: str, *, keeps_normal_time: bool = False) -> None:
        self._zone = ZoneInfo(zone)
        self._keeps_normal_time = keeps_normal_time
        standard = FIRST_MONDAY.astimezone(self._zone).utcoffset()
        self._standard = standard or timedelta()
        self.skipped_hour = 6 * 24 + _NEW_TIME_AT_HOUR_UTC + self._standard // timedelta(hours=1)
        """The hour of the week that summer time leaves out in March, and that comes twice in October."""

    def at(self, at: int) -> WallTime:
        """The time at `at` unix seconds."""
        local = datetime.fromtimestamp(at, self._zone)
        is_summer = bool(local.dst()) and not self._keeps_normal_time
        if self._keeps_normal_time and local.dst():
            local = (local.astimezone(UTC) + self._standard).replace(tzinfo=None)
        offset = self._standard + timedelta(hours=is_summer)
        second = at + int(offset.total_seconds()) - _EPOCH_S
        return WallTime(_stamp(local, is_summer=is_summer), second, is_summer, local.year, local.month)

    def month_begins(self, year: int, month: int) -> int:
        """Seconds on the wall to the beginning of a month; month 0 is last year's December, and so on."""
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) - _EPOCH_S

    def has(self, second: int) -> bool:
        """Whether the clock ever shows that time: it leaves an hour out in March."""
        local = self._local(second)
        shown = local.astimezone(UTC).astimezone(self._zone)
        return self._keeps_normal_time or shown.replace(tzinfo=None) == local.replace(tzinfo=None)

    def stamp(self, second: int) -> str:
        """How the meter writes a time on the wall."""
        local = self._local(second)
        return _stamp(local, is_summer=bool(local.dst()) and not self._keeps_normal_time)

    def _local(self, second: int) -> datetime:
        return (FIRST_MONDAY.replace(tzinfo=None) + timedelta(seconds=second)).replace(tzinfo=self._zone)


def _stamp(local: datetime, *, is_summer: bool) -> str:
    return f"{local:%y%m%d%H%M%S}{'S' if is_summer else 'W'}"
