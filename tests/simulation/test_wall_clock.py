"""The clock on the wall beside the time zone database."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulation.wall_clock import FIRST_MONDAY, WallClock

ZONES = ["Europe/Amsterdam", "Europe/Budapest", "Europe/Stockholm", "Europe/Helsinki", "Europe/Vilnius"]
moments = st.integers(1_704_067_200, 2_051_222_400)


@given(st.sampled_from(ZONES), moments)
def test_it_shows_local_time(zone: str, at: int) -> None:
    clock, local = WallClock(zone), datetime.fromtimestamp(at, ZoneInfo(zone))
    shown = clock.at(at)
    assert shown.stamp == f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"
    assert shown.second == (local.replace(tzinfo=UTC) - FIRST_MONDAY).total_seconds()
    assert (shown.year, shown.month) == (local.year, local.month)
    assert clock.has(shown.second)
    assert clock.stamp(shown.second)[:12] == shown.stamp[:12]


@given(moments)
def test_one_that_keeps_normal_time_goes_evenly(at: int) -> None:
    clock = WallClock("Europe/Stockholm", keeps_normal_time=True)
    shown = clock.at(at)
    assert shown.stamp == f"{datetime.fromtimestamp(at + 3600, UTC):%y%m%d%H%M%S}W"
    assert clock.at(at + 1).second == shown.second + 1
    assert clock.has(shown.second)


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Brussels", 2), ("Europe/Helsinki", 3)])
def test_an_hour_in_march_is_never_shown(zone: str, hour: int) -> None:
    clock = WallClock(zone)
    assert clock.skipped_hour == 6 * 24 + hour
    sunday = int((datetime(2026, 3, 29, tzinfo=UTC) - FIRST_MONDAY).total_seconds())
    shown = [clock.has(sunday + each * 3600) for each in range(24)]
    assert [each for each, is_shown in enumerate(shown) if not is_shown] == [hour]


def test_months_begin_at_midnight_whatever_the_year() -> None:
    clock = WallClock("Europe/Amsterdam")
    assert clock.stamp(clock.month_begins(2026, 7)) == "260701000000S"
    assert clock.month_begins(2026, 0) == clock.month_begins(2025, 12)
    assert clock.month_begins(2026, -12) == clock.month_begins(2024, 12)
    assert clock.month_begins(2026, 13) == clock.month_begins(2027, 1)
