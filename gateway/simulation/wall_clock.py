"""Local time of a simulated house, and the time stamps of its meter.

The household follows its wall clock: a week has the same events at the same local times. So time is also counted in
seconds of the wall clock since a Monday; that count is an hour ahead in summer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FIRST_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_EPOCH_S = int(FIRST_MONDAY.timestamp())
_CHANGE_HOUR_UTC = 1
"""Hour at which summer time begins and ends in the whole European Union (2000/84/EC)."""


@dataclass(frozen=True, slots=True)
class WallTime:
    """A moment in local time."""

    stamp: str
    """Time stamp YYMMDDhhmmssX."""
    second: int
    """Seconds of the wall clock since `FIRST_MONDAY`; in summer an hour more than elapsed."""
    is_summer: bool
    year: int
    month: int


class WallClock:
    """Local time of a zone, or its standard time all year, as some meters keep it."""

    def __init__(self, zone: str, *, keeps_normal_time: bool = False) -> None:
        self._zone = ZoneInfo(zone)
        self._keeps_normal_time = keeps_normal_time
        standard = FIRST_MONDAY.astimezone(self._zone).utcoffset()
        self._standard = standard or timedelta()
        self.skipped_hour = 6 * 24 + _CHANGE_HOUR_UTC + self._standard // timedelta(hours=1)
        """Hour of the week that is skipped in March, and that comes twice in October."""

    def at(self, at: int) -> WallTime:
        """Return the local time at `at` unix seconds."""
        local = datetime.fromtimestamp(at, self._zone)
        is_summer = bool(local.dst()) and not self._keeps_normal_time
        if self._keeps_normal_time and local.dst():
            local = (local.astimezone(UTC) + self._standard).replace(tzinfo=None)
        offset = self._standard + timedelta(hours=is_summer)
        second = at + int(offset.total_seconds()) - _EPOCH_S
        return WallTime(_stamp(local, is_summer=is_summer), second, is_summer, local.year, local.month)

    def month_begins(self, year: int, month: int) -> int:
        """Return the seconds of the wall clock at the beginning of a month; month 0 is December of the year before."""
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) - _EPOCH_S

    def has(self, second: int) -> bool:
        """Return True when the clock shows that time at all: it skips an hour in March."""
        local = self._local(second)
        back = local.astimezone(UTC).astimezone(self._zone)
        return self._keeps_normal_time or back.replace(tzinfo=None) == local.replace(tzinfo=None)

    def stamp(self, second: int) -> str:
        """Return the time stamp of a time in seconds of the wall clock."""
        local = self._local(second)
        return _stamp(local, is_summer=bool(local.dst()) and not self._keeps_normal_time)

    def _local(self, second: int) -> datetime:
        return (FIRST_MONDAY.replace(tzinfo=None) + timedelta(seconds=second)).replace(tzinfo=self._zone)


def _stamp(local: datetime, *, is_summer: bool) -> str:
    return f"{local:%y%m%d%H%M%S}{'S' if is_summer else 'W'}"
